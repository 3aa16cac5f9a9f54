/* chat.c: a conversation at the terminal, or from lines of a file. */
#include <edgelm/generate.h>
#include <edgelm/memory.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "cli/commands.h"
#include "cli/dialog.h"
#include "cli/generation.h"
#include "cli/line.h"
#include "cli/model_options.h"
#include "engine/chat.h"

typedef struct settings {
	const char *model, *system, *chat_template, *load;
	int64_t tokens;
	bool no_history;
	cli_model_settings engine;
	cli_sampling_settings sampling;
} settings;

#define S settings
static const cli_option arguments[] = {
	{ "MODEL", 0, CLI_FILE(S, model), NULL, "the GGUF file", .required = true },
	{ 0 },
};

static const cli_option chat_options[] = {
	{ "system", 0, CLI_TEXT(S, system), "TEXT", "system message" },
	{ "template", 0, CLI_FILE(S, chat_template), "NAME",
	  "chat template instead of the model's: chatml, plain or a file" },
	{ "load", 0, CLI_FILE(S, load), "FILE", "go on with a conversation that /save wrote" },
	{ "tokens", 'n', CLI_INT(S, tokens), "N", "at most N tokens in an answer",
	  .default_text = "until the model ends or the context is full",
	  .range = { 1, INT32_MAX } },
	{ "no-history", 0, CLI_FLAG(S, no_history), NULL,
	  "do not read or write the file of earlier lines" },
	{ 0 },
};
#undef S

static const cli_group groups[] = {
	{ "Options", chat_options, 0 },
	{ "Sampling", cli_sampling_options, offsetof(settings, sampling) },
	{ "Model", cli_model_options, offsetof(settings, engine) },
	{ 0 },
};
static const settings defaults = { .engine = CLI_MODEL_DEFAULTS,
				   .sampling = CLI_SAMPLING_DEFAULTS };

typedef struct chat {
	cli_context *cli;
	const settings *s;
	elm_model *model;
	elm_session *session;
	elm_sampler *sampler;
	elm_generator *generator;
	elm__chat_format format;
	cli_dialog dialog;
	cli_line_reader *reader;
	elm__buf message;
	elm_generate_result last; /* when `answered` */
	uint64_t seed;
	bool interactive, answered, failed, leave;
	bool ends_line; /* the text of the answer so far */
} chat;

/* A line for the person, not part of the conversation. */
static void note(const char *format, ...) ELM_PRINTF(1, 2);

static void note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputc('[', stderr);
	vfprintf(stderr, format, args);
	fputs("]\n", stderr);
	va_end(args);
}

/* ---- answers ---- */

static bool on_text(void *user, const char *text, size_t length)
{
	chat *c = user;

	c->ends_line = text[length - 1] == '\n';
	if (cli_write_text(c->cli, text, length))
		return true;
	c->failed = c->leave = true;
	return false;
}

/*
 * The prompt of the conversation, with room for an answer: while less than a quarter of the context
 * is left, the oldest turn is dropped.
 */
static elm_status make_prompt(chat *c, elm_token **tokens, size_t *count, elm_error *error)
{
	size_t context = elm_session_get_options(c->session)->context, reserve = context / 4;
	unsigned dropped = 0;
	elm_status status;

	if (c->s->tokens && (size_t)c->s->tokens < reserve)
		reserve = (size_t)c->s->tokens;
	for (;;) {
		status = elm__chat_format_prompt(&c->format, c->dialog.messages, NULL, tokens,
						 count, error);
		if (status || *count + reserve <= context || !cli_dialog_drop_oldest(&c->dialog))
			break;
		elm_free(*tokens);
		*tokens = NULL;
		dropped++;
	}
	if (dropped)
		note("The context of %zu tokens is full: the oldest %u question%s and answer%s "
		     "were dropped.",
		     context, dropped, dropped > 1 ? "s" : "", dropped > 1 ? "s" : "");
	return status;
}

static elm_status generate(chat *c, elm_error *error)
{
	elm_generate_options options = {
		.max_tokens = (size_t)c->s->tokens,
		.stop = c->format.stop,
		.stop_count = c->format.stop_count,
		.new_text = true,
		.arrival_ns = elm__now_ns(),
		.cancel = cli_interrupt_watch(),
		.on_text = on_text,
		.user = c,
	};
	elm_token *tokens;
	elm_status status = make_prompt(c, &tokens, &options.prompt_count, error);

	options.prompt = tokens;
	c->ends_line = true;
	if (!status)
		status = elm_generator_run(c->generator, c->sampler, &options, &c->last, error);
	elm_free(tokens);
	c->answered = status == ELM_OK;
	return status;
}

/* Asks what was typed; the conversation is as before when there is no answer. */
static void ask(chat *c, const char *text, size_t length)
{
	elm_error error = { 0 };

	if (cli_dialog_add(&c->dialog, "user", text, length, &error)) {
		cli_fail_error(c->cli, &error);
		c->failed = true;
		return;
	}
	if (generate(c, &error)) {
		cli_dialog_remove_last(&c->dialog);
		cli_fail_error(c->cli, &error);
		c->failed = true;
		return;
	}
	if (!c->ends_line && !c->leave && !cli_write_text(c->cli, "\n", 1))
		c->failed = c->leave = true;
	if (c->leave)
		return;
	if (c->last.finish == ELM_FINISH_CANCELLED) {
		cli_interrupt_reset();
		note("stopped");
	} else if (c->last.finish == ELM_FINISH_CONTEXT) {
		note("The context is full: the answer is cut off.");
	} else if (c->last.finish == ELM_FINISH_LENGTH) {
		note("The answer is cut off after %zu tokens.", c->last.token_count);
	}
	if (cli_dialog_add(&c->dialog, "assistant", c->last.text, c->last.text_length, &error)) {
		cli_fail_error(c->cli, &error);
		c->failed = true;
	}
}

/* ---- commands ---- */

static void command_help(chat *c, const char *argument);

static void command_system(chat *c, const char *argument)
{
	elm_error error = { 0 };
	const char *text;

	if (*argument && cli_dialog_set_system(&c->dialog, argument, &error)) {
		cli_fail_error(c->cli, &error);
		c->failed = true;
		return;
	}
	text = cli_dialog_system(&c->dialog);
	if (text)
		note("system message: %s", text);
	else
		note("There is no system message.");
}

static void command_reset(chat *c, const char *argument)
{
	(void)argument;
	cli_dialog_reset(&c->dialog);
	elm_sampler_reset(c->sampler);
	note("The conversation begins anew; the system message stays.");
}

static void command_save(chat *c, const char *argument)
{
	elm_error error = { 0 };

	if (!*argument) {
		note("Save to which file? /save FILE");
		c->failed = true;
	} else if (cli_dialog_save(&c->dialog, argument, &error)) {
		cli_fail_error(c->cli, &error);
		c->failed = true;
	} else {
		note("saved %zu messages", cli_dialog_count(&c->dialog));
	}
}

static void command_load(chat *c, const char *argument)
{
	elm_error error = { 0 };

	if (!*argument) {
		note("Load which file? /load FILE");
		c->failed = true;
	} else if (cli_dialog_load(&c->dialog, argument, &error)) {
		cli_fail_error(c->cli, &error);
		c->failed = true;
	} else {
		note("loaded %zu messages", cli_dialog_count(&c->dialog));
	}
}

static void command_stats(chat *c, const char *argument)
{
	size_t held;

	(void)argument;
	elm_generator_tokens(c->generator, &held);
	if (c->answered)
		cli_print_generation(&c->last, c->seed);
	else
		note("There is no answer yet.");
	fprintf(stderr, "context %zu of %lu tokens in use, %zu messages\n", held,
		(unsigned long)elm_session_get_options(c->session)->context,
		cli_dialog_count(&c->dialog));
}

static void command_quit(chat *c, const char *argument)
{
	(void)argument;
	c->leave = true;
}

static const struct command {
	const char *name, *arguments, *help;
	void (*run)(chat *c, const char *argument);
} commands[] = {
	{ "help", "", "show this", command_help },
	{ "system", " [TEXT]", "set or show the system message", command_system },
	{ "reset", "", "forget the conversation, except the system message", command_reset },
	{ "save", " FILE", "write the conversation to a file", command_save },
	{ "load", " FILE", "replace the conversation by that of a file", command_load },
	{ "stats", "", "figures of the last answer and use of the context", command_stats },
	{ "quit", "", "leave (so does Ctrl-D)", command_quit },
};
enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void command_help(chat *c, const char *argument)
{
	(void)c;
	(void)argument;
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(stderr, "  /%s%-*s %s\n", commands[i].name,
			(int)(16 - strlen(commands[i].name)), commands[i].arguments,
			commands[i].help);
	fputs("  \"\"\"               begins and ends a message of several lines\n"
	      "  ...\\              continues on the next line\n"
	      "  //...             a message that begins with a slash\n"
	      "  Ctrl-C            stops an answer\n",
	      stderr);
}

static void run_command(chat *c, const char *text)
{
	size_t length = strcspn(text, " \t");
	const char *argument = text + length + strspn(text + length, " \t");

	for (size_t i = 0; i < COMMANDS; i++)
		if (strlen(commands[i].name) == length && !memcmp(commands[i].name, text, length)) {
			commands[i].run(c, argument);
			return;
		}
	note("There is no command /%.*s; /help lists them.", (int)length, text);
	c->failed = true;
}

/* ---- reading ---- */

/* One message, which may take several lines. */
static cli_line_result read_message(chat *c)
{
	elm__buf line = ELM__BUF_INIT;
	bool block = false, more = true;
	cli_line_result result = CLI_LINE_TEXT;

	elm__buf_clear(&c->message);
	for (bool first = true; more; first = false) {
		const char *text;

		result = cli_line_read(c->reader, first ? "> " : ". ", &line);
		if (result != CLI_LINE_TEXT)
			break;
		text = elm__buf_text(&line);
		if (!strcmp(text, "\"\"\"")) {
			block = !block;
			more = block;
			continue;
		}
		if (c->message.length)
			elm__buf_putc(&c->message, '\n');
		more = block;
		if (!block && line.length && text[line.length - 1] == '\\') {
			line.length--;
			more = true;
		}
		elm__buf_append(&c->message, text, line.length);
	}
	elm__buf_release(&line);
	if (c->message.failed)
		return CLI_LINE_FAILED;
	if (result == CLI_LINE_END && c->message.length) /* the rest of the input */
		result = CLI_LINE_TEXT;
	return result;
}

static void handle_message(chat *c)
{
	const char *text = elm__buf_text(&c->message);
	size_t length = c->message.length;

	if (text[0] == '/' && text[1] != '/') {
		run_command(c, text + 1);
	} else if (strspn(text, " \t\n") < length) {
		size_t skip = text[0] == '/';

		ask(c, text + skip, length - skip);
	}
}

static int converse(chat *c)
{
	if (c->interactive && !c->cli->quiet)
		note("%s. /help explains, Ctrl-D leaves.", c->s->model);
	while (!c->leave) {
		switch (read_message(c)) {
		case CLI_LINE_TEXT:
			handle_message(c);
			break;
		case CLI_LINE_INTERRUPTED:
			if (!c->interactive)
				return CLI_FAILED;
			fputs("\n", stderr);
			note("Ctrl-D or /quit leaves.");
			break;
		case CLI_LINE_END:
			if (c->interactive)
				putchar('\n');
			c->leave = true;
			break;
		case CLI_LINE_FAILED:
			return cli_fail(c->cli, "cannot read the next line: %s", strerror(errno));
		}
	}
	/* At a terminal the person has seen what failed and gone on. */
	return c->failed && !c->interactive ? CLI_FAILED : CLI_DONE;
}

/* $EDGELM_HISTORY, or .edgelm_history in the home folder; false for none. */
static bool history_path(const settings *s, char *out, size_t size)
{
	const char *own = getenv("EDGELM_HISTORY"), *home = getenv("HOME");
	int length = -1;

	if (s->no_history)
		return false;
	if (own && *own)
		length = snprintf(out, size, "%s", own);
	else if (home && *home)
		length = snprintf(out, size, "%s/.edgelm_history", home);
	return length > 0 && (size_t)length < size;
}

static elm_status open_chat(chat *c, elm_error *error)
{
	const settings *s = c->s;
	elm_session_options options = cli_session_options(&s->engine);
	char history[4096];
	bool keep = history_path(s, history, sizeof(history));
	elm_status status = elm__chat_format_open(&c->format, elm_model_tokenizer(c->model),
						  s->chat_template, error);

	if (!status)
		status = elm_session_create(c->model, &options, &c->session, error);
	if (!status)
		status = elm_generator_create(c->session, 0, &c->generator, error);
	if (!status)
		status = cli_dialog_init(&c->dialog, error);
	if (!status && s->load)
		status = cli_dialog_load(&c->dialog, s->load, error);
	if (!status && s->system)
		status = cli_dialog_set_system(&c->dialog, s->system, error);
	if (status)
		return status;
	c->reader = cli_line_open(c->interactive, keep ? history : NULL);
	if (!c->reader)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	return ELM_OK;
}

static int run(cli_context *cli)
{
	const settings *s = cli->settings;
	chat c = { .cli = cli,
		   .s = s,
		   .interactive = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) };
	elm_error error = { 0 };
	int code;

	c.model = cli_open_model(cli, s->model, &s->engine);
	if (!c.model)
		return CLI_FAILED;
	c.sampler = cli_create_sampler(cli, &s->sampling, elm_model_get_info(c.model)->vocabulary,
				       &c.seed, &code);
	if (c.sampler)
		code = open_chat(&c, &error) ? cli_fail_error(cli, &error) : converse(&c);
	cli_line_close(c.reader);
	cli_dialog_release(&c.dialog);
	elm_generator_free(c.generator);
	elm_session_free(c.session);
	elm_sampler_free(c.sampler);
	elm__chat_format_release(&c.format);
	elm__buf_release(&c.message);
	elm_model_close(c.model);
	return code;
}

const cli_command cli_cmd_chat = {
	.name = "chat",
	.summary = "talk with a model",
	.description =
		"Reads messages and prints the model's answers. At a terminal, lines can be edited "
		"and earlier ones called back; they are kept in the file that EDGELM_HISTORY "
		"names, "
		"or ~/.edgelm_history. Otherwise each line of standard input is a message; the "
		"exit "
		"code is 1 when any failed.\n\n"
		"/help lists the commands that can be typed instead of a message. Ctrl-C stops an "
		"answer, Ctrl-D leaves. When the context is full, the oldest turns are dropped, "
		"with a notice; the system message stays.",
	.examples = "edgelm chat model.gguf\n"
		    "edgelm chat model.gguf --system \"Answer in one sentence.\" --temp 0.2\n"
		    "printf 'Hello\\n/stats\\n' | edgelm chat model.gguf",
	.arguments = arguments,
	.groups = groups,
	.settings_size = sizeof(settings),
	.defaults = &defaults,
	.run = run,
};

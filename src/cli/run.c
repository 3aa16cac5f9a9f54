/* run.c: text from a prompt. */
#include <edgelm/generate.h>
#include <edgelm/memory.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/constraint.h"
#include "cli/generation.h"
#include "cli/model_options.h"
#include "cli/vocabulary.h"
#include "engine/chat.h"

typedef struct settings {
	const char *model, *prompt, *file, *system, *chat_template;
	int64_t tokens, draft;
	int speculation;
	bool chat, ignore_eos, special;
	cli_list stop;
	cli_constraint_settings constraint;
	cli_model_settings engine;
	cli_sampling_settings sampling;
} settings;

static const char *const speculations[] = { "none", "ngram", NULL };

#define S settings
static const cli_option arguments[] = {
	{ "MODEL", 0, CLI_FILE(S, model), NULL, "the GGUF file", .required = true },
	{ 0 },
};

static const cli_option run_options[] = {
	{ "prompt", 'p', CLI_TEXT(S, prompt), "TEXT",
	  "the prompt; standard input when neither this nor --file is given" },
	{ "file", 'f', CLI_FILE(S, file), "FILE", "read the prompt from a file" },
	{ "tokens", 'n', CLI_INT(S, tokens), "N", "generate at most N tokens",
	  .default_text = "until the model ends or the context is full",
	  .range = { 1, INT32_MAX } },
	{ "stop", 0, CLI_LIST(S, stop), "TEXT", "end before this text; may be given again" },
	{ "ignore-eos", 0, CLI_FLAG(S, ignore_eos), NULL, "never let the model end the text" },
	{ "special", 0, CLI_FLAG(S, special), NULL, "show control tokens in the text" },
	{ "spec", 0, CLI_CHOICE(S, speculation), "KIND",
	  "guess tokens ahead: ngram takes what followed the last words where they occurred "
	  "before; each "
	  "token is still drawn from the model's own logits, and it switches itself off where it "
	  "does "
	  "not help",
	  .choices = speculations },
	{ "draft", 0, CLI_INT(S, draft), "N", "tokens to guess ahead, with --spec",
	  .range = { 1, 16 } },
	{ "chat", 0, CLI_FLAG(S, chat), NULL,
	  "the prompt is the question of a user: apply the chat template" },
	{ "system", 0, CLI_TEXT(S, system), "TEXT", "system message, with --chat" },
	{ "template", 0, CLI_FILE(S, chat_template), "NAME",
	  "chat template instead of the model's: chatml, plain or a file, with --chat" },
	{ 0 },
};
#undef S

static const cli_group groups[] = {
	{ "Options", run_options, 0 },
	{ "Form of the text", cli_constraint_options, offsetof(settings, constraint) },
	{ "Sampling", cli_sampling_options, offsetof(settings, sampling) },
	{ "Model", cli_model_options, offsetof(settings, engine) },
	{ 0 },
};
static const settings defaults = { .draft = 8,
				   .engine = CLI_MODEL_DEFAULTS,
				   .sampling = CLI_SAMPLING_DEFAULTS };

/* A run in progress. */
typedef struct job {
	cli_context *cli;
	const settings *s;
	elm_model *model;
	elm_session *session;
	elm_sampler *sampler;
	elm_generator *generator;
	elm_constraint *constraint; /* NULL: none */
	elm_token *prompt;
	size_t prompt_count;
	elm__chat_format format;
	const char **stop;
	size_t stop_count;
	cli_progress progress;
	uint64_t seed, arrival_ns;
	bool ends_line; /* the text so far */
} job;

static elm_status chat_prompt(job *j, const elm__buf *text, elm_error *error)
{
	const settings *s = j->s;
	json_t *messages;
	elm_status status = elm__chat_format_open(&j->format, elm_model_tokenizer(j->model),
						  s->chat_template, error);

	if (status)
		return status;
	if (!elm__utf8_valid(elm__buf_text(text), text->length) ||
	    (s->system && !elm__utf8_valid(s->system, strlen(s->system))))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "the prompt or the system message is not valid UTF-8");
	messages = s->system ? json_pack("[{s:s, s:s}, {s:s, s:s%}]", "role", "system", "content",
					 s->system, "role", "user", "content", elm__buf_text(text),
					 text->length) :
			       json_pack("[{s:s, s:s%}]", "role", "user", "content",
					 elm__buf_text(text), text->length);
	if (!messages)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	status = elm__chat_format_prompt(&j->format, messages, NULL, &j->prompt, &j->prompt_count,
					 error);
	json_decref(messages);
	return status;
}

/* Reads the prompt and makes tokens of it; the request arrives when it has been read. */
static elm_status read_prompt(job *j, elm_error *error)
{
	const settings *s = j->s;
	elm__buf text = ELM__BUF_INIT;
	elm_status status;

	if (!s->prompt && !s->file && !j->cli->quiet && isatty(STDIN_FILENO))
		fputs("Type the prompt; Ctrl-D on an empty line ends it.\n", stderr);
	status = cli_read_text(s->prompt, s->file, &text, error);
	j->arrival_ns = elm__now_ns();
	if (!status)
		status = s->chat ?
				 chat_prompt(j, &text, error) :
				 elm_tokenize(elm_model_tokenizer(j->model), elm__buf_text(&text),
					      text.length, ELM_TOKENIZE_BOS | ELM_TOKENIZE_SPECIAL,
					      &j->prompt, &j->prompt_count, error);
	elm__buf_release(&text);
	return status;
}

/* The user's stop strings and those of the chat format. */
static elm_status collect_stop(job *j, elm_error *error)
{
	const cli_list *own = &j->s->stop;

	j->stop = elm__calloc(own->count + j->format.stop_count, sizeof(j->stop[0]));
	if (!j->stop)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < own->count; i++)
		j->stop[j->stop_count++] = own->items[i];
	for (size_t i = 0; i < j->format.stop_count; i++)
		j->stop[j->stop_count++] = j->format.stop[i];
	return ELM_OK;
}

static void on_prompt(void *user, uint32_t done, uint32_t total)
{
	job *j = user;

	cli_progress_update(&j->progress, done, total, "tokens");
}

static bool on_text(void *user, const char *text, size_t length)
{
	job *j = user;

	cli_progress_end(&j->progress);
	j->ends_line = text[length - 1] == '\n';
	return j->cli->json || cli_write_text(j->cli, text, length);
}

static elm_status open_engine(job *j, elm_error *error)
{
	elm_session_options options = cli_session_options(&j->s->engine);
	elm_status status;

	if (j->s->speculation)
		options.max_logits = 1 + (uint32_t)j->s->draft;
	status = elm_session_create(j->model, &options, &j->session, error);
	if (status)
		return status;
	return elm_generator_create(j->session, 0, &j->generator, error);
}

static int report(const job *j, const elm_generate_result *result)
{
	bool incomplete = j->constraint && !elm_constraint_can_end(j->constraint);
	int code = result->finish == ELM_FINISH_CANCELLED || incomplete ? CLI_FAILED : CLI_DONE;

	if (j->cli->json)
		return cli_print_json(j->cli, cli_generation_json(result, j->seed)) ? CLI_FAILED :
										      code;
	/* A terminal's next line should not begin in the middle; a file gets the text as it is. */
	if (result->text_length && !j->ends_line && isatty(STDOUT_FILENO))
		putchar('\n');
	if (!j->cli->quiet)
		cli_print_generation(result, j->seed);
	if (incomplete)
		return cli_fail(j->cli, "the text is not complete; it was ended by: %s",
				elm_finish_name(result->finish));
	return code;
}

static int generate(job *j)
{
	const settings *s = j->s;
	elm_generate_options options = {
		.max_tokens = (size_t)s->tokens,
		.draft = s->speculation ? (uint32_t)s->draft : 0,
		.ignore_eos = s->ignore_eos,
		.special = s->special,
		.new_text = s->chat,
		.cancel = cli_interrupt_watch(),
		.on_text = on_text,
		.on_prompt = on_prompt,
		.user = j,
	};
	elm_generate_result result;
	elm_error error = { 0 };

	if (open_engine(j, &error) || read_prompt(j, &error) || collect_stop(j, &error))
		return cli_fail_error(j->cli, &error);
	options.constraint = j->constraint;
	options.arrival_ns = j->arrival_ns;
	options.stop = j->stop;
	options.stop_count = j->stop_count;
	options.prompt = j->prompt;
	options.prompt_count = j->prompt_count;
	cli_progress_start(&j->progress, j->cli, "computing the prompt");
	if (elm_generator_run(j->generator, j->sampler, &options, &result, &error)) {
		cli_progress_end(&j->progress);
		return cli_fail_error(j->cli, &error);
	}
	cli_progress_end(&j->progress);
	return report(j, &result);
}

static int run(cli_context *cli)
{
	const settings *s = cli->settings;
	job j = { .cli = cli, .s = s, .ends_line = true };
	elm_grammar *grammar;
	elm_error error = { 0 };
	int code;

	if (s->prompt && s->file)
		return cli_usage(cli, "give --prompt or --file, not both");
	if (!!s->constraint.grammar + !!s->constraint.schema + s->constraint.object > 1)
		return cli_usage(cli, "give one of --grammar, --json-schema and --json-object");
	if (!s->chat && (s->system || s->chat_template))
		return cli_usage(cli, "--system and --template need --chat");
	if (cli_read_grammar(&s->constraint, &grammar, &error))
		return cli_fail_error(cli, &error);
	j.model = cli_open_model(cli, s->model, &s->engine);
	if (!j.model) {
		elm_grammar_free(grammar);
		return CLI_FAILED;
	}
	if (cli_constrain(grammar, elm_model_tokenizer(j.model), &j.constraint, &error)) {
		elm_model_close(j.model);
		return cli_fail_error(cli, &error);
	}
	j.sampler = cli_create_sampler(cli, &s->sampling, elm_model_get_info(j.model)->vocabulary,
				       &j.seed, &code);
	if (j.sampler)
		code = generate(&j);
	elm_constraint_free(j.constraint);
	elm_generator_free(j.generator);
	elm_session_free(j.session);
	elm_sampler_free(j.sampler);
	elm_free(j.prompt);
	elm__free(j.stop);
	elm__chat_format_release(&j.format);
	elm_model_close(j.model);
	return code;
}

const cli_command cli_cmd_run = {
	.name = "run",
	.summary = "generate text from a prompt",
	.description =
		"Continues a prompt, or with --chat answers it. Only the generated text goes to "
		"standard output; figures about the run follow on standard error, unless --quiet. "
		"--json prints text and figures together at the end.\n\n"
		"Ctrl-C ends the text early (exit code 1) and still prints the figures.",
	.examples = "edgelm run model.gguf -p \"Once upon a time\" -n 100\n"
		    "edgelm run model.gguf --chat -p \"Why is the sky blue?\"\n"
		    "edgelm run model.gguf -f prompt.txt --temp 0 --quiet > answer.txt",
	.arguments = arguments,
	.groups = groups,
	.settings_size = sizeof(settings),
	.defaults = &defaults,
	.prints_json = true,
	.run = run,
};

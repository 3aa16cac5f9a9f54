/* tokenizer.c: the name over the commands that make vocabularies. */
#include "cli/commands.h"

#include <edgelm/memory.h>
#include <stdio.h>

#include "base/file.h"
#include "tokenizer/train.h"

typedef struct settings {
	cli_list files;
	cli_list control, defined;
	const char *output, *pre, *bos, *eos, *chat_template;
	int64_t size, spaces_last;
} settings;

enum { LARGEST_TEMPLATE = 1 << 20, CHUNK = 1 << 20 };

#define S settings
static const cli_option arguments[] = {
	{ "TEXT", 0, CLI_LIST(S, files), NULL, "files of text; standard input when left out" },
	{ 0 },
};

static const cli_option options[] = {
	{ "output", 'o', CLI_FILE(S, output), "FILE", "the GGUF file to write", .required = true },
	{ "size", 'n', CLI_INT(S, size), "N", "tokens of the vocabulary",
	  .range = { 256, ELM__TRAINED_SIZE } },
	{ "pre", 0, CLI_TEXT(S, pre), "NAME",
	  "the rule by which text is cut into words; docs/TOKENIZERS.md lists them" },
	{ "control", 0, CLI_LIST(S, control), "TEXT",
	  "a control token, which users do not see; may be given several times" },
	{ "defined", 0, CLI_LIST(S, defined), "TEXT",
	  "a token that is always matched whole and shown; may be given several times" },
	{ "bos", 0, CLI_TEXT(S, bos), "TEXT", "the control token that begins every text",
	  .default_text = "none" },
	{ "eos", 0, CLI_TEXT(S, eos), "TEXT", "the control token that ends every answer",
	  .default_text = "none" },
	{ "chat-template", 0, CLI_FILE(S, chat_template), "FILE",
	  "a Jinja template to put into the file", .default_text = "none" },
	{ "spaces-last", 0, CLI_INT(S, spaces_last), "N",
	  "cut words the same way with and without a space in front; N of the tokens join the "
	  "two",
	  .default_text = "off", .range = { 0, ELM__TRAINED_SIZE } },
	{ 0 },
};
#undef S

static const cli_group groups[] = { { "Options", options, 0 }, { 0 } };
static const settings defaults = { .size = 4096, .pre = "gpt-2" };

/* Adds a text in pieces that end at lines, as memory for splitting grows with the piece. */
static elm_status add_text(elm__vocab_trainer *trainer, const char *text, size_t length,
			   const volatile int *interrupted, cli_progress *progress,
			   elm_error *error)
{
	for (size_t at = 0; at < length;) {
		size_t end = length - at > CHUNK ? at + CHUNK : length;
		elm_status status;

		while (end < length && text[end - 1] != '\n')
			end++;
		if (*interrupted)
			return elm_error_set(error, ELM_ERR_CANCELLED, "interrupted");
		status = elm__vocab_trainer_add(trainer, text + at, end - at, error);
		if (status)
			return status;
		at = end;
		cli_progress_update(progress, at, length, "bytes");
	}
	return ELM_OK;
}

static elm_status add_file(elm__vocab_trainer *trainer, const char *path,
			   const volatile int *interrupted, cli_progress *progress,
			   elm_error *error)
{
	elm__buf text = ELM__BUF_INIT;
	elm_status status = elm__file_read(path, INT32_MAX, &text, error);

	if (!status)
		status = add_text(trainer, elm__buf_text(&text), text.length, interrupted, progress,
				  error);
	elm__buf_release(&text);
	return status;
}

static elm_status train(const cli_context *cli, const elm__vocab_plan *plan, uint32_t *size,
			elm_error *error)
{
	const settings *s = cli->settings;
	const volatile int *interrupted = cli_interrupt_watch();
	elm__vocab_trainer *trainer;
	cli_progress progress;
	elm_status status = elm__vocab_trainer_create(plan, &trainer, error);

	if (status)
		return status;
	cli_progress_start(&progress, cli, "counting words");
	if (!s->files.count)
		status = add_file(trainer, "-", interrupted, &progress, error);
	for (size_t i = 0; i < s->files.count && !status; i++)
		status = add_file(trainer, s->files.items[i], interrupted, &progress, error);
	if (!status)
		status = elm__vocab_trainer_write(trainer, s->output, interrupted, size, error);
	cli_progress_end(&progress);
	elm__vocab_trainer_free(trainer);
	return status;
}

static int run(cli_context *cli)
{
	const settings *s = cli->settings;
	elm__vocab_plan plan = { .size = (uint32_t)s->size,
				 .spaces_last = (uint32_t)s->spaces_last,
				 .pre = s->pre,
				 .control = s->control.items,
				 .control_count = s->control.count,
				 .defined = s->defined.items,
				 .defined_count = s->defined.count,
				 .bos = s->bos,
				 .eos = s->eos };
	elm__buf source = ELM__BUF_INIT;
	elm_error error = { 0 };
	elm_status status = ELM_OK;
	uint32_t size = 0;
	int code = CLI_DONE;

	if (s->chat_template) {
		status = elm__file_read(s->chat_template, LARGEST_TEMPLATE, &source, &error);
		plan.chat_template = elm__buf_text(&source);
	}
	if (!status)
		status = train(cli, &plan, &size, &error);
	if (status)
		code = cli_fail_error(cli, &error);
	else if (cli->json)
		code = cli_print_json(cli, json_pack("{s:s, s:I}", "file", s->output, "tokens",
						     (json_int_t)size));
	else
		printf("%s: %lu tokens%s\n", s->output, (unsigned long)size,
		       size < plan.size ? "; the text has no more" : "");
	elm__buf_release(&source);
	return code;
}

static const cli_command train_command = {
	.name = "train",
	.summary = "make a vocabulary from text",
	.description =
		"Learns a byte-level BPE vocabulary from text and writes it as a GGUF file without "
		"a model, which edgelm train --tokenizer, edgelm tokenize and other programs read. "
		"The same text gives the same vocabulary everywhere.\n\n"
		"--spaces-last is for small models: a word is then cut the same way behind a space "
		"and behind a quotation mark, so that copying it into JSON needs no second "
		"spelling.",
	.examples = "edgelm tokenizer train text.txt -o vocabulary.gguf -n 1024 --pre smollm "
		    "--control \"<|im_start|>\" --control \"<|im_end|>\" --eos \"<|im_end|>\"",
	.arguments = arguments,
	.groups = groups,
	.settings_size = sizeof(settings),
	.defaults = &defaults,
	.prints_json = true,
	.run = run,
};

static const cli_command *const verbs[] = { &train_command, NULL };

const cli_command cli_cmd_tokenizer = {
	.name = "tokenizer",
	.summary = "make vocabularies",
	.commands = verbs,
};

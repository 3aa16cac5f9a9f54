#include <edgelm/memory.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/vocabulary.h"

typedef struct settings {
	const char *model, *file;
	cli_list ids;
	bool no_special;
} settings;

static const cli_option arguments[] = {
	{ "MODEL", 0, CLI_FILE(settings, model), NULL, "the GGUF file", .required = true },
	{ "IDS", 0, CLI_LIST(settings, ids), NULL,
	  "the numbers of the tokens; standard input when left out" },
	{ 0 }
};

static const cli_option options[] = {
	{ "file", 'f', CLI_FILE(settings, file), "FILE",
	  "read the numbers from a file; blanks, commas and brackets may stand between them" },
	{ "no-special", 0, CLI_FLAG(settings, no_special), NULL, "leave control tokens out" },
	{ 0 }
};

static const cli_group groups[] = { { "Options", options, 0 }, { 0 } };

/* Cuts the text (which is changed) into numbers of tokens: *tokens is the caller's, elm__free. */
static elm_status parse_ids(elm__buf *text, const elm_tokenizer *tokenizer, elm_token **tokens,
			    size_t *count, elm_error *error)
{
	static const char between[] = " \t\r\n,[]";
	int64_t last = (int64_t)elm_tokenizer_size(tokenizer) - 1, id;
	char *rest, *word;
	size_t room = text->length / 2 + 1; /* each number but the last has a blank behind it */

	*count = 0;
	if (memchr(text->data, '\0', text->length))
		return elm_error_set(error, ELM_ERR_ARGUMENT, "the list of tokens is not text");
	*tokens = elm__realloc_array(NULL, room, sizeof(**tokens));
	if (!*tokens)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "no memory for %zu tokens", room);
	for (word = strtok_r(text->data, between, &rest); word;
	     word = strtok_r(NULL, between, &rest)) {
		if (!elm__parse_i64(word, 0, last, &id))
			return elm_error_set(error, ELM_ERR_ARGUMENT,
					     "\"%.40s\" is not the number of a token, 0 to %lld",
					     word, (long long)last);
		(*tokens)[(*count)++] = (elm_token)id;
	}
	return ELM_OK;
}

static elm_status read_ids(const settings *s, elm__buf *out, elm_error *error)
{
	size_t i;

	if (!s->ids.count)
		return cli_read_text(NULL, s->file, out, error);
	for (i = 0; i < s->ids.count; i++)
		elm__buf_printf(out, "%s ", s->ids.items[i]);
	return elm__buf_status(out, error);
}

/* As a stream gives it, so that it is valid UTF-8. */
static int print_json(cli_context *cli, const elm_tokenizer *tokenizer, const elm_token *tokens,
		      size_t count)
{
	const settings *s = cli->settings;
	elm_token_stream stream = { .keep_special = !s->no_special };
	size_t room = elm_token_stream_room(tokenizer), i;
	elm__buf text = ELM__BUF_INIT;
	json_t *value = NULL;

	for (i = 0; i <= count && elm__buf_reserve(&text, room); i++) {
		char *end = text.data + text.length;

		text.length += i < count ?
				       elm_token_stream_push(&stream, tokenizer, tokens[i], end) :
				       elm_token_stream_finish(&stream, end);
	}
	if (!text.failed)
		value = json_pack("{s:s%}", "text", text.data, text.length);
	elm__buf_release(&text);
	return cli_print_json(cli, value);
}

static elm_status print_text(const settings *s, const elm_tokenizer *tokenizer,
			     const elm_token *tokens, size_t count, elm_error *error)
{
	size_t length;
	char *text;
	elm_status status =
		elm_detokenize(tokenizer, tokens, count, !s->no_special, &text, &length, error);

	if (status)
		return status;
	fwrite(text, 1, length, stdout);
	if (isatty(STDOUT_FILENO))
		putchar('\n');
	elm_free(text);
	return ELM_OK;
}

static int run(cli_context *cli)
{
	const settings *s = cli->settings;
	elm_tokenizer *tokenizer = NULL;
	elm__buf text = ELM__BUF_INIT;
	elm_token *tokens = NULL;
	elm_error error = { 0 };
	size_t count = 0;
	int code = CLI_DONE;

	if (s->ids.count && s->file)
		return cli_usage(cli, "give IDS or --file, not both");
	if (cli_open_tokenizer(s->model, &tokenizer, &error) || read_ids(s, &text, &error))
		code = cli_fail_error(cli, &error);
	else if (text.length && parse_ids(&text, tokenizer, &tokens, &count, &error))
		code = cli_fail_error(cli, &error);
	else if (cli->json)
		code = print_json(cli, tokenizer, tokens, count);
	else if (print_text(s, tokenizer, tokens, count, &error))
		code = cli_fail_error(cli, &error);
	elm__free(tokens);
	elm__buf_release(&text);
	elm_tokenizer_free(tokenizer);
	return code;
}

const cli_command cli_cmd_detokenize = {
	.name = "detokenize",
	.summary = "show the text of tokens",
	.description =
		"Prints the text that a list of tokens stands for, byte for byte; with --json, "
		"bytes that are no character become U+FFFD.",
	.examples = "edgelm detokenize model.gguf 9707 11 1879\n"
		    "edgelm tokenize model.gguf --ids TEXT | edgelm detokenize model.gguf",
	.arguments = arguments,
	.groups = groups,
	.settings_size = sizeof(settings),
	.prints_json = true,
	.run = run,
};

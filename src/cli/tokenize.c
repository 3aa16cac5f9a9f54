#include <edgelm/memory.h>
#include <stdio.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/vocabulary.h"

typedef struct settings {
	const char *model, *text, *file;
	bool no_bos, no_special, ids, pieces;
} settings;

static const cli_option arguments[] = {
	{ "MODEL", 0, CLI_FILE(settings, model), NULL, "the GGUF file", .required = true },
	{ "TEXT", 0, CLI_TEXT(settings, text), NULL, "the text; standard input when left out" },
	{ 0 }
};

static const cli_option options[] = {
	{ "file", 'f', CLI_FILE(settings, file), "FILE", "read the text from a file" },
	{ "no-bos", 0, CLI_FLAG(settings, no_bos), NULL,
	  "add no BOS and EOS, which is otherwise done where the model wants it" },
	{ "no-special", 0, CLI_FLAG(settings, no_special), NULL,
	  "take text such as <|im_end|> as text, not as the control token" },
	{ "ids", 0, CLI_FLAG(settings, ids), NULL, "print only the numbers, in one line" },
	{ "pieces", 0, CLI_FLAG(settings, pieces), NULL, "print only the pieces, one a line" },
	{ 0 }
};

static const cli_group groups[] = { { "Options", options, 0 }, { 0 } };

/* A piece in quotation marks, on one line, with \xHH for bytes that are no character. */
static void print_piece(elm_gguf_string piece)
{
	size_t at = 0, n;
	uint32_t c;

	putchar('"');
	while (at < piece.length) {
		n = elm__utf8_decode(piece.data + at, piece.length - at, &c);
		if (!n)
			printf("\\x%02x", (unsigned char)piece.data[at]);
		else if (c == '\n')
			fputs("\\n", stdout);
		else if (c == '\t')
			fputs("\\t", stdout);
		else if (c == '"' || c == '\\')
			printf("\\%c", (int)c);
		else if (c < 0x20 || c == 0x7f)
			printf("\\x%02x", (unsigned)c);
		else
			fwrite(piece.data + at, 1, n, stdout);
		at += n ? n : 1;
	}
	puts("\"");
}

/* {"id": N, "piece": "..."}, or "bytes" in hexadecimal for a piece that is not UTF-8. */
static json_t *token_json(const elm_tokenizer *tokenizer, elm_token token)
{
	elm_gguf_string piece = elm_token_piece(tokenizer, token, true);
	elm__buf hex = ELM__BUF_INIT;
	json_t *out;
	size_t i;

	if (elm__utf8_valid(piece.data, piece.length))
		return json_pack("{s:i, s:s%}", "id", token, "piece", piece.data, piece.length);
	for (i = 0; i < piece.length; i++)
		elm__buf_printf(&hex, "%02x", (unsigned char)piece.data[i]);
	out = hex.failed ? NULL :
			   json_pack("{s:i, s:s}", "id", token, "bytes", elm__buf_text(&hex));
	elm__buf_release(&hex);
	return out;
}

static int print_json(cli_context *cli, const elm_tokenizer *tokenizer, const elm_token *tokens,
		      size_t count)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < count && list; i++) {
		if (json_array_append_new(list, token_json(tokenizer, tokens[i]))) {
			json_decref(list);
			list = NULL;
		}
	}
	return cli_print_json(cli, list ? json_pack("{s:I, s:o}", "count", (json_int_t)count,
						    "tokens", list) :
					  NULL);
}

static void print_tokens(const settings *s, const elm_tokenizer *tokenizer, const elm_token *tokens,
			 size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (s->ids) {
			printf(i ? " %d" : "%d", tokens[i]);
			continue;
		}
		if (!s->pieces)
			printf("%7d  ", tokens[i]);
		print_piece(elm_token_piece(tokenizer, tokens[i], true));
	}
	if (s->ids)
		putchar('\n');
}

static int run(cli_context *cli)
{
	const settings *s = cli->settings;
	unsigned flags =
		(s->no_bos ? 0 : ELM_TOKENIZE_BOS) | (s->no_special ? 0 : ELM_TOKENIZE_SPECIAL);
	elm_tokenizer *tokenizer = NULL;
	elm__buf text = ELM__BUF_INIT;
	elm_token *tokens = NULL;
	elm_error error = { 0 };
	size_t count = 0;
	int code = CLI_DONE;

	if (s->text && s->file)
		return cli_usage(cli, "give TEXT or --file, not both");
	if (s->ids + s->pieces + cli->json > 1)
		return cli_usage(cli, "give one of --ids, --pieces and --json");
	if (cli_open_tokenizer(s->model, &tokenizer, &error) ||
	    cli_read_text(s->text, s->file, &text, &error) ||
	    elm_tokenize(tokenizer, elm__buf_text(&text), text.length, flags, &tokens, &count,
			 &error))
		code = cli_fail_error(cli, &error);
	else if (cli->json)
		code = print_json(cli, tokenizer, tokens, count);
	else
		print_tokens(s, tokenizer, tokens, count);
	elm_free(tokens);
	elm__buf_release(&text);
	elm_tokenizer_free(tokenizer);
	return code;
}

const cli_command cli_cmd_tokenize = {
	.name = "tokenize",
	.summary = "show the tokens of a text",
	.description =
		"Cuts a text into the tokens of the model's vocabulary and prints the number and "
		"the piece of each, one a line.",
	.examples = "edgelm tokenize model.gguf \"Hello, world\"\n"
		    "edgelm tokenize model.gguf --file prompt.txt --no-bos --ids",
	.arguments = arguments,
	.groups = groups,
	.settings_size = sizeof(settings),
	.prints_json = true,
	.run = run,
};

#include <edgelm/chat_template.h>
#include <edgelm/memory.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/vocabulary.h"

enum { MAX_TEMPLATE = 16 << 20, MAX_MESSAGES = 256 << 20 };

typedef struct settings {
	const char *model, *messages;
	bool no_generation_prompt, keep_bos;
} settings;

static const cli_option arguments[] = {
	{ "MODEL", 0, CLI_FILE(settings, model), NULL,
	  "a GGUF file, whose template is used, or a template file (.jinja)", .required = true },
	{ 0 }
};

static const cli_option options[] = {
	{ "messages", 'm', CLI_FILE(settings, messages), "FILE",
	  "JSON file with the messages; standard input when left out" },
	{ "no-generation-prompt", 0, CLI_FLAG(settings, no_generation_prompt), NULL,
	  "end after the last message, not with the beginning of an answer" },
	{ "keep-bos", 0, CLI_FLAG(settings, keep_bos), NULL,
	  "keep the BOS token at the start, which a tokenizer adds by itself" },
	{ 0 }
};

static const cli_group groups[] = { { "Options", options, 0 }, { 0 } };

/* What a render needs beside the messages. */
typedef struct source {
	elm__buf text;
	char bos[256], eos[256]; /* longer ones do not exist; see copy_piece */
	bool adds_bos;
} source;

static bool is_model(const char *path, const elm__map *map)
{
	size_t length = strlen(path);

	return (map->size >= 4 && !memcmp(map->data, "GGUF", 4)) ||
	       (length >= 5 && !strcmp(path + length - 5, ".gguf"));
}

static elm_status copy_piece(const elm_tokenizer *tokenizer, elm_token token, char out[256],
			     elm_error *error)
{
	elm_gguf_string piece = { "", 0 };

	if (token != ELM_TOKEN_NONE)
		piece = elm_token_piece(tokenizer, token, true);
	if (piece.length >= 256)
		return elm_error_set(error, ELM_ERR_LIMIT,
				     "token %d, BOS or EOS, is %zu bytes long; 255 are supported",
				     token, piece.length);
	memcpy(out, piece.data, piece.length);
	out[piece.length] = '\0';
	return ELM_OK;
}

static elm_status from_model(const char *path, source *out, elm_error *error)
{
	elm_tokenizer *tokenizer;
	const char *text;
	elm_status status = cli_open_tokenizer(path, &tokenizer, error);

	if (status)
		return status;
	text = elm_tokenizer_chat_template(tokenizer);
	if (text)
		elm__buf_puts(&out->text, text);
	else
		status = elm_error_set(error, ELM_ERR_NOT_FOUND,
				       "%s has no chat template; give a template file instead",
				       path);
	if (!status)
		status = elm__buf_status(&out->text, error);
	if (!status)
		status = copy_piece(tokenizer, elm_tokenizer_bos(tokenizer), out->bos, error);
	if (!status)
		status = copy_piece(tokenizer, elm_tokenizer_eos(tokenizer), out->eos, error);
	out->adds_bos = elm_tokenizer_adds_bos(tokenizer);
	elm_tokenizer_free(tokenizer);
	return status;
}

static elm_status open_source(const char *path, source *out, elm_error *error)
{
	elm__map map;
	elm_status status = elm__map_open(&map, path, error);

	if (status)
		return status;
	if (is_model(path, &map)) {
		status = from_model(path, out, error);
	} else if (map.size > MAX_TEMPLATE) {
		status = elm_error_set(error, ELM_ERR_LIMIT,
				       "%s is neither a GGUF file nor a chat template", path);
	} else {
		elm__buf_append(&out->text, map.data, map.size);
		status = elm__buf_status(&out->text, error);
		strcpy(out->bos, "<s>"); /* the names that most vocabularies have */
		strcpy(out->eos, "</s>");
		out->adds_bos = true;
	}
	elm__map_release(&map);
	return status;
}

/* Adds a variable unless the file of the messages has it. */
static bool set_default(json_t *context, const char *name, json_t *value)
{
	if (!value)
		return false;
	if (json_object_get(context, name)) {
		json_decref(value);
		return true;
	}
	return json_object_set_new(context, name, value) == 0;
}

/* The file is a list of messages, or an object with "messages" and other variables. */
static elm_status read_context(const settings *s, const source *from, json_t **out,
			       elm_error *error)
{
	const char *path = s->messages ? s->messages : "-";
	elm_status status = elm__json_read(path, MAX_MESSAGES, out, error);
	json_t *wrapped;

	if (status)
		return status;
	if (json_is_array(*out)) {
		wrapped = json_pack("{s:o}", "messages", *out);
		*out = wrapped;
	} else if (!json_is_array(json_object_get(*out, "messages"))) {
		status = elm_error_set(error, ELM_ERR_ARGUMENT,
				       "%s: a list of messages is wanted, or an object with the "
				       "member \"messages\"",
				       path);
	}
	if (!status &&
	    (!*out || !set_default(*out, "bos_token", json_string(from->bos)) ||
	     !set_default(*out, "eos_token", json_string(from->eos)) ||
	     !set_default(*out, "add_generation_prompt", json_boolean(!s->no_generation_prompt))))
		status = elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	if (status) {
		json_decref(*out);
		*out = NULL;
	}
	return status;
}

static elm_status render(const settings *s, const source *from, json_t *context, char **prompt,
			 size_t *length, elm_error *error)
{
	elm_chat_template *chat_template = NULL;
	char *text = json_dumps(context, JSON_COMPACT);
	elm_status status;

	*prompt = NULL;
	if (!text)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	status = elm_chat_template_create(s->model, elm__buf_text(&from->text), from->text.length,
					  &chat_template, error);
	if (!status)
		status = elm_chat_template_render(chat_template, text, strlen(text), NULL, prompt,
						  length, error);
	elm_chat_template_free(chat_template);
	free(text);
	return status;
}

static int run(cli_context *cli)
{
	const settings *s = cli->settings;
	source from = { .text = ELM__BUF_INIT };
	size_t length = 0, skip = 0;
	json_t *context = NULL;
	elm_error error = { 0 };
	char *prompt = NULL;
	int code = CLI_DONE;

	if (open_source(s->model, &from, &error) || read_context(s, &from, &context, &error) ||
	    render(s, &from, context, &prompt, &length, &error)) {
		code = cli_fail_error(cli, &error);
	} else {
		if (from.adds_bos && !s->keep_bos && !strncmp(prompt, from.bos, strlen(from.bos)))
			skip = strlen(from.bos);
		if (cli->json)
			code = cli_print_json(cli, json_pack("{s:s%}", "prompt", prompt + skip,
							     length - skip));
		else
			fwrite(prompt + skip, 1, length - skip, stdout);
	}
	elm_free(prompt);
	json_decref(context);
	elm__buf_release(&from.text);
	return code;
}

const cli_command cli_cmd_chat_template = {
	.name = "chat-template",
	.summary = "show the prompt that a model's template makes of messages",
	.description =
		"Renders a conversation with the chat template of a model, or with one from a "
		"file, and prints the prompt as it is, without a newline after it.\n\n"
		"The messages are a JSON list of {\"role\", \"content\"}, or an object whose "
		"member \"messages\" is that list and whose other members (\"tools\", "
		"\"enable_thinking\") are variables of the template.",
	.examples = "edgelm chat-template model.gguf --messages request.json\n"
		    "echo '[{\"role\": \"user\", \"content\": \"Hi\"}]' | "
		    "edgelm chat-template template.jinja",
	.arguments = arguments,
	.groups = groups,
	.settings_size = sizeof(settings),
	.prints_json = true,
	.run = run,
};

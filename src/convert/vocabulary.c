#include "convert/vocabulary.h"

#include <edgelm/log.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"

enum { MAX_TOKENIZER = 512 << 20, MAX_CONFIG = 64 << 20 };

void elm__vocabulary_init(elm__vocabulary *v)
{
	memset(v, 0, sizeof(*v));
	elm__arena_init(&v->arena, 0);
	v->bos = v->eos = v->unknown = v->padding = ELM_TOKEN_NONE;
	v->add_bos = v->add_eos = v->add_space_prefix = v->squeeze_spaces = ELM__NOT_SAID;
}

void elm__vocabulary_release(elm__vocabulary *v)
{
	elm__free(v->texts);
	elm__free(v->scores);
	elm__free(v->kinds);
	elm__free(v->merges);
	elm__arena_release(&v->arena);
	memset(v, 0, sizeof(*v));
}

static elm_status no_memory(elm_error *error)
{
	return elm_error_set(error, ELM_ERR_NO_MEMORY, "no memory for the vocabulary");
}

static bool grow(elm__vocabulary *v, uint32_t count)
{
	elm_gguf_string *texts = elm__realloc_array(v->texts, count, sizeof(*texts));
	float *scores;
	int32_t *kinds;

	if (!texts)
		return false;
	v->texts = texts;
	scores = elm__realloc_array(v->scores, count, sizeof(*scores));
	if (!scores)
		return false;
	v->scores = scores;
	kinds = elm__realloc_array(v->kinds, count, sizeof(*kinds));
	if (kinds)
		v->kinds = kinds;
	return kinds != NULL;
}

elm_status elm__vocabulary_resize(elm__vocabulary *v, uint32_t count, elm_error *error)
{
	static const float worst_score = -10000;
	elm_status status = ELM_OK;
	char text[24];

	if (count > ELM__VOCABULARY_MAX)
		return elm_error_set(error, ELM_ERR_LIMIT, "a vocabulary of %u tokens is too large",
				     count);
	if (count > v->count && !grow(v, count))
		return no_memory(error);
	while (v->count < count && status == ELM_OK) {
		int length = snprintf(text, sizeof(text), "[PAD%u]", v->count);

		status = elm__vocabulary_set(v, v->count, text, (size_t)length, worst_score,
					     ELM_TOKEN_UNUSED, error);
		if (status == ELM_OK)
			v->count++;
	}
	if (count < v->count) {
		elm_token *const ids[] = { &v->bos, &v->eos, &v->unknown, &v->padding };

		v->count = count;
		for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
			if (*ids[i] >= (elm_token)count)
				*ids[i] = ELM_TOKEN_NONE;
	}
	return status;
}

elm_status elm__vocabulary_set(elm__vocabulary *v, uint32_t id, const char *text, size_t length,
			       float score, elm_token_kind kind, elm_error *error)
{
	char *copy;

	if (length > ELM__PIECE_MAX)
		return elm_error_set(error, ELM_ERR_LIMIT, "token %u has more than %d bytes", id,
				     ELM__PIECE_MAX);
	copy = elm__arena_strndup(&v->arena, text, length);
	if (!copy)
		return no_memory(error);
	v->texts[id] = (elm_gguf_string){ copy, length };
	v->scores[id] = score;
	v->kinds[id] = kind;
	return ELM_OK;
}

elm_token elm__vocabulary_find(const elm__vocabulary *v, const char *text)
{
	size_t length = strlen(text);

	for (uint32_t i = 0; i < v->count; i++)
		if (v->texts[i].length == length && !memcmp(v->texts[i].data, text, length))
			return (elm_token)i;
	return ELM_TOKEN_NONE;
}

bool elm__vocabulary_is_padding(const elm__vocabulary *v, uint32_t id)
{
	char text[24];
	int length = snprintf(text, sizeof(text), "[PAD%u]", id);

	return v->kinds[id] == ELM_TOKEN_UNUSED && v->texts[id].length == (size_t)length &&
	       !memcmp(v->texts[id].data, text, (size_t)length);
}

static bool begins(const char *text, size_t length, const char *part)
{
	return length >= strlen(part) && !memcmp(text, part, strlen(part));
}

static bool ends(const char *text, size_t length, const char *part)
{
	return length >= strlen(part) && !memcmp(text + length - strlen(part), part, strlen(part));
}

/* Some models say of control tokens that they are ordinary. */
static bool looks_special(const char *text, size_t length)
{
	static const char *const known[] = { "<pad>", "<mask>", "<2mass>", "[@BOS@]" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (length == strlen(known[i]) && !memcmp(text, known[i], length))
			return true;
	return (begins(text, length, "<|") && ends(text, length, "|>")) ||
	       (begins(text, length, "<\xef\xbd\x9c") && ends(text, length, "\xef\xbd\x9c>")) ||
	       (begins(text, length, "<unused") && ends(text, length, ">"));
}

elm_status elm__vocabulary_add(elm__vocabulary *v, uint32_t id, const char *text, size_t length,
			       bool special, elm_error *error)
{
	static const char space_mark[] = "\xe2\x96\x81";
	static const float added_score = -1000;
	elm__buf plain = ELM__BUF_INIT;
	elm_status status;

	if (special || looks_special(text, length))
		return elm__vocabulary_set(v, id, text, length, added_score, ELM_TOKEN_CONTROL,
					   error);
	/* Such tokens are found in text, in which a space is a space. */
	for (size_t i = 0; i < length;)
		if (begins(text + i, length - i, space_mark)) {
			elm__buf_putc(&plain, ' ');
			i += strlen(space_mark);
		} else {
			elm__buf_putc(&plain, text[i++]);
		}
	status = elm__buf_status(&plain, error);
	if (status == ELM_OK)
		status = elm__vocabulary_set(v, id, elm__buf_text(&plain), plain.length,
					     added_score, ELM_TOKEN_USER_DEFINED, error);
	elm__buf_release(&plain);
	return status;
}

/* ---- the files of a folder ---- */

typedef struct folder_reader {
	elm__vocabulary *v;
	const char *folder;
	char *path; /* of the file at hand */
	elm_error *error;
} folder_reader;

static elm_status set_path(folder_reader *r, const char *name, bool *exists)
{
	elm__buf path = ELM__BUF_INIT;
	struct stat st;

	*exists = false;
	elm__free(r->path);
	elm__buf_printf(&path, "%s/%s", r->folder, name);
	r->path = elm__buf_detach(&path, NULL);
	if (!r->path)
		return no_memory(r->error);
	*exists = stat(r->path, &st) == 0;
	return ELM_OK;
}

/* *root is NULL where there is no such file. */
static elm_status read_json(folder_reader *r, const char *name, size_t limit, json_t **root)
{
	bool exists;
	elm_status status = set_path(r, name, &exists);

	*root = NULL;
	if (status != ELM_OK || !exists)
		return status;
	return elm__json_read(r->path, limit, root, r->error);
}

static elm_status read_model(folder_reader *r)
{
	elm__map map;
	elm_status status = elm__map_open(&map, r->path, r->error);

	if (status != ELM_OK)
		return status;
	status = elm__sentencepiece_read(r->v, r->path, map.data, map.size, r->error);
	elm__map_release(&map);
	return status;
}

/* The tokens themselves: of tokenizer.json where that is byte-level BPE, else of tokenizer.model,
 * else of tokenizer.json. */
static elm_status read_tokens(folder_reader *r, uint32_t rows, const char *pre)
{
	bool exists = false;
	json_t *root;
	elm_status status = read_json(r, "tokenizer.json", MAX_TOKENIZER, &root);

	if (status == ELM_OK && !(root && elm__tokenizer_json_is_bpe(root)))
		status = set_path(r, "tokenizer.model", &exists);
	if (status == ELM_OK && exists) {
		status = read_model(r);
	} else if (status == ELM_OK && root) {
		bool unused;

		status = set_path(r, "tokenizer.json", &unused);
		if (status == ELM_OK)
			status = elm__tokenizer_json_read(r->v, r->path, root, rows, pre, r->error);
	} else if (status == ELM_OK) {
		status = elm_error_set(r->error, ELM_ERR_NOT_FOUND,
				       "%s: it has neither tokenizer.model nor tokenizer.json; "
				       "download the tokenizer too",
				       r->folder);
	}
	json_decref(root);
	if (status == ELM_OK && r->v->count > rows)
		elm_log(ELM_LOG_WARN,
			"%s: the embedding has %u rows for %u tokens; the last ones are left out",
			r->path, rows, r->v->count);
	return status == ELM_OK ? elm__vocabulary_resize(r->v, rows, r->error) : status;
}

static elm_status read_added_tokens(folder_reader *r)
{
	json_t *root, *id;
	elm_status status = read_json(r, "added_tokens.json", MAX_CONFIG, &root);
	const char *text;

	json_object_foreach(root, text, id)
	{
		if (status != ELM_OK)
			break;
		if (!json_is_integer(id) || json_integer_value(id) < 0)
			status = elm_error_set(r->error, ELM_ERR_FORMAT,
					       "%s: token \"%.60s\" has no id", r->path, text);
		else if (json_integer_value(id) < r->v->count)
			status = elm__vocabulary_add(r->v, (uint32_t)json_integer_value(id), text,
						     strlen(text), false, r->error);
	}
	json_decref(root);
	return status;
}

/* The template has a file of its own in newer folders. */
static elm_status read_template(folder_reader *r)
{
	elm__buf text = ELM__BUF_INIT;
	json_t *root = NULL;
	const char *source = NULL;
	bool exists;
	elm_status status = set_path(r, "chat_template.jinja", &exists);

	if (status == ELM_OK && exists) {
		status = elm__file_read(r->path, MAX_CONFIG, &text, r->error);
		source = elm__buf_text(&text);
	} else if (status == ELM_OK) {
		status = read_json(r, "chat_template.json", MAX_CONFIG, &root);
		source = json_string_value(json_object_get(root, "chat_template"));
	}
	if (status == ELM_OK && source) {
		r->v->chat_template = elm__arena_strndup(&r->v->arena, source, strlen(source));
		if (!r->v->chat_template)
			status = no_memory(r->error);
	}
	json_decref(root);
	elm__buf_release(&text);
	return status;
}

static elm_status read_tokenizer_config(folder_reader *r)
{
	json_t *root;
	elm_status status = read_json(r, "tokenizer_config.json", MAX_CONFIG, &root);

	if (status == ELM_OK && root)
		status = elm__tokenizer_config_read(r->v, r->path, root, r->error);
	json_decref(root);
	return status;
}

/* The number of a special token in config.json: one, or a list of which the first counts. */
static void read_id(const elm__vocabulary *v, const json_t *config, const char *key, elm_token *id)
{
	const json_t *text = json_object_get(config, "text_config");
	const json_t *value = json_object_get(config, key);

	if (!value || json_is_null(value))
		value = json_object_get(text, key);
	if (json_is_array(value))
		value = json_array_get(value, 0);
	if (*id == ELM_TOKEN_NONE && json_is_integer(value) && json_integer_value(value) >= 0 &&
	    json_integer_value(value) < v->count)
		*id = (elm_token)json_integer_value(value);
}

elm_status elm__vocabulary_read_folder(elm__vocabulary *v, const char *folder, const json_t *config,
				       uint32_t rows, const char *pre, elm_error *error)
{
	folder_reader r = { .v = v, .folder = folder, .error = error };
	elm_status status = read_tokens(&r, rows, pre);

	if (status == ELM_OK && !v->bpe)
		status = read_added_tokens(&r);
	if (status == ELM_OK)
		status = read_tokenizer_config(&r);
	if (status == ELM_OK)
		status = read_template(&r);
	elm__free(r.path);
	if (status != ELM_OK)
		return status;
	read_id(v, config, "bos_token_id", &v->bos);
	read_id(v, config, "eos_token_id", &v->eos);
	read_id(v, config, "pad_token_id", &v->padding);
	return ELM_OK;
}

/* ---- GGUF ---- */

#define KEY(name) "tokenizer.ggml." name

static elm_status set_text(elm_gguf_writer *writer, const char *key, const char *text,
			   elm_error *error)
{
	return elm_gguf_writer_set_string(writer, key, text, strlen(text), error);
}

static elm_status set_arrays(const elm__vocabulary *v, elm_gguf_writer *writer, elm_error *error)
{
	elm_status status =
		elm_gguf_writer_set_strings(writer, KEY("tokens"), v->texts, v->count, error);

	if (status == ELM_OK && !v->bpe)
		status = elm_gguf_writer_set_array(writer, KEY("scores"), ELM_GGUF_F32, v->scores,
						   v->count, error);
	if (status == ELM_OK)
		status = elm_gguf_writer_set_array(writer, KEY("token_type"), ELM_GGUF_I32,
						   v->kinds, v->count, error);
	if (status == ELM_OK && v->bpe)
		status = elm_gguf_writer_set_strings(writer, KEY("merges"), v->merges,
						     v->merge_count, error);
	return status;
}

elm_status elm__vocabulary_to_gguf(const elm__vocabulary *v, elm_gguf_writer *writer,
				   elm_error *error)
{
	const struct {
		const char *key;
		elm_token id;
	} ids[] = { { KEY("bos_token_id"), v->bos },
		    { KEY("eos_token_id"), v->eos },
		    { KEY("unknown_token_id"), v->unknown },
		    { KEY("padding_token_id"), v->padding } };
	const struct {
		const char *key;
		elm__answer answer;
	} answers[] = { { KEY("add_bos_token"), v->add_bos },
			{ KEY("add_eos_token"), v->add_eos },
			{ KEY("add_space_prefix"), v->add_space_prefix },
			{ KEY("remove_extra_whitespaces"), v->squeeze_spaces } };
	elm_status status = set_text(writer, KEY("model"), v->bpe ? "gpt2" : "llama", error);

	if (status == ELM_OK)
		status = set_text(writer, KEY("pre"), v->pre ? v->pre : "default", error);
	if (status == ELM_OK)
		status = set_arrays(v, writer, error);
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]) && status == ELM_OK; i++)
		if (ids[i].id != ELM_TOKEN_NONE)
			status = elm_gguf_writer_set_u32(writer, ids[i].key, (uint32_t)ids[i].id,
							 error);
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]) && status == ELM_OK; i++)
		if (answers[i].answer != ELM__NOT_SAID)
			status = elm_gguf_writer_set_bool(writer, answers[i].key,
							  answers[i].answer == ELM__YES, error);
	if (status == ELM_OK && v->chat_template)
		status = set_text(writer, "tokenizer.chat_template", v->chat_template, error);
	return status;
}

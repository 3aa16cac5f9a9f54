#include "train/corpus.h"

#include <edgelm/memory.h>

#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"

enum { MAX_FILE = INT32_MAX, MAX_SEGMENTS = 1 << 12 };

void elm__corpus_init(elm__corpus *corpus)
{
	memset(corpus, 0, sizeof(*corpus));
}

void elm__corpus_release(elm__corpus *corpus)
{
	elm__free(corpus->tokens);
	elm__free(corpus->trained);
	elm__free(corpus->starts);
	memset(corpus, 0, sizeof(*corpus));
}

static bool reserve(elm__corpus *c, size_t extra)
{
	size_t wanted, capacity = c->capacity ? c->capacity : 1024;
	elm_token *tokens;
	uint8_t *trained;

	if (!elm__add(c->count, extra, &wanted))
		return false;
	if (wanted <= c->capacity)
		return true;
	while (capacity < wanted)
		if (!elm__mul(capacity, 2, &capacity))
			return false;
	tokens = elm__realloc_array(c->tokens, capacity, sizeof(*tokens));
	if (!tokens)
		return false;
	c->tokens = tokens;
	trained = elm__realloc(c->trained, capacity);
	if (!trained)
		return false;
	c->trained = trained;
	c->capacity = capacity;
	return true;
}

static elm_status out_of_memory(elm_error *error)
{
	return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for the training text");
}

/* --- one document --- */

typedef struct document {
	elm__corpus *corpus;
	const elm_tokenizer *tokenizer;
	size_t start; /* first token of the text: after BOS */
	elm__buf text;
} document;

static elm_status put(elm__corpus *c, const elm_token *tokens, size_t n, bool trained,
		      elm_error *error)
{
	if (!reserve(c, n))
		return out_of_memory(error);
	if (n)
		memcpy(c->tokens + c->count, tokens, n * sizeof(*tokens));
	memset(c->trained + c->count, trained, n);
	c->count += n;
	return ELM_OK;
}

static elm_status begin_document(document *d, elm_error *error)
{
	elm__corpus *c = d->corpus;
	elm_token bos = elm_tokenizer_bos(d->tokenizer);
	elm_status status = ELM_OK;

	if (c->documents + 2 > c->starts_capacity) {
		size_t capacity = c->starts_capacity ? 2 * c->starts_capacity : 64;
		size_t *starts = elm__realloc_array(c->starts, capacity, sizeof(*starts));

		if (!starts)
			return out_of_memory(error);
		c->starts = starts;
		c->starts_capacity = capacity;
	}
	c->starts[c->documents] = c->count;
	if (elm_tokenizer_adds_bos(d->tokenizer) && bos != ELM_TOKEN_NONE)
		status = put(c, &bos, 1, false, error);
	d->start = c->count;
	return status;
}

/*
 * Adds a segment. The whole text so far is tokenised, as it will be when the model is used; where
 * that changes tokens before the segment, the segment is tokenised alone.
 */
static elm_status add_segment(document *d, const char *text, size_t length, bool trained,
			      elm_error *error)
{
	elm__corpus *c = d->corpus;
	size_t before = c->count - d->start, n = 0;
	elm_token *tokens = NULL;
	elm_status status;

	elm__buf_append(&d->text, text, length);
	status = elm__buf_status(&d->text, error);
	if (!status)
		status = elm_tokenize(d->tokenizer, elm__buf_text(&d->text), d->text.length,
				      ELM_TOKENIZE_SPECIAL, &tokens, &n, error);
	if (!status && before &&
	    (n < before || memcmp(tokens, c->tokens + d->start, before * sizeof(*tokens)) != 0)) {
		elm_free(tokens);
		before = 0;
		status = elm_tokenize(d->tokenizer, text, length, ELM_TOKENIZE_SPECIAL, &tokens, &n,
				      error);
	}
	if (!status && n > before)
		status = put(c, tokens + before, n - before, trained, error);
	elm_free(tokens);
	return status;
}

/* A text that spells out its own BOS does not get a second one. */
static void drop_double_bos(document *d)
{
	elm__corpus *c = d->corpus;
	elm_token bos = elm_tokenizer_bos(d->tokenizer);
	size_t first = c->starts[c->documents];

	if (d->start == first || c->count == d->start || c->tokens[d->start] != bos)
		return;
	c->count--;
	memmove(c->tokens + first, c->tokens + first + 1, (c->count - first) * sizeof(*c->tokens));
	memmove(c->trained + first, c->trained + first + 1, c->count - first);
}

/* EOS where no end of generation is there already; without a token, the document vanishes. */
static elm_status end_document(document *d, elm_error *error)
{
	elm__corpus *c = d->corpus;
	elm_token eos = elm_tokenizer_eos(d->tokenizer);
	elm_status status = ELM_OK;

	if (c->count == d->start) {
		c->count = c->starts[c->documents];
		return ELM_OK;
	}
	drop_double_bos(d);
	if (eos != ELM_TOKEN_NONE && !elm_tokenizer_is_eog(d->tokenizer, c->tokens[c->count - 1]))
		status = put(c, &eos, 1, c->trained[c->count - 1], error);
	if (!status)
		c->starts[++c->documents] = c->count;
	return status;
}

elm_status elm__corpus_add_text(elm__corpus *corpus, const elm_tokenizer *tokenizer,
				const char *text, size_t length, elm_error *error)
{
	document d = { .corpus = corpus, .tokenizer = tokenizer };
	elm_token *tokens = NULL;
	size_t n = 0;
	elm_status status = begin_document(&d, error);

	if (!status)
		status = elm_tokenize(tokenizer, text, length, ELM_TOKENIZE_SPECIAL, &tokens, &n,
				      error);
	if (!status)
		status = put(corpus, tokens, n, true, error);
	elm_free(tokens);
	return status ? status : end_document(&d, error);
}

/* --- records --- */

/* A member that is a string, which may hold a NUL; NULL where there is none. */
static elm_status get_text(const json_t *object, const char *key, const json_t **out,
			   elm_error *error)
{
	*out = json_object_get(object, key);
	if (*out && !json_is_string(*out))
		return elm_error_set(error, ELM_ERR_FORMAT, "\"%s\" is not a string but %s", key,
				     elm__json_type_name(*out));
	return ELM_OK;
}

static elm_status add_string(document *d, const json_t *text, bool trained, elm_error *error)
{
	return add_segment(d, json_string_value(text), json_string_length(text), trained, error);
}

static elm_status add_segments(document *d, const json_t *list, elm_error *error)
{
	elm_status status = ELM_OK;

	if (!json_is_array(list) || json_array_size(list) > MAX_SEGMENTS)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "\"segments\" is not an array of at most %d", MAX_SEGMENTS);
	for (size_t i = 0; i < json_array_size(list) && !status; i++) {
		const json_t *segment = json_array_get(list, i), *text = NULL;
		bool trained = false;

		if (!json_is_object(segment))
			return elm_error_set(error, ELM_ERR_FORMAT,
					     "segment %zu is not an object but %s", i,
					     elm__json_type_name(segment));
		status = get_text(segment, "text", &text, error);
		if (!status && !text)
			status = elm_error_set(error, ELM_ERR_FORMAT, "segment %zu has no \"text\"",
					       i);
		if (!status)
			status = elm__json_get_bool(segment, "train", &trained, error);
		if (!status)
			status = add_string(d, text, trained, error);
	}
	return status;
}

static elm_status add_parts(document *d, const json_t *record, elm_error *error)
{
	const json_t *prompt, *answer, *text, *segments;
	elm_status status;

	if (!json_is_object(record))
		return elm_error_set(error, ELM_ERR_FORMAT, "a record is an object, not %s",
				     elm__json_type_name(record));
	segments = json_object_get(record, "segments");
	status = get_text(record, "prompt", &prompt, error);
	if (!status)
		status = get_text(record, "answer", &answer, error);
	if (!status)
		status = get_text(record, "text", &text, error);
	if (status)
		return status;
	if (!prompt != !answer || (prompt != NULL) + (text != NULL) + (segments != NULL) != 1)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "a record has \"prompt\" and \"answer\", or \"text\", or "
				     "\"segments\"");
	if (segments)
		return add_segments(d, segments, error);
	if (text)
		return add_string(d, text, true, error);
	status = add_string(d, prompt, false, error);
	return status ? status : add_string(d, answer, true, error);
}

static elm_status add_record(elm__corpus *corpus, const elm_tokenizer *tokenizer,
			     const json_t *record, elm_error *error)
{
	document d = { .corpus = corpus, .tokenizer = tokenizer };
	elm_status status = begin_document(&d, error);

	if (!status)
		status = add_parts(&d, record, error);
	elm__buf_release(&d.text);
	return status ? status : end_document(&d, error);
}

static bool blank(const char *line, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
			return false;
	return true;
}

elm_status elm__corpus_add_records(elm__corpus *corpus, const elm_tokenizer *tokenizer,
				   const char *name, const char *lines, size_t length,
				   elm_error *error)
{
	size_t number = 1;

	for (size_t at = 0; at < length; number++) {
		const char *end = memchr(lines + at, '\n', length - at);
		size_t size = end ? (size_t)(end - lines) - at : length - at;
		json_t *record;
		elm_status status;

		if (!blank(lines + at, size)) {
			status = elm__json_parse("record", lines + at, size, &record, error);
			if (!status)
				status = add_record(corpus, tokenizer, record, error);
			json_decref(record);
			if (status) {
				elm_error_prefix(error, "%s line %zu", name, number);
				return status;
			}
		}
		at += size + 1;
	}
	return ELM_OK;
}

elm_status elm__corpus_add_file(elm__corpus *corpus, const elm_tokenizer *tokenizer,
				const char *path, elm_error *error)
{
	elm__buf text = ELM__BUF_INIT;
	size_t length = strlen(path);
	elm_status status = elm__file_read(path, MAX_FILE, &text, error);

	if (!status && length > 6 && !strcmp(path + length - 6, ".jsonl"))
		status = elm__corpus_add_records(corpus, tokenizer, path, elm__buf_text(&text),
						 text.length, error);
	else if (!status)
		status = elm__corpus_add_text(corpus, tokenizer, elm__buf_text(&text), text.length,
					      error);
	elm__buf_release(&text);
	return status;
}

uint64_t elm__corpus_hash(const elm__corpus *c)
{
	uint64_t hash = elm__hash64(c->tokens, c->count * sizeof(*c->tokens), c->documents);

	hash = elm__hash64(c->trained, c->count, hash);
	return elm__hash64(c->starts, c->documents * sizeof(*c->starts), hash);
}

/* vocabulary_gguf.c: the vocabulary of a GGUF file, written as the files of a tokenizer. */
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "convert/vocabulary.h"

#define KEY(name) "tokenizer.ggml." name

static elm_status read_tokens(elm__vocabulary *v, const elm_gguf *gguf, const elm_tokenizer *t,
			      elm_error *error)
{
	const elm_gguf_kv *scores = elm_gguf_find(gguf, KEY("scores")), *texts, *kinds;
	elm_status status = elm_gguf_get_array(gguf, KEY("tokens"), ELM_GGUF_STRING, &texts, error);

	if (status == ELM_OK)
		status = elm__vocabulary_resize(v, (uint32_t)elm_tokenizer_size(t), error);
	kinds = elm_gguf_find(gguf, KEY("token_type"));
	for (uint32_t i = 0; i < v->count && status == ELM_OK; i++) {
		elm_gguf_string text = elm_gguf_string_at(texts, i);
		int64_t kind = kinds ? elm_gguf_i64_at(kinds, i) : ELM_TOKEN_NORMAL;
		float score = scores ? (float)elm_gguf_f64_at(scores, i) : 0;

		if (kind < ELM_TOKEN_NORMAL || kind > ELM_TOKEN_BYTE)
			kind = ELM_TOKEN_NORMAL;
		status = elm__vocabulary_set(v, i, text.data, text.length, score,
					     (elm_token_kind)kind, error);
	}
	return status;
}

static elm_status read_merges(elm__vocabulary *v, const elm_gguf *gguf, elm_error *error)
{
	const elm_gguf_kv *merges;
	elm_status status =
		elm_gguf_get_array(gguf, KEY("merges"), ELM_GGUF_STRING, &merges, error);

	if (status != ELM_OK)
		return status;
	v->merges = elm__calloc(merges->count ? merges->count : 1, sizeof(*v->merges));
	if (!v->merges)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "no memory for the merges");
	v->merge_count = (uint32_t)merges->count; /* the tokenizer has accepted the file */
	for (uint32_t i = 0; i < v->merge_count; i++)
		v->merges[i] = elm_gguf_string_at(merges, i);
	return ELM_OK;
}

static elm_token read_id(const elm__vocabulary *v, const elm_gguf *gguf, const char *key)
{
	uint32_t id;

	if (elm_gguf_get_u32(gguf, key, &id, NULL) != ELM_OK || id >= v->count)
		return ELM_TOKEN_NONE;
	return (elm_token)id;
}

static elm__answer read_answer(const elm_gguf *gguf, const char *key)
{
	bool value;

	if (elm_gguf_get_bool(gguf, key, &value, NULL) != ELM_OK)
		return ELM__NOT_SAID;
	return value ? ELM__YES : ELM__NO;
}

static const char *copy(elm__vocabulary *v, const char *text, size_t length)
{
	return elm__arena_strndup(&v->arena, text, length);
}

static elm_status read_rules(elm__vocabulary *v, const elm_gguf *gguf, const elm_tokenizer *t,
			     elm_error *error)
{
	const char *template = elm_tokenizer_chat_template(t);
	elm_gguf_string pre = { "default", 7 };

	if (elm_gguf_find(gguf, KEY("pre"))) {
		elm_status status = elm_gguf_get_string(gguf, KEY("pre"), &pre, error);

		if (status != ELM_OK)
			return status;
	}
	v->pre = copy(v, pre.data, pre.length);
	if (template)
		v->chat_template = copy(v, template, strlen(template));
	if (!v->pre || (template && !v->chat_template))
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "no memory for the vocabulary");
	v->bos = elm_tokenizer_bos(t);
	v->eos = elm_tokenizer_eos(t);
	v->unknown = read_id(v, gguf, KEY("unknown_token_id"));
	v->padding = read_id(v, gguf, KEY("padding_token_id"));
	v->add_bos = read_answer(gguf, KEY("add_bos_token"));
	if (v->bpe) /* what is usual depends on the pre-tokenizer, which only GGUF names */
		v->add_bos = elm_tokenizer_adds_bos(t) ? ELM__YES : ELM__NO;
	v->add_eos = read_answer(gguf, KEY("add_eos_token"));
	v->add_space_prefix = read_answer(gguf, KEY("add_space_prefix"));
	v->squeeze_spaces = read_answer(gguf, KEY("remove_extra_whitespaces"));
	return ELM_OK;
}

elm_status elm__vocabulary_from_gguf(elm__vocabulary *v, const elm_gguf *gguf, elm_error *error)
{
	elm_gguf_string model;
	elm_tokenizer *t;
	elm_status status = elm_tokenizer_create(gguf, &t, error);

	if (status != ELM_OK)
		return status;
	status = elm_gguf_get_string(gguf, KEY("model"), &model, error);
	v->bpe = status == ELM_OK && model.length == 4 && !memcmp(model.data, "gpt2", 4);
	if (status == ELM_OK)
		status = read_tokens(v, gguf, t, error);
	if (status == ELM_OK && v->bpe)
		status = read_merges(v, gguf, error);
	if (status == ELM_OK)
		status = read_rules(v, gguf, t, error);
	elm_tokenizer_free(t);
	return status;
}

typedef elm_status write_fn(const elm__vocabulary *v, const char *path, elm_error *error);

static elm_status write_sentencepiece(const elm__vocabulary *v, const char *path, elm_error *error)
{
	elm__buf out = ELM__BUF_INIT;
	elm_status status;

	elm__sentencepiece_write(v, &out);
	status = elm__buf_status(&out, error);
	if (status == ELM_OK)
		status = elm__file_replace(path, out.data, out.length, error);
	elm__buf_release(&out);
	return status;
}

static elm_status write_in(const elm__vocabulary *v, const char *folder, const char *name,
			   write_fn *write, elm_error *error)
{
	elm__buf path = ELM__BUF_INIT;
	elm_status status;

	elm__buf_printf(&path, "%s/%s", folder, name);
	status = elm__buf_status(&path, error);
	if (status == ELM_OK)
		status = write(v, path.data, error);
	elm__buf_release(&path);
	return status;
}

elm_status elm__vocabulary_write_folder(const elm__vocabulary *v, const char *folder,
					elm_error *error)
{
	elm_status status =
		v->bpe ? write_in(v, folder, "tokenizer.json", elm__tokenizer_json_write, error) :
			 write_in(v, folder, "tokenizer.model", write_sentencepiece, error);

	if (status != ELM_OK)
		return status;
	return write_in(v, folder, "tokenizer_config.json", elm__tokenizer_config_write, error);
}

/* tokenizer_json.c: the one-file form of tokenizers, with everything in it. */
#include <edgelm/log.h>

#include <string.h>

#include "base/alloc.h"
#include "convert/vocabulary.h"

typedef struct tj_reader {
	elm__vocabulary *v;
	const char *path;
	uint32_t rows, dropped;
	elm_error *error;
} tj_reader;

static bool is_text(const json_t *object, const char *key, const char *text)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value && !strcmp(value, text);
}

static bool has_byte_fallback(const json_t *root)
{
	return json_is_true(json_object_get(json_object_get(root, "model"), "byte_fallback"));
}

bool elm__tokenizer_json_is_bpe(const json_t *root)
{
	const json_t *model = json_object_get(root, "model"),
		     *type = json_object_get(model, "type");

	return json_is_array(json_object_get(model, "merges")) &&
	       (!type || is_text(model, "type", "BPE")) && !has_byte_fallback(root);
}

static elm_status no_memory(const tj_reader *r)
{
	return elm_error_set(r->error, ELM_ERR_NO_MEMORY, "%s: out of memory", r->path);
}

static elm_status bad_id(const tj_reader *r, const char *text)
{
	return elm_error_set(r->error, ELM_ERR_FORMAT,
			     "%s: the token \"%.60s\" has no id that is a whole number", r->path,
			     text);
}

static elm_status read_vocab(tj_reader *r, const json_t *model, const char *unknown, bool spm)
{
	json_t *vocab = json_object_get(model, "vocab"), *id;
	elm__vocabulary *v = r->v;
	const char *text;

	if (!json_is_object(vocab))
		return elm_error_set(r->error, ELM_ERR_FORMAT, "%s: its model has no vocab",
				     r->path);
	json_object_foreach(vocab, text, id)
	{
		elm_token_kind kind = ELM_TOKEN_NORMAL;
		json_int_t number = json_integer_value(id);
		elm_status status;

		if (!json_is_integer(id) || number < 0)
			return bad_id(r, text);
		if (number >= r->rows) {
			r->dropped++;
			continue;
		}
		if (!elm__vocabulary_is_padding(v, (uint32_t)number))
			return elm_error_set(r->error, ELM_ERR_FORMAT,
					     "%s: the tokens \"%.60s\" and \"%.60s\" have the same "
					     "id %lld",
					     r->path, v->texts[number].data, text,
					     (long long)number);
		if (spm && strlen(text) == 6 && !memcmp(text, "<0x", 3) && text[5] == '>')
			kind = ELM_TOKEN_BYTE;
		if (unknown && !strcmp(text, unknown)) {
			v->unknown = (elm_token)number;
			if (spm)
				kind = ELM_TOKEN_UNKNOWN;
		}
		/* Tokens that were trained lie in the order of their scores. */
		status = elm__vocabulary_set(v, (uint32_t)number, text, strlen(text),
					     spm ? -(float)number : 0, kind, r->error);
		if (status != ELM_OK)
			return status;
	}
	return ELM_OK;
}

/* Newer files have pairs, whose parts may hold spaces, as the letter that stands for them. */
static elm_status read_merge(const tj_reader *r, const json_t *merge, elm_gguf_string *out)
{
	const char *left = json_string_value(json_array_get(merge, 0));
	const char *right = json_string_value(json_array_get(merge, 1));
	const char *whole = json_string_value(merge);
	elm__buf text = ELM__BUF_INIT;

	if (!whole && !(left && right && json_array_size(merge) == 2))
		return elm_error_set(r->error, ELM_ERR_FORMAT,
				     "%s: a merge is neither a text nor a pair of texts", r->path);
	for (int part = 0; !whole && part < 2; part++) {
		for (const char *at = part ? right : left; *at; at++)
			if (*at == ' ')
				elm__buf_puts(&text, "\xc4\xa0");
			else
				elm__buf_putc(&text, *at);
		if (!part)
			elm__buf_putc(&text, ' ');
	}
	if (whole)
		elm__buf_puts(&text, whole);
	out->data = text.failed ?
			    NULL :
			    elm__arena_strndup(&r->v->arena, elm__buf_text(&text), text.length);
	out->length = text.length;
	elm__buf_release(&text);
	return out->data ? ELM_OK : no_memory(r);
}

static elm_status read_merges(const tj_reader *r, const json_t *model)
{
	const json_t *merges = json_object_get(model, "merges");
	size_t count = json_array_size(merges);
	elm_status status = ELM_OK;

	r->v->merges = elm__calloc(count ? count : 1, sizeof(*r->v->merges));
	if (!r->v->merges)
		return no_memory(r);
	for (size_t i = 0; i < count && status == ELM_OK; i++)
		status = read_merge(r, json_array_get(merges, i), &r->v->merges[i]);
	r->v->merge_count = (uint32_t)count;
	return status;
}

static elm_status read_added(tj_reader *r, const json_t *root, bool only_new)
{
	const json_t *list = json_object_get(root, "added_tokens");
	elm_status status = ELM_OK;

	for (size_t i = 0; i < json_array_size(list) && status == ELM_OK; i++) {
		const json_t *entry = json_array_get(list, i);
		const json_t *id = json_object_get(entry, "id");
		const json_t *content = json_object_get(entry, "content");
		const char *text = json_string_value(content);
		json_int_t number = json_integer_value(id);

		if (!text || !json_is_integer(id) || number < 0)
			return bad_id(r, text ? text : "");
		if (number >= r->rows)
			r->dropped++;
		else if (!only_new || elm__vocabulary_is_padding(r->v, (uint32_t)number))
			status = elm__vocabulary_add(
				r->v, (uint32_t)number, text, json_string_length(content),
				json_is_true(json_object_get(entry, "special")), r->error);
	}
	return status;
}

static const json_t *find_type(const json_t *node, const char *list, const char *type)
{
	const json_t *inner = json_object_get(node, list);

	if (is_text(node, "type", type))
		return node;
	for (size_t i = 0; i < json_array_size(inner); i++)
		if (is_text(json_array_get(inner, i), "type", type))
			return json_array_get(inner, i);
	return NULL;
}

static const char *special_at(const json_t *single, size_t index)
{
	const json_t *item = json_object_get(json_array_get(single, index), "SpecialToken");

	return json_string_value(json_object_get(item, "id"));
}

/* What the template of a single text puts around it. */
static void read_template(const tj_reader *r, const json_t *root)
{
	const json_t *post = json_object_get(root, "post_processor");
	const json_t *template = find_type(post, "processors", "TemplateProcessing");
	const json_t *single = json_object_get(template, "single");
	size_t count = json_array_size(single);
	const char *first = special_at(single, 0);
	const char *last = count > 1 ? special_at(single, count - 1) : NULL;

	r->v->add_bos = first ? ELM__YES : ELM__NO;
	if (first)
		r->v->bos = elm__vocabulary_find(r->v, first);
	if (last) {
		r->v->add_eos = ELM__YES;
		r->v->eos = elm__vocabulary_find(r->v, last);
	}
}

/* SentencePiece puts a space before a text, unless this copy of it does not. */
static void read_prefix(const tj_reader *r, const json_t *root)
{
	const json_t *normalizer = json_object_get(root, "normalizer");
	const json_t *cut = json_object_get(root, "pre_tokenizer");
	const json_t *space = find_type(cut, "pretokenizers", "Metaspace");
	bool prefix = find_type(normalizer, "normalizers", "Prepend") != NULL;

	if (space && !is_text(space, "prepend_scheme", "never") &&
	    !json_is_false(json_object_get(space, "add_prefix_space")))
		prefix = true;
	r->v->add_space_prefix = prefix ? ELM__YES : ELM__NO;
}

static elm_status name_pretokenizer(const tj_reader *r, const json_t *root, const char *pre)
{
	const json_t *model = json_object_get(root, "model");
	bool whole_words = json_is_true(json_object_get(model, "ignore_merges"));
	elm_status status = ELM_OK;

	if (!pre)
		status = elm__pretokenizer_name(json_object_get(root, "pre_tokenizer"), whole_words,
						&pre, r->error);
	if (status != ELM_OK)
		return status;
	if (!pre)
		return elm_error_set(r->error, ELM_ERR_UNSUPPORTED,
				     "%s: its pre_tokenizer is none that is known; if you know "
				     "which rule of docs/TOKENIZERS.md it is, give --pre NAME",
				     r->path);
	r->v->pre = elm__arena_strndup(&r->v->arena, pre, strlen(pre));
	return r->v->pre ? ELM_OK : no_memory(r);
}

elm_status elm__tokenizer_json_read(elm__vocabulary *v, const char *path, const json_t *root,
				    uint32_t rows, const char *pre, elm_error *error)
{
	tj_reader r = { .v = v, .path = path, .rows = rows, .error = error };
	const json_t *model = json_object_get(root, "model");
	const char *type = json_string_value(json_object_get(model, "type"));
	bool spm = has_byte_fallback(root);
	elm_status status;

	if ((type && strcmp(type, "BPE")) || !json_is_array(json_object_get(model, "merges")))
		return elm_error_set(error, ELM_ERR_UNSUPPORTED,
				     "%s: a vocabulary of kind \"%.30s\" is not supported; BPE is",
				     path, type ? type : "unknown");
	v->bpe = !spm;
	status = elm__vocabulary_resize(v, rows, error);
	if (status == ELM_OK)
		status = read_vocab(&r, model,
				    json_string_value(json_object_get(model, "unk_token")), spm);
	if (status == ELM_OK)
		status = read_added(&r, root, spm);
	if (status == ELM_OK && !spm)
		status = read_merges(&r, model);
	if (status == ELM_OK && !spm)
		status = name_pretokenizer(&r, root, pre);
	if (status != ELM_OK)
		return status;
	read_template(&r, root);
	if (spm)
		read_prefix(&r, root);
	if (r.dropped)
		elm_log(ELM_LOG_WARN,
			"%s: %u tokens have ids beyond the %u rows of the embedding; they are left "
			"out",
			path, r.dropped, rows);
	return ELM_OK;
}

/* ---- writing ---- */

static json_t *text_value(const elm__vocabulary *v, uint32_t id)
{
	return json_stringn(v->texts[id].data, v->texts[id].length);
}

static bool put_tokens(const elm__vocabulary *v, json_t *vocab, json_t *added, uint32_t *bad)
{
	for (uint32_t i = 0; i < v->count; i++) {
		bool special = v->kinds[i] == ELM_TOKEN_CONTROL || v->kinds[i] == ELM_TOKEN_UNKNOWN;

		*bad = i;
		if (elm__vocabulary_is_padding(v, i))
			continue;
		if (special || v->kinds[i] == ELM_TOKEN_USER_DEFINED) {
			if (json_array_append_new(added,
						  json_pack("{s:I, s:o, s:b, s:b, s:b, s:b, s:b}",
							    "id", (json_int_t)i, "content",
							    text_value(v, i), "single_word", 0,
							    "lstrip", 0, "rstrip", 0, "normalized",
							    0, "special", (int)special)) != 0)
				return false;
		} else if (json_object_get(vocab, v->texts[i].data) ||
			   strlen(v->texts[i].data) != v->texts[i].length ||
			   json_object_set_new(vocab, v->texts[i].data, json_integer(i)) != 0) {
			return false;
		}
	}
	return true;
}

static json_t *merges_value(const elm__vocabulary *v)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < v->merge_count && list; i++)
		if (json_array_append_new(list, json_stringn(v->merges[i].data,
							     v->merges[i].length)) != 0) {
			json_decref(list);
			list = NULL;
		}
	return list;
}

static json_t *special_item(const elm__vocabulary *v, elm_token id)
{
	return json_pack("{s:{s:o, s:i}}", "SpecialToken", "id", text_value(v, (uint32_t)id),
			 "type_id", 0);
}

static json_t *template_value(const elm__vocabulary *v)
{
	json_t *single = json_array();
	bool good = true;

	if (v->add_bos == ELM__YES && v->bos != ELM_TOKEN_NONE)
		good = json_array_append_new(single, special_item(v, v->bos)) == 0;
	good = good && json_array_append_new(single, json_pack("{s:{s:s, s:i}}", "Sequence", "id",
							       "A", "type_id", 0)) == 0;
	if (good && v->add_eos == ELM__YES && v->eos != ELM_TOKEN_NONE)
		good = json_array_append_new(single, special_item(v, v->eos)) == 0;
	if (good)
		return json_pack("{s:s, s:o, s:[], s:{}}", "type", "TemplateProcessing", "single",
				 single, "pair", "special_tokens");
	json_decref(single);
	return NULL;
}

static json_t *bytes_decoder(void)
{
	return json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0,
			 "trim_offsets", 1, "use_regex", 1);
}

elm_status elm__tokenizer_json_write(const elm__vocabulary *v, const char *path, elm_error *error)
{
	bool whole_words = v->pre && (!strncmp(v->pre, "llama", 5) || !strcmp(v->pre, "falcon3"));
	json_t *pre = elm__pretokenizer_describe(v->pre ? v->pre : "default");
	json_t *vocab = json_object(), *added = json_array(), *root;
	elm_status status = ELM_OK;
	uint32_t bad = 0;

	if (!pre)
		status = elm_error_set(error, ELM_ERR_UNSUPPORTED,
				       "%s: the pre-tokenizer \"%.40s\" cannot be written", path,
				       v->pre ? v->pre : "default");
	else if (!put_tokens(v, vocab, added, &bad))
		status = elm_error_set(error, ELM_ERR_UNSUPPORTED,
				       "%s: token %u is not valid UTF-8 or has the text of another",
				       path, bad);
	if (status != ELM_OK) {
		json_decref(pre);
		json_decref(vocab);
		json_decref(added);
		return status;
	}
	root = json_pack("{s:s, s:n, s:n, s:o, s:n, s:o, s:o, s:o, s:{s:s, s:n, s:n, s:n, s:n, "
			 "s:b, s:b, s:b, s:o, s:o}}",
			 "version", "1.0", "truncation", "padding", "added_tokens", added,
			 "normalizer", "pre_tokenizer", pre, "post_processor", template_value(v),
			 "decoder", bytes_decoder(), "model", "type", "BPE", "dropout", "unk_token",
			 "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 0,
			 "byte_fallback", 0, "ignore_merges", (int)whole_words, "vocab", vocab,
			 "merges", merges_value(v));
	status = elm__json_replace(path, root, error);
	json_decref(root);
	return status;
}

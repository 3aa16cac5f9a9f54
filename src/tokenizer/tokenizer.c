#include <edgelm/tokenizer.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "tokenizer/merge.h"
#include "tokenizer/vocab.h"

elm_status elm_tokenizer_create(const elm_gguf *gguf, elm_tokenizer **out, elm_error *error)
{
	elm_tokenizer *t = elm__calloc(1, sizeof(*t));
	elm_status status;

	*out = NULL;
	if (!t)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "no memory for a tokenizer");
	elm__arena_init(&t->arena, 0);
	status = elm__vocab_load(t, gguf, error);
	if (status) {
		elm_tokenizer_free(t);
		return status;
	}
	*out = t;
	return ELM_OK;
}

void elm_tokenizer_free(elm_tokenizer *t)
{
	if (!t)
		return;
	elm__splitter_release(&t->splitter);
	elm__arena_release(&t->arena);
	elm__free(t);
}

size_t elm_tokenizer_size(const elm_tokenizer *t)
{
	return t->count;
}

elm_token elm_tokenizer_bos(const elm_tokenizer *t)
{
	return t->bos;
}

elm_token elm_tokenizer_eos(const elm_tokenizer *t)
{
	return t->eos;
}

bool elm_tokenizer_adds_bos(const elm_tokenizer *t)
{
	return t->add_bos;
}

static bool in_range(const elm_tokenizer *t, elm_token token)
{
	return token >= 0 && (uint32_t)token < t->count;
}

bool elm_tokenizer_is_eog(const elm_tokenizer *t, elm_token token)
{
	return in_range(t, token) && t->tokens[token].flags & ELM__TOKEN_EOG;
}

elm_token_kind elm_tokenizer_kind(const elm_tokenizer *t, elm_token token)
{
	return in_range(t, token) ? (elm_token_kind)t->tokens[token].kind : ELM_TOKEN_UNUSED;
}

const char *elm_tokenizer_chat_template(const elm_tokenizer *t)
{
	return t->chat_template;
}

/* One call of elm_tokenize. */
typedef struct tokenizing {
	const elm_tokenizer *t;
	const char *text; /* what is being merged */
	elm__token_list list;
	elm__merger merger;
	elm__split split;  /* BPE */
	elm__buf prepared; /* SPM: the text with its spaces as the vocabulary wants them */
	bool after_special;
} tokenizing;

static elm_status merge_range(void *user, size_t begin, size_t end, elm_error *error)
{
	tokenizing *job = user;

	return elm__merge_word(&job->merger, job->t, job->text + begin, end - begin, &job->list,
			       error);
}

/* Where a U+2581 is in text[from..length), or `length`. It is the same as a space to the model. */
static size_t find_space_mark(const char *text, size_t from, size_t length)
{
	while (length - from >= 3) {
		const char *lead = memchr(text + from, 0xe2, length - from - 2);

		if (!lead)
			break;
		if (!memcmp(lead, "\xe2\x96\x81", 3))
			return (size_t)(lead - text);
		from = (size_t)(lead - text) + 1;
	}
	return length;
}

/* Runs of spaces become one, those at both ends go. */
static void squeeze_spaces(elm__buf *text)
{
	size_t at, count = 0;

	for (at = 0; at < text->length; at++)
		if (text->data[at] != ' ' || (count && text->data[count - 1] != ' '))
			text->data[count++] = text->data[at];
	if (count && text->data[count - 1] == ' ')
		count--;
	text->length = count;
}

static elm_status prepare_spaces(tokenizing *job, const char *text, size_t length, elm_error *error)
{
	elm__buf *out = &job->prepared;
	size_t at = 0, mark;

	elm__buf_clear(out);
	(void)elm__buf_reserve(out, length + 1);
	while (at < length) {
		mark = find_space_mark(text, at, length);
		elm__buf_append(out, text + at, mark - at);
		if (mark < length)
			elm__buf_putc(out, ' ');
		at = mark < length ? mark + 3 : length;
	}
	if (job->t->squeeze_spaces && !out->failed)
		squeeze_spaces(out);
	if (job->t->add_space && job->after_special && out->length && elm__buf_reserve(out, 1)) {
		memmove(out->data + 1, out->data, out->length + 1);
		out->data[0] = ' ';
		out->length++;
	}
	return elm__buf_status(out, error);
}

static elm_status tokenize_spm(tokenizing *job, const char *text, size_t length, elm_error *error)
{
	elm_status status = prepare_spaces(job, text, length, error);
	size_t begin = 0, end;

	job->text = job->prepared.data;
	length = job->prepared.length;
	while (begin < length && !status) {
		end = length;
		if (job->t->words_separable) {
			/* No token reaches over the start of a word, so words are merged apart. */
			for (end = begin + 1; end < length; end++)
				if (job->text[end] == ' ' && job->text[end - 1] != ' ')
					break;
		}
		status = merge_range(job, begin, end, error);
		begin = end;
	}
	return status;
}

static elm_status tokenize_plain(tokenizing *job, const char *text, size_t length, elm_error *error)
{
	elm_status status;

	if (!length)
		return ELM_OK;
	if (job->t->type == ELM__VOCAB_SPM) {
		status = tokenize_spm(job, text, length, error);
	} else {
		job->text = text;
		status = elm__split_text(&job->split, text, length, error);
	}
	job->after_special = false;
	return status;
}

static bool is_ascii_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static elm_status tokenize_all(tokenizing *job, const char *text, size_t length, unsigned flags,
			       elm_error *error)
{
	const elm_tokenizer *t = job->t;
	const elm__specials *set = flags & ELM_TOKENIZE_SPECIAL ? &t->specials : &t->user_defined;
	const elm__special *found;
	elm_status status = ELM_OK;
	size_t at = 0, start = 0;

	while (!status && (found = elm__specials_find(set, text, length, at, &start)) != NULL) {
		status = tokenize_plain(job, text + at, start - at, error);
		if (!status)
			status = elm__token_list_add(&job->list, found->token, error);
		job->after_special = true;
		at = start + found->length;
		if (t->tokens[found->token].flags & ELM__TOKEN_RSTRIP)
			while (at < length && is_ascii_space(text[at]))
				at++;
	}
	return status ? status : tokenize_plain(job, text + at, length - at, error);
}

/* Adds BOS and EOS, unless the text brought its own. */
static elm_status add_ends(tokenizing *job, elm_error *error)
{
	const elm_tokenizer *t = job->t;
	elm__token_list *list = &job->list;
	elm_status status = ELM_OK;

	if (t->add_bos && (!list->count || list->items[0] != t->bos)) {
		status = elm__token_list_add(list, t->bos, error);
		if (status)
			return status;
		memmove(list->items + 1, list->items, (list->count - 1) * sizeof(*list->items));
		list->items[0] = t->bos;
	}
	if (t->add_eos && (!list->count || list->items[list->count - 1] != t->eos))
		status = elm__token_list_add(list, t->eos, error);
	return status;
}

elm_status elm_tokenize(const elm_tokenizer *t, const char *text, size_t length, unsigned flags,
			elm_token **out, size_t *count, elm_error *error)
{
	tokenizing job = { .t = t, .after_special = true };
	elm_status status = ELM_OK;

	*out = NULL;
	*count = 0;
	if (length > INT32_MAX)
		return elm_error_set(
			error, ELM_ERR_LIMIT,
			"a text of %zu bytes is too long to tokenise at once, the most is "
			"%d",
			length, INT32_MAX);
	if (t->type == ELM__VOCAB_BPE) {
		status = elm__split_init(&job.split, &t->splitter, error);
		job.split.word = merge_range;
		job.split.user = &job;
	}
	if (!status)
		status = elm__token_list_grow(&job.list, length / 4 + 8, error);
	if (!status)
		status = tokenize_all(&job, text, length, flags, error);
	if (!status && flags & ELM_TOKENIZE_BOS)
		status = add_ends(&job, error);
	elm__split_release(&job.split);
	elm__merger_release(&job.merger);
	elm__buf_release(&job.prepared);
	if (status) {
		elm__free(job.list.items);
		return status;
	}
	*out = job.list.items;
	*count = job.list.count;
	return ELM_OK;
}

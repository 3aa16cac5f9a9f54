#include "tokenizer/merge.h"

#include "base/alloc.h"
#include "base/text.h"

enum { SHORT = 40 }; /* characters in a word that is searched from end to end */

#define NO_PAIR UINT32_MAX

typedef struct elm__symbol {
	uint32_t start, length; /* length 0: joined to the one before */
	uint32_t previous, next;
	elm_token token; /* ELM_TOKEN_NONE: a character without a token, or not looked up yet */
} elm__symbol;

/* A pair that can be joined. It is out of date when the symbols at its place have grown since. */
typedef struct elm__candidate {
	uint32_t priority;
	uint32_t left;	 /* symbol */
	uint32_t length; /* of both together */
	elm_token merged;
} elm__candidate;

elm_status elm__token_list_grow(elm__token_list *list, size_t extra, elm_error *error)
{
	size_t capacity = list->capacity ? list->capacity : 16, need;
	elm_token *items = NULL;

	if (elm__add(list->count, extra, &need)) {
		while (capacity < need && capacity <= SIZE_MAX / 2)
			capacity *= 2;
		if (capacity >= need)
			items = elm__realloc_array(list->items, capacity, sizeof(*items));
	}
	if (!items)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "no memory for %zu more tokens",
				     extra);
	list->items = items;
	list->capacity = capacity;
	return ELM_OK;
}

void elm__merger_release(elm__merger *merger)
{
	elm__free(merger->symbols);
	elm__free(merger->heap);
	memset(merger, 0, sizeof(*merger));
}

/* The priority of joining two neighbours that cover text[0..length), and what they become. */
static inline uint32_t pair_priority(const elm_tokenizer *t, elm_token left, elm_token right,
				     const char *text, uint32_t length, elm_token *merged)
{
	if (t->type == ELM__VOCAB_BPE) {
		const elm__pair_slot *slot;

		if (left == ELM_TOKEN_NONE || right == ELM_TOKEN_NONE)
			return NO_PAIR;
		slot = elm__pair_find(&t->pairs, left, right);
		if (!slot)
			return NO_PAIR;
		*merged = (elm_token)(slot->merged_1 - 1);
		return slot->rank;
	}
	*merged = elm__vocab_find(t, text, length);
	return *merged == ELM_TOKEN_NONE ? NO_PAIR : t->priority[*merged];
}

/* The length of the character that symbols begin with: for byte-level BPE, a byte. */
static inline uint32_t character_length(const elm_tokenizer *t, const char *text, size_t length)
{
	uint32_t code_point;
	size_t n;

	if (t->type == ELM__VOCAB_BPE || (unsigned char)*text < 0x80)
		return 1;
	n = elm__utf8_decode(text, length, &code_point);
	return n ? (uint32_t)n : 1;
}

static elm_status no_token(const char *text, elm_error *error)
{
	return elm_error_set(error, ELM_ERR_ARGUMENT,
			     "the vocabulary has no token for the byte 0x%02X of the text",
			     (unsigned char)*text);
}

/* Appends a symbol at the end of merging. One that no token was found for is spelled as bytes. */
static elm_status emit(const elm_tokenizer *t, elm_token token, const char *text, uint32_t length,
		       elm__token_list *out, elm_error *error)
{
	elm_status status = ELM_OK;
	uint32_t i;

	if (token == ELM_TOKEN_NONE && t->type == ELM__VOCAB_SPM)
		token = elm__vocab_find(t, text, length);
	if (token != ELM_TOKEN_NONE)
		return elm__token_list_add(out, token, error);
	for (i = 0; i < length; i++)
		if (t->byte_token[(unsigned char)text[i]] == ELM_TOKEN_NONE)
			break;
	if (i < length && t->unknown == ELM_TOKEN_NONE)
		return no_token(text + i, error);
	if (i < length)
		return elm__token_list_add(out, t->unknown, error);
	for (i = 0; i < length && !status; i++)
		status = elm__token_list_add(out, t->byte_token[(unsigned char)text[i]], error);
	return status;
}

/* ---- short words ---- */

typedef struct short_word {
	uint32_t count;		  /* symbols */
	uint8_t start[SHORT + 1]; /* start[count] is the end of the word */
	elm_token token[SHORT];
	uint32_t priority[SHORT]; /* of joining symbol i with the next */
	elm_token merged[SHORT];
} short_word;

_Static_assert(SHORT * 4 <= UINT8_MAX, "a place in a short word fits in a byte");

static void rate_pair(const elm_tokenizer *t, const char *text, short_word *w, uint32_t i)
{
	w->priority[i] = pair_priority(t, w->token[i], w->token[i + 1], text + w->start[i],
				       (uint32_t)(w->start[i + 2] - w->start[i]), &w->merged[i]);
}

static void join_pair(const elm_tokenizer *t, const char *text, short_word *w, uint32_t i)
{
	uint32_t j;

	w->token[i] = w->merged[i];
	w->count--;
	for (j = i + 1; j < w->count; j++) {
		w->start[j] = w->start[j + 1];
		w->token[j] = w->token[j + 1];
		w->priority[j] = w->priority[j + 1];
		w->merged[j] = w->merged[j + 1];
	}
	w->start[w->count] = w->start[w->count + 1];
	if (i)
		rate_pair(t, text, w, i - 1);
	if (i + 1 < w->count)
		rate_pair(t, text, w, i);
}

static elm_status merge_short(const elm_tokenizer *t, const char *text, short_word *w,
			      elm__token_list *out, elm_error *error)
{
	elm_status status = ELM_OK;
	uint32_t i;

	for (i = 0; i + 1 < w->count; i++)
		rate_pair(t, text, w, i);
	for (;;) {
		uint32_t best = 0;

		if (w->count < 2)
			break;
		for (i = 1; i + 1 < w->count; i++)
			if (w->priority[i] < w->priority[best])
				best = i;
		if (w->priority[best] == NO_PAIR)
			break;
		join_pair(t, text, w, best);
	}
	for (i = 0; i < w->count && !status; i++)
		status = emit(t, w->token[i], text + w->start[i],
			      (uint32_t)(w->start[i + 1] - w->start[i]), out, error);
	return status;
}

/* Cuts the word into characters; false when there are too many. */
static bool cut_short(const elm_tokenizer *t, const char *text, size_t length, short_word *w)
{
	size_t at = 0;

	w->count = 0;
	while (at < length) {
		if (w->count == SHORT)
			return false;
		w->start[w->count] = (uint8_t)at;
		w->token[w->count++] = t->type == ELM__VOCAB_BPE ?
					       t->byte_token[(unsigned char)text[at]] :
					       ELM_TOKEN_NONE;
		at += character_length(t, text + at, length - at);
	}
	w->start[w->count] = (uint8_t)at;
	return true;
}

/* ---- long words ---- */

static bool goes_before(const elm__candidate *a, const elm__candidate *b)
{
	return a->priority != b->priority ? a->priority < b->priority : a->left < b->left;
}

static elm_status heap_push(elm__merger *m, elm__candidate candidate, elm_error *error)
{
	size_t at = m->heap_count, parent;

	if (m->heap_count == m->heap_capacity) {
		size_t capacity = m->heap_capacity ? m->heap_capacity * 2 : 256;
		elm__candidate *heap = elm__realloc_array(m->heap, capacity, sizeof(*heap));

		if (!heap)
			return elm_error_set(error, ELM_ERR_NO_MEMORY,
					     "no memory to tokenise a word of the text");
		m->heap = heap;
		m->heap_capacity = capacity;
	}
	m->heap_count++;
	while (at) {
		parent = (at - 1) / 2;
		if (!goes_before(&candidate, &m->heap[parent]))
			break;
		m->heap[at] = m->heap[parent];
		at = parent;
	}
	m->heap[at] = candidate;
	return ELM_OK;
}

static elm__candidate heap_pop(elm__merger *m)
{
	elm__candidate top = m->heap[0], last = m->heap[--m->heap_count];
	size_t at = 0, child;

	while ((child = at * 2 + 1) < m->heap_count) {
		if (child + 1 < m->heap_count && goes_before(&m->heap[child + 1], &m->heap[child]))
			child++;
		if (!goes_before(&m->heap[child], &last))
			break;
		m->heap[at] = m->heap[child];
		at = child;
	}
	m->heap[at] = last;
	return top;
}

static elm_status cut_long(elm__merger *m, const elm_tokenizer *t, const char *text, size_t length,
			   uint32_t *count, elm_error *error)
{
	size_t at = 0;
	uint32_t n = 0;

	if (m->symbol_capacity < length) {
		elm__symbol *symbols = elm__realloc_array(m->symbols, length, sizeof(*symbols));

		if (!symbols)
			return elm_error_set(error, ELM_ERR_NO_MEMORY,
					     "no memory to tokenise a word of %zu bytes", length);
		m->symbols = symbols;
		m->symbol_capacity = length;
	}
	for (; at < length; n++) {
		elm__symbol *s = &m->symbols[n];

		s->start = (uint32_t)at;
		s->length = character_length(t, text + at, length - at);
		s->previous = n - 1;
		s->next = n + 1;
		s->token = t->type == ELM__VOCAB_BPE ? t->byte_token[(unsigned char)text[at]] :
						       ELM_TOKEN_NONE;
		at += s->length;
	}
	*count = n;
	return ELM_OK;
}

static elm_status propose(elm__merger *m, const elm_tokenizer *t, const char *text, uint32_t left,
			  elm_error *error)
{
	const elm__symbol *l = &m->symbols[left], *r = &m->symbols[l->next];
	elm__candidate candidate = { 0, left, l->length + r->length, ELM_TOKEN_NONE };

	candidate.priority = pair_priority(t, l->token, r->token, text + l->start, candidate.length,
					   &candidate.merged);
	return candidate.priority == NO_PAIR ? ELM_OK : heap_push(m, candidate, error);
}

static elm_status merge_long(elm__merger *m, const elm_tokenizer *t, const char *text,
			     size_t length, elm__token_list *out, elm_error *error)
{
	uint32_t count = 0, i;
	elm_status status = cut_long(m, t, text, length, &count, error);

	m->heap_count = 0;
	for (i = 0; i + 1 < count && !status; i++)
		status = propose(m, t, text, i, error);
	while (m->heap_count && !status) {
		elm__candidate best = heap_pop(m);
		elm__symbol *left = &m->symbols[best.left], *right;

		/* Symbols only grow, so the same length means that neither has changed. */
		if (!left->length || left->next == count)
			continue;
		right = &m->symbols[left->next];
		if (left->length + right->length != best.length)
			continue;
		left->length = best.length;
		left->token = best.merged;
		left->next = right->next;
		right->length = 0;
		if (left->next < count)
			m->symbols[left->next].previous = best.left;
		if (best.left)
			status = propose(m, t, text, left->previous, error);
		if (left->next < count && !status)
			status = propose(m, t, text, best.left, error);
	}
	for (i = 0; i < count && !status; i = m->symbols[i].next)
		status = emit(t, m->symbols[i].token, text + m->symbols[i].start,
			      m->symbols[i].length, out, error);
	return status;
}

elm_status elm__merge_word(elm__merger *merger, const elm_tokenizer *t, const char *word,
			   size_t length, elm__token_list *out, elm_error *error)
{
	short_word small;
	elm_token whole;

	if (t->whole_words) {
		whole = elm__vocab_find(t, word, length);
		if (whole != ELM_TOKEN_NONE)
			return elm__token_list_add(out, whole, error);
	}
	if (cut_short(t, word, length, &small))
		return merge_short(t, word, &small, out, error);
	return merge_long(merger, t, word, length, out, error);
}

#include "tokenizer/pairs.h"

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "tokenizer/tables.h"

typedef struct elm__counted_pair {
	uint32_t left, right;
	uint64_t count;
	uint64_t ranked; /* the count in its latest entry of the heap; the others are out of date */
	uint32_t *words; /* that had it once; some may have it no longer, or be there twice */
	uint32_t word_count, word_capacity;
} elm__counted_pair;

typedef struct elm__ranked_pair {
	uint64_t count;
	uint32_t left, right;
	uint32_t pair;
} elm__ranked_pair;

enum { SMALLEST_TABLE = 1024, SMALLEST_HEAP = 1024, SMALLEST_LIST = 4 };

static elm_status out_of_memory(elm_error *error)
{
	return elm_error_set(error, ELM_ERR_NO_MEMORY, "no memory to count pairs of symbols");
}

/* Twice the room, at least `least`. */
static bool grow(void **items, size_t size, size_t *capacity, size_t least)
{
	size_t more = *capacity ? *capacity * 2 : least;
	void *block = elm__realloc_array(*items, more, size);

	if (!block)
		return false;
	*items = block;
	*capacity = more;
	return true;
}

/* ---- the table ---- */

static void place(elm__pair_counts *p, uint32_t index)
{
	const elm__counted_pair *pair = &p->pairs[index];
	size_t at = (size_t)(elm__hash_pair(pair->left, pair->right) >> 20) & p->mask;

	while (p->slots[at])
		at = (at + 1) & p->mask;
	p->slots[at] = index + 1;
}

static bool grow_table(elm__pair_counts *p)
{
	size_t size = p->slots ? (p->mask + 1) * 2 : SMALLEST_TABLE;
	uint32_t *slots = elm__calloc(size, sizeof(*slots));

	if (!slots)
		return false;
	elm__free(p->slots);
	p->slots = slots;
	p->mask = size - 1;
	for (size_t i = 0; i < p->count; i++)
		place(p, (uint32_t)i);
	return true;
}

/* The entry of a pair, made if need be; NULL when memory runs out. */
static elm__counted_pair *entry(elm__pair_counts *p, uint32_t left, uint32_t right)
{
	void *items = p->pairs;
	size_t at;

	if (!p->slots || p->count >= (p->mask + 1) / 2)
		if (!grow_table(p))
			return NULL;
	at = (size_t)(elm__hash_pair(left, right) >> 20) & p->mask;
	for (; p->slots[at]; at = (at + 1) & p->mask) {
		elm__counted_pair *pair = &p->pairs[p->slots[at] - 1];

		if (pair->left == left && pair->right == right)
			return pair;
	}
	if (p->count == p->capacity) {
		if (!grow(&items, sizeof(*p->pairs), &p->capacity, SMALLEST_TABLE))
			return NULL;
		p->pairs = items;
	}
	p->pairs[p->count] = (elm__counted_pair){ .left = left, .right = right };
	p->slots[at] = (uint32_t)++p->count;
	return &p->pairs[p->count - 1];
}

static bool add_word(elm__counted_pair *pair, uint32_t word)
{
	size_t capacity = pair->word_capacity;
	void *items = pair->words;

	if (pair->word_count && pair->words[pair->word_count - 1] == word)
		return true;
	if (pair->word_count == capacity) {
		if (!grow(&items, sizeof(*pair->words), &capacity, SMALLEST_LIST))
			return false;
		pair->words = items;
		pair->word_capacity = (uint32_t)capacity;
	}
	pair->words[pair->word_count++] = word;
	return true;
}

/* ---- the order ---- */

static bool goes_before(const elm__ranked_pair *a, const elm__ranked_pair *b)
{
	if (a->count != b->count)
		return a->count > b->count;
	return a->left != b->left ? a->left < b->left : a->right < b->right;
}

static bool push(elm__pair_counts *p, uint32_t index)
{
	elm__counted_pair *pair = &p->pairs[index];
	elm__ranked_pair item = { pair->count, pair->left, pair->right, index };
	void *items = p->heap;
	size_t at = p->heap_count;

	if (p->heap_count == p->heap_capacity) {
		if (!grow(&items, sizeof(*p->heap), &p->heap_capacity, SMALLEST_HEAP))
			return false;
		p->heap = items;
	}
	pair->ranked = pair->count;
	p->heap_count++;
	for (; at && goes_before(&item, &p->heap[(at - 1) / 2]); at = (at - 1) / 2)
		p->heap[at] = p->heap[(at - 1) / 2];
	p->heap[at] = item;
	return true;
}

static elm__ranked_pair pop(elm__pair_counts *p)
{
	elm__ranked_pair top = p->heap[0], last = p->heap[--p->heap_count];
	size_t at = 0, child;

	while ((child = at * 2 + 1) < p->heap_count) {
		if (child + 1 < p->heap_count && goes_before(&p->heap[child + 1], &p->heap[child]))
			child++;
		if (!goes_before(&p->heap[child], &last))
			break;
		p->heap[at] = p->heap[child];
		at = child;
	}
	p->heap[at] = last;
	return top;
}

/* ---- counting and joining ---- */

elm_status elm__pair_counts_init(elm__pair_counts *p, elm__pair_word *words, size_t count,
				 elm_error *error)
{
	memset(p, 0, sizeof(*p));
	p->words = words;
	for (size_t w = 0; w < count; w++) {
		for (uint32_t i = 1; i < words[w].length; i++) {
			elm__counted_pair *pair =
				entry(p, words[w].symbols[i - 1], words[w].symbols[i]);

			if (!pair || !add_word(pair, (uint32_t)w))
				return out_of_memory(error);
			pair->count += words[w].count;
		}
	}
	for (size_t i = 0; i < p->count; i++)
		if (!push(p, (uint32_t)i))
			return out_of_memory(error);
	return ELM_OK;
}

void elm__pair_counts_release(elm__pair_counts *p)
{
	for (size_t i = 0; i < p->count; i++)
		elm__free(p->pairs[i].words);
	elm__free(p->pairs);
	elm__free(p->slots);
	elm__free(p->heap);
	memset(p, 0, sizeof(*p));
}

/* A pair has become rarer. Its entry in the heap is corrected when it comes up. The pair that is
 * being joined vanishes altogether and counts as nothing already. */
static bool take_away(elm__pair_counts *p, uint32_t left, uint32_t right, uint64_t count)
{
	elm__counted_pair *pair = entry(p, left, right);

	if (pair && pair->count)
		pair->count -= count;
	return pair != NULL;
}

static bool give(elm__pair_counts *p, uint32_t left, uint32_t right, uint32_t word)
{
	elm__counted_pair *pair = entry(p, left, right);

	if (!pair || !add_word(pair, word))
		return false;
	pair->count += p->words[word].count;
	return push(p, (uint32_t)(pair - p->pairs));
}

/* Joins all places of the pair in a word, from the left; false when memory runs out. */
static bool join_in_word(elm__pair_counts *p, uint32_t word, uint32_t left, uint32_t right,
			 uint32_t symbol)
{
	elm__pair_word *w = &p->words[word];
	uint32_t *s = w->symbols, to = 0;

	for (uint32_t from = 0; from < w->length; from++) {
		if (s[from] != left || from + 1 == w->length || s[from + 1] != right) {
			s[to++] = s[from];
			continue;
		}
		/* Neighbours change from x left right y to x symbol y. */
		if (to &&
		    (!take_away(p, s[to - 1], left, w->count) || !give(p, s[to - 1], symbol, word)))
			return false;
		from++;
		if (from + 1 < w->length && (!take_away(p, right, s[from + 1], w->count) ||
					     !give(p, symbol, s[from + 1], word)))
			return false;
		s[to++] = symbol;
	}
	w->length = to;
	return true;
}

elm_status elm__pair_counts_join(elm__pair_counts *p, uint32_t symbol, uint32_t *left,
				 uint32_t *right, elm_error *error)
{
	elm__counted_pair *pair = NULL;
	uint32_t *words, count;
	bool enough = true;

	while (!pair && p->heap_count) {
		elm__ranked_pair top = pop(p);

		pair = &p->pairs[top.pair];
		if (pair->ranked == top.count && pair->count == top.count && top.count)
			break;
		if (pair->ranked == top.count && pair->count && !push(p, top.pair))
			return out_of_memory(error);
		pair = NULL;
	}
	if (!pair)
		return ELM_ERR_NOT_FOUND;
	*left = pair->left;
	*right = pair->right;
	/* The list is taken out: entries move while pairs are added. */
	words = pair->words;
	count = pair->word_count;
	pair->words = NULL;
	pair->word_count = pair->word_capacity = 0;
	pair->count = 0;
	for (uint32_t i = 0; i < count && enough; i++)
		enough = join_in_word(p, words[i], *left, *right, symbol);
	elm__free(words);
	return enough ? ELM_OK : out_of_memory(error);
}

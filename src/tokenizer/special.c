#include "tokenizer/special.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
	const elm__special *x = a, *y = b;
	size_t shorter = x->length < y->length ? x->length : y->length;
	int order = memcmp(x->text, y->text, shorter);

	if (order)
		return order;
	if (x->length != y->length)
		return x->length < y->length ? -1 : 1;
	return x->token < y->token ? -1 : x->token > y->token;
}

static bool same_text(const elm__special *x, const elm__special *y)
{
	return x->length == y->length && !memcmp(x->text, y->text, x->length);
}

void elm__specials_init(elm__specials *set, elm__special *items, uint32_t count)
{
	uint32_t i, kept = 0;

	memset(set, 0, sizeof(*set));
	if (count)
		qsort(items, count, sizeof(*items), compare);
	for (i = 0; i < count; i++) {
		if (kept && same_text(&items[kept - 1], &items[i]))
			continue;
		items[kept++] = items[i];
		set->first[(unsigned char)items[i].text[0] + 1]++;
	}
	for (i = 0; i < 256; i++)
		set->first[i + 1] += set->first[i];
	set->items = items;
	set->count = kept;
}

/* The first of items[low..high), all equal before `depth` and longer than it, whose byte at `depth`
 * is not below `byte`. */
static uint32_t lower_bound(const elm__specials *set, uint32_t low, uint32_t high, size_t depth,
			    unsigned byte)
{
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if ((unsigned char)set->items[middle].text[depth] < byte)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The longest item that text[0..length), length > 0, begins with. */
static const elm__special *match_here(const elm__specials *set, const char *text, size_t length)
{
	unsigned byte = (unsigned char)text[0];
	uint32_t low = set->first[byte], high = set->first[byte + 1];
	const elm__special *best = NULL;
	size_t depth;

	for (depth = 1; low < high; depth++) {
		if (set->items[low].length == depth)
			best = &set->items[low++];
		if (depth == length || low == high)
			break;
		if (high - low == 1) {
			const elm__special *only = &set->items[low];

			if (only->length <= length &&
			    !memcmp(only->text + depth, text + depth, only->length - depth))
				best = only;
			break;
		}
		byte = (unsigned char)text[depth];
		low = lower_bound(set, low, high, depth, byte);
		high = lower_bound(set, low, high, depth, byte + 1);
	}
	return best;
}

const elm__special *elm__specials_find(const elm__specials *set, const char *text, size_t length,
				       size_t from, size_t *start)
{
	const elm__special *found;
	size_t at;

	if (!set->count)
		return NULL;
	for (at = from; at < length; at++) {
		unsigned byte = (unsigned char)text[at];

		if (set->first[byte] == set->first[byte + 1])
			continue;
		found = match_here(set, text + at, length - at);
		if (found) {
			*start = at;
			return found;
		}
	}
	return NULL;
}

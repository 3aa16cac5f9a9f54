/* What the methods of list and dict and the filters on sequences share. */
#include <string.h>

#include "jinja/runtime.h"

bool elm__jj_dict_items(jj_runtime *rt, const jj_dict *dict, jj_value *out)
{
	jj_value pair;
	size_t i;

	if (!elm__jj_list(rt, JJ_LIST, dict->count, out))
		return false;
	for (i = 0; i < dict->used; i++) {
		if (dict->entries[i].key.kind == JJ_ABSENT)
			continue;
		if (!elm__jj_pair(rt, dict->entries[i].key, dict->entries[i].value, &pair) ||
		    !elm__jj_push(rt, out->as.list, pair))
			return false;
	}
	return true;
}

void elm__jj_reverse(jj_list *list)
{
	jj_value swap;
	size_t i;

	for (i = 0; i < list->count / 2; i++) {
		swap = list->items[i];
		list->items[i] = list->items[list->count - 1 - i];
		list->items[list->count - 1 - i] = swap;
	}
}

/* Merges the sorted runs [low, middle) and [middle, high) of the order `from` into `to`. */
static bool merge(jj_runtime *rt, const jj_value *keys, const size_t *from, size_t *to, size_t low,
		  size_t middle, size_t high, bool reverse)
{
	size_t a = low, b = middle, i;
	int order;

	for (i = low; i < high; i++) {
		order = 0;
		if (a < middle && b < high) {
			if (!elm__jj_charge(rt, 0) ||
			    !elm__jj_order(rt, keys[from[a]], keys[from[b]], &order))
				return false;
			if (reverse)
				order = -order;
		}
		to[i] = a < middle && (b >= high || order != 1) ? from[a++] : from[b++];
	}
	return true;
}

bool elm__jj_sort(jj_runtime *rt, jj_list *items, const jj_value *keys, bool reverse)
{
	size_t count = items->count, width, low, i;
	size_t *from, *to, *swap;
	jj_value *sorted;

	if (count < 2)
		return true;
	from = elm__jj_alloc(rt, count * 2, sizeof(*from));
	sorted = from ? elm__jj_alloc(rt, count, sizeof(*sorted)) : NULL;
	if (!sorted)
		return false;
	to = from + count;
	for (i = 0; i < count; i++)
		from[i] = i;
	for (width = 1; width < count; width *= 2) {
		for (low = 0; low < count; low += 2 * width) {
			size_t middle = low + width < count ? low + width : count;
			size_t high = middle + width < count ? middle + width : count;

			if (!merge(rt, keys, from, to, low, middle, high, reverse))
				return false;
		}
		swap = from;
		from = to;
		to = swap;
	}
	for (i = 0; i < count; i++)
		sorted[i] = items->items[from[i]];
	memcpy(items->items, sorted, count * sizeof(*sorted));
	return true;
}

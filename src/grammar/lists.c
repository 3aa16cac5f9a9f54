#include "grammar/lists.h"

#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

void *elm__grown(void *array, uint32_t *room, uint64_t need, size_t size)
{
	uint64_t more = *room ? *room : 64;
	void *block;

	if (need <= *room)
		return array;
	while (more < need)
		more *= 2;
	if (more > UINT32_MAX)
		return NULL;
	block = elm__realloc_array(array, (size_t)more, size);
	if (block)
		*room = (uint32_t)more;
	return block;
}

void elm__lists_release(elm__lists *lists)
{
	elm__free(lists->words);
	elm__free(lists->items);
	elm__free(lists->slots);
	memset(lists, 0, sizeof(*lists));
}

size_t elm__lists_memory(const elm__lists *lists)
{
	return lists->word_room * sizeof(lists->words[0]) + lists->room * sizeof(lists->items[0]) +
	       (lists->slots ? lists->mask + (size_t)1 : 0) * sizeof(lists->slots[0]);
}

static bool rehash(elm__lists *lists)
{
	uint32_t size = lists->slots ? (lists->mask + 1) * 2 : 64, *slots;

	slots = elm__calloc(size, sizeof(*slots));
	if (!slots)
		return false;
	elm__free(lists->slots);
	lists->slots = slots;
	lists->mask = size - 1;
	for (uint32_t i = 0; i < lists->count; i++) {
		uint32_t at = lists->items[i].hash;

		while (slots[at & lists->mask])
			at++;
		slots[at & lists->mask] = i + 1;
	}
	return true;
}

bool elm__lists_intern(elm__lists *lists, const uint32_t *words, uint32_t count, uint32_t *out)
{
	uint32_t hash = (uint32_t)elm__hash64(words, count * sizeof(*words), count), at = hash;
	void *block;

	if ((!lists->slots || lists->count * 2 > lists->mask) && !rehash(lists))
		return false;
	for (; lists->slots[at & lists->mask]; at++) {
		const elm__list *item;

		*out = lists->slots[at & lists->mask] - 1;
		item = &lists->items[*out];
		if (item->hash == hash && item->count == count &&
		    !memcmp(lists->words + item->first, words, count * sizeof(*words)))
			return true;
	}
	block = elm__grown(lists->words, &lists->word_room, (uint64_t)lists->word_count + count,
			   sizeof(*words));
	if (!block)
		return false;
	lists->words = block;
	block = elm__grown(lists->items, &lists->room, (uint64_t)lists->count + 1,
			   sizeof(lists->items[0]));
	if (!block)
		return false;
	lists->items = block;
	memcpy(lists->words + lists->word_count, words, count * sizeof(*words));
	lists->items[lists->count] = (elm__list){ lists->word_count, count, hash };
	lists->word_count += count;
	lists->slots[at & lists->mask] = lists->count + 1;
	*out = lists->count++;
	return true;
}

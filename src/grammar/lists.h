/* lists.h: lists of words, each known by a number; equal lists have the same one. */
#ifndef ELM_GRAMMAR_LISTS_H
#define ELM_GRAMMAR_LISTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct elm__list {
	uint32_t first, count; /* in `words` */
	uint32_t hash;
} elm__list;

typedef struct elm__lists {
	uint32_t *words;
	uint32_t word_count, word_room;
	elm__list *items;
	uint32_t count, room;
	uint32_t *slots; /* open addressing, number + 1; NULL at first */
	uint32_t mask;
} elm__lists;

void elm__lists_release(elm__lists *lists);
size_t elm__lists_memory(const elm__lists *lists); /* bytes */

/* The number of a list (count > 0), a new one (the last, count - 1) when it was not there. `words`
 * must not lie in `lists`. false when memory runs out. */
bool elm__lists_intern(elm__lists *lists, const uint32_t *words, uint32_t count, uint32_t *out);

/* The array with room for `need` items, or NULL, and then it is as it was. */
void *elm__grown(void *array, uint32_t *room, uint64_t need, size_t size);

#endif

#include "base/arena.h"

#include <string.h>

#include "base/alloc.h"

enum { FIRST_BLOCK = 4096, LARGEST_BLOCK = 1 << 20, ALIGNMENT = 16 };

struct elm__arena_block {
	struct elm__arena_block *next;
	size_t size, used;
	_Alignas(ALIGNMENT) char data[];
};

void elm__arena_init(elm__arena *arena, size_t limit)
{
	memset(arena, 0, sizeof(*arena));
	arena->limit = limit;
}

void elm__arena_release(elm__arena *arena)
{
	struct elm__arena_block *block, *next;

	for (block = arena->head; block; block = next) {
		next = block->next;
		elm__free_aligned(block);
	}
	arena->head = NULL;
	arena->used = 0;
}

static struct elm__arena_block *add_block(elm__arena *arena, size_t size)
{
	size_t want = FIRST_BLOCK, total;
	struct elm__arena_block *block;

	if (arena->head)
		want = arena->head->size < LARGEST_BLOCK ? arena->head->size * 2 : LARGEST_BLOCK;
	if (want < size)
		want = size;
	if (!elm__add(want, sizeof(*block), &total))
		return NULL;
	block = elm__malloc_aligned(ALIGNMENT, total);
	if (!block)
		return NULL;
	block->next = arena->head;
	block->size = want;
	block->used = 0;
	arena->head = block;
	return block;
}

void *elm__arena_alloc(elm__arena *arena, size_t size)
{
	struct elm__arena_block *block = arena->head;
	size_t padded;
	void *out;

	if (!elm__add(size, ALIGNMENT - 1, &padded))
		return NULL;
	padded &= ~(size_t)(ALIGNMENT - 1);
	if (!padded)
		padded = ALIGNMENT;
	if (arena->limit && (padded > arena->limit || arena->used > arena->limit - padded))
		return NULL;
	if (!block || block->size - block->used < padded)
		block = add_block(arena, padded);
	if (!block)
		return NULL;
	out = block->data + block->used;
	block->used += padded;
	arena->used += padded;
	return out;
}

void *elm__arena_calloc(elm__arena *arena, size_t count, size_t size)
{
	size_t total;
	void *out;

	if (!elm__mul(count, size, &total))
		return NULL;
	out = elm__arena_alloc(arena, total);
	if (out)
		memset(out, 0, total);
	return out;
}

char *elm__arena_strndup(elm__arena *arena, const char *text, size_t length)
{
	size_t total;
	char *out;

	if (!elm__add(length, 1, &total))
		return NULL;
	out = elm__arena_alloc(arena, total);
	if (out) {
		if (length)
			memcpy(out, text, length);
		out[length] = '\0';
	}
	return out;
}

/*
 * arena.h: memory of one lifetime, taken piece by piece and released at once.
 *
 * For data that lives exactly as long as one model, one request or one parse. Blocks grow
 * geometrically; `limit` bounds the whole, so that hostile input cannot take all memory.
 */
#ifndef ELM_BASE_ARENA_H
#define ELM_BASE_ARENA_H

#include <stddef.h>

typedef struct elm__arena {
	struct elm__arena_block *head;
	size_t used;  /* bytes handed out, with padding */
	size_t limit; /* 0 for none */
} elm__arena;

void elm__arena_init(elm__arena *arena, size_t limit);
void elm__arena_release(elm__arena *arena); /* frees everything; the arena may be used again */

/* Aligned to 16 bytes, not zeroed; NULL when memory or the limit is exhausted. */
void *elm__arena_alloc(elm__arena *arena, size_t size);
void *elm__arena_calloc(elm__arena *arena, size_t count, size_t size);
char *elm__arena_strndup(elm__arena *arena, const char *text, size_t length);

#endif

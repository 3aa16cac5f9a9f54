/*
 * index.h: a hash table from names to numbers, for metadata keys and tensor names.
 *
 * Open addressing, at most half full. Names come from hostile files, so the hash is SipHash-1-3
 * under a key drawn for each table: nobody can prepare a file whose names all collide.
 */
#ifndef ELM_GGUF_INDEX_H
#define ELM_GGUF_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elm__gguf_slot;

typedef struct elm__gguf_index {
	struct elm__gguf_slot *slots; /* NULL while empty */
	size_t mask, count;	      /* slots - 1, names */
	uint64_t key[2];
} elm__gguf_index;

#define ELM__GGUF_NONE SIZE_MAX

void elm__gguf_index_init(elm__gguf_index *index);
void elm__gguf_index_release(elm__gguf_index *index);

/* The number of a name, or ELM__GGUF_NONE. */
size_t elm__gguf_index_find(const elm__gguf_index *index, const char *name, size_t length);

/* Adds a name that is not there yet; the bytes stay the caller's and must outlive the table. False
 * when memory runs out. */
bool elm__gguf_index_add(elm__gguf_index *index, const char *name, size_t length, size_t number);

#endif

/*
 * cache.h: which sequence holds which blocks of the KV cache.
 *
 * A sequence is a table of block numbers and a length. Blocks are counted: sequences that begin
 * alike share them (fork), and a shared block is copied before one of its owners writes to it.
 */
#ifndef ELM_ENGINE_CACHE_H
#define ELM_ENGINE_CACHE_H

#include "model/kv.h"

typedef struct elm__sequence {
	uint32_t length;  /* tokens */
	uint32_t *blocks; /* room for a sequence that fills the whole cache */
} elm__sequence;

typedef struct elm__cache {
	elm__kv kv;
	elm__sequence *sequences;
	uint32_t max_sequences;
	uint32_t *free; /* a stack of free blocks */
	uint32_t n_free;
	uint32_t *owners; /* of each block */
} elm__cache;

/* Takes the tables from the arena; kv->base and kv->blocks are set by the caller beforehand. */
ELM_NODISCARD elm_status elm__cache_init(elm__cache *cache, const elm__kv *kv,
					 uint32_t max_sequences, elm__arena *arena,
					 elm_error *error);

/* Blocks that appending `tokens` to a sequence takes from the free ones. */
uint32_t elm__cache_cost(const elm__cache *cache, uint32_t sequence, uint32_t tokens);

/* Makes the next `tokens` positions of a sequence writable and counts them to its length. The
 * caller has seen to it that elm__cache_cost blocks are free. */
void elm__cache_append(elm__cache *cache, uint32_t sequence, uint32_t tokens);

void elm__cache_truncate(elm__cache *cache, uint32_t sequence, uint32_t length);

/* False, and `to` is empty, when the copy of a partial last block finds no room. */
bool elm__cache_fork(elm__cache *cache, uint32_t from, uint32_t to, uint32_t length);

#endif

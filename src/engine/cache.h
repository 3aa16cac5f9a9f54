/*
 * cache.h: which sequence holds which blocks of the KV cache.
 *
 * A sequence is a table of block numbers and a length. Blocks are counted: sequences that begin
 * alike share them (fork, extend), and a block that others use or may find (prefix.h) is copied
 * before one of its owners writes to it. Blocks that are kept but idle are as good as free ones.
 */
#ifndef ELM_ENGINE_CACHE_H
#define ELM_ENGINE_CACHE_H

#include "engine/prefix.h"
#include "model/kv.h"

typedef struct elm__sequence {
	uint32_t length;  /* tokens */
	uint32_t kept;	  /* blocks from the first on that are in the prefix index */
	uint32_t *blocks; /* room for a sequence that fills the whole cache */
} elm__sequence;

typedef struct elm__cache {
	elm__kv kv;
	elm__sequence *sequences;
	uint32_t max_sequences;
	uint32_t *free; /* a stack of free blocks */
	uint32_t n_free;
	uint32_t *owners; /* of each block */
	elm__prefix prefix;
	uint64_t evictions; /* kept blocks that were taken for something else */
} elm__cache;

/* Takes the tables from the arena; kv->base and kv->blocks are set by the caller beforehand. */
ELM_NODISCARD elm_status elm__cache_init(elm__cache *cache, const elm__kv *kv,
					 uint32_t max_sequences, elm__arena *arena,
					 elm_error *error);

/* Blocks for so many tokens. */
static inline uint32_t elm__cache_blocks(uint32_t tokens)
{
	return tokens / ELM__KV_BLOCK + (tokens % ELM__KV_BLOCK != 0);
}

/* Blocks that can be had: free or idle. */
static inline uint32_t elm__cache_available(const elm__cache *cache)
{
	return cache->n_free + cache->prefix.n_idle;
}

/* Blocks that appending `tokens` to a sequence takes from the available ones. */
uint32_t elm__cache_cost(const elm__cache *cache, uint32_t sequence, uint32_t tokens);

/* Makes the next `tokens` positions of a sequence writable and counts them to its length. The
 * caller has seen to it that elm__cache_cost blocks are available. */
void elm__cache_append(elm__cache *cache, uint32_t sequence, uint32_t tokens);

void elm__cache_truncate(elm__cache *cache, uint32_t sequence, uint32_t length);

/* False, and `to` is empty, when the copy of a partial last block finds no room. */
bool elm__cache_fork(elm__cache *cache, uint32_t from, uint32_t to, uint32_t length);

/* --- computed texts, found again --- */

/*
 * Keeps the whole blocks of a sequence, which holds these tokens, all of them computed. A block
 * whose like is kept already is replaced by that. `scope` is the same for all of its life.
 */
void elm__cache_keep(elm__cache *cache, uint32_t sequence, uint64_t scope, const elm_token *tokens);

/*
 * Lengthens a sequence that is empty or consists of kept blocks by further ones, as long as they
 * hold the next of the `count` tokens of its text. At least the last token is left to be
 * computed: when its block is found too, the sequence gets a copy that ends before it.
 */
void elm__cache_extend(elm__cache *cache, uint32_t sequence, uint64_t scope,
		       const elm_token *tokens, uint32_t count);

/* Provides the contents of a block; false when it cannot. */
typedef bool elm__cache_fill(void *user, void *block);

/*
 * Lengthens a sequence that is empty or consists of kept blocks by one, which `fill` provides and
 * elm__cache_extend has not found, and keeps it. A block is available. False when it cannot be
 * filled.
 */
bool elm__cache_adopt(elm__cache *cache, uint32_t sequence, uint64_t scope, const elm_token *tokens,
		      elm__cache_fill *fill, void *user);

/* How many kept blocks, from the first, hold the text, and how many of them are idle. */
uint32_t elm__cache_peek(const elm__cache *cache, uint64_t scope, const elm_token *tokens,
			 uint32_t count, uint32_t *idle);

/* Forgets all idle blocks and gives the memory of free blocks back to the system. */
void elm__cache_shrink(elm__cache *cache);

#endif

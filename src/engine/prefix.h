/*
 * prefix.h: which cache blocks hold which beginnings of texts, so that they are computed once.
 *
 * A block that holds 32 computed tokens can be kept: it is then found by its tokens and by the kept
 * block before it, so that finding a chain of blocks from the first on compares the whole text, not
 * just hashes. Kept blocks that no sequence uses are idle; the one that was idle for longest is
 * evicted first.
 *
 * Whoever uses a kept block uses the block before it too, and lets go of it later. So an idle block
 * is older than those before it, and none is evicted while another block stands on it.
 */
#ifndef ELM_ENGINE_PREFIX_H
#define ELM_ENGINE_PREFIX_H

#include <edgelm/tokenizer.h>

#include "base/arena.h"
#include "kernel/kernel.h"

#define ELM__NO_BLOCK UINT32_MAX

typedef struct elm__prefix_entry {
	bool kept, idle;
	bool saved;	       /* on disk, or on its way there */
	uint32_t before;       /* the block before it, ELM__NO_BLOCK for the first of a text */
	uint64_t scope;	       /* texts of different scopes do not find each other */
	uint32_t next;	       /* in the same bucket */
	uint32_t older, newer; /* among the idle */
	elm_token tokens[ELM__KV_BLOCK];
} elm__prefix_entry;

typedef struct elm__prefix {
	elm__prefix_entry *entries; /* of each block of the cache */
	uint32_t *buckets;
	uint32_t mask;
	uint32_t oldest, newest, n_idle;
} elm__prefix;

/* Takes its tables from the arena; false when that is out of memory. */
bool elm__prefix_init(elm__prefix *prefix, uint32_t blocks, elm__arena *arena);

/* The kept block with these 32 tokens after `before`, or ELM__NO_BLOCK. */
uint32_t elm__prefix_find(const elm__prefix *prefix, uint64_t scope, uint32_t before,
			  const elm_token *tokens);

/* Keeps a block that is in use and not kept; elm__prefix_find has not found its like. */
void elm__prefix_keep(elm__prefix *prefix, uint32_t block, uint64_t scope, uint32_t before,
		      const elm_token *tokens);

static inline bool elm__prefix_kept(const elm__prefix *prefix, uint32_t block)
{
	return prefix->entries[block].kept;
}

/* Nobody uses a kept block any more, or somebody does again. */
void elm__prefix_rest(elm__prefix *prefix, uint32_t block);
void elm__prefix_wake(elm__prefix *prefix, uint32_t block);

/* Forgets the oldest idle block and returns it; n_idle > 0. */
uint32_t elm__prefix_evict(elm__prefix *prefix);

#endif

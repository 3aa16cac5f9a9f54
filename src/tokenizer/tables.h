/*
 * tables.h: the two hash tables of a vocabulary, flat and read-only once built.
 *
 * Both use open addressing at a load of at most one half. A vocabulary may come from anywhere: an
 * insertion that has to look at more than a thousand slots, which does not happen by chance, fails,
 * so that a file made to collide cannot make loading or look-up slow.
 */
#ifndef ELM_TOKENIZER_TABLES_H
#define ELM_TOKENIZER_TABLES_H

#include <edgelm/tokenizer.h>
#include <string.h>

#include "base/arena.h"

/* From the bytes of a token to its number. The bytes stay with the caller. */
typedef struct elm__text_slot {
	uint32_t tag;	  /* bits of the hash, so that most misses need not look at the bytes */
	uint32_t token_1; /* the token plus one, 0 for an empty slot */
} elm__text_slot;

typedef struct elm__text_table {
	elm__text_slot *slots;
	uint32_t mask;
} elm__text_table;

/* From two neighbouring tokens to what they merge to. */
typedef struct elm__pair_slot {
	uint32_t left, right;
	uint32_t rank;	   /* the lowest goes first */
	uint32_t merged_1; /* the token plus one, 0 for an empty slot */
} elm__pair_slot;

typedef struct elm__pair_table {
	elm__pair_slot *slots;
	uint32_t shift; /* of the hash, to the index */
	uint32_t mask;
} elm__pair_table;

static inline uint64_t elm__hash_step(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9fb21c651e98df25u;
	return hash ^ hash >> 32;
}

static inline uint64_t elm__hash_bytes(const char *bytes, size_t length)
{
	uint64_t hash = length * 0x9e3779b97f4a7c15u, word;
	uint32_t first, last;

	if (length >= 8) {
		size_t at;

		for (at = 0; at + 8 < length; at += 8) {
			memcpy(&word, bytes + at, 8);
			hash = elm__hash_step(hash, word);
		}
		memcpy(&word, bytes + length - 8, 8);
	} else if (length >= 4) {
		memcpy(&first, bytes, 4);
		memcpy(&last, bytes + length - 4, 4);
		word = (uint64_t)first << 32 | last;
	} else if (length) {
		word = (uint64_t)(unsigned char)bytes[0] << 16 |
		       (uint64_t)(unsigned char)bytes[length / 2] << 8 |
		       (unsigned char)bytes[length - 1];
	} else {
		word = 0;
	}
	return elm__hash_step(elm__hash_step(hash, word), 0);
}

static inline uint64_t elm__hash_pair(uint32_t left, uint32_t right)
{
	return elm__hash_step((uint64_t)left << 32 | right, 0) * 0x9e3779b97f4a7c15u;
}

static inline const elm__pair_slot *elm__pair_find(const elm__pair_table *table, elm_token left,
						   elm_token right)
{
	uint32_t l = (uint32_t)left, r = (uint32_t)right;
	uint32_t at = (uint32_t)(elm__hash_pair(l, r) >> table->shift);
	const elm__pair_slot *slot;

	for (;; at++) {
		slot = &table->slots[at & table->mask];
		if (!slot->merged_1)
			return NULL;
		if (slot->left == l && slot->right == r)
			return slot;
	}
}

/* Asks for the memory that looking up the pair will need. */
static inline void elm__pair_prefetch(const elm__pair_table *table, elm_token left, elm_token right)
{
	__builtin_prefetch(
		&table->slots[elm__hash_pair((uint32_t)left, (uint32_t)right) >> table->shift]);
}

/* Empty tables for up to `count` entries, from the arena. */
ELM_NODISCARD elm_status elm__text_table_init(elm__text_table *table, elm__arena *arena,
					      uint32_t count, elm_error *error);
ELM_NODISCARD elm_status elm__pair_table_init(elm__pair_table *table, elm__arena *arena,
					      uint32_t count, elm_error *error);

/* Adds an entry; nothing changes when the pair is there already. */
ELM_NODISCARD elm_status elm__pair_insert(elm__pair_table *table, elm_token left, elm_token right,
					  uint32_t rank, elm_token merged, elm_error *error);

#endif

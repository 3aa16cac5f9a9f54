#include "tokenizer/tables.h"

enum { SMALLEST_BITS = 4, LONGEST_PROBE = 1024 };

/* At least twice `count` slots, a power of two; count is at most 2^25. */
static uint32_t slot_bits(uint32_t count)
{
	uint32_t bits = SMALLEST_BITS;

	while ((1u << bits) / 2 < count)
		bits++;
	return bits;
}

elm_status elm__text_table_init(elm__text_table *table, elm__arena *arena, uint32_t count,
				elm_error *error)
{
	uint32_t bits = slot_bits(count);

	table->slots = elm__arena_calloc(arena, (size_t)1 << bits, sizeof(*table->slots));
	if (!table->slots)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "no memory for a table of %u tokens",
				     count);
	table->mask = (1u << bits) - 1;
	return ELM_OK;
}

elm_status elm__pair_table_init(elm__pair_table *table, elm__arena *arena, uint32_t count,
				elm_error *error)
{
	uint32_t bits = slot_bits(count);

	table->slots = elm__arena_calloc(arena, (size_t)1 << bits, sizeof(*table->slots));
	if (!table->slots)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "no memory for a table of %u merges",
				     count);
	table->mask = (1u << bits) - 1;
	table->shift = 64 - bits;
	return ELM_OK;
}

elm_status elm__pair_insert(elm__pair_table *table, elm_token left, elm_token right, uint32_t rank,
			    elm_token merged, elm_error *error)
{
	uint32_t l = (uint32_t)left, r = (uint32_t)right, probe;
	uint32_t at = (uint32_t)(elm__hash_pair(l, r) >> table->shift);

	for (probe = 0; probe < LONGEST_PROBE; probe++, at++) {
		elm__pair_slot *slot = &table->slots[at & table->mask];

		if (!slot->merged_1) {
			slot->left = l;
			slot->right = r;
			slot->rank = rank;
			slot->merged_1 = (uint32_t)merged + 1;
			return ELM_OK;
		}
		if (slot->left == l && slot->right == r)
			return ELM_OK;
	}
	return elm_error_set(error, ELM_ERR_FORMAT, "the merges are made to collide in a table");
}

/*
 * kv.h: the layout of a KV cache block: 32 consecutive tokens of one key/value head.
 *
 *   F32, F16   [32][head_dim] numbers
 *   Q8_0       [32][head_dim] int8, then [groups][32] f16 scales: value = int8 * scale.
 *              groups = ceil(head_dim / 32); a row's last group is shorter when head_dim is not a
 *              multiple of 32.
 *   IQ4_NL     [32][groups][16] bytes, then [groups][32] f16 scales. Byte i of a group holds the
 *              codes of its elements i (lower half) and i + 16: value = level[code] * scale, with
 *              the levels of that weight type. Codes past the end of the head mean nothing.
 *
 * Codes and scales are apart so that vector code loads whole rows; blocks are multiples of 64
 * bytes. The element of a group with the largest magnitude gets the level -127 or the int8 +-127.
 *
 * Four bits suffice when no element stands out. So whoever keeps IQ4_NL multiplies queries, keys
 * and values with the Hadamard matrix before (elm__kernels.hadamard), which spreads an outlier over
 * all elements and leaves products alone, and the result of attention after (Ashkboos et al.,
 * "QuaRot: Outlier-Free 4-Bit Inference in Rotated LLMs", 2024). The rounding errors then look
 * normal, and for these the uneven levels lose 13 % less than even ones; a minimum for each group
 * would gain 17 %, but needs another half per group.
 */
#ifndef ELM_KERNEL_KV_H
#define ELM_KERNEL_KV_H

#include "kernel/kernel.h"

static inline size_t elm__kv_groups(size_t head_dim)
{
	return (head_dim + ELM__Q8_BLOCK - 1) / ELM__Q8_BLOCK;
}

enum {
	ELM__KV_GROUP_CODES = ELM__Q8_BLOCK / 2, /* bytes of a group in IQ4_NL */
	ELM__KV_LAYOUT = 1 /* counts changes of what blocks hold, which may outlive the program */
};

/* Types whose queries, keys, values and results go through the Hadamard matrix. */
static inline bool elm__kv_rotated(elm_type kv_type)
{
	return kv_type == ELM_TYPE_IQ4_NL;
}

/* Types with scales: bytes of the codes of a token. */
static inline size_t elm__kv_code_bytes(elm_type kv_type, size_t head_dim)
{
	if (kv_type == ELM_TYPE_IQ4_NL)
		return elm__kv_groups(head_dim) * ELM__KV_GROUP_CODES;
	return head_dim;
}

/* The scales of a block, [groups][32]. */
static inline uint16_t *elm__kv_scales(elm_type kv_type, const void *block, size_t head_dim)
{
	char *scales = (char *)block + ELM__KV_BLOCK * elm__kv_code_bytes(kv_type, head_dim);

	return (uint16_t *)(void *)scales;
}

/* The blocks that any query of a call sees and may count: [*first, *end). */
static inline void elm__attention_blocks(const elm__attention *a, size_t *first, size_t *end)
{
	size_t last = (size_t)a->first_position + a->queries - 1, seen = 0;

	if (a->window && a->first_position >= a->window)
		seen = a->first_position - a->window + 1;
	*first = seen / ELM__KV_BLOCK;
	*end = last / ELM__KV_BLOCK + 1;
	if (*first < a->first_block)
		*first = a->first_block;
	if (a->end_block && *end > a->end_block)
		*end = a->end_block;
}

#endif

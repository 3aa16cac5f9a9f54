/*
 * kv.h: the layout of a KV cache block: 32 consecutive tokens of one key/value head.
 *
 *   F32, F16   [32][head_dim] numbers
 *   Q8_0       [32][head_dim] int8, then [32][ceil(head_dim / 32)] f16 scales: value = int8 *
 * scale. A row's last group is shorter when head_dim is not a multiple of 32.
 *
 * Int8 and scales are apart so that vector code loads whole rows; blocks are multiples of 64 bytes.
 */
#ifndef ELM_KERNEL_KV_H
#define ELM_KERNEL_KV_H

#include "kernel/kernel.h"

static inline size_t elm__kv_scales(size_t head_dim)
{
	return (head_dim + ELM__Q8_BLOCK - 1) / ELM__Q8_BLOCK;
}

static inline const uint16_t *elm__kv_scale_row(const void *block, size_t head_dim, size_t slot)
{
	const char *scales = (const char *)block + ELM__KV_BLOCK * head_dim;

	return (const uint16_t *)(const void *)scales + slot * elm__kv_scales(head_dim);
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

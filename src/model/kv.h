/*
 * kv.h: the memory of the KV cache: a pool of blocks of 32 tokens.
 *
 * Block `id` is one contiguous piece, so that copying or saving one is a memcpy. Inside, for each
 * layer and each key/value head: 32 rows of keys, then 32 rows of values (kernel/kv.h). Who owns
 * which block is decided above, in src/engine.
 */
#ifndef ELM_MODEL_KV_H
#define ELM_MODEL_KV_H

#include "model/hparams.h"

typedef struct elm__kv {
	elm_type type;
	char *base; /* aligned to ELM__KERNEL_ALIGN; not owned */
	uint32_t blocks;
	size_t head_bytes;	    /* keys (or values) of one head in a block */
	size_t block_stride;	    /* bytes of a block over all layers and heads */
	const size_t *layer_offset; /* of each layer in a block */
} elm__kv;

/* Fills all but base and blocks; layer_offset lives in the arena. */
ELM_NODISCARD elm_status elm__kv_init(elm__kv *kv, const elm__hparams *hp, elm_type type,
				      elm__arena *arena, elm_error *error);

/* What users call a type of cache: f32, f16, int8 and int4; NULL for others. */
const char *elm__kv_type_name(elm_type type);

static inline char *elm__kv_keys(const elm__kv *kv, uint32_t block, uint32_t layer, uint32_t head)
{
	return kv->base + block * kv->block_stride + kv->layer_offset[layer] +
	       2 * head * kv->head_bytes;
}

static inline char *elm__kv_values(const elm__kv *kv, uint32_t block, uint32_t layer, uint32_t head)
{
	return elm__kv_keys(kv, block, layer, head) + kv->head_bytes;
}

#endif

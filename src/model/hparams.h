/* hparams.h: the numbers that shape a model, read from metadata and checked. */
#ifndef ELM_MODEL_HPARAMS_H
#define ELM_MODEL_HPARAMS_H

#include <edgelm/gguf.h>

#include "base/arena.h"
#include "model/arch.h"

typedef enum elm__rope_scaling {
	ELM__ROPE_LINEAR, /* also "none": a factor of 1 */
	ELM__ROPE_YARN,	  /* Peng et al., 2023 */
	ELM__ROPE_LONG /* divisors per frequency for short and long contexts (Ding et al., 2024) */
} elm__rope_scaling;

typedef struct elm__layer_shape {
	uint32_t heads, kv_heads, ffn;
	uint32_t window; /* positions that attention sees, 0: all */
	bool local_rope; /* rotated with the local base */
} elm__layer_shape;

typedef struct elm__hparams {
	const elm__arch *arch;
	uint32_t vocabulary, width, layers, head_dim, rotated, trained_context;
	uint32_t max_heads, max_kv_heads, max_ffn;
	float norm_epsilon;
	float embedding_scale, attention_scale;
	float attention_softcap, final_softcap; /* 0: none */
	float rope_base, rope_local_base;
	elm__rope_scaling rope_scaling;
	float rope_factor; /* context extension, 1: none */
	float rope_attention_factor;
	float yarn_beta_fast, yarn_beta_slow, yarn_mix;
	uint32_t original_context;
	const elm__layer_shape *shapes; /* one per layer, in the arena */
} elm__hparams;

/*
 * Reads and checks the metadata. ELM_ERR_UNSUPPORTED for an architecture or feature by name,
 * ELM_ERR_FORMAT for a value that is missing, absurd or contradicts another. The result refers to
 * `gguf` and `arena`.
 */
ELM_NODISCARD elm_status elm__hparams_read(elm__hparams *hp, const elm_gguf *gguf,
					   elm__arena *arena, elm_error *error);

#endif

/* weights.h: the tensors of a model, found by name, checked, and bound to their roles. */
#ifndef ELM_MODEL_WEIGHTS_H
#define ELM_MODEL_WEIGHTS_H

#include "kernel/kernel.h"
#include "model/hparams.h"

/* Vectors are NULL, and matrices have no rows, where the architecture or the file has none. */
typedef struct elm__layer {
	elm__matrix q, k, v, out, gate, up, down;
	const float *attn_norm, *ffn_norm, *attn_post_norm, *ffn_post_norm;
	const float *q_norm, *k_norm;
	const float *q_bias, *k_bias, *v_bias, *out_bias, *gate_bias, *up_bias, *down_bias;
} elm__layer;

typedef struct elm__weights {
	elm__matrix embedding, output;
	const float *output_norm;
	const float *rope_divisors;	     /* of frequencies (Llama 3), rotated / 2 of them */
	const float *rope_long, *rope_short; /* longrope */
	elm__layer *layers;
} elm__weights;

/*
 * Binds all tensors. Vectors that the file holds in another type than F32 are converted into the
 * arena. ELM_ERR_FORMAT names the tensor that is missing or misshapen, ELM_ERR_UNSUPPORTED one of a
 * type that has no arithmetic.
 */
ELM_NODISCARD elm_status elm__weights_bind(elm__weights *w, const elm__hparams *hp,
					   const elm_gguf *gguf, elm__arena *arena,
					   elm_error *error);
#endif

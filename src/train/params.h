/*
 * params.h: all weights of a model that is trained, as floats in one row.
 *
 * The gradient and the two means of the optimiser have the same layout. Matrices that read the same
 * input lie one after the other (queries, keys, values; gate, up), so that they are one product.
 */
#ifndef ELM_TRAIN_PARAMS_H
#define ELM_TRAIN_PARAMS_H

#include "base/arena.h"
#include "model/rope.h"

#define ELM__PARAM_NONE SIZE_MAX

/* A tensor as GGUF knows it: rows x cols, rows 0 for a vector. */
typedef struct elm__param {
	char name[40];
	uint32_t rows, cols;
	size_t offset; /* of its first float */
} elm__param;

/* Where the tensors of a layer begin; ELM__PARAM_NONE where the model has none. */
typedef struct elm__param_layer {
	size_t attn_norm, qkv, qkv_bias, q_norm, k_norm, out;
	size_t ffn_norm, gate_up, down;
} elm__param_layer;

typedef struct elm__params {
	const elm__hparams *hp;
	const elm__param *list;
	size_t count;
	const elm__param_layer *layers;
	size_t embedding, output_norm;
	size_t output;	 /* equal to `embedding` where both are one matrix */
	size_t matrices; /* floats before the first vector */
	size_t floats;	 /* of all, with padding, which stays 0 */
} elm__params;

static inline size_t elm__param_elements(const elm__param *p)
{
	return (size_t)(p->rows ? p->rows : 1) * p->cols;
}

/*
 * Lays out the weights. `w`, if not NULL, says which of the optional tensors there are; otherwise
 * `tied` decides about the output matrix and qwen2 has biases. ELM_ERR_UNSUPPORTED, by name, for
 * what cannot be trained. `hp` must outlive *params, which lies in the arena.
 */
ELM_NODISCARD elm_status elm__params_init(elm__params *params, const elm__hparams *hp,
					  const elm__weights *w, bool tied, elm__arena *arena,
					  elm_error *error);

/* Random weights: normal with variance 2 / (5 width) (Nguyen and Salazar, 2019), less by the number
 * of layers where a matrix writes to the residual stream; norms 1, biases 0. */
void elm__params_randomize(const elm__params *params, uint64_t seed, float *floats);

/* Weights of a file. ELM_ERR_FORMAT where one is missing, misshapen, NaN or infinite. */
ELM_NODISCARD elm_status elm__params_load(const elm__params *params, const elm_gguf *gguf,
					  float *floats, elm_error *error);

/* Weights that people count: without padding. */
uint64_t elm__params_elements(const elm__params *params);

#endif

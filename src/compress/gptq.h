/*
 * gptq.h: rounding with feedback (Frantar et al., 2022) on the grids of GGUF types.
 *
 * The weights of a row are rounded from left to right. What rounding one of them does to the
 * outputs is made up for, as far as inputs are correlated, by changing those that are still to
 * come; how much follows from the inverse of the Hessian. Blocks get their scales when their turn
 * comes, for the weights as they are then; within a block the scales are fixed and only the codes
 * are fed back.
 */
#ifndef ELM_COMPRESS_GPTQ_H
#define ELM_COMPRESS_GPTQ_H

#include "compress/quantize.h"

typedef struct elm__gptq_result {
	double error;	/* of the outputs, squared and summed over what calibrated it */
	double rounded; /* the same for rounding with importance */
	uint64_t rows;	/* for which feedback was better */
} elm__gptq_result;

/*
 * Encodes `rows` x c->cols weights into blocks of `type`, row by row the better of rounding with
 * importance and feedback. `u` comes from elm__inverse_factor. Weights are finite.
 */
ELM_NODISCARD elm_status elm__gptq_encode(elm__pool *pool, const elm__multiplier *multiplier,
					  elm_type type, const float *weights, size_t rows,
					  const elm__channels *c, const float *u, void *blocks,
					  elm__gptq_result *result, elm_error *error);

/*
 * The method. With a walk, every layer is calibrated on what the layers before it give once they
 * are quantised, and its own parts one after the other likewise; without, by `calib`, which has
 * products. Of the two the other is NULL.
 */
typedef struct elm__gptq {
	elm__walk *walk;
	elm__calib *calib; /* with a walk: created with products, and empty */
	elm__pool *pool;
	const elm__multiplier *multiplier; /* for its members */
	uint64_t rows, improved;	   /* statistics */
	uint32_t rounded; /* tensors whose Hessian cannot be inverted: only rounded */
	/* private */
	float *scratch, *u;
	size_t room;
	void *blocks[ELM__INPUTS * ELM__READERS_MAX];
	size_t n_blocks;
} elm__gptq;

ELM_NODISCARD elm_status elm__gptq_prepare(void *gptq, const elm__quant_plan *plan, uint32_t group,
					   elm__substitute *out, elm_error *error);
void elm__gptq_release(elm__gptq *gptq);

#endif

/*
 * awq.h: scaling channels before rounding (Lin et al., 2023), searched with the type that the file
 * gets.
 *
 * Channels of an input that carry much make errors of their weights count more. Multiplying those
 * columns by s > 1 and dividing the input by s changes nothing before rounding, and shrinks their
 * errors after it. The division is folded into what makes the input: a norm, the rows of the value
 * matrix (where query heads that share a value head share its scales), or the rows of ffn_up.
 */
#ifndef ELM_COMPRESS_AWQ_H
#define ELM_COMPRESS_AWQ_H

#include "compress/quantize.h"

/*
 * The method. With a walk, which the text makes through the model as it is, `calib` is empty and
 * has shared products; without, it is one that was loaded, with magnitudes, best with products.
 */
typedef struct elm__awq {
	elm__walk *walk;
	elm__calib *calib;
	elm__pool *pool;
	const elm__multiplier *multiplier;
	bool feedback; /* codes are found by elm__gptq_encode afterwards; needs products */
	/* private: what out entries point to */
	struct elm__awq_tensor *tensors;
	size_t count;
	float *scales[ELM__INPUTS], *importance[ELM__INPUTS];
} elm__awq;

ELM_NODISCARD elm_status elm__awq_prepare(void *awq, const elm__quant_plan *plan, uint32_t group,
					  elm__substitute *out, elm_error *error);
void elm__awq_release(elm__awq *awq);

#endif

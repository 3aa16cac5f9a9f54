/* optimizer.h: how weights follow their gradient: AdamW, clipping, the rate over time. */
#ifndef ELM_TRAIN_OPTIMIZER_H
#define ELM_TRAIN_OPTIMIZER_H

#include "base/pool.h"
#include "train/params.h"

/* Rises in a straight line to `peak` over `warmup` steps, then falls along half a cosine to `low`
 * at `steps`. */
typedef struct elm__schedule {
	double peak, low;
	uint64_t warmup, steps;
} elm__schedule;

/* The learning rate of a step, counted from 0. */
double elm__schedule_rate(const elm__schedule *schedule, uint64_t step);

typedef struct elm__optimizer {
	double beta1, beta2, epsilon;
	double decay;	      /* of matrices; vectors do not shrink */
	double clip;	      /* the gradient is scaled down to this length; 0: never */
	uint64_t steps;	      /* done */
	float *mean, *square; /* laid out as the weights */
	double *partial;      /* elm__optimizer_partials(floats) of them, scratch */
} elm__optimizer;

size_t elm__optimizer_partials(const elm__params *params);

/*
 * One step: weights and the two means change, the gradient is cleared. *length is that of the
 * gradient before clipping. Where it is NaN or infinite nothing has changed, and that is
 * ELM_ERR_LIMIT.
 */
ELM_NODISCARD elm_status elm__optimizer_step(elm__optimizer *optimizer, const elm__params *params,
					     const elm__kernels *kernels, elm__pool *pool,
					     double rate, float *weights, float *gradient,
					     double *length, elm_error *error);

#endif

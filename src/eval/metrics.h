/* metrics.h: how far one set of logits is from another that is taken as the truth. */
#ifndef ELM_EVAL_METRICS_H
#define ELM_EVAL_METRICS_H

#include <stddef.h>
#include <stdint.h>

/* Zero-initialise it; it owns nothing. */
typedef struct elm__logit_metrics {
	uint64_t rows;
	uint64_t agreeing;	 /* rows whose largest logit (the first, if several) is the same */
	double error, power;	 /* sums of (x - r)^2 and of r^2 */
	double divergence;	 /* sum over rows of the Kullback-Leibler divergence, in nats */
	double worst_divergence; /* of one row */
} elm__logit_metrics;

/* Adds one row of `count` logits (at least 1). NaN makes the sums NaN. */
void elm__logit_metrics_add(elm__logit_metrics *metrics, const float *reference,
			    const float *logits, size_t count);

/* Normalised mean squared error: squared error over the squares of the reference; 0 for no rows. */
double elm__logit_nmse(const elm__logit_metrics *metrics);

/* Mean over rows of sum p ln(p / q), p from the reference; 0 for no rows. */
double elm__logit_divergence(const elm__logit_metrics *metrics);

#endif

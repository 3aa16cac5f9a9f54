/*
 * edgelm/sampler.h: choosing the next token from logits.
 *
 * Settings are applied in this order: logit bias, penalties (repeat, frequency, presence), then
 * either temperature and mirostat v2, or top-k, typical, top-p, min-p and temperature; then a token
 * is drawn. Each step works on the probabilities that the steps before it left, made to sum to 1
 * again; equal logits are ranked by token number. The same settings, seed and logits give the same
 * tokens on every machine.
 *
 * A sampler takes all its memory when it is created, except that the history of an unlimited
 * penalty window grows with the number of different tokens.
 */
#ifndef EDGELM_SAMPLER_H
#define EDGELM_SAMPLER_H

#include <edgelm/tokenizer.h>

typedef struct elm_sampler elm_sampler;

typedef struct elm_logit_bias {
	elm_token token;
	float bias; /* added to the logit; -INFINITY forbids the token */
} elm_logit_bias;

typedef struct elm_sampler_options {
	float temperature;    /* 0 (or less): the most likely token; at most 100 */
	int32_t top_k;	      /* keep this many; 0: all */
	float top_p;	      /* keep the smallest set of this probability; 1: all */
	float min_p;	      /* keep tokens of at least this fraction of the best; 0: all */
	float typical_p;      /* locally typical sampling (Meister et al., 2022), above 0; 1: off */
	float repeat_penalty; /* above 0, at most 100; 1: off (Keskar et al., 2019) */
	float frequency_penalty; /* times the count, subtracted; -100 to 100; 0: off */
	float presence_penalty;	 /* once, subtracted; -100 to 100; 0: off */
	int32_t penalty_window;	 /* last tokens that the penalties look at; 0: none, -1: all, at
				    most 1048576 */
	float mirostat_tau;	 /* target surprise in bits, at most 100; 0: off (Basu et al., 2021,
				    version 2) */
	float mirostat_eta;	 /* learning rate, 0 to 1 */
	uint64_t seed;
	const elm_logit_bias *bias; /* copied; several for one token add up */
	size_t bias_count;
} elm_sampler_options;

typedef struct elm_candidate {
	elm_token token;
	float logit;	   /* after bias and penalties */
	float probability; /* of the final distribution, sums to 1 over the candidates */
} elm_candidate;

ELM_BEGIN_DECLS

/* Temperature 0.8, top-k 40, top-p 0.95, min-p 0.05, the others off, window 64, eta 0.1, seed 0. */
ELM_API elm_sampler_options elm_sampler_defaults(void);

/* Settings out of range are ELM_ERR_ARGUMENT, by name. `vocabulary` is the number of logits. */
ELM_API ELM_NODISCARD elm_status elm_sampler_create(const elm_sampler_options *options,
						    uint32_t vocabulary, elm_sampler **out,
						    elm_error *error);
ELM_API void elm_sampler_free(elm_sampler *sampler); /* NULL allowed */

/* Forgets the history and starts the random numbers (and mirostat) again. */
ELM_API void elm_sampler_reset(elm_sampler *sampler);
/* Forgets the history only: what the penalties look at. */
ELM_API void elm_sampler_forget(elm_sampler *sampler);

/* Tells the sampler of a token that it did not choose (the prompt), for the penalties. */
ELM_API ELM_NODISCARD elm_status elm_sampler_accept(elm_sampler *sampler, elm_token token,
						    elm_error *error);

/*
 * Chooses a token and accepts it. `logits` (vocabulary floats) are not changed. NaN counts as
 * -infinity, which is never chosen, +infinity as the largest number; ELM_ERR_ARGUMENT when no token
 * is left.
 */
ELM_API ELM_NODISCARD elm_status elm_sampler_sample(elm_sampler *sampler, const float *logits,
						    elm_token *out, elm_error *error);

/*
 * The candidates of the last draw, most likely first, and how many; a greedy draw has one. Owned by
 * the sampler, valid until the next draw. The first call after a draw puts them in order, which
 * takes time where no top-k or top-p made the list short.
 */
ELM_API const elm_candidate *elm_sampler_candidates(elm_sampler *sampler, size_t *count);

ELM_END_DECLS

#endif

/*
 * kld.h: how far the predictions of a model are from those of another that is taken as the truth,
 * token by token of a text.
 */
#ifndef ELM_EVAL_KLD_H
#define ELM_EVAL_KLD_H

#include <edgelm/tokenizer.h>

typedef struct elm__kld {
	/* Tokens whose ln p is not above this do not count in divergences: nothing by default, more
	 * for a truth that does not tell them apart. The caller's to set. */
	float floor;
	size_t count, room;
	double *divergence; /* of each scored token: sum over tokens of p ln(p / q), in nats */
	double *shift;	    /* q - p of the token that comes */
	/* private: sums of -ln p, -ln q, their squares and product */
	double p, pp, q, qq, pq;
	size_t same_top;
} elm__kld;

/* Room for `tokens` scored tokens. */
ELM_NODISCARD elm_status elm__kld_init(elm__kld *kld, size_t tokens, elm_error *error);
void elm__kld_release(elm__kld *kld);

/* logits (n of them) to ln of probabilities; out may be logits. */
void elm__log_softmax(const float *logits, float *out, size_t n);

/* Adds one prediction: `truth` as ln of probabilities (the sum of e^x is about 1), the model's
 * `logits`, the token that came. Nothing happens when the room is used up. */
void elm__kld_add(elm__kld *kld, const float *truth, const float *logits, size_t n, elm_token next);

typedef struct elm__estimate {
	double value, error; /* the standard error, as if tokens were independent */
} elm__estimate;

enum { ELM__KLD_QUANTILES = 9 };
extern const double elm__kld_quantiles[ELM__KLD_QUANTILES]; /* 0.01, ... 0.999 */

typedef struct elm__kld_report {
	size_t tokens;
	elm__estimate perplexity, base_perplexity;
	elm__estimate log_ratio; /* ln of their ratio, less uncertain than either */
	double correlation;	 /* of -ln p and -ln q */
	elm__estimate divergence;
	double divergence_quantile[ELM__KLD_QUANTILES], divergence_max;
	elm__estimate shift;	 /* mean of q - p */
	elm__estimate shift_rms; /* root of the mean square */
	double shift_quantile[ELM__KLD_QUANTILES];
	elm__estimate same_top; /* share of predictions with the same best token */
} elm__kld_report;

/* Of at least one prediction. Sorts what is kept. */
void elm__kld_summarize(elm__kld *kld, elm__kld_report *report);

#endif

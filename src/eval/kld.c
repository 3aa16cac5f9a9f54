#include "eval/kld.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/stats.h"
#include "engine/shortlist.h"

/* e^x is 0 in double long before what follows from it could matter. */
#define NEGLIGIBLE -700.0f

const double elm__kld_quantiles[ELM__KLD_QUANTILES] = { 0.01, 0.05, 0.1,  0.25, 0.5,
							0.75, 0.9,  0.99, 0.999 };

elm_status elm__kld_init(elm__kld *kld, size_t tokens, elm_error *error)
{
	memset(kld, 0, sizeof(*kld));
	kld->divergence = elm__realloc_array(NULL, tokens, sizeof(double));
	kld->shift = elm__realloc_array(NULL, tokens, sizeof(double));
	kld->room = tokens;
	kld->floor = NEGLIGIBLE;
	if (kld->divergence && kld->shift)
		return ELM_OK;
	elm__kld_release(kld);
	return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for %zu predictions", tokens);
}

void elm__kld_release(elm__kld *kld)
{
	elm__free(kld->divergence);
	elm__free(kld->shift);
	memset(kld, 0, sizeof(*kld));
}

/* ln of the sum of e^logit */
static double log_sum(const float *logits, size_t n)
{
	float best = elm__logits_best(logits, n);

	return (double)best + log(elm__logits_mass(logits, n, best, 1));
}

void elm__log_softmax(const float *logits, float *out, size_t n)
{
	double sum = log_sum(logits, n);

	for (size_t i = 0; i < n; i++)
		out[i] = (float)((double)logits[i] - sum);
}

void elm__kld_add(elm__kld *kld, const float *truth, const float *logits, size_t n, elm_token next)
{
	double sum = log_sum(logits, n), divergence = 0, p, q;
	elm_token top = elm__logits_find(truth, n, elm__logits_best(truth, n));

	if (kld->count == kld->room)
		return;
	for (size_t i = 0; i < n; i++)
		if (truth[i] > kld->floor)
			divergence += exp((double)truth[i]) *
				      ((double)truth[i] - ((double)logits[i] - sum));
	p = -(double)truth[next];
	q = sum - (double)logits[next];
	kld->p += p;
	kld->pp += p * p;
	kld->q += q;
	kld->qq += q * q;
	kld->pq += p * q;
	kld->same_top += top == elm__logits_find(logits, n, elm__logits_best(logits, n));
	kld->divergence[kld->count] = divergence;
	kld->shift[kld->count++] = exp(-q) - exp(-p);
}

static elm__estimate mean(double sum, double squares, double n)
{
	double value = sum / n, variance = squares / n - value * value;

	return (elm__estimate){ value, n > 1 && variance > 0 ? sqrt(variance / (n - 1)) : 0 };
}

/* Of the values or of their squares. */
static elm__estimate mean_of(const double *values, size_t n, bool squared)
{
	double sum = 0, squares = 0;

	for (size_t i = 0; i < n; i++) {
		double v = squared ? values[i] * values[i] : values[i];

		sum += v;
		squares += v * v;
	}
	return mean(sum, squares, (double)n);
}

static elm__estimate exponential(elm__estimate e)
{
	return (elm__estimate){ exp(e.value), exp(e.value) * e.error };
}

static void compare(const elm__kld *kld, elm__kld_report *r)
{
	double n = (double)kld->count, covariance, variance;
	elm__estimate p = mean(kld->p, kld->pp, n), q = mean(kld->q, kld->qq, n);

	covariance = n > 1 ? (kld->pq / n - kld->p / n * (kld->q / n)) / (n - 1) : 0;
	variance = p.error * p.error + q.error * q.error - 2 * covariance;
	r->base_perplexity = exponential(p);
	r->perplexity = exponential(q);
	r->log_ratio = (elm__estimate){ q.value - p.value, variance > 0 ? sqrt(variance) : 0 };
	r->correlation = p.error > 0 && q.error > 0 ? covariance / (p.error * q.error) : 0;
}

void elm__kld_summarize(elm__kld *kld, elm__kld_report *r)
{
	double n = (double)kld->count, same = (double)kld->same_top / n;

	memset(r, 0, sizeof(*r));
	r->tokens = kld->count;
	compare(kld, r);
	r->divergence = mean_of(kld->divergence, kld->count, false);
	r->shift = mean_of(kld->shift, kld->count, false);
	r->shift_rms = mean_of(kld->shift, kld->count, true);
	r->shift_rms.value = sqrt(r->shift_rms.value);
	if (r->shift_rms.value > 0)
		r->shift_rms.error *= 0.5 / r->shift_rms.value;
	r->same_top = (elm__estimate){ same, n > 1 ? sqrt(same * (1 - same) / (n - 1)) : 0 };
	elm__sort_doubles(kld->divergence, kld->count);
	elm__sort_doubles(kld->shift, kld->count);
	for (int i = 0; i < ELM__KLD_QUANTILES; i++) {
		double at = elm__kld_quantiles[i];

		r->divergence_quantile[i] = elm__quantile(kld->divergence, kld->count, at);
		r->shift_quantile[i] = elm__quantile(kld->shift, kld->count, at);
	}
	r->divergence_max = kld->divergence[kld->count - 1];
}

#include "eval/metrics.h"

#include <math.h>

static size_t largest(const float *logits, size_t count)
{
	size_t best = 0;

	for (size_t i = 1; i < count; i++)
		if (logits[i] > logits[best])
			best = i;
	return best;
}

/* ln of the sum of e^logit */
static double log_mass(const float *logits, size_t count, double best)
{
	double sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += exp((double)logits[i] - best);
	return best + log(sum);
}

void elm__logit_metrics_add(elm__logit_metrics *metrics, const float *reference,
			    const float *logits, size_t count)
{
	size_t reference_top = largest(reference, count), top = largest(logits, count);
	double reference_mass = log_mass(reference, count, (double)reference[reference_top]);
	double mass = log_mass(logits, count, (double)logits[top]), divergence = 0;

	for (size_t i = 0; i < count; i++) {
		double r = (double)reference[i], x = (double)logits[i];
		double log_p = r - reference_mass, log_q = x - mass;

		metrics->error += (x - r) * (x - r);
		metrics->power += r * r;
		divergence += exp(log_p) * (log_p - log_q);
	}
	metrics->rows++;
	metrics->agreeing += reference_top == top;
	metrics->divergence += divergence;
	if (!(divergence <= metrics->worst_divergence))
		metrics->worst_divergence = divergence;
}

double elm__logit_nmse(const elm__logit_metrics *metrics)
{
	if (metrics->error == 0)
		return 0;
	return metrics->error / metrics->power;
}

double elm__logit_divergence(const elm__logit_metrics *metrics)
{
	return metrics->rows ? metrics->divergence / (double)metrics->rows : 0;
}

#include "model/rope.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

/* The rotation index at which a wave turns `turns` times within the original context (YaRN, eq.
 * 17). */
static double turns_index(const elm__hparams *hp, double turns)
{
	return hp->rotated * log(hp->original_context / (turns * 2 * pi)) /
	       (2 * log((double)hp->rope_base));
}

/* How much of the original (not interpolated) frequency rotation i keeps: 1 for fast, 0 for slow.
 */
static double yarn_keep(const elm__hparams *hp, uint32_t i)
{
	double low = fmax(0, floor(turns_index(hp, (double)hp->yarn_beta_fast)));
	double high = fmin(hp->rotated - 1, ceil(turns_index(hp, (double)hp->yarn_beta_slow)));
	double at = (i - low) / fmax(0.001, high - low);

	return (1 - fmin(1, fmax(0, at))) * (double)hp->yarn_mix;
}

static const float *divisors(const elm__hparams *hp, const elm__weights *w, uint32_t context)
{
	if (w->rope_divisors)
		return w->rope_divisors;
	return context > hp->original_context ? w->rope_long : w->rope_short;
}

void elm__rope_init(elm__rope *rope, const elm__hparams *hp, const elm__weights *w,
		    uint32_t context)
{
	const float *divide = divisors(hp, w, context);
	double factor = (double)hp->rope_factor;

	rope->pairs = hp->rotated / 2;
	rope->local_differs = hp->arch->local_rope_base > 0 || hp->rope_local_base != hp->rope_base;
	for (uint32_t i = 0; i < rope->pairs; i++) {
		double exponent = -2.0 * i / hp->rotated, keep = 0;
		double f = pow((double)hp->rope_base, exponent);

		if (divide)
			f /= (double)divide[i];
		if (hp->rope_scaling == ELM__ROPE_YARN)
			keep = yarn_keep(hp, i);
		rope->frequency[ELM__ROPE_GLOBAL][i] = f / factor * (1 - keep) + f * keep;
		rope->frequency[ELM__ROPE_LOCAL][i] = pow((double)hp->rope_local_base, exponent);
	}
	rope->magnitude[ELM__ROPE_LOCAL] = 1;
	rope->magnitude[ELM__ROPE_GLOBAL] = (double)hp->rope_attention_factor;
	if (hp->rope_scaling == ELM__ROPE_YARN && factor > 1 && hp->yarn_mix > 0)
		rope->magnitude[ELM__ROPE_GLOBAL] *= 1 + 0.1 * log(factor);
}

void elm__rope_angles(const elm__rope *rope, int kind, uint32_t position, float *cosine,
		      float *sine)
{
	for (uint32_t i = 0; i < rope->pairs; i++) {
		double angle = position * rope->frequency[kind][i];

		cosine[i] = (float)(cos(angle) * rope->magnitude[kind]);
		sine[i] = (float)(sin(angle) * rope->magnitude[kind]);
	}
}

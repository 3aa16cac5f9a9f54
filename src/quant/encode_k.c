/*
 * encode_k.c: encoders of the types that have 256 weights in a block.
 *
 * First every sub-block gets the scale (and offset) that is best for it alone. Then a factor for
 * the block is guessed from the largest of these, and two steps alternate: each sub-block takes the
 * best integer scale (and minimum) next to its ideal one for the factor as a half can hold it, and
 * the factor becomes the least-squares solution for all codes of the block. The round with the
 * least error wins.
 */
#include "quant/codes.h"
#include "quant/encode.h"
#include "quant/fit.h"
#include "quant/half.h"

#include <math.h>
#include <string.h>

enum { SUBS_MAX = 16, ROUNDS = 3 };

/* What differs between the types. */
typedef struct shape {
	elm__levels levels;
	int sub;    /* weights in a sub-block */
	int lo, hi; /* of a stored scale; lo is 0 where there are minima too */
} shape;

/* A block as integers and halves, not packed yet. Weight = d * scale * level - dmin * minimum. */
typedef struct plan {
	uint16_t d, dmin;
	int scale[SUBS_MAX], minimum[SUBS_MAX];
	float error;
} plan;

/* The line that a plan gives sub-block j. */
static elm__line line_of(const elm__group *group, const plan *p, int j)
{
	return (elm__line){ .scale = elm__group_recall(group, p->d) * (float)p->scale[j],
			    .offset = -elm__group_recall(group, p->dmin) * (float)p->minimum[j] };
}

/* Rounds ideal / unit; anything goes when the unit is zero. */
static int ratio(float ideal, float unit, int lo, int hi)
{
	float value = fabsf(unit) > 1e-30f ? ideal / unit : 0;

	return (int)rintf(fmaxf((float)lo, fminf(value, (float)hi)));
}

static int max_int(int a, int b)
{
	return a > b ? a : b;
}

static int min_int(int a, int b)
{
	return a < b ? a : b;
}

/* Gives sub-block j the best scale and minimum near `ideal`; returns the sums they have. */
static elm__fit_sums choose(const shape *s, const elm__group *group, plan *p, int j,
			    elm__line ideal)
{
	const float *x = group->x + s->sub * j, *w = group->w + s->sub * j;
	bool minima = s->lo == 0;
	int scale = ratio(ideal.scale, elm__group_recall(group, p->d), s->lo, s->hi);
	int minimum =
		minima ? ratio(-ideal.offset, elm__group_recall(group, p->dmin), 0, s->hi) : 0;
	int best_scale = scale, best_minimum = minimum, a, b;
	elm__fit_sums best = { .error = INFINITY }, sums;

	for (a = max_int(scale - 1, s->lo); a <= min_int(scale + 1, s->hi); a++)
		for (b = max_int(minimum - 1, 0); b <= min_int(minimum + minima, s->hi); b++) {
			p->scale[j] = a;
			p->minimum[j] = b;
			sums = elm__fit_evaluate(&s->levels, line_of(group, p, j), x, w, s->sub);
			if (sums.error < best.error) {
				best = sums;
				best_scale = a;
				best_minimum = b;
			}
		}
	p->scale[j] = best_scale;
	p->minimum[j] = best_minimum;
	return best;
}

/* Normal equations of the two factors of a block, for the residuals that are left. */
typedef struct equations {
	double dd, dm, mm, rd, rm;
} equations;

static void equations_add(equations *e, const elm__fit_sums *sums, double scale, double minimum)
{
	e->dd += scale * scale * sums->ll;
	e->dm -= scale * minimum * sums->l;
	e->mm += minimum * minimum * sums->w;
	e->rd += scale * sums->rl;
	e->rm -= minimum * sums->r;
}

static void equations_solve(const equations *e, float *d, float *dmin)
{
	double determinant = e->dd * e->mm - e->dm * e->dm;

	if (determinant > 1e-6 * e->dd * e->mm) {
		*d += (float)((e->rd * e->mm - e->rm * e->dm) / determinant);
		*dmin += (float)((e->rm * e->dd - e->rd * e->dm) / determinant);
	} else if (e->dd > 0) {
		*d += (float)(e->rd / e->dd);
	}
}

/* Alternates from the factors d and dmin; improves *best. */
static void descend(const shape *s, const elm__group *group, const elm__line *ideal, float d,
		    float dmin, plan *best)
{
	int round, j;
	plan p = { 0 };

	for (round = 0; round < ROUNDS; round++) {
		equations e = { 0 };
		uint16_t old_d = p.d, old_dmin = p.dmin;

		p.d = elm__group_store_factor(group, d);
		p.dmin = elm__group_store_factor(group, dmin);
		if (round && p.d == old_d && p.dmin == old_dmin)
			return;
		p.error = 0;
		for (j = 0; j < ELM__BLOCK_SUPER / s->sub; j++) {
			elm__fit_sums sums = choose(s, group, &p, j, ideal[j]);

			p.error += sums.error;
			equations_add(&e, &sums, p.scale[j], p.minimum[j]);
		}
		if (p.error < best->error)
			*best = p;
		d = elm__group_recall(group, p.d);
		dmin = elm__group_recall(group, p.dmin);
		equations_solve(&e, &d, &dmin);
	}
}

/* Finds scales and minima of one block, and its codes. */
static void encode_block(const shape *s, const float *in, const float *importance, plan *best,
			 uint8_t codes[ELM__BLOCK_SUPER])
{
	elm__line ideal[SUBS_MAX];
	float scale = 0, minimum = 0;
	elm__group group;
	int j;

	memset(best, 0, sizeof(*best));
	memset(codes, 0, ELM__BLOCK_SUPER);
	if (!elm__group_load(&group, in, importance, ELM__BLOCK_SUPER))
		return;
	for (j = 0; j < ELM__BLOCK_SUPER / s->sub; j++) {
		const float *x = group.x + s->sub * j, *w = group.w + s->sub * j;

		ideal[j] = s->lo ? elm__fit_scale(&s->levels, x, w, s->sub) :
				   elm__fit_line(&s->levels, true, x, w, s->sub);
		if (fabsf(ideal[j].scale) > fabsf(scale))
			scale = ideal[j].scale;
		minimum = fmaxf(minimum, -ideal[j].offset);
	}
	best->error = INFINITY;
	descend(s, &group, ideal, scale / (float)s->hi, minimum / (float)s->hi, best);
	if (s->lo)
		descend(s, &group, ideal, scale / (float)s->lo, 0, best);
	for (j = 0; j < ELM__BLOCK_SUPER / s->sub; j++)
		elm__fit_codes(&s->levels, line_of(&group, best, j), group.x + s->sub * j, s->sub,
			       codes + s->sub * j);
}

static const float *importance_at(const float *importance, size_t block)
{
	return importance ? importance + ELM__BLOCK_SUPER * block : NULL;
}

static void pack_scales_k4(const plan *p, uint8_t scales[12])
{
	int j;

	for (j = 0; j < 4; j++) {
		scales[j] = (uint8_t)(p->scale[j] | p->scale[j + 4] >> 4 << 6);
		scales[j + 4] = (uint8_t)(p->minimum[j] | p->minimum[j + 4] >> 4 << 6);
		scales[j + 8] = (uint8_t)((p->scale[j + 4] & 15) | (p->minimum[j + 4] & 15) << 4);
	}
}

void elm__encode_q2_k(const float *in, const float *importance, void *blocks, size_t count)
{
	shape s = { elm__levels_integers(0, 3), 16, 0, 15 };
	elm__block_q2_k *block = blocks;
	uint8_t codes[256];
	size_t i;
	plan p;
	int j;

	for (i = 0; i < count; i++, block++) {
		encode_block(&s, in + 256 * i, importance_at(importance, i), &p, codes);
		block->d = p.d;
		block->dmin = p.dmin;
		for (j = 0; j < 16; j++)
			block->scales[j] = (uint8_t)(p.scale[j] | p.minimum[j] << 4);
		elm__codes_store(ELM_TYPE_Q2_K, codes, block);
	}
}

void elm__encode_q3_k(const float *in, const float *importance, void *blocks, size_t count)
{
	shape s = { elm__levels_integers(-4, 3), 16, -32, 31 };
	elm__block_q3_k *block = blocks;
	uint8_t codes[256];
	size_t i;
	plan p;
	int j;

	for (i = 0; i < count; i++, block++) {
		encode_block(&s, in + 256 * i, importance_at(importance, i), &p, codes);
		block->d = p.d;
		elm__codes_store(ELM_TYPE_Q3_K, codes, block);
		memset(block->scales, 0, sizeof(block->scales));
		for (j = 0; j < 16; j++) {
			int code = p.scale[j] + 32;

			block->scales[j & 7] |= (uint8_t)((code & 15) << 4 * (j >> 3));
			block->scales[8 + (j & 3)] |= (uint8_t)(code >> 4 << 2 * (j >> 2));
		}
	}
}

void elm__encode_q4_k(const float *in, const float *importance, void *blocks, size_t count)
{
	shape s = { elm__levels_integers(0, 15), 32, 0, 63 };
	elm__block_q4_k *block = blocks;
	uint8_t codes[256];
	size_t i;
	plan p;

	for (i = 0; i < count; i++, block++) {
		encode_block(&s, in + 256 * i, importance_at(importance, i), &p, codes);
		block->d = p.d;
		block->dmin = p.dmin;
		pack_scales_k4(&p, block->scales);
		elm__codes_store(ELM_TYPE_Q4_K, codes, block);
	}
}

void elm__encode_q5_k(const float *in, const float *importance, void *blocks, size_t count)
{
	shape s = { elm__levels_integers(0, 31), 32, 0, 63 };
	elm__block_q5_k *block = blocks;
	uint8_t codes[256];
	size_t i;
	plan p;

	for (i = 0; i < count; i++, block++) {
		encode_block(&s, in + 256 * i, importance_at(importance, i), &p, codes);
		block->d = p.d;
		block->dmin = p.dmin;
		pack_scales_k4(&p, block->scales);
		elm__codes_store(ELM_TYPE_Q5_K, codes, block);
	}
}

void elm__encode_q6_k(const float *in, const float *importance, void *blocks, size_t count)
{
	/* Scales go to -127 only, so that kernels may negate them. */
	shape s = { elm__levels_integers(-32, 31), 16, -127, 127 };
	elm__block_q6_k *block = blocks;
	uint8_t codes[256];
	size_t i;
	plan p;
	int j;

	for (i = 0; i < count; i++, block++) {
		encode_block(&s, in + 256 * i, importance_at(importance, i), &p, codes);
		block->d = p.d;
		for (j = 0; j < 16; j++)
			block->scales[j] = (int8_t)p.scale[j];
		elm__codes_store(ELM_TYPE_Q6_K, codes, block);
	}
}

void elm__encode_iq4_xs(const float *in, const float *importance, void *blocks, size_t count)
{
	static const int8_t list[16] = ELM__IQ4_LEVELS;
	shape s = { elm__levels_list(list), 32, -32, 31 };
	elm__block_iq4_xs *block = blocks;
	uint8_t codes[256];
	size_t i;
	plan p;
	int j;

	for (i = 0; i < count; i++, block++) {
		encode_block(&s, in + 256 * i, importance_at(importance, i), &p, codes);
		block->d = p.d;
		block->scales_h = 0;
		memset(block->scales_l, 0, sizeof(block->scales_l));
		for (j = 0; j < 8; j++) {
			int code = p.scale[j] + 32;

			block->scales_l[j >> 1] |= (uint8_t)((code & 15) << 4 * (j & 1));
			block->scales_h |= (uint16_t)(code >> 4 << 2 * j);
		}
		elm__codes_store(ELM_TYPE_IQ4_XS, codes, block);
	}
}

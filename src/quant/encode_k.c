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
#include "quant/scales.h"

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

/* Makes the factors reach as far as the weights do; codes stay. */
static void stretch(const shape *s, const elm__group *group, plan *p)
{
	elm__fit_reach reach = { 0 };
	float by;
	int j;

	for (j = 0; j < ELM__BLOCK_SUPER / s->sub; j++) {
		elm__line line = line_of(group, p, j);
		elm__fit_sums sums = elm__fit_evaluate(&s->levels, line, group->x + s->sub * j,
						       group->w + s->sub * j, s->sub);

		elm__fit_reach_add(&reach, line, &sums);
	}
	by = elm__fit_stretch(&reach);
	p->d = elm__group_store_factor(group, by * elm__group_recall(group, p->d));
	p->dmin = elm__group_store_factor(group, by * elm__group_recall(group, p->dmin));
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
	stretch(s, &group, best);
}

void elm__encode_super(elm_type type, const float *in, const float *importance, void *blocks,
		       size_t count)
{
	const elm_type_info *info = elm_type_get(type);
	const elm__scale_facts *facts = elm__scale_facts_of(type);
	const shape s = { elm__levels_of(facts), facts->sub, facts->scale_lo, facts->scale_hi };
	uint8_t codes[ELM__BLOCK_SUPER];
	plan p;

	for (size_t i = 0; i < count; i++) {
		const float *weights = importance ? importance + ELM__BLOCK_SUPER * i : NULL;
		char *block = (char *)blocks + i * info->block_bytes;

		encode_block(&s, in + ELM__BLOCK_SUPER * i, weights, &p, codes);
		memset(block, 0, info->block_bytes);
		memcpy(block + facts->factor, &p.d, sizeof(p.d));
		if (facts->offset)
			memcpy(block + facts->factor + sizeof(p.d), &p.dmin, sizeof(p.dmin));
		for (int j = 0; j < ELM__BLOCK_SUPER / s.sub; j++)
			elm__scale_set(type, block, j, (elm__scale){ p.scale[j], p.minimum[j] });
		elm__codes_store(type, codes, block);
	}
}

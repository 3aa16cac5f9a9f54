#include "quant/fit.h"

#include <math.h>

/* Four floats that the compiler keeps in a vector register; the order of operations is ours. */
typedef float vec __attribute__((vector_size(16)));
typedef int32_t mask __attribute__((vector_size(16)));
enum { LANES = 4 };

/* Adding and subtracting this rounds a float below 2^22 to the nearest integer, ties to even. */
#define ROUNDER 12582912.0f

/* Below this a scale is as good as zero for weights near 1, and its reciprocal could overflow. */
#define TINY 1e-30f

elm__levels elm__levels_list(const int8_t list[16])
{
	elm__levels levels = { .lo = list[0], .hi = list[15], .listed = true };
	int i;

	for (i = 0; i < 15; i++) {
		levels.middle[i] = 0.5f * (float)(list[i] + list[i + 1]);
		levels.gap[i] = (float)(list[i + 1] - list[i]);
	}
	return levels;
}

float elm__fit_level(const elm__levels *levels, uint8_t code)
{
	float level = levels->lo;

	if (!levels->listed)
		return level + (float)code;
	for (int i = 0; i < code && i < 15; i++)
		level += levels->gap[i];
	return level;
}

static float reciprocal(float scale)
{
	return fabsf(scale) > TINY ? 1 / scale : 0;
}

static inline vec load(const float *from)
{
	return (vec){ from[0], from[1], from[2], from[3] };
}

static inline vec splat(float value)
{
	return (vec){ value, value, value, value };
}

static inline vec select(mask which, vec yes, vec no)
{
	return (vec)((which & (mask)yes) | (~which & (mask)no));
}

static inline float sum(vec v)
{
	return (v[0] + v[2]) + (v[1] + v[3]);
}

static inline vec nearest_level(const elm__levels *levels, vec value)
{
	vec lo = splat(levels->lo), hi = splat(levels->hi), level = lo;
	int i;

	if (!levels->listed) {
		value = select(value < lo, lo, value);
		value = select(value > hi, hi, value);
		return (value + ROUNDER) - ROUNDER;
	}
	for (i = 0; i < 15; i++)
		level += (vec)((mask)splat(levels->gap[i]) & (value > splat(levels->middle[i])));
	return level;
}

elm__fit_sums elm__fit_evaluate(const elm__levels *levels, elm__line line, const float *x,
				const float *w, int n)
{
	vec error = { 0 }, r = { 0 }, rl = { 0 }, weight = { 0 }, l = { 0 }, ll = { 0 };
	float inverse = reciprocal(line.scale);
	int i;

	for (i = 0; i < n; i += LANES) {
		vec above = load(x + i) - line.offset, wi = load(w + i);
		vec level = nearest_level(levels, above * inverse);
		vec residual = above - line.scale * level;
		vec wr = wi * residual, wl = wi * level;

		error += wr * residual;
		r += wr;
		rl += wr * level;
		weight += wi;
		l += wl;
		ll += wl * level;
	}
	return (elm__fit_sums){ sum(error), sum(r), sum(rl), sum(weight), sum(l), sum(ll) };
}

void elm__fit_reach_add(elm__fit_reach *reach, elm__line line, const elm__fit_sums *sums)
{
	double scale = (double)line.scale, offset = (double)line.offset;
	/* Of the approximation with itself, and with the residual. */
	double own = scale * scale * (double)sums->ll + 2 * scale * offset * (double)sums->l +
		     offset * offset * (double)sums->w;
	double rest = scale * (double)sums->rl + offset * (double)sums->r;

	reach->reached += own + rest;
	reach->whole += own + 2 * rest + (double)sums->error;
}

float elm__fit_stretch(const elm__fit_reach *reach)
{
	if (!(reach->whole > reach->reached))
		return 1;
	return (float)(reach->whole < 2 * reach->reached ? reach->whole / reach->reached : 2);
}

void elm__fit_codes(const elm__levels *levels, elm__line line, const float *x, int n,
		    uint8_t *codes)
{
	float inverse = reciprocal(line.scale);
	int i, k;

	for (i = 0; i < n; i++) {
		vec value = splat((x[i] - line.offset) * inverse);

		if (levels->listed) {
			for (k = 0, codes[i] = 0; k < 15; k++)
				codes[i] += value[0] > levels->middle[k];
		} else {
			codes[i] = (uint8_t)(nearest_level(levels, value)[0] - levels->lo);
		}
	}
}

void elm__fit_round(const elm__levels *levels, elm__line line, const float *x, int n, float *out)
{
	float inverse = reciprocal(line.scale);

	for (int i = 0; i < n; i += LANES) {
		vec level = nearest_level(levels, (load(x + i) - line.offset) * inverse);
		vec value = line.scale * level + line.offset;

		for (int k = 0; k < LANES; k++)
			out[i + k] = value[k];
	}
}

/* The best scale for the levels that `line`, with offset 0, gave. */
static elm__line improve_scale(elm__line line, const elm__fit_sums *sums, float *error)
{
	float step = sums->ll > 0 ? sums->rl / sums->ll : 0;

	*error = sums->error - step * sums->rl;
	line.scale += step;
	return line;
}

/* The best scale and offset for the levels that `line` gave. */
static elm__line improve_line(elm__line line, bool down_only, const elm__fit_sums *sums,
			      float *error)
{
	double determinant = (double)sums->ll * sums->w - (double)sums->l * sums->l;
	double scale = 0, offset = sums->w > 0 ? (double)sums->r / sums->w : 0;

	if (determinant > 1e-6 * (double)sums->ll * sums->w) {
		scale = ((double)sums->rl * sums->w - (double)sums->r * sums->l) / determinant;
		offset = ((double)sums->ll * sums->r - (double)sums->l * sums->rl) / determinant;
	}
	if (down_only && line.offset + offset > 0) {
		offset = -(double)line.offset;
		scale = sums->ll > 0 ? (sums->rl - offset * sums->l) / sums->ll : 0;
	}
	*error = (float)(sums->error - 2 * (scale * sums->rl + offset * sums->r) +
			 scale * scale * sums->ll + 2 * scale * offset * sums->l +
			 offset * offset * sums->w);
	line.scale += (float)scale;
	line.offset += (float)offset;
	return line;
}

/* The search state: the best line so far. */
typedef struct search {
	const elm__levels *levels;
	const float *x, *w;
	int n;
	bool affine, down_only;
	elm__line best;
	float error;
} search;

/* Improves `line` until that stops helping, at most `rounds` times; keeps it if it is the best. */
static void descend(search *s, elm__line line, int rounds)
{
	float error, last = INFINITY;

	while (rounds--) {
		elm__fit_sums sums = elm__fit_evaluate(s->levels, line, s->x, s->w, s->n);

		line = s->affine ? improve_line(line, s->down_only, &sums, &error) :
				   improve_scale(line, &sums, &error);
		if (!(error < last))
			return;
		last = error;
		if (error < s->error) {
			s->error = error;
			s->best = line;
		}
	}
}

/* After the first evaluation the best guess is usually clear; from it this many more suffice. */
enum { FIRST_ROUNDS = 1, LAST_ROUNDS = 4 };

/* Where the largest weight may land, in levels from the end of their range: from `inside` before it
 * to `beyond` it, in steps. Wide ranges gain little from clipping. */
typedef struct landing {
	float inside, beyond, step;
} landing;

static landing landing_of(const elm__levels *levels)
{
	if (levels->listed) /* levels are about 16 apart at the ends */
		return (landing){ 20, 15, 2.5f };
	if (levels->hi > 64)
		return (landing){ 2, 0.5f, 0.5f };
	if (levels->hi > 16)
		return (landing){ 3, 1, 0.5f };
	return (landing){ 2, 1.5f, 0.25f };
}

elm__line elm__fit_scale(const elm__levels *levels, const float *x, const float *w, int n)
{
	search s = { .levels = levels, .x = x, .w = w, .n = n, .error = INFINITY };
	landing range = landing_of(levels);
	float largest = 0, at;
	int i;

	for (i = 0; i < n; i++)
		largest = fmaxf(largest, fabsf(x[i]));
	if (largest < TINY)
		return s.best;
	for (at = levels->hi - range.inside; at <= levels->hi + range.beyond; at += range.step)
		descend(&s, (elm__line){ .scale = largest / at }, FIRST_ROUNDS);
	/* A negative scale puts the largest weight at the other end, if that is different. */
	if (levels->lo != -levels->hi)
		for (at = levels->lo + range.inside; at >= levels->lo - range.beyond;
		     at -= range.step)
			descend(&s, (elm__line){ .scale = largest / at }, FIRST_ROUNDS);
	descend(&s, s.best, LAST_ROUNDS);
	return s.best;
}

elm__line elm__fit_line(const elm__levels *levels, bool down_only, const float *x, const float *w,
			int n)
{
	search s = { .levels = levels,
		     .x = x,
		     .w = w,
		     .n = n,
		     .affine = true,
		     .down_only = down_only,
		     .error = INFINITY };
	float low = x[0], high = x[0], step, bottom, top;
	int i, k;

	for (i = 1; i < n; i++) {
		low = fminf(low, x[i]);
		high = fmaxf(high, x[i]);
	}
	if (down_only)
		low = fminf(low, 0);
	if (high - low < TINY) {
		s.best.offset = low;
		return s.best;
	}
	/* Either end of the levels from a step outside the weights to two steps inside. */
	step = (high - low) / levels->hi * (levels->hi > 16 ? 0.75f : 0.5f);
	for (i = -1; i <= 2; i++) {
		bottom = low + step * (float)i;
		if (down_only)
			bottom = fminf(bottom, 0);
		for (k = -1; k <= 2; k++) {
			top = high - step * (float)k;
			descend(&s,
				(elm__line){ .scale = (top - bottom) / levels->hi,
					     .offset = bottom },
				FIRST_ROUNDS);
		}
	}
	descend(&s, s.best, LAST_ROUNDS);
	return s.best;
}

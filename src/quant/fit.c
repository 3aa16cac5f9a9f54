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

enum { FIRST_ROUNDS = 2, LAST_ROUNDS = 8 };

elm__line elm__fit_scale(const elm__levels *levels, const float *x, const float *w, int n)
{
	search s = { .levels = levels, .x = x, .w = w, .n = n, .error = INFINITY };
	float largest = 0, end, from, step;
	int i, sign;

	for (i = 0; i < n; i++)
		largest = fmaxf(largest, fabsf(x[i]));
	if (largest < TINY)
		return s.best;
	/* The largest weight lands somewhere between inside and beyond either end of the levels. */
	for (sign = -1; sign <= 1; sign += 2) {
		end = sign < 0 ? -levels->lo : levels->hi;
		if (sign < 0 && levels->lo == -levels->hi)
			continue;
		step = levels->listed ? 5 : 0.25f;
		from = end * (end > 64 ? 0.96f : 0.75f);
		for (i = 0; from + step * (float)i <= end * (1 + 0.25f) + 0.5f; i++)
			descend(&s,
				(elm__line){ (float)sign * largest / (from + step * (float)i), 0 },
				FIRST_ROUNDS);
	}
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
	float low = x[0], high = x[0], range;
	int i, k;

	for (i = 1; i < n; i++) {
		low = fminf(low, x[i]);
		high = fmaxf(high, x[i]);
	}
	if (down_only)
		low = fminf(low, 0);
	range = high - low;
	if (range < TINY) {
		s.best.offset = low;
		return s.best;
	}
	for (i = 0; i < 6; i++)
		for (k = 0; k < 6; k++) {
			float a = low + range * 0.05f * (float)(i - 1),
			      b = high - range * 0.05f * (float)(k - 1);
			if (down_only)
				a = fminf(a, 0);
			descend(&s, (elm__line){ (b - a) / levels->hi, a }, FIRST_ROUNDS);
		}
	descend(&s, s.best, LAST_ROUNDS);
	return s.best;
}

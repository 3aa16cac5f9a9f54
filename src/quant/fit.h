/*
 * fit.h: least-squares search for the scale, or scale and offset, of a group of weights.
 *
 * A group x[0..n) is approximated as x ~ scale * level + offset, where each weight picks the level
 * nearest to it. Quality is the sum of w * (x - approximation)^2. For fixed levels the best scale
 * and offset have a closed form; for fixed scale and offset the best levels are the nearest ones.
 * The search starts from several guesses and alternates the two from the best of them.
 *
 * n is a multiple of 16, all w are positive, and |x| < 2: callers bring weights to that range by a
 * power of two, so that nothing here overflows. Sums have a fixed order: results are the same on
 * every machine.
 */
#ifndef ELM_QUANT_FIT_H
#define ELM_QUANT_FIT_H

#include <stdbool.h>
#include <stdint.h>

/* The levels that codes stand for: code c is the integer lo + c, or the c-th of an own list. */
typedef struct elm__levels {
	float lo, hi;
	bool listed;		   /* else every integer from lo to hi is a level */
	float middle[15], gap[15]; /* of a list of 16: between neighbours */
} elm__levels;

static inline elm__levels elm__levels_integers(float lo, float hi)
{
	return (elm__levels){ .lo = lo, .hi = hi };
}

/* From 16 ascending levels. */
elm__levels elm__levels_list(const int8_t list[16]);

/* The level that a code stands for. */
float elm__fit_level(const elm__levels *levels, uint8_t code);

typedef struct elm__line {
	float scale, offset;
} elm__line;

/* How well a line fits: the error, and the sums from which a better line follows. r is the residual
 * x - offset - scale * level, l the level. */
typedef struct elm__fit_sums {
	float error; /* w r r */
	float r, rl; /* w r, w r l */
	float w, l, ll;
} elm__fit_sums;

elm__fit_sums elm__fit_evaluate(const elm__levels *levels, elm__line line, const float *x,
				const float *w, int n);

/*
 * What a group says of x once it is approximated: sum w x x, and sum w x approximation. Levels are
 * the means of what they stand for, so the second is less by the error: decoded weights fall short
 * of x along x itself, in every matrix of a model, and that adds up where noise does not.
 */
typedef struct elm__fit_reach {
	double whole, reached;
} elm__fit_reach;

/* Adds a line that has these sums. */
void elm__fit_reach_add(elm__fit_reach *reach, elm__line line, const elm__fit_sums *sums);

/* What scales and offsets must be multiplied with to make up for that: 1 to 2. */
float elm__fit_stretch(const elm__fit_reach *reach);

/* The code of each weight: of the nearest level under `line`. */
void elm__fit_codes(const elm__levels *levels, elm__line line, const float *x, int n,
		    uint8_t *codes);

/* What the weights become: the value of the nearest level. n is a multiple of 4 here. */
void elm__fit_round(const elm__levels *levels, elm__line line, const float *x, int n, float *out);

/* The best line with offset 0. The scale may be negative. */
elm__line elm__fit_scale(const elm__levels *levels, const float *x, const float *w, int n);

/* The best line for the integer levels 0 to levels->hi. The scale is not negative; where
 * `down_only` the offset is not positive. */
elm__line elm__fit_line(const elm__levels *levels, bool down_only, const float *x, const float *w,
			int n);

#endif

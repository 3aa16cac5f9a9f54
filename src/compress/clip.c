#include "compress/clip.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "quant/codes.h"
#include "quant/half.h"
#include "quant/quant.h"
#include "quant/scales.h"

/* Rows that are worked on together, rounds at most, and scales tried for a sub-block. */
enum { ROWS = 16, ROUNDS = 4, TRIALS = 40, SUB_MAX = 32 };

typedef struct job {
	elm__pool *pool;
	const elm__multiplier *multiplier;
	elm_type type;
	const elm__scale_facts *facts;
	elm__levels levels;
	const float *weights;
	const elm__channels *c;
	size_t rows, cols, row_bytes, block, block_bytes;
	char *out;
	char *scratch; /* per member, as `batch` has it */
	size_t scratch_bytes;
	double *errors[2]; /* per row: at last, at first */
	atomic_int status;
} job;

/* What a member works on: ROWS rows of floats each. */
typedef struct batch {
	unsigned member;
	size_t first, count; /* rows */
	float *e;	     /* errors: decoded minus weight */
	float *g;	     /* H e */
	float *delta;	     /* ROWS x SUB_MAX: changes of e in the sub-block at hand */
} batch;

typedef float vec __attribute__((vector_size(16), aligned(4)));

/* --- the scales next to one --- */

static elm__scale half_scale(float scale, float offset)
{
	return (elm__scale){ elm__f32_to_f16(scale), elm__f32_to_f16(offset) };
}

/* Steps of 1/40; either end of the levels may stay where it is. */
static size_t half_trials(const job *j, elm__scale s, elm__scale out[TRIALS])
{
	elm__line line = elm__scale_line(j->facts, NULL, s);
	float span = line.scale * (float)(j->facts->hi - j->facts->lo);
	size_t n = 0;

	for (int k = -10; k <= 6; k++) {
		float factor = 1 + (float)k / 40;

		if (!j->facts->offset) {
			out[n++] = half_scale(line.scale * factor, 0);
			out[n++] = half_scale(-line.scale * factor, 0);
		} else {
			out[n++] = half_scale(line.scale * factor, line.offset);
			out[n++] =
				half_scale(line.scale * factor, line.offset + span * (1 - factor));
		}
	}
	return n;
}

static size_t add_trial(const elm__scale_facts *f, int scale, int minimum, elm__scale *out)
{
	if (scale < f->scale_lo || scale > f->scale_hi || minimum < 0 || minimum > f->scale_hi)
		return 0;
	*out = (elm__scale){ scale, minimum };
	return 1;
}

static size_t integer_trials(const job *j, elm__scale s, elm__scale out[TRIALS])
{
	const elm__scale_facts *f = j->facts;
	int step = s.scale / 40 ? s.scale / 40 : 1;
	size_t n = 0;

	if (f->offset) {
		for (int k = -3; k <= 3; k++)
			for (int l = -2; l <= 2; l++)
				n += add_trial(f, s.scale + k, s.minimum + l, out + n);
		return n;
	}
	for (int k = -8; k <= 6; k++) {
		n += add_trial(f, s.scale + k * step, 0, out + n);
		n += add_trial(f, -s.scale - k * step, 0, out + n);
	}
	return n;
}

/* --- one sub-block --- */

/* The squared error of the outputs changes by this when the error of a sub-block changes by delta:
 * delta^T (2 g + H delta). */
static float change(const float *h, size_t stride, const float *g, const float *delta, size_t n)
{
	vec sum = { 0 };

	for (size_t i = 0; i < n; i++) {
		vec product = { 0 };

		for (size_t k = 0; k < n; k += 4) {
			vec a, b;

			memcpy(&a, h + i * stride + k, sizeof(a));
			memcpy(&b, delta + k, sizeof(b));
			product += a * b;
		}
		sum += delta[i] * product;
	}
	for (size_t i = 0; i < n; i += 4) {
		vec a, b;

		memcpy(&a, g + i, sizeof(a));
		memcpy(&b, delta + i, sizeof(b));
		sum += 2 * a * b;
	}
	return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

/* Gives the sub-block at column `at` of row r the best scale. True when it has changed, by
 * b->delta. */
static bool tune(const job *j, const batch *b, size_t r, size_t at)
{
	const float *w = j->weights + (b->first + r) * j->cols + at;
	const float *h = j->c->products + at * j->cols + at;
	float *e = b->e + r * j->cols + at, *g = b->g + r * j->cols + at,
	      *best = b->delta + r * SUB_MAX;
	char *block = j->out + (b->first + r) * j->row_bytes + at / j->block * j->block_bytes;
	int n = j->facts->sub, sub = (int)(at % j->block) / n;
	elm__scale old = elm__scale_get(j->type, block, sub), trials[TRIALS], chosen = old;
	size_t count =
		j->facts->scale_hi ? integer_trials(j, old, trials) : half_trials(j, old, trials);
	float least = 0;

	memset(best, 0, SUB_MAX * sizeof(*best));
	for (size_t t = 0; t < count; t++) {
		elm__line line = elm__scale_line(j->facts, block, trials[t]);
		float delta[SUB_MAX], by;

		elm__fit_round(&j->levels, line, w, n, delta);
		for (int i = 0; i < n; i++)
			delta[i] -= w[i] + e[i];
		by = change(h, j->cols, g, delta, (size_t)n);
		if (by < least) {
			least = by;
			chosen = trials[t];
			memcpy(best, delta, sizeof(delta[0]) * (size_t)n);
		}
	}
	if (!(least < 0))
		return false;
	for (int i = 0; i < n; i++)
		e[i] += best[i];
	elm__scale_set(j->type, block, sub, chosen);
	return true;
}

/* --- rows --- */

/* g += H delta, delta being what has changed from column `at` on. */
static void follow(const job *j, const batch *b, size_t at)
{
	const elm__gemm product = { .m = b->count,
				    .n = j->cols,
				    .k = (size_t)j->facts->sub,
				    .a = b->delta,
				    .a_row = SUB_MAX,
				    .a_col = 1,
				    .b = j->c->products + at * j->cols,
				    .b_row = j->cols,
				    .b_col = 1,
				    .c = b->g,
				    .c_row = j->cols,
				    .add = true };

	elm__multiply(j->multiplier, b->member, &product);
}

static void weigh(const job *j, const batch *b, double *errors)
{
	elm__channels_weigh(j->c, j->multiplier, b->member, b->e, b->count, b->g,
			    errors + b->first);
}

static elm_status round_rows(const job *j, const batch *b)
{
	for (size_t r = 0; r < b->count; r++) {
		const float *w = j->weights + (b->first + r) * j->cols;
		char *out = j->out + (b->first + r) * j->row_bytes;
		float *e = b->e + r * j->cols;
		elm_status status = elm__quantize_row(j->type, w, j->c->square, out, j->cols);

		if (status)
			return status;
		elm__dequant_ref[j->type](out, e, j->cols);
		for (size_t i = 0; i < j->cols; i++)
			e[i] -= w[i];
	}
	return ELM_OK;
}

/* The codes of what the errors say that weights have become. */
static void store_codes(const job *j, const batch *b)
{
	for (size_t at = 0; at < b->count * j->cols; at += j->block) {
		const float *w = j->weights + b->first * j->cols + at, *e = b->e + at;
		char *block = j->out + (b->first * j->cols + at) / j->block * j->block_bytes;
		uint8_t codes[ELM__BLOCK_SUPER];

		for (size_t i = 0; i < j->block; i += (size_t)j->facts->sub) {
			int n = j->facts->sub;
			elm__scale scale = elm__scale_get(j->type, block, (int)i / n);
			elm__line line = elm__scale_line(j->facts, block, scale);
			float decoded[SUB_MAX];

			for (int k = 0; k < n; k++)
				decoded[k] = w[i + (size_t)k] + e[i + (size_t)k];
			elm__fit_codes(&j->levels, line, decoded, n, codes + i);
		}
		elm__codes_store(j->type, codes, block);
	}
}

static elm_status encode_rows(const job *j, const batch *b)
{
	elm_status status = round_rows(j, b);
	bool changed = !status;

	if (status)
		return status;
	weigh(j, b, j->errors[1]);
	for (int round = 0; round < ROUNDS && changed; round++) {
		changed = false;
		for (size_t at = 0; at < j->cols; at += (size_t)j->facts->sub) {
			bool any = false;

			for (size_t r = 0; r < b->count; r++)
				any |= tune(j, b, r, at);
			if (any)
				follow(j, b, at);
			changed |= any;
		}
	}
	weigh(j, b, j->errors[0]);
	store_codes(j, b);
	return ELM_OK;
}

static void encode_member(void *user, unsigned index, unsigned count)
{
	job *j = user;
	char *scratch = j->scratch + index * j->scratch_bytes;
	size_t floats = ROWS * j->cols, ticket;
	batch b = { .member = index, .e = (float *)(void *)scratch };

	(void)count;
	b.g = b.e + floats;
	b.delta = b.g + floats;
	while ((ticket = elm__pool_next(j->pool)) * ROWS < j->rows && !atomic_load(&j->status)) {
		elm_status status;

		b.first = ticket * ROWS;
		b.count = j->rows - b.first < ROWS ? j->rows - b.first : ROWS;
		status = encode_rows(j, &b);
		if (status)
			atomic_store(&j->status, status);
	}
}

elm_status elm__clip_encode(elm__pool *pool, const elm__multiplier *multiplier, elm_type type,
			    const float *weights, size_t rows, const elm__channels *c, void *blocks,
			    elm__clip_result *result, elm_error *error)
{
	const elm_type_info *info = elm_type_get(type);
	job j = { .pool = pool,
		  .multiplier = multiplier,
		  .type = type,
		  .facts = elm__scale_facts_of(type),
		  .weights = weights,
		  .rows = rows,
		  .c = c,
		  .cols = c->cols,
		  .block = info->block_elements,
		  .block_bytes = info->block_bytes,
		  .out = blocks };
	elm_status status = ELM_OK;

	j.levels = elm__levels_of(j.facts);
	j.row_bytes = j.cols / j.block * j.block_bytes;
	j.scratch_bytes = ROWS * (2 * j.cols + SUB_MAX) * sizeof(float);
	j.scratch = elm__malloc_aligned(64, elm__pool_count(pool) * j.scratch_bytes);
	j.errors[0] = elm__calloc(rows, 2 * sizeof(double));
	if (j.scratch && j.errors[0]) {
		j.errors[1] = j.errors[0] + rows;
		elm__pool_run(pool, encode_member, &j);
		status = (elm_status)atomic_load(&j.status);
		if (status)
			status = elm_error_set(error, status,
					       "a weight or the calibration is infinite or not a "
					       "number");
	} else {
		status =
			elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for %zu rows", rows);
	}
	*result = (elm__clip_result){ 0 };
	for (size_t i = 0; i < rows && !status; i++) {
		result->error += j.errors[0][i];
		result->rounded += j.errors[1][i];
	}
	elm__free_aligned(j.scratch);
	elm__free(j.errors[0]);
	return status;
}

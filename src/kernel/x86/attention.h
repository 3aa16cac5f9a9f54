/*
 * attention.h: attention over the KV cache in float, for the vectors of one tier (include its
 * vec_*.h and vector.h first).
 *
 * The cache is read once, block by block; a block serves all rows (queries times the heads that
 * share the keys), up to MAX_ROWS at a time, so that a key that has been turned into floats is
 * multiplied with all of them from a register. The sums over the lanes of many products are made
 * together, LANES of them in one vector. The softmax is rescaled as larger scores appear, see
 * ref/attention.c.
 */
#ifndef ELM_KERNEL_X86_ATTENTION_H
#define ELM_KERNEL_X86_ATTENTION_H

#include "kernel/kv.h"
#include "kernel/ref/ref.h"

enum {
	MAX_ROWS = LANES == 16 ? 8 : 4, /* as many sums as there are registers for */
	TOKENS = ELM__KV_BLOCK,
	MAX_SCALES = TOKENS * ELM__MAX_HEAD_DIM / ELM__Q8_BLOCK
};

/* What a call works with; lies at the beginning of its scratch memory. */
typedef struct work {
	float products[MAX_ROWS * TOKENS * LANES]; /* not yet summed over the lanes */
	float weights[MAX_ROWS * TOKENS];	   /* scores, then their exponentials */
	float factor[MAX_ROWS];			   /* that the results so far are rescaled by */
	float k_scales[MAX_SCALES], v_scales[MAX_SCALES];
} work;

/* Rows [row, row + n) against the cache block `index`. */
typedef struct step {
	const elm__attention *a;
	work *w;
	/* Of each row of the call: where its query and result are, maximum and sum of exponentials.
	 */
	const float **query;
	float **out, *max, *sum;
	size_t row, n, index;
	size_t begin, end; /* tokens of the block that any of the rows sees */
} step;

/* A vector of elements of row t of a block. Scales are one per token and 32 elements. */
INLINE vf element(elm_type type, const void *block, const float *scales, size_t dim, size_t t,
		  size_t at)
{
	size_t i = t * dim + at;

	if (type == ELM_TYPE_F32)
		return vf_load((const float *)block + i);
	if (type == ELM_TYPE_F16)
		return vf_half((const uint8_t *)block + 2 * i);
	return vf_mul(vf_from_int(vi_widen_s8((const uint8_t *)block + i)),
		      vf_set(scales[t * elm__kv_scales(dim) + at / ELM__Q8_BLOCK]));
}

/* Products of the queries with the keys of two tokens at a time. */
INLINE void multiply_keys(const step *s, elm_type type, size_t rows)
{
	const void *keys = s->a->k_blocks[s->index];
	const float *const *query = s->query + s->row, *scales = s->w->k_scales;
	size_t dim = s->a->head_dim;

	for (size_t t = s->begin & ~(size_t)1; t < s->end; t += 2) {
		vf sum[2][MAX_ROWS];

		for (size_t r = 0; r < rows; r++)
			sum[0][r] = sum[1][r] = vf_set(0);
		for (size_t at = 0; at < dim; at += LANES) {
			vf first = element(type, keys, scales, dim, t, at);
			vf second = element(type, keys, scales, dim, t + 1, at);

			for (size_t r = 0; r < rows; r++) {
				vf q = vf_load(query[r] + at);

				sum[0][r] = vf_fma(first, q, sum[0][r]);
				sum[1][r] = vf_fma(second, q, sum[1][r]);
			}
		}
		for (size_t r = 0; r < rows; r++) {
			float *to = s->w->products + (r * TOKENS + t) * LANES;

			vf_store(to, sum[0][r]);
			vf_store(to + LANES, sum[1][r]);
		}
	}
}

/* Adds the weighted values of the block to `count` vectors of the rescaled results, from `at` on.
 */
INLINE void add_values(const step *s, elm_type type, size_t rows, size_t count, size_t at)
{
	const void *values = s->a->v_blocks[s->index];
	const float *scales = s->w->v_scales;
	float *const *out = s->out + s->row;
	size_t dim = s->a->head_dim;
	vf sum[MAX_ROWS][4];

	for (size_t r = 0; r < rows; r++)
		for (size_t c = 0; c < count; c++)
			sum[r][c] =
				vf_mul(vf_load(out[r] + at + c * LANES), vf_set(s->w->factor[r]));
	for (size_t t = s->begin; t < s->end; t++) {
		vf value[4];

		for (size_t c = 0; c < count; c++)
			value[c] = element(type, values, scales, dim, t, at + c * LANES);
		for (size_t r = 0; r < rows; r++) {
			vf weight = vf_set(s->w->weights[r * TOKENS + t]);

			for (size_t c = 0; c < count; c++)
				sum[r][c] = vf_fma(weight, value[c], sum[r][c]);
		}
	}
	for (size_t r = 0; r < rows; r++)
		for (size_t c = 0; c < count; c++)
			vf_store(out[r] + at + c * LANES, sum[r][c]);
}

INLINE void add_all_values(const step *s, elm_type type, size_t rows)
{
	const size_t wide = rows == 8 ? 2 : LANES < 16 && rows == 4 ? 2 : 4;
	size_t at = 0, dim = s->a->head_dim;

	for (; at + wide * LANES <= dim; at += wide * LANES)
		add_values(s, type, rows, wide, at);
	for (; at < dim; at += LANES)
		add_values(s, type, rows, 1, at);
}

/* The tokens of block `index` that row `row` sees: [*begin, *end). */
INLINE void visible(const elm__attention *a, size_t row, size_t index, size_t *begin, size_t *end)
{
	size_t position = a->first_position + row / a->group, first = index * TOKENS;
	size_t seen = a->window && position >= a->window ? position - a->window + 1 : 0;

	*begin = seen <= first ? 0 : seen - first < TOKENS ? seen - first : TOKENS;
	*end = position < first ? 0 : position - first < TOKENS ? position - first + 1 : TOKENS;
}

/* Turns the products of row r of the step into weights, and keeps its maximum and sum. */
static void weigh(const step *s, size_t r)
{
	static const float order[TOKENS] = { 0,	 1,  2,	 3,  4,	 5,  6,	 7,  8,	 9,  10,
					     11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
					     22, 23, 24, 25, 26, 27, 28, 29, 30, 31 };
	const float *from = s->w->products + r * TOKENS * LANES;
	float *to = s->w->weights + r * TOKENS, *peak = &s->max[s->row + r], largest;
	size_t begin, end;
	vf most = vf_set(-INFINITY), sum = vf_set(0);

	visible(s->a, s->row + r, s->index, &begin, &end);
	for (size_t t = 0; t < TOKENS; t += LANES) {
		vf score = vf_mul(vf_sums(from + t * LANES), vf_set(s->a->scale));

		if (s->a->softcap > 0)
			score = vf_mul(vf_set(s->a->softcap),
				       vf_tanh(vf_div(score, vf_set(s->a->softcap))));
		if (begin > 0 || end < TOKENS) {
			vf token = vf_load(order + t), none = vf_set(-INFINITY);

			score = vf_where_less(token, vf_set((float)end), score, none);
			score = vf_where_less(token, vf_set((float)begin), none, score);
		}
		most = vf_max(most, score);
		vf_store(to + t, score);
	}
	largest = vf_largest(most);
	s->w->factor[r] = 1;
	if (!(largest <= *peak)) {
		s->w->factor[r] = vf_first(vf_exp(vf_set(*peak - largest)));
		*peak = largest;
	}
	largest = *peak > -INFINITY ? *peak : 0; /* nothing seen so far: all weights become 0 */
	for (size_t t = 0; t < TOKENS; t += LANES) {
		vf weight = vf_exp(vf_sub(vf_load(to + t), vf_set(largest)));

		sum = vf_add(sum, weight);
		vf_store(to + t, weight);
	}
	s->sum[s->row + r] = s->sum[s->row + r] * s->w->factor[r] + vf_sum(sum);
}

INLINE void run_step(const step *s, elm_type type, size_t rows)
{
	multiply_keys(s, type, rows);
	for (size_t r = 0; r < rows; r++)
		weigh(s, r);
	add_all_values(s, type, rows);
}

INLINE void run_rows(const step *s, elm_type type)
{
	switch (s->n) {
	case 1:
		run_step(s, type, 1);
		break;
	case 2:
		run_step(s, type, 2);
		break;
	case 4:
		run_step(s, type, 4);
		break;
	default:
		run_step(s, type, MAX_ROWS);
	}
}

static void run_f32(const step *s)
{
	run_rows(s, ELM_TYPE_F32);
}

static void run_f16(const step *s)
{
	run_rows(s, ELM_TYPE_F16);
}

static void run_q8_0(const step *s)
{
	run_rows(s, ELM_TYPE_Q8_0);
}

/* The scales of a Q8_0 block as floats. */
static void widen_scales(const void *block, size_t dim, float *out)
{
	const uint8_t *scales = (const uint8_t *)elm__kv_scale_row(block, dim, 0);

	for (size_t i = 0; i < TOKENS * elm__kv_scales(dim); i += LANES)
		vf_store(out + i, vf_half(scales + 2 * i));
}

/* All rows with one block, as many together as fit. */
static void run_block(step *s, size_t rows)
{
	const elm__attention *a = s->a;

	if (a->kv_type == ELM_TYPE_Q8_0) {
		widen_scales(a->k_blocks[s->index], a->head_dim, s->w->k_scales);
		widen_scales(a->v_blocks[s->index], a->head_dim, s->w->v_scales);
	}
	for (s->row = 0; s->row < rows; s->row += s->n) {
		size_t unused;

		for (s->n = MAX_ROWS; s->n > rows - s->row; s->n /= 2)
			;
		visible(a, s->row, s->index, &s->begin, &unused);
		visible(a, s->row + s->n - 1, s->index, &unused, &s->end);
		if (s->begin >= s->end)
			continue;
		if (a->kv_type == ELM_TYPE_F32)
			run_f32(s);
		else if (a->kv_type == ELM_TYPE_F16)
			run_f16(s);
		else
			run_q8_0(s);
	}
}

/* Divides by the sum; a row that saw nothing has zeros. */
static void finish_row(const step *s, size_t row)
{
	float sum = s->sum[row], *out = s->out[row];
	bool seen = sum > 0 || isnan(sum);
	vf factor = vf_set(seen ? 1 / sum : 0);

	for (size_t at = 0; at < s->a->head_dim; at += LANES)
		vf_store(out + at, vf_mul(vf_load(out + at), factor));
	if (s->a->lse)
		s->a->lse[row] = seen ? s->max[row] + logf(sum) : -INFINITY;
}

static void begin_row(step *s, size_t row)
{
	const elm__attention *a = s->a;
	size_t query = row / a->group, at = row % a->group * a->head_dim;

	s->query[row] = a->query + query * a->query_stride + at;
	s->out[row] = a->out + query * a->out_stride + at;
	s->max[row] = -INFINITY;
	s->sum[row] = 0;
	memset(s->out[row], 0, a->head_dim * sizeof(float));
}

static void attention(const elm__attention *a)
{
	size_t rows = (size_t)a->queries * a->group, first, end;
	step s = { .a = a, .w = a->scratch };

	if (a->head_dim % LANES) {
		elm__ref_attention(a);
		return;
	}
	s.query = (const float **)(s.w + 1);
	s.out = (float **)(s.query + rows);
	s.max = (float *)(s.out + rows);
	s.sum = s.max + rows;
	for (size_t row = 0; row < rows; row++)
		begin_row(&s, row);
	elm__attention_blocks(a, &first, &end);
	for (s.index = first; s.index < end; s.index++)
		run_block(&s, rows);
	for (size_t row = 0; row < rows; row++)
		finish_row(&s, row);
}

static size_t attention_scratch(size_t queries, size_t group, size_t head_dim)
{
	return sizeof(work) + queries * group * (2 * sizeof(float) + 2 * sizeof(float *));
}

static void attention_init(elm__kernels *table)
{
	table->attention = attention;
	table->attention_scratch = attention_scratch;
}

#endif

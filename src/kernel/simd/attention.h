/*
 * attention.h: attention over the KV cache in float, for the vectors of one tier (include its
 * vec_*.h and vector.h first).
 *
 * The cache is read once, block by block; a block serves all rows (queries times the heads that
 * share the keys), up to MAX_ROWS at a time, so that a key that has been turned into floats is
 * multiplied with all of them from a register. The sums over the lanes of many products are made
 * together, LANES of them in one vector. The softmax is rescaled as larger scores appear, see
 * ref/attention.c.
 *
 * For many rows (a prompt) a block is first widened: its values become floats and its keys floats
 * in transposed order, so that lanes are tokens, nothing is summed over lanes, and what turns the
 * cache into floats is done once and not for every MAX_ROWS rows.
 */
#ifndef ELM_KERNEL_SIMD_ATTENTION_H
#define ELM_KERNEL_SIMD_ATTENTION_H

#include "kernel/kv.h"
#include "kernel/ref/ref.h"
#include "quant/blocks.h"

enum {
	MAX_ROWS = LANES == 16 ? 8 : 4, /* as many sums as there are registers for */
	TOKENS = ELM__KV_BLOCK,
	WIDE_ROWS = 64,	       /* from here on widening a block pays */
	GROUP = ELM__Q8_BLOCK, /* elements of a token that share a scale */
	MAX_GROUPS = ELM__MAX_HEAD_DIM / GROUP
};

/* What a call works with; lies at the beginning of its scratch memory. */
typedef struct work {
	float products[MAX_ROWS * TOKENS * LANES]; /* not yet summed over the lanes */
	float weights[MAX_ROWS * TOKENS];	   /* scores, then their exponentials */
	float factor[MAX_ROWS];			   /* that the results so far are rescaled by */
	/* Of types with scales: */
	float k_scales[MAX_GROUPS * TOKENS], v_scales[MAX_GROUPS * TOKENS];
	float scaled[MAX_GROUPS * MAX_ROWS * TOKENS]; /* weights times scales of values */
} work;

/* Rows [row, row + n) against the cache block `index`. */
typedef struct step {
	const elm__attention *a;
	work *w;
	/* Of each row of the call: where its query and result are, maximum and sum of exponentials.
	 */
	const float **query;
	float **out, *max, *sum;
	float *wide_keys, *wide_values; /* of the block, head_dim x TOKENS and TOKENS x head_dim */
	size_t row, n, index;
	size_t begin, end; /* tokens of the block that any of the rows sees */
} step;

static const int8_t iq4_levels[16] = ELM__IQ4_LEVELS;

INLINE bool has_scales(elm_type type)
{
	return type == ELM_TYPE_Q8_0 || type == ELM_TYPE_IQ4_NL;
}

/* A vector of elements of row t of a block, times `scale` in types that have scales. `phase` is at
 * % 32, for the compiler to know where it can. */
INLINE vf element(elm_type type, const void *block, size_t dim, size_t t, size_t at, size_t phase,
		  vf scale)
{
	const uint8_t *bytes = block;
	size_t i = t * dim + at;

	if (type == ELM_TYPE_F32)
		return vf_load((const float *)block + i);
	if (type == ELM_TYPE_F16)
		return vf_half(bytes + 2 * i);
	if (type == ELM_TYPE_Q8_0)
		return vf_mul(vf_from_int(vi_widen_s8(bytes + i)), scale);
	bytes += t * elm__kv_code_bytes(type, dim) + (at - phase) / 2;
	return vf_levels(iq4_levels, bytes + phase % ELM__KV_GROUP_CODES,
			 phase >= ELM__KV_GROUP_CODES, scale);
}

/* The sums of the products of two keys with some rows of queries. */
typedef struct key_sums {
	vf of[2][MAX_ROWS];
} key_sums;

/* Adds the products of elements [at, at + LANES) of the keys of tokens t and t + 1. */
INLINE void multiply_elements(const step *s, elm_type type, size_t rows, size_t t, size_t at,
			      size_t phase, key_sums *sums)
{
	const void *keys = s->a->k_blocks[s->index];
	const float *const *query = s->query + s->row;
	size_t dim = s->a->head_dim;
	const float *scales = s->w->k_scales + at / GROUP * TOKENS + t;
	vf first = element(type, keys, dim, t, at, phase, vf_set(scales[0]));
	vf second = element(type, keys, dim, t + 1, at, phase, vf_set(scales[1]));

	for (size_t r = 0; r < rows; r++) {
		vf q = vf_load(query[r] + at);

		sums->of[0][r] = vf_fma(first, q, sums->of[0][r]);
		sums->of[1][r] = vf_fma(second, q, sums->of[1][r]);
	}
}

/* Products of the queries with the keys of two tokens at a time. */
INLINE void multiply_keys(const step *s, elm_type type, size_t rows)
{
	size_t dim = s->a->head_dim;

	for (size_t t = s->begin & ~(size_t)1; t < s->end; t += 2) {
		size_t at = 0;
		key_sums sums;

		for (size_t r = 0; r < rows; r++)
			sums.of[0][r] = sums.of[1][r] = vf_set(0);
		for (; at + GROUP <= dim; at += GROUP)
			for (size_t phase = 0; phase < GROUP; phase += LANES)
				multiply_elements(s, type, rows, t, at + phase, phase, &sums);
		for (; at < dim; at += LANES)
			multiply_elements(s, type, rows, t, at, at % GROUP, &sums);
		for (size_t r = 0; r < rows; r++) {
			float *to = s->w->products + (r * TOKENS + t) * LANES;

			vf_store(to, sums.of[0][r]);
			vf_store(to + LANES, sums.of[1][r]);
		}
	}
}

/* Writes the products of the queries with all keys of a widened block where weights go. */
INLINE void multiply_wide_keys(const step *s, size_t rows)
{
	const float *const *query = s->query + s->row;

	for (size_t t = 0; t < TOKENS; t += 2 * LANES) {
		vf sum[MAX_ROWS][2];

		for (size_t r = 0; r < rows; r++)
			sum[r][0] = sum[r][1] = vf_set(0);
		for (size_t d = 0; d < s->a->head_dim; d++) {
			vf first = vf_load(s->wide_keys + d * TOKENS + t);
			vf second = vf_load(s->wide_keys + d * TOKENS + t + LANES);

			for (size_t r = 0; r < rows; r++) {
				vf q = vf_set(query[r][d]);

				sum[r][0] = vf_fma(first, q, sum[r][0]);
				sum[r][1] = vf_fma(second, q, sum[r][1]);
			}
		}
		for (size_t r = 0; r < rows; r++) {
			vf_store(s->w->weights + r * TOKENS + t, sum[r][0]);
			vf_store(s->w->weights + r * TOKENS + t + LANES, sum[r][1]);
		}
	}
}

/* Adds the weighted values of the block to `count` vectors of the rescaled results, from `at` on;
 * phase is at % 32. */
INLINE void add_values(const step *s, elm_type type, const void *values, size_t rows, size_t count,
		       size_t at, size_t phase)
{
	const float *factors = s->w->weights;
	const size_t next = has_scales(type) ? MAX_ROWS * TOKENS : 0; /* weights for a group */
	float *const *out = s->out + s->row;
	size_t dim = s->a->head_dim;
	vf sum[MAX_ROWS][4];

	if (has_scales(type))
		factors = s->w->scaled + at / GROUP * next;
	for (size_t r = 0; r < rows; r++)
		for (size_t c = 0; c < count; c++)
			sum[r][c] =
				vf_mul(vf_load(out[r] + at + c * LANES), vf_set(s->w->factor[r]));
	for (size_t t = s->begin; t < s->end; t++) {
		vf value[4];

		for (size_t c = 0; c < count; c++)
			value[c] = element(type, values, dim, t, at + c * LANES,
					   (phase + c * LANES) % GROUP, vf_set(1));
		for (size_t r = 0; r < rows; r++)
			for (size_t c = 0; c < count; c++) {
				size_t group = (phase + c * LANES) / GROUP;
				vf weight = vf_set(factors[group * next + r * TOKENS + t]);

				sum[r][c] = vf_fma(weight, value[c], sum[r][c]);
			}
	}
	for (size_t r = 0; r < rows; r++)
		for (size_t c = 0; c < count; c++)
			vf_store(out[r] + at + c * LANES, sum[r][c]);
}

INLINE void add_all_values(const step *s, elm_type type, const void *values, size_t rows)
{
	const size_t wide = rows == 8 ? 2 : LANES < 16 && rows == 4 ? 2 : 4;
	const size_t span = wide * LANES, unit = span > GROUP ? span : GROUP;
	size_t at = 0, dim = s->a->head_dim;

	for (; at + unit <= dim; at += unit)
		for (size_t phase = 0; phase < unit; phase += span)
			add_values(s, type, values, rows, wide, at + phase, phase);
	for (; at < dim; at += LANES)
		add_values(s, type, values, rows, 1, at, at % GROUP);
}

/* The tokens of block `index` that row `row` sees: [*begin, *end). */
INLINE void visible(const elm__attention *a, size_t row, size_t index, size_t *begin, size_t *end)
{
	size_t position = a->first_position + row / a->group, first = index * TOKENS;
	size_t seen = a->window && position >= a->window ? position - a->window + 1 : 0;

	*begin = seen <= first ? 0 : seen - first < TOKENS ? seen - first : TOKENS;
	*end = position < first ? 0 : position - first < TOKENS ? position - first + 1 : TOKENS;
}

/* The products of row r with the keys of a block, to where its weights go. */
INLINE void sum_products(const step *s, size_t r)
{
	const float *from = s->w->products + r * TOKENS * LANES;

	for (size_t t = 0; t < TOKENS; t += LANES)
		vf_store(s->w->weights + r * TOKENS + t, vf_sums(from + t * LANES));
}

/* Turns the products of row r of the step into weights, and keeps its maximum and sum. Where values
 * have scales, there are weights for each of the `groups` of elements that share them. */
static void weigh(const step *s, size_t r, size_t groups)
{
	static const float order[TOKENS] = { 0,	 1,  2,	 3,  4,	 5,  6,	 7,  8,	 9,  10,
					     11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
					     22, 23, 24, 25, 26, 27, 28, 29, 30, 31 };
	float *to = s->w->weights + r * TOKENS, *peak = &s->max[s->row + r], largest;
	size_t begin, end;
	vf most = vf_set(-INFINITY), sum = vf_set(0);

	visible(s->a, s->row + r, s->index, &begin, &end);
	for (size_t t = 0; t < TOKENS; t += LANES) {
		vf score = vf_mul(vf_load(to + t), vf_set(s->a->scale));

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
		for (size_t g = 0; g < groups; g++)
			vf_store(s->w->scaled + (g * MAX_ROWS + r) * TOKENS + t,
				 vf_mul(weight, vf_load(s->w->v_scales + g * TOKENS + t)));
	}
	s->sum[s->row + r] = s->sum[s->row + r] * s->w->factor[r] + vf_sum(sum);
}

INLINE void run_step(const step *s, elm_type type, size_t rows)
{
	size_t groups = has_scales(type) ? elm__kv_groups(s->a->head_dim) : 0;

	multiply_keys(s, type, rows);
	for (size_t r = 0; r < rows; r++) {
		sum_products(s, r);
		weigh(s, r, groups);
	}
	add_all_values(s, type, s->a->v_blocks[s->index], rows);
}

/* MAX_ROWS rows with a widened block. */
static void run_wide(const step *s)
{
	multiply_wide_keys(s, MAX_ROWS);
	for (size_t r = 0; r < MAX_ROWS; r++)
		weigh(s, r, 0);
	add_all_values(s, ELM_TYPE_F32, s->wide_values, MAX_ROWS);
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

static void run_iq4(const step *s)
{
	run_rows(s, ELM_TYPE_IQ4_NL);
}

/* The scales of a block as floats. */
static void widen_scales(elm_type type, const void *block, size_t dim, float *out)
{
	const uint8_t *scales = (const uint8_t *)elm__kv_scales(type, block, dim);

	for (size_t i = 0; i < TOKENS * elm__kv_groups(dim); i += LANES)
		vf_store(out + i, vf_half(scales + 2 * i));
}

/* Tokens [begin, end) of the block as floats. */
INLINE void widen_tokens(const step *s, elm_type type, size_t begin, size_t end)
{
	const void *keys = s->a->k_blocks[s->index], *values = s->a->v_blocks[s->index];
	size_t dim = s->a->head_dim;

	for (size_t t = begin; t < end; t++)
		for (size_t at = 0; at < dim; at += LANES) {
			size_t scale = at / GROUP * TOKENS + t;
			float key[LANES];

			vf_store(s->wide_values + t * dim + at,
				 element(type, values, dim, t, at, at % GROUP,
					 vf_set(s->w->v_scales[scale])));
			vf_store(key, element(type, keys, dim, t, at, at % GROUP,
					      vf_set(s->w->k_scales[scale])));
			for (size_t i = 0; i < LANES; i++)
				s->wide_keys[(at + i) * TOKENS + t] = key[i];
		}
}

static void widen(const step *s, size_t rows)
{
	elm_type type = s->a->kv_type;
	size_t begin, end, unused;

	visible(s->a, 0, s->index, &begin, &unused);
	visible(s->a, rows - 1, s->index, &unused, &end);
	if (type == ELM_TYPE_F32)
		widen_tokens(s, ELM_TYPE_F32, begin, end);
	else if (type == ELM_TYPE_F16)
		widen_tokens(s, ELM_TYPE_F16, begin, end);
	else if (type == ELM_TYPE_Q8_0)
		widen_tokens(s, ELM_TYPE_Q8_0, begin, end);
	else
		widen_tokens(s, ELM_TYPE_IQ4_NL, begin, end);
}

/* All rows with one block, as many together as fit. */
static void run_block(step *s, size_t rows)
{
	const elm__attention *a = s->a;

	if (has_scales(a->kv_type)) {
		widen_scales(a->kv_type, a->k_blocks[s->index], a->head_dim, s->w->k_scales);
		widen_scales(a->kv_type, a->v_blocks[s->index], a->head_dim, s->w->v_scales);
	}
	if (s->wide_keys)
		widen(s, rows);
	for (s->row = 0; s->row < rows; s->row += s->n) {
		size_t unused;

		for (s->n = MAX_ROWS; s->n > rows - s->row; s->n /= 2)
			;
		visible(a, s->row, s->index, &s->begin, &unused);
		visible(a, s->row + s->n - 1, s->index, &unused, &s->end);
		if (s->begin >= s->end)
			continue;
		if (s->wide_keys && s->n == MAX_ROWS)
			run_wide(s);
		else if (a->kv_type == ELM_TYPE_F32)
			run_f32(s);
		else if (a->kv_type == ELM_TYPE_F16)
			run_f16(s);
		else if (a->kv_type == ELM_TYPE_Q8_0)
			run_q8_0(s);
		else
			run_iq4(s);
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
	if (rows >= WIDE_ROWS) {
		s.wide_keys = s.sum + rows;
		s.wide_values = s.wide_keys + TOKENS * a->head_dim;
		/* Keys that no row sees are multiplied too, and their products dropped. */
		memset(s.wide_keys, 0, TOKENS * a->head_dim * sizeof(float));
	}
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
	size_t rows = queries * group;
	size_t wide = rows < WIDE_ROWS ? 0 : 2 * TOKENS * head_dim * sizeof(float);

	return sizeof(work) + rows * (2 * sizeof(float) + 2 * sizeof(float *)) + wide;
}

static void attention_init(elm__kernels *table)
{
	table->attention = attention;
	table->attention_scratch = attention_scratch;
}

#endif

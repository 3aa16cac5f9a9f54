/*
 * amx_attention.c: attention of many rows (queries times the heads that share the keys) by tiles.
 *
 * Everything is computed transposed, with one row of attention in each of 16 lanes: scores are
 * keys x queries', and results are values' x weights'. So the softmax works down the lanes, weights
 * are pairs of tokens in a lane as the tile product wants its second operand, and nothing needs
 * turning around but the values, once per block of the cache for all rows.
 *
 * Tiles hold bfloat16, so each number is the sum of two and three products are added: high times
 * high, high times low, low times high. That keeps 16 bits of every factor. A cache of any type is
 * turned into tiles block by block.
 *
 * The tile unit and the vector units work side by side: while weights of one item (a block of the
 * cache with one or two tiles of rows) are made from its scores, the scores of the next item and
 * the results of the one before are computed. The queue of the tile unit is short, so the two kinds
 * of work alternate in small pieces.
 *
 * Scores are in units of log 2: queries are multiplied with scale / ln 2 beforehand, except that a
 * softcap wants its argument as it is.
 */
#include <math.h>
#include <string.h>

#include "kernel/kv.h"
#include "kernel/x86/amx.h"
#include "kernel/x86/amx_convert.h"
#include "kernel/x86/amx_tile.h"
#include "quant/blocks.h"

enum {
	LANES = 16,
	TOKENS = ELM__KV_BLOCK,
	BATCH = 16, /* tiles of rows that are worked on together */
	FLOATS = AMX_TILE_BYTES / 4,
	SLACK = 8
};

/* A call's memory. */
typedef struct work {
	const elm__attention *a;
	size_t rows, dim;
	size_t depth;  /* tiles of 32 along a head */
	size_t height; /* tiles of 16 along a head */
	char *queries; /* pair of row tiles, depth, plane, tile of the pair */
	char *keys;    /* depth, plane, half of the block */
	char *values;  /* of VALUES blocks in turn: height, plane */
	float *scores; /* of two items in turn: tile of the pair, half of the block */
	char *weights; /* of two items in turn: tile of the pair, plane */
	float *sums;   /* row tile, height: results so far, a column for each row of attention */
	/* Of each row of the batch: */
	const float **query;
	float **out;
	int32_t *position;
	float *max;
	float *total; /* sum of the weights */
} work;

/* What each row of a row tile sees of a block: tokens [begin, end). */
typedef struct view {
	__m512i begin, end;
	bool any, all;
} view;

/* A block of the cache with row tiles [i, i + n). */
typedef struct item {
	view view[2];
	__m512 max[2], total[2];
	__m512 factor[2]; /* for the results before these are added ... */
	bool rescaled[2]; /* ... where that is not 1 */
	size_t i, n;	  /* n 0: there is no such item */
	size_t index;	  /* of the block */
	bool first;	  /* the first item of its block */
	float *scores;
	char *weights;
	size_t pieces, done; /* of making weights, a pair of tokens each */
	size_t due, slots;   /* places to make them in */
} item;

static size_t divide_up(size_t n, size_t unit)
{
	return (n + unit - 1) / unit;
}

/* --- tiles from the cache and the queries --- */

/*
 * A line of a tile holds 32 elements of a head as pairs (i, i + 16): any order will do as long as
 * keys and queries have the same, and this one takes no shuffling.
 */

static const int8_t iq4_levels[16] = ELM__IQ4_LEVELS;

/* The scale of elements [at, at + 32) of row t of a cache block. */
AMX_INLINE __m512 scale_of(elm_type type, const void *block, size_t dim, size_t t, size_t at)
{
	const uint16_t *scales = elm__kv_scales(type, block, dim);
	uint16_t half = scales[at / ELM__Q8_BLOCK * TOKENS + t];

	return _mm512_cvtph_ps(_mm256_set1_epi16((short)half));
}

/* Elements [at, at + 32) of row t of a cache block; zeros past the head's end. */
AMX_INLINE void load_cached(elm_type type, const void *block, size_t dim, size_t t, size_t at,
			    __m512 *first, __m512 *second)
{
	size_t left = dim - at, i = t * dim + at;
	__mmask16 mask0 = left >= 16 ? 0xffff : (__mmask16)((1u << left) - 1);
	__mmask16 mask1 = left >= 32 ? 0xffff :
			  left <= 16 ? 0 :
				       (__mmask16)((1u << (left - 16)) - 1);

	if (type == ELM_TYPE_F32) {
		*first = _mm512_maskz_loadu_ps(mask0, (const float *)block + i);
		*second = _mm512_maskz_loadu_ps(mask1, (const float *)block + i + 16);
	} else if (type == ELM_TYPE_F16) {
		const uint16_t *row = (const uint16_t *)block + i;

		*first = _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask0, row));
		*second = _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask1, row + 16));
	} else if (type == ELM_TYPE_IQ4_NL) {
		const char *row = (const char *)block + t * elm__kv_code_bytes(type, dim) + at / 2;
		__m512 scale = scale_of(type, block, dim, t, at), levels;
		__m512i codes = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)row));

		levels = _mm512_cvtepi32_ps(
			_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)iq4_levels)));
		*first = _mm512_maskz_permutexvar_ps(mask0, codes, levels);
		*second = _mm512_maskz_permutexvar_ps(mask1, _mm512_srli_epi32(codes, 4), levels);
		*first = _mm512_mul_ps(*first, scale);
		*second = _mm512_mul_ps(*second, scale);
	} else {
		const int8_t *row = (const int8_t *)block + i;
		__m512 scale = scale_of(type, block, dim, t, at);
		__m512i low = _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(mask0, row));
		__m512i high = _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(mask1, row + 16));

		*first = _mm512_mul_ps(_mm512_cvtepi32_ps(low), scale);
		*second = _mm512_mul_ps(_mm512_cvtepi32_ps(high), scale);
	}
}

/* Cuts two vectors down to bfloat16 and what is left of that, and joins them to pairs. */
AMX_INLINE void split_pairs(__m512 even, __m512 odd, __m512i *high, __m512i *low)
{
	const __m512i upper = _mm512_set4_epi32(0x0f0e0f0e, 0x0b0a0b0a, 0x07060706, 0x03020302);
	const __m512 kept = _mm512_castsi512_ps(_mm512_set1_epi32(-0x10000));
	__m512 even_rest = _mm512_sub_ps(even, _mm512_and_ps(even, kept));
	__m512 odd_rest = _mm512_sub_ps(odd, _mm512_and_ps(odd, kept));

	*high = _mm512_mask_shuffle_epi8(_mm512_castps_si512(odd), 0x3333333333333333,
					 _mm512_castps_si512(even), upper);
	*low = _mm512_mask_shuffle_epi8(_mm512_castps_si512(odd_rest), 0x3333333333333333,
					_mm512_castps_si512(even_rest), upper);
}

/* The keys of a block: a line per token. */
AMX_INLINE void load_keys(const work *w, elm_type type, const void *block)
{
	for (size_t k = 0; k < w->depth; k++) {
		__m512i *line = (__m512i *)(w->keys + 4 * k * AMX_TILE_BYTES);

		for (size_t t = 0; t < TOKENS; t++, line++) {
			__m512 first, second;

			load_cached(type, block, w->dim, t, 32 * k, &first, &second);
			split_pairs(first, second, line, line + 2 * LANES);
		}
	}
}

/* The first n values of a block, a line per element, pairs of tokens; what follows is zero. */
AMX_INLINE void load_values(const work *w, elm_type type, const void *block, size_t n)
{
	for (size_t k = 0; k < w->depth; k++) {
		__m512i *tile = (__m512i *)(w->values + 4 * k * AMX_TILE_BYTES);

		for (size_t p = 0; p < TOKENS / 2; p++, tile++) {
			__m512 zero = _mm512_setzero_ps(), a = zero, b = zero, c = zero, d = zero;

			if (2 * p < n)
				load_cached(type, block, w->dim, 2 * p, 32 * k, &a, &b);
			if (2 * p + 1 < n)
				load_cached(type, block, w->dim, 2 * p + 1, 32 * k, &c, &d);
			split_pairs(a, c, tile, tile + 16);
			split_pairs(b, d, tile + 32, tile + 48);
		}
		tile -= TOKENS / 2;
		for (size_t i = 0; i < 4; i++)
			if (2 * k + i / 2 < w->height)
				amx_transpose(tile + 16 * i);
	}
}

static void load_block_keys(const work *w, size_t index)
{
	const void *block = w->a->k_blocks[index];

	if (w->a->kv_type == ELM_TYPE_F32)
		load_keys(w, ELM_TYPE_F32, block);
	else if (w->a->kv_type == ELM_TYPE_F16)
		load_keys(w, ELM_TYPE_F16, block);
	else if (w->a->kv_type == ELM_TYPE_Q8_0)
		load_keys(w, ELM_TYPE_Q8_0, block);
	else
		load_keys(w, ELM_TYPE_IQ4_NL, block);
}

static void load_block_values(const work *w, size_t index)
{
	const void *block = w->a->v_blocks[index];
	size_t n = (size_t)w->a->first_position + w->a->queries - index * TOKENS;

	n = n < TOKENS ? n : TOKENS;
	if (w->a->kv_type == ELM_TYPE_F32)
		load_values(w, ELM_TYPE_F32, block, n);
	else if (w->a->kv_type == ELM_TYPE_F16)
		load_values(w, ELM_TYPE_F16, block, n);
	else if (w->a->kv_type == ELM_TYPE_Q8_0)
		load_values(w, ELM_TYPE_Q8_0, block, n);
	else
		load_values(w, ELM_TYPE_IQ4_NL, block, n);
}

/* Says where the rows of a batch are; `n` of them, with padding, from row `base` of the call on. */
static void find_rows(const work *w, size_t base, size_t n)
{
	const elm__attention *a = w->a;
	size_t query = base / a->group, head = base % a->group;

	for (size_t j = 0; j < n; j++) {
		bool real = base + j < w->rows;

		w->query[j] = real ? a->query + query * a->query_stride + head * w->dim : NULL;
		w->out[j] = real ? a->out + query * a->out_stride + head * w->dim : NULL;
		w->position[j] = (int32_t)(a->first_position + query);
		w->max[j] = -INFINITY;
		w->total[j] = 0;
		if (real && ++head == a->group && query + 1 < a->queries) {
			query++;
			head = 0;
		}
	}
}

/* Row tile `i` of the batch: queries become columns. */
static void load_queries(const work *w, size_t i)
{
	const elm__attention *a = w->a;
	float factor = a->softcap > 0 ? a->scale : a->scale * 1.44269504f;

	for (size_t k = 0; k < w->depth; k++) {
		char *tile = w->queries + (i / 2 * w->depth + k) * 4 * AMX_TILE_BYTES +
			     i % 2 * AMX_TILE_BYTES;
		__m512i *high = (__m512i *)tile, *low = (__m512i *)(tile + 2 * AMX_TILE_BYTES);

		for (size_t j = 0; j < LANES; j++) {
			const float *query = w->query[i * LANES + j];
			__m512 first = _mm512_setzero_ps(), second = first;

			if (query)
				load_cached(ELM_TYPE_F32, query, w->dim, 0, 32 * k, &first,
					    &second);
			first = _mm512_mul_ps(first, _mm512_set1_ps(factor));
			second = _mm512_mul_ps(second, _mm512_set1_ps(factor));
			split_pairs(first, second, high + j, low + j);
		}
		amx_transpose(high);
		amx_transpose(low);
	}
}

/* --- softmax --- */

/*
 * 2^x for x <= SLACK, at most 3e-6 off relatively, which is less than what splitting loses: 2^n
 * times the polynomial of degree 4 that is closest to 2^r for |r| <= 1/2. Lanes not in `mask` are
 * 0, and below 2^-125 only the order of magnitude is right.
 */
AMX_INLINE __m512 exp2_of(__mmask16 mask, __m512 x)
{
	const __m512 magic = _mm512_set1_ps(0x1.8p23f); /* plus x: n in the lowest bits */
	__m512 shifted, r, p = _mm512_set1_ps(9.57010191e-3f);
	__m512i power;

	x = _mm512_max_ps(x, _mm512_set1_ps(-125));
	shifted = _mm512_add_ps(x, magic);
	r = _mm512_sub_ps(x, _mm512_sub_ps(shifted, magic));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.59178603e-2f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(2.40247448e-1f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(6.93121815e-1f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(9.99999261e-1f));
	power = _mm512_slli_epi32(_mm512_castps_si512(shifted), 23);
	return _mm512_castsi512_ps(_mm512_maskz_add_epi32(mask, _mm512_castps_si512(p), power));
}

/* cap * tanh(x / cap) / ln 2 */
static inline __m512 softcapped(__m512 x, float cap)
{
	__m512 size = _mm512_abs_ps(x), one = _mm512_set1_ps(1), e, y;
	__mmask16 negative = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ);

	e = exp2_of(0xffff, _mm512_mul_ps(size, _mm512_set1_ps(-2 * 1.44269504f / cap)));
	y = _mm512_div_ps(_mm512_sub_ps(one, e), _mm512_add_ps(one, e));
	y = _mm512_mul_ps(y, _mm512_set1_ps(cap * 1.44269504f));
	return _mm512_mask_sub_ps(y, negative, _mm512_setzero_ps(), y);
}

static view view_of(const work *w, size_t i, size_t index)
{
	const __m512i zero = _mm512_setzero_si512(), all = _mm512_set1_epi32(TOKENS);
	__m512i first = _mm512_set1_epi32((int)(index * TOKENS));
	__m512i position = _mm512_load_si512(w->position + i * LANES);
	__m512i end = _mm512_sub_epi32(position, first), begin = zero;
	view v;

	end = _mm512_add_epi32(end, _mm512_set1_epi32(1));
	if (w->a->window && w->a->window <= INT32_MAX)
		begin = _mm512_sub_epi32(end, _mm512_set1_epi32((int)w->a->window));
	v.begin = _mm512_min_epi32(_mm512_max_epi32(begin, zero), all);
	v.end = _mm512_min_epi32(_mm512_max_epi32(end, zero), all);
	v.any = _mm512_cmplt_epi32_mask(v.begin, v.end) != 0;
	v.all = (_mm512_cmpneq_epi32_mask(v.begin, zero) | _mm512_cmpneq_epi32_mask(v.end, all)) ==
		0;
	return v;
}

/* The largest scores; softcaps them and hides what is not seen on the way. */
static __m512 finish_scores(const work *w, float *scores, const view *v)
{
	float cap = w->a->softcap;
	__m512 most[2] = { _mm512_set1_ps(-INFINITY), _mm512_set1_ps(-INFINITY) };

	for (int t = 0; t < TOKENS; t++) {
		__m512 x = _mm512_load_ps(scores + t * LANES);

		if (cap > 0)
			x = softcapped(x, cap);
		if (!v->all) {
			__m512i token = _mm512_set1_epi32(t);
			__mmask16 seen = _mm512_cmplt_epi32_mask(token, v->end) &
					 _mm512_cmpge_epi32_mask(token, v->begin);

			x = _mm512_mask_mov_ps(_mm512_set1_ps(-INFINITY), seen, x);
		}
		if (cap > 0 || !v->all)
			_mm512_store_ps(scores + t * LANES, x);
		most[t % 2] = _mm512_max_ps(most[t % 2], x);
	}
	return _mm512_max_ps(most[0], most[1]);
}

/*
 * Finds the maxima of an item's scores, and how much is left of earlier results. The largest weight
 * need not be 1: results are rescaled only when scores have grown by more than SLACK.
 */
static void begin_weights(const work *w, item *it)
{
	const __m512 none = _mm512_set1_ps(-INFINITY), slack = _mm512_set1_ps(SLACK);

	for (size_t j = 0; j < it->n; j++) {
		float *kept = w->max + (it->i + j) * LANES, *total = w->total + (it->i + j) * LANES;
		__m512 before = _mm512_load_ps(kept);
		__m512 max = finish_scores(w, it->scores + 2 * j * FLOATS, &it->view[j]);
		__mmask16 larger =
			_mm512_cmp_ps_mask(max, _mm512_add_ps(before, slack), _CMP_GT_OQ);

		it->total[j] = _mm512_load_ps(total);
		it->rescaled[j] = larger != 0;
		max = _mm512_mask_mov_ps(before, larger, max);
		if (larger) {
			__m512 factor = exp2_of(0xffff, _mm512_sub_ps(before, max));

			factor = _mm512_mask_mov_ps(_mm512_set1_ps(1), larger, factor);
			it->factor[j] = factor;
			it->total[j] = _mm512_mul_ps(it->total[j], factor);
			_mm512_store_ps(kept, max);
		}
		/* A row that has seen nothing: its scores are -inf and its weights must be 0. */
		it->max[j] = _mm512_mask_mov_ps(max, _mm512_cmp_ps_mask(max, none, _CMP_EQ_OQ),
						_mm512_setzero_ps());
	}
	it->pieces = it->n * (TOKENS / 2);
	it->done = it->due = 0;
}

/* Makes the next piece of weights. */
static __attribute__((noinline)) void make_piece(item *it)
{
	const __m512 none = _mm512_set1_ps(-INFINITY);
	size_t j = it->done / (TOKENS / 2), p = it->done % (TOKENS / 2);
	const float *scores = it->scores + 2 * j * FLOATS + 2 * p * LANES;
	__m512i *weights = (__m512i *)(it->weights + 2 * j * AMX_TILE_BYTES) + p;
	__m512 x[2] = { _mm512_load_ps(scores), _mm512_load_ps(scores + LANES) };
	__mmask16 seen[2] = { 0xffff, 0xffff };

	it->done++;
	for (int t = 0; t < 2; t++) {
		if (!it->view[j].all)
			seen[t] = _mm512_cmp_ps_mask(x[t], none, _CMP_NEQ_UQ);
		x[t] = exp2_of(seen[t], _mm512_sub_ps(x[t], it->max[j]));
	}
	it->total[j] = _mm512_add_ps(it->total[j], _mm512_add_ps(x[0], x[1]));
	split_pairs(x[0], x[1], weights, weights + LANES);
}

/* Makes the share of pieces of one of `slots` calls. */
AMX_INLINE void pace(item *it)
{
	for (it->due += it->pieces; it->due >= it->slots; it->due -= it->slots)
		make_piece(it);
}

static void end_weights(const work *w, item *it)
{
	while (it->done < it->pieces)
		make_piece(it);
	for (size_t j = 0; j < it->n; j++)
		_mm512_store_ps(w->total + (it->i + j) * LANES, it->total[j]);
}

/* --- products --- */

/* Scores of both halves of the block at hand with the n row tiles of an item; weights of another
 * item on the side. */
AMX_INLINE void multiply_keys(const work *w, const item *it, int n, item *side)
{
	const char *q = w->queries + it->i / 2 * w->depth * 4 * AMX_TILE_BYTES, *k = w->keys;

	_tile_zero(0);
	_tile_zero(1);
	_tile_zero(2);
	_tile_zero(3);
	for (size_t i = 0; i < w->depth; i++, q += 4 * AMX_TILE_BYTES, k += 4 * AMX_TILE_BYTES) {
		for (int term = 0; term < 3; term++) { /* low keys, both high, low queries */
			if (term < 2) {
				const char *keys = k + (term ? 0 : 2) * AMX_TILE_BYTES;

				_tile_loadd(4, keys, 64);
				_tile_loadd(5, keys + AMX_TILE_BYTES, 64);
			}
			if (term != 1)
				_tile_loadd(6, q + term * AMX_TILE_BYTES, 64);
			_tile_dpbf16ps(0, 4, 6);
			pace(side);
			_tile_dpbf16ps(1, 5, 6);
			pace(side);
			if (n == 1)
				continue;
			if (term != 1)
				_tile_loadd(7, q + (term + 1) * AMX_TILE_BYTES, 64);
			_tile_dpbf16ps(2, 4, 7);
			pace(side);
			_tile_dpbf16ps(3, 5, 7);
			pace(side);
		}
	}
	_tile_stored(0, it->scores, 64);
	_tile_stored(1, it->scores + FLOATS, 64);
	if (n > 1) {
		_tile_stored(2, it->scores + 2 * FLOATS, 64);
		_tile_stored(3, it->scores + 3 * FLOATS, 64);
	}
}

/* Adds the weighted values of an item to its results; weights of another item on the side. */
AMX_INLINE void multiply_values(const work *w, const item *it, int n, item *side)
{
	float *first = w->sums + it->i * w->height * FLOATS, *second = first + w->height * FLOATS;
	const char *v = w->values;

	_tile_loadd(4, it->weights, 64);
	_tile_loadd(5, it->weights + AMX_TILE_BYTES, 64);
	if (n > 1) {
		_tile_loadd(6, it->weights + 2 * AMX_TILE_BYTES, 64);
		_tile_loadd(7, it->weights + 3 * AMX_TILE_BYTES, 64);
	}
	for (size_t d = 0; d < w->height; d++, v += 2 * AMX_TILE_BYTES) {
		_tile_loadd(3, v + AMX_TILE_BYTES, 64);
		_tile_loadd(0, first + d * FLOATS, 64);
		_tile_dpbf16ps(0, 3, 4);
		pace(side);
		if (n > 1) {
			_tile_loadd(1, second + d * FLOATS, 64);
			_tile_dpbf16ps(1, 3, 6);
			pace(side);
		}
		_tile_loadd(2, v, 64);
		_tile_dpbf16ps(0, 2, 4);
		pace(side);
		if (n > 1) {
			_tile_dpbf16ps(1, 2, 6);
			pace(side);
		}
		_tile_dpbf16ps(0, 2, 5);
		pace(side);
		if (n > 1) {
			_tile_dpbf16ps(1, 2, 7);
			pace(side);
		}
		_tile_stored(0, first + d * FLOATS, 64);
		if (n > 1)
			_tile_stored(1, second + d * FLOATS, 64);
	}
}

/* Multiplies the results of a row tile, lane by lane. */
static void rescale(const work *w, size_t i, __m512 factor)
{
	float *sums = w->sums + i * w->height * FLOATS;

	for (size_t d = 0; d < w->height * LANES; d++, sums += LANES)
		_mm512_store_ps(sums, _mm512_mul_ps(_mm512_load_ps(sums), factor));
}

/* --- the loops --- */

/* One step of the pipeline: scores of the item next, weights of the one now, results of the past.
 */
static void advance(const work *w, const item *past, item *now, const item *next)
{
	begin_weights(w, now);
	now->slots = 6 * next->n * w->depth + 3 * past->n * w->height;
	if (next->n && next->first)
		load_block_keys(w, next->index);
	if (past->n && past->first)
		load_block_values(w, past->index);
	for (size_t j = 0; j < past->n; j++)
		if (past->rescaled[j])
			rescale(w, past->i + j, past->factor[j]);
	amx_fence();
	if (next->n == 1)
		multiply_keys(w, next, 1, now);
	else if (next->n == 2)
		multiply_keys(w, next, 2, now);
	if (past->n == 1)
		multiply_values(w, past, 1, now);
	else if (past->n == 2)
		multiply_values(w, past, 2, now);
	end_weights(w, now);
	amx_fence();
}

/* All row tiles of a batch with blocks [first, end). */
static void run_batch(const work *w, size_t tiles, size_t first, size_t end)
{
	item items[3] = { { .n = 0 }, { .n = 0 }, { .n = 0 } };
	item *past = &items[0], *now = &items[1], *next = &items[2], *free_one;
	size_t steps = 0;

	for (size_t index = first; index < end + 2; index++) {
		bool loaded = false, drain = index >= end;

		for (size_t i = 0; i < (drain ? 1 : tiles); i += 2) {
			next->n = drain ? 0 : i + 1 < tiles ? 2 : 1;
			next->i = i;
			for (size_t j = 0; j < next->n; j++)
				next->view[j] = view_of(w, i + j, index);
			if (next->n && !next->view[0].any && !next->view[next->n - 1].any)
				continue;
			next->index = index;
			next->first = !loaded;
			loaded = true;
			next->scores = w->scores + steps % 2 * 4 * FLOATS;
			next->weights = w->weights + steps % 2 * 4 * AMX_TILE_BYTES;
			steps++;
			advance(w, past, now, next);
			free_one = past;
			past = now;
			now = next;
			next = free_one;
		}
	}
}

/* Divides by the totals and turns columns into rows of the output. */
static void finish_tile(const work *w, size_t base, size_t i)
{
	const elm__attention *a = w->a;
	float max[LANES], total[LANES];
	__m512 sum = _mm512_load_ps(w->total + i * LANES), factor;
	size_t rows = w->rows - base - i * LANES;

	factor = _mm512_maskz_div_ps(_mm512_cmp_ps_mask(sum, _mm512_setzero_ps(), _CMP_NEQ_UQ),
				     _mm512_set1_ps(1), sum);
	for (size_t d = 0; d < w->height; d++) {
		float *tile = w->sums + (i * w->height + d) * FLOATS;
		size_t n = w->dim - d * LANES;
		__mmask16 mask = n < LANES ? (__mmask16)((1u << n) - 1) : 0xffff;

		for (size_t j = 0; j < LANES; j++)
			_mm512_store_ps(tile + j * LANES,
					_mm512_mul_ps(_mm512_load_ps(tile + j * LANES), factor));
		amx_transpose((__m512i *)tile);
		for (size_t j = 0; j < LANES && j < rows; j++)
			_mm512_mask_storeu_ps(w->out[i * LANES + j] + d * LANES, mask,
					      _mm512_load_ps(tile + j * LANES));
	}
	_mm512_storeu_ps(max, _mm512_load_ps(w->max + i * LANES));
	_mm512_storeu_ps(total, sum);
	for (size_t j = 0; a->lse && j < LANES && j < rows; j++)
		a->lse[base + i * LANES + j] =
			total[j] == 0 ? -INFINITY : max[j] * 0.69314718f + logf(total[j]);
}

/* Lays out the memory of a call; returns the bytes that it takes, also when there is none yet. */
static size_t lay_out(work *w, size_t rows, size_t dim, char *memory)
{
	size_t tiles = divide_up(rows < BATCH * LANES ? rows : BATCH * LANES, 2 * LANES) * 2;
	uintptr_t at = (uintptr_t)memory;

	w->depth = divide_up(dim, 32);
	w->height = divide_up(dim, LANES);
	w->queries = (char *)at;
	at += tiles * w->depth * 2 * AMX_TILE_BYTES;
	w->keys = (char *)at;
	at += w->depth * 4 * AMX_TILE_BYTES;
	w->values = (char *)at;
	at += w->depth * 4 * AMX_TILE_BYTES;
	w->scores = (float *)at;
	at += 2 * 4 * AMX_TILE_BYTES;
	w->weights = (char *)at;
	at += 2 * 4 * AMX_TILE_BYTES;
	w->sums = (float *)at;
	at += tiles * w->height * AMX_TILE_BYTES;
	w->query = (const float **)at;
	at += tiles * LANES * sizeof(*w->query);
	w->out = (float **)at;
	at += tiles * LANES * sizeof(*w->out);
	w->position = (int32_t *)at;
	at += tiles * LANES * sizeof(int32_t);
	w->max = (float *)at;
	at += tiles * LANES * sizeof(float);
	w->total = (float *)at;
	at += tiles * LANES * sizeof(float);
	return at - (uintptr_t)memory;
}

size_t elm__amx_attention_scratch(size_t queries, size_t group, size_t head_dim)
{
	work w;

	return lay_out(&w, queries * group, head_dim, NULL);
}

void elm__amx_attention(const elm__attention *a)
{
	work w = { .a = a, .rows = (size_t)a->queries * a->group, .dim = a->head_dim };
	size_t first, end;

	lay_out(&w, w.rows, w.dim, a->scratch);
	elm__attention_blocks(a, &first, &end);
	amx_begin();
	for (size_t base = 0; base < w.rows; base += BATCH * LANES) {
		size_t left = w.rows - base;
		size_t tiles = divide_up(left < BATCH * LANES ? left : BATCH * LANES, LANES);

		find_rows(&w, base, tiles * LANES);
		for (size_t i = 0; i < tiles; i++)
			load_queries(&w, i);
		memset(w.sums, 0, tiles * w.height * AMX_TILE_BYTES);
		run_batch(&w, tiles, first, end);
		for (size_t i = 0; i < tiles; i++)
			finish_tile(&w, base, i);
	}
	amx_end();
}

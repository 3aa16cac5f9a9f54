/*
 * amx_attention.c: attention of many rows (queries times the heads that share the keys) by tiles.
 *
 * Everything is computed transposed, with one row of attention in each of 16 lanes: scores are
 * keys x queries', and results are values' x weights'. So the softmax works down the lanes, weights
 * are pairs of tokens in a lane as the tile product wants its second operand, and nothing needs
 * turning around but the values, once per block of the cache for all rows.
 *
 * Tiles hold bfloat16. A score decides by its absolute error, so queries and keys are sums of two
 * numbers each and three products are added: high times high, high times low, low times high. That
 * keeps 16 bits of every factor. A result is an average of values, and unless the caller wants it
 * `fine`, values and weights are rounded to nearest: it is off by 2^-8 of the values at the very
 * most. The sum of the weights is that of the rounded ones. Fine ones are sums of two as well.
 *
 * The cache, of any type, is turned into tiles CHUNK spans of two blocks at a time, for all rows.
 * Spans begin at even blocks, so that what a row gets does not depend on the rows beside it.
 *
 * The tile unit and the vector units work side by side: while weights of one item (a span with one
 * or two tiles of rows) are made from its scores, the scores of the next item and the results of
 * the one before are computed. The queue of the tile unit is short, so the two kinds of work
 * alternate in small pieces.
 *
 * Scores are in units of log 2: queries are multiplied with scale / ln 2 beforehand, except that a
 * softcap wants its argument as it is.
 */
#include <math.h>
#include <string.h>

#include "kernel/kv.h"
#include "kernel/x86/amx.h"
#include "kernel/x86/amx_cached.h"
#include "kernel/x86/amx_convert.h"
#include "kernel/x86/amx_tile.h"

enum {
	LANES = 16,
	TOKENS = ELM__KV_BLOCK,
	SPAN = 2 * TOKENS,
	CHUNK = 8,  /* spans */
	BATCH = 64, /* tiles of rows that are worked on together */
	PIECE = 4,  /* tokens */
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
	char *keys;    /* block of the chunk, depth, plane, half of the block */
	char *values;  /* block of the chunk, plane, height */
	float *scores; /* of two items in turn: tile of the pair, quarter of the span */
	char *weights; /* of two items in turn: tile of the pair, block of the span, plane */
	float *sums;   /* row tile, height: results so far, a column for each row of attention */
	/* Of each row of the batch: */
	const float **query;
	float **out;
	int32_t *position;
	float *max;
	float *total; /* sum of the weights */
} work;

/* Bytes of the keys of a block, and of one plane of its values. */
static size_t keys_bytes(const work *w)
{
	return w->depth * 4 * AMX_TILE_BYTES;
}

static size_t values_bytes(const work *w)
{
	return w->depth * 2 * AMX_TILE_BYTES;
}

/* What each row of a row tile sees of a span: tokens [begin, end). */
typedef struct view {
	__m512i begin, end;
	size_t blocks; /* 0: nothing; 1: nothing of the second */
	bool all;
} view;

/* A span of the cache with row tiles [i, i + n). */
typedef struct item {
	view view[2];
	__m512 max[2], total[2];
	__m512 factor[2]; /* for the results before these are added ... */
	bool rescaled[2]; /* ... where that is not 1 */
	size_t i, n;	  /* n 0: there is no such item */
	size_t blocks;	  /* of the span that any row sees */
	bool fine;
	const char *keys, *values;
	float *scores;
	char *weights;
	size_t pieces, done; /* of making weights, PIECE tokens each */
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

/* The keys of a block: a line per token. */
AMX_INLINE void load_keys(const work *w, elm_type type, const void *block, char *keys)
{
	for (size_t k = 0; k < w->depth; k++) {
		__m512i *line = (__m512i *)(keys + 4 * k * AMX_TILE_BYTES);

		for (size_t t = 0; t < TOKENS; t++, line++) {
			__m512 first, second;

			load_cached(type, block, w->dim, t, 32 * k, &first, &second);
			split_pairs(first, second, line, line + 2 * LANES);
		}
	}
}

/* The first n values of a block, a line per element, pairs of tokens; what follows is zero. */
AMX_INLINE void load_values(const work *w, elm_type type, const void *block, size_t n, char *values)
{
	size_t plane = values_bytes(w) / sizeof(__m512i), planes = w->a->fine ? 2 : 1;

	for (size_t k = 0; k < w->depth; k++) {
		__m512i *tile = (__m512i *)(values + 2 * k * AMX_TILE_BYTES);

		for (size_t p = 0; p < TOKENS / 2; p++, tile++) {
			__m512 zero = _mm512_setzero_ps(), a = zero, b = zero, c = zero, d = zero;

			if (2 * p < n)
				load_cached(type, block, w->dim, 2 * p, 32 * k, &a, &b);
			if (2 * p + 1 < n)
				load_cached(type, block, w->dim, 2 * p + 1, 32 * k, &c, &d);
			if (planes > 1) {
				split_pairs(a, c, tile, tile + plane);
				split_pairs(b, d, tile + LANES, tile + plane + LANES);
			} else {
				tile[0] = pairs_of(rounded(a), rounded(c));
				tile[LANES] = pairs_of(rounded(b), rounded(d));
			}
		}
		tile -= TOKENS / 2;
		for (size_t i = 0; i < 2 * planes; i++)
			if (2 * k + i % 2 < w->height)
				amx_transpose(tile + i / 2 * plane + i % 2 * LANES);
	}
}

AMX_INLINE void load_block_as(const work *w, elm_type type, size_t index, char *keys, char *values)
{
	size_t n = (size_t)w->a->first_position + w->a->queries - index * TOKENS;

	load_keys(w, type, w->a->k_blocks[index], keys);
	load_values(w, type, w->a->v_blocks[index], n < TOKENS ? n : TOKENS, values);
}

/* Block `index` of the cache as block `at` of the chunk. */
static void load_block(const work *w, size_t index, size_t at)
{
	char *keys = w->keys + at * keys_bytes(w), *values = w->values + at * 2 * values_bytes(w);

	if (w->a->kv_type == ELM_TYPE_F32)
		load_block_as(w, ELM_TYPE_F32, index, keys, values);
	else if (w->a->kv_type == ELM_TYPE_F16)
		load_block_as(w, ELM_TYPE_F16, index, keys, values);
	else if (w->a->kv_type == ELM_TYPE_Q8_0)
		load_block_as(w, ELM_TYPE_Q8_0, index, keys, values);
	else
		load_block_as(w, ELM_TYPE_IQ4_NL, index, keys, values);
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

/*
 * The same for weights, which are rounded to 9 bits: at most 7.5e-5 off, relatively. 2^floor(x)
 * times the polynomial of degree 3 that is closest to 2^r for 0 <= r < 1. Of -inf it is 0.
 */
AMX_INLINE __m512 weight_of(__m512 x)
{
	__m512 r = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF), p = _mm512_set1_ps(7.80245227e-2f);

	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(2.26067155e-1f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(6.95833541e-1f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(9.99925219e-1f));
	return _mm512_scalef_ps(p, x);
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

/* What row tile `i` sees of tokens [low, high) of the span that begins with block `index`. */
static view view_of(const work *w, size_t i, size_t index, int low, int high)
{
	const __m512i least = _mm512_set1_epi32(low), most = _mm512_set1_epi32(high);
	__m512i first = _mm512_set1_epi32((int)(index * TOKENS));
	__m512i position = _mm512_load_si512(w->position + i * LANES);
	__m512i end = _mm512_sub_epi32(position, first), begin = least;
	view v;

	end = _mm512_add_epi32(end, _mm512_set1_epi32(1));
	if (w->a->window && w->a->window <= INT32_MAX)
		begin = _mm512_sub_epi32(end, _mm512_set1_epi32((int)w->a->window));
	v.begin = _mm512_min_epi32(_mm512_max_epi32(begin, least), most);
	v.end = _mm512_min_epi32(_mm512_max_epi32(end, least), most);
	v.blocks = 0;
	if (_mm512_cmplt_epi32_mask(v.begin, v.end))
		v.blocks = _mm512_cmpgt_epi32_mask(v.end, _mm512_set1_epi32(TOKENS)) ? 2 : 1;
	v.all = (_mm512_cmpneq_epi32_mask(v.begin, _mm512_setzero_si512()) |
		 _mm512_cmpneq_epi32_mask(v.end, _mm512_set1_epi32(SPAN))) == 0;
	return v;
}

/* The largest scores; softcaps them and hides what is not seen on the way. */
static __m512 finish_scores(const work *w, float *scores, size_t tokens, const view *v)
{
	float cap = w->a->softcap;
	__m512 most[2] = { _mm512_set1_ps(-INFINITY), _mm512_set1_ps(-INFINITY) };

	if (v->all && cap <= 0) {
		for (size_t t = 0; t < tokens; t += 2)
			for (size_t i = 0; i < 2; i++)
				most[i] = _mm512_max_ps(most[i],
							_mm512_load_ps(scores + (t + i) * LANES));
		return _mm512_max_ps(most[0], most[1]);
	}
	for (size_t t = 0; t < tokens; t++) {
		__m512 x = _mm512_load_ps(scores + t * LANES);

		if (cap > 0)
			x = softcapped(x, cap);
		if (!v->all) {
			__m512i token = _mm512_set1_epi32((int)t);
			__mmask16 seen = _mm512_cmplt_epi32_mask(token, v->end) &
					 _mm512_cmpge_epi32_mask(token, v->begin);

			x = _mm512_mask_mov_ps(_mm512_set1_ps(-INFINITY), seen, x);
		}
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
		__m512 max = finish_scores(w, it->scores + 4 * j * FLOATS, it->blocks * TOKENS,
					   &it->view[j]);
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
	it->pieces = it->n * it->blocks * (TOKENS / PIECE);
	it->done = it->due = 0;
}

/* Makes the next piece of weights. */
static __attribute__((noinline)) void make_piece(item *it)
{
	const __m512i kept = _mm512_set1_epi32(-0x10000);
	size_t each = it->blocks * (TOKENS / PIECE), j = it->done >= each;
	size_t token = (it->done - j * each) * PIECE, block = 2 * j + token / TOKENS;
	const float *scores = it->scores + 4 * j * FLOATS + token * LANES;
	__m512i *weights =
		(__m512i *)(it->weights + 2 * block * AMX_TILE_BYTES) + token % TOKENS / 2;
	__m512 x[PIECE];

	it->done++;
	for (int t = 0; t < PIECE; t++)
		x[t] = _mm512_sub_ps(_mm512_load_ps(scores + t * LANES), it->max[j]);
	if (it->fine) {
		for (int t = 0; t < PIECE; t++)
			x[t] = exp2_of(_mm512_cmp_ps_mask(x[t], _mm512_set1_ps(-INFINITY),
							  _CMP_NEQ_UQ),
				       x[t]);
		for (int p = 0; p < PIECE / 2; p++)
			split_pairs(x[2 * p], x[2 * p + 1], weights + p, weights + LANES + p);
	} else {
		__m512i bits[PIECE];

		for (int t = 0; t < PIECE; t++) {
			bits[t] = rounded(weight_of(x[t]));
			x[t] = _mm512_castsi512_ps(_mm512_and_si512(bits[t], kept));
		}
		for (int p = 0; p < PIECE / 2; p++)
			weights[p] = pairs_of(bits[2 * p], bits[2 * p + 1]);
	}
	x[0] = _mm512_add_ps(_mm512_add_ps(x[0], x[1]), _mm512_add_ps(x[2], x[3]));
	it->total[j] = _mm512_add_ps(it->total[j], x[0]);
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

/* Scores of both halves of block `b` of an item's span with its n row tiles; weights of another
 * item on the side. */
AMX_INLINE void multiply_block(const work *w, const item *it, size_t b, int n, item *side)
{
	const char *q = w->queries + it->i / 2 * w->depth * 4 * AMX_TILE_BYTES;
	const char *k = it->keys + b * keys_bytes(w);
	float *scores = it->scores + b * 2 * FLOATS;

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
	_tile_stored(0, scores, 64);
	_tile_stored(1, scores + FLOATS, 64);
	if (n > 1) {
		_tile_stored(2, scores + 4 * FLOATS, 64);
		_tile_stored(3, scores + 5 * FLOATS, 64);
	}
}

AMX_INLINE void multiply_keys(const work *w, const item *it, int n, item *side)
{
	for (size_t b = 0; b < it->blocks; b++)
		multiply_block(w, it, b, n, side);
}

/* How tiles of values and weights are multiplied. */
typedef enum terms {
	ONE,  /* the first of both */
	TWO,  /* the first of both, the second of both */
	SPLIT /* those of two planes: high times high, low times high, high times low */
} terms;

/* Adds elements [d, d + 16) of values that are weighted. A macro, as the numbers of tiles are
 * constants: those of sums that follow each other should differ. */
#define ADD_VALUES(SUM, d)                                               \
	do {                                                             \
		_tile_loadd(SUM, sums + (d)*FLOATS, 64);                 \
		_tile_loadd(6, first + (d)*AMX_TILE_BYTES, 64);          \
		_tile_dpbf16ps(SUM, 6, 4);                               \
		pace(side);                                              \
		if (kind != ONE) {                                       \
			_tile_loadd(7, second + (d)*AMX_TILE_BYTES, 64); \
			if (kind == TWO)                                 \
				_tile_dpbf16ps(SUM, 7, 5);               \
			else                                             \
				_tile_dpbf16ps(SUM, 7, 4);               \
			pace(side);                                      \
		}                                                        \
		if (kind == SPLIT) {                                     \
			_tile_dpbf16ps(SUM, 6, 5);                       \
			pace(side);                                      \
		}                                                        \
		_tile_stored(SUM, sums + (d)*FLOATS, 64);                \
	} while (0)

AMX_INLINE void add_values(const work *w, terms kind, float *sums, const char *first,
			   const char *second, const char *weights, const char *more, item *side)
{
	_tile_loadd(4, weights, 64);
	if (kind != ONE)
		_tile_loadd(5, more, 64);
	for (size_t d = 0; d < w->height; d += 4) {
		ADD_VALUES(0, d);
		if (d + 1 < w->height)
			ADD_VALUES(1, d + 1);
		if (d + 2 < w->height)
			ADD_VALUES(2, d + 2);
		if (d + 3 < w->height)
			ADD_VALUES(3, d + 3);
	}
}

/* Adds the weighted values of an item to its results; weights of another item on the side. */
static void multiply_values(const work *w, const item *it, item *side)
{
	size_t plane = values_bytes(w);
	const char *v = it->values;

	for (size_t j = 0; j < it->n; j++) {
		float *sums = w->sums + (it->i + j) * w->height * FLOATS;
		const char *own = it->weights + 4 * j * AMX_TILE_BYTES;
		const char *next = own + 2 * AMX_TILE_BYTES;

		if (it->fine) {
			add_values(w, SPLIT, sums, v, v + plane, own, own + AMX_TILE_BYTES, side);
			if (it->blocks > 1)
				add_values(w, SPLIT, sums, v + 2 * plane, v + 3 * plane, next,
					   next + AMX_TILE_BYTES, side);
		} else if (it->blocks > 1) {
			add_values(w, TWO, sums, v, v + 2 * plane, own, next, side);
		} else {
			add_values(w, ONE, sums, v, NULL, own, NULL, side);
		}
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
	now->slots = next->n * next->blocks * w->depth * 6 +
		     past->n * past->blocks * w->height * (past->fine ? 3 : 1);
	for (size_t j = 0; j < past->n; j++)
		if (past->rescaled[j])
			rescale(w, past->i + j, past->factor[j]);
	amx_fence();
	if (next->n == 1)
		multiply_keys(w, next, 1, now);
	else if (next->n == 2)
		multiply_keys(w, next, 2, now);
	multiply_values(w, past, now);
	end_weights(w, now);
	amx_fence();
}

typedef struct pipeline {
	item items[3];
	size_t steps;
} pipeline;

/* Sends an item through; one with n 0 only pushes the others on. */
static void push(const work *w, pipeline *p, const item *it)
{
	size_t at = p->steps++;
	item *next = &p->items[at % 3];

	*next = *it;
	next->fine = w->a->fine;
	next->scores = w->scores + at % 2 * 8 * FLOATS;
	next->weights = w->weights + at % 2 * 8 * AMX_TILE_BYTES;
	advance(w, &p->items[(at + 1) % 3], &p->items[(at + 2) % 3], next);
}

/* Row tiles i and, where there is one, i + 1 with blocks [first, end), for which the chunk has
 * places from the even block `base` on. */
static void push_rows(const work *w, pipeline *p, size_t i, size_t tiles, size_t base, size_t first,
		      size_t end)
{
	for (size_t b = base; b < end; b += 2) {
		int low = b < first ? TOKENS : 0, high = b + 1 < end ? SPAN : TOKENS;
		item it = { .i = i, .n = i + 1 < tiles ? 2 : 1 };

		for (size_t j = 0; j < it.n; j++) {
			it.view[j] = view_of(w, i + j, b, low, high);
			if (it.blocks < it.view[j].blocks)
				it.blocks = it.view[j].blocks;
		}
		it.keys = w->keys + (b - base) * keys_bytes(w);
		it.values = w->values + (b - base) * 2 * values_bytes(w);
		if (it.blocks)
			push(w, p, &it);
	}
}

/* All row tiles of a batch with blocks [first, end). */
static void run_batch(const work *w, size_t tiles, size_t first, size_t end)
{
	const item none = { .n = 0 };
	pipeline p = { .steps = 0 };

	for (size_t base = first & ~(size_t)1; base < end; base += 2 * CHUNK) {
		size_t stop = end - base < 2 * CHUNK ? end : base + 2 * CHUNK;

		/* A block before the first: no row sees it, but its weights of 0 are multiplied. */
		if (base < first) {
			memset(w->keys, 0, keys_bytes(w));
			memset(w->values, 0, 2 * values_bytes(w));
		}
		for (size_t b = base < first ? first : base; b < stop; b++)
			load_block(w, b, b - base);
		amx_fence();
		for (size_t i = 0; i < tiles; i += 2)
			push_rows(w, &p, i, tiles, base, first, stop);
		push(w, &p, &none);
		push(w, &p, &none);
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
	at += 2 * CHUNK * keys_bytes(w);
	w->values = (char *)at;
	at += 2 * CHUNK * 2 * values_bytes(w);
	w->scores = (float *)at;
	at += 2 * 8 * AMX_TILE_BYTES;
	w->weights = (char *)at;
	at += 2 * 8 * AMX_TILE_BYTES;
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

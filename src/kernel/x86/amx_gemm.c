/*
 * amx_gemm.c: matrix products of many rows with bfloat16 tiles and float accumulation.
 *
 * The product of up to 512 inputs with a part of the matrix's rows runs in nested blocks:
 *
 *   for each slice of k, 512 long            inputs of the slice stay in L2 (512 KB)
 *     for each panel of 32 output rows       weights of panel and slice stay in L1 (32 KB)
 *       for each pair of 16 inputs           4 tiles of sums, 16 steps of 4 tile products
 *
 * Sums lie in the output itself and pass through L1 once per slice; they are asked for a pair
 * ahead. What this order avoids is reading the inputs from L3 more than once: there the bandwidth
 * is a third of what a step uses.
 *
 * Few inputs take slices of 2048: then weights, whose decoding bounds the time, are read in long
 * pieces.
 *
 * Weights are decoded to bfloat16 once per call, a panel ahead of its use: the tile unit works
 * through a queue of products on its own, 16 cycles each, and the vector instructions that decode
 * the next panel are spread between those products so that they run in its shadow.
 *
 * What bounds this is the traffic from L2: a step loads 4 KB in its 64 cycles, and L2 gives about
 * 47 bytes per cycle here. So the half that is read again and again, the weights, must stay in L1,
 * and the inputs are loaded with the hint (TILELOADDT1) that keeps them from pushing the weights
 * out.
 *
 * Plain (F32, F16, BF16) weights are not rounded: they and the inputs are split into the sum of two
 * bfloat16 numbers, and the products of high with high, high with low and low with high are added.
 * That keeps 16 bits of each factor.
 */
#include "kernel/x86/amx.h"

#include <string.h>

#include "kernel/x86/amx_convert.h"
#include "kernel/x86/amx_decode.h"
#include "kernel/x86/amx_plain.h"
#include "kernel/x86/amx_tile.h"

enum {
	TILE = 16,	     /* rows of a tile */
	TILE_K = 32,	     /* inputs in a tile's row */
	PANEL = 2 * TILE,    /* output rows decoded together */
	CHUNK = 256 * PANEL, /* output rows at a time */
	BLOCK_M = 512,	     /* inputs at a time */
	UNITS = 4,	     /* in which a weight tile is decoded */
	SLICE = 16,	     /* tiles of k in a slice */
	FEW = 128,	 /* as many inputs fit in L2 with more of their columns, and weights ... */
	LONG_SLICE = 64, /* ... are then better read in long pieces than kept in L1 */
	PANEL_BYTES = 2 * LONG_SLICE * AMX_TILE_BYTES,
	LINE = TILE * 4,		/* bytes of a row of a tile of sums */
	SUMS_BYTES = PANEL * PANEL * 4, /* of a pair of input tiles and a panel */
	EDGES = (CHUNK + BLOCK_M) / PANEL,
};

static size_t divide_up(size_t n, size_t unit)
{
	return (n + unit - 1) / unit;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* --- inputs ---
 *
 * The form of the inputs: slice after slice; in it pairs of tiles of 16 inputs (the last pair may
 * be a single tile); in it the tiles of k, for each first the tile or tiles of the pair, then, in
 * split inputs, those of the low parts. A tile is 1 KB, in the order in which products read it.
 */
typedef struct layout {
	size_t tiles_m, tiles_k;
	size_t slice;  /* tiles of k in a slice */
	size_t planes; /* 1, or 2 when split */
} layout;

static layout layout_of(size_t m, size_t cols, unsigned form)
{
	size_t planes = form == ELM__FORM_BF16_SPLIT ? 2 : 1;

	return (layout){ .tiles_m = divide_up(m, TILE),
			 .tiles_k = divide_up(cols, TILE_K),
			 .slice = (m <= FEW ? LONG_SLICE : SLICE) / planes,
			 .planes = planes };
}

/* Tiles before the pair that begins at tile m0 (even) of the slice that begins at tile k0. */
static size_t pair_offset(const layout *l, size_t m0, size_t k0)
{
	size_t depth = smaller(l->slice, l->tiles_k - k0);

	return (k0 * l->tiles_m + m0 * depth) * l->planes;
}

/* The tiles of 16 inputs, whose memory is written from front to back. */
static void prepare_tile(const layout *l, const elm__activations *x, char *base, size_t m)
{
	size_t m0 = m / 2 * 2, width = smaller(2, l->tiles_m - m0);

	for (size_t k = 0; k < l->tiles_k; k++) {
		size_t k0 = k / l->slice * l->slice;
		size_t at = pair_offset(l, m0, k0) + (k - k0) * width * l->planes + (m - m0);
		char *line = base + at * AMX_TILE_BYTES;

		for (size_t row = m * TILE; row < (m + 1) * TILE; row++, line += 64) {
			const float *in = x->f32 + row * x->f32_stride;
			__m512 first = _mm512_setzero_ps(), second = first;

			if (row < x->rows)
				amx_load_floats(in, k * TILE_K, x->cols, &first, &second);
			if (l->planes == 1)
				_mm512_store_si512(line, amx_round(first, second));
			else
				amx_split(first, second, line, line + width * AMX_TILE_BYTES);
		}
	}
}

void elm__amx_prepare(elm__activations *x, unsigned form, size_t row0, size_t row1)
{
	layout l = layout_of(x->rows, x->cols, form);
	char *base = form == ELM__FORM_BF16 ? x->bf16 : x->bf16_split;

	for (size_t m = row0 / TILE; m < divide_up(row1, TILE); m++)
		prepare_tile(&l, x, base, m);
}

size_t elm__amx_bf16_bytes(size_t m, size_t cols)
{
	return divide_up(m, TILE) * divide_up(cols, TILE_K) * AMX_TILE_BYTES;
}

/* --- weights --- */

typedef struct decoder {
	amx_begin_fn begin; /* NULL: the rows are not packed */
	amx_unit_fn unit;
	size_t blocks;	     /* of 32 in a packed block, a power of two */
	int width, zero;     /* bits of a code, the code of zero */
	const float *levels; /* what codes stand for instead */
} decoder;

static const float iq4_levels[] = ELM__IQ4_LEVELS;

static const decoder decoders[ELM_TYPE_LIMIT] = {
	[ELM_TYPE_F32] = { .unit = amx_plain, .blocks = 1 },
	[ELM_TYPE_F16] = { .unit = amx_plain, .blocks = 1 },
	[ELM_TYPE_BF16] = { .unit = amx_plain, .blocks = 1 },
	[ELM_TYPE_Q4_0] = { amx_begin_scale, amx_nibbles, 1, 4, 8, NULL },
	[ELM_TYPE_Q4_1] = { amx_begin_minimum, amx_nibbles, 1, 4, 0, NULL },
	[ELM_TYPE_Q5_0] = { amx_begin_scale, amx_nibbles_bits1, 1, 5, 16, NULL },
	[ELM_TYPE_Q5_1] = { amx_begin_minimum, amx_nibbles_bits1, 1, 5, 0, NULL },
	[ELM_TYPE_Q8_0] = { amx_begin_q8_0, amx_octets, 1, 8, 128, NULL },
	[ELM_TYPE_IQ4_NL] = { amx_begin_scale, amx_nibbles, 1, 4, 0, iq4_levels },
	[ELM_TYPE_Q2_K] = { amx_begin_q2_k, amx_bits2, 8, 2, 0, NULL },
	[ELM_TYPE_Q3_K] = { amx_begin_q3_k, amx_bits1_bits2, 8, 3, 4, NULL },
	[ELM_TYPE_Q4_K] = { amx_begin_q4_k, amx_nibbles, 8, 4, 0, NULL },
	[ELM_TYPE_Q5_K] = { amx_begin_q5_k, amx_nibbles_bits1, 8, 5, 0, NULL },
	[ELM_TYPE_Q6_K] = { amx_begin_q6_k, amx_nibbles_bits2, 8, 6, 32, NULL },
	[ELM_TYPE_IQ4_XS] = { amx_begin_iq4_xs, amx_nibbles, 8, 4, 0, iq4_levels },
};

/* A panel of weights and how far its decoding has come: tiles come in the order in which they lie
 * in memory, those of one k together. */
typedef struct panel {
	amx_block block; /* the tile at hand */
	amx_unit_fn unit;
	char *tile;
	size_t u;		 /* the next unit of the tile */
	size_t due, share, step; /* of `pace` */
	size_t units;		 /* left to decode */

	const elm__matrix *w;
	const decoder *decoder;
	char *tiles, *next;    /* the first tile, the tile after the one at hand */
	const uint8_t *packed; /* the packed block at hand, of the first group of rows */
	size_t packed_bytes;   /* of a packed block */
	size_t row;	       /* first row */
	size_t width;	       /* tiles of 16 rows: 1 or 2 */
	size_t low;	       /* bytes from a tile to the one with its low part; 0: none */
	size_t k, n;	       /* the next tile: its block of k, its place in the width */
} panel;

/* Also asks for what the next panel reads in the same place: what is far apart in memory is no
 * stream that the processor would recognise. */
static __attribute__((noinline)) void begin_tile(panel *p)
{
	const decoder *d = p->decoder;

	if (d->begin) {
		const uint8_t *block = p->packed + p->n * p->w->group_bytes;
		const uint8_t *soon = block + (PANEL / TILE) * p->w->group_bytes;
		size_t bytes = p->packed_bytes / d->blocks, s = p->k & (d->blocks - 1);

		d->begin(block, s, &p->block);
		for (size_t i = 0; i < bytes; i += 64)
			_mm_prefetch(soon + s * bytes + i, _MM_HINT_T1);
	} else {
		amx_set_plain(&p->block, p->w, p->row + p->n * TILE, p->k * TILE_K, p->low);
	}
	p->tile = p->next;
	p->next += AMX_TILE_BYTES;
	if (++p->n < p->width)
		return;
	p->n = 0;
	p->next += p->low;
	if ((++p->k & (d->blocks - 1)) == 0)
		p->packed += p->packed_bytes;
}

/* Decodes the next unit. */
static __attribute__((noinline)) void decode_unit(panel *p)
{
	size_t u = p->u;

	if (u == 0)
		begin_tile(p);
	p->u = (u + 1) % UNITS;
	p->units--;
	p->unit(&p->block, u, (__m512i *)p->tile);
}

/* Decodes its share of the panel at one of `step` calls. */
AMX_INLINE void pace(panel *p)
{
	for (p->due += p->share; p->due >= p->step; p->due -= p->step)
		decode_unit(p);
}

/* --- products --- */

/*
 * The products of one step: `m` tiles of inputs by `n` tiles of weights, each followed by its share
 * of the decoding: the queue of the tile unit is short, about a step. Tiles 0..3 are sums, 4 and 5
 * inputs, 6 and 7 weights.
 */
AMX_INLINE void multiply(const char *a, const char *b, bool load_a, bool load_b, int m, int n,
			 panel *next)
{
	if (load_b)
		_tile_loadd(6, b, 64);
	if (load_a)
		_tile_stream_loadd(4, a, 64);
	_tile_dpbf16ps(0, 4, 6);
	pace(next);
	if (n > 1) {
		if (load_b)
			_tile_loadd(7, b + AMX_TILE_BYTES, 64);
		_tile_dpbf16ps(1, 4, 7);
		pace(next);
	}
	if (m > 1) {
		if (load_a)
			_tile_stream_loadd(5, a + AMX_TILE_BYTES, 64);
		_tile_dpbf16ps(2, 5, 6);
		pace(next);
	}
	if (m > 1 && n > 1) {
		_tile_dpbf16ps(3, 5, 7);
		pace(next);
	}
}

/* `terms` is 1, or for split inputs 2 (weights are exact) or 3. */
AMX_INLINE void step(const char *a, const char *b, int m, int n, int terms, panel *next)
{
	if (terms > 1)
		multiply(a + m * AMX_TILE_BYTES, b, true, true, m, n, next);
	multiply(a, b, true, terms == 1, m, n, next);
	if (terms > 2)
		multiply(a, b + n * AMX_TILE_BYTES, false, true, m, n, next);
}

typedef struct block {
	const char *a, *b;
	size_t depth;	  /* steps */
	char *sums;	  /* of up to 32 inputs, rows of up to 32 floats */
	size_t stride;	  /* bytes from row to row of the sums */
	bool first;	  /* nothing in the sums yet */
	const char *soon; /* sums to prefetch, of the same stride, or NULL */
} block;

AMX_INLINE void load_sums(const block *g, int m, int n)
{
	const char *lower = g->sums + TILE * g->stride;

	_tile_loadd(0, g->sums, g->stride);
	if (n > 1)
		_tile_loadd(1, g->sums + LINE, g->stride);
	if (m > 1)
		_tile_loadd(2, lower, g->stride);
	if (m > 1 && n > 1)
		_tile_loadd(3, lower + LINE, g->stride);
}

AMX_INLINE void zero_sums(void)
{
	_tile_zero(0);
	_tile_zero(1);
	_tile_zero(2);
	_tile_zero(3);
}

AMX_INLINE void store_sums(const block *g, int m, int n)
{
	char *lower = g->sums + TILE * g->stride;

	_tile_stored(0, g->sums, g->stride);
	if (n > 1)
		_tile_stored(1, g->sums + LINE, g->stride);
	if (m > 1)
		_tile_stored(2, lower, g->stride);
	if (m > 1 && n > 1)
		_tile_stored(3, lower + LINE, g->stride);
}

AMX_INLINE void run_block(const block *g, panel *next, int m, int n, int terms)
{
	size_t planes_a = terms > 1 ? 2 : 1, planes_b = terms > 2 ? 2 : 1;
	const char *a = g->a, *b = g->b, *soon = g->soon;

	if (g->first)
		zero_sums();
	else
		load_sums(g, m, n);
	for (size_t t = 0; t < g->depth; t++) {
		step(a, b, m, n, terms, next);
		a += (size_t)m * planes_a * AMX_TILE_BYTES;
		b += (size_t)n * planes_b * AMX_TILE_BYTES;
		if (soon && t < PANEL / 2)
			for (int i = 0; i < 2; i++, soon += g->stride) {
				__builtin_prefetch(soon, 1);
				__builtin_prefetch(soon + LINE, 1);
			}
	}
	store_sums(g, m, n);
}

typedef void (*block_fn)(const block *g, panel *next);

#define BLOCK_FN(m, n, terms)                                        \
	static void block_##m##n##terms(const block *g, panel *next) \
	{                                                            \
		run_block(g, next, m, n, terms);                     \
	}
BLOCK_FN(1, 1, 1)
BLOCK_FN(1, 2, 1)
BLOCK_FN(2, 1, 1)
BLOCK_FN(2, 2, 1)
BLOCK_FN(1, 1, 2)
BLOCK_FN(1, 2, 2)
BLOCK_FN(2, 1, 2)
BLOCK_FN(2, 2, 2)
BLOCK_FN(1, 1, 3)
BLOCK_FN(1, 2, 3)
BLOCK_FN(2, 1, 3)
BLOCK_FN(2, 2, 3)
#undef BLOCK_FN

static const block_fn block_fns[3][2][2] = {
	{ { block_111, block_121 }, { block_211, block_221 } },
	{ { block_112, block_122 }, { block_212, block_222 } },
	{ { block_113, block_123 }, { block_213, block_223 } },
};

/* One product: constant while it runs. */
typedef struct product {
	const elm__matrix *w;
	const elm__activations *x;
	float *y;
	size_t y_stride, row0, row1;
	layout inputs;
	const char *a;
	int terms;
	size_t m0, m1;	/* tiles of inputs at hand: [m0, m1) */
	char *edges;	/* see place */
	char *panel[2]; /* weights in use and weights being decoded */
} product;

/* A place in the loops over slices and panels. */
typedef struct cursor {
	size_t k0, row;
} cursor;

static bool advance(const product *p, cursor *at)
{
	at->row += PANEL;
	if (at->row < p->row1)
		return true;
	at->row = p->row0;
	at->k0 += p->inputs.slice;
	return at->k0 < p->inputs.tiles_k;
}

static size_t depth_at(const product *p, const cursor *at)
{
	return smaller(p->inputs.slice, p->inputs.tiles_k - at->k0);
}

/* A panel that is to be decoded while `products` tile products run. */
static panel panel_at(const product *p, const cursor *at, char *tiles, size_t products)
{
	const elm__matrix *w = p->w;
	const decoder *d = &decoders[w->type];
	size_t blocks = w->cols / (d->blocks * TILE_K);
	panel out = {
		.w = w,
		.decoder = d,
		.unit = d->unit,
		.tiles = tiles,
		.next = tiles,
		.row = at->row,
		.width = divide_up(smaller(PANEL, p->row1 - at->row), TILE),
		.k = at->k0,
		.step = products,
	};

	if (p->terms > 2)
		out.low = out.width * AMX_TILE_BYTES;
	out.units = out.share = UNITS * out.width * depth_at(p, at);
	if (d->begin) {
		amx_set_constants(&out.block, d->width, d->zero, d->levels);
		out.packed_bytes = w->group_bytes / blocks;
		out.packed = (const uint8_t *)w->data + at->row / TILE * w->group_bytes +
			     at->k0 / d->blocks * out.packed_bytes;
	}
	return out;
}

/* Where a pair of tiles of inputs and a panel have their sums: in the output if all of the 32 x 32
 * belong there, otherwise in `edges`, from where they are copied when they are complete. Only the
 * last pair of inputs and the last panel have such places. */
typedef struct place {
	char *sums;
	size_t stride, inputs, outputs;
	bool edge;
} place;

static place place_at(const product *p, const cursor *at, size_t m)
{
	place out = {
		.sums = (char *)(p->y + m * TILE * p->y_stride + at->row),
		.stride = p->y_stride * sizeof(float),
		.inputs = smaller(PANEL, p->x->rows - m * TILE),
		.outputs = smaller(PANEL, p->row1 - at->row),
	};

	if (out.inputs == PANEL && out.outputs == PANEL)
		return out;
	size_t slot =
		out.inputs < PANEL ? (at->row - p->row0) / PANEL : CHUNK / PANEL + (m - p->m0) / 2;

	out.sums = p->edges + slot * SUMS_BYTES;
	out.stride = PANEL * sizeof(float);
	out.edge = true;
	return out;
}

static void copy_edge(const product *p, const place *from, float *y)
{
	for (size_t i = 0; i < from->inputs; i++, y += p->y_stride)
		memcpy(y, from->sums + i * from->stride, from->outputs * sizeof(float));
}

/* All inputs with one panel and slice. */
static void run_panel(const product *p, const cursor *at, const panel *now, panel *next)
{
	size_t depth = depth_at(p, at);
	bool last = at->k0 + depth == p->inputs.tiles_k;
	place here = place_at(p, at, p->m0), then = here;

	for (size_t m = p->m0; m < p->m1; m += 2, here = then) {
		size_t tiles = smaller(2, p->m1 - m);
		block g = {
			.a = p->a + pair_offset(&p->inputs, m, at->k0) * AMX_TILE_BYTES,
			.b = now->tiles,
			.depth = depth,
			.sums = here.sums,
			.stride = here.stride,
			.first = at->k0 == 0,
		};

		if (m + 2 < p->m1) {
			then = place_at(p, at, m + 2);
			if (then.edge == here.edge)
				g.soon = then.sums;
		}
		block_fns[p->terms - 1][tiles - 1][now->width - 1](&g, next);
		if (here.edge && last) {
			amx_fence();
			copy_edge(p, &here, p->y + m * TILE * p->y_stride + at->row);
		}
	}
}

static void run_inputs(product *p)
{
	cursor at = { .row = p->row0 }, then = at;
	panel now = panel_at(p, &at, p->panel[0], 1), next;
	size_t use = 0, products;
	bool more = true;

	while (now.units)
		decode_unit(&now);
	for (; more; at = then, now = next) {
		use ^= 1;
		products = (p->m1 - p->m0) * now.width * depth_at(p, &at) * (size_t)p->terms;
		more = advance(p, &then);
		next = panel_at(p, more ? &then : &at, p->panel[use], products);
		if (!more)
			next.share = 0;
		amx_fence();
		run_panel(p, &at, &now, &next);
	}
}

/* How many products split numbers need for this type; 1: numbers are rounded. */
static int terms_of(elm_type type)
{
	switch (type) {
	case ELM_TYPE_F32:
	case ELM_TYPE_F16:
		return 3;
	case ELM_TYPE_BF16:
		return 2;
	default:
		return 1;
	}
}

unsigned elm__amx_form(const elm__matrix *w)
{
	if (!w->interleave)
		return terms_of(w->type) > 1 ? ELM__FORM_BF16_SPLIT : 0;
	return w->interleave == TILE && decoders[w->type].begin ? ELM__FORM_BF16 : 0;
}

void elm__amx_matmul(const elm__matrix *w, const elm__activations *x, float *y, size_t y_stride,
		     size_t row0, size_t row1, void *scratch)
{
	char *memory = scratch;
	unsigned form = elm__amx_form(w);
	product p = {
		.w = w,
		.x = x,
		.y = y,
		.y_stride = y_stride,
		.inputs = layout_of(x->rows, x->cols, form),
		.a = form == ELM__FORM_BF16 ? x->bf16 : x->bf16_split,
		.terms = terms_of(w->type),
		.panel = { memory, memory + PANEL_BYTES },
		.edges = memory + 2 * PANEL_BYTES,
	};

	if (row0 >= row1)
		return;
	amx_begin();
	for (p.row0 = row0; p.row0 < row1; p.row0 = p.row1) {
		p.row1 = smaller(p.row0 + CHUNK, row1);
		for (p.m0 = 0; p.m0 < p.inputs.tiles_m; p.m0 = p.m1) {
			p.m1 = smaller(p.m0 + BLOCK_M / TILE, p.inputs.tiles_m);
			run_inputs(&p);
		}
	}
	amx_end();
}

size_t elm__amx_matmul_scratch(void)
{
	return 2 * PANEL_BYTES + EDGES * SUMS_BYTES;
}

/*
 * products.h: products with packed weights, for one ARM tier: include its dot_*.h first, and after
 * this file its tile_*.h.
 *
 * One row of inputs (a step of generation) takes 16 rows of weights at a time: each vector of codes
 * is used once, so what counts is how few instructions are spent beside the dot products. Types of
 * 256 weights multiply by their integer scales before sums become floats.
 *
 * Several rows hold 32 inputs of 8 rows of weights in registers, decoded once, and run down the
 * rows of inputs four at a time; the float sums of a chunk of rows wait in the first-level cache.
 */
#ifndef ELM_KERNEL_ARM_PRODUCTS_H
#define ELM_KERNEL_ARM_PRODUCTS_H

#include "kernel/kernel.h"

enum {
	TILE = 4,		 /* rows of inputs */
	PAIR = 8,		 /* rows of weights of a tile: two slices */
	CHUNK_BYTES = 128 << 10, /* of inputs in int8, to stay in the second-level cache */
	CHUNK_MIN = 16,
	CHUNK_MAX = 128, /* rows of inputs: their sums stay in the first-level cache */
};

/*
 * What the inputs contribute whatever the weights are, for each half-block where scales are of
 * half-blocks, else for each block: where the sums of a biased type begin, -bias * (sum of the
 * integers), and what the offsets of a type multiply, the sum of the inputs.
 */
typedef struct sides {
	int32_t *start;
	float *sum;
} sides;

/* The inputs [row0, row0 + rows); sides of block b and row i are at (b * rows + i) * halves. */
static void prepare_sides(elm_type type, const elm__activations *x, size_t row0, size_t rows,
			  const sides *s)
{
	size_t stride = elm__q8_rows(x->rows), blocks = elm__q8_blocks(x->cols), at = 0;
	int bias = elm__packed_bias(type), parts = elm__packed_halves(type);

	if (!bias && !elm__packed_has_offset(type))
		return;
	for (size_t b = 0; b < blocks; b++)
		for (size_t i = 0; i < rows; i++, at += (size_t)parts) {
			size_t k = b * stride + row0 + i;
			float scale = x->q8_scale[k],
			      sum[2] = { x->q8_sum[2 * k], x->q8_sum[2 * k + 1] };

			if (parts == 1)
				sum[0] += sum[1];
			for (int h = 0; h < parts; h++)
				if (bias)
					s->start[at + (size_t)h] = -bias * (int32_t)sum[h];
				else
					s->sum[at + (size_t)h] = scale * sum[h];
		}
}

/* --- one row of inputs --- */

typedef struct one_row {
	const int8_t *q8;
	const float *scale;
	sides side;
} one_row;

/* A block of 32 of it. */
typedef struct one_block {
	inputs in;
	float32x4_t scale;
	int32x4_t start[2]; /* of half-blocks: the sums of a biased type */
	float32x4_t sum[2]; /* the sums of inputs, for a type with offsets */
} one_block;

INLINE one_block load_block(elm_type type, const one_row *x, size_t k)
{
	one_block b = {
		load_inputs(x->q8 + 32 * k), vld1q_dup_f32(x->scale + k), { { 0 } }, { { 0 } }
	};
	const size_t parts = (size_t)elm__packed_halves(type);

	for (size_t h = 0; h < parts; h++) {
		b.start[h] = elm__packed_bias(type) ? vld1q_dup_s32(x->side.start + k * parts + h) :
						      vdupq_n_s32(0);
		if (elm__packed_has_offset(type))
			b.sum[h] = vld1q_dup_f32(x->side.sum + k * parts + h);
	}
	return b;
}

/* Keeps loads that follow behind it. Else a compiler starts more of them than it has registers. */
#define KEEP_ORDER() __asm__ volatile("" ::: "memory")

/* Quads u and u + 4 of slice i. Both belong to sum 0, or each to that of its half-block. */
INLINE void dot_step(elm_type type, const uint8_t *codes, int i, int u, const one_block *x,
		     dot d[2][2])
{
	const int range = elm__packed_range(type);
	int8x16_t low = load_code(type, codes, u), high = load_code(type, codes, u + 4);

	if (elm__packed_halves(type) == 2) {
		dot_add(&d[0][i], low, &x->in, u, u, 4, range);
		dot_add(&d[1][i], high, &x->in, u + 4, u, 4, range);
	} else {
		dot_add(&d[0][i], low, &x->in, u, 2 * u, 8, range);
		dot_add(&d[0][i], high, &x->in, u + 4, 2 * u + 1, 8, range);
	}
}

/*
 * The integer dot products of two slices with a block of the inputs, half-blocks apart where their
 * scales are. Codes are used as they are decoded, so that few registers hold them; slices alternate
 * because their codes are neighbours that one instruction loads.
 */
INLINE void dot_pair(elm_type type, const uint8_t *codes, const one_block *x, int32x4_t out[2][2])
{
	const int parts = elm__packed_halves(type);
	const uint8_t *next = codes + 16;
	dot d[2][2];

	for (int h = 0; h < parts; h++) {
		dot_begin(&d[h][0], x->start[h]);
		dot_begin(&d[h][1], x->start[h]);
	}
	dot_step(type, codes, 0, 0, x, d);
	dot_step(type, next, 1, 0, x, d);
	dot_step(type, codes, 0, 1, x, d);
	dot_step(type, next, 1, 1, x, d);
	KEEP_ORDER();
	dot_step(type, codes, 0, 2, x, d);
	dot_step(type, next, 1, 2, x, d);
	dot_step(type, codes, 0, 3, x, d);
	dot_step(type, next, 1, 3, x, d);
	KEEP_ORDER();
	for (int h = 0; h < parts; h++) {
		out[h][0] = dot_end(&d[h][0], x->start[h]);
		out[h][1] = dot_end(&d[h][1], x->start[h]);
	}
}

/* Adds a block of 32 to slices 2 p and 2 p + 1 of the sums. */
INLINE void small_block_pair(elm_type type, const uint8_t *block, int p, const one_block *x,
			     float32x4_t sum[SLICES])
{
	float32x4_t d[2], m[2];
	int32x4_t dots[2][2];

	dot_pair(type, block + header_bytes(type) + 32 * p, x, dots);
	load_halves(block + 16 * p, d);
	if (elm__packed_has_offset(type))
		load_halves(block + 2 * LANES + 16 * p, m);
	for (int i = 0; i < 2; i++) {
		const int c = 2 * p + i;
		float32x4_t scale = vmulq_f32(d[i], x->scale);

		sum[c] = vfmaq_f32(sum[c], vcvtq_f32_s32(dots[0][i]), scale);
		if (elm__packed_has_offset(type))
			sum[c] = vfmaq_f32(sum[c], m[i], x->sum[0]);
	}
}

/* A group of a type with blocks of 32. */
INLINE void one_group_small(elm_type type, const uint8_t *group, const one_row *x, size_t blocks,
			    float32x4_t sum[SLICES])
{
	for (size_t k = 0; k < blocks; k++, group += block_bytes(type)) {
		one_block in = load_block(type, x, k);

		small_block_pair(type, group, 0, &in, sum);
		small_block_pair(type, group, 1, &in, sum);
	}
}

/* Adds slices 2 p and 2 p + 1 of a sub-block to the sums of its block of 256; d and dmin are yet to
 * be applied. */
INLINE void sub_block_pair(elm_type type, const uint8_t *codes, const bytes_of_scales *scales,
			   const widening *wide, int p, const one_block *x, float32x4_t sum[SLICES],
			   float32x4_t offset[SLICES])
{
	const int parts = elm__packed_halves(type);
	int32x4_t dots[2][2];

	dot_pair(type, codes + 32 * p, x, dots);
	for (int i = 0; i < 2; i++) {
		const int c = 2 * p + i;
		int32x4_t scaled =
			vmulq_s32(dots[0][i], widen_scales(type, scales->scale[0], c, wide));

		if (parts == 2)
			scaled = vmlaq_s32(scaled, dots[1][i],
					   widen_scales(type, scales->scale[1], c, wide));
		sum[c] = vfmaq_f32(sum[c], vcvtq_f32_s32(scaled), x->scale);
		for (int h = 0; h < parts && elm__packed_has_offset(type); h++)
			offset[c] = vfmaq_f32(offset[c], widen_minima(scales->minimum[h], c, wide),
					      x->sum[h]);
	}
}

/* Sub-block s0 + phase. */
INLINE void one_sub_block(elm_type type, const uint8_t *block, int s0, int phase,
			  const widening *wide, const one_row *x, size_t k, float32x4_t sum[SLICES],
			  float32x4_t offset[SLICES])
{
	const size_t halves = elm__packed_has_offset(type) ? 4 * LANES : 2 * LANES;
	const uint8_t *codes = block + header_bytes(type) + (size_t)(s0 + phase) * code_bytes(type);
	one_block in = load_block(type, x, k);
	bytes_of_scales scales;

	load_scales(type, block + halves, s0, phase, &scales);
	sub_block_pair(type, codes, &scales, wide, 0, &in, sum, offset);
	sub_block_pair(type, codes, &scales, wide, 1, &in, sum, offset);
}

/* A group of a type with blocks of 256. */
INLINE void one_group_super(elm_type type, const uint8_t *group, const one_row *x, size_t blocks,
			    float32x4_t sum[SLICES])
{
	widening wide = load_widening();

	for (size_t k = 0; k < blocks; k += 8, group += block_bytes(type)) {
		float32x4_t part[SLICES], offset[SLICES], d[SLICES];

		for (int c = 0; c < SLICES; c++)
			part[c] = offset[c] = vdupq_n_f32(0);
		for (int s = 0; s < 8; s += 4) {
			one_sub_block(type, group, s, 0, &wide, x, k + (size_t)s, part, offset);
			one_sub_block(type, group, s, 1, &wide, x, k + (size_t)s + 1, part, offset);
			one_sub_block(type, group, s, 2, &wide, x, k + (size_t)s + 2, part, offset);
			one_sub_block(type, group, s, 3, &wide, x, k + (size_t)s + 3, part, offset);
		}
		load_halves(group, d);
		load_halves(group + 16, d + 2);
		for (int c = 0; c < SLICES; c++)
			sum[c] = vfmaq_f32(sum[c], part[c], d[c]);
		if (!elm__packed_has_offset(type))
			continue;
		load_halves(group + 2 * LANES, d);
		load_halves(group + 2 * LANES + 16, d + 2);
		for (int c = 0; c < SLICES; c++)
			sum[c] = vfmsq_f32(sum[c], offset[c], d[c]);
	}
}

INLINE const uint8_t *group_of(const elm__matrix *m, size_t row)
{
	return (const uint8_t *)m->data + row / LANES * m->group_bytes;
}

INLINE void multiply_one(elm_type type, const elm__matrix *m, const elm__activations *x, float *y,
			 size_t row0, size_t row1, float *scratch)
{
	one_row in = { x->q8, x->q8_scale, { (int32_t *)(void *)scratch, scratch } };
	size_t blocks = elm__q8_blocks(x->cols);

	prepare_sides(type, x, 0, 1, &in.side);
	for (size_t r = row0; r < row1; r += LANES) {
		float32x4_t sum[SLICES] = { vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0),
					    vdupq_n_f32(0) };
		float last[LANES], *out = row1 - r >= LANES ? y + r : last;

		if (elm__packed_subs(type) == 1)
			one_group_small(type, group_of(m, r), &in, blocks, sum);
		else
			one_group_super(type, group_of(m, r), &in, blocks, sum);
		for (int c = 0; c < SLICES; c++)
			vst1q_f32(out + 4 * c, sum[c]);
		for (size_t j = 0; out == last && r + j < row1; j++)
			y[r + j] = last[j];
	}
}

/* --- several rows of inputs --- */

/* 32 inputs of PAIR rows of weights. */
typedef struct weights {
	int8x16_t code[2][8];	  /* of a slice, as the tile wants them */
	float32x4_t scale[2][2];  /* of a half-block and a slice */
	float32x4_t offset[2][2]; /* only of types that have one */
} weights;

/* Both for the whole of a weight and an input: one adds `n` rows of inputs (a multiple of TILE) at
 * q8 to their sums, PAIR floats each; the other puts the codes in the order that it wants. */
INLINE void multiply_tiles(elm_type type, const weights *w, const int8_t *q8, const float *scale,
			   sides side, size_t n, float *sums);
INLINE void arrange_codes(int8x16_t code[8]);

/* Slices 2 p and 2 p + 1 of sub-block s0 + phase. */
INLINE void load_weights(elm_type type, const uint8_t *block, int s0, int phase, int p,
			 const widening *wide, weights *w)
{
	const bool offset = elm__packed_has_offset(type);
	const uint8_t *codes = block + header_bytes(type) + (size_t)(s0 + phase) * code_bytes(type);
	float32x4_t d[2], dmin[2];
	bytes_of_scales scales;

	load_halves(block + 16 * p, d);
	if (offset)
		load_halves(block + 2 * LANES + 16 * p, dmin);
	if (elm__packed_subs(type) > 1)
		load_scales(type, block + (offset ? 4 : 2) * LANES, s0, phase, &scales);
	for (int i = 0; i < 2; i++) {
		const int c = 2 * p + i;

		for (int q = 0; q < 8; q++)
			w->code[i][q] = load_code(type, codes + 16 * c, q);
		arrange_codes(w->code[i]);
		w->scale[0][i] = d[i];
		if (offset)
			w->offset[0][i] = dmin[i];
		for (int h = 0; h < elm__packed_halves(type) && elm__packed_subs(type) > 1; h++) {
			int32x4_t scale = widen_scales(type, scales.scale[h], c, wide);

			w->scale[h][i] = vmulq_f32(d[i], vcvtq_f32_s32(scale));
			if (offset)
				w->offset[h][i] = vnegq_f32(vmulq_f32(
					dmin[i], widen_minima(scales.minimum[h], c, wide)));
		}
	}
}

/* A block of 32 of one pair of slices with rows [row0, row0 + rows) of the inputs. */
INLINE void many_block(elm_type type, const uint8_t *block, int s0, int phase, int p,
		       const elm__activations *x, size_t b, size_t row0, size_t rows, sides side,
		       float *sums)
{
	size_t k = b * elm__q8_rows(x->rows) + row0;
	size_t at = b * rows * (size_t)elm__packed_halves(type);
	sides here = { side.start + at, side.sum + at };
	widening wide = load_widening();
	weights w;

	load_weights(type, block, s0, phase, p, &wide, &w);
	multiply_tiles(type, &w, x->q8 + 32 * k, x->q8_scale + k, here, rows, sums);
}

/* Slices 2 p and 2 p + 1 of a group with a chunk of the inputs. */
INLINE void many_pair(elm_type type, const uint8_t *group, int p, const elm__activations *x,
		      size_t row0, size_t rows, sides side, float *sums)
{
	const int subs = elm__packed_subs(type);

	for (size_t i = 0; i < rows * PAIR; i++)
		sums[i] = 0;
	for (size_t b = 0, n = elm__q8_blocks(x->cols); b < n; group += block_bytes(type)) {
		if (subs == 1)
			many_block(type, group, 0, 0, p, x, b++, row0, rows, side, sums);
		for (int s = 0; s < subs && subs > 1; s += 4) {
			many_block(type, group, s, 0, p, x, b++, row0, rows, side, sums);
			many_block(type, group, s, 1, p, x, b++, row0, rows, side, sums);
			many_block(type, group, s, 2, p, x, b++, row0, rows, side, sums);
			many_block(type, group, s, 3, p, x, b++, row0, rows, side, sums);
		}
	}
}

/* Rows of inputs that are taken through all weights together. */
static size_t chunk_rows(size_t cols)
{
	size_t rows = CHUNK_BYTES / (cols + 1) / TILE * TILE;

	return rows < CHUNK_MIN ? CHUNK_MIN : rows > CHUNK_MAX ? CHUNK_MAX : rows;
}

INLINE void multiply_many(elm_type type, const elm__matrix *m, const elm__activations *x, float *y,
			  size_t y_stride, size_t row0, size_t row1, float *scratch)
{
	size_t chunk = chunk_rows(x->cols), padded = elm__q8_rows(x->rows);
	float *sums = scratch, *after = scratch + chunk * PAIR;
	sides side = { (int32_t *)(void *)after, after };

	for (size_t i = 0; i < padded; i += chunk) {
		size_t rows = padded - i < chunk ? padded - i : chunk;
		size_t real = x->rows - i < rows ? x->rows - i : rows;

		prepare_sides(type, x, i, rows, &side);
		for (size_t r = row0; r < row1; r += PAIR) {
			size_t width = row1 - r < PAIR ? row1 - r : PAIR;

			if (r % LANES == 0)
				many_pair(type, group_of(m, r), 0, x, i, rows, side, sums);
			else
				many_pair(type, group_of(m, r), 1, x, i, rows, side, sums);
			for (size_t j = 0; j < real; j++)
				for (size_t l = 0; l < width; l++)
					y[(i + j) * y_stride + r + l] = sums[j * PAIR + l];
		}
	}
}

INLINE size_t multiply_scratch(size_t max_m, size_t max_cols)
{
	size_t rows = max_m > 1 ? CHUNK_MAX : 1, chunk = chunk_rows(max_cols);

	if (chunk > rows)
		chunk = rows;
	return (rows * PAIR + chunk * 2 * elm__q8_blocks(max_cols)) * sizeof(float);
}

/* --- all types --- */

/* Functions of their own for each type, so that a compiler allots registers to each apart. */
#define ELM_PACKED_TYPES(apply)                                                               \
	apply(Q4_0) apply(Q4_1) apply(Q5_0) apply(Q5_1) apply(Q8_0) apply(IQ4_NL) apply(Q2_K) \
		apply(Q3_K) apply(Q4_K) apply(Q5_K) apply(Q6_K) apply(IQ4_XS)

#define ELM_PRODUCT(name)                                                                      \
	static __attribute__((noinline)) void one_##name(const elm__matrix *m,                 \
							 const elm__activations *x, float *y,  \
							 size_t y_stride, size_t row0,         \
							 size_t row1, float *scratch)          \
	{                                                                                      \
		(void)y_stride;                                                                \
		multiply_one(ELM_TYPE_##name, m, x, y, row0, row1, scratch);                   \
	}                                                                                      \
	static __attribute__((noinline)) void many_##name(const elm__matrix *m,                \
							  const elm__activations *x, float *y, \
							  size_t y_stride, size_t row0,        \
							  size_t row1, float *scratch)         \
	{                                                                                      \
		multiply_many(ELM_TYPE_##name, m, x, y, y_stride, row0, row1, scratch);        \
	}

#define ELM_PRODUCT_ENTRY(name) [ELM_TYPE_##name] = { one_##name, many_##name },

/* products[type][0] is for one row of inputs, products[type][1] for several. */
#define ELM_PRODUCT_TABLE                                                                       \
	ELM_PACKED_TYPES(ELM_PRODUCT)                                                           \
	static void (*const products[ELM_TYPE_LIMIT][2])(                                       \
		const elm__matrix *, const elm__activations *, float *, size_t, size_t, size_t, \
		float *) = { ELM_PACKED_TYPES(ELM_PRODUCT_ENTRY) };

#endif

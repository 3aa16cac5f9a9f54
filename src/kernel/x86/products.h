/*
 * products.h: products with packed weights, for the vectors of one tier (include vec_*.h and
 * weights.h first).
 *
 * One row of inputs (a step of generation) reads every weight once, so memory sets the pace: what
 * counts is a plain sequential stream, and arithmetic to spare goes into the second plane of the
 * inputs. Several rows hold 32 inputs of GROUPS x LANES weight rows in registers, decoded once, and
 * run down the rows of inputs; the float sums of a chunk of rows wait in the first-level cache.
 *
 * Sums of integers become floats without a conversion: an accumulator begins as the bits of
 * MAGIC = 1.5 * 2^23, so that its bits, read as a float, are MAGIC + sum (|sum| < 2^22: at most
 * 32 * 255 * 127 here), and one multiply-add yields scale * (MAGIC + sum) - scale * MAGIC, exact
 * but for the last rounding: scales have 17 significant bits at most. A bias of the codes costs
 * nothing either: the accumulator begins at MAGIC - bias * (sum of the inputs).
 */
#ifndef ELM_KERNEL_X86_PRODUCTS_H
#define ELM_KERNEL_X86_PRODUCTS_H

#include "kernel/kernel.h"
#include "kernel/simd/fetch.h"
#include "kernel/x86/weights.h"

#define MAGIC 0x1.8p23f

enum {
	CHUNK_BYTES = 384 << 10, /* of inputs in int8, to stay in the second-level cache */
	CHUNK_MIN = 32,
	CHUNK_MAX = 192 /* rows: their sums stay in the first-level cache */
};

/* Rows of inputs that are taken through all weights together. */
static size_t chunk_rows(size_t cols)
{
	size_t rows = CHUNK_BYTES / (cols + 1) / TILE * TILE;

	return rows < CHUNK_MIN ? CHUNK_MIN : rows > CHUNK_MAX ? CHUNK_MAX : rows;
}

/* --- one row of inputs --- */

/*
 * What the product of one row needs to know of each 32 inputs, in units of q8_low: the scale, and
 * for each half-block, or once, what the accumulators begin with for a biased type, the sum of the
 * inputs for one with offsets.
 */
typedef struct row_sides {
	const float *scale;
	const int32_t *start;
	const float *sum;
} row_sides;

static row_sides prepare_row(elm_type type, const elm__activations *x, float *scratch)
{
	const size_t blocks = elm__q8_blocks(x->cols), parts = (size_t)elm__packed_halves(type);
	int32_t *start = (int32_t *)(void *)(scratch + blocks);
	float *sum = scratch + blocks;

	for (size_t k = 0; k < blocks; k++)
		scratch[k] = x->q8_scale[k] * ELM__Q16_STEP;
	for (size_t i = 0; i < blocks * parts; i++) {
		float both = 256 * x->q8_sum[2 / parts * i] + x->q8_low_sum[2 / parts * i];

		if (parts == 1)
			both += 256 * x->q8_sum[2 * i + 1] + x->q8_low_sum[2 * i + 1];
		if (elm__packed_has_offset(type))
			sum[i] = both;
		else
			start[i] = -bias(type) * (int32_t)both;
	}
	return (row_sides){ scratch, start, sum };
}

/* Adds 32 inputs to the sums of one group of rows. */
INLINE vf one_block(elm_type type, const weights *w, const elm__activations *x,
		    const row_sides *sides, size_t k, vf sum)
{
	const int parts = elm__packed_halves(type), quads = 8 / parts, range = code_range(type);
	vf total = vf_set(0);

	for (int h = 0; h < parts; h++) {
		const vi *codes = w->code + 4 * h;
		const size_t at = 32 * k + 16 * (size_t)h, side = (size_t)parts * k + (size_t)h;
		vi high = vi_dot(vi_set32(0), codes, x->q8 + at, quads, range);
		vi start = elm__packed_has_offset(type) || !bias(type) ?
				   vi_set32(0) :
				   vi_set32(sides->start[side]);
		vi low = vi_dot(start, codes, x->q8_low + at, quads, range);
		vf dot = vf_from_int(vi_add32(vi_left32(high, 8), low));

		total = h ? vf_fma(dot, w->scale[h], total) : vf_mul(dot, w->scale[h]);
		if (elm__packed_has_offset(type))
			total = vf_fma(w->offset[h], vf_set(sides->sum[side]), total);
	}
	return vf_fma(total, vf_set(sides->scale[k]), sum);
}

/* The sums of one group of rows. */
INLINE vf one_group(elm_type type, const uint8_t *group, const elm__activations *x,
		    const row_sides *sides)
{
	const size_t bytes = packed_block_bytes(type), part = code_bytes(type);
	const int subs = elm__packed_subs(type);
	vf sum = vf_set(0);

	for (size_t k = 0, n = elm__q8_blocks(x->cols); k < n; k += (size_t)subs, group += bytes) {
		block_scales scales = load_block_scales(type, group);

		fetch_ahead(group, header_bytes(type));
#pragma GCC unroll 8
		for (int s = 0; s < subs; s++) {
			weights w;

			load_weights(type, group, s, &scales, &w);
			fetch_ahead(group + header_bytes(type) + (size_t)s * part, part);
			sum = one_block(type, &w, x, sides, k + (size_t)s, sum);
			/* Ends a piece of code for the compiler, which would gather the fetches of
			 * all parts in one place, where they wait for each other. */
			__asm__ volatile("" : "+x"(sum));
		}
	}
	return sum;
}

/* --- several rows of inputs --- */

/*
 * For each row of a chunk and each 32 (or 16, where scales cover half-blocks) inputs: what the
 * accumulators begin with for a biased type, the sum of the inputs for one with offsets.
 */
static void prepare_sides(elm_type type, const elm__activations *x, size_t row0, size_t rows,
			  float *sides)
{
	size_t stride = elm__q8_rows(x->rows), blocks = elm__q8_blocks(x->cols);
	float factor = elm__packed_has_offset(type) ? 1.0f : -(float)bias(type);
	float start = elm__packed_has_offset(type) ? 0.0f : MAGIC;

	for (size_t b = 0; b < blocks; b++) {
		const float *sums = x->q8_sum + 2 * (b * stride + row0);

		for (size_t i = 0; i < rows; i++)
			if (elm__packed_halves(type) == 2) {
				sides[2 * (b * rows + i)] = start + factor * sums[2 * i];
				sides[2 * (b * rows + i) + 1] = start + factor * sums[2 * i + 1];
			} else {
				sides[b * rows + i] =
					start + factor * (sums[2 * i] + sums[2 * i + 1]);
			}
	}
}

/* One tile of inputs with `groups` groups of rows, the part h of a block of 32. */
INLINE void tile_block(elm_type type, int groups, const weights *w, int h, const int8_t *x,
		       const float *sides, const float *scale, float *sums)
{
	const int parts = elm__packed_halves(type), quads = 8 / parts;
	const int step = DOT_STEP < quads ? DOT_STEP : quads;
	vi dot[TILE][GROUPS];

	for (int i = 0; i < TILE; i++) {
		vi start = elm__packed_has_offset(type) || !bias(type) ?
				   vi_from_bits(vf_set(MAGIC)) :
				   vi_from_bits(vf_set(sides[parts * i + h]));

		for (int g = 0; g < groups; g++)
			dot[i][g] = start;
	}
	for (int q = 0; q < quads; q += step)
		for (int i = 0; i < TILE; i++)
			for (int g = 0; g < groups; g++)
				dot[i][g] =
					vi_dot(dot[i][g], w[g].code + 4 * h + q,
					       x + 32 * i + 16 * h + 4 * q, step, code_range(type));
	for (int i = 0; i < TILE; i++)
		for (int g = 0; g < groups; g++) {
			float *at = sums + (i * groups + g) * LANES;
			vf value = vf_unmagic(dot[i][g], w[g].scale[h]);

			if (elm__packed_has_offset(type))
				value = vf_fma(w[g].offset[h], vf_set(sides[parts * i + h]), value);
			vf_store(at, vf_fma(value, vf_set(scale[i]), vf_load(at)));
		}
}

/* Rows [row0, row0 + rows) of the inputs with `groups` groups of weight rows; sums as
 * [rows][groups][LANES]. */
INLINE void many_groups(elm_type type, int groups, const uint8_t *const *group, size_t group_bytes,
			const elm__activations *x, size_t row0, size_t rows, const float *sides,
			float *sums)
{
	const int subs = elm__packed_subs(type), parts = elm__packed_halves(type);
	size_t stride = elm__q8_rows(x->rows), blocks = elm__q8_blocks(x->cols);
	size_t part = packed_block_bytes(type) / (size_t)subs, fetched = 0;

	for (size_t i = 0; i < rows * (size_t)groups * LANES; i += LANES)
		vf_store(sums + i, vf_set(0));
	for (size_t b = 0; b < blocks; b++) {
		size_t at = b / (size_t)subs * packed_block_bytes(type);
		const int8_t *q8 = x->q8 + 32 * (b * stride + row0);
		const float *scale = x->q8_scale + b * stride + row0;
		const float *side = sides + (size_t)parts * b * rows;
		weights w[GROUPS];

		for (int g = 0; g < groups; g++) {
			block_scales scales = load_block_scales(type, group[g] + at);

			load_weights(type, group[g] + at, (int)(b % (size_t)subs), &scales, &w[g]);
			fetch_pieces_ahead(group[g], fetched, part, group_bytes,
					   group_bytes * (size_t)(groups - 1));
		}
		fetched += part;
		for (int h = 0; h < parts; h++)
			for (size_t i = 0; i < rows; i += TILE)
				tile_block(type, groups, w, h, q8 + 32 * i,
					   side + (size_t)parts * i, scale + i,
					   sums + i * (size_t)groups * LANES);
	}
}

/* --- the whole product --- */

/* Writes the sums of `rows` rows of inputs for weight rows [r, row1). */
static void write_sums(const float *sums, size_t width, size_t rows, float *y, size_t y_stride,
		       size_t r, size_t row1)
{
	size_t n = row1 - r < width ? row1 - r : width;

	for (size_t i = 0; i < rows; i++)
		for (size_t j = 0; j < n; j++)
			y[i * y_stride + r + j] = sums[i * width + j];
}

INLINE const uint8_t *group_of(const elm__matrix *m, size_t row)
{
	return (const uint8_t *)m->data + row / LANES * m->group_bytes;
}

INLINE void multiply_one(elm_type type, const elm__matrix *m, const elm__activations *x, float *y,
			 size_t row0, size_t row1, float *scratch)
{
	const row_sides sides = prepare_row(type, x, scratch);

	for (size_t r = row0; r < row1; r += LANES) {
		vf sum = one_group(type, group_of(m, r), x, &sides);

		if (row1 - r >= LANES) {
			vf_store(y + r, sum);
		} else {
			float last[LANES];

			vf_store(last, sum);
			write_sums(last, LANES, 1, y, 0, r, row1);
		}
	}
}

INLINE void multiply_many(elm_type type, const elm__matrix *m, const elm__activations *x, float *y,
			  size_t y_stride, size_t row0, size_t row1, float *scratch)
{
	size_t chunk = chunk_rows(x->cols), padded = elm__q8_rows(x->rows);
	float *sums = scratch, *sides = scratch + CHUNK_MAX * GROUPS * LANES;

	for (size_t i = 0; i < padded; i += chunk) {
		size_t rows = padded - i < chunk ? padded - i : chunk;
		size_t real = x->rows - i < rows ? x->rows - i : rows;

		prepare_sides(type, x, i, rows, sides);
		for (size_t r = row0; r < row1;) {
			const uint8_t *group[GROUPS] = { group_of(m, r) };
			int groups = row1 - r > LANES * (GROUPS - 1) ? GROUPS : 1;

			for (int g = 1; g < groups; g++)
				group[g] = group_of(m, r + (size_t)g * LANES);
			if (groups == GROUPS)
				many_groups(type, GROUPS, group, m->group_bytes, x, i, rows, sides,
					    sums);
			else
				many_groups(type, 1, group, m->group_bytes, x, i, rows, sides,
					    sums);
			write_sums(sums, (size_t)groups * LANES, real, y + i * y_stride, y_stride,
				   r, row1);
			r += (size_t)groups * LANES;
		}
	}
}

static size_t multiply_scratch(size_t max_cols)
{
	/* chunk_rows(cols) * blocks for any number of columns up to max_cols, see there. */
	size_t most = CHUNK_BYTES / ELM__Q8_BLOCK + CHUNK_MAX;
	size_t least = CHUNK_MIN * elm__q8_blocks(max_cols);

	return (CHUNK_MAX * GROUPS * LANES + 2 * (most > least ? most : least)) * sizeof(float);
}

/* One function for each type; `type` becomes a constant in each. */
typedef void product_fn(const elm__matrix *m, const elm__activations *x, float *y, size_t y_stride,
			size_t row0, size_t row1, float *scratch);

#define DEFINE_PRODUCT(type)                                                                    \
	static void product_##type(const elm__matrix *m, const elm__activations *x, float *y,   \
				   size_t y_stride, size_t row0, size_t row1, float *scratch)   \
	{                                                                                       \
		if (x->rows == 1)                                                               \
			multiply_one(ELM_TYPE_##type, m, x, y, row0, row1, scratch);            \
		else                                                                            \
			multiply_many(ELM_TYPE_##type, m, x, y, y_stride, row0, row1, scratch); \
	}

DEFINE_PRODUCT(Q4_0)
DEFINE_PRODUCT(Q4_1)
DEFINE_PRODUCT(Q5_0)
DEFINE_PRODUCT(Q5_1)
DEFINE_PRODUCT(Q8_0)
DEFINE_PRODUCT(IQ4_NL)
DEFINE_PRODUCT(Q2_K)
DEFINE_PRODUCT(Q3_K)
DEFINE_PRODUCT(Q4_K)
DEFINE_PRODUCT(Q5_K)
DEFINE_PRODUCT(Q6_K)
DEFINE_PRODUCT(IQ4_XS)

static product_fn *const products[ELM_TYPE_LIMIT] = {
	[ELM_TYPE_Q4_0] = product_Q4_0, [ELM_TYPE_Q4_1] = product_Q4_1,
	[ELM_TYPE_Q5_0] = product_Q5_0, [ELM_TYPE_Q5_1] = product_Q5_1,
	[ELM_TYPE_Q8_0] = product_Q8_0, [ELM_TYPE_IQ4_NL] = product_IQ4_NL,
	[ELM_TYPE_Q2_K] = product_Q2_K, [ELM_TYPE_Q3_K] = product_Q3_K,
	[ELM_TYPE_Q4_K] = product_Q4_K, [ELM_TYPE_Q5_K] = product_Q5_K,
	[ELM_TYPE_Q6_K] = product_Q6_K, [ELM_TYPE_IQ4_XS] = product_IQ4_XS,
};

#endif

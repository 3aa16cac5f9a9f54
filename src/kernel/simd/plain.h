/*
 * plain.h: products with rows as they lie in GGUF, in floats, for the vectors of one tier (include
 * its vec_*.h first). F32, F16 and BF16 always take this way, quantised types when they are not
 * packed.
 *
 * Several rows of inputs: a panel of ROWS weight rows and DEPTH inputs is turned into floats, in
 * the first-level cache, and multiplied with all inputs; the register tile is ROWS x INPUTS dot
 * products along the columns.
 */
#ifndef ELM_KERNEL_SIMD_PLAIN_H
#define ELM_KERNEL_SIMD_PLAIN_H

#include <string.h>

#include "kernel/dequant.h"
#include "kernel/kernel.h"
#include "kernel/simd/fetch.h"
#include "quant/half.h"

enum {
	ROWS = LANES == 16 ? 8 : 4, /* inputs come from the second level once per ROWS */
	INPUTS = LANES == 4 ? 2 : 3,
	DEPTH = 512,		   /* columns of a panel: a multiple of every block */
	PANEL_STRIDE = DEPTH + 16, /* floats from row to row, so that rows spread over the cache */
	PLAIN_CHUNK = 192 /* rows of inputs; with DEPTH floats each they stay in the second level */
};

/* --- one row of inputs --- */

INLINE vf load_plain(elm_type type, const uint8_t *row, size_t i)
{
	const float *f32 = (const float *)(const void *)row;
	const uint16_t *half = (const uint16_t *)(const void *)row;

	return type == ELM_TYPE_F32 ? vf_load(f32 + i) :
	       type == ELM_TYPE_F16 ? vf_half((const uint8_t *)(half + i)) :
				      vf_bf16(half + i);
}

static float load_plain_one(elm_type type, const uint8_t *row, size_t i)
{
	const float *f32 = (const float *)(const void *)row;
	const uint16_t *half = (const uint16_t *)(const void *)row;

	return type == ELM_TYPE_F32 ? f32[i] :
	       type == ELM_TYPE_F16 ? elm__f16_to_f32(half[i]) :
				      elm__bf16_to_f32(half[i]);
}

/* The dot product of one row in lanes, but for the last columns that fill no vector. Rows lie in
 * sequence, so fetching ahead runs into the next one. */
INLINE vf dot_lanes(elm_type type, const uint8_t *row, const float *x, size_t cols)
{
	const size_t size = type == ELM_TYPE_F32 ? 4 : 2, step = (size_t)4 * LANES;
	vf sum[4] = { vf_set(0), vf_set(0), vf_set(0), vf_set(0) };
	size_t i = 0;

	for (; i + step <= cols; i += step) {
		fetch_ahead(row + i * size, step * size);
		for (size_t j = 0; j < 4; j++)
			sum[j] = vf_fma(load_plain(type, row, i + j * LANES),
					vf_load(x + i + j * LANES), sum[j]);
	}
	for (; i + LANES <= cols; i += LANES)
		sum[0] = vf_fma(load_plain(type, row, i), vf_load(x + i), sum[0]);
	return vf_add(vf_add(sum[0], sum[1]), vf_add(sum[2], sum[3]));
}

/* Four rows at a time share the work of adding up lanes; the last ones are repeated. */
INLINE void rows_plain(elm_type type, const elm__matrix *m, const float *x, float *y, size_t row0,
		       size_t row1)
{
	const size_t cols = m->cols;

	for (size_t r = row0; r < row1; r += 4) {
		size_t n = row1 - r < 4 ? row1 - r : 4;
		const uint8_t *row[4];
		vf lanes[4];
		float sum[4];

		for (size_t j = 0; j < 4; j++) {
			row[j] =
				(const uint8_t *)m->data + (r + (j < n ? j : n - 1)) * m->row_bytes;
			lanes[j] = dot_lanes(type, row[j], x, cols);
		}
		vf_sum4(lanes[0], lanes[1], lanes[2], lanes[3], sum);
		for (size_t j = 0; j < n; j++) {
			for (size_t i = cols / LANES * LANES; i < cols; i++)
				sum[j] += load_plain_one(type, row[j], i) * x[i];
			y[r + j] = sum[j];
		}
	}
}

/* --- several rows of inputs --- */

/* out[i * ROWS + r]: products of the rows of a panel with INPUTS inputs over n columns. Not
 * inlined: all its pointers must fit into registers. `ahead` floats behind each input is what the
 * next tile reads: pieces of rows are too short for the processor to foresee. */
static __attribute__((noinline)) void dot_tile(const float *w, const float *const x[INPUTS],
					       size_t ahead, size_t n, float out[ROWS * INPUTS])
{
	vf sum[ROWS][INPUTS];
	size_t k = 0;

	for (int r = 0; r < ROWS; r++)
		for (int i = 0; i < INPUTS; i++)
			sum[r][i] = vf_set(0);
	for (; k + LANES <= n; k += LANES) {
		vf input[INPUTS];

		for (int i = 0; i < INPUTS; i++) {
			input[i] = vf_load(x[i] + k);
			__builtin_prefetch(x[i] + ahead + k);
		}
		for (int r = 0; r < ROWS; r++) {
			vf row = vf_keep(vf_load(w + r * PANEL_STRIDE + k));

			for (int i = 0; i < INPUTS; i++)
				sum[r][i] = vf_fma(row, input[i], sum[r][i]);
		}
	}
	for (int i = 0; i < INPUTS; i++)
		for (int r = 0; r < ROWS; r += 4)
			vf_sum4(sum[r][i], sum[r + 1][i], sum[r + 2][i], sum[r + 3][i],
				out + i * ROWS + r);
	for (; k < n; k++)
		for (int i = 0; i < INPUTS; i++)
			for (int r = 0; r < ROWS; r++)
				out[i * ROWS + r] += w[r * PANEL_STRIDE + k] * x[i][k];
}

/* Columns [k, k + n) of up to ROWS rows as floats; rows past row1 keep what the panel has. */
static void load_panel(const elm__matrix *m, elm__dequant_fn dequantize, size_t r, size_t row1,
		       size_t k, size_t n, float *panel)
{
	const elm_type_info *info = elm_type_get(m->type);

	for (size_t j = 0; j < ROWS && r + j < row1; j++)
		dequantize((const uint8_t *)m->data + (r + j) * m->row_bytes +
				   k / info->block_elements * info->block_bytes,
			   panel + j * PANEL_STRIDE, n);
}

/* One panel with inputs [i0, i1). Sums are added to y unless this is the first piece of the row. */
static void multiply_panel(const elm__activations *x, const float *panel, size_t i0, size_t i1,
			   size_t k, size_t n, float *y, size_t y_stride, size_t rows)
{
	for (size_t i = i0; i < i1; i += INPUTS) {
		const float *input[INPUTS];
		float out[ROWS * INPUTS];

		for (size_t j = 0; j < INPUTS; j++)
			input[j] = x->f32 + (i + j < i1 ? i + j : i1 - 1) * x->f32_stride + k;
		dot_tile(panel, input, INPUTS * x->f32_stride, n, out);
		for (size_t j = 0; j < INPUTS && i + j < i1; j++)
			for (size_t r = 0; r < rows; r++) {
				float *at = y + (i + j) * y_stride + r;

				*at = (k ? *at : 0) + out[j * ROWS + r];
			}
	}
}

static size_t plain_scratch(void)
{
	return ROWS * PANEL_STRIDE * sizeof(float);
}

static void panels(const elm__matrix *m, elm__dequant_fn dequantize, const elm__activations *x,
		   float *y, size_t y_stride, size_t row0, size_t row1, float *scratch)
{
	memset(scratch, 0, plain_scratch()); /* rows that are missing in the last panel */
	for (size_t i = 0; i < x->rows; i += PLAIN_CHUNK)
		for (size_t k = 0; k < m->cols; k += DEPTH)
			for (size_t r = row0; r < row1; r += ROWS) {
				size_t n = m->cols - k < DEPTH ? m->cols - k : DEPTH;
				size_t end = x->rows - i < PLAIN_CHUNK ? x->rows : i + PLAIN_CHUNK;

				load_panel(m, dequantize, r, row1, k, n, scratch);
				multiply_panel(x, scratch, i, end, k, n, y + r, y_stride,
					       row1 - r < ROWS ? row1 - r : ROWS);
			}
}

/* A quantised row and one row of inputs, by way of floats. */
static void rows_decoded(const elm__matrix *m, elm__dequant_fn dequantize, const float *x, float *y,
			 size_t row0, size_t row1, float *scratch)
{
	const elm_type_info *info = elm_type_get(m->type);

	for (size_t r = row0; r < row1; r++) {
		const uint8_t *row = (const uint8_t *)m->data + r * m->row_bytes;

		y[r] = 0;
		for (size_t k = 0; k < m->cols; k += DEPTH) {
			size_t n = m->cols - k < DEPTH ? m->cols - k : DEPTH;

			dequantize(row + k / info->block_elements * info->block_bytes, scratch, n);
			y[r] += vf_sum(dot_lanes(ELM_TYPE_F32, (const uint8_t *)scratch, x + k, n));
		}
	}
}

static void multiply_plain(const elm__dequant_fn dequantize[ELM_TYPE_LIMIT], const elm__matrix *m,
			   const elm__activations *x, float *y, size_t y_stride, size_t row0,
			   size_t row1, float *scratch)
{
	if (x->rows > 1)
		panels(m, dequantize[m->type], x, y, y_stride, row0, row1, scratch);
	else if (m->type == ELM_TYPE_F32)
		rows_plain(ELM_TYPE_F32, m, x->f32, y, row0, row1);
	else if (m->type == ELM_TYPE_F16)
		rows_plain(ELM_TYPE_F16, m, x->f32, y, row0, row1);
	else if (m->type == ELM_TYPE_BF16)
		rows_plain(ELM_TYPE_BF16, m, x->f32, y, row0, row1);
	else
		rows_decoded(m, dequantize[m->type], x->f32, y, row0, row1, scratch);
}

#endif

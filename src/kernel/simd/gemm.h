/*
 * gemm.h: products of matrices of floats, for the vectors of one tier (include its vec_*.h first).
 *
 * The scheme of Goto and van de Geijn ("Anatomy of high-performance matrix multiplication", 2008):
 * a block of b is copied into strips as wide as the register tile, a block of a into strips as
 * high, and tiles of c are computed from two strips each; a strip of b stays in the first-level
 * cache while the strips of a pass by. Sums run over k in pieces of GEMM_DEPTH from its beginning,
 * whatever the other sizes are.
 */
#ifndef ELM_KERNEL_SIMD_GEMM_H
#define ELM_KERNEL_SIMD_GEMM_H

#include "kernel/kernel.h"

enum {
	GEMM_ROWS = LANES == 16 ? 12 : 6, /* of the register tile */
	GEMM_VECTORS = 2,
	GEMM_COLS = GEMM_VECTORS * LANES,
	GEMM_DEPTH = 256,
	GEMM_HEIGHT = 96, /* rows of a block of a: with GEMM_DEPTH, a part of the second level */
	GEMM_WIDTH = LANES == 16 ? 512 : 256 /* columns of a block of b */
};

/*
 * Copies an n x k block into a strip `width` wide: strip[j * width + i] = from[i * row + j * col],
 * zeros where i >= n.
 */
INLINE void gemm_pack_strip(const float *from, size_t row, size_t col, size_t n, size_t k,
			    size_t width, float *strip)
{
	if (n == width && row == 1) {
		for (size_t j = 0; j < k; j++)
			memcpy(strip + j * width, from + j * col, width * sizeof(float));
	} else if (n == width && col == 1) {
		for (size_t j = 0; j < k; j++)
			for (size_t i = 0; i < width; i++)
				strip[j * width + i] = from[i * row + j];
	} else {
		for (size_t j = 0; j < k; j++)
			for (size_t i = 0; i < width; i++)
				strip[j * width + i] = i < n ? from[i * row + j * col] : 0;
	}
}

static void gemm_pack_rows(const float *from, size_t row, size_t col, size_t n, size_t k,
			   float *strips)
{
	for (size_t i = 0; i < n; i += GEMM_ROWS, strips += GEMM_ROWS * k)
		gemm_pack_strip(from + i * row, row, col, n - i < GEMM_ROWS ? n - i : GEMM_ROWS, k,
				GEMM_ROWS, strips);
}

static void gemm_pack_cols(const float *from, size_t row, size_t col, size_t n, size_t k,
			   float *strips)
{
	for (size_t i = 0; i < n; i += GEMM_COLS, strips += GEMM_COLS * k)
		gemm_pack_strip(from + i * row, row, col, n - i < GEMM_COLS ? n - i : GEMM_COLS, k,
				GEMM_COLS, strips);
}

/* A whole tile of c from two strips. Not inlined: its pointers must fit into registers. */
static __attribute__((noinline)) void gemm_tile(const float *a, const float *b, size_t k, float *c,
						size_t c_row, bool add)
{
	vf sum[GEMM_ROWS][GEMM_VECTORS];

	for (int i = 0; i < GEMM_ROWS; i++)
		for (int j = 0; j < GEMM_VECTORS; j++)
			sum[i][j] = vf_set(0);
	for (; k; k--, a += GEMM_ROWS, b += GEMM_COLS) {
		vf right[GEMM_VECTORS];

		for (int j = 0; j < GEMM_VECTORS; j++)
			right[j] = vf_load(b + j * LANES);
		for (int i = 0; i < GEMM_ROWS; i++) {
			vf left = vf_set(a[i]);

			for (int j = 0; j < GEMM_VECTORS; j++)
				sum[i][j] = vf_fma(left, right[j], sum[i][j]);
		}
	}
	for (int i = 0; i < GEMM_ROWS; i++)
		for (int j = 0; j < GEMM_VECTORS; j++) {
			float *to = c + i * c_row + j * LANES;

			vf_store(to, add ? vf_add(vf_load(to), sum[i][j]) : sum[i][j]);
		}
}

/* A tile of which only rows x cols elements are wanted. */
static void gemm_part(const float *a, const float *b, size_t k, float *c, size_t c_row, bool add,
		      size_t rows, size_t cols)
{
	float whole[GEMM_ROWS * GEMM_COLS];

	gemm_tile(a, b, k, whole, GEMM_COLS, false);
	for (size_t i = 0; i < rows; i++)
		for (size_t j = 0; j < cols; j++) {
			float sum = whole[i * GEMM_COLS + j];

			c[i * c_row + j] = add ? c[i * c_row + j] + sum : sum;
		}
}

/* An m x n block of c from packed blocks of a and b. */
static void gemm_block(const float *a, const float *b, size_t m, size_t n, size_t k, float *c,
		       size_t c_row, bool add)
{
	for (size_t j = 0; j < n; j += GEMM_COLS)
		for (size_t i = 0; i < m; i += GEMM_ROWS) {
			const float *left = a + i * k, *right = b + j * k;
			float *to = c + i * c_row + j;

			if (m - i >= GEMM_ROWS && n - j >= GEMM_COLS)
				gemm_tile(left, right, k, to, c_row, add);
			else
				gemm_part(left, right, k, to, c_row, add,
					  m - i < GEMM_ROWS ? m - i : GEMM_ROWS,
					  n - j < GEMM_COLS ? n - j : GEMM_COLS);
		}
}

static size_t gemm_scratch(void)
{
	return ((size_t)GEMM_HEIGHT + GEMM_WIDTH) * GEMM_DEPTH * sizeof(float);
}

static void gemm(const elm__gemm *g, void *scratch)
{
	float *a = scratch, *b = a + (size_t)GEMM_HEIGHT * GEMM_DEPTH;

	for (size_t k = 0; k < g->k; k += GEMM_DEPTH) {
		size_t depth = g->k - k < GEMM_DEPTH ? g->k - k : GEMM_DEPTH;

		for (size_t j = 0; j < g->n; j += GEMM_WIDTH) {
			size_t width = g->n - j < GEMM_WIDTH ? g->n - j : GEMM_WIDTH;

			gemm_pack_cols(g->b + k * g->b_row + j * g->b_col, g->b_col, g->b_row,
				       width, depth, b);
			for (size_t i = 0; i < g->m; i += GEMM_HEIGHT) {
				size_t height = g->m - i < GEMM_HEIGHT ? g->m - i : GEMM_HEIGHT;

				gemm_pack_rows(g->a + i * g->a_row + k * g->a_col, g->a_row,
					       g->a_col, height, depth, a);
				gemm_block(a, b, height, width, depth, g->c + i * g->c_row + j,
					   g->c_row, g->add || k);
			}
		}
	}
}

#endif

/*
 * amx_floats.c: products of matrices of floats whose factors are rounded to bfloat16, for training.
 * Products of two are exact in float, and sums are kept in float.
 *
 * Blocks of both factors are copied into tiles of 16 rows of 32 values. In those of a, a row is a
 * row of a; in those of b, row r holds lines 2 r and 2 r + 1 of b, in pairs, as the instruction
 * wants them. Whichever way a factor lies in memory, 16 lines of it are loaded along and rounded;
 * where that gives the other factor's form, exchanging rows and columns of pairs gives its own.
 */
#include "kernel/x86/amx.h"

#include <string.h>

#include "kernel/x86/amx_convert.h"
#include "kernel/x86/amx_tile.h"

enum {
	TILE_ROWS = 16,
	TILE_DEPTH = 32,
	SIDE = 32, /* of a block of c: two by two tiles */
	DEPTH = 512,
	HEIGHT = 128, /* rows of a block of a: with DEPTH, a part of the second level */
	WIDTH = 256   /* columns of a block of b */
};

/* Lines i < n from from + i * stride, each `k` values, zeros behind them and for other lines. */
AMX_INLINE void load_along(const float *from, size_t stride, size_t n, size_t k, __m512i *line)
{
	for (size_t i = 0; i < TILE_ROWS; i++) {
		__m512 first, second;

		amx_load_floats(from + (i < n ? i * stride : 0), 0, i < n ? k : 0, &first, &second);
		line[i] = amx_round(first, second);
	}
}

/* The pairs of values 2 r and 2 r + 1 of `n` lines that lie side by side, value j of all of them at
 * from + j * stride. */
AMX_INLINE void load_across(const float *from, size_t stride, size_t n, size_t k, __m512i *line)
{
	const __m512i zip =
		_mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23,
				 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
	__mmask16 mask = (__mmask16)(n >= TILE_ROWS ? 0xffff : (1u << n) - 1);

	for (size_t r = 0; r < TILE_ROWS; r++) {
		size_t j = 2 * r;
		__m512 first =
			_mm512_maskz_loadu_ps(j < k ? mask : 0, from + (j < k ? j : 0) * stride);
		__m512 second = _mm512_maskz_loadu_ps(j + 1 < k ? mask : 0,
						      from + (j + 1 < k ? j + 1 : 0) * stride);

		line[r] = _mm512_permutexvar_epi16(zip, amx_round(first, second));
	}
}

/*
 * Tiles of n lines of k values: for each 16 lines, as many tiles as it takes to k. Value j of line
 * i is at from[i * line + j * value], of which one is 1. Lines up to a multiple of 32 are zeros.
 */
static void pack(const float *from, size_t line, size_t value, size_t n, size_t k, bool pairs,
		 __m512i *out)
{
	for (size_t i = 0; i < (n + SIDE - 1) / SIDE * SIDE; i += TILE_ROWS) {
		size_t rows = i < n ? n - i : 0;

		for (size_t j = 0; j < k; j += TILE_DEPTH, out += TILE_ROWS) {
			const float *at = rows ? from + i * line + j * value : from;

			if (value == 1)
				load_along(at, line, rows, k - j, out);
			else
				load_across(at, value, rows, k - j, out);
			if ((value == 1) == pairs)
				amx_transpose(out);
		}
	}
}

/* c[32 x 32], at a stride in bytes, from `depth` tiles of two lines of tiles of a and b each. */
static void multiply(const __m512i *a, const __m512i *b, size_t depth, float *c, size_t stride,
		     bool add)
{
	const __m512i *a1 = a + depth * TILE_ROWS, *b1 = b + depth * TILE_ROWS;
	float *below = (float *)((char *)c + TILE_ROWS * stride);

	if (add) {
		_tile_loadd(0, c, stride);
		_tile_loadd(1, c + TILE_ROWS, stride);
		_tile_loadd(2, below, stride);
		_tile_loadd(3, below + TILE_ROWS, stride);
	} else {
		_tile_zero(0);
		_tile_zero(1);
		_tile_zero(2);
		_tile_zero(3);
	}
	for (size_t i = 0; i < depth; i++) {
		_tile_loadd(4, a + i * TILE_ROWS, 64);
		_tile_loadd(6, b + i * TILE_ROWS, 64);
		_tile_dpbf16ps(0, 4, 6);
		_tile_loadd(7, b1 + i * TILE_ROWS, 64);
		_tile_dpbf16ps(1, 4, 7);
		_tile_loadd(5, a1 + i * TILE_ROWS, 64);
		_tile_dpbf16ps(2, 5, 6);
		_tile_dpbf16ps(3, 5, 7);
	}
	_tile_stored(0, c, stride);
	_tile_stored(1, c + TILE_ROWS, stride);
	_tile_stored(2, below, stride);
	_tile_stored(3, below + TILE_ROWS, stride);
}

/* The same where only rows x cols of c are there. */
static void multiply_part(const __m512i *a, const __m512i *b, size_t depth, float *c, size_t c_row,
			  size_t rows, size_t cols, bool add)
{
	float whole[SIDE * SIDE];

	for (size_t i = 0; i < rows && add; i++)
		memcpy(whole + i * SIDE, c + i * c_row, cols * sizeof(float));
	amx_fence();
	multiply(a, b, depth, whole, SIDE * sizeof(float), add);
	amx_fence();
	for (size_t i = 0; i < rows; i++)
		memcpy(c + i * c_row, whole + i * SIDE, cols * sizeof(float));
}

/* A block of c from packed blocks of a and b. */
static void multiply_block(const __m512i *a, const __m512i *b, size_t m, size_t n, size_t k,
			   float *c, size_t c_row, bool add)
{
	size_t depth = (k + TILE_DEPTH - 1) / TILE_DEPTH;

	for (size_t j = 0; j < n; j += SIDE)
		for (size_t i = 0; i < m; i += SIDE) {
			const __m512i *left = a + i * depth, *right = b + j * depth;
			float *to = c + i * c_row + j;

			if (m - i >= SIDE && n - j >= SIDE)
				multiply(left, right, depth, to, c_row * sizeof(float), add);
			else
				multiply_part(left, right, depth, to, c_row,
					      m - i < SIDE ? m - i : SIDE,
					      n - j < SIDE ? n - j : SIDE, add);
		}
}

size_t elm__amx_gemm_scratch(void)
{
	return ((size_t)HEIGHT + WIDTH) * DEPTH * 2;
}

void elm__amx_gemm_bf16(const elm__gemm *g, void *scratch)
{
	__m512i *a = scratch, *b = a + (size_t)HEIGHT * DEPTH * 2 / sizeof(__m512i);

	amx_begin();
	for (size_t k = 0; k < g->k; k += DEPTH) {
		size_t depth = g->k - k < DEPTH ? g->k - k : DEPTH;

		for (size_t j = 0; j < g->n; j += WIDTH) {
			size_t width = g->n - j < WIDTH ? g->n - j : WIDTH;

			pack(g->b + k * g->b_row + j * g->b_col, g->b_col, g->b_row, width, depth,
			     true, b);
			for (size_t i = 0; i < g->m; i += HEIGHT) {
				size_t height = g->m - i < HEIGHT ? g->m - i : HEIGHT;

				pack(g->a + i * g->a_row + k * g->a_col, g->a_row, g->a_col, height,
				     depth, false, a);
				amx_fence();
				multiply_block(a, b, height, width, depth, g->c + i * g->c_row + j,
					       g->c_row, g->add || k);
				amx_fence();
			}
		}
	}
	amx_end();
}

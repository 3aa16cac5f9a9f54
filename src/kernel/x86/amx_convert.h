/*
 * amx_convert.h: floats to bfloat16 and to sums of two bfloat16, and the transposition of tiles.
 */
#ifndef ELM_KERNEL_X86_AMX_CONVERT_H
#define ELM_KERNEL_X86_AMX_CONVERT_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

/* Elements [at, at + 32) of a row of n floats, zeros past its end. */
static inline void amx_load_floats(const float *row, size_t at, size_t n, __m512 *first,
				   __m512 *second)
{
	uint32_t mask = at + 32 <= n ? UINT32_MAX : at < n ? (1u << (n - at)) - 1 : 0;

	*first = _mm512_maskz_loadu_ps((__mmask16)mask, row + at);
	*second = _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), row + at + 16);
}

/* 32 floats as bfloat16, rounded to nearest even. */
static inline __m512i amx_round(__m512 first, __m512 second)
{
	return (__m512i)_mm512_cvtne2ps_pbh(second, first);
}

/* 16 bfloat16 as floats. */
static inline __m512 amx_widen(__m256i x)
{
	return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
}

/* 32 floats as the sum of two bfloat16 each. */
static inline void amx_split(__m512 first, __m512 second, void *high, void *low)
{
	__m512i h = amx_round(first, second);
	__m512 rest0 = _mm512_sub_ps(first, amx_widen(_mm512_castsi512_si256(h)));
	__m512 rest1 = _mm512_sub_ps(second, amx_widen(_mm512_extracti64x4_epi64(h, 1)));

	_mm512_store_si512(high, h);
	_mm512_store_si512(low, amx_round(rest0, rest1));
}

/* Exchanges rows and columns of 16 x 16 dwords in place. */
static inline void amx_transpose(__m512i *line)
{
	__m512i t[16], u[16];

#pragma GCC unroll 16
	for (int i = 0; i < 16; i += 2) {
		t[i] = _mm512_unpacklo_epi32(line[i], line[i + 1]);
		t[i + 1] = _mm512_unpackhi_epi32(line[i], line[i + 1]);
	}
	/* u[4 g + c]: column c of each group of four columns, of rows 4 g .. 4 g + 3 */
#pragma GCC unroll 16
	for (int g = 0; g < 16; g += 4) {
		u[g] = _mm512_unpacklo_epi64(t[g], t[g + 2]);
		u[g + 1] = _mm512_unpackhi_epi64(t[g], t[g + 2]);
		u[g + 2] = _mm512_unpacklo_epi64(t[g + 1], t[g + 3]);
		u[g + 3] = _mm512_unpackhi_epi64(t[g + 1], t[g + 3]);
	}
	/* 4 x 4 transposition of 128-bit lanes, for each c */
#pragma GCC unroll 16
	for (int c = 0; c < 4; c++) {
		__m512i a = _mm512_shuffle_i32x4(u[c], u[4 + c], 0x88);
		__m512i b = _mm512_shuffle_i32x4(u[c], u[4 + c], 0xdd);
		__m512i d = _mm512_shuffle_i32x4(u[8 + c], u[12 + c], 0x88);
		__m512i e = _mm512_shuffle_i32x4(u[8 + c], u[12 + c], 0xdd);

		line[c] = _mm512_shuffle_i32x4(a, d, 0x88);
		line[8 + c] = _mm512_shuffle_i32x4(a, d, 0xdd);
		line[4 + c] = _mm512_shuffle_i32x4(b, e, 0x88);
		line[12 + c] = _mm512_shuffle_i32x4(b, e, 0xdd);
	}
}

#endif

/*
 * amx_decode.h: packed weights (packed.h, 16 rows interleaved) to tiles of bfloat16.
 *
 * A weight tile is what TDPBF16PS wants as its second operand: 16 lines of 64 bytes; line p holds,
 * for each of 16 rows of the matrix, the pair of weights k = 2 p and 2 p + 1 of a block of 32. That
 * is the order of a packed unit: lane r of quad q gives row r of the lines 2 q and 2 q + 1.
 *
 * Codes of up to 5 bits become floats by a permutation of a table in each lane, which looks at the
 * lowest bits only. Longer codes are moved to mantissa bits 16 and up of 128.0 and read as 128 +
 * code (of 8 bits: bits 15 and up of 256.0), and the fused multiply-add that applies the scale
 * takes the 128 away again. The upper half of the result is the bfloat16. That is truncation, whose
 * error has a mean; AMX_ROUND on scales and minima takes the mean away and leaves about the
 * variance of rounding to nearest, at no instruction per weight. A byte shuffle under a mask joins
 * pairs. Per 32 weights that makes 2 shifts, 2 look-ups, 2 FMA and 1 shuffle.
 *
 * A tile is decoded in steps, so that they can be spread between tile products: `begin` works out
 * scales, then `unit` u = 0..3 decodes two of the eight quads.
 */
#ifndef ELM_KERNEL_X86_AMX_DECODE_H
#define ELM_KERNEL_X86_AMX_DECODE_H

#include <immintrin.h>

#include "kernel/kernel.h"
#include "kernel/x86/amx_tile.h"
#include "quant/blocks.h"

enum { AMX_LANES = 16, AMX_UNIT = 64 };

/*
 * What truncation to bfloat16 takes from a number, as the factor that makes the squared error least
 * when the logarithm of the mantissa m is uniform: 1 + 2^-8 E[m] / E[m^2] = 1 + 2^-8 * 2 / 3.
 */
#define AMX_ROUND (1.0f + 0x1p-8f * 2 / 3)

/* A sub-block of 32 inputs that is being decoded: one scale and bias for each half of it. The
 * constants are in memory because a load costs less than making them at each use. */
typedef struct amx_block {
	__m512 scale[2], bias[2];
	__m512i table[2]; /* values of the codes; of longer codes: their mask, and base */
	__m512i upper;	  /* shuffles the upper half of dwords to the lower one */
	const uint8_t *codes;

	/* Of plain weights instead. */
	const elm__matrix *matrix;
	size_t row, column;
	size_t low; /* bytes from the tile to the one for the low parts */
} amx_block;

/* Sets *b for sub-block s of a packed block. */
typedef void (*amx_begin_fn)(const uint8_t *block, size_t s, amx_block *b);
typedef void (*amx_unit_fn)(const amx_block *b, size_t u, __m512i *tile);

AMX_INLINE __m512i amx_load(const uint8_t *p)
{
	return _mm512_loadu_si512(p);
}

/* 16 halves as floats, times AMX_ROUND. */
AMX_INLINE __m512 amx_halves(const uint8_t *p)
{
	__m512 x = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));

	return _mm512_mul_ps(x, _mm512_set1_ps(AMX_ROUND));
}

/* 16 bytes as dwords. */
AMX_INLINE __m512i amx_bytes(const uint8_t *p)
{
	return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
}

/* Bits [at, at + width) of each dword as a float. */
AMX_INLINE __m512 amx_bits(__m512i x, int at, int width)
{
	__m512i field = _mm512_and_si512(_mm512_srli_epi32(x, (unsigned)at),
					 _mm512_set1_epi32((1 << width) - 1));

	return _mm512_cvtepi32_ps(field);
}

/* What a code of more than 5 bits begins at, and the mantissa bit that it is moved to. */
AMX_INLINE float amx_base(int width)
{
	return width == 8 ? 256.0f : 128.0f;
}

AMX_INLINE int amx_target(int width)
{
	return width == 8 ? 15 : 16;
}

/* Sets what does not change from block to block. Codes of up to 5 bits stand for code - zero, or
 * for `levels` where they are given. */
AMX_INLINE void amx_set_constants(amx_block *b, int width, int zero, const float *levels)
{
	__m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);

	b->upper = _mm512_set4_epi32(0x0f0e0f0e, 0x0b0a0b0a, 0x07060706, 0x03020302);
	for (int i = 0; i < 2; i++) {
		__m512i codes = _mm512_add_epi32(lanes, _mm512_set1_epi32(16 * i));

		codes = _mm512_and_si512(codes, _mm512_set1_epi32((1 << width) - 1));
		codes = _mm512_sub_epi32(codes, _mm512_set1_epi32(zero));
		b->table[i] = _mm512_castps_si512(_mm512_cvtepi32_ps(codes));
	}
	if (levels)
		b->table[0] = _mm512_loadu_si512(levels);
	if (width > 5) {
		b->table[0] = _mm512_set1_epi32(((1 << width) - 1) << amx_target(width));
		b->table[1] = _mm512_castps_si512(_mm512_set1_ps(amx_base(width)));
	}
}

/* The code that begins at bit `at` of each dword of x as a float; with more than 5 bits, base +
 * code.
 */
AMX_INLINE __m512 amx_code(const amx_block *b, __m512i x, int at, int width)
{
	int target = width > 5 ? amx_target(width) : 0;

	if (at < target)
		x = _mm512_slli_epi32(x, (unsigned)(target - at));
	else if (at > target)
		x = _mm512_srli_epi32(x, (unsigned)(at - target));
	if (width > 5)
		x = _mm512_ternarylogic_epi32(x, b->table[0], b->table[1], 0xea);
	else if (width == 5)
		x = _mm512_permutex2var_epi32(b->table[0], x, b->table[1]);
	else
		x = _mm512_permutexvar_epi32(x, b->table[0]);
	return _mm512_castsi512_ps(x);
}

/* The upper halves of `even` and `odd` as pairs. */
AMX_INLINE __m512i amx_pair(const amx_block *b, __m512 even, __m512 odd)
{
	return _mm512_mask_shuffle_epi8(_mm512_castps_si512(odd), 0x3333333333333333,
					_mm512_castps_si512(even), b->upper);
}

/* Writes the two lines of a quad of half block h. The code of element e begins at bit 8 e + at of
 * each lane. */
AMX_INLINE void amx_quad(const amx_block *b, __m512i x, int at, int width, size_t h, __m512i *line)
{
	__m512 w[4];

	for (int e = 0; e < 4; e++)
		w[e] = _mm512_fmadd_ps(amx_code(b, x, 8 * e + at, width), b->scale[h], b->bias[h]);
	_mm512_store_si512(line, amx_pair(b, w[0], w[1]));
	_mm512_store_si512(line + 1, amx_pair(b, w[2], w[3]));
}

/* (x & ~mask) | (y & mask), the mask being the same in each byte. */
AMX_INLINE __m512i amx_select(int mask, __m512i y, __m512i x)
{
	return _mm512_ternarylogic_epi32(_mm512_set1_epi8((char)mask), y, x, 0xca);
}

/* --- units: codes of two quads --- */

/* Shifts to the right by a count that is not constant: the same for all lanes. */
AMX_INLINE __m512i amx_shift(__m512i x, size_t count)
{
	return _mm512_srl_epi32(x, _mm_cvtsi32_si128((int)count));
}

/* Quads u and u + 4 are the low and high nibbles of a unit. */
static void amx_nibbles(const amx_block *b, size_t u, __m512i *tile)
{
	__m512i x = amx_load(b->codes + u * AMX_UNIT);

	amx_quad(b, x, 0, 4, 0, tile + 2 * u);
	amx_quad(b, x, 4, 4, 1, tile + 2 * u + 8);
}

/* bits1, then nibbles. */
static void amx_nibbles_bits1(const amx_block *b, size_t u, __m512i *tile)
{
	__m512i high = amx_shift(amx_load(b->codes), u);
	__m512i x = amx_load(b->codes + (1 + u) * AMX_UNIT);
	__m512i low = amx_select(0x10, _mm512_slli_epi32(high, 4), x);

	amx_quad(b, low, 0, 5, 0, tile + 2 * u);
	x = amx_select(0x10, high, _mm512_srli_epi32(x, 4));
	amx_quad(b, x, 0, 5, 1, tile + 2 * u + 8);
}

/* bits2, then nibbles. */
static void amx_nibbles_bits2(const amx_block *b, size_t u, __m512i *tile)
{
	const __m512i count = _mm512_set1_epi32((int)(2 * u + 28) % 32); /* 2 u to bit 4 */
	__m512i high0 = _mm512_rorv_epi32(amx_load(b->codes), count);
	__m512i high1 = _mm512_rorv_epi32(amx_load(b->codes + AMX_UNIT), count);
	__m512i x = amx_load(b->codes + (2 + u) * AMX_UNIT);

	amx_quad(b, amx_select(0x30, high0, x), 0, 6, 0, tile + 2 * u);
	x = amx_select(0x30, high1, _mm512_srli_epi32(x, 4));
	amx_quad(b, x, 0, 6, 1, tile + 2 * u + 8);
}

/* Units of bits2 and the types made of it have the quads 2 u and 2 u + 1. */
static void amx_bits2(const amx_block *b, size_t u, __m512i *tile)
{
	size_t h = u / 2;
	__m512i x = amx_shift(amx_load(b->codes + h * AMX_UNIT), u % 2 * 4);

	amx_quad(b, x, 0, 2, h, tile + 4 * u);
	amx_quad(b, x, 2, 2, h, tile + 4 * u + 2);
}

/* bits1, which is bit 2 of a code, then bits2. */
static void amx_bits1_bits2(const amx_block *b, size_t u, __m512i *tile)
{
	size_t h = u / 2;
	__m512i high = amx_shift(amx_load(b->codes), 2 * u);
	__m512i x = amx_shift(amx_load(b->codes + (1 + h) * AMX_UNIT), u % 2 * 4);

	amx_quad(b, amx_select(4, _mm512_slli_epi32(high, 2), x), 0, 3, h, tile + 4 * u);
	x = amx_select(4, _mm512_slli_epi32(high, 1), _mm512_srli_epi32(x, 2));
	amx_quad(b, x, 0, 3, h, tile + 4 * u + 2);
}

static void amx_octets(const amx_block *b, size_t u, __m512i *tile)
{
	for (size_t q = 2 * u; q < 2 * u + 2; q++)
		amx_quad(b, amx_load(b->codes + q * AMX_UNIT), 0, 8, 0, tile + 2 * q);
}

/* --- scales --- */

/* Both halves of a block. */
AMX_INLINE void amx_set(amx_block *b, __m512 scale, __m512 bias)
{
	b->scale[0] = b->scale[1] = scale;
	b->bias[0] = b->bias[1] = bias;
}

/*
 * Half h of a block whose codes have more than 5 bits and stand for code - zero. The scale keeps 17
 * bits of its mantissa: so its product with base + zero is exact and that code is exactly zero.
 */
AMX_INLINE void amx_set_long(amx_block *b, size_t h, int width, int zero, __m512 scale)
{
	__m512 offset = _mm512_set1_ps(-(amx_base(width) + (float)zero));

	b->scale[h] = _mm512_and_ps(scale, _mm512_castsi512_ps(_mm512_set1_epi32(-0x80)));
	b->bias[h] = _mm512_mul_ps(b->scale[h], offset);
}

/* Types with one scale and short codes. */
static void amx_begin_scale(const uint8_t *block, size_t s, amx_block *b)
{
	b->codes = block + 32;
	amx_set(b, amx_halves(block), _mm512_setzero_ps());
}

/* With a scale and a minimum. */
static void amx_begin_minimum(const uint8_t *block, size_t s, amx_block *b)
{
	b->codes = block + 64;
	amx_set(b, amx_halves(block), amx_halves(block + 32));
}

static void amx_begin_q8_0(const uint8_t *block, size_t s, amx_block *b)
{
	b->codes = block + 32;
	amx_set_long(b, 0, 8, 128, amx_halves(block));
}

/* Q4_K and Q5_K differ in the bytes of a sub-block. */
AMX_INLINE void amx_begin_k(const uint8_t *block, size_t s, size_t bytes, amx_block *b)
{
	__m512i lo = amx_bytes(block + 64 + s * AMX_LANES);
	__m512i hi = amx_shift(amx_bytes(block + 192 + s / 2 * AMX_LANES), s % 2 * 4);
	__m512i sc = amx_select(0x30, _mm512_slli_epi32(hi, 4),
				_mm512_and_si512(lo, _mm512_set1_epi32(15)));
	__m512i mn = amx_select(0x30, _mm512_slli_epi32(hi, 2), _mm512_srli_epi32(lo, 4));
	__m512 scale = _mm512_mul_ps(amx_halves(block), _mm512_cvtepi32_ps(sc));
	__m512 minimum = _mm512_mul_ps(amx_halves(block + 32), _mm512_cvtepi32_ps(mn));

	b->codes = block + 256 + s * bytes;
	amx_set(b, scale, _mm512_sub_ps(_mm512_setzero_ps(), minimum));
}

static void amx_begin_q4_k(const uint8_t *block, size_t s, amx_block *b)
{
	amx_begin_k(block, s, 256, b);
}

static void amx_begin_q5_k(const uint8_t *block, size_t s, amx_block *b)
{
	amx_begin_k(block, s, 320, b);
}

static void amx_begin_q6_k(const uint8_t *block, size_t s, amx_block *b)
{
	__m512 d = amx_halves(block);

	b->codes = block + 288 + s * 384;
	for (size_t h = 0; h < 2; h++) {
		const uint8_t *at = block + 32 + (2 * s + h) * AMX_LANES;
		__m512i sc = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)at));

		amx_set_long(b, h, 6, 32, _mm512_mul_ps(d, _mm512_cvtepi32_ps(sc)));
	}
}

/* d * (sc - 32), sc being `low` in its lower four and `high` in its upper two bits. */
AMX_INLINE __m512 amx_scale6(__m512 d, __m512 low, __m512 high)
{
	__m512 sc = _mm512_fmadd_ps(high, _mm512_set1_ps(16), low);

	return _mm512_mul_ps(d, _mm512_sub_ps(sc, _mm512_set1_ps(32)));
}

static void amx_begin_q3_k(const uint8_t *block, size_t s, amx_block *b)
{
	__m512i lo = amx_bytes(block + 32 + s * AMX_LANES);
	__m512i hi = amx_shift(amx_bytes(block + 160 + s / 2 * AMX_LANES), s % 2 * 4);
	__m512 d = amx_halves(block);

	b->codes = block + 224 + s * 192;
	for (int h = 0; h < 2; h++) {
		b->scale[h] = amx_scale6(d, amx_bits(lo, 4 * h, 4), amx_bits(hi, 2 * h, 2));
		b->bias[h] = _mm512_setzero_ps();
	}
}

static void amx_begin_q2_k(const uint8_t *block, size_t s, amx_block *b)
{
	__m512 d = amx_halves(block), dmin = amx_halves(block + 32);

	b->codes = block + 320 + s * 128;
	for (size_t h = 0; h < 2; h++) {
		__m512i x = amx_bytes(block + 64 + (2 * s + h) * AMX_LANES);

		b->scale[h] = _mm512_mul_ps(d, amx_bits(x, 0, 4));
		b->bias[h] = _mm512_fnmadd_ps(dmin, amx_bits(x, 4, 4), _mm512_setzero_ps());
	}
}

static void amx_begin_iq4_xs(const uint8_t *block, size_t s, amx_block *b)
{
	__m512i lo = amx_shift(amx_bytes(block + 32 + s / 2 * AMX_LANES), s % 2 * 4);
	__m512i hi = amx_shift(amx_bytes(block + 96 + s / 4 * AMX_LANES), s % 4 * 2);

	b->codes = block + 128 + s * 256;
	amx_set(b, amx_scale6(amx_halves(block), amx_bits(lo, 0, 4), amx_bits(hi, 0, 2)),
		_mm512_setzero_ps());
}

#endif

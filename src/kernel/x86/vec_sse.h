/* vec_sse.h: the vectors of weights.h and products.h in 128 bits: SSSE3 and SSE4.1. */
#ifndef ELM_KERNEL_X86_VEC_SSE_H
#define ELM_KERNEL_X86_VEC_SSE_H

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "quant/half.h"

enum {
	LANES = 4,
	GROUPS = 1,   /* groups of LANES rows that share one pass over the inputs */
	TILE = 2,     /* inputs whose sums are kept in registers */
	DOT_STEP = 8, /* quads that vi_dot is best given at once */
	SIGNED_WEIGHTS = 1
};

typedef __m128i vi; /* LANES x 4 bytes, or LANES int32 */
typedef __m128 vf;  /* LANES floats */

#define INLINE static inline __attribute__((always_inline))

INLINE vi vi_load(const void *from)
{
	return _mm_loadu_si128((const __m128i *)from);
}

INLINE vi vi_set8(int value)
{
	return _mm_set1_epi8((char)value);
}

INLINE vi vi_set32(int value)
{
	return _mm_set1_epi32(value);
}

/* The four bytes at `from` in all lanes. */
INLINE vi vi_spread(const int8_t *from)
{
	int32_t four;

	memcpy(&four, from, sizeof(four));
	return _mm_set1_epi32(four);
}

/* Sixteen bytes for vi_lookup. */
INLINE vi vi_table(const void *from)
{
	return _mm_loadu_si128((const __m128i *)from);
}

INLINE vi vi_lookup(vi table, vi index)
{
	return _mm_shuffle_epi8(table, index);
}

INLINE vi vi_and(vi a, vi b)
{
	return _mm_and_si128(a, b);
}

INLINE vi vi_xor(vi a, vi b)
{
	return _mm_xor_si128(a, b);
}

/* a | (b & mask) */
INLINE vi vi_merge(vi a, vi b, vi mask)
{
	return _mm_or_si128(a, _mm_and_si128(b, mask));
}

/* Bytes shifted by n (negative: left); bits come in from the neighbour byte, for a mask to remove.
 */
INLINE vi vi_shift(vi a, int n)
{
	return n > 0 ? _mm_srli_epi16(a, n) : n < 0 ? _mm_slli_epi16(a, -n) : a;
}

/* LANES bytes as int32. */
INLINE vi vi_widen_u8(const uint8_t *from)
{
	int32_t four;

	memcpy(&four, from, sizeof(four));
	return _mm_cvtepu8_epi32(_mm_cvtsi32_si128(four));
}

INLINE vi vi_widen_s8(const uint8_t *from)
{
	int32_t four;

	memcpy(&four, from, sizeof(four));
	return _mm_cvtepi8_epi32(_mm_cvtsi32_si128(four));
}

/* Lanes of 32 bits shifted by n, which need not be a constant. */
INLINE vi vi_left32(vi a, int n)
{
	return _mm_slli_epi32(a, n);
}

INLINE vi vi_right32(vi a, int n)
{
	return _mm_srli_epi32(a, n);
}

INLINE vi vi_sub32(vi a, vi b)
{
	return _mm_sub_epi32(a, b);
}

INLINE vf vf_from_int(vi a)
{
	return _mm_cvtepi32_ps(a);
}

INLINE vf vf_from_bits(vi a)
{
	return _mm_castsi128_ps(a);
}

INLINE vi vi_from_bits(vf a)
{
	return _mm_castps_si128(a);
}

/* The levels of LANES codes, in the upper or the lower halves of bytes, times the scale. */
INLINE vf vf_levels(const int8_t table[16], const uint8_t *from, bool upper, vf scale)
{
	vi levels = vi_load(table), codes;
	int32_t four;

	memcpy(&four, from, sizeof(four));
	codes = _mm_cvtsi32_si128(upper ? four >> 4 : four);
	codes = _mm_and_si128(codes, _mm_set1_epi8(15));
	return _mm_mul_ps(vf_from_int(_mm_cvtepi8_epi32(_mm_shuffle_epi8(levels, codes))), scale);
}

/* LANES halves as floats: moved to the exponent of a float, which is then 112 too small; scaling
 * also puts subnormals right. Infinities and NaN get the largest exponent. */
INLINE vf vf_half(const uint8_t *from)
{
	vi half = _mm_cvtepu16_epi32(_mm_loadl_epi64((const __m128i *)(const void *)from));
	vi magnitude = _mm_slli_epi32(_mm_and_si128(half, _mm_set1_epi32(0x7fff)), 13);
	vi sign = _mm_slli_epi32(_mm_and_si128(half, _mm_set1_epi32(0x8000)), 16);
	vi special = _mm_cmpgt_epi32(magnitude, _mm_set1_epi32((0x7c00 << 13) - 1));
	vf scaled = _mm_mul_ps(_mm_castsi128_ps(magnitude), _mm_set1_ps(0x1p112f));

	sign = _mm_or_si128(sign, _mm_and_si128(special, _mm_set1_epi32(0x7f800000)));
	return _mm_or_ps(scaled, _mm_castsi128_ps(sign));
}

INLINE vf vf_load(const float *from)
{
	return _mm_loadu_ps(from);
}

INLINE void vf_store(float *to, vf a)
{
	_mm_storeu_ps(to, a);
}

/* a itself, in a register: a compiler would rather load it again for each use, which takes more
 * from memory than it can give. */
INLINE vf vf_keep(vf a)
{
	__asm__("" : "+x"(a));
	return a;
}

INLINE vf vf_set(float value)
{
	return _mm_set1_ps(value);
}

INLINE vf vf_mul(vf a, vf b)
{
	return _mm_mul_ps(a, b);
}

INLINE vf vf_add(vf a, vf b)
{
	return _mm_add_ps(a, b);
}

INLINE vf vf_sub(vf a, vf b)
{
	return _mm_sub_ps(a, b);
}

/* a * b + c, rounded twice */
INLINE vf vf_fma(vf a, vf b, vf c)
{
	return _mm_add_ps(_mm_mul_ps(a, b), c);
}

/* scale * (bits - MAGIC), see products.h. */
INLINE vf vf_unmagic(vi bits, vf scale)
{
	return vf_mul(vf_sub(vf_from_bits(bits), vf_set(0x1.8p23f)), scale);
}

INLINE vf vf_bf16(const uint16_t *from)
{
	__m128i half = _mm_loadl_epi64((const __m128i *)(const void *)from);

	return _mm_castsi128_ps(_mm_slli_epi32(_mm_cvtepu16_epi32(half), 16));
}

/* The sums of LANES vectors that lie one after the other. */
INLINE vf vf_sums(const float *from)
{
	return _mm_hadd_ps(_mm_hadd_ps(vf_load(from), vf_load(from + LANES)),
			   _mm_hadd_ps(vf_load(from + 2 * LANES), vf_load(from + 3 * LANES)));
}

INLINE float vf_first(vf a)
{
	return _mm_cvtss_f32(a);
}

INLINE float vf_sum(vf a)
{
	vf half = _mm_add_ps(a, _mm_movehl_ps(a, a));

	return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

/*
 * sum + the dot products of the 4-byte lanes of n quads of weights with inputs at x. Weights are 0
 * .. range, so that as many pairs as fit into 16 bits are added before they are widened; range 0
 * means signed weights, whose sign goes to the inputs. Inputs are -127 .. 127.
 */
INLINE vi vi_dot(vi sum, const vi *weights, const int8_t *x, int n, int range)
{
	const vi ones = _mm_set1_epi16(1);
	const int most = range ? 32767 / (range * 2 * 127) : 1;

	for (int q = 0; q < n; q += most) {
		vi pairs = _mm_setzero_si128();

		for (int i = q; i < n && i < q + most; i++) {
			vi input = vi_spread(x + 4 * i), weight = weights[i], pair;

			if (!range) {
				input = _mm_sign_epi8(input, weight);
				weight = _mm_abs_epi8(weight);
			}
			pair = _mm_maddubs_epi16(weight, input);
			pairs = i == q ? pair : _mm_add_epi16(pairs, pair);
		}
		sum = _mm_add_epi32(sum, _mm_madd_epi16(pairs, ones));
	}
	return sum;
}

/* The sums of four vectors. */
INLINE void vf_sum4(vf a, vf b, vf c, vf d, float to[4])
{
	vf ab = _mm_add_ps(_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b));
	vf cd = _mm_add_ps(_mm_unpacklo_ps(c, d), _mm_unpackhi_ps(c, d));

	_mm_storeu_ps(to, _mm_add_ps(_mm_shuffle_ps(ab, cd, 0x44), _mm_shuffle_ps(ab, cd, 0xee)));
}

INLINE vi vi_add32(vi a, vi b)
{
	return _mm_add_epi32(a, b);
}

/* int32 divided by 2, rounded down. */
INLINE vi vi_halve32(vi a)
{
	return _mm_srai_epi32(a, 1);
}

INLINE vi vi_max_u32(vi a, vi b)
{
	return _mm_max_epu32(a, b);
}

/* Floats rounded to the nearest int32, ties to even. */
INLINE vi vi_round(vf a)
{
	return _mm_cvtps_epi32(a);
}

INLINE vf vf_div(vf a, vf b)
{
	return _mm_div_ps(a, b);
}

INLINE vf vf_sqrt(vf a)
{
	return _mm_sqrt_ps(a);
}

/* Where one is NaN, the second of these two. */
INLINE vf vf_min(vf a, vf b)
{
	return _mm_min_ps(a, b);
}

INLINE vf vf_max(vf a, vf b)
{
	return _mm_max_ps(a, b);
}

INLINE vf vf_abs(vf a)
{
	return vf_from_bits(vi_and(vi_from_bits(a), vi_set32(0x7fffffff)));
}

/* The magnitude of a, which is not negative, with the sign of b. */
INLINE vf vf_copy_sign(vf a, vf b)
{
	return vf_from_bits(vi_merge(vi_from_bits(a), vi_from_bits(b), vi_set32(INT32_MIN)));
}

/* a < b ? x : y */
INLINE vf vf_where_less(vf a, vf b, vf x, vf y)
{
	return _mm_blendv_ps(y, x, _mm_cmplt_ps(a, b));
}

INLINE bool vf_any_equal(vf a, vf b)
{
	return _mm_movemask_ps(_mm_cmpeq_ps(a, b)) != 0;
}

INLINE float vf_largest(vf a)
{
	vf half = _mm_max_ps(a, _mm_movehl_ps(a, a));

	return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

INLINE uint32_t vi_largest_u32(vi a)
{
	a = _mm_max_epu32(a, _mm_unpackhi_epi64(a, a));
	return (uint32_t)_mm_cvtsi128_si32(_mm_max_epu32(a, _mm_srli_epi64(a, 32)));
}

/* n < LANES floats; the others are 0. */
INLINE vf vf_load_part(const float *from, size_t n)
{
	float all[LANES] = { 0 };

	for (size_t i = 0; i < n; i++)
		all[i] = from[i];
	return _mm_loadu_ps(all);
}

INLINE void vf_store_part(float *to, vf a, size_t n)
{
	float all[LANES];

	_mm_storeu_ps(all, a);
	for (size_t i = 0; i < n; i++)
		to[i] = all[i];
}

/* int32 as LANES int8; values fit. */
INLINE void vi_store8(int8_t *to, vi a)
{
	__m128i half = _mm_packs_epi32(a, a);
	int bytes = _mm_cvtsi128_si32(_mm_packs_epi16(half, half));

	memcpy(to, &bytes, sizeof(bytes));
}

INLINE void vf_store_half(uint16_t *to, vf a)
{
	float all[LANES];

	_mm_storeu_ps(all, a);
	for (int i = 0; i < LANES; i++)
		to[i] = elm__f32_to_f16(all[i]);
}

/* LANES / 2 floats, each twice. */
INLINE vf vf_load_twice(const float *from)
{
	vf two = _mm_castpd_ps(_mm_load_sd((const double *)(const void *)from));

	return _mm_unpacklo_ps(two, two);
}

/* Each pair (a, b) of lanes that are `distance` apart becomes (a + b, a - b). */
INLINE vf vf_butterfly(vf x, int distance)
{
	const vi lane = _mm_set_epi32(3, 2, 1, 0);
	vi apart = vi_set32(distance);
	vi second = _mm_cmpeq_epi32(vi_and(lane, apart), apart);
	vf other = distance == 1 ? _mm_shuffle_ps(x, x, 0xb1) : _mm_shuffle_ps(x, x, 0x4e);
	vf turned = vf_from_bits(vi_and(second, vi_set32(INT32_MIN)));

	return _mm_add_ps(other, _mm_xor_ps(x, turned));
}

/* Pairs (a, b) turned to (a c - b s, a s + b c). */
INLINE vf vf_rotate(vf x, vf c, vf s)
{
	vf swapped = _mm_shuffle_ps(x, x, 0xb1);

	return _mm_addsub_ps(_mm_mul_ps(x, c), _mm_mul_ps(swapped, s));
}

#endif

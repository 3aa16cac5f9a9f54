/* vec_avx512.h: the vectors of weights.h and products.h in 512 bits: AVX-512 with VBMI and VNNI. */
#ifndef ELM_KERNEL_X86_VEC_AVX512_H
#define ELM_KERNEL_X86_VEC_AVX512_H

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
	LANES = 16,
	GROUPS = 2,	   /* groups of LANES rows that share one pass over the inputs */
	TILE = 4,	   /* inputs whose sums are kept in registers */
	DOT_STEP = 1,	   /* quads that vi_dot is best given at once, where there is a choice */
	SIGNED_WEIGHTS = 0 /* VPDPBUSD reads unsigned weights */
};

typedef __m512i vi; /* LANES x 4 bytes, or LANES int32 */
typedef __m512 vf;  /* LANES floats */

#define INLINE static inline __attribute__((always_inline))

INLINE vi vi_load(const void *from)
{
	return _mm512_loadu_si512(from);
}

INLINE vi vi_set8(int value)
{
	return _mm512_set1_epi8((char)value);
}

INLINE vi vi_set32(int value)
{
	return _mm512_set1_epi32(value);
}

/* The four bytes at `from` in all lanes. */
INLINE vi vi_spread(const int8_t *from)
{
	int32_t four;

	memcpy(&four, from, sizeof(four));
	return _mm512_set1_epi32(four);
}

/* Sixteen bytes for vi_lookup. */
INLINE vi vi_table(const void *from)
{
	return _mm512_broadcast_i32x4(_mm_loadu_si128(from));
}

INLINE vi vi_lookup(vi table, vi index)
{
	return _mm512_shuffle_epi8(table, index);
}

INLINE vi vi_and(vi a, vi b)
{
	return _mm512_and_si512(a, b);
}

INLINE vi vi_xor(vi a, vi b)
{
	return _mm512_xor_si512(a, b);
}

/* a | (b & mask) */
INLINE vi vi_merge(vi a, vi b, vi mask)
{
	return _mm512_ternarylogic_epi32(a, b, mask, 0xf8);
}

/* Bytes shifted by n (negative: left); bits come in from the neighbour byte, for a mask to remove.
 */
INLINE vi vi_shift(vi a, int n)
{
	return n > 0 ? _mm512_srli_epi16(a, (unsigned)n) :
	       n < 0 ? _mm512_slli_epi16(a, (unsigned)-n) :
		       a;
}

/* LANES bytes as int32. */
INLINE vi vi_widen_u8(const uint8_t *from)
{
	return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)from));
}

INLINE vi vi_widen_s8(const uint8_t *from)
{
	return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)from));
}

/* Lanes of 32 bits shifted by n, which need not be a constant. */
INLINE vi vi_left32(vi a, int n)
{
	return _mm512_slli_epi32(a, (unsigned)n);
}

INLINE vi vi_right32(vi a, int n)
{
	return _mm512_srli_epi32(a, (unsigned)n);
}

INLINE vi vi_sub32(vi a, vi b)
{
	return _mm512_sub_epi32(a, b);
}

INLINE vf vf_from_int(vi a)
{
	return _mm512_cvtepi32_ps(a);
}

INLINE vf vf_from_bits(vi a)
{
	return _mm512_castsi512_ps(a);
}

INLINE vi vi_from_bits(vf a)
{
	return _mm512_castps_si512(a);
}

/* The levels of LANES codes, in the upper or the lower halves of bytes, times the scale. */
INLINE vf vf_levels(const int8_t table[16], const uint8_t *from, bool upper, vf scale)
{
	vi levels = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)table));
	vi codes = vi_widen_u8(from); /* the permutation looks at the lowest four bits */

	return _mm512_permutexvar_ps(upper ? vi_right32(codes, 4) : codes,
				     _mm512_mul_ps(_mm512_cvtepi32_ps(levels), scale));
}

/* LANES halves as floats. */
INLINE vf vf_half(const uint8_t *from)
{
	return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)from));
}

INLINE vf vf_load(const float *from)
{
	return _mm512_loadu_ps(from);
}

INLINE void vf_store(float *to, vf a)
{
	_mm512_storeu_ps(to, a);
}

/* a itself, in a register: a compiler would rather load it again for each use, which takes more
 * from memory than it can give. */
INLINE vf vf_keep(vf a)
{
	__asm__("" : "+v"(a));
	return a;
}

INLINE vf vf_set(float value)
{
	return _mm512_set1_ps(value);
}

INLINE vf vf_mul(vf a, vf b)
{
	return _mm512_mul_ps(a, b);
}

INLINE vf vf_add(vf a, vf b)
{
	return _mm512_add_ps(a, b);
}

INLINE vf vf_sub(vf a, vf b)
{
	return _mm512_sub_ps(a, b);
}

/* a * b + c */
INLINE vf vf_fma(vf a, vf b, vf c)
{
	return _mm512_fmadd_ps(a, b, c);
}

/* scale * (bits - MAGIC), see products.h. */
INLINE vf vf_unmagic(vi bits, vf scale)
{
	return vf_fma(vf_from_bits(bits), scale, vf_mul(scale, vf_set(-0x1.8p23f)));
}

INLINE vf vf_bf16(const uint16_t *from)
{
	__m256i half = _mm256_loadu_si256((const __m256i *)(const void *)from);

	return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

/* The sums of LANES vectors that lie one after the other. */
INLINE vf vf_sums(const float *from)
{
	vf a[8], b[4], c[2];

	for (int i = 0; i < 8; i++) {
		vf first = vf_load(from + 2 * i * LANES),
		   second = vf_load(from + (2 * i + 1) * LANES);

		a[i] = vf_add(_mm512_unpacklo_ps(first, second), _mm512_unpackhi_ps(first, second));
	}
	for (int i = 0; i < 4; i++) {
		__m512d first = _mm512_castps_pd(a[2 * i]), second = _mm512_castps_pd(a[2 * i + 1]);

		b[i] = vf_add(_mm512_castpd_ps(_mm512_unpacklo_pd(first, second)),
			      _mm512_castpd_ps(_mm512_unpackhi_pd(first, second)));
	}
	for (int i = 0; i < 2; i++)
		c[i] = vf_add(_mm512_shuffle_f32x4(b[2 * i], b[2 * i + 1], 0x88),
			      _mm512_shuffle_f32x4(b[2 * i], b[2 * i + 1], 0xdd));
	return vf_add(_mm512_shuffle_f32x4(c[0], c[1], 0x88),
		      _mm512_shuffle_f32x4(c[0], c[1], 0xdd));
}

INLINE float vf_first(vf a)
{
	return _mm512_cvtss_f32(a);
}

INLINE float vf_sum(vf a)
{
	return _mm512_reduce_add_ps(a);
}

/* sum + the dot products of the 4-byte lanes of n quads of weights with inputs at x. */
INLINE vi vi_dot(vi sum, const vi *weights, const int8_t *x, int n, int range)
{
	(void)range;
	for (int q = 0; q < n; q++)
		sum = _mm512_dpbusd_epi32(sum, weights[q], vi_spread(x + 4 * q));
	return sum;
}

/* The sums of four vectors. */
INLINE void vf_sum4(vf a, vf b, vf c, vf d, float to[4])
{
	vf ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
	vf cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
	vf all = _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xee));
	__m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));

	_mm_storeu_ps(to, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
}

INLINE vi vi_add32(vi a, vi b)
{
	return _mm512_add_epi32(a, b);
}

/* int32 divided by 2, rounded down. */
INLINE vi vi_halve32(vi a)
{
	return _mm512_srai_epi32(a, 1);
}

INLINE vi vi_max_u32(vi a, vi b)
{
	return _mm512_max_epu32(a, b);
}

/* Floats rounded to the nearest int32, ties to even. */
INLINE vi vi_round(vf a)
{
	return _mm512_cvtps_epi32(a);
}

INLINE vf vf_div(vf a, vf b)
{
	return _mm512_div_ps(a, b);
}

INLINE vf vf_sqrt(vf a)
{
	return _mm512_sqrt_ps(a);
}

/* Where one is NaN, the second of these two. */
INLINE vf vf_min(vf a, vf b)
{
	return _mm512_min_ps(a, b);
}

INLINE vf vf_max(vf a, vf b)
{
	return _mm512_max_ps(a, b);
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
	return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
}

INLINE bool vf_any_equal(vf a, vf b)
{
	return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ) != 0;
}

INLINE float vf_largest(vf a)
{
	return _mm512_reduce_max_ps(a);
}

INLINE uint32_t vi_largest_u32(vi a)
{
	return _mm512_reduce_max_epu32(a);
}

/* n < LANES floats; the others are 0. */
INLINE vf vf_load_part(const float *from, size_t n)
{
	return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), from);
}

INLINE void vf_store_part(float *to, vf a, size_t n)
{
	_mm512_mask_storeu_ps(to, (__mmask16)((1u << n) - 1), a);
}

/* int32 as LANES int8; values fit. */
INLINE void vi_store8(int8_t *to, vi a)
{
	_mm_storeu_si128((__m128i *)(void *)to, _mm512_cvtepi32_epi8(a));
}

INLINE void vf_store_half(uint16_t *to, vf a)
{
	_mm256_storeu_si256((__m256i *)(void *)to,
			    _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

/* LANES / 2 floats, each twice. */
INLINE vf vf_load_twice(const float *from)
{
	const vi pairs = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);

	return _mm512_permutexvar_ps(pairs, _mm512_castps256_ps512(_mm256_loadu_ps(from)));
}

/* Each pair (a, b) of lanes that are `distance` apart becomes (a + b, a - b). */
INLINE vf vf_butterfly(vf x, int distance)
{
	const vi lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
	vi apart = vi_set32(distance);
	vf other = _mm512_permutexvar_ps(vi_xor(lane, apart), x);

	return _mm512_mask_sub_ps(_mm512_add_ps(x, other), _mm512_test_epi32_mask(lane, apart),
				  other, x);
}

/* Pairs (a, b) turned to (a c - b s, a s + b c). */
INLINE vf vf_rotate(vf x, vf c, vf s)
{
	return _mm512_fmaddsub_ps(x, c, _mm512_mul_ps(_mm512_permute_ps(x, 0xb1), s));
}

#endif

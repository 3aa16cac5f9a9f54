/*
 * vec_avx2.h: the vectors of weights.h and products.h in 256 bits: AVX2, FMA and F16C, and AVX-VNNI
 * where the file that includes this is built with it.
 */
#ifndef ELM_KERNEL_X86_VEC_AVX2_H
#define ELM_KERNEL_X86_VEC_AVX2_H

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
	LANES = 8,
	GROUPS = 1, /* groups of LANES rows that share one pass over the inputs */
#ifdef __AVXVNNI__
	TILE = 4,	   /* inputs whose sums are kept in registers */
	DOT_STEP = 1,	   /* quads that vi_dot is best given at once, where there is a choice */
	SIGNED_WEIGHTS = 0 /* VPDPBUSD reads unsigned weights */
#else
	TILE = 2,
	DOT_STEP = 8,
	SIGNED_WEIGHTS = 1
#endif
};

typedef __m256i vi; /* LANES x 4 bytes, or LANES int32 */
typedef __m256 vf;  /* LANES floats */

#define INLINE static inline __attribute__((always_inline))

INLINE vi vi_load(const void *from)
{
	return _mm256_loadu_si256((const __m256i *)from);
}

INLINE vi vi_set8(int value)
{
	return _mm256_set1_epi8((char)value);
}

INLINE vi vi_set32(int value)
{
	return _mm256_set1_epi32(value);
}

/* The four bytes at `from` in all lanes. */
INLINE vi vi_spread(const int8_t *from)
{
	int32_t four;

	memcpy(&four, from, sizeof(four));
	return _mm256_set1_epi32(four);
}

/* Sixteen bytes for vi_lookup. */
INLINE vi vi_table(const void *from)
{
	return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)from));
}

INLINE vi vi_lookup(vi table, vi index)
{
	return _mm256_shuffle_epi8(table, index);
}

INLINE vi vi_and(vi a, vi b)
{
	return _mm256_and_si256(a, b);
}

INLINE vi vi_xor(vi a, vi b)
{
	return _mm256_xor_si256(a, b);
}

/* a | (b & mask) */
INLINE vi vi_merge(vi a, vi b, vi mask)
{
	return _mm256_or_si256(a, _mm256_and_si256(b, mask));
}

/* Bytes shifted by n (negative: left); bits come in from the neighbour byte, for a mask to remove.
 */
INLINE vi vi_shift(vi a, int n)
{
	return n > 0 ? _mm256_srli_epi16(a, n) : n < 0 ? _mm256_slli_epi16(a, -n) : a;
}

/* LANES bytes as int32. */
INLINE vi vi_widen_u8(const uint8_t *from)
{
	return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)from));
}

INLINE vi vi_widen_s8(const uint8_t *from)
{
	return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)from));
}

/* Lanes of 32 bits shifted by n, which need not be a constant. */
INLINE vi vi_left32(vi a, int n)
{
	return _mm256_slli_epi32(a, n);
}

INLINE vi vi_right32(vi a, int n)
{
	return _mm256_srli_epi32(a, n);
}

INLINE vi vi_sub32(vi a, vi b)
{
	return _mm256_sub_epi32(a, b);
}

INLINE vf vf_from_int(vi a)
{
	return _mm256_cvtepi32_ps(a);
}

INLINE vf vf_from_bits(vi a)
{
	return _mm256_castsi256_ps(a);
}

INLINE vi vi_from_bits(vf a)
{
	return _mm256_castps_si256(a);
}

/* The levels of LANES codes, in the upper or the lower halves of bytes, times the scale. */
INLINE vf vf_levels(const int8_t table[16], const uint8_t *from, bool upper, vf scale)
{
	__m128i levels = _mm_loadu_si128((const __m128i *)(const void *)table);
	__m128i codes = _mm_loadl_epi64((const __m128i *)(const void *)from);

	codes = _mm_and_si128(upper ? _mm_srli_epi16(codes, 4) : codes, _mm_set1_epi8(15));
	return _mm256_mul_ps(vf_from_int(_mm256_cvtepi8_epi32(_mm_shuffle_epi8(levels, codes))),
			     scale);
}

/* LANES halves as floats. */
INLINE vf vf_half(const uint8_t *from)
{
	return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)from));
}

INLINE vf vf_load(const float *from)
{
	return _mm256_loadu_ps(from);
}

INLINE void vf_store(float *to, vf a)
{
	_mm256_storeu_ps(to, a);
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
	return _mm256_set1_ps(value);
}

INLINE vf vf_mul(vf a, vf b)
{
	return _mm256_mul_ps(a, b);
}

INLINE vf vf_add(vf a, vf b)
{
	return _mm256_add_ps(a, b);
}

INLINE vf vf_sub(vf a, vf b)
{
	return _mm256_sub_ps(a, b);
}

/* a * b + c */
INLINE vf vf_fma(vf a, vf b, vf c)
{
	return _mm256_fmadd_ps(a, b, c);
}

/* scale * (bits - MAGIC), see products.h. */
INLINE vf vf_unmagic(vi bits, vf scale)
{
	return vf_fma(vf_from_bits(bits), scale, vf_mul(scale, vf_set(-0x1.8p23f)));
}

INLINE vf vf_bf16(const uint16_t *from)
{
	__m128i half = _mm_loadu_si128((const __m128i *)(const void *)from);

	return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

/* The sums of LANES vectors that lie one after the other. */
INLINE vf vf_sums(const float *from)
{
	vf a[4], b[2];

	for (int i = 0; i < 4; i++)
		a[i] = _mm256_hadd_ps(vf_load(from + 2 * i * LANES),
				      vf_load(from + (2 * i + 1) * LANES));
	for (int i = 0; i < 2; i++)
		b[i] = _mm256_hadd_ps(a[2 * i], a[2 * i + 1]);
	return vf_add(_mm256_permute2f128_ps(b[0], b[1], 0x20),
		      _mm256_permute2f128_ps(b[0], b[1], 0x31));
}

INLINE float vf_first(vf a)
{
	return _mm256_cvtss_f32(a);
}

INLINE float vf_sum(vf a)
{
	__m128 half = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));

	half = _mm_add_ps(half, _mm_movehl_ps(half, half));
	return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

#ifdef __AVXVNNI__

/* sum + the dot products of the 4-byte lanes of n quads of weights with inputs at x. */
INLINE vi vi_dot(vi sum, const vi *weights, const int8_t *x, int n, int range)
{
	(void)range;
	for (int q = 0; q < n; q++)
		sum = _mm256_dpbusd_avx_epi32(sum, weights[q], vi_spread(x + 4 * q));
	return sum;
}

#else

/*
 * The same with products of pairs in 16 bits. Weights are 0 .. range, so that as many pairs as fit
 * into 16 bits are added before they are widened; range 0 means signed weights, whose sign goes to
 * the inputs. Inputs are -127 .. 127.
 */
INLINE vi vi_dot(vi sum, const vi *weights, const int8_t *x, int n, int range)
{
	const vi ones = _mm256_set1_epi16(1);
	const int most = range ? 32767 / (range * 2 * 127) : 1;

	for (int q = 0; q < n; q += most) {
		vi pairs = _mm256_setzero_si256();

		for (int i = q; i < n && i < q + most; i++) {
			vi input = vi_spread(x + 4 * i), weight = weights[i], pair;

			if (!range) {
				input = _mm256_sign_epi8(input, weight);
				weight = _mm256_abs_epi8(weight);
			}
			pair = _mm256_maddubs_epi16(weight, input);
			pairs = i == q ? pair : _mm256_add_epi16(pairs, pair);
		}
		sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
	}
	return sum;
}

#endif

/* The sums of four vectors. */
INLINE void vf_sum4(vf a, vf b, vf c, vf d, float to[4])
{
	vf ab = _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
	vf cd = _mm256_add_ps(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
	vf all = _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xee));

	_mm_storeu_ps(to, _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1)));
}

INLINE vi vi_add32(vi a, vi b)
{
	return _mm256_add_epi32(a, b);
}

/* int32 divided by 2, rounded down. */
INLINE vi vi_halve32(vi a)
{
	return _mm256_srai_epi32(a, 1);
}

INLINE vi vi_max_u32(vi a, vi b)
{
	return _mm256_max_epu32(a, b);
}

/* Floats rounded to the nearest int32, ties to even. */
INLINE vi vi_round(vf a)
{
	return _mm256_cvtps_epi32(a);
}

INLINE vf vf_div(vf a, vf b)
{
	return _mm256_div_ps(a, b);
}

INLINE vf vf_sqrt(vf a)
{
	return _mm256_sqrt_ps(a);
}

/* Where one is NaN, the second of these two. */
INLINE vf vf_min(vf a, vf b)
{
	return _mm256_min_ps(a, b);
}

INLINE vf vf_max(vf a, vf b)
{
	return _mm256_max_ps(a, b);
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
	return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}

INLINE bool vf_any_equal(vf a, vf b)
{
	return _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_EQ_OQ)) != 0;
}

INLINE float vf_largest(vf a)
{
	__m128 half = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));

	half = _mm_max_ps(half, _mm_movehl_ps(half, half));
	return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

INLINE uint32_t vi_largest_u32(vi a)
{
	__m128i half = _mm_max_epu32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));

	half = _mm_max_epu32(half, _mm_unpackhi_epi64(half, half));
	return (uint32_t)_mm_cvtsi128_si32(_mm_max_epu32(half, _mm_srli_epi64(half, 32)));
}

/* The first n < LANES lanes. */
INLINE vi first_lanes(size_t n)
{
	return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n),
				  _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0));
}

/* n < LANES floats; the others are 0. */
INLINE vf vf_load_part(const float *from, size_t n)
{
	return _mm256_maskload_ps(from, first_lanes(n));
}

INLINE void vf_store_part(float *to, vf a, size_t n)
{
	_mm256_maskstore_ps(to, first_lanes(n), a);
}

/* int32 as LANES int8; values fit. */
INLINE void vi_store8(int8_t *to, vi a)
{
	__m128i half = _mm_packs_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));

	_mm_storel_epi64((__m128i *)(void *)to, _mm_packs_epi16(half, half));
}

INLINE void vf_store_half(uint16_t *to, vf a)
{
	_mm_storeu_si128((__m128i *)(void *)to,
			 _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

/* LANES / 2 floats, each twice. */
INLINE vf vf_load_twice(const float *from)
{
	const vi pairs = _mm256_set_epi32(3, 3, 2, 2, 1, 1, 0, 0);

	return _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(from)), pairs);
}

/* Each pair (a, b) of lanes that are `distance` apart becomes (a + b, a - b). */
INLINE vf vf_butterfly(vf x, int distance)
{
	const vi lane = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
	vi apart = vi_set32(distance);
	vi second = _mm256_cmpeq_epi32(vi_and(lane, apart), apart);
	vf other = _mm256_permutevar8x32_ps(x, vi_xor(lane, apart));
	vf turned = vf_from_bits(vi_and(second, vi_set32(INT32_MIN)));

	return _mm256_add_ps(other, _mm256_xor_ps(x, turned));
}

/* Pairs (a, b) turned to (a c - b s, a s + b c). */
INLINE vf vf_rotate(vf x, vf c, vf s)
{
	return _mm256_fmaddsub_ps(x, c, _mm256_mul_ps(_mm256_permute_ps(x, 0xb1), s));
}

#endif

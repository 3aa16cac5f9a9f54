/* dequant_avx2.c: see kernel/dequant.h. Built with AVX2 and F16C. */
#include "kernel/dequant.h"
#include "quant/half.h"

#include <immintrin.h>

typedef uint8_t bytes __attribute__((vector_size(16)));

static inline bytes field(bytes v, int shift, uint8_t mask)
{
	/* Bits that come from the neighbour byte are masked away. */
	return (bytes)_mm_and_si128(_mm_srl_epi16((__m128i)v, _mm_cvtsi32_si128(shift)),
				    _mm_set1_epi8((char)mask));
}

static inline bytes lookup(bytes table, bytes index)
{
	return (bytes)_mm_shuffle_epi8((__m128i)table, (__m128i)index);
}

static inline __m256 widen_low(bytes codes)
{
	return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32((__m128i)codes));
}

static inline __m256 widen_high(bytes codes)
{
	return _mm256_cvtepi32_ps(
		_mm256_cvtepi8_epi32(_mm_unpackhi_epi64((__m128i)codes, (__m128i)codes)));
}

static inline void emit(bytes codes, float scale, float *out)
{
	__m256 s = _mm256_set1_ps(scale);

	_mm256_storeu_ps(out, _mm256_mul_ps(s, widen_low(codes)));
	_mm256_storeu_ps(out + 8, _mm256_mul_ps(s, widen_high(codes)));
}

static inline void emit_sub(bytes codes, float scale, float minimum, float *out)
{
	__m256 s = _mm256_set1_ps(scale), m = _mm256_set1_ps(minimum);

	_mm256_storeu_ps(out, _mm256_sub_ps(_mm256_mul_ps(s, widen_low(codes)), m));
	_mm256_storeu_ps(out + 8, _mm256_sub_ps(_mm256_mul_ps(s, widen_high(codes)), m));
}

static inline float f16_one(uint16_t half)
{
	return _cvtsh_ss(half);
}

static void f16_row(const void *blocks, float *out, size_t elements)
{
	const uint16_t *in = blocks;
	size_t i;

	for (i = 0; i + 8 <= elements; i += 8)
		_mm256_storeu_ps(out + i,
				 _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(in + i))));
	for (; i < elements; i++)
		out[i] = f16_one(in[i]);
}

static void bf16_row(const void *blocks, float *out, size_t elements)
{
	const uint16_t *in = blocks;
	size_t i;

	for (i = 0; i + 8 <= elements; i += 8) {
		__m128i half = _mm_loadu_si128((const __m128i *)(in + i));
		__m256 value =
			_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
		__m256 is_nan = _mm256_cmp_ps(value, value, _CMP_UNORD_Q);
		__m256 quiet = _mm256_castsi256_ps(_mm256_set1_epi32(0x400000));

		_mm256_storeu_ps(out + i, _mm256_or_ps(value, _mm256_and_ps(is_nan, quiet)));
	}
	for (; i < elements; i++)
		out[i] = elm__bf16_to_f32(in[i]);
}

#define DEQUANT_TABLE elm__dequant_avx2
#include "kernel/dequant_tmpl.h"

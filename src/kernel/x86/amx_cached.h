/*
 * amx_cached.h: keys and values of a cache of any type as vectors, and those as bfloat16.
 */
#ifndef ELM_KERNEL_X86_AMX_CACHED_H
#define ELM_KERNEL_X86_AMX_CACHED_H

#include "kernel/kv.h"
#include "kernel/x86/amx_tile.h"
#include "quant/blocks.h"

static const int8_t iq4_levels[16] = ELM__IQ4_LEVELS;

/* The scale of elements [at, at + 32) of row t of a cache block. */
AMX_INLINE __m512 scale_of(elm_type type, const void *block, size_t dim, size_t t, size_t at)
{
	const uint16_t *scales = elm__kv_scales(type, block, dim);
	uint16_t half = scales[at / ELM__Q8_BLOCK * ELM__KV_BLOCK + t];

	return _mm512_cvtph_ps(_mm256_set1_epi16((short)half));
}

/* Elements [at, at + 32) of row t of a cache block; zeros past the head's end. */
AMX_INLINE void load_cached(elm_type type, const void *block, size_t dim, size_t t, size_t at,
			    __m512 *first, __m512 *second)
{
	size_t left = dim - at, i = t * dim + at;
	__mmask16 mask0 = left >= 16 ? 0xffff : (__mmask16)((1u << left) - 1);
	__mmask16 mask1 = left >= 32 ? 0xffff :
			  left <= 16 ? 0 :
				       (__mmask16)((1u << (left - 16)) - 1);

	if (type == ELM_TYPE_F32) {
		*first = _mm512_maskz_loadu_ps(mask0, (const float *)block + i);
		*second = _mm512_maskz_loadu_ps(mask1, (const float *)block + i + 16);
	} else if (type == ELM_TYPE_F16) {
		const uint16_t *row = (const uint16_t *)block + i;

		*first = _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask0, row));
		*second = _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask1, row + 16));
	} else if (type == ELM_TYPE_IQ4_NL) {
		const char *row = (const char *)block + t * elm__kv_code_bytes(type, dim) + at / 2;
		__m512 scale = scale_of(type, block, dim, t, at), levels;
		__m512i codes = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)row));

		levels = _mm512_cvtepi32_ps(
			_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)iq4_levels)));
		*first = _mm512_maskz_permutexvar_ps(mask0, codes, levels);
		*second = _mm512_maskz_permutexvar_ps(mask1, _mm512_srli_epi32(codes, 4), levels);
		*first = _mm512_mul_ps(*first, scale);
		*second = _mm512_mul_ps(*second, scale);
	} else {
		const int8_t *row = (const int8_t *)block + i;
		__m512 scale = scale_of(type, block, dim, t, at);
		__m512i low = _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(mask0, row));
		__m512i high = _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(mask1, row + 16));

		*first = _mm512_mul_ps(_mm512_cvtepi32_ps(low), scale);
		*second = _mm512_mul_ps(_mm512_cvtepi32_ps(high), scale);
	}
}

/* Cuts two vectors down to bfloat16 and what is left of that, and joins them to pairs. */
AMX_INLINE void split_pairs(__m512 even, __m512 odd, __m512i *high, __m512i *low)
{
	const __m512i upper = _mm512_set4_epi32(0x0f0e0f0e, 0x0b0a0b0a, 0x07060706, 0x03020302);
	const __m512 kept = _mm512_castsi512_ps(_mm512_set1_epi32(-0x10000));
	__m512 even_rest = _mm512_sub_ps(even, _mm512_and_ps(even, kept));
	__m512 odd_rest = _mm512_sub_ps(odd, _mm512_and_ps(odd, kept));

	*high = _mm512_mask_shuffle_epi8(_mm512_castps_si512(odd), 0x3333333333333333,
					 _mm512_castps_si512(even), upper);
	*low = _mm512_mask_shuffle_epi8(_mm512_castps_si512(odd_rest), 0x3333333333333333,
					_mm512_castps_si512(even_rest), upper);
}

/* What rounds to bfloat16 as its upper half. */
AMX_INLINE __m512i rounded(__m512 x)
{
	return _mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x8000));
}

/* The upper halves of two vectors as pairs. */
AMX_INLINE __m512i pairs_of(__m512i even, __m512i odd)
{
	return _mm512_mask_blend_epi16(0x55555555, odd, _mm512_srli_epi32(even, 16));
}

#endif

/* vec_neon.h: the vectors of vector.h, attention.h and plain.h in NEON. */
#ifndef ELM_KERNEL_ARM_VEC_NEON_H
#define ELM_KERNEL_ARM_VEC_NEON_H

#include <arm_neon.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { LANES = 4 };

typedef int32x4_t vi;
typedef float32x4_t vf;

#define INLINE static inline __attribute__((always_inline))

/* --- integers --- */

INLINE vi vi_set32(int value)
{
	return vdupq_n_s32(value);
}

/* LANES bytes as int32. */
INLINE vi vi_widen_s8(const uint8_t *from)
{
	uint32_t bytes;

	memcpy(&bytes, from, sizeof(bytes));
	return vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8(bytes))));
}

INLINE vi vi_left32(vi a, int n)
{
	return vshlq_s32(a, vdupq_n_s32(n));
}

INLINE vi vi_add32(vi a, vi b)
{
	return vaddq_s32(a, b);
}

INLINE vi vi_sub32(vi a, vi b)
{
	return vsubq_s32(a, b);
}

/* int32 divided by 2, rounded down. */
INLINE vi vi_halve32(vi a)
{
	return vshrq_n_s32(a, 1);
}

INLINE vi vi_max_u32(vi a, vi b)
{
	return vreinterpretq_s32_u32(vmaxq_u32(vreinterpretq_u32_s32(a), vreinterpretq_u32_s32(b)));
}

INLINE uint32_t vi_largest_u32(vi a)
{
	return vmaxvq_u32(vreinterpretq_u32_s32(a));
}

/* Floats rounded to the nearest int32, ties to even. */
INLINE vi vi_round(vf a)
{
	return vcvtnq_s32_f32(a);
}

/* int32 as LANES int8; values fit. */
INLINE void vi_store8(int8_t *to, vi a)
{
	int16x4_t half = vmovn_s32(a);
	int8x8_t bytes = vmovn_s16(vcombine_s16(half, half));
	uint32_t word = vget_lane_u32(vreinterpret_u32_s8(bytes), 0);

	memcpy(to, &word, sizeof(word));
}

/* --- floats and integers --- */

INLINE vf vf_from_int(vi a)
{
	return vcvtq_f32_s32(a);
}

INLINE vf vf_from_bits(vi a)
{
	return vreinterpretq_f32_s32(a);
}

INLINE vi vi_from_bits(vf a)
{
	return vreinterpretq_s32_f32(a);
}

/* --- loads and stores --- */

INLINE vf vf_load(const float *from)
{
	return vld1q_f32(from);
}

INLINE void vf_store(float *to, vf a)
{
	vst1q_f32(to, a);
}

/* n < LANES floats; the others are 0. */
INLINE vf vf_load_part(const float *from, size_t n)
{
	float all[LANES] = { 0 };

	for (size_t i = 0; i < n; i++)
		all[i] = from[i];
	return vld1q_f32(all);
}

INLINE void vf_store_part(float *to, vf a, size_t n)
{
	float all[LANES];

	vst1q_f32(all, a);
	for (size_t i = 0; i < n; i++)
		to[i] = all[i];
}

/* The levels of LANES codes, in the upper or the lower halves of bytes, times the scale. */
INLINE vf vf_levels(const int8_t table[16], const uint8_t *from, bool upper, vf scale)
{
	uint32_t four;
	uint8x8_t codes;

	memcpy(&four, from, sizeof(four));
	codes = vcreate_u8(upper ? four >> 4 : four);
	codes = vand_u8(codes, vdup_n_u8(15));
	return vmulq_f32(
		vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vqtbl1_s8(vld1q_s8(table), codes))))),
		scale);
}

/* LANES halves as floats. */
INLINE vf vf_half(const uint8_t *from)
{
	uint16x4_t half;

	memcpy(&half, from, sizeof(half));
	return vcvt_f32_f16(vreinterpret_f16_u16(half));
}

INLINE void vf_store_half(uint16_t *to, vf a)
{
	vst1_u16(to, vreinterpret_u16_f16(vcvt_f16_f32(a)));
}

INLINE vf vf_bf16(const uint16_t *from)
{
	return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(from), 16));
}

/* LANES / 2 floats, each twice. */
INLINE vf vf_load_twice(const float *from)
{
	float32x2_t two = vld1_f32(from);

	return vcombine_f32(vdup_lane_f32(two, 0), vdup_lane_f32(two, 1));
}

/* --- arithmetic --- */

INLINE vf vf_set(float value)
{
	return vdupq_n_f32(value);
}

/* a itself; see vec_avx512.h for those who are short of loads. */
INLINE vf vf_keep(vf a)
{
	return a;
}

INLINE vf vf_add(vf a, vf b)
{
	return vaddq_f32(a, b);
}

INLINE vf vf_sub(vf a, vf b)
{
	return vsubq_f32(a, b);
}

INLINE vf vf_mul(vf a, vf b)
{
	return vmulq_f32(a, b);
}

INLINE vf vf_div(vf a, vf b)
{
	return vdivq_f32(a, b);
}

INLINE vf vf_sqrt(vf a)
{
	return vsqrtq_f32(a);
}

/* a * b + c */
INLINE vf vf_fma(vf a, vf b, vf c)
{
	return vfmaq_f32(c, a, b);
}

/* NaN where one is NaN. */
INLINE vf vf_min(vf a, vf b)
{
	return vminq_f32(a, b);
}

INLINE vf vf_max(vf a, vf b)
{
	return vmaxq_f32(a, b);
}

INLINE vf vf_abs(vf a)
{
	return vabsq_f32(a);
}

/* The magnitude of a, which is not negative, with the sign of b. */
INLINE vf vf_copy_sign(vf a, vf b)
{
	return vbslq_f32(vdupq_n_u32(0x80000000), b, a);
}

/* a < b ? x : y */
INLINE vf vf_where_less(vf a, vf b, vf x, vf y)
{
	return vbslq_f32(vcltq_f32(a, b), x, y);
}

INLINE bool vf_any_equal(vf a, vf b)
{
	return vmaxvq_u32(vceqq_f32(a, b)) != 0;
}

/* --- across lanes --- */

INLINE float vf_first(vf a)
{
	return vgetq_lane_f32(a, 0);
}

INLINE float vf_sum(vf a)
{
	return vaddvq_f32(a);
}

INLINE float vf_largest(vf a)
{
	return vmaxvq_f32(a);
}

/* The sums of four vectors. */
INLINE void vf_sum4(vf a, vf b, vf c, vf d, float to[4])
{
	vst1q_f32(to, vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d)));
}

/* The sums of LANES vectors that lie one after the other. */
INLINE vf vf_sums(const float *from)
{
	vf low = vpaddq_f32(vf_load(from), vf_load(from + LANES));
	vf high = vpaddq_f32(vf_load(from + 2 * LANES), vf_load(from + 3 * LANES));

	return vpaddq_f32(low, high);
}

/* Each pair (a, b) of lanes that are `distance` apart becomes (a + b, a - b). */
INLINE vf vf_butterfly(vf x, int distance)
{
	const vf near = { 1, -1, 1, -1 }, far = { 1, 1, -1, -1 };

	return distance == 1 ? vfmaq_f32(vrev64q_f32(x), x, near) :
			       vfmaq_f32(vextq_f32(x, x, 2), x, far);
}

/* Pairs (a, b) turned to (a c - b s, a s + b c). */
INLINE vf vf_rotate(vf x, vf c, vf s)
{
	const vf signs = { -1, 1, -1, 1 };
	vf swapped = vrev64q_f32(x);

	return vfmaq_f32(vmulq_f32(x, c), swapped, vmulq_f32(s, signs));
}

#endif

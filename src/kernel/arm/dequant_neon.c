/* dequant_neon.c: see kernel/dequant.h. For 64-bit ARM, where NEON is always there. */
#include "kernel/dequant.h"
#include "quant/half.h"

#include <arm_neon.h>

typedef uint8_t bytes __attribute__((vector_size(16)));

static inline bytes field(bytes v, int shift, uint8_t mask)
{
	return (bytes)vandq_u8(vshlq_u8((uint8x16_t)v, vdupq_n_s8((int8_t)-shift)),
			       vdupq_n_u8(mask));
}

static inline bytes lookup(bytes table, bytes index)
{
	return (bytes)vqtbl1q_u8((uint8x16_t)table, (uint8x16_t)index);
}

static inline float32x4x4_t widen(bytes codes)
{
	int16x8_t low = vmovl_s8(vget_low_s8((int8x16_t)codes));
	int16x8_t high = vmovl_s8(vget_high_s8((int8x16_t)codes));
	float32x4x4_t wide;

	wide.val[0] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(low)));
	wide.val[1] = vcvtq_f32_s32(vmovl_s16(vget_high_s16(low)));
	wide.val[2] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(high)));
	wide.val[3] = vcvtq_f32_s32(vmovl_s16(vget_high_s16(high)));
	return wide;
}

static inline void emit(bytes codes, float scale, float *out)
{
	float32x4x4_t wide = widen(codes);
	int i;

	for (i = 0; i < 4; i++)
		vst1q_f32(out + 4 * i, vmulq_n_f32(wide.val[i], scale));
}

static inline void emit_sub(bytes codes, float scale, float minimum, float *out)
{
	float32x4x4_t wide = widen(codes);
	float32x4_t m = vdupq_n_f32(minimum);
	int i;

	for (i = 0; i < 4; i++)
		vst1q_f32(out + 4 * i, vsubq_f32(vmulq_n_f32(wide.val[i], scale), m));
}

static inline float f16_one(uint16_t half)
{
	return elm__f16_to_f32(half);
}

static void f16_row(const void *blocks, float *out, size_t elements)
{
	const uint16_t *in = blocks;
	size_t i;

	for (i = 0; i + 4 <= elements; i += 4)
		vst1q_f32(out + i, vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(in + i))));
	for (; i < elements; i++)
		out[i] = f16_one(in[i]);
}

static void bf16_row(const void *blocks, float *out, size_t elements)
{
	const uint16_t *in = blocks;
	size_t i;

	for (i = 0; i + 4 <= elements; i += 4) {
		uint32x4_t bits = vshll_n_u16(vld1_u16(in + i), 16);
		uint32x4_t number =
			vceqq_f32(vreinterpretq_f32_u32(bits), vreinterpretq_f32_u32(bits));
		uint32x4_t quiet = vbicq_u32(vdupq_n_u32(0x400000), number);

		vst1q_f32(out + i, vreinterpretq_f32_u32(vorrq_u32(bits, quiet)));
	}
	for (; i < elements; i++)
		out[i] = elm__bf16_to_f32(in[i]);
}

#define DEQUANT_TABLE elm__dequant_neon
#include "kernel/dequant_tmpl.h"

/*
 * weights.h: packed weights (packed.h, 16 rows interleaved) as NEON vectors. One small decoder for
 * each type, shared by all products of all ARM tiers; `type` is always a constant.
 *
 * A group of 16 rows is four slices of 4 rows; a vector of codes holds one quad (four inputs) of
 * the rows of a slice. Sixteen rows make fields of bytes (scales and minima) one vector each, and
 * let one load of the inputs serve four dot products.
 *
 * A weight is scale * (code - bias) + offset. Codes are signed bytes.
 */
#ifndef ELM_KERNEL_ARM_WEIGHTS_H
#define ELM_KERNEL_ARM_WEIGHTS_H

#include <arm_neon.h>
#include <stdint.h>

#include "kernel/packed_facts.h"
#include "quant/blocks.h"

#define INLINE static inline __attribute__((always_inline))

enum { LANES = 16, SLICES = 4, UNIT = 4 * LANES };

INLINE size_t header_bytes(elm_type type)
{
	return elm__packed_header(type) * LANES;
}

INLINE size_t code_bytes(elm_type type)
{
	return elm__packed_units(type) * UNIT;
}

INLINE size_t block_bytes(elm_type type)
{
	return header_bytes(type) + (size_t)elm__packed_subs(type) * code_bytes(type);
}

/* --- codes --- */

/* Bytes shifted right by n, left where n is negative. */
INLINE uint8x16_t shift(uint8x16_t v, int n)
{
	return n ? vshlq_u8(v, vdupq_n_s8((int8_t)-n)) : v;
}

/* `code` with the bits of `mask` taken from v shifted right by n. */
INLINE uint8x16_t insert(uint8x16_t code, uint8x16_t v, int n, uint8_t mask)
{
	return vbslq_u8(vdupq_n_u8(mask), shift(v, n), code);
}

INLINE uint8x16_t load_nibble(const uint8_t *from, int q)
{
	uint8x16_t both = vld1q_u8(from + UNIT * (q % 4));

	return q < 4 ? vandq_u8(both, vdupq_n_u8(15)) : vshrq_n_u8(both, 4);
}

INLINE uint8x16_t load_bits2(const uint8_t *from, int q)
{
	return vandq_u8(shift(vld1q_u8(from + q / 4 * UNIT), q % 4 * 2), vdupq_n_u8(3));
}

INLINE uint8x16_t levels(void)
{
	static const int8_t all[16] = ELM__IQ4_LEVELS;

	return vreinterpretq_u8_s8(vld1q_s8(all));
}

/* The codes of quad q, a constant; `from` is where those of the slice begin. */
INLINE int8x16_t load_code(elm_type type, const uint8_t *from, int q)
{
	uint8x16_t code;

	if (type == ELM_TYPE_Q8_0) {
		code = vld1q_u8(from + UNIT * q);
	} else if (type == ELM_TYPE_Q2_K) {
		code = load_bits2(from, q);
	} else if (type == ELM_TYPE_Q3_K) {
		code = insert(load_bits2(from + UNIT, q), vld1q_u8(from), q - 2, 4);
	} else if (type == ELM_TYPE_Q6_K) {
		code = insert(load_nibble(from + 2 * UNIT, q), vld1q_u8(from + q / 4 * UNIT),
			      q % 4 * 2 - 4, 0x30);
	} else if (elm__packed_units(type) == 5) {
		code = insert(load_nibble(from + UNIT, q), vld1q_u8(from), q - 4, 16);
	} else {
		code = load_nibble(from, q);
		if (elm__packed_is_lookup(type))
			code = vqtbl1q_u8(levels(), code);
	}
	return vreinterpretq_s8_u8(code);
}

/* --- scales --- */

/* The halves of two slices as floats. */
INLINE void load_halves(const uint8_t *from, float32x4_t out[2])
{
	for (int i = 0; i < 2; i++) {
		uint16x4_t half = vld1_u16((const uint16_t *)(const void *)(from + 8 * i));

		out[i] = vcvt_f32_f16(vreinterpret_f16_u16(half));
	}
}

/* The integer scales and minima of 32 inputs, a byte for each row. */
typedef struct bytes_of_scales {
	int8x16_t scale[2]; /* of the half-blocks; the first where both have the same */
	uint8x16_t minimum[2];
} bytes_of_scales;

/* Low four bits of `low`, then two bits of `high` from `bit`. */
INLINE uint8x16_t six_bits(uint8x16_t low, uint8x16_t high, int bit)
{
	return vandq_u8(vsliq_n_u8(low, shift(high, bit), 4), vdupq_n_u8(63));
}

/*
 * Sub-block s0 + phase of a block of 256; s0 is 0 or 4, and phase is a constant. `bytes` is where
 * the fields of bytes begin.
 */
INLINE void load_scales(elm_type type, const uint8_t *bytes, int s0, int phase,
			bytes_of_scales *out)
{
	const int s = s0 + phase;

	if (type == ELM_TYPE_Q4_K || type == ELM_TYPE_Q5_K) {
		uint8x16_t lo = vld1q_u8(bytes + LANES * s);
		uint8x16_t hi = vld1q_u8(bytes + LANES * (8 + s0 / 2 + phase / 2));

		out->scale[0] = vreinterpretq_s8_u8(six_bits(lo, hi, phase % 2 * 4));
		out->minimum[0] = six_bits(vshrq_n_u8(lo, 4), hi, phase % 2 * 4 + 2);
	} else if (type == ELM_TYPE_IQ4_XS) {
		uint8x16_t lo =
			shift(vld1q_u8(bytes + LANES * (s0 / 2 + phase / 2)), phase % 2 * 4);
		uint8x16_t hi = vld1q_u8(bytes + LANES * (4 + s0 / 4));
		uint8x16_t code = six_bits(lo, hi, phase * 2);

		out->scale[0] = vsubq_s8(vreinterpretq_s8_u8(code), vdupq_n_s8(32));
	} else if (type == ELM_TYPE_Q3_K) {
		for (int h = 0; h < 2; h++) {
			uint8x16_t lo = shift(vld1q_u8(bytes + LANES * s), 4 * h);
			uint8x16_t hi = vld1q_u8(bytes + LANES * (8 + s0 / 2 + phase / 2));
			uint8x16_t code = six_bits(lo, hi, phase % 2 * 4 + 2 * h);

			out->scale[h] = vsubq_s8(vreinterpretq_s8_u8(code), vdupq_n_s8(32));
		}
	} else if (type == ELM_TYPE_Q6_K) {
		for (int h = 0; h < 2; h++)
			out->scale[h] = vreinterpretq_s8_u8(vld1q_u8(bytes + LANES * (2 * s + h)));
	} else {
		for (int h = 0; h < 2; h++) {
			uint8x16_t both = vld1q_u8(bytes + LANES * (2 * s + h));

			out->scale[h] = vreinterpretq_s8_u8(vandq_u8(both, vdupq_n_u8(15)));
			out->minimum[h] = vshrq_n_u8(both, 4);
		}
	}
}

/* Scales of the type are never negative. */
INLINE bool unsigned_scales(elm_type type)
{
	return type == ELM_TYPE_Q4_K || type == ELM_TYPE_Q5_K || type == ELM_TYPE_Q2_K;
}

/* For each slice the indices that widen its bytes to 32 bits: the others are past the end. */
typedef struct widening {
	uint8x16_t slice[SLICES];
} widening;

INLINE widening load_widening(void)
{
	const uint32x4_t first = { 0xffffff00, 0xffffff01, 0xffffff02, 0xffffff03 };
	widening w;

	for (int c = 0; c < SLICES; c++) {
		uint32x4_t index = vaddq_u32(first, vdupq_n_u32(4 * (uint32_t)c));

		w.slice[c] = vreinterpretq_u8_u32(index);
		/* A compiler that knows the value would load it from memory at each use. */
		__asm__("" : "+w"(w.slice[c]));
	}
	return w;
}

/* The scales of slice c as int32. */
INLINE int32x4_t widen_scales(elm_type type, int8x16_t scale, int c, const widening *w)
{
	int16x8_t half;

	if (unsigned_scales(type))
		return vreinterpretq_s32_s8(vqtbl1q_s8(scale, w->slice[c]));
	half = c < 2 ? vmovl_s8(vget_low_s8(scale)) : vmovl_high_s8(scale);
	return c % 2 ? vmovl_high_s16(half) : vmovl_s16(vget_low_s16(half));
}

/* The minima of slice c. */
INLINE float32x4_t widen_minima(uint8x16_t minimum, int c, const widening *w)
{
	return vcvtq_f32_u32(vreinterpretq_u32_u8(vqtbl1q_u8(minimum, w->slice[c])));
}

#endif

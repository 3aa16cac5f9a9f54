/*
 * half.h: IEEE binary16 ("F16") and bfloat16 to and from float, in portable integer arithmetic.
 *
 * Widening is exact. Narrowing rounds to the nearest value, ties to even, with subnormals, and
 * overflows to infinity as IEEE 754 says. A NaN stays a NaN: it becomes quiet and keeps sign and
 * the upper bits of its payload. F16C and the ARM conversions give the same bits, so kernels may
 * use them in place of these.
 */
#ifndef ELM_QUANT_HALF_H
#define ELM_QUANT_HALF_H

#include <stdint.h>
#include <string.h>

#define ELM__F16_MAX 65504.0f

static inline uint32_t elm__f32_bits(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static inline float elm__f32_from_bits(uint32_t bits)
{
	float value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static inline float elm__f16_to_f32(uint16_t half)
{
	uint32_t sign = (uint32_t)(half & 0x8000) << 16;
	uint32_t magnitude = half & 0x7fff;

	if (magnitude >= 0x7c00) /* infinity, or NaN made quiet */
		return elm__f32_from_bits(sign | 0x7f800000 | magnitude << 13 |
					  (magnitude > 0x7c00 ? 0x400000 : 0));
	if (magnitude >= 0x0400) /* normal: only the exponent bias differs */
		return elm__f32_from_bits(sign | ((magnitude << 13) + ((127u - 15u) << 23)));
	return elm__f32_from_bits(sign | elm__f32_bits((float)magnitude * 0x1p-24f));
}

static inline uint16_t elm__f32_to_f16(float value)
{
	uint32_t bits = elm__f32_bits(value), magnitude = bits & 0x7fffffff;
	uint32_t sign = bits >> 16 & 0x8000, mantissa, shift;

	if (magnitude > 0x7f800000)
		return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
	if (magnitude >= 0x477ff000) /* 65520 is halfway between the largest half and infinity */
		return (uint16_t)(sign | 0x7c00);
	if (magnitude >= 0x38800000) { /* at least 2^-14: a normal half */
		magnitude += 0xfff + (magnitude >> 13 & 1);
		return (uint16_t)(sign | (magnitude - ((127u - 15u) << 23)) >> 13);
	}
	if (magnitude <= 0x33000000) /* at most 2^-25: the tie goes to zero */
		return (uint16_t)sign;
	/* The result counts steps of 2^-24; shift is between 14 and 24 here. */
	mantissa = (magnitude & 0x7fffff) | 0x800000;
	shift = 126 - (magnitude >> 23);
	mantissa += (1u << (shift - 1)) - 1 + (mantissa >> shift & 1);
	return (uint16_t)(sign | mantissa >> shift);
}

static inline float elm__bf16_to_f32(uint16_t half)
{
	uint32_t bits = (uint32_t)half << 16;

	if ((half & 0x7fff) > 0x7f80)
		bits |= 0x400000;
	return elm__f32_from_bits(bits);
}

static inline uint16_t elm__f32_to_bf16(float value)
{
	uint32_t bits = elm__f32_bits(value);

	if ((bits & 0x7fffffff) > 0x7f800000)
		return (uint16_t)(bits >> 16 | 0x40);
	return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

#endif

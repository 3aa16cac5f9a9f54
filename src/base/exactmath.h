/*
 * exactmath.h: exponential and logarithm that give the same bits on every machine.
 *
 * The C library's differ in the last bit between versions and processors, which is enough to make a
 * sampler choose another token. These use only additions, multiplications, divisions and shifts in
 * a fixed order, which IEEE 754 defines exactly (nothing is contracted: see meson.build).
 */
#ifndef ELM_BASE_EXACTMATH_H
#define ELM_BASE_EXACTMATH_H

#include <stdint.h>

/* Four floats in one register of SSE2 or NEON; compilers turn them into plain code elsewhere. */
typedef float elm__f32x4 __attribute__((vector_size(16)));
typedef int32_t elm__i32x4 __attribute__((vector_size(16)));

static inline elm__f32x4 elm__splat4(float x)
{
	return (elm__f32x4){ x, x, x, x };
}

/* Where the mask (of a comparison) is set a, elsewhere b. */
static inline elm__f32x4 elm__select4(elm__i32x4 mask, elm__f32x4 a, elm__f32x4 b)
{
	return (elm__f32x4)((mask & (elm__i32x4)a) | (~mask & (elm__i32x4)b));
}

/*
 * e^x for x <= 0, within 2 units in the last place; 0 below -87 (where the result would leave the
 * normal numbers), and for NaN.
 */
static inline elm__f32x4 elm__exp_negative4(elm__f32x4 x)
{
	/* Adding it to a number of less than 2^22 rounds that to an integer, in the low bits. */
	const elm__f32x4 shifter = elm__splat4(12582912.0f);
	const elm__i32x4 in_range = x > elm__splat4(-87.0f), bias = { 127, 127, 127, 127 };
	elm__f32x4 shifted, n, r, p;

	/* x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts so that the first product is
	 * exact. */
	x = elm__select4(in_range, x, elm__splat4(-87.0f));
	shifted = x * 1.44269504f + shifter;
	n = shifted - shifter;
	r = x - n * 0.693359375f;
	r = r - n * -2.12194440e-4f;
	/* Taylor's series of e^r: the first term left out is below 1e-8. */
	p = elm__splat4(1.0f / 5040);
	p = p * r + 1.0f / 720;
	p = p * r + 1.0f / 120;
	p = p * r + 1.0f / 24;
	p = p * r + 1.0f / 6;
	p = p * r + 0.5f;
	p = p * r + 1.0f;
	p = p * r + 1.0f;
	p = p * (elm__f32x4)(((elm__i32x4)shifted + bias) << 23);
	return elm__select4(in_range, p, elm__splat4(0));
}

static inline float elm__exp_negative(float x)
{
	return elm__exp_negative4(elm__splat4(x))[0];
}

/* The natural logarithm of a positive finite number, within 1e-15 of its size or absolutely. */
double elm__log(double x);

#endif

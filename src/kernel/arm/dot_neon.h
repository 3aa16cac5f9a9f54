/*
 * dot_neon.h: dot products of signed bytes with ARMv8.0 instructions, which multiply bytes to 16
 * bits only. As many products are summed in 16 bits as the range of the codes allows: all of 32
 * inputs for codes of up to 5 bits.
 */
#ifndef ELM_KERNEL_ARM_DOT_NEON_H
#define ELM_KERNEL_ARM_DOT_NEON_H

#include "kernel/arm/weights.h"

/* 32 inputs of one row, each quad in all lanes. */
typedef struct inputs {
	int8x16_t quad[8];
} inputs;

INLINE inputs load_inputs(const int8_t *from)
{
	int32x4_t low = vreinterpretq_s32_s8(vld1q_s8(from));
	int32x4_t high = vreinterpretq_s32_s8(vld1q_s8(from + 16));
	inputs x;

	x.quad[0] = vreinterpretq_s8_s32(vdupq_laneq_s32(low, 0));
	x.quad[1] = vreinterpretq_s8_s32(vdupq_laneq_s32(low, 1));
	x.quad[2] = vreinterpretq_s8_s32(vdupq_laneq_s32(low, 2));
	x.quad[3] = vreinterpretq_s8_s32(vdupq_laneq_s32(low, 3));
	x.quad[4] = vreinterpretq_s8_s32(vdupq_laneq_s32(high, 0));
	x.quad[5] = vreinterpretq_s8_s32(vdupq_laneq_s32(high, 1));
	x.quad[6] = vreinterpretq_s8_s32(vdupq_laneq_s32(high, 2));
	x.quad[7] = vreinterpretq_s8_s32(vdupq_laneq_s32(high, 3));
	return x;
}

/* The sums of products of a slice that grow quad by quad. */
typedef struct dot {
	int32x4_t low, high; /* of rows 0 and 1, of rows 2 and 3; two lanes each */
	int16x8_t low16, high16;
} dot;

/* Adds quad q of codes of the given range; i counts the quads of a sum from 0, n is their number.
 */
INLINE void dot_add(dot *d, int8x16_t code, const inputs *x, int q, int i, int n, int range)
{
	const int room = 32767 / (range * 127), run = room < n ? room : n;
	int8x8_t low = vget_low_s8(code), input = vget_low_s8(x->quad[q]);

	if (i % run == 0) {
		d->low16 = vmull_s8(low, input);
		d->high16 = vmull_high_s8(code, x->quad[q]);
	} else {
		d->low16 = vmlal_s8(d->low16, low, input);
		d->high16 = vmlal_high_s8(d->high16, code, x->quad[q]);
	}
	if (i % run != run - 1)
		return;
	d->low = i < run ? vpaddlq_s16(d->low16) : vpadalq_s16(d->low, d->low16);
	d->high = i < run ? vpaddlq_s16(d->high16) : vpadalq_s16(d->high, d->high16);
}

/* `start` is added in the end, which saves an addition. */
INLINE void dot_begin(dot *d, int32x4_t start)
{
	(void)start;
	d->low = d->high = vdupq_n_s32(0);
	d->low16 = d->high16 = vdupq_n_s16(0);
}

/* The sums, which begin at `start`. */
INLINE int32x4_t dot_end(const dot *d, int32x4_t start)
{
	return vaddq_s32(start, vpaddq_s32(d->low, d->high));
}

#endif

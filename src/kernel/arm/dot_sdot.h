/* dot_sdot.h: dot products of signed bytes with SDOT. */
#ifndef ELM_KERNEL_ARM_DOT_SDOT_H
#define ELM_KERNEL_ARM_DOT_SDOT_H

#include "kernel/arm/weights.h"

/* 32 inputs of one row. */
typedef struct inputs {
	int8x16_t half[2];
} inputs;

INLINE inputs load_inputs(const int8_t *from)
{
	return (inputs){ { vld1q_s8(from), vld1q_s8(from + 16) } };
}

/* The sums of products of a slice that grow quad by quad. */
typedef struct dot {
	int32x4_t sum;
} dot;

/* Adds quad q of codes. The lane must be a constant at any optimisation. */
INLINE void dot_add(dot *d, int8x16_t code, const inputs *x, int q, int i, int n, int range)
{
	int8x16_t in = x->half[q / 4];

	(void)i;
	(void)n;
	(void)range;
	switch (q % 4) {
	case 0:
		d->sum = vdotq_laneq_s32(d->sum, code, in, 0);
		break;
	case 1:
		d->sum = vdotq_laneq_s32(d->sum, code, in, 1);
		break;
	case 2:
		d->sum = vdotq_laneq_s32(d->sum, code, in, 2);
		break;
	default:
		d->sum = vdotq_laneq_s32(d->sum, code, in, 3);
	}
}

/* The sums begin at `start`. */
INLINE void dot_begin(dot *d, int32x4_t start)
{
	d->sum = start;
}

INLINE int32x4_t dot_end(const dot *d, int32x4_t start)
{
	(void)start;
	return d->sum;
}

#endif

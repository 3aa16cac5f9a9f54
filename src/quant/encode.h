/*
 * encode.h: what the encoders of small blocks (encode.c) and of super-blocks (encode_k.c) share.
 */
#ifndef ELM_QUANT_ENCODE_H
#define ELM_QUANT_ENCODE_H

#include "quant/blocks.h"

#include <stdbool.h>

/*
 * The weights of one block, divided by `unit`, a power of two that brings the largest magnitude
 * into [1, 2), and the importance of each, above zero and at most 1. What is stored in a file is in
 * units of 1, what the fit works with is in units of `unit`.
 */
typedef struct elm__group {
	float x[ELM__BLOCK_SUPER], w[ELM__BLOCK_SUPER];
	float unit;
} elm__group;

/* Weights beyond the range of a half are brought to its end. False when all n weights are so small
 * that zero is the best that any block can say. */
bool elm__group_load(elm__group *group, const float *in, const float *importance, int n);

/* The half nearest to value * unit, saturated. A factor that codes are multiplied by does not
 * become zero unless it is: codes of a factor that is too large still say more than none. */
uint16_t elm__group_store(const elm__group *group, float value);
uint16_t elm__group_store_factor(const elm__group *group, float factor);

/* The value that a reader of the half will see. */
float elm__group_recall(const elm__group *group, uint16_t half);

/* Encodes `count` blocks of a type that has 256 weights in each; `importance` may be NULL. */
void elm__encode_super(elm_type type, const float *in, const float *importance, void *blocks,
		       size_t count);

#endif

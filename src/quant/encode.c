#include "quant/encode.h"
#include "quant/codes.h"
#include "quant/fit.h"
#include "quant/half.h"
#include "quant/quant.h"

#include <math.h>
#include <string.h>

/* The smallest scale that a half can hold is 2^-24: half of that rounds to zero. */
#define NEGLIGIBLE 0x1p-25f

/* Importance below this part of the largest in a block counts as this much, so that no weight of
 * the block is without a reasonable value. */
#define LEAST_IMPORTANCE 0x1p-20f

static float saturate(float value)
{
	return fmaxf(-ELM__F16_MAX, fminf(value, ELM__F16_MAX));
}

bool elm__group_load(elm__group *group, const float *in, const float *importance, int n)
{
	float largest = 0, important = 0;
	int i, exponent;

	for (i = 0; i < n; i++)
		largest = fmaxf(largest, fabsf(saturate(in[i])));
	for (i = 0; importance && i < n; i++)
		important = fmaxf(important, importance[i]);
	if (largest <= NEGLIGIBLE)
		return false;
	frexpf(largest, &exponent);
	group->unit = ldexpf(1, exponent - 1);
	for (i = 0; i < n; i++) {
		group->x[i] = saturate(in[i]) / group->unit;
		group->w[i] =
			important > 0 ? fmaxf(importance[i] / important, LEAST_IMPORTANCE) : 1;
	}
	return true;
}

uint16_t elm__group_store(const elm__group *group, float value)
{
	return elm__f32_to_f16(saturate(value * group->unit));
}

uint16_t elm__group_store_factor(const elm__group *group, float factor)
{
	uint16_t half = elm__group_store(group, factor);

	return half & 0x7fff || factor == 0 ? half : half | 1;
}

float elm__group_recall(const elm__group *group, uint16_t half)
{
	return elm__f16_to_f32(half) / group->unit;
}

/* A block of 32 with a scale only: stores it and fills the codes. */
static uint16_t encode_scaled(const elm__levels *levels, const float *in, const float *importance,
			      uint8_t codes[32])
{
	elm__line line = { 0 };
	elm__group group;
	uint16_t d;

	if (!elm__group_load(&group, in, importance, 32)) {
		memset(codes, 0, 32);
		return 0;
	}
	d = elm__group_store_factor(&group, elm__fit_scale(levels, group.x, group.w, 32).scale);
	line.scale = elm__group_recall(&group, d);
	elm__fit_codes(levels, line, group.x, 32, codes);
	return d;
}

/* A block of 32 with scale and offset, codes 0 to hi. */
static void encode_line(float hi, const float *in, const float *importance, uint16_t *d,
			uint16_t *m, uint8_t codes[32])
{
	elm__levels levels = elm__levels_integers(0, hi);
	elm__fit_sums sums;
	elm__group group;
	elm__line line;

	*d = *m = 0;
	memset(codes, 0, 32);
	if (!elm__group_load(&group, in, importance, 32))
		return;
	line = elm__fit_line(&levels, false, group.x, group.w, 32);
	*d = elm__group_store_factor(&group, line.scale);
	line.scale = elm__group_recall(&group, *d);
	/* The offset makes up for what rounding did to the scale. */
	sums = elm__fit_evaluate(&levels, line, group.x, group.w, 32);
	*m = elm__group_store(&group, line.offset + sums.r / sums.w);
	line.offset = elm__group_recall(&group, *m);
	elm__fit_codes(&levels, line, group.x, 32, codes);
}

/* The importance of the weights from `index` on. */
static const float *importance_at(const float *importance, size_t index)
{
	return importance ? importance + index : NULL;
}

static void encode_f32(const float *in, const float *importance, void *blocks, size_t count)
{
	memcpy(blocks, in, count * sizeof(*in));
}

static void encode_f16(const float *in, const float *importance, void *blocks, size_t count)
{
	uint16_t *out = blocks;
	size_t i;

	for (i = 0; i < count; i++)
		out[i] = elm__f32_to_f16(isfinite(in[i]) ? saturate(in[i]) : in[i]);
}

static void encode_bf16(const float *in, const float *importance, void *blocks, size_t count)
{
	uint16_t *out = blocks;
	size_t i;

	for (i = 0; i < count; i++) {
		out[i] = elm__f32_to_bf16(in[i]);
		if (isfinite(in[i]) && (out[i] & 0x7fff) == 0x7f80)
			out[i]--; /* rounded up to infinity: back to the largest number */
	}
}

static void encode_q4_0(const float *in, const float *importance, void *blocks, size_t count)
{
	elm__levels levels = elm__levels_integers(-8, 7);
	elm__block_q4_0 *block = blocks;
	uint8_t codes[32];
	size_t i;

	for (i = 0; i < count; i++, block++) {
		block->d = encode_scaled(&levels, in + 32 * i, importance_at(importance, 32 * i),
					 codes);
		elm__codes_store(ELM_TYPE_Q4_0, codes, block);
	}
}

static void encode_q4_1(const float *in, const float *importance, void *blocks, size_t count)
{
	elm__block_q4_1 *block = blocks;
	uint8_t codes[32];
	size_t i;

	for (i = 0; i < count; i++, block++) {
		encode_line(15, in + 32 * i, importance_at(importance, 32 * i), &block->d,
			    &block->m, codes);
		elm__codes_store(ELM_TYPE_Q4_1, codes, block);
	}
}

static void encode_q5_0(const float *in, const float *importance, void *blocks, size_t count)
{
	elm__levels levels = elm__levels_integers(-16, 15);
	elm__block_q5_0 *block = blocks;
	uint8_t codes[32];
	size_t i;

	for (i = 0; i < count; i++, block++) {
		block->d = encode_scaled(&levels, in + 32 * i, importance_at(importance, 32 * i),
					 codes);
		elm__codes_store(ELM_TYPE_Q5_0, codes, block);
	}
}

static void encode_q5_1(const float *in, const float *importance, void *blocks, size_t count)
{
	elm__block_q5_1 *block = blocks;
	uint8_t codes[32];
	size_t i;

	for (i = 0; i < count; i++, block++) {
		encode_line(31, in + 32 * i, importance_at(importance, 32 * i), &block->d,
			    &block->m, codes);
		elm__codes_store(ELM_TYPE_Q5_1, codes, block);
	}
}

static void encode_q8_0(const float *in, const float *importance, void *blocks, size_t count)
{
	/* Without -128, so that kernels may negate a code. */
	elm__levels levels = elm__levels_integers(-127, 127);
	elm__block_q8_0 *block = blocks;
	uint8_t codes[32];
	size_t i;

	for (i = 0; i < count; i++, block++) {
		block->d = encode_scaled(&levels, in + 32 * i, importance_at(importance, 32 * i),
					 codes);
		if (block->d)
			elm__codes_store(ELM_TYPE_Q8_0, codes, block);
		else
			memset(block->qs, 0, sizeof(block->qs));
	}
}

static void encode_iq4_nl(const float *in, const float *importance, void *blocks, size_t count)
{
	static const int8_t list[16] = ELM__IQ4_LEVELS;
	elm__levels levels = elm__levels_list(list);
	elm__block_iq4_nl *block = blocks;
	uint8_t codes[32];
	size_t i;

	for (i = 0; i < count; i++, block++) {
		block->d = encode_scaled(&levels, in + 32 * i, importance_at(importance, 32 * i),
					 codes);
		elm__codes_store(ELM_TYPE_IQ4_NL, codes, block);
	}
}

static const elm__encode_fn encoders[ELM_TYPE_LIMIT] = {
	[ELM_TYPE_F32] = encode_f32,
	[ELM_TYPE_F16] = encode_f16,
	[ELM_TYPE_BF16] = encode_bf16,
	[ELM_TYPE_Q4_0] = encode_q4_0,
	[ELM_TYPE_Q4_1] = encode_q4_1,
	[ELM_TYPE_Q5_0] = encode_q5_0,
	[ELM_TYPE_Q5_1] = encode_q5_1,
	[ELM_TYPE_Q8_0] = encode_q8_0,
	[ELM_TYPE_Q2_K] = elm__encode_q2_k,
	[ELM_TYPE_Q3_K] = elm__encode_q3_k,
	[ELM_TYPE_Q4_K] = elm__encode_q4_k,
	[ELM_TYPE_Q5_K] = elm__encode_q5_k,
	[ELM_TYPE_Q6_K] = elm__encode_q6_k,
	[ELM_TYPE_IQ4_NL] = encode_iq4_nl,
	[ELM_TYPE_IQ4_XS] = elm__encode_iq4_xs,
};

elm_status elm__quantize_row(elm_type type, const float *in, const float *importance, void *blocks,
			     size_t elements)
{
	const elm_type_info *info = elm_type_get((uint32_t)type);
	size_t i;

	if (!info || !encoders[type])
		return ELM_ERR_UNSUPPORTED;
	if (elements % info->block_elements)
		return ELM_ERR_ARGUMENT;
	for (i = 0; info->block_elements > 1 && i < elements; i++)
		if (!isfinite(in[i]))
			return ELM_ERR_ARGUMENT;
	for (i = 0; importance && i < elements; i++)
		if (!isfinite(importance[i]) || importance[i] < 0)
			return ELM_ERR_ARGUMENT;
	encoders[type](in, importance, blocks, elements / info->block_elements);
	return ELM_OK;
}

#include "quant/encode.h"
#include "quant/codes.h"
#include "quant/fit.h"
#include "quant/half.h"
#include "quant/quant.h"
#include "quant/scales.h"

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

/* A block of 32 with a scale only: finds it and the codes. */
static elm__scale encode_scaled(const elm__levels *levels, const elm__group *group,
				uint8_t codes[32])
{
	float scale = elm__fit_scale(levels, group->x, group->w, 32).scale;
	uint16_t d = elm__group_store_factor(group, scale);
	elm__line line = { .scale = elm__group_recall(group, d) };

	elm__fit_codes(levels, line, group->x, 32, codes);
	return (elm__scale){ .scale = d };
}

/* A block of 32 with scale and offset. */
static elm__scale encode_line(const elm__levels *levels, const elm__group *group, uint8_t codes[32])
{
	elm__line line = elm__fit_line(levels, false, group->x, group->w, 32);
	uint16_t d = elm__group_store_factor(group, line.scale), m;
	elm__fit_sums sums;

	line.scale = elm__group_recall(group, d);
	/* The offset makes up for what rounding did to the scale. */
	sums = elm__fit_evaluate(levels, line, group->x, group->w, 32);
	m = elm__group_store(group, line.offset + sums.r / sums.w);
	line.offset = elm__group_recall(group, m);
	elm__fit_codes(levels, line, group->x, 32, codes);
	return (elm__scale){ d, m };
}

static void encode_small(elm_type type, const float *in, const float *importance, void *blocks,
			 size_t count)
{
	const elm__scale_facts *facts = elm__scale_facts_of(type);
	const elm__levels levels = elm__levels_of(facts);
	size_t bytes = elm_type_get(type)->block_bytes;
	uint8_t codes[ELM__BLOCK_SMALL];
	elm__group group;

	for (size_t i = 0; i < count; i++) {
		const float *weights = importance ? importance + ELM__BLOCK_SMALL * i : NULL;
		char *block = (char *)blocks + i * bytes;
		elm__scale scale = { 0 };

		memset(block, 0, bytes);
		if (!elm__group_load(&group, in + ELM__BLOCK_SMALL * i, weights, ELM__BLOCK_SMALL))
			continue;
		scale = facts->offset ? encode_line(&levels, &group, codes) :
					encode_scaled(&levels, &group, codes);
		elm__scale_set(type, block, 0, scale);
		elm__codes_store(type, codes, block);
	}
}

static void encode_f16(const float *in, void *blocks, size_t count)
{
	uint16_t *out = blocks;
	size_t i;

	for (i = 0; i < count; i++)
		out[i] = elm__f32_to_f16(isfinite(in[i]) ? saturate(in[i]) : in[i]);
}

static void encode_bf16(const float *in, void *blocks, size_t count)
{
	uint16_t *out = blocks;
	size_t i;

	for (i = 0; i < count; i++) {
		out[i] = elm__f32_to_bf16(in[i]);
		if (isfinite(in[i]) && (out[i] & 0x7fff) == 0x7f80)
			out[i]--; /* rounded up to infinity: back to the largest number */
	}
}

elm_status elm__quantize_row(elm_type type, const float *in, const float *importance, void *blocks,
			     size_t elements)
{
	const elm_type_info *info = elm_type_get((uint32_t)type);
	size_t i;

	if (!info || !elm__dequant_ref[type])
		return ELM_ERR_UNSUPPORTED;
	if (elements % info->block_elements)
		return ELM_ERR_ARGUMENT;
	for (i = 0; info->block_elements > 1 && i < elements; i++)
		if (!isfinite(in[i]))
			return ELM_ERR_ARGUMENT;
	for (i = 0; importance && i < elements; i++)
		if (!isfinite(importance[i]) || importance[i] < 0)
			return ELM_ERR_ARGUMENT;
	if (type == ELM_TYPE_F32)
		memcpy(blocks, in, elements * sizeof(*in));
	else if (type == ELM_TYPE_F16)
		encode_f16(in, blocks, elements);
	else if (type == ELM_TYPE_BF16)
		encode_bf16(in, blocks, elements);
	else if (info->block_elements == ELM__BLOCK_SMALL)
		encode_small(type, in, importance, blocks, elements / ELM__BLOCK_SMALL);
	else
		elm__encode_super(type, in, importance, blocks, elements / ELM__BLOCK_SUPER);
	return ELM_OK;
}

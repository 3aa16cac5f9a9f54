#include "quant/scales.h"

#include <stddef.h>
#include <string.h>

#include "quant/half.h"

static const elm__scale_facts table[ELM_TYPE_LIMIT] = {
	[ELM_TYPE_Q4_0] = { .lo = -8, .hi = 7, .sub = 32 },
	[ELM_TYPE_Q4_1] = { .hi = 15, .sub = 32, .offset = true },
	[ELM_TYPE_Q5_0] = { .lo = -16, .hi = 15, .sub = 32 },
	[ELM_TYPE_Q5_1] = { .hi = 31, .sub = 32, .offset = true },
	/* Without -128, so that kernels may negate a code; scales of Q6_K likewise. */
	[ELM_TYPE_Q8_0] = { .lo = -127, .hi = 127, .sub = 32 },
	[ELM_TYPE_IQ4_NL] = { .sub = 32 },
	[ELM_TYPE_Q2_K] = { .hi = 3,
			    .sub = 16,
			    .scale_hi = 15,
			    .offset = true,
			    .factor = offsetof(elm__block_q2_k, d) },
	[ELM_TYPE_Q3_K] = { .lo = -4,
			    .hi = 3,
			    .sub = 16,
			    .scale_lo = -32,
			    .scale_hi = 31,
			    .factor = offsetof(elm__block_q3_k, d) },
	[ELM_TYPE_Q4_K] = { .hi = 15, .sub = 32, .scale_hi = 63, .offset = true },
	[ELM_TYPE_Q5_K] = { .hi = 31, .sub = 32, .scale_hi = 63, .offset = true },
	[ELM_TYPE_Q6_K] = { .lo = -32,
			    .hi = 31,
			    .sub = 16,
			    .scale_lo = -127,
			    .scale_hi = 127,
			    .factor = offsetof(elm__block_q6_k, d) },
	[ELM_TYPE_IQ4_XS] = { .sub = 32, .scale_lo = -32, .scale_hi = 31 },
};

const elm__scale_facts *elm__scale_facts_of(elm_type type)
{
	return (unsigned)type < ELM_TYPE_LIMIT && table[type].sub ? &table[type] : NULL;
}

elm__levels elm__levels_of(const elm__scale_facts *facts)
{
	static const int8_t list[16] = ELM__IQ4_LEVELS;

	return facts->lo == facts->hi ? elm__levels_list(list) :
					elm__levels_integers((float)facts->lo, (float)facts->hi);
}

static uint16_t half_at(const elm__scale_facts *facts, const void *block, int which)
{
	uint16_t half;

	memcpy(&half, (const char *)block + facts->factor + 2 * which, sizeof(half));
	return half;
}

static void set_half(const elm__scale_facts *facts, void *block, int which, int bits)
{
	uint16_t half = (uint16_t)bits;

	memcpy((char *)block + facts->factor + 2 * which, &half, sizeof(half));
}

elm__scale elm__scale_get(elm_type type, const void *block, int sub)
{
	const elm__scale_facts *facts = &table[type];
	unsigned j = (unsigned)sub;
	uint8_t scale, minimum;

	switch (type) {
	case ELM_TYPE_Q2_K:
		scale = ((const elm__block_q2_k *)block)->scales[j];
		return (elm__scale){ scale & 15, scale >> 4 };
	case ELM_TYPE_Q3_K:
		return (elm__scale){ elm__scale_q3_k(((const elm__block_q3_k *)block)->scales, j),
				     0 };
	case ELM_TYPE_Q4_K:
	case ELM_TYPE_Q5_K: /* begins as Q4_K */
		elm__scale_min_k4(((const elm__block_q4_k *)block)->scales, j, &scale, &minimum);
		return (elm__scale){ scale, minimum };
	case ELM_TYPE_Q6_K:
		return (elm__scale){ ((const elm__block_q6_k *)block)->scales[j], 0 };
	case ELM_TYPE_IQ4_XS:
		return (elm__scale){ elm__scale_iq4_xs(block, j), 0 };
	default:
		return (elm__scale){ half_at(facts, block, 0),
				     facts->offset ? half_at(facts, block, 1) : 0 };
	}
}

/* Puts the `width` low bits of `value` at bit `shift`. */
static void put(uint8_t *byte, int value, unsigned shift, unsigned width)
{
	unsigned mask = ((1u << width) - 1) << shift;

	*byte = (uint8_t)((*byte & ~mask) | ((unsigned)value << shift & mask));
}

static void set_k4(uint8_t scales[12], unsigned j, elm__scale s)
{
	if (j < 4) {
		put(&scales[j], s.scale, 0, 6);
		put(&scales[j + 4], s.minimum, 0, 6);
	} else {
		put(&scales[j + 4], s.scale, 0, 4);
		put(&scales[j - 4], s.scale >> 4, 6, 2);
		put(&scales[j + 4], s.minimum, 4, 4);
		put(&scales[j], s.minimum >> 4, 6, 2);
	}
}

static void set_iq4_xs(elm__block_iq4_xs *block, unsigned j, int code)
{
	put(&block->scales_l[j >> 1], code, 4 * (j & 1), 4);
	block->scales_h =
		(uint16_t)((block->scales_h & ~(3u << 2 * j)) | (unsigned)code >> 4 << 2 * j);
}

void elm__scale_set(elm_type type, void *block, int sub, elm__scale s)
{
	const elm__scale_facts *facts = &table[type];
	elm__block_q3_k *q3 = block;
	unsigned j = (unsigned)sub;

	switch (type) {
	case ELM_TYPE_Q2_K:
		((elm__block_q2_k *)block)->scales[j] = (uint8_t)(s.scale | s.minimum << 4);
		break;
	case ELM_TYPE_Q3_K:
		put(&q3->scales[j & 7], s.scale + 32, 4 * (j >> 3), 4);
		put(&q3->scales[8 + (j & 3)], (s.scale + 32) >> 4, 2 * (j >> 2), 2);
		break;
	case ELM_TYPE_Q4_K:
	case ELM_TYPE_Q5_K:
		set_k4(((elm__block_q4_k *)block)->scales, j, s);
		break;
	case ELM_TYPE_Q6_K:
		((elm__block_q6_k *)block)->scales[j] = (int8_t)s.scale;
		break;
	case ELM_TYPE_IQ4_XS:
		set_iq4_xs(block, j, s.scale + 32);
		break;
	default:
		set_half(facts, block, 0, s.scale);
		if (facts->offset)
			set_half(facts, block, 1, s.minimum);
	}
}

elm__line elm__scale_line(const elm__scale_facts *facts, const void *block, elm__scale s)
{
	elm__line line = { 0 };

	if (!facts->scale_hi) {
		line.scale = elm__f16_to_f32((uint16_t)s.scale);
		if (facts->offset)
			line.offset = elm__f16_to_f32((uint16_t)s.minimum);
		return line;
	}
	line.scale = elm__f16_to_f32(half_at(facts, block, 0)) * (float)s.scale;
	if (facts->offset)
		line.offset = -(elm__f16_to_f32(half_at(facts, block, 1)) * (float)s.minimum);
	return line;
}

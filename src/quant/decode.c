#include "quant/blocks.h"
#include "quant/half.h"
#include "quant/quant.h"

#include <math.h>
#include <string.h>

static const int8_t iq4_levels[16] = ELM__IQ4_LEVELS;

static void decode_f32(const void *blocks, float *out, size_t elements)
{
	memcpy(out, blocks, elements * sizeof(*out));
}

static void decode_f16(const void *blocks, float *out, size_t elements)
{
	const uint16_t *in = blocks;
	size_t i;

	for (i = 0; i < elements; i++)
		out[i] = elm__f16_to_f32(in[i]);
}

static void decode_bf16(const void *blocks, float *out, size_t elements)
{
	const uint16_t *in = blocks;
	size_t i;

	for (i = 0; i < elements; i++)
		out[i] = elm__bf16_to_f32(in[i]);
}

static void decode_q4_0(const void *blocks, float *out, size_t elements)
{
	const elm__block_q4_0 *block = blocks, *end = block + elements / 32;
	int i;

	for (; block < end; block++, out += 32) {
		float d = elm__f16_to_f32(block->d);

		for (i = 0; i < 16; i++) {
			out[i] = d * (float)((block->qs[i] & 15) - 8);
			out[i + 16] = d * (float)((block->qs[i] >> 4) - 8);
		}
	}
}

static void decode_q4_1(const void *blocks, float *out, size_t elements)
{
	const elm__block_q4_1 *block = blocks, *end = block + elements / 32;
	int i;

	for (; block < end; block++, out += 32) {
		float d = elm__f16_to_f32(block->d), m = elm__f16_to_f32(block->m);

		for (i = 0; i < 16; i++) {
			out[i] = d * (float)(block->qs[i] & 15) + m;
			out[i + 16] = d * (float)(block->qs[i] >> 4) + m;
		}
	}
}

/* The 5-bit code of weight i, 0 to 31, of a Q5_0 or Q5_1 block. */
static int code_q5(const uint8_t qh[4], const uint8_t qs[16], int i)
{
	int low = i < 16 ? qs[i] & 15 : qs[i - 16] >> 4;

	return low | (qh[i >> 3] >> (i & 7) & 1) << 4;
}

static void decode_q5_0(const void *blocks, float *out, size_t elements)
{
	const elm__block_q5_0 *block = blocks, *end = block + elements / 32;
	int i;

	for (; block < end; block++, out += 32) {
		float d = elm__f16_to_f32(block->d);

		for (i = 0; i < 32; i++)
			out[i] = d * (float)(code_q5(block->qh, block->qs, i) - 16);
	}
}

static void decode_q5_1(const void *blocks, float *out, size_t elements)
{
	const elm__block_q5_1 *block = blocks, *end = block + elements / 32;
	int i;

	for (; block < end; block++, out += 32) {
		float d = elm__f16_to_f32(block->d), m = elm__f16_to_f32(block->m);

		for (i = 0; i < 32; i++)
			out[i] = d * (float)code_q5(block->qh, block->qs, i) + m;
	}
}

static void decode_q8_0(const void *blocks, float *out, size_t elements)
{
	const elm__block_q8_0 *block = blocks, *end = block + elements / 32;
	int i;

	for (; block < end; block++, out += 32) {
		float d = elm__f16_to_f32(block->d);

		for (i = 0; i < 32; i++)
			out[i] = d * (float)block->qs[i];
	}
}

static void decode_q2_k(const void *blocks, float *out, size_t elements)
{
	const elm__block_q2_k *block = blocks, *end = block + elements / 256;
	int sub, i;

	for (; block < end; block++, out += 256) {
		float d = elm__f16_to_f32(block->d), dmin = elm__f16_to_f32(block->dmin);

		for (sub = 0; sub < 16; sub++) {
			const uint8_t *q = block->qs + 32 * (sub >> 3) + 16 * (sub & 1);
			int shift = sub & 6;
			float scale = d * (float)(block->scales[sub] & 15);
			float minimum = dmin * (float)(block->scales[sub] >> 4);

			for (i = 0; i < 16; i++)
				out[16 * sub + i] = scale * (float)(q[i] >> shift & 3) - minimum;
		}
	}
}

static void decode_q3_k(const void *blocks, float *out, size_t elements)
{
	const elm__block_q3_k *block = blocks, *end = block + elements / 256;
	int sub, i;

	for (; block < end; block++, out += 256) {
		float d = elm__f16_to_f32(block->d);

		for (sub = 0; sub < 16; sub++) {
			const uint8_t *q = block->qs + 32 * (sub >> 3) + 16 * (sub & 1);
			const uint8_t *high = block->hmask + 16 * (sub & 1);
			int shift = sub & 6, bit = sub >> 1;
			float scale = d * (float)elm__scale_q3_k(block->scales, (unsigned)sub);

			for (i = 0; i < 16; i++) {
				int code = (q[i] >> shift & 3) | (high[i] >> bit & 1) << 2;

				out[16 * sub + i] = scale * (float)(code - 4);
			}
		}
	}
}

static void decode_q4_k(const void *blocks, float *out, size_t elements)
{
	const elm__block_q4_k *block = blocks, *end = block + elements / 256;
	uint8_t scale_code, min_code;
	int sub, i;

	for (; block < end; block++, out += 256) {
		float d = elm__f16_to_f32(block->d), dmin = elm__f16_to_f32(block->dmin);

		for (sub = 0; sub < 8; sub++) {
			const uint8_t *q = block->qs + 32 * (sub >> 1);
			int shift = 4 * (sub & 1);
			float scale, minimum;

			elm__scale_min_k4(block->scales, (unsigned)sub, &scale_code, &min_code);
			scale = d * (float)scale_code;
			minimum = dmin * (float)min_code;
			for (i = 0; i < 32; i++)
				out[32 * sub + i] = scale * (float)(q[i] >> shift & 15) - minimum;
		}
	}
}

static void decode_q5_k(const void *blocks, float *out, size_t elements)
{
	const elm__block_q5_k *block = blocks, *end = block + elements / 256;
	uint8_t scale_code, min_code;
	int sub, i;

	for (; block < end; block++, out += 256) {
		float d = elm__f16_to_f32(block->d), dmin = elm__f16_to_f32(block->dmin);

		for (sub = 0; sub < 8; sub++) {
			const uint8_t *q = block->qs + 32 * (sub >> 1);
			int shift = 4 * (sub & 1);
			float scale, minimum;

			elm__scale_min_k4(block->scales, (unsigned)sub, &scale_code, &min_code);
			scale = d * (float)scale_code;
			minimum = dmin * (float)min_code;
			for (i = 0; i < 32; i++) {
				int code = (q[i] >> shift & 15) | (block->qh[i] >> sub & 1) << 4;

				out[32 * sub + i] = scale * (float)code - minimum;
			}
		}
	}
}

static void decode_q6_k(const void *blocks, float *out, size_t elements)
{
	const elm__block_q6_k *block = blocks, *end = block + elements / 256;
	int sub, i;

	for (; block < end; block++, out += 256) {
		float d = elm__f16_to_f32(block->d);

		for (sub = 0; sub < 16; sub++) {
			int half = sub >> 3, within = sub & 7; /* of 128 weights; of 16 */
			const uint8_t *low = block->ql + 64 * half + 16 * (within & 3);
			const uint8_t *high = block->qh + 32 * half + 16 * (within & 1);
			int low_shift = within & 4, high_shift = within & 6;
			float scale = d * (float)block->scales[sub];

			for (i = 0; i < 16; i++) {
				int code = (low[i] >> low_shift & 15) | (high[i] >> high_shift & 3)
										<< 4;

				out[16 * sub + i] = scale * (float)(code - 32);
			}
		}
	}
}

static void decode_iq4_nl(const void *blocks, float *out, size_t elements)
{
	const elm__block_iq4_nl *block = blocks, *end = block + elements / 32;
	int i;

	for (; block < end; block++, out += 32) {
		float d = elm__f16_to_f32(block->d);

		for (i = 0; i < 16; i++) {
			out[i] = d * (float)iq4_levels[block->qs[i] & 15];
			out[i + 16] = d * (float)iq4_levels[block->qs[i] >> 4];
		}
	}
}

static void decode_iq4_xs(const void *blocks, float *out, size_t elements)
{
	const elm__block_iq4_xs *block = blocks, *end = block + elements / 256;
	int sub, i;

	for (; block < end; block++) {
		float d = elm__f16_to_f32(block->d);

		for (sub = 0; sub < 8; sub++, out += 32) {
			const uint8_t *q = block->qs + 16 * sub;
			float scale = d * (float)elm__scale_iq4_xs(block, (unsigned)sub);

			for (i = 0; i < 16; i++) {
				out[i] = scale * (float)iq4_levels[q[i] & 15];
				out[i + 16] = scale * (float)iq4_levels[q[i] >> 4];
			}
		}
	}
}

const elm__dequant_fn elm__dequant_ref[ELM_TYPE_LIMIT] = {
	[ELM_TYPE_F32] = decode_f32,	   [ELM_TYPE_F16] = decode_f16,
	[ELM_TYPE_BF16] = decode_bf16,	   [ELM_TYPE_Q4_0] = decode_q4_0,
	[ELM_TYPE_Q4_1] = decode_q4_1,	   [ELM_TYPE_Q5_0] = decode_q5_0,
	[ELM_TYPE_Q5_1] = decode_q5_1,	   [ELM_TYPE_Q8_0] = decode_q8_0,
	[ELM_TYPE_Q2_K] = decode_q2_k,	   [ELM_TYPE_Q3_K] = decode_q3_k,
	[ELM_TYPE_Q4_K] = decode_q4_k,	   [ELM_TYPE_Q5_K] = decode_q5_k,
	[ELM_TYPE_Q6_K] = decode_q6_k,	   [ELM_TYPE_IQ4_NL] = decode_iq4_nl,
	[ELM_TYPE_IQ4_XS] = decode_iq4_xs,
};

/* The block of a weight type, after checking that `elements` is made of whole ones. */
static elm_status check_shape(elm_type type, size_t elements, const elm_type_info **info)
{
	*info = elm_type_get((uint32_t)type);
	if (!*info || !elm__dequant_ref[type])
		return ELM_ERR_UNSUPPORTED;
	return elements % (*info)->block_elements ? ELM_ERR_ARGUMENT : ELM_OK;
}

elm_status elm__dequantize_row(elm_type type, const void *blocks, float *out, size_t elements)
{
	const elm_type_info *info;
	elm_status status = check_shape(type, elements, &info);

	if (!status)
		elm__dequant_ref[type](blocks, out, elements);
	return status;
}

/* Decodes up to this many weights at a time: a multiple of every block. */
enum { CHUNK = ELM__BLOCK_SUPER };

elm_status elm__check_row(elm_type type, const void *blocks, size_t elements, size_t *first)
{
	const elm_type_info *info;
	elm_status status = check_shape(type, elements, &info);
	const uint8_t *at = blocks;
	float values[CHUNK];
	size_t done, count, i;

	if (status)
		return status;
	for (done = 0; done < elements; done += count) {
		count = elements - done < CHUNK ? elements - done : CHUNK;
		elm__dequant_ref[type](at, values, count);
		for (i = 0; i < count && isfinite(values[i]); i++)
			;
		if (i < count) {
			if (first)
				*first = done + i;
			return ELM_ERR_FORMAT;
		}
		at += count / info->block_elements * info->block_bytes;
	}
	return ELM_OK;
}

float elm__dot_ref(elm_type type, const void *blocks, const float *x, size_t elements)
{
	const elm_type_info *info;
	const uint8_t *at = blocks;
	float values[CHUNK];
	size_t done, count, i;
	double sum = 0;

	if (check_shape(type, elements, &info))
		return NAN;
	for (done = 0; done < elements; done += count) {
		count = elements - done < CHUNK ? elements - done : CHUNK;
		elm__dequant_ref[type](at, values, count);
		for (i = 0; i < count; i++)
			sum += (double)values[i] * (double)x[done + i];
		at += count / info->block_elements * info->block_bytes;
	}
	return (float)sum;
}

/*
 * Attention in one pass over the cache: the softmax is rescaled as larger scores appear (Milakov
 * and Gimelshein, "Online normalizer calculation for softmax", 2018), so scores are never stored.
 */
#include <math.h>
#include <string.h>

#include "kernel/kv.h"
#include "kernel/ref/ref.h"
#include "quant/blocks.h"
#include "quant/half.h"

static const int8_t levels[16] = ELM__IQ4_LEVELS;

/* Row `slot` of a cache block as floats. */
static void load_row(elm_type type, const void *block, size_t slot, float *out, size_t n)
{
	if (type == ELM_TYPE_F32) {
		memcpy(out, (const float *)block + slot * n, n * sizeof(float));
	} else if (type == ELM_TYPE_F16) {
		const uint16_t *row = (const uint16_t *)block + slot * n;

		for (size_t i = 0; i < n; i++)
			out[i] = elm__f16_to_f32(row[i]);
	} else if (type == ELM_TYPE_IQ4_NL) {
		const uint8_t *row = (const uint8_t *)block + slot * elm__kv_code_bytes(type, n);
		const uint16_t *scales = elm__kv_scales(type, block, n) + slot;

		for (size_t i = 0; i < n; i++) {
			size_t group = i / ELM__Q8_BLOCK, at = i % ELM__KV_GROUP_CODES;
			unsigned pair = row[group * ELM__KV_GROUP_CODES + at];
			bool upper = i % ELM__Q8_BLOCK >= ELM__KV_GROUP_CODES;

			out[i] = (float)levels[upper ? pair >> 4 : pair & 15] *
				 elm__f16_to_f32(scales[group * ELM__KV_BLOCK]);
		}
	} else {
		const int8_t *row = (const int8_t *)block + slot * n;
		const uint16_t *scales = elm__kv_scales(type, block, n) + slot;

		for (size_t i = 0; i < n; i++)
			out[i] = (float)row[i] *
				 elm__f16_to_f32(scales[i / ELM__Q8_BLOCK * ELM__KV_BLOCK]);
	}
}

/* Up to 32 elements as Q8_0; returns the scale. */
static float store_bytes(int8_t *to, const float *x, size_t n)
{
	float largest = 0, inverse;

	for (size_t i = 0; i < n; i++)
		largest = fmaxf(largest, fabsf(x[i]));
	inverse = largest > 0 ? 127.0f / largest : 0;
	for (size_t i = 0; i < n; i++)
		to[i] = (int8_t)rintf(x[i] * inverse);
	return largest / 127.0f;
}

/* Up to 32 elements as IQ4_NL; returns the scale. */
static float store_nibbles(uint8_t to[ELM__KV_GROUP_CODES], const float *x, size_t n)
{
	float most = 0, least = 0, extreme, inverse;

	memset(to, 0, ELM__KV_GROUP_CODES);
	for (size_t i = 0; i < n; i++) {
		most = fmaxf(most, x[i]);
		least = fminf(least, x[i]);
	}
	extreme = most >= -least ? most : least;
	inverse = extreme != 0 ? -127.0f / extreme : 0;
	for (size_t i = 0; i < n; i++) {
		float value = x[i] * inverse;
		unsigned code = 0;

		while (code < 15 && value > (float)(levels[code] + levels[code + 1]) / 2)
			code++;
		to[i % ELM__KV_GROUP_CODES] |=
			(uint8_t)(i < ELM__KV_GROUP_CODES ? code : code << 4);
	}
	return extreme / -127.0f;
}

void elm__ref_kv_store(elm_type type, void *block, size_t slot, const float *x, size_t n)
{
	if (type == ELM_TYPE_F32) {
		memcpy((float *)block + slot * n, x, n * sizeof(float));
	} else if (type == ELM_TYPE_F16) {
		uint16_t *row = (uint16_t *)block + slot * n;

		for (size_t i = 0; i < n; i++)
			row[i] = elm__f32_to_f16(x[i]);
	} else {
		char *row = (char *)block + slot * elm__kv_code_bytes(type, n);
		uint16_t *scale = elm__kv_scales(type, block, n) + slot;

		for (size_t at = 0; at < n; at += ELM__Q8_BLOCK, scale += ELM__KV_BLOCK) {
			size_t part = n - at < ELM__Q8_BLOCK ? n - at : ELM__Q8_BLOCK;
			float value;

			if (type == ELM_TYPE_IQ4_NL)
				value = store_nibbles((uint8_t *)row + at / 2, x + at, part);
			else
				value = store_bytes((int8_t *)row + at, x + at, part);
			*scale = elm__f32_to_f16(value);
		}
	}
}

void elm__ref_hadamard(float *x, size_t n)
{
	size_t size = n & (~n + 1);
	float scale = 1 / sqrtf((float)size);

	for (size_t distance = 1; distance < size; distance *= 2)
		for (size_t i = 0; i < n; i++)
			if (!(i & distance)) {
				float a = x[i], b = x[i + distance];

				x[i] = a + b;
				x[i + distance] = a - b;
			}
	for (size_t i = 0; i < n; i++)
		x[i] *= scale;
}

/* One query head over the positions [begin, end). Returns the logarithm of the sum of exponentials.
 */
static float attend(const elm__attention *a, const float *query, float *out, size_t begin,
		    size_t end, float *row)
{
	float largest = -INFINITY, sum = 0;
	size_t n = a->head_dim;

	memset(out, 0, n * sizeof(float));
	for (size_t p = begin; p < end; p++) {
		size_t block = p / ELM__KV_BLOCK, slot = p % ELM__KV_BLOCK;
		float score = 0, weight, rescale;

		load_row(a->kv_type, a->k_blocks[block], slot, row, n);
		for (size_t i = 0; i < n; i++)
			score += query[i] * row[i];
		score *= a->scale;
		if (a->softcap > 0)
			score = a->softcap * tanhf(score / a->softcap);
		if (score > largest) {
			rescale = expf(largest - score);
			largest = score;
			sum *= rescale;
			for (size_t i = 0; i < n; i++)
				out[i] *= rescale;
		}
		weight = expf(score - largest);
		sum += weight;
		load_row(a->kv_type, a->v_blocks[block], slot, row, n);
		for (size_t i = 0; i < n; i++)
			out[i] += weight * row[i];
	}
	if (begin >= end)
		return -INFINITY;
	for (size_t i = 0; i < n; i++)
		out[i] /= sum;
	return largest + logf(sum);
}

void elm__ref_attention(const elm__attention *a)
{
	size_t first, limit;

	elm__attention_blocks(a, &first, &limit);
	first *= ELM__KV_BLOCK;
	limit *= ELM__KV_BLOCK;
	for (size_t i = 0; i < a->queries; i++) {
		size_t position = a->first_position + i, end = position + 1;
		size_t begin = a->window && position >= a->window ? position - a->window + 1 : 0;

		if (begin < first)
			begin = first;
		if (end > limit)
			end = limit;
		for (size_t h = 0; h < a->group; h++) {
			float lse = attend(a, a->query + i * a->query_stride + h * a->head_dim,
					   a->out + i * a->out_stride + h * a->head_dim, begin, end,
					   a->scratch);

			if (a->lse)
				a->lse[i * a->group + h] = lse;
		}
	}
}

void elm__attention_merge(const float *parts, size_t stride, const float *lse, size_t lse_stride,
			  size_t count, float *out, size_t n)
{
	float largest = -INFINITY, sum = 0;

	for (size_t p = 0; p < count; p++)
		largest = fmaxf(largest, lse[p * lse_stride]);
	memset(out, 0, n * sizeof(float));
	for (size_t p = 0; p < count; p++) {
		const float *part = parts + p * stride;
		float weight = expf(lse[p * lse_stride] - largest);

		if (lse[p * lse_stride] == -INFINITY)
			continue;
		sum += weight;
		for (size_t i = 0; i < n; i++)
			out[i] += weight * part[i];
	}
	for (size_t i = 0; sum > 0 && i < n; i++)
		out[i] /= sum;
}

static size_t attention_scratch(size_t queries, size_t group, size_t head_dim)
{
	return head_dim * sizeof(float);
}

void elm__ref_attention_init(elm__kernels *table)
{
	table->hadamard = elm__ref_hadamard;
	table->kv_store = elm__ref_kv_store;
	table->attention = elm__ref_attention;
	table->attention_scratch = attention_scratch;
}

/*
 * Attention in one pass over the cache: the softmax is rescaled as larger scores appear (Milakov
 * and Gimelshein, "Online normalizer calculation for softmax", 2018), so scores are never stored.
 */
#include <math.h>
#include <string.h>

#include "kernel/kv.h"
#include "kernel/ref/ref.h"
#include "quant/half.h"

/* Row `slot` of a cache block as floats. */
static void load_row(elm_type type, const void *block, size_t slot, float *out, size_t n)
{
	if (type == ELM_TYPE_F32) {
		memcpy(out, (const float *)block + slot * n, n * sizeof(float));
	} else if (type == ELM_TYPE_F16) {
		const uint16_t *row = (const uint16_t *)block + slot * n;

		for (size_t i = 0; i < n; i++)
			out[i] = elm__f16_to_f32(row[i]);
	} else {
		const int8_t *row = (const int8_t *)block + slot * n;
		const uint16_t *scale = elm__kv_scale_row(block, n, slot);

		for (size_t i = 0; i < n; i++)
			out[i] = (float)row[i] * elm__f16_to_f32(scale[i / ELM__Q8_BLOCK]);
	}
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
		int8_t *row = (int8_t *)block + slot * n;
		uint16_t *scale = (uint16_t *)elm__kv_scale_row(block, n, slot);

		for (size_t begin = 0; begin < n; begin += ELM__Q8_BLOCK) {
			size_t end = begin + ELM__Q8_BLOCK < n ? begin + ELM__Q8_BLOCK : n;
			float largest = 0, inverse;

			for (size_t i = begin; i < end; i++)
				largest = fmaxf(largest, fabsf(x[i]));
			inverse = largest > 0 ? 127.0f / largest : 0;
			scale[begin / ELM__Q8_BLOCK] = elm__f32_to_f16(largest / 127.0f);
			for (size_t i = begin; i < end; i++)
				row[i] = (int8_t)rintf(x[i] * inverse);
		}
	}
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
	table->kv_store = elm__ref_kv_store;
	table->attention = elm__ref_attention;
	table->attention_scratch = attention_scratch;
}

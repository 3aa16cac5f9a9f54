#include "convert/coded.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "quant/blocks.h"
#include "quant/half.h"

enum { WORD_BITS = 32, BLOCK = ELM__BLOCK_SMALL };

static const uint8_t awq_nibble[8] = { 0, 4, 1, 5, 2, 6, 3, 7 };

static uint32_t word_at(const elm__st_tensor *t, uint64_t index)
{
	uint32_t word;

	memcpy(&word, t->data + index * sizeof(word), sizeof(word));
	return word;
}

static unsigned per_word(const elm__coded *p)
{
	return WORD_BITS / p->bits;
}

/* Eight rows of zeros share a word, in the order of the format. */
static unsigned stored_zero(const elm__coded *p, uint64_t group, uint64_t row)
{
	unsigned each = per_word(p), lane = (unsigned)(row % each);
	uint32_t word = word_at(p->zeros, group * (p->rows / each) + row / each);

	return word >> (p->awq ? awq_nibble[lane] : lane) * p->bits & ((1u << p->bits) - 1);
}

static float scale_at(const elm__coded *p, uint64_t group, uint64_t row)
{
	const uint8_t *at = p->scales->data + (group * p->rows + row) * p->scales->dtype->bytes;
	uint16_t half;
	float value;

	if (p->scales->dtype->type == ELM_TYPE_F32) {
		memcpy(&value, at, sizeof(value));
		return value;
	}
	memcpy(&half, at, sizeof(half));
	return p->scales->dtype->type == ELM_TYPE_F16 ? elm__f16_to_f32(half) :
							elm__bf16_to_f32(half);
}

static uint64_t group_of(const elm__coded *p, uint64_t column)
{
	return p->order ? word_at(p->order, column) : column / (p->cols / p->groups);
}

/* ---- finding ---- */

typedef struct finder {
	elm__coded *p;
	const elm__safetensors *st;
	const char *name;
	elm_error *error;
} finder;

static elm_status bad(const finder *f, elm_status status, const char *reason)
{
	return elm_error_set(f->error, status, "%s: packed weights %.200s: %s",
			     elm__safetensors_path(f->st, f->p->codes), f->name, reason);
}

static const elm__st_tensor *part(const finder *f, const char *suffix)
{
	char name[600];

	snprintf(name, sizeof(name), "%s.%s", f->name, suffix);
	return elm__safetensors_find(f->st, name);
}

static bool is_words(const elm__st_tensor *t, uint32_t n_dims)
{
	return t && t->n_dims == n_dims && t->dtype->known && t->dtype->type == ELM_TYPE_I32 &&
	       t->elements;
}

static bool is_scales(const elm__st_tensor *t)
{
	return t && t->n_dims == 2 && t->dtype->known && t->elements &&
	       (t->dtype->type == ELM_TYPE_F16 || t->dtype->type == ELM_TYPE_BF16 ||
		t->dtype->type == ELM_TYPE_F32);
}

/* Which of the two formats, by the shapes alone, and how large the matrix is. */
static elm_status read_shape(const finder *f)
{
	elm__coded *p = f->p;
	uint64_t bits;

	if (!is_words(p->codes, 2) || !is_words(p->zeros, 2) || !is_scales(p->scales))
		return bad(f, ELM_ERR_FORMAT,
			   "qweight, qzeros (both I32) and scales (F16, BF16 or F32) must be there "
			   "and have two dimensions");
	p->groups = p->scales->dims[0];
	p->rows = p->scales->dims[1];
	if (p->rows > UINT32_MAX || p->codes->dims[0] > UINT32_MAX || p->rows % 8 ||
	    p->zeros->dims[0] != p->groups)
		return bad(f, ELM_ERR_FORMAT, "the shapes of its parts do not fit together");
	bits = p->zeros->dims[1] * WORD_BITS / p->rows;
	p->bits = (unsigned)bits;
	p->awq = p->codes->dims[1] != p->rows;
	if (p->awq && (p->codes->dims[1] * 8 != p->rows || bits != 4))
		return bad(f, ELM_ERR_UNSUPPORTED,
			   "the shapes are neither those of GPTQ nor of AWQ in its GEMM layout; "
			   "convert the unquantised model instead");
	if ((bits != 4 && bits != 8) || p->zeros->dims[1] * WORD_BITS != p->rows * bits)
		return bad(f, ELM_ERR_UNSUPPORTED,
			   "it does not have 4 or 8 bits; convert the unquantised model and use "
			   "edgelm quantize");
	p->cols = p->awq ? p->codes->dims[0] : p->codes->dims[0] * per_word(p);
	return ELM_OK;
}

/* g_idx matters only where it is not what it would be without reordering. */
static elm_status read_order(const finder *f)
{
	elm__coded *p = f->p;
	const elm__st_tensor *order = p->awq ? NULL : part(f, "g_idx");
	bool plain = p->cols % p->groups == 0, zeros = true;

	if (!order)
		return plain ? ELM_OK :
			       bad(f, ELM_ERR_FORMAT, "its columns do not divide into its groups");
	if (!is_words(order, 1) || order->elements != p->cols)
		return bad(f, ELM_ERR_FORMAT, "g_idx is not one I32 per column");
	for (uint64_t c = 0; c < p->cols; c++) {
		uint32_t group = word_at(order, c);

		if (group >= p->groups)
			return bad(f, ELM_ERR_FORMAT, "g_idx names a group that does not exist");
		if (plain && group != c / (p->cols / p->groups))
			p->order = order;
		zeros = zeros && group == 0;
	}
	if (!plain)
		p->order = order;
	else if (zeros) /* some writers leave it empty; else most groups would be without columns */
		p->order = NULL;
	return ELM_OK;
}

/* Symmetric files say by their zeros which version they are; others must be believed. */
static elm_status read_zeros(const finder *f, bool version_2)
{
	elm__coded *p = f->p;
	unsigned half = 1u << (p->bits - 1), most = 2 * half - 1, low = most, high = 0;

	for (uint64_t g = 0; g < p->groups; g++)
		for (uint64_t r = 0; r < p->rows; r++) {
			unsigned zero = stored_zero(p, g, r);

			low = zero < low ? zero : low;
			high = zero > high ? zero : high;
		}
	p->symmetric = low == high && (low == half || (!p->awq && low == half - 1));
	p->offset = p->symmetric ? half - low : !p->awq && !version_2;
	if (p->offset && !p->symmetric && high == most)
		return bad(f, ELM_ERR_UNSUPPORTED,
			   "a zero point of 0 in a GPTQ file of version 1 was written in ways that "
			   "differ and cannot be told apart; convert the unquantised model, or one "
			   "with checkpoint_format gptq_v2");
	return ELM_OK;
}

elm_status elm__coded_find(elm__coded *p, const elm__safetensors *st, const char *name,
			   bool version_2, elm_error *error)
{
	finder f = { p, st, name, error };
	elm_status status;

	memset(p, 0, sizeof(*p));
	p->codes = part(&f, "qweight");
	if (!p->codes)
		return elm_error_set(error, ELM_ERR_NOT_FOUND, "%s.qweight is missing", name);
	p->zeros = part(&f, "qzeros");
	p->scales = part(&f, "scales");
	status = read_shape(&f);
	if (status == ELM_OK)
		status = read_order(&f);
	return status == ELM_OK ? read_zeros(&f, version_2) : status;
}

/* ---- reading ---- */

bool elm__coded_type(const elm__coded *p, elm_type *type)
{
	if (p->order || p->cols / p->groups % BLOCK || (p->bits == 8 && !p->symmetric))
		return false;
	*type = p->bits == 8 ? ELM_TYPE_Q8_0 : p->symmetric ? ELM_TYPE_Q4_0 : ELM_TYPE_Q4_1;
	return true;
}

/* Words of neighbouring rows lie side by side, so the rows are the inner loop. */
void elm__coded_codes(const elm__coded *p, const uint64_t *rows, size_t count, uint8_t *codes)
{
	unsigned each = per_word(p);
	uint32_t mask = (1u << p->bits) - 1;

	for (uint64_t w = 0; w < p->codes->dims[0]; w++)
		for (size_t i = 0; i < count; i++) {
			uint8_t *out = codes + i * p->cols;
			uint32_t word;

			if (p->awq) {
				word = word_at(p->codes, w * (p->rows / each) + rows[i] / each);
				out[w] = word >> 4 * awq_nibble[rows[i] % each] & mask;
				continue;
			}
			word = word_at(p->codes, w * p->rows + rows[i]);
			for (unsigned k = 0; k < each; k++)
				out[w * each + k] = word >> k * p->bits & mask;
		}
}

static void pack_nibbles(const uint8_t codes[BLOCK], uint8_t out[BLOCK / 2])
{
	for (int i = 0; i < BLOCK / 2; i++)
		out[i] = (uint8_t)(codes[i] | codes[i + BLOCK / 2] << 4);
}

bool elm__coded_encode(const elm__coded *p, uint64_t row, const uint8_t *codes, elm_type type,
		       void *blocks)
{
	elm__block_q4_0 *q4_0 = blocks;
	elm__block_q4_1 *q4_1 = blocks;
	elm__block_q8_0 *q8_0 = blocks;

	for (uint64_t b = 0; b < p->cols / BLOCK; b++, codes += BLOCK) {
		uint64_t group = group_of(p, b * BLOCK);
		unsigned zero = stored_zero(p, group, row) + p->offset;
		float scale = scale_at(p, group, row), least = -(float)zero * scale;
		uint16_t d = elm__f32_to_f16(scale), m = elm__f32_to_f16(least);

		if (!isfinite(elm__f16_to_f32(d)) || !isfinite(elm__f16_to_f32(m)))
			return false;
		if (type == ELM_TYPE_Q4_0) {
			q4_0[b].d = d;
			pack_nibbles(codes, q4_0[b].qs);
		} else if (type == ELM_TYPE_Q4_1) {
			q4_1[b].d = d;
			q4_1[b].m = m;
			pack_nibbles(codes, q4_1[b].qs);
		} else {
			q8_0[b].d = d;
			for (int i = 0; i < BLOCK; i++)
				q8_0[b].qs[i] = (int8_t)(codes[i] - 128);
		}
	}
	return true;
}

void elm__coded_decode(const elm__coded *p, uint64_t row, const uint8_t *codes, float *out)
{
	uint64_t last = UINT64_MAX;
	float scale = 0;
	int zero = 0;

	for (uint64_t c = 0; c < p->cols; c++) {
		uint64_t group = group_of(p, c);

		if (group != last) {
			scale = scale_at(p, group, row);
			zero = (int)(stored_zero(p, group, row) + p->offset);
			last = group;
		}
		out[c] = scale * (float)(codes[c] - zero);
	}
}

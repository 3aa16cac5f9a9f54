/* codes.c: where the codes of a block lie, and what they stand for. */
#include <string.h>

#include "quant/codes.h"
#include "quant/half.h"

/* --- codes into blocks --- */

static void pack_nibbles(const uint8_t codes[32], uint8_t qs[16])
{
	int i;

	for (i = 0; i < 16; i++)
		qs[i] = (uint8_t)((codes[i] & 15) | codes[i + 16] << 4);
}

static void pack_fifth_bits(const uint8_t codes[32], uint8_t qh[4])
{
	int i;

	memset(qh, 0, 4);
	for (i = 0; i < 32; i++)
		qh[i >> 3] |= (uint8_t)(codes[i] >> 4 << (i & 7));
}

/* Two bits of each code from `shift` on, as Q2_K and Q3_K arrange them. */
static void pack_pairs(const uint8_t codes[256], int shift, uint8_t qs[64])
{
	int i;

	memset(qs, 0, 64);
	for (i = 0; i < 256; i++)
		qs[32 * (i >> 7) + (i & 31)] |=
			(uint8_t)((codes[i] >> shift & 3) << 2 * (i >> 5 & 3));
}

/* Bit `bit` of each code, as masks of the 8 weights that are 32 apart. */
static void pack_bits(const uint8_t codes[256], int bit, uint8_t out[32])
{
	int i;

	memset(out, 0, 32);
	for (i = 0; i < 256; i++)
		out[i & 31] |= (uint8_t)((codes[i] >> bit & 1) << (i >> 5));
}

/* Four low bits of each code, as Q4_K and Q5_K arrange them. */
static void pack_nibbles_k4(const uint8_t codes[256], uint8_t qs[128])
{
	int i;

	memset(qs, 0, 128);
	for (i = 0; i < 256; i++)
		qs[32 * (i >> 6) + (i & 31)] |= (uint8_t)((codes[i] & 15) << 4 * (i >> 5 & 1));
}

static void store_q6_k(const uint8_t codes[256], elm__block_q6_k *block)
{
	int i;

	memset(block->ql, 0, sizeof(block->ql));
	for (i = 0; i < 256; i++)
		block->ql[64 * (i >> 7) + (i & 63)] |=
			(uint8_t)((codes[i] & 15) << 4 * (i >> 6 & 1));
	pack_pairs(codes, 4, block->qh);
}

static void store_iq4_xs(const uint8_t codes[256], elm__block_iq4_xs *block)
{
	int i;

	memset(block->qs, 0, sizeof(block->qs));
	for (i = 0; i < 256; i++)
		block->qs[16 * (i >> 5) + (i & 15)] |= (uint8_t)(codes[i] << 4 * (i >> 4 & 1));
}

static void store_q8_0(const uint8_t codes[32], elm__block_q8_0 *block)
{
	int i;

	for (i = 0; i < 32; i++)
		block->qs[i] = (int8_t)(codes[i] - 127);
}

void elm__codes_store(elm_type type, const uint8_t *codes, void *to)
{
	switch (type) {
	case ELM_TYPE_Q4_0:
		pack_nibbles(codes, ((elm__block_q4_0 *)to)->qs);
		break;
	case ELM_TYPE_Q4_1:
		pack_nibbles(codes, ((elm__block_q4_1 *)to)->qs);
		break;
	case ELM_TYPE_IQ4_NL:
		pack_nibbles(codes, ((elm__block_iq4_nl *)to)->qs);
		break;
	case ELM_TYPE_Q5_0:
		pack_nibbles(codes, ((elm__block_q5_0 *)to)->qs);
		pack_fifth_bits(codes, ((elm__block_q5_0 *)to)->qh);
		break;
	case ELM_TYPE_Q5_1:
		pack_nibbles(codes, ((elm__block_q5_1 *)to)->qs);
		pack_fifth_bits(codes, ((elm__block_q5_1 *)to)->qh);
		break;
	case ELM_TYPE_Q8_0:
		store_q8_0(codes, to);
		break;
	case ELM_TYPE_Q2_K:
		pack_pairs(codes, 0, ((elm__block_q2_k *)to)->qs);
		break;
	case ELM_TYPE_Q3_K:
		pack_pairs(codes, 0, ((elm__block_q3_k *)to)->qs);
		pack_bits(codes, 2, ((elm__block_q3_k *)to)->hmask);
		break;
	case ELM_TYPE_Q4_K:
		pack_nibbles_k4(codes, ((elm__block_q4_k *)to)->qs);
		break;
	case ELM_TYPE_Q5_K:
		pack_nibbles_k4(codes, ((elm__block_q5_k *)to)->qs);
		pack_bits(codes, 4, ((elm__block_q5_k *)to)->qh);
		break;
	case ELM_TYPE_Q6_K:
		store_q6_k(codes, to);
		break;
	case ELM_TYPE_IQ4_XS:
		store_iq4_xs(codes, to);
		break;
	default:
		break;
	}
}

/* --- what codes stand for --- */

/* One line for weights [first, first + n). */
static void set_lines(elm__grid *grid, int first, int n, float scale, float offset)
{
	int i;

	for (i = first; i < first + n; i++) {
		grid->scale[i] = scale;
		grid->offset[i] = offset;
	}
}

static void lines_k4(elm__grid *grid, uint16_t d, uint16_t dmin, const uint8_t scales[12])
{
	uint8_t scale, minimum;
	unsigned j;

	for (j = 0; j < 8; j++) {
		elm__scale_min_k4(scales, j, &scale, &minimum);
		set_lines(grid, 32 * (int)j, 32, elm__f16_to_f32(d) * (float)scale,
			  -(elm__f16_to_f32(dmin) * (float)minimum));
	}
}

static void lines_q2_k(elm__grid *grid, const elm__block_q2_k *block)
{
	float d = elm__f16_to_f32(block->d), dmin = elm__f16_to_f32(block->dmin);
	int j;

	for (j = 0; j < 16; j++)
		set_lines(grid, 16 * j, 16, d * (float)(block->scales[j] & 15),
			  -(dmin * (float)(block->scales[j] >> 4)));
}

static void lines_signed(elm__grid *grid, uint16_t d, int subs, const int scales[])
{
	int n = ELM__BLOCK_SUPER / subs, j;

	for (j = 0; j < subs; j++)
		set_lines(grid, n * j, n, elm__f16_to_f32(d) * (float)scales[j], 0);
}

static void set_levels(elm__grid *grid, float lo, float hi)
{
	grid->levels = elm__levels_integers(lo, hi);
}

static void set_list(elm__grid *grid)
{
	static const int8_t list[16] = ELM__IQ4_LEVELS;

	grid->levels = elm__levels_list(list);
}

bool elm__grid_load(elm_type type, const void *from, elm__grid *grid)
{
	const elm__block_q4_1 *with_offset = from; /* as Q5_1 begins */
	const elm__block_q4_k *k4 = from;	   /* as Q5_K begins */
	int scales[16];
	uint16_t d;
	unsigned j;

	memcpy(&d, from, sizeof(d)); /* where the scale comes first */
	switch (type) {
	case ELM_TYPE_Q4_0:
		set_levels(grid, -8, 7);
		set_lines(grid, 0, 32, elm__f16_to_f32(d), 0);
		return true;
	case ELM_TYPE_Q5_0:
		set_levels(grid, -16, 15);
		set_lines(grid, 0, 32, elm__f16_to_f32(d), 0);
		return true;
	case ELM_TYPE_Q8_0:
		set_levels(grid, -127, 127);
		set_lines(grid, 0, 32, elm__f16_to_f32(d), 0);
		return true;
	case ELM_TYPE_IQ4_NL:
		set_list(grid);
		set_lines(grid, 0, 32, elm__f16_to_f32(d), 0);
		return true;
	case ELM_TYPE_Q4_1:
	case ELM_TYPE_Q5_1:
		set_levels(grid, 0, type == ELM_TYPE_Q4_1 ? 15 : 31);
		set_lines(grid, 0, 32, elm__f16_to_f32(d), elm__f16_to_f32(with_offset->m));
		return true;
	case ELM_TYPE_Q2_K:
		set_levels(grid, 0, 3);
		lines_q2_k(grid, from);
		return true;
	case ELM_TYPE_Q3_K:
		set_levels(grid, -4, 3);
		for (j = 0; j < 16; j++)
			scales[j] = elm__scale_q3_k(((const elm__block_q3_k *)from)->scales, j);
		lines_signed(grid, ((const elm__block_q3_k *)from)->d, 16, scales);
		return true;
	case ELM_TYPE_Q4_K:
	case ELM_TYPE_Q5_K:
		set_levels(grid, 0, type == ELM_TYPE_Q4_K ? 15 : 31);
		lines_k4(grid, k4->d, k4->dmin, k4->scales);
		return true;
	case ELM_TYPE_Q6_K:
		set_levels(grid, -32, 31);
		for (j = 0; j < 16; j++)
			scales[j] = ((const elm__block_q6_k *)from)->scales[j];
		lines_signed(grid, ((const elm__block_q6_k *)from)->d, 16, scales);
		return true;
	case ELM_TYPE_IQ4_XS:
		set_list(grid);
		for (j = 0; j < 8; j++)
			scales[j] = elm__scale_iq4_xs(from, j);
		lines_signed(grid, d, 8, scales);
		return true;
	default:
		return false;
	}
}

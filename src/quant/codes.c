/* codes.c: where the codes of a block lie, and what they stand for. */
#include <string.h>

#include "quant/codes.h"
#include "quant/scales.h"

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

bool elm__grid_load(elm_type type, const void *from, elm__grid *grid)
{
	const elm__scale_facts *facts = elm__scale_facts_of(type);
	int n = facts ? elm_type_get(type)->block_elements : 0;

	if (!facts)
		return false;
	grid->levels = elm__levels_of(facts);
	for (int first = 0; first < n; first += facts->sub) {
		elm__scale scale = elm__scale_get(type, from, first / facts->sub);
		elm__line line = elm__scale_line(facts, from, scale);

		for (int i = first; i < first + facts->sub; i++) {
			grid->scale[i] = line.scale;
			grid->offset[i] = line.offset;
		}
	}
	return true;
}

/*
 * Packing of weights: see packed.h for the layout.
 *
 * Every packed block is a few 2-byte fields, then byte fields, then 4-byte words, each field R
 * times side by side. Packing therefore turns a block of GGUF into one lane of fields and words, by
 * operations on four weights at a time, and then spreads the lane out. Decoding reads a lane back
 * and is written from the table of packed.h alone, so that the two check each other.
 */
#include "kernel/packed.h"

#include <string.h>

#include "quant/blocks.h"
#include "quant/half.h"

enum { MAX_HALVES = 2, MAX_BYTES = 16, MAX_WORDS = 48 };

typedef struct lane {
	uint16_t half[MAX_HALVES];
	uint8_t byte[MAX_BYTES];
	uint32_t word[MAX_WORDS];
} lane;

/* --- from blocks of GGUF to lanes --- */

static uint32_t load32(const void *bytes)
{
	uint32_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

/* The nibbles of a 32-block whose weights are the low nibbles of 32 bytes (shift 0) or the high
 * ones (shift 4). */
static void nibbles_of_bytes(const uint8_t *in, unsigned shift, uint32_t out[4])
{
	for (int u = 0; u < 4; u++) {
		uint32_t low = load32(in + 4 * u) >> shift & 0x0f0f0f0f;
		uint32_t high = load32(in + 4 * u + 16) >> shift & 0x0f0f0f0f;

		out[u] = low | high << 4;
	}
}

/* bits1 of a 32-block whose bits are bit `shift` of 32 bytes. */
static uint32_t bits1_of_bytes(const uint8_t *in, unsigned shift)
{
	uint32_t out = 0;

	for (int q = 0; q < 8; q++)
		out |= (load32(in + 4 * q) >> shift & 0x01010101) << q;
	return out;
}

/* bits2 of a 32-block whose two bits are bits shift and shift + 1 of 32 bytes. */
static void bits2_of_bytes(const uint8_t *in, unsigned shift, uint32_t out[2])
{
	for (int u = 0; u < 2; u++) {
		out[u] = 0;
		for (int i = 0; i < 4; i++)
			out[u] |= (load32(in + 16 * u + 4 * i) >> shift & 0x03030303) << 2 * i;
	}
}

/* bits1 of a 32-block from 32 bits in the order of the weights: bit 4 q + e goes to bit q of
 * byte e. */
static uint32_t bits1_of_word(uint32_t bits)
{
	uint32_t out = 0;

	for (int e = 0; e < 4; e++) {
		uint32_t every4th = bits >> e & 0x11111111;

		every4th = (every4th | every4th >> 3) & 0x03030303;
		every4th = (every4th | every4th >> 6) & 0x000f000f;
		out |= ((every4th | every4th >> 12) & 0xff) << 8 * e;
	}
	return out;
}

static void pack_q4_0(const void *in, lane *out)
{
	const elm__block_q4_0 *block = in;

	out->half[0] = block->d;
	memcpy(out->word, block->qs, sizeof(block->qs));
}

static void pack_q4_1(const void *in, lane *out)
{
	const elm__block_q4_1 *block = in;

	out->half[0] = block->d;
	out->half[1] = block->m;
	memcpy(out->word, block->qs, sizeof(block->qs));
}

static void pack_q5_0(const void *in, lane *out)
{
	const elm__block_q5_0 *block = in;

	out->half[0] = block->d;
	out->word[0] = bits1_of_word(load32(block->qh));
	memcpy(out->word + 1, block->qs, sizeof(block->qs));
}

static void pack_q5_1(const void *in, lane *out)
{
	const elm__block_q5_1 *block = in;

	out->half[0] = block->d;
	out->half[1] = block->m;
	out->word[0] = bits1_of_word(load32(block->qh));
	memcpy(out->word + 1, block->qs, sizeof(block->qs));
}

static void pack_q8_0(const void *in, lane *out)
{
	const elm__block_q8_0 *block = in;

	out->half[0] = block->d;
	memcpy(out->word, block->qs, sizeof(block->qs));
}

static void pack_q8_0_offset(const void *in, lane *out)
{
	pack_q8_0(in, out);
	for (int i = 0; i < 8; i++)
		out->word[i] ^= 0x80808080;
}

/* The byte fields that Q4_K and Q5_K share. */
static void pack_scales_k4(const uint8_t scales[12], uint8_t byte[12])
{
	uint8_t scale[8], minimum[8];

	for (unsigned s = 0; s < 8; s++) {
		elm__scale_min_k4(scales, s, &scale[s], &minimum[s]);
		byte[s] = (uint8_t)((scale[s] & 15) | (minimum[s] & 15) << 4);
	}
	for (int p = 0; p < 4; p++)
		byte[8 + p] = (uint8_t)(scale[2 * p] >> 4 | minimum[2 * p] >> 4 << 2 |
					scale[2 * p + 1] >> 4 << 4 | minimum[2 * p + 1] >> 4 << 6);
}

static void pack_q4_k(const void *in, lane *out)
{
	const elm__block_q4_k *block = in;

	out->half[0] = block->d;
	out->half[1] = block->dmin;
	pack_scales_k4(block->scales, out->byte);
	for (int s = 0; s < 8; s++)
		nibbles_of_bytes(block->qs + s / 2 * 32, s % 2 * 4, out->word + 4 * s);
}

static void pack_q5_k(const void *in, lane *out)
{
	const elm__block_q5_k *block = in;

	out->half[0] = block->d;
	out->half[1] = block->dmin;
	pack_scales_k4(block->scales, out->byte);
	for (int s = 0; s < 8; s++) {
		out->word[5 * s] = bits1_of_bytes(block->qh, (unsigned)s);
		nibbles_of_bytes(block->qs + s / 2 * 32, s % 2 * 4, out->word + 5 * s + 1);
	}
}

static void pack_q6_k(const void *in, lane *out)
{
	const elm__block_q6_k *block = in;

	out->half[0] = block->d;
	memcpy(out->byte, block->scales, sizeof(block->scales));
	for (int s = 0; s < 8; s++) {
		bits2_of_bytes(block->qh + s / 4 * 32, s % 4 * 2, out->word + 6 * s);
		nibbles_of_bytes(block->ql + s / 4 * 64 + s % 2 * 32, s % 4 / 2 * 4,
				 out->word + 6 * s + 2);
	}
}

static void pack_q3_k(const void *in, lane *out)
{
	const elm__block_q3_k *block = in;
	uint8_t scale[16];

	for (unsigned h = 0; h < 16; h++)
		scale[h] = (uint8_t)(elm__scale_q3_k(block->scales, h) + 32);
	out->half[0] = block->d;
	for (int s = 0; s < 8; s++)
		out->byte[s] = (uint8_t)((scale[2 * s] & 15) | (scale[2 * s + 1] & 15) << 4);
	for (int p = 0; p < 4; p++)
		out->byte[8 + p] =
			(uint8_t)(scale[4 * p] >> 4 | scale[4 * p + 1] >> 4 << 2 |
				  scale[4 * p + 2] >> 4 << 4 | scale[4 * p + 3] >> 4 << 6);
	for (int s = 0; s < 8; s++) {
		out->word[3 * s] = bits1_of_bytes(block->hmask, (unsigned)s);
		bits2_of_bytes(block->qs + s / 4 * 32, s % 4 * 2, out->word + 3 * s + 1);
	}
}

static void pack_q2_k(const void *in, lane *out)
{
	const elm__block_q2_k *block = in;

	out->half[0] = block->d;
	out->half[1] = block->dmin;
	memcpy(out->byte, block->scales, sizeof(block->scales));
	for (int s = 0; s < 8; s++)
		bits2_of_bytes(block->qs + s / 4 * 32, s % 4 * 2, out->word + 2 * s);
}

static void pack_iq4_xs(const void *in, lane *out)
{
	const elm__block_iq4_xs *block = in;

	out->half[0] = block->d;
	memcpy(out->byte, block->scales_l, sizeof(block->scales_l));
	out->byte[4] = (uint8_t)block->scales_h;
	out->byte[5] = (uint8_t)(block->scales_h >> 8);
	memcpy(out->word, block->qs, sizeof(block->qs));
}

/* --- from lanes to floats --- */

/* Weight i (0..31) of a 32-block within the fields of packed.h. */
static unsigned nibble(const uint32_t *words, unsigned i)
{
	return words[i / 4 & 3] >> (i % 4 * 8 + i / 16 * 4) & 15;
}

static unsigned bit1(uint32_t word, unsigned i)
{
	return word >> (i % 4 * 8 + i / 4) & 1;
}

static unsigned bits2(const uint32_t *words, unsigned i)
{
	return words[i / 16] >> (i % 4 * 8 + i / 4 % 4 * 2) & 3;
}

static unsigned byte8(const uint32_t *words, unsigned i)
{
	return words[i / 4] >> i % 4 * 8 & 255;
}

static float code5(const uint32_t *words, unsigned i)
{
	return (float)(nibble(words + 1, i) + 16 * bit1(words[0], i));
}

static void decode_small(elm_type type, const lane *in, float *out)
{
	static const int8_t levels[16] = ELM__IQ4_LEVELS;
	float d = elm__f16_to_f32(in->half[0]), m = elm__f16_to_f32(in->half[1]);

	for (unsigned i = 0; i < 32; i++) {
		unsigned n = nibble(in->word, i);

		if (type == ELM_TYPE_Q4_0)
			out[i] = d * ((float)n - 8);
		else if (type == ELM_TYPE_Q4_1)
			out[i] = d * (float)n + m;
		else if (type == ELM_TYPE_Q5_0)
			out[i] = d * (code5(in->word, i) - 16);
		else if (type == ELM_TYPE_Q5_1)
			out[i] = d * code5(in->word, i) + m;
		else
			out[i] = d * (float)levels[n];
	}
}

static void decode_q8_0(const lane *in, int offset, float *out)
{
	for (unsigned i = 0; i < 32; i++) {
		unsigned byte = byte8(in->word, i);

		out[i] = elm__f16_to_f32(in->half[0]) *
			 (float)(offset ? (int)byte - 128 : (int)(int8_t)byte);
	}
}

static void decode_k45(elm_type type, const lane *in, float *out)
{
	float d = elm__f16_to_f32(in->half[0]), dmin = elm__f16_to_f32(in->half[1]);

	for (unsigned j = 0; j < 256; j++) {
		unsigned s = j / 32, i = j % 32, hi = in->byte[8 + s / 2] >> s % 2 * 4;
		float scale = d * (float)((in->byte[s] & 15u) | (hi & 3) << 4);
		float minimum = dmin * (float)(in->byte[s] >> 4 | (hi >> 2 & 3) << 4);

		out[j] = scale * (type == ELM_TYPE_Q4_K ? (float)nibble(in->word + 4 * s, i) :
							  code5(in->word + 5 * s, i)) -
			 minimum;
	}
}

static void decode_q6_k(const lane *in, float *out)
{
	for (unsigned j = 0; j < 256; j++) {
		const uint32_t *words = in->word + j / 32 * 6;
		float scale = elm__f16_to_f32(in->half[0]) * (float)(int8_t)in->byte[j / 16];
		unsigned code = nibble(words + 2, j % 32) + 16 * bits2(words, j % 32);

		out[j] = scale * ((float)code - 32);
	}
}

static void decode_q3_k(const lane *in, float *out)
{
	for (unsigned j = 0; j < 256; j++) {
		const uint32_t *words = in->word + j / 32 * 3;
		unsigned h = j / 16, low = in->byte[h / 2] >> h % 2 * 4 & 15;
		unsigned high = in->byte[8 + h / 4] >> h % 4 * 2 & 3;
		unsigned code = bits2(words + 1, j % 32) + 4 * bit1(words[0], j % 32);

		out[j] = elm__f16_to_f32(in->half[0]) * ((float)(low | high << 4) - 32) *
			 ((float)code - 4);
	}
}

static void decode_q2_k(const lane *in, float *out)
{
	for (unsigned j = 0; j < 256; j++) {
		uint8_t both = in->byte[j / 16];
		float scale = elm__f16_to_f32(in->half[0]) * (float)(both & 15);
		float minimum = elm__f16_to_f32(in->half[1]) * (float)(both >> 4);

		out[j] = scale * (float)bits2(in->word + j / 32 * 2, j % 32) - minimum;
	}
}

static void decode_iq4_xs(const lane *in, float *out)
{
	static const int8_t levels[16] = ELM__IQ4_LEVELS;

	for (unsigned j = 0; j < 256; j++) {
		unsigned s = j / 32, low = in->byte[s / 2] >> s % 2 * 4 & 15;
		unsigned high = in->byte[4 + s / 4] >> s % 4 * 2 & 3;

		out[j] = elm__f16_to_f32(in->half[0]) * ((float)(low | high << 4) - 32) *
			 (float)levels[nibble(in->word + 4 * s, j % 32)];
	}
}

/* --- groups --- */

typedef struct layout {
	unsigned halves, bytes, words; /* of one lane of a block */
	void (*pack)(const void *block, lane *out);
} layout;

static const layout layouts[ELM_TYPE_LIMIT] = {
	[ELM_TYPE_Q4_0] = { 1, 0, 4, pack_q4_0 },   [ELM_TYPE_Q4_1] = { 2, 0, 4, pack_q4_1 },
	[ELM_TYPE_Q5_0] = { 1, 0, 5, pack_q5_0 },   [ELM_TYPE_Q5_1] = { 2, 0, 5, pack_q5_1 },
	[ELM_TYPE_Q8_0] = { 1, 0, 8, pack_q8_0 },   [ELM_TYPE_IQ4_NL] = { 1, 0, 4, pack_q4_0 },
	[ELM_TYPE_Q4_K] = { 2, 12, 32, pack_q4_k }, [ELM_TYPE_Q5_K] = { 2, 12, 40, pack_q5_k },
	[ELM_TYPE_Q6_K] = { 1, 16, 48, pack_q6_k }, [ELM_TYPE_Q3_K] = { 1, 12, 24, pack_q3_k },
	[ELM_TYPE_Q2_K] = { 2, 16, 16, pack_q2_k }, [ELM_TYPE_IQ4_XS] = { 1, 6, 32, pack_iq4_xs },
};

bool elm__packable(elm_type type)
{
	return (unsigned)type < ELM_TYPE_LIMIT && layouts[type].pack;
}

size_t elm__packed_group_bytes(elm_type type, uint32_t cols, uint32_t interleave)
{
	const elm_type_info *info = elm_type_get(type);

	return (size_t)(cols / info->block_elements) * info->block_bytes * interleave;
}

/* Writes lane r of R. */
static inline void spread(const layout *form, const lane *in, uint8_t *block, size_t r, size_t R)
{
	for (unsigned i = 0; i < form->halves; i++, block += 2 * R)
		memcpy(block + 2 * r, &in->half[i], 2);
	for (unsigned i = 0; i < form->bytes; i++, block += R)
		block[r] = in->byte[i];
	for (unsigned i = 0; i < form->words; i++, block += 4 * R)
		memcpy(block + 4 * r, &in->word[i], 4);
}

static void gather(const layout *form, lane *out, const uint8_t *block, size_t r, size_t R)
{
	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < form->halves; i++, block += 2 * R)
		memcpy(&out->half[i], block + 2 * r, 2);
	for (unsigned i = 0; i < form->bytes; i++, block += R)
		out->byte[i] = block[r];
	for (unsigned i = 0; i < form->words; i++, block += 4 * R)
		memcpy(&out->word[i], block + 4 * r, 4);
}

void elm__pack_group(const elm__matrix *matrix, elm__packing packing, uint32_t row, void *out)
{
	const elm_type_info *info = elm_type_get(matrix->type);
	const layout *form = &layouts[matrix->type];
	void (*pack)(const void *, lane *) = form->pack;
	const uint8_t *first = (const uint8_t *)matrix->data + (size_t)row * matrix->row_bytes;
	size_t R = packing.interleave, blocks = matrix->cols / info->block_elements;
	size_t present = matrix->rows - row < R ? matrix->rows - row : R;
	uint8_t *block = out;

	if (matrix->type == ELM_TYPE_Q8_0 && packing.offset_q8)
		pack = pack_q8_0_offset;
	if (present < R)
		memset(out, 0, blocks * info->block_bytes * R);
	for (size_t b = 0; b < blocks; b++, block += info->block_bytes * R)
		for (size_t r = 0; r < present; r++) {
			lane one;

			pack(first + r * matrix->row_bytes + b * info->block_bytes, &one);
			spread(form, &one, block, r, R);
		}
}

void elm__packed_decode(elm_type type, elm__packing packing, const void *group, uint32_t cols,
			uint32_t which, float *out)
{
	const elm_type_info *info = elm_type_get(type);
	const uint8_t *block = group;

	for (uint32_t done = 0; done < cols; done += info->block_elements) {
		lane one;

		gather(&layouts[type], &one, block, which, packing.interleave);
		switch ((int)type) {
		case ELM_TYPE_Q8_0:
			decode_q8_0(&one, packing.offset_q8, out + done);
			break;
		case ELM_TYPE_Q4_K:
		case ELM_TYPE_Q5_K:
			decode_k45(type, &one, out + done);
			break;
		case ELM_TYPE_Q6_K:
			decode_q6_k(&one, out + done);
			break;
		case ELM_TYPE_Q3_K:
			decode_q3_k(&one, out + done);
			break;
		case ELM_TYPE_Q2_K:
			decode_q2_k(&one, out + done);
			break;
		case ELM_TYPE_IQ4_XS:
			decode_iq4_xs(&one, out + done);
			break;
		default:
			decode_small(type, &one, out + done);
		}
		block += (size_t)info->block_bytes * packing.interleave;
	}
}

/*
 * dequant_tmpl.h: the decoders of dequant.h for any vector unit with registers of 16 bytes.
 *
 * The file that includes this once defines before:
 *     bytes     16 codes; the operators - & | == of the compiler work on it
 *     field     (v, shift, mask): each byte shifted right, then masked
 *     lookup    (table, index): table[index] for each byte, index < 16
 *     emit      out[i] = scale * codes[i], codes signed
 *     emit_sub  out[i] = scale * codes[i] - minimum, codes signed; not fused
 *     f16_one, f16_row, bf16_row   conversions of a half, and of rows of any length
 *     DEQUANT_TABLE   the name of the table
 * Multiplying by a scale that is formed first is what the reference does: results are the same.
 * Subtracting -m is exactly adding m.
 */
#include "quant/blocks.h"

#include <string.h>

static inline bytes load(const void *from)
{
	bytes v;

	memcpy(&v, from, sizeof(v));
	return v;
}

static inline bytes splat(uint8_t b)
{
	return (bytes){ b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b };
}

/* `value` in the bytes whose bit is set in the corresponding byte of v, else zero. */
static inline bytes where(bytes v, uint8_t bit, uint8_t value)
{
	return (bytes)((v & splat(bit)) == splat(bit)) & splat(value);
}

/* 16 in each byte whose bit in `bits` is set. */
static inline bytes fifth_bits(const uint8_t bits[2])
{
	static const uint8_t positions[16] = { 1, 2, 4, 8, 16, 32, 64, 128,
					       1, 2, 4, 8, 16, 32, 64, 128 };
	static const uint8_t sources[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1 };
	bytes spread = lookup((bytes){ bits[0], bits[1] }, load(sources));

	return (bytes)((spread & load(positions)) != splat(0)) & splat(16);
}

static inline bytes iq4_table(void)
{
	static const int8_t levels[16] = ELM__IQ4_LEVELS;

	return load(levels);
}

static void f32_row(const void *blocks, float *out, size_t elements)
{
	memcpy(out, blocks, elements * sizeof(*out));
}

static void q4_0_row(const void *blocks, float *out, size_t elements)
{
	const elm__block_q4_0 *block = blocks, *end = block + elements / 32;

	for (; block < end; block++, out += 32) {
		float d = f16_one(block->d);
		bytes q = load(block->qs);

		emit(field(q, 0, 15) - splat(8), d, out);
		emit(field(q, 4, 15) - splat(8), d, out + 16);
	}
}

static void q4_1_row(const void *blocks, float *out, size_t elements)
{
	const elm__block_q4_1 *block = blocks, *end = block + elements / 32;

	for (; block < end; block++, out += 32) {
		float d = f16_one(block->d), m = -f16_one(block->m);
		bytes q = load(block->qs);

		emit_sub(field(q, 0, 15), d, m, out);
		emit_sub(field(q, 4, 15), d, m, out + 16);
	}
}

static void q5_0_row(const void *blocks, float *out, size_t elements)
{
	const elm__block_q5_0 *block = blocks, *end = block + elements / 32;

	for (; block < end; block++, out += 32) {
		float d = f16_one(block->d);
		bytes q = load(block->qs);

		emit((field(q, 0, 15) | fifth_bits(block->qh)) - splat(16), d, out);
		emit((field(q, 4, 15) | fifth_bits(block->qh + 2)) - splat(16), d, out + 16);
	}
}

static void q5_1_row(const void *blocks, float *out, size_t elements)
{
	const elm__block_q5_1 *block = blocks, *end = block + elements / 32;

	for (; block < end; block++, out += 32) {
		float d = f16_one(block->d), m = -f16_one(block->m);
		bytes q = load(block->qs);

		emit_sub(field(q, 0, 15) | fifth_bits(block->qh), d, m, out);
		emit_sub(field(q, 4, 15) | fifth_bits(block->qh + 2), d, m, out + 16);
	}
}

static void q8_0_row(const void *blocks, float *out, size_t elements)
{
	const elm__block_q8_0 *block = blocks, *end = block + elements / 32;

	for (; block < end; block++, out += 32) {
		float d = f16_one(block->d);

		emit(load(block->qs), d, out);
		emit(load(block->qs + 16), d, out + 16);
	}
}

static void q2_k_row(const void *blocks, float *out, size_t elements)
{
	const elm__block_q2_k *block = blocks, *end = block + elements / 256;
	int sub;

	for (; block < end; block++) {
		float d = f16_one(block->d), dmin = f16_one(block->dmin);

		for (sub = 0; sub < 16; sub++, out += 16) {
			bytes q = load(block->qs + 32 * (sub >> 3) + 16 * (sub & 1));

			emit_sub(field(q, sub & 6, 3), d * (float)(block->scales[sub] & 15),
				 dmin * (float)(block->scales[sub] >> 4), out);
		}
	}
}

static void q3_k_row(const void *blocks, float *out, size_t elements)
{
	const elm__block_q3_k *block = blocks, *end = block + elements / 256;
	int sub;

	for (; block < end; block++) {
		float d = f16_one(block->d);

		for (sub = 0; sub < 16; sub++, out += 16) {
			bytes q = load(block->qs + 32 * (sub >> 3) + 16 * (sub & 1));
			bytes high = load(block->hmask + 16 * (sub & 1));

			emit((field(q, sub & 6, 3) | where(high, (uint8_t)(1 << (sub >> 1)), 4)) -
				     splat(4),
			     d * (float)elm__scale_q3_k(block->scales, (unsigned)sub), out);
		}
	}
}

static void q4_k_row(const void *blocks, float *out, size_t elements)
{
	const elm__block_q4_k *block = blocks, *end = block + elements / 256;
	uint8_t scale_code, min_code;
	int sub;

	for (; block < end; block++) {
		float d = f16_one(block->d), dmin = f16_one(block->dmin);

		for (sub = 0; sub < 8; sub++, out += 32) {
			const uint8_t *q = block->qs + 32 * (sub >> 1);
			int shift = 4 * (sub & 1);
			float scale, minimum;

			elm__scale_min_k4(block->scales, (unsigned)sub, &scale_code, &min_code);
			scale = d * (float)scale_code;
			minimum = dmin * (float)min_code;
			emit_sub(field(load(q), shift, 15), scale, minimum, out);
			emit_sub(field(load(q + 16), shift, 15), scale, minimum, out + 16);
		}
	}
}

static void q5_k_row(const void *blocks, float *out, size_t elements)
{
	const elm__block_q5_k *block = blocks, *end = block + elements / 256;
	uint8_t scale_code, min_code;
	int sub;

	for (; block < end; block++) {
		float d = f16_one(block->d), dmin = f16_one(block->dmin);
		bytes high0 = load(block->qh), high1 = load(block->qh + 16);

		for (sub = 0; sub < 8; sub++, out += 32) {
			const uint8_t *q = block->qs + 32 * (sub >> 1);
			uint8_t bit = (uint8_t)(1 << sub);
			int shift = 4 * (sub & 1);
			float scale, minimum;

			elm__scale_min_k4(block->scales, (unsigned)sub, &scale_code, &min_code);
			scale = d * (float)scale_code;
			minimum = dmin * (float)min_code;
			emit_sub(field(load(q), shift, 15) | where(high0, bit, 16), scale, minimum,
				 out);
			emit_sub(field(load(q + 16), shift, 15) | where(high1, bit, 16), scale,
				 minimum, out + 16);
		}
	}
}

static void q6_k_row(const void *blocks, float *out, size_t elements)
{
	const elm__block_q6_k *block = blocks, *end = block + elements / 256;
	int sub;

	for (; block < end; block++) {
		float d = f16_one(block->d);

		for (sub = 0; sub < 16; sub++, out += 16) {
			bytes low = load(block->ql + 64 * (sub >> 3) + 16 * (sub & 3));
			bytes high = load(block->qh + 32 * (sub >> 3) + 16 * (sub & 1));
			bytes q = field(low, sub & 4, 15) | field(high, sub & 6, 3) * splat(16);

			emit(q - splat(32), d * (float)block->scales[sub], out);
		}
	}
}

static void iq4_nl_row(const void *blocks, float *out, size_t elements)
{
	const elm__block_iq4_nl *block = blocks, *end = block + elements / 32;
	bytes table = iq4_table();

	for (; block < end; block++, out += 32) {
		float d = f16_one(block->d);
		bytes q = load(block->qs);

		emit(lookup(table, field(q, 0, 15)), d, out);
		emit(lookup(table, field(q, 4, 15)), d, out + 16);
	}
}

static void iq4_xs_row(const void *blocks, float *out, size_t elements)
{
	const elm__block_iq4_xs *block = blocks, *end = block + elements / 256;
	bytes table = iq4_table();
	int sub;

	for (; block < end; block++) {
		float d = f16_one(block->d);

		for (sub = 0; sub < 8; sub++, out += 32) {
			float scale = d * (float)elm__scale_iq4_xs(block, (unsigned)sub);
			bytes q = load(block->qs + 16 * sub);

			emit(lookup(table, field(q, 0, 15)), scale, out);
			emit(lookup(table, field(q, 4, 15)), scale, out + 16);
		}
	}
}

const elm__dequant_fn DEQUANT_TABLE[ELM_TYPE_LIMIT] = {
	[ELM_TYPE_F32] = f32_row,   [ELM_TYPE_F16] = f16_row,	    [ELM_TYPE_BF16] = bf16_row,
	[ELM_TYPE_Q4_0] = q4_0_row, [ELM_TYPE_Q4_1] = q4_1_row,	    [ELM_TYPE_Q5_0] = q5_0_row,
	[ELM_TYPE_Q5_1] = q5_1_row, [ELM_TYPE_Q8_0] = q8_0_row,	    [ELM_TYPE_Q2_K] = q2_k_row,
	[ELM_TYPE_Q3_K] = q3_k_row, [ELM_TYPE_Q4_K] = q4_k_row,	    [ELM_TYPE_Q5_K] = q5_k_row,
	[ELM_TYPE_Q6_K] = q6_k_row, [ELM_TYPE_IQ4_NL] = iq4_nl_row, [ELM_TYPE_IQ4_XS] = iq4_xs_row,
};

/*
 * weights.h: packed weights as vectors of bytes, for the vectors of one tier (include its vec_*.h
 * first). One small decoder for each type, shared by all products of the tier; `type` is always a
 * constant, so only one of them is left in each product.
 *
 * A weight is scale * (code - bias) + offset. Tiers that multiply unsigned bytes have codes from 0;
 * for the others (SIGNED_WEIGHTS) Q8_0, IQ4_NL and IQ4_XS have signed codes and no bias.
 */
#ifndef ELM_KERNEL_X86_WEIGHTS_H
#define ELM_KERNEL_X86_WEIGHTS_H

#include "kernel/packed_facts.h"
#include "quant/blocks.h"

/* 32 inputs of LANES rows. */
typedef struct weights {
	vi code[8];   /* by quad */
	vf scale[2];  /* of the two half-blocks; only the first where both have the same */
	vf offset[2]; /* only of types that have one */
} weights;

INLINE int bias(elm_type type)
{
	switch ((int)type) {
	case ELM_TYPE_Q4_0:
		return 8;
	case ELM_TYPE_Q5_0:
		return 16;
	case ELM_TYPE_Q3_K:
		return 4;
	case ELM_TYPE_Q6_K:
		return 32;
	case ELM_TYPE_Q8_0:
	case ELM_TYPE_IQ4_NL:
	case ELM_TYPE_IQ4_XS:
		return SIGNED_WEIGHTS ? 0 : 128;
	default:
		return 0;
	}
}

/* The largest code; 0 means signed codes of 8 bits. */
INLINE int code_range(elm_type type)
{
	switch ((int)type) {
	case ELM_TYPE_Q2_K:
		return 3;
	case ELM_TYPE_Q3_K:
		return 7;
	case ELM_TYPE_Q4_0:
	case ELM_TYPE_Q4_1:
	case ELM_TYPE_Q4_K:
		return 15;
	case ELM_TYPE_Q5_0:
	case ELM_TYPE_Q5_1:
	case ELM_TYPE_Q5_K:
		return 31;
	case ELM_TYPE_Q6_K:
		return 63;
	default:
		return SIGNED_WEIGHTS ? 0 : 255;
	}
}

/* Bytes before the codes of a packed block, and of the codes of 32 inputs. */
INLINE size_t header_bytes(elm_type type)
{
	switch ((int)type) {
	case ELM_TYPE_Q4_1:
	case ELM_TYPE_Q5_1:
		return 4 * LANES;
	case ELM_TYPE_Q4_K:
	case ELM_TYPE_Q5_K:
		return (4 + 12) * LANES;
	case ELM_TYPE_Q6_K:
		return (2 + 16) * LANES;
	case ELM_TYPE_Q3_K:
		return (2 + 12) * LANES;
	case ELM_TYPE_Q2_K:
		return (4 + 16) * LANES;
	case ELM_TYPE_IQ4_XS:
		return (2 + 6) * LANES;
	default:
		return 2 * LANES;
	}
}

INLINE size_t code_bytes(elm_type type)
{
	switch ((int)type) {
	case ELM_TYPE_Q2_K:
		return 2 * 4 * LANES;
	case ELM_TYPE_Q3_K:
		return 3 * 4 * LANES;
	case ELM_TYPE_Q5_0:
	case ELM_TYPE_Q5_1:
	case ELM_TYPE_Q5_K:
		return 5 * 4 * LANES;
	case ELM_TYPE_Q6_K:
		return 6 * 4 * LANES;
	case ELM_TYPE_Q8_0:
		return 8 * 4 * LANES;
	default:
		return 4 * 4 * LANES;
	}
}

INLINE size_t packed_block_bytes(elm_type type)
{
	return header_bytes(type) + (size_t)elm__packed_subs(type) * code_bytes(type);
}

/* --- codes --- */

INLINE void load_nibbles(const uint8_t *from, vi code[8])
{
	const vi low = vi_set8(15);

	for (int u = 0; u < 4; u++) {
		vi both = vi_load(from + 4 * LANES * u);

		code[u] = vi_and(both, low);
		code[u + 4] = vi_and(vi_shift(both, 4), low);
	}
}

/* Sets bit `bit` of the codes from a unit of bits1. */
INLINE void add_bits1(const uint8_t *from, int bit, vi code[8])
{
	const vi mask = vi_set8(1 << bit), bits = vi_load(from);

	for (int q = 0; q < 8; q++)
		code[q] = vi_merge(code[q], vi_shift(bits, q - bit), mask);
}

INLINE void load_codes(elm_type type, const uint8_t *from, vi code[8])
{
	static const int8_t levels[16] = ELM__IQ4_LEVELS;

	if (type == ELM_TYPE_Q8_0) {
		for (int q = 0; q < 8; q++)
			code[q] = vi_load(from + 4 * LANES * q);
	} else if (type == ELM_TYPE_Q2_K || type == ELM_TYPE_Q3_K) {
		const vi low = vi_set8(3);
		const uint8_t *bits2 = from + (type == ELM_TYPE_Q3_K ? 4 * LANES : 0);

		for (int q = 0; q < 8; q++)
			code[q] = vi_and(vi_shift(vi_load(bits2 + q / 4 * 4 * LANES), q % 4 * 2),
					 low);
		if (type == ELM_TYPE_Q3_K)
			add_bits1(from, 2, code);
	} else if (type == ELM_TYPE_Q5_0 || type == ELM_TYPE_Q5_1 || type == ELM_TYPE_Q5_K) {
		load_nibbles(from + 4 * LANES, code);
		add_bits1(from, 4, code);
	} else if (type == ELM_TYPE_Q6_K) {
		load_nibbles(from + 8 * LANES, code);
		for (int q = 0; q < 8; q++)
			code[q] =
				vi_merge(code[q],
					 vi_shift(vi_load(from + q / 4 * 4 * LANES), q % 4 * 2 - 4),
					 vi_set8(0x30));
	} else {
		load_nibbles(from, code);
		if (elm__packed_is_lookup(type)) {
			vi table = vi_table(levels);

			if (!SIGNED_WEIGHTS)
				table = vi_xor(table, vi_set8(0x80));
			for (int q = 0; q < 8; q++)
				code[q] = vi_lookup(table, code[q]);
		}
	}
}

/* --- scales --- */

/* What all parts of a block share. */
typedef struct block_scales {
	vf d, minus_dmin;
} block_scales;

INLINE block_scales load_block_scales(elm_type type, const uint8_t *block)
{
	block_scales s = { vf_half(block), vf_half(block) };

	if (type == ELM_TYPE_Q4_1 || type == ELM_TYPE_Q5_1)
		s.minus_dmin = vf_half(block + 2 * LANES); /* added, not subtracted */
	else if (elm__packed_has_offset(type))
		s.minus_dmin = vf_mul(vf_half(block + 2 * LANES), vf_set(-1));
	return s;
}

INLINE void load_scales_k45(const uint8_t *bytes, int s, const block_scales *block, weights *out)
{
	vi lo = vi_widen_u8(bytes + s * LANES);
	vi hi = vi_right32(vi_widen_u8(bytes + (8 + s / 2) * LANES), s % 2 * 4);
	vi scale = vi_merge(vi_and(lo, vi_set32(15)), vi_left32(hi, 4), vi_set32(0x30));
	vi minimum = vi_merge(vi_right32(lo, 4), vi_left32(hi, 2), vi_set32(0x30));

	out->scale[0] = vf_mul(block->d, vf_from_int(scale));
	out->offset[0] = vf_mul(block->minus_dmin, vf_from_int(minimum));
}

/* Six bits, biased by 32, from nibbles and pairs of bits: Q3_K (i < 16) and IQ4_XS (i < 8). */
INLINE vf load_scale_6(const uint8_t *lo, const uint8_t *hi, int i, vf d)
{
	vi low = vi_right32(vi_widen_u8(lo + i / 2 * LANES), i % 2 * 4);
	vi high = vi_left32(vi_right32(vi_widen_u8(hi + i / 4 * LANES), i % 4 * 2), 4);
	vi both = vi_merge(vi_and(low, vi_set32(15)), high, vi_set32(0x30));

	return vf_mul(d, vf_from_int(vi_sub32(both, vi_set32(32))));
}

INLINE void load_scales(elm_type type, const uint8_t *block, int s, const block_scales *shared,
			weights *out)
{
	if (type == ELM_TYPE_Q4_K || type == ELM_TYPE_Q5_K) {
		load_scales_k45(block + 4 * LANES, s, shared, out);
	} else if (type == ELM_TYPE_IQ4_XS) {
		const uint8_t *bytes = block + 2 * LANES;

		out->scale[0] = load_scale_6(bytes, bytes + 4 * LANES, s, shared->d);
	} else if (elm__packed_halves(type) == 2) {
		for (int h = 0; h < 2; h++) {
			int i = 2 * s + h;
			const uint8_t *bytes = block + (type == ELM_TYPE_Q2_K ? 4 : 2) * LANES;

			if (type == ELM_TYPE_Q6_K) {
				out->scale[h] = vf_mul(shared->d,
						       vf_from_int(vi_widen_s8(bytes + i * LANES)));
			} else if (type == ELM_TYPE_Q3_K) {
				out->scale[h] =
					load_scale_6(bytes, bytes + 8 * LANES, i, shared->d);
			} else {
				vi both = vi_widen_u8(bytes + i * LANES);

				out->scale[h] =
					vf_mul(shared->d, vf_from_int(vi_and(both, vi_set32(15))));
				out->offset[h] = vf_mul(shared->minus_dmin,
							vf_from_int(vi_right32(both, 4)));
			}
		}
	} else {
		out->scale[0] = shared->d;
		out->offset[0] = shared->minus_dmin;
	}
}

/* Inputs 32 s .. 32 s + 31 of a packed block. */
INLINE void load_weights(elm_type type, const uint8_t *block, int s, const block_scales *shared,
			 weights *out)
{
	load_scales(type, block, s, shared, out);
	load_codes(type, block + header_bytes(type) + (size_t)s * code_bytes(type), out->code);
}

#endif

/*
 * blocks.h: the byte layout of every quantised weight type of a GGUF file.
 *
 * A row is a sequence of blocks; each holds 32 or 256 weights. All numbers are little-endian, bits
 * are numbered from the least significant, and `half` is IEEE binary16. docs/FORMAT-WEIGHTS.md has
 * the same with formulas. Diagrams below show one byte with bit 7 at the left.
 *
 * Q4_0, Q4_1, Q5_0, Q5_1, IQ4_NL: 32 weights; byte i of qs (i < 16) serves weights i and i + 16.
 *
 *      qs[i]    | weight i+16, bits 3..0 | weight i, bits 3..0 |
 *      qh       32 bits (Q5 only): bit i is bit 4 of the code of weight i
 *
 *      Q4_0     d:half  qs[16]                      w = d * (q - 8)
 *      Q4_1     d:half  m:half  qs[16]              w = d * q + m
 *      Q5_0     d:half  qh[4]  qs[16]               w = d * (q - 16)
 *      Q5_1     d:half  m:half  qh[4]  qs[16]       w = d * q + m
 *      IQ4_NL   d:half  qs[16]                      w = d * table[q]
 *
 * Q8_0: 32 weights.   d:half  qs[32] signed         w = d * q
 *
 * The types below hold 256 weights, cut into sub-blocks that have a scale (and a minimum) of few
 * bits; one or two halves for the whole block multiply those.
 *
 * Q2_K: 16 sub-blocks of 16.   scales[16]  qs[64]  d:half  dmin:half
 *
 *      scales[s]   | minimum of sub-block s (4) | scale of sub-block s (4) |
 *      qs[32h+l]   | 128h+96+l | 128h+64+l | 128h+32+l | 128h+l |   h < 2, l < 32; 2 bits each
 *      w = (d * scale) * q - dmin * minimum
 *
 * Q3_K: 16 sub-blocks of 16.   hmask[32]  qs[64]  scales[12]  d:half
 *
 *      qs          the two low bits, arranged as in Q2_K
 *      hmask[l]    bit b is the third bit of weight 32b+l
 *      scales      16 codes of 6 bits, biased by 32:
 *        scales[i]     | code i+8, bits 3..0 | code i, bits 3..0 |              i < 8
 *        scales[8+i]   | code i+12 | code i+8 | code i+4 | code i |  bits 5..4; i < 4
 *      w = (d * (code - 32)) * (q - 4)
 *
 * Q4_K: 8 sub-blocks of 32.   d:half  dmin:half  scales[12]  qs[128]
 *
 *      scales      8 scales and 8 minima of 6 bits:
 *        scales[i]     | scale i+4, bits 5..4 | scale i |                       i < 4
 *        scales[4+i]   | minimum i+4, bits 5..4 | minimum i |
 *        scales[8+i]   | minimum i+4, bits 3..0 | scale i+4, bits 3..0 |
 *      qs[32p+l]   | weight 64p+32+l | weight 64p+l |      p < 4, l < 32; 4 bits each
 *      w = (d * scale) * q - dmin * minimum
 *
 * Q5_K: as Q4_K with a fifth bit.   d:half  dmin:half  scales[12]  qh[32]  qs[128]
 *
 *      qh[l]       bit b is bit 4 of the code of weight 32b+l
 *
 * Q6_K: 16 sub-blocks of 16.   ql[128]  qh[64]  scales[16] signed  d:half
 *
 *      ql[64h+l]      | weight 128h+64+l | weight 128h+l |      bits 3..0; h < 2, l < 64
 *      qh[32h+l]      | 128h+96+l | 128h+64+l | 128h+32+l | 128h+l |   bits 5..4; l < 32
 *      w = (d * scale) * (q - 32)
 *
 * IQ4_XS: 8 sub-blocks of 32.   d:half  scales_h:16 bits  scales_l[4]  qs[128]
 *
 *      scales_l[i]   | code 2i+1, bits 3..0 | code 2i, bits 3..0 |     biased by 32
 *      scales_h      bits 2s+1..2s are bits 5..4 of code s
 *      qs[16s+i]     | weight 32s+16+i | weight 32s+i |      s < 8, i < 16; 4 bits each
 *      w = (d * (code - 32)) * table[q]
 *
 * Products are formed in the order of the parentheses, each rounded to float: a kernel that claims
 * to decode exactly does the same and does not fuse the subtraction.
 */
#ifndef ELM_QUANT_BLOCKS_H
#define ELM_QUANT_BLOCKS_H

#include <edgelm/types.h>

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "weights are used in place as they lie in the file, which needs a little-endian processor"
#endif

enum { ELM__BLOCK_SMALL = 32, ELM__BLOCK_SUPER = 256 };

typedef struct elm__block_q4_0 {
	uint16_t d;
	uint8_t qs[16];
} elm__block_q4_0;

typedef struct elm__block_q4_1 {
	uint16_t d, m;
	uint8_t qs[16];
} elm__block_q4_1;

typedef struct elm__block_q5_0 {
	uint16_t d;
	uint8_t qh[4];
	uint8_t qs[16];
} elm__block_q5_0;

typedef struct elm__block_q5_1 {
	uint16_t d, m;
	uint8_t qh[4];
	uint8_t qs[16];
} elm__block_q5_1;

typedef struct elm__block_q8_0 {
	uint16_t d;
	int8_t qs[32];
} elm__block_q8_0;

typedef struct elm__block_q2_k {
	uint8_t scales[16];
	uint8_t qs[64];
	uint16_t d, dmin;
} elm__block_q2_k;

typedef struct elm__block_q3_k {
	uint8_t hmask[32];
	uint8_t qs[64];
	uint8_t scales[12];
	uint16_t d;
} elm__block_q3_k;

typedef struct elm__block_q4_k {
	uint16_t d, dmin;
	uint8_t scales[12];
	uint8_t qs[128];
} elm__block_q4_k;

typedef struct elm__block_q5_k {
	uint16_t d, dmin;
	uint8_t scales[12];
	uint8_t qh[32];
	uint8_t qs[128];
} elm__block_q5_k;

typedef struct elm__block_q6_k {
	uint8_t ql[128];
	uint8_t qh[64];
	int8_t scales[16];
	uint16_t d;
} elm__block_q6_k;

typedef struct elm__block_iq4_nl {
	uint16_t d;
	uint8_t qs[16];
} elm__block_iq4_nl;

typedef struct elm__block_iq4_xs {
	uint16_t d, scales_h;
	uint8_t scales_l[4];
	uint8_t qs[128];
} elm__block_iq4_xs;

/* Nothing above needs padding; the sizes are held against the public list of types. */
#define ELM__CHECK_ELM_TYPE_F32 float
#define ELM__CHECK_ELM_TYPE_F16 uint16_t
#define ELM__CHECK_ELM_TYPE_BF16 uint16_t
#define ELM__CHECK_ELM_TYPE_Q4_0 elm__block_q4_0
#define ELM__CHECK_ELM_TYPE_Q4_1 elm__block_q4_1
#define ELM__CHECK_ELM_TYPE_Q5_0 elm__block_q5_0
#define ELM__CHECK_ELM_TYPE_Q5_1 elm__block_q5_1
#define ELM__CHECK_ELM_TYPE_Q8_0 elm__block_q8_0
#define ELM__CHECK_ELM_TYPE_Q2_K elm__block_q2_k
#define ELM__CHECK_ELM_TYPE_Q3_K elm__block_q3_k
#define ELM__CHECK_ELM_TYPE_Q4_K elm__block_q4_k
#define ELM__CHECK_ELM_TYPE_Q5_K elm__block_q5_k
#define ELM__CHECK_ELM_TYPE_Q6_K elm__block_q6_k
#define ELM__CHECK_ELM_TYPE_IQ4_NL elm__block_iq4_nl
#define ELM__CHECK_ELM_TYPE_IQ4_XS elm__block_iq4_xs
#define ELM__CHECK_ELM_TYPE_I8 int8_t
#define ELM__CHECK_ELM_TYPE_I16 int16_t
#define ELM__CHECK_ELM_TYPE_I32 int32_t
#define ELM__CHECK_ELM_TYPE_I64 int64_t
#define ELM__CHECK_ELM_TYPE_F64 double
#define ELM__CHECK_SIZE_(name, value, text, elements, bytes) \
	_Static_assert(sizeof(ELM__CHECK_##name) == (bytes), "size of a " text " block");
ELM_TYPE_LIST(ELM__CHECK_SIZE_)
#undef ELM__CHECK_SIZE_

/* The levels of IQ4_NL and IQ4_XS: denser near zero, where most weights are. */
#define ELM__IQ4_LEVELS                                                                  \
	{                                                                                \
		-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113 \
	}

/* Scale and minimum of sub-block j (0 to 7) from the 12 bytes of a Q4_K or Q5_K block. */
static inline void elm__scale_min_k4(const uint8_t scales[12], unsigned j, uint8_t *scale,
				     uint8_t *minimum)
{
	if (j < 4) {
		*scale = scales[j] & 63;
		*minimum = scales[j + 4] & 63;
	} else {
		*scale = (uint8_t)((scales[j + 4] & 15) | scales[j - 4] >> 6 << 4);
		*minimum = (uint8_t)(scales[j + 4] >> 4 | scales[j] >> 6 << 4);
	}
}

/* Signed scale of sub-block j (0 to 15) of a Q3_K block, -32 to 31. */
static inline int elm__scale_q3_k(const uint8_t scales[12], unsigned j)
{
	unsigned low = scales[j & 7] >> (j < 8 ? 0 : 4) & 15;
	unsigned high = scales[8 + (j & 3)] >> 2 * (j >> 2) & 3;

	return (int)(low | high << 4) - 32;
}

/* Signed scale of sub-block j (0 to 7) of an IQ4_XS block, -32 to 31. */
static inline int elm__scale_iq4_xs(const elm__block_iq4_xs *block, unsigned j)
{
	unsigned low = block->scales_l[j >> 1] >> 4 * (j & 1) & 15;
	unsigned high = block->scales_h >> 2 * j & 3;

	return (int)(low | high << 4) - 32;
}

#endif

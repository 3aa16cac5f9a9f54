/*
 * packed.h: the layout of packed weights, one description for all tiers.
 *
 * R rows (16 for AVX-512 and AMX, 8 for 256-bit x86, 4 for 128-bit) are interleaved so that a
 * vector of R lanes of 4 bytes holds, in lane r, four consecutive weights of row r: one instruction
 * then multiplies all R rows with the same four inputs, and no sum has to be gathered across lanes.
 * A matrix is ceil(rows / R) groups, the last filled up with zero rows; a group is cols / B packed
 * blocks one after the other, B = 32 or 256 as in GGUF; everything is little-endian. A packed block
 * takes the same number of bytes as the R blocks it was made from: reading costs what it does in
 * GGUF.
 *
 * A *unit* is R * 4 bytes: byte 4 r + e belongs to row r and element e (0..3) of a *quad*: the
 * inputs 4 q .. 4 q + 3 of a block of 32, q = 0..7. Below, "s" is the 32-block within a 256-block
 * (0..7). Quads make packing a matter of moving words: a word of Q4_0 or Q8_0 is four bytes of GGUF
 * as they lie there, and a word of a k-quant is a few of them masked and shifted together.
 *
 *  fields of a 32-block that several types share:
 *   nibbles   4 units: unit u has quad u in the low and quad u + 4 in the high nibbles
 *   bits1     1 unit: bit q of byte (r, e) belongs to quad q
 *   bits2     2 units: of unit u, bits 2 i .. 2 i + 1 belong to quad 4 u + i
 *   bytes     8 units: unit q is quad q
 *
 *  type    block, in order                                      w =
 *  Q4_0    f16 d[R]; nibbles                                    d (n - 8)
 *  Q4_1    f16 d[R]; f16 m[R]; nibbles                          d n + m
 *  Q5_0    f16 d[R]; bits1; nibbles                             d (n + 16 b - 16)
 *  Q5_1    f16 d[R]; f16 m[R]; bits1; nibbles                   d (n + 16 b) + m
 *  Q8_0    f16 d[R]; bytes                                      d x, x int8
 *  IQ4_NL  f16 d[R]; nibbles                                    d table[n]
 *
 *  Q4_K    f16 d[R]; f16 dmin[R]; u8 lo[8][R]; u8 hi[4][R];
 *          for each s: nibbles                                  d sc n - dmin mn
 *  Q5_K    the same, but for each s: bits1, nibbles             d sc (n + 16 b) - dmin mn
 *          lo[s] = sc & 15 | (mn & 15) << 4
 *          hi[p] = sc(2p) >> 4 | mn(2p) >> 4 << 2 | sc(2p+1) >> 4 << 4 | mn(2p+1) >> 4 << 6
 *
 *  Q6_K    f16 d[R]; i8 sc[16][R]; for each s: bits2, nibbles   d sc (n + 16 b - 32)
 *
 *  Q3_K    f16 d[R]; u8 lo[8][R]; u8 hi[4][R];
 *          for each s: bits1, bits2                             d (sc - 32) (b2 + 4 b1 - 4)
 *          lo[s] = sc(2s) & 15 | (sc(2s+1) & 15) << 4, sc(h) is of half-block h (0..15)
 *          hi[p], p = 0..3: bits 2 i .. 2 i + 1 = sc(4 p + i) >> 4
 *
 *  Q2_K    f16 d[R]; f16 dmin[R]; u8 scmn[16][R];
 *          for each s: bits2                                    d sc b2 - dmin mn
 *          scmn[h] = sc | mn << 4, as in GGUF
 *
 *  IQ4_XS  f16 d[R]; u8 lo[4][R]; u8 hi[2][R];
 *          for each s: nibbles                                  d (sc - 32) table[n]
 *          lo[p] = sc(2p) & 15 | (sc(2p+1) & 15) << 4
 *          hi[p], p = 0..1: bits 2 i .. 2 i + 1 = sc(4 p + i) >> 4
 *
 * In Q6_K, Q3_K and Q2_K a scale covers a half-block: quads 0..3 or 4..7 of a 32-block.
 * F32, F16 and BF16 are not packed.
 */
#ifndef ELM_KERNEL_PACKED_H
#define ELM_KERNEL_PACKED_H

#include "kernel/kernel.h"

/* What kind of packing a tier wants. */
typedef struct elm__packing {
	uint32_t interleave; /* R: 4, 8 or 16 */
	bool offset_q8;	     /* Q8_0 bytes are x + 128: VPDPBUSD reads unsigned weights */
} elm__packing;

/* True for the types in the table above. */
bool elm__packable(elm_type type);

/* Bytes of one group of R rows of `cols` weights. `cols` is a multiple of the type's block. */
size_t elm__packed_group_bytes(elm_type type, uint32_t cols, uint32_t interleave);

/* Packs rows [row, row + R) of a matrix (interleave 0; rows past its end become zeros) to `out`. */
void elm__pack_group(const elm__matrix *matrix, elm__packing packing, uint32_t row, void *out);

/* The reference decode: the weights of lane `lane` of a packed group as floats. */
void elm__packed_decode(elm_type type, elm__packing packing, const void *group, uint32_t cols,
			uint32_t lane, float *out);

#endif

/*
 * quant.h: reference encoding and decoding of weights. Layouts are in blocks.h.
 *
 * Everything here is scalar and clear; faster decoders in src/kernel/ are held against it bit by
 * bit. "Weight types" are F32, F16, BF16 and the quantised ones, not the integer types and F64.
 *
 * Common to all functions: `elements` counts weights and must be a multiple of the block of the
 * type, else ELM_ERR_ARGUMENT; a type that is not a weight type is ELM_ERR_UNSUPPORTED. Blocks must
 * be aligned to 4 bytes for F32 and to 2 for all others, which GGUF files guarantee. Any bytes are
 * a valid block: no content makes a function misbehave, it can only yield NaN or infinity.
 */
#ifndef ELM_QUANT_QUANT_H
#define ELM_QUANT_QUANT_H

#include <edgelm/types.h>

/* Decodes a row. `elements` is a multiple of the block; out holds `elements` floats. */
typedef void (*elm__dequant_fn)(const void *blocks, float *out, size_t elements);

/* One decoder per weight type, NULL for all others: the reference. */
extern const elm__dequant_fn elm__dequant_ref[ELM_TYPE_LIMIT];

/* Decodes a row of blocks by the reference. */
ELM_NODISCARD elm_status elm__dequantize_row(elm_type type, const void *blocks, float *out,
					     size_t elements);

/*
 * Encodes a row so that the sum of importance[i] * (in[i] - decoded[i])^2 is small: scales and
 * minima are searched, not taken from the largest value, and each code is the best for the scale as
 * it is stored. `importance` has one finite, non-negative value per weight, of any common factor;
 * NULL, or all zero within a block, makes all weights of it equal.
 *
 * Quantised types refuse weights that are NaN or infinite, and all refuse such importance, with
 * ELM_ERR_ARGUMENT, before anything is written. Finite weights beyond 65504, the largest half,
 * count as 65504 except in F32 and BF16: the result never decodes to NaN or infinity. Plain types
 * keep NaN and infinity. Same input, same bytes, on every machine.
 */
ELM_NODISCARD elm_status elm__quantize_row(elm_type type, const float *in, const float *importance,
					   void *blocks, size_t elements);

/*
 * Looks for weights that are NaN or infinite, or become so when decoded. ELM_ERR_FORMAT when there
 * is one; *first (may be NULL) is then the index of the first.
 */
ELM_NODISCARD elm_status elm__check_row(elm_type type, const void *blocks, size_t elements,
					size_t *first);

/* Dot product of an encoded row with x, accumulated in double: what kernel tests call the truth.
 * NaN when type or elements are not as said above. */
float elm__dot_ref(elm_type type, const void *blocks, const float *x, size_t elements);

#endif

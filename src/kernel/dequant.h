/*
 * dequant.h: decoders of rows of weights for vector units. They give the bits of elm__dequant_ref
 * for any blocks (a NaN may differ in its payload), and write `elements` floats, nothing beyond.
 */
#ifndef ELM_KERNEL_DEQUANT_H
#define ELM_KERNEL_DEQUANT_H

#include "quant/quant.h"

/* Entries are set for the weight types, NULL for all others. */
extern const elm__dequant_fn elm__dequant_avx2[ELM_TYPE_LIMIT]; /* needs ELM__CPU_AVX2 */
extern const elm__dequant_fn elm__dequant_neon[ELM_TYPE_LIMIT]; /* needs ELM__CPU_NEON */

#endif

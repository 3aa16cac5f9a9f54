/*
 * matmul.h: the entries of the kernel table that concern products, for one tier: include its
 * vec_*.h first and define DEQUANTIZE, the table of row decoders.
 */
#ifndef ELM_KERNEL_X86_MATMUL_H
#define ELM_KERNEL_X86_MATMUL_H

#include "kernel/packed.h"
#include "kernel/simd/plain.h"
#include "kernel/x86/products.h"

static bool packs(elm_type type)
{
	return elm__packable(type);
}

static unsigned forms(const elm__matrix *matrix, size_t m)
{
	if (!matrix->interleave)
		return ELM__FORM_F32;
	return m == 1 ? ELM__FORM_Q16 : ELM__FORM_Q8;
}

static void matmul(const elm__matrix *w, const elm__activations *x, float *y, size_t y_stride,
		   size_t row0, size_t row1, void *scratch)
{
	if (w->interleave)
		products[w->type](w, x, y, y_stride, row0, row1, scratch);
	else
		multiply_plain(DEQUANTIZE, w, x, y, y_stride, row0, row1, scratch);
}

static size_t matmul_scratch(size_t max_m, size_t max_cols)
{
	size_t packed = multiply_scratch(max_cols), plain = plain_scratch();

	return packed > plain ? packed : plain;
}

static void dequantize(elm_type type, const void *blocks, float *out, size_t elements)
{
	DEQUANTIZE[type](blocks, out, elements);
}

static void matmul_init(elm__kernels *table)
{
	table->interleave = LANES;
	table->offset_q8 = !SIGNED_WEIGHTS;
	table->packs = packs;
	table->forms = forms;
	table->matmul = matmul;
	table->matmul_scratch = matmul_scratch;
	table->dequantize = dequantize;
}

#endif

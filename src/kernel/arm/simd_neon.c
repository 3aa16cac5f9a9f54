/* Everything but the products with packed weights, with ARMv8.0 instructions: the code is shared by
 * all vector tiers, the vectors are NEON's. */
#include "kernel/arm/arm.h"
#include "kernel/arm/vec_neon.h"
#include "kernel/simd/plain.h"
#include "kernel/simd/vector.h"
/* after vector.h, which it needs */
#include "kernel/simd/attention.h"
#include "kernel/simd/training.h"

static void dequantize(elm_type type, const void *blocks, float *out, size_t elements)
{
	elm__dequant_neon[type](blocks, out, elements);
}

void elm__neon_plain(const elm__matrix *w, const elm__activations *x, float *y, size_t y_stride,
		     size_t row0, size_t row1, void *scratch)
{
	multiply_plain(elm__dequant_neon, w, x, y, y_stride, row0, row1, scratch);
}

size_t elm__neon_plain_scratch(void)
{
	return plain_scratch();
}

void elm__neon_simd_init(elm__kernels *table)
{
	table->dequantize = dequantize;
	vector_init(table);
	attention_init(table);
	training_init(table);
}

/* Products with packed weights for ARM processors with ARMv8.0. */
#include "kernel/arm/arm.h"
#include "kernel/arm/dot_neon.h"
#include "kernel/arm/products.h"
#include "kernel/arm/tile_dot.h"
#include "kernel/packed.h"

ELM_PRODUCT_TABLE

static void matmul(const elm__matrix *w, const elm__activations *x, float *y, size_t y_stride,
		   size_t row0, size_t row1, void *scratch)
{
	if (w->interleave)
		products[w->type][x->rows > 1](w, x, y, y_stride, row0, row1, scratch);
	else
		elm__neon_plain(w, x, y, y_stride, row0, row1, scratch);
}

static size_t matmul_scratch(size_t max_m, size_t max_cols)
{
	size_t packed = multiply_scratch(max_m, max_cols), plain = elm__neon_plain_scratch();

	return packed > plain ? packed : plain;
}

static bool packs(elm_type type)
{
	return elm__packable(type);
}

static unsigned forms(const elm__matrix *matrix, size_t m)
{
	return matrix->interleave ? ELM__FORM_Q8 : ELM__FORM_F32;
}

void elm__kernels_neon(elm__kernels *table)
{
	elm__neon_simd_init(table);
	table->interleave = LANES;
	table->offset_q8 = false;
	table->packs = packs;
	table->forms = forms;
	table->matmul = matmul;
	table->matmul_scratch = matmul_scratch;
}

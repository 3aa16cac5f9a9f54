/* Products with packed weights for ARM processors with the dot product extension. */
#include "kernel/arm/arm.h"
#include "kernel/arm/dot_sdot.h"
#include "kernel/arm/products.h"
#include "kernel/arm/tile_dot.h"

ELM_PRODUCT_TABLE

static void matmul(const elm__matrix *w, const elm__activations *x, float *y, size_t y_stride,
		   size_t row0, size_t row1, void *scratch)
{
	if (w->interleave)
		products[w->type][x->rows > 1](w, x, y, y_stride, row0, row1, scratch);
	else
		elm__neon_plain(w, x, y, y_stride, row0, row1, scratch);
}

void elm__kernels_dotprod(elm__kernels *table)
{
	table->matmul = matmul;
}

/* arm.h: what the files of the ARM tiers share. */
#ifndef ELM_KERNEL_ARM_ARM_H
#define ELM_KERNEL_ARM_ARM_H

#include "kernel/kernel.h"

/* What each tier adds to the kernel table, on top of the tier below. */
void elm__kernels_neon(elm__kernels *table);	/* needs ELM__CPU_NEON */
void elm__kernels_dotprod(elm__kernels *table); /* and ELM__CPU_DOTPROD */
void elm__kernels_i8mm(elm__kernels *table);	/* and ELM__CPU_I8MM */

/* All operations of NEON but products with packed weights. */
void elm__neon_simd_init(elm__kernels *table);

/* As elm__kernels.matmul, for matrices that are not packed. */
void elm__neon_plain(const elm__matrix *w, const elm__activations *x, float *y, size_t y_stride,
		     size_t row0, size_t row1, void *scratch);
size_t elm__neon_plain_scratch(void);

#endif

/* ref.h: the scalar reference, which states what every operation of kernel.h means. */
#ifndef ELM_KERNEL_REF_REF_H
#define ELM_KERNEL_REF_REF_H

#include "kernel/kernel.h"

/* Sets every entry of the table. */
void elm__kernels_ref(elm__kernels *table);

/* The families, one file each. */
void elm__ref_matmul_init(elm__kernels *table);
void elm__ref_vector_init(elm__kernels *table);
void elm__ref_attention_init(elm__kernels *table);

/* x rounded to int8 blocks as ELM__FORM_Q8 describes, one row; shared by tiers as their reference.
 */
void elm__ref_quantize_q8(const float *x, size_t cols, int8_t *q8, float *scale, float *sum);

#endif

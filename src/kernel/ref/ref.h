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
void elm__ref_training_init(elm__kernels *table);

/* One block of one row (which may be padding) of the Q8 or Q16 form; shared by tiers. */
void elm__ref_quantize(elm__activations *x, unsigned form, size_t block, size_t row);

void elm__ref_attention(const elm__attention *a);
void elm__ref_hadamard(float *x, size_t n);
void elm__ref_kv_store(elm_type kv_type, void *block, size_t slot, const float *x, size_t head_dim);

#endif

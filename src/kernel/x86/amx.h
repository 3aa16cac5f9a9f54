/* amx.h: the functions of the AMX tier, for the file that fills its table. */
#ifndef ELM_KERNEL_X86_AMX_H
#define ELM_KERNEL_X86_AMX_H

#include "kernel/kernel.h"

/* The form of inputs in which elm__amx_matmul multiplies with this matrix; 0: it cannot. */
unsigned elm__amx_form(const elm__matrix *w);

/* As in elm__kernels, for the forms ELM__FORM_BF16 and ELM__FORM_BF16_SPLIT. */
size_t elm__amx_bf16_bytes(size_t m, size_t cols);
void elm__amx_prepare(elm__activations *x, unsigned form, size_t row0, size_t row1);
void elm__amx_matmul(const elm__matrix *w, const elm__activations *x, float *y, size_t y_stride,
		     size_t row0, size_t row1, void *scratch);
size_t elm__amx_matmul_scratch(void);

/* As in elm__kernels, for any number of rows. */
void elm__amx_attention(const elm__attention *a);
size_t elm__amx_attention_scratch(size_t queries, size_t group, size_t head_dim);

/* As elm__kernels.gemm_bf16 and gemm_scratch. */
void elm__amx_gemm_bf16(const elm__gemm *g, void *scratch);
size_t elm__amx_gemm_scratch(void);

#endif

/* Built with AVX-512 F, BW, VL, DQ, CD, VBMI and VNNI. */
#include "kernel/x86/vec_avx512.h"
#include "kernel/x86/x86.h"

#define DEQUANTIZE elm__dequant_avx2
#include "kernel/simd/vector.h"
#include "kernel/x86/matmul.h"
/* after vector.h, which it needs */
#include "kernel/simd/attention.h"
#include "kernel/simd/training.h"

const elm__kernels elm__avx512_below = {
	.forms = forms,
	.prepare = prepare,
	.matmul = matmul,
	.matmul_scratch = matmul_scratch,
	.attention = attention,
	.attention_scratch = attention_scratch,
	.gemm = gemm,
	.gemm_scratch = gemm_scratch,
};

void elm__kernels_avx512(elm__kernels *table)
{
	matmul_init(table);
	vector_init(table);
	attention_init(table);
	training_init(table);
}

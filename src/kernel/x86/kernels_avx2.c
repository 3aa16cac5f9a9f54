/* Built with AVX2, FMA, F16C and BMI2. */
#include "kernel/x86/vec_avx2.h"
#include "kernel/x86/x86.h"

#define DEQUANTIZE elm__dequant_avx2
#include "kernel/simd/vector.h"
#include "kernel/x86/matmul.h"
/* after vector.h, which it needs */
#include "kernel/simd/attention.h"
#include "kernel/simd/training.h"

void elm__kernels_avx2(elm__kernels *table)
{
	matmul_init(table);
	vector_init(table);
	attention_init(table);
	training_init(table);
}

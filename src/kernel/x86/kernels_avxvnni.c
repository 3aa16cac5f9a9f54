/* Built with AVX2, FMA, F16C, BMI2 and AVX-VNNI. */
#include "kernel/x86/vec_avx2.h"
#include "kernel/x86/x86.h"

#define DEQUANTIZE elm__dequant_avx2
#include "kernel/simd/vector.h"
#include "kernel/x86/matmul.h"

void elm__kernels_avxvnni(elm__kernels *table)
{
	matmul_init(table);
	vector_init(table);
}

/* Built with SSSE3 and SSE4.1. */
#include "kernel/x86/vec_sse.h"
#include "kernel/x86/x86.h"

#define DEQUANTIZE elm__dequant_ref
#include "kernel/simd/vector.h"
#include "kernel/x86/matmul.h"
/* after vector.h, which it needs */
#include "kernel/simd/attention.h"
#include "kernel/simd/training.h"

void elm__kernels_sse(elm__kernels *table)
{
	matmul_init(table);
	vector_init(table);
	attention_init(table);
	training_init(table);
}

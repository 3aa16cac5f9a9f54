/* x86.h: what each tier adds to the kernel table, on top of the tier below. */
#ifndef ELM_KERNEL_X86_X86_H
#define ELM_KERNEL_X86_X86_H

#include "kernel/kernel.h"

void elm__kernels_sse(elm__kernels *table);	/* needs ELM__CPU_SSSE3 */
void elm__kernels_avx2(elm__kernels *table);	/* ELM__CPU_AVX2 */
void elm__kernels_avxvnni(elm__kernels *table); /* and ELM__CPU_AVXVNNI */
void elm__kernels_avx512(elm__kernels *table);	/* ELM__CPU_AVX512 and ELM__CPU_AVX512VNNI */
void elm__kernels_amx(elm__kernels *table);	/* and ELM__CPU_AMX and ELM__CPU_AVX512BF16 */

void elm__kernels_amx_invariant(elm__kernels *table); /* changes its table, see elm__kernels */

/* What the AMX tier leaves to AVX-512: only the entries that it overrides are set. */
extern const elm__kernels elm__avx512_below;

#endif

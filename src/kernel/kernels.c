#include <string.h>

#include "cpu/cpu.h"
#include "kernel/kernel.h"
#include "kernel/kv.h"
#include "kernel/ref/ref.h"
#ifdef __x86_64__
#include "kernel/x86/x86.h"
#elif defined(__aarch64__)
#include "kernel/arm/arm.h"
#endif

void elm__kernels_ref(elm__kernels *table)
{
	memset(table, 0, sizeof(*table));
	elm__ref_matmul_init(table);
	elm__ref_vector_init(table);
	elm__ref_attention_init(table);
	elm__ref_training_init(table);
}

/* From the lowest to the highest: each overrides what it does better. */
static const struct tier {
	uint32_t need;
	void (*init)(elm__kernels *table);
	void (*make_invariant)(elm__kernels *table); /* NULL: it cannot be */
} tiers[] = {
#ifdef ELM__BUILD_SSE
	{ ELM__CPU_SSSE3, elm__kernels_sse, NULL },
#endif
#ifdef ELM__BUILD_AVX2
	{ ELM__CPU_AVX2, elm__kernels_avx2, NULL },
#endif
#ifdef ELM__BUILD_AVXVNNI
	{ ELM__CPU_AVX2 | ELM__CPU_AVXVNNI, elm__kernels_avxvnni, NULL },
#endif
#ifdef ELM__BUILD_AVX512
	{ ELM__CPU_AVX2 | ELM__CPU_AVX512 | ELM__CPU_AVX512VNNI, elm__kernels_avx512, NULL },
#endif
#ifdef ELM__BUILD_AMX
	{ ELM__CPU_AVX2 | ELM__CPU_AVX512 | ELM__CPU_AVX512VNNI | ELM__CPU_AVX512BF16 |
		  ELM__CPU_AMX,
	  elm__kernels_amx, elm__kernels_amx_invariant },
#endif
#ifdef ELM__BUILD_NEON
	{ ELM__CPU_NEON, elm__kernels_neon, NULL },
#endif
#ifdef ELM__BUILD_DOTPROD
	{ ELM__CPU_NEON | ELM__CPU_DOTPROD, elm__kernels_dotprod, NULL },
#endif
#ifdef ELM__BUILD_I8MM
	{ ELM__CPU_NEON | ELM__CPU_DOTPROD | ELM__CPU_I8MM, elm__kernels_i8mm, NULL },
#endif
	{ 0, NULL, NULL } /* a table is never empty */
};

void elm__kernels_init(elm__kernels *table, uint32_t mask)
{
	elm__kernels_ref(table);
	for (size_t i = 0; i < sizeof(tiers) / sizeof(tiers[0]); i++)
		if ((mask & tiers[i].need) == tiers[i].need && tiers[i].init)
			tiers[i].init(table);
	table->features = mask;
	table->name = elm__cpu_tier_name(mask);
}

static void is_invariant(elm__kernels *table)
{
	(void)table;
}

bool elm__kernels_make_invariant(elm__kernels *table)
{
	void (*make)(elm__kernels *) = is_invariant; /* the reference */

	for (size_t i = 0; i < sizeof(tiers) / sizeof(tiers[0]); i++)
		if ((table->features & tiers[i].need) == tiers[i].need && tiers[i].init)
			make = tiers[i].make_invariant;
	if (make)
		make(table);
	table->invariant = make != NULL;
	return table->invariant;
}

bool elm__kv_type_supported(elm_type kv_type)
{
	return kv_type == ELM_TYPE_F32 || kv_type == ELM_TYPE_F16 || kv_type == ELM_TYPE_Q8_0 ||
	       kv_type == ELM_TYPE_IQ4_NL;
}

size_t elm__kv_block_bytes(elm_type kv_type, size_t head_dim)
{
	size_t elements = ELM__KV_BLOCK * head_dim;

	switch (kv_type) {
	case ELM_TYPE_F32:
		return elements * sizeof(float);
	case ELM_TYPE_F16:
		return elements * sizeof(uint16_t);
	case ELM_TYPE_Q8_0:
	case ELM_TYPE_IQ4_NL:
		return ELM__KV_BLOCK * (elm__kv_code_bytes(kv_type, head_dim) +
					elm__kv_groups(head_dim) * sizeof(uint16_t));
	default:
		return 0;
	}
}

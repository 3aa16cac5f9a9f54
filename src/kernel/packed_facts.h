/*
 * packed_facts.h: what kernels need to know of the packed types of packed.h. The type is a constant
 * wherever these are used, so each is one number after inlining.
 */
#ifndef ELM_KERNEL_PACKED_FACTS_H
#define ELM_KERNEL_PACKED_FACTS_H

#include <edgelm/types.h>
#include <stdbool.h>
#include <stddef.h>

#define ELM__FACT static inline __attribute__((always_inline))

/* Blocks of 32 in a block. */
ELM__FACT int elm__packed_subs(elm_type type)
{
	return type == ELM_TYPE_Q2_K || type == ELM_TYPE_Q3_K || type == ELM_TYPE_Q4_K ||
			       type == ELM_TYPE_Q5_K || type == ELM_TYPE_Q6_K ||
			       type == ELM_TYPE_IQ4_XS ?
		       8 :
		       1;
}

/* Scales of 32 weights. */
ELM__FACT int elm__packed_halves(elm_type type)
{
	return type == ELM_TYPE_Q2_K || type == ELM_TYPE_Q3_K || type == ELM_TYPE_Q6_K ? 2 : 1;
}

/* Weights are scale * code + offset, with an offset of their own. */
ELM__FACT bool elm__packed_has_offset(elm_type type)
{
	return type == ELM_TYPE_Q4_1 || type == ELM_TYPE_Q5_1 || type == ELM_TYPE_Q2_K ||
	       type == ELM_TYPE_Q4_K || type == ELM_TYPE_Q5_K;
}

/* Codes are indices of ELM__IQ4_LEVELS. */
ELM__FACT bool elm__packed_is_lookup(elm_type type)
{
	return type == ELM_TYPE_IQ4_NL || type == ELM_TYPE_IQ4_XS;
}

/* Weights are scale * (code - bias), for kernels that multiply signed bytes. */
ELM__FACT int elm__packed_bias(elm_type type)
{
	return type == ELM_TYPE_Q4_0 ? 8 :
	       type == ELM_TYPE_Q5_0 ? 16 :
	       type == ELM_TYPE_Q3_K ? 4 :
	       type == ELM_TYPE_Q6_K ? 32 :
				       0;
}

/* The largest magnitude of a code, for kernels that multiply signed bytes. */
ELM__FACT int elm__packed_range(elm_type type)
{
	switch ((int)type) {
	case ELM_TYPE_Q2_K:
		return 3;
	case ELM_TYPE_Q3_K:
		return 7;
	case ELM_TYPE_Q4_0:
	case ELM_TYPE_Q4_1:
	case ELM_TYPE_Q4_K:
		return 15;
	case ELM_TYPE_Q5_0:
	case ELM_TYPE_Q5_1:
	case ELM_TYPE_Q5_K:
		return 31;
	case ELM_TYPE_Q6_K:
		return 63;
	case ELM_TYPE_IQ4_NL:
	case ELM_TYPE_IQ4_XS:
		return 127;
	default:
		return 128;
	}
}

/* Bytes of one row before the codes of a packed block. */
ELM__FACT size_t elm__packed_header(elm_type type)
{
	switch ((int)type) {
	case ELM_TYPE_Q4_1:
	case ELM_TYPE_Q5_1:
		return 4;
	case ELM_TYPE_Q4_K:
	case ELM_TYPE_Q5_K:
		return 4 + 12;
	case ELM_TYPE_Q6_K:
		return 2 + 16;
	case ELM_TYPE_Q3_K:
		return 2 + 12;
	case ELM_TYPE_Q2_K:
		return 4 + 16;
	case ELM_TYPE_IQ4_XS:
		return 2 + 6;
	default:
		return 2;
	}
}

/* Units (packed.h) of the codes of 32 weights. */
ELM__FACT size_t elm__packed_units(elm_type type)
{
	switch ((int)type) {
	case ELM_TYPE_Q2_K:
		return 2;
	case ELM_TYPE_Q3_K:
		return 3;
	case ELM_TYPE_Q5_0:
	case ELM_TYPE_Q5_1:
	case ELM_TYPE_Q5_K:
		return 5;
	case ELM_TYPE_Q6_K:
		return 6;
	case ELM_TYPE_Q8_0:
		return 8;
	default:
		return 4;
	}
}

#endif

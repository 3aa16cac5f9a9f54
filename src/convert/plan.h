/*
 * plan.h: which tensors of a source become which tensors of a GGUF file.
 *
 * The plan is made and checked before anything is written: every tensor that the family needs is
 * there and has its shape, and no tensor of the source is left over unexplained.
 */
#ifndef ELM_CONVERT_PLAN_H
#define ELM_CONVERT_PLAN_H

#include "convert/facts.h"
#include "convert/rows.h"

/* What matrices become that are not packed. */
typedef enum elm__target {
	ELM__TARGET_F16,
	ELM__TARGET_F32,
	ELM__TARGET_BF16,
	ELM__TARGET_Q8_0,
	ELM__TARGET_AUTO /* what they are */
} elm__target;

typedef struct elm__plan_options {
	elm__target target;
	bool dequantize;    /* packed weights too become the target */
	bool version_2;	    /* of GPTQ, as the configuration has it */
	bool pairs_already; /* queries and keys are in the order of GGUF */
} elm__plan_options;

typedef struct elm__planned {
	char name[64]; /* in GGUF */
	elm__row_job job;
	elm__coded packed;	      /* where job.packed points */
	const elm__st_tensor *tensor; /* where it is not packed; NULL for a list of divisors */
	bool vector;
} elm__planned;

typedef struct elm__plan {
	elm__planned *items;
	size_t count, capacity;
	size_t reordered; /* packed tensors whose columns have an order of their own */
	size_t ignored;	  /* tensors that belong to other parts of a larger model */
	bool *used;	  /* per tensor of the source */
} elm__plan;

/* Fills facts->vocabulary. On failure nothing needs a release. */
ELM_NODISCARD elm_status elm__plan_make(elm__plan *plan, elm__facts *facts,
					const elm__safetensors *st,
					const elm__plan_options *options, elm_error *error);
void elm__plan_release(elm__plan *plan);

#endif

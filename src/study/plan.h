/*
 * plan.h: which requests an experiment makes, and in which order. The same options always give the
 * same plan, so that a study which was interrupted knows what is missing.
 */
#ifndef ELM_STUDY_PLAN_H
#define ELM_STUDY_PLAN_H

#include "study/workload.h"

/* In the order in which they run. */
typedef enum elm__experiment_kind {
	ELM__EXPERIMENT_IDLE,	       /* nothing, with the model loaded */
	ELM__EXPERIMENT_WORKLOAD,      /* all queries that are chosen */
	ELM__EXPERIMENT_MEDIAN,	       /* the median query of each category, sampled finely */
	ELM__EXPERIMENT_OUTPUT_LENGTH, /* one prompt, answers of several lengths */
	ELM__EXPERIMENT_PROMPT_LENGTH, /* prompts of several lengths, one length of answer */
	ELM__EXPERIMENT_EQUAL_PROMPT,  /* two categories, equally long prompts and answers */
	ELM__EXPERIMENT_COLD,	       /* the first request of a new process */
	ELM__EXPERIMENT_PROBE,	       /* how much a second process is slowed */
	ELM__EXPERIMENT_COUNT
} elm__experiment_kind;

extern const char *const elm__experiment_names[ELM__EXPERIMENT_COUNT + 1]; /* ends with NULL */

typedef struct elm__study_plan_options {
	bool faithful;	  /* as the original study, with its mistakes */
	bool random;	  /* shuffle what is not a warm-up */
	bool ignore_eos;  /* in the workload and the median queries, too */
	uint32_t repeats; /* of all experiments but the workload, at least 1 */
	uint32_t passes;  /* of the workload, at least 1 */
	uint64_t seed;
} elm__study_plan_options;

typedef struct elm__trial_plan {
	elm__category category;
	size_t query; /* index in its file */
	char variant[24];
	uint32_t repeat;
	uint32_t max_tokens;
	uint32_t target; /* tokens that the prompt is to have; 0: as it is */
	bool warmup, ignore_eos;
	bool recorded;
	bool cold, uncached; /* in a new process; with the files out of the page cache */
} elm__trial_plan;

typedef struct elm__experiment_plan {
	elm__experiment_kind kind;
	uint64_t interval_ns; /* between samples; 0: none */
	uint32_t repeats, warmups;
	bool random;
	elm__trial_plan *trials;
	size_t count;
} elm__experiment_plan;

ELM_NODISCARD elm_status elm__experiment_plan_make(elm__experiment_kind kind,
						   const elm__workload *workload,
						   const elm__study_plan_options *options,
						   elm__experiment_plan *plan, elm_error *error);
void elm__experiment_plan_release(elm__experiment_plan *plan);

#endif

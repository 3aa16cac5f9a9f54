/* plan.h: the tests of a benchmark: all combinations of lists of parameters. */
#ifndef ELM_BENCH_PLAN_H
#define ELM_BENCH_PLAN_H

#include <edgelm/types.h>

#include "bench/list.h"

/* One test. Lengths are of each sequence. */
typedef struct elm__bench_case {
	uint32_t prompt;   /* tokens computed together, timed */
	uint32_t generate; /* tokens computed one after the other, timed */
	uint32_t depth;	   /* tokens in the cache before them, not timed */
	uint32_t sequences;
	uint32_t batch, ubatch; /* tokens given to a step, and computed together */
	uint32_t threads;
	elm_type kv_type;
} elm__bench_case;

typedef struct elm__bench_params {
	elm__numbers prompt, generate; /* 0 means none */
	elm__numbers pairs;	       /* prompt, generate, prompt, generate, ... */
	elm__numbers depth, sequences, batch, ubatch, threads, kv_types;
} elm__bench_params;

typedef struct elm__bench_plan {
	elm__bench_case *cases;
	size_t count;
} elm__bench_plan;

enum { ELM__BENCH_MAX_CASES = 100000 };

/*
 * All combinations; every list but the first three must have an entry. From the outside in: batch,
 * ubatch, type, threads, depth, then all prompts, all generations, all pairs; tests that generate
 * are made for every number of sequences, the others for one. ELM_ERR_ARGUMENT when there is no
 * test or more than ELM__BENCH_MAX_CASES.
 */
ELM_NODISCARD elm_status elm__bench_plan_make(elm__bench_plan *plan,
					      const elm__bench_params *params, elm_error *error);
void elm__bench_plan_release(elm__bench_plan *plan);
void elm__bench_params_release(elm__bench_params *params);

#endif

/* run.h: measures one test of a plan. */
#ifndef ELM_BENCH_RUN_H
#define ELM_BENCH_RUN_H

#include <edgelm/session.h>

#include "base/stats.h"
#include "bench/plan.h"

typedef enum elm__bench_stage {
	ELM__BENCH_WARMUP,
	ELM__BENCH_DEPTH, /* filling the cache, not timed */
	ELM__BENCH_REPETITION
} elm__bench_stage;

typedef struct elm__bench_options {
	uint32_t repetitions; /* at least 1 */
	bool no_warmup;
	const volatile int *cancel; /* or NULL */
	/* Called before each stage, outside of what is timed; `repetition` counts from 1. May be
	 * NULL. */
	void (*notice)(void *user, elm__bench_stage stage, uint32_t repetition);
	void *user;
} elm__bench_options;

typedef struct elm__bench_result {
	elm__bench_case what;
	elm_error error; /* status other than ELM_OK: this was not measured */
	int64_t started; /* seconds since 1970 */
	uint32_t repetitions;
	uint64_t *total_ns, *prompt_ns; /* of each repetition; total = prompt + generation */
	elm__summary step;		/* seconds of each step of a generation */
	elm__summary ttft;    /* seconds until the logits of the prompts were there; n = 0 without
				 prompt */
	uint64_t peak_memory; /* resident bytes of the process; 0: unmeasured */
} elm__bench_result;

/*
 * Runs a test: fills the cache to its depth, warms up, then repeats; each repetition starts at the
 * same depth. Tokens are random, always the same; nothing is tokenised or sampled. Sequences share
 * no blocks of the cache.
 *
 * The memory of the session is compared with what the machine has left before it is taken:
 * ELM_ERR_NO_MEMORY or ELM_ERR_LIMIT mean that this test is too large, and another may be tried.
 * ELM_ERR_CANCELLED when the flag was set; every other failure is one of the model or the options.
 * The status is also in result->error. Always release the result.
 */
ELM_NODISCARD elm_status elm__bench_run(elm_model *model, const elm__bench_case *what,
					const elm__bench_options *options,
					elm__bench_result *result);
void elm__bench_result_release(elm__bench_result *result);

/* Tokens per second of repetition `index`, all sequences together. */
double elm__bench_rate(const elm__bench_result *result, uint32_t index);

typedef struct elm__bench_average {
	double mean, deviation; /* of the sample, 0 for a single value */
} elm__bench_average;

/* Of the rates, and of the times in nanoseconds; of a test that was measured. */
elm__bench_average elm__bench_rates(const elm__bench_result *result);
elm__bench_average elm__bench_times(const elm__bench_result *result);

#endif

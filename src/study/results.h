/*
 * results.h: a study that was measured, as reports look at it: its rows, and the measures of its
 * trials by category and variant. Warm-ups are no part of it.
 */
#ifndef ELM_STUDY_RESULTS_H
#define ELM_STUDY_RESULTS_H

#include <math.h>

#include "study/queries.h"
#include "study/stats.h"
#include "study/store.h"

/* A study in memory, but for tokens and samples, which are read when they are needed. */
typedef struct elm__results {
	elm__store *store;
	elm__rows rows[ELM__TABLE_COUNT];
	/* Of the base, that is the first configuration; NULL where the study has none yet. */
	const elm__study_config *config;
	const elm__study_model *model;
	const elm__study_machine *machine;
} elm__results;

/* Release also after a failure. */
ELM_NODISCARD elm_status elm__results_open(const char *folder, elm__results *out, elm_error *error);
void elm__results_release(elm__results *results);

/* The experiment of a kind, of the base or of another configuration; NULL: there is none. */
const elm__study_experiment *elm__results_experiment(const elm__results *results, int64_t config_id,
						     const char *kind);
const elm__study_query *elm__results_query(const elm__results *results, int64_t id);
/* NULL: the study has no such metric. */
const elm__study_metric *elm__results_metric(const elm__results *results, const char *name);

/* A column of integers; NaN: unmeasured. */
static inline double elm__number(int64_t value)
{
	return value == ELM__STUDY_NONE ? NAN : (double)value;
}

/* What is said of a trial. */
typedef enum elm__measure {
	ELM__MEASURE_PROMPT_TOKENS,
	ELM__MEASURE_OUTPUT_TOKENS,
	ELM__MEASURE_TTFT,	 /* ms */
	ELM__MEASURE_TBT,	 /* ms, mean of the answer */
	ELM__MEASURE_TOTAL,	 /* s */
	ELM__MEASURE_PREFILL,	 /* prompt tokens per second */
	ELM__MEASURE_DECODE,	 /* tokens per second */
	ELM__MEASURE_PEAK_RSS,	 /* MiB */
	ELM__MEASURE_CPU,	 /* % of all cores */
	ELM__MEASURE_POWER,	 /* W, mean */
	ELM__MEASURE_ENERGY,	 /* J per output token */
	ELM__MEASURE_NET_ENERGY, /* the same above the idle device */
	ELM__MEASURE_COUNT
} elm__measure;

typedef struct elm__measure_info {
	const char *title, *unit;
	int decimals;
} elm__measure_info;

extern const elm__measure_info elm__measures[ELM__MEASURE_COUNT];

/* NaN: unmeasured. */
double elm__measure_of(const elm__results *results, const elm__study_trial *trial,
		       elm__measure measure);

/* Which trials; all that are set must agree. */
typedef struct elm__trial_filter {
	int64_t experiment_id;
	elm__category category; /* ELM__CATEGORY_COUNT: any */
	const char *variant;	/* NULL: any */
} elm__trial_filter;

/* Goes through those trials that ended well, from *at = 0 on; NULL at the end. */
const elm__study_trial *elm__results_next(const elm__results *results,
					  const elm__trial_filter *filter, size_t *at);

/* The category of a trial's query; ELM__CATEGORY_COUNT: it has none. */
elm__category elm__results_category(const elm__results *results, const elm__study_trial *trial);

/* The values of a measure that are there; *out is freed with elm__free. */
typedef struct elm__values {
	double *items;
	size_t count;
} elm__values;

ELM_NODISCARD elm_status elm__results_values(const elm__results *results,
					     const elm__trial_filter *filter, elm__measure measure,
					     elm__values *out, elm_error *error);
void elm__values_release(elm__values *values);

/* Median and mean of them, with intervals. */
ELM_NODISCARD elm_status elm__results_median(const elm__results *results,
					     const elm__trial_filter *filter, elm__measure measure,
					     elm__interval *out, elm_error *error);
ELM_NODISCARD elm_status elm__results_mean(const elm__results *results,
					   const elm__trial_filter *filter, elm__measure measure,
					   elm__interval *out, elm_error *error);

/* The different values of a variant such as "n=120", in rising order, at most `room`: 10, 120, ...
 * Returns how many. */
size_t elm__results_variants(const elm__results *results, int64_t experiment_id, const char *prefix,
			     int64_t *out, size_t room);

#endif

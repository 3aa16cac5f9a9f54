/*
 * outcome.h: what the trials of a study have measured, one entry each, without the joins.
 *
 * Warm-ups and trials without a query are left out; those that gave no answer are there, because a
 * prompt that does not fit is a result, too.
 */
#ifndef ELM_STUDY_OUTCOME_H
#define ELM_STUDY_OUTCOME_H

#include "study/stats.h"
#include "study/store.h"

typedef enum elm__outcome_metric {
	ELM__OUTCOME_TTFT,   /* seconds */
	ELM__OUTCOME_TBT,    /* seconds from token to token, mean of an answer */
	ELM__OUTCOME_TOTAL,  /* seconds */
	ELM__OUTCOME_MEMORY, /* bytes: peak of the resident memory */
	ELM__OUTCOME_ENERGY, /* joules for each token of the answer */
	ELM__OUTCOME_METRICS
} elm__outcome_metric;

extern const char *const elm__outcome_names[ELM__OUTCOME_METRICS]; /* "ttft", ... */
extern const char *const elm__outcome_units[ELM__OUTCOME_METRICS]; /* "s", ... */

typedef struct elm__outcome {
	char sweep[64], experiment[24], category[24], variant[24]; /* cut to fit */
	int64_t idx;						   /* of the query */
	int64_t prompt, output;		     /* tokens; ELM__STUDY_NONE: unknown */
	bool answered;			     /* status ok: the values are those of a whole answer */
	double values[ELM__OUTCOME_METRICS]; /* NaN: unmeasured */
} elm__outcome;

typedef struct elm__outcomes {
	elm__outcome *items;
	size_t count;
} elm__outcomes;

/* In the order in which they were measured. Release it also after a failure. */
ELM_NODISCARD elm_status elm__outcomes_load(elm__store *store, elm__outcomes *out,
					    elm_error *error);
void elm__outcomes_release(elm__outcomes *results);

/* Results that belong together: of one point, experiment, category and variant. */
typedef struct elm__digest_row {
	const elm__outcome *first; /* for its names */
	size_t asked, answered;
	double prompt, output;			   /* medians of tokens, of those answered */
	elm__summary values[ELM__OUTCOME_METRICS]; /* n = 0: unmeasured */
} elm__digest_row;

/* Sorts the results (which the rows borrow) and sums them up; *rows is the caller's (elm__free). */
ELM_NODISCARD elm_status elm__outcomes_digest(elm__outcomes *results, elm__digest_row **rows,
					      size_t *count, elm_error *error);

/* How long the piece of work of the probe takes in a phase ("alone", "beside"), in seconds, over
 * all points; n = 0 where it was not run. */
ELM_NODISCARD elm_status elm__probe_summary(elm__store *store, const char *phase, elm__summary *out,
					    elm_error *error);

#endif

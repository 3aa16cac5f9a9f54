/* run_internal.h: what the files that run a study share. */
#ifndef ELM_STUDY_RUN_INTERNAL_H
#define ELM_STUDY_RUN_INTERNAL_H

#include "study/run.h"
#include "study/watch.h"

enum { MAX_FITTED = 16, MAX_FAILURES = 3 };

/* A query made to have so many tokens, found once. */
typedef struct fitted {
	elm__category category;
	uint32_t target;
	size_t query;
	char *text;
} fitted;

/* A study in progress. */
typedef struct runner {
	const elm__study_options *options;
	elm__study_summary *summary;
	elm__store *store;
	elm__study_session session;
	elm__watch watch;
	uint64_t zero_ns; /* CLOCK_MONOTONIC when study time was 0 */

	/* Of the point that is measured. */
	const elm__study_point *point;
	elm__subject *subject; /* NULL until something has to be asked */
	elm__study_config config;
	elm__prompt_form form;
	double idle_watts; /* NaN: unmeasured */
	bool served;	   /* since the process was started */
	int64_t load_ns;   /* of that start; ELM__STUDY_NONE: unknown */
	fitted fitted[MAX_FITTED];
	size_t fitted_count;

	/* Of the experiment. */
	elm__study_experiment experiment;
	const elm__experiment_plan *plan;
	elm__rows present; /* its trials that are there already */
	unsigned failures; /* one after the other */
	elm__buf text;	   /* of the prompt */
} runner;

/* The number that the row of a query has. */
static inline int64_t query_id(elm__category category, size_t query)
{
	return ((int64_t)category + 1) * 100000 + (int64_t)query;
}

static inline int64_t study_time(const runner *r, uint64_t at_ns)
{
	return (int64_t)(at_ns - r->zero_ns);
}

/* One trial of the plan, at a position; stored when it returns ELM_OK. */
ELM_NODISCARD elm_status run_trial(runner *r, const elm__trial_plan *trial, size_t position,
				   elm_error *error);

/* The trials of the experiment idle, and of probe. */
ELM_NODISCARD elm_status run_idle(runner *r, const elm__trial_plan *trial, elm_error *error);
ELM_NODISCARD elm_status run_probe(runner *r, elm_error *error);

/* Whether a trial of the plan was done by an earlier session. */
bool is_present(const runner *r, const elm__trial_plan *trial);

/* A row for what should be known, and a line in the log. Inside or outside of a transaction. */
ELM_NODISCARD elm_status add_event(runner *r, int64_t trial, const char *kind, double value,
				   const char *text, elm_error *error);

/* Puts into a trial's row what the plan says. */
void fill_trial(const runner *r, const elm__trial_plan *trial, size_t position,
		elm__study_trial *row);

/* What a subject is asked for a trial of the plan; the prompt lies in r->text. */
ELM_NODISCARD elm_status prepare_ask(runner *r, const elm__trial_plan *trial, elm__ask *ask,
				     size_t *query, elm_error *error);

#endif

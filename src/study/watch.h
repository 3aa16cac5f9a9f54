/*
 * watch.h: the recorder of the telemetry beside trials, and its rows as samples of the study.
 */
#ifndef ELM_STUDY_WATCH_H
#define ELM_STUDY_WATCH_H

#include "study/store.h"
#include "telemetry/recorder.h"

typedef struct elm__watch {
	elm__store *store;
	const char *sysroot;
	uint64_t zero_ns; /* CLOCK_MONOTONIC when study time was 0 */
	elm__recorder *recorder;
	int64_t pid;
	uint64_t interval_ns;
	/* Of the recorder's columns: the numbers of their metrics, and what was kept last. */
	int64_t *metrics;
	double *kept;
	size_t columns;
	uint64_t next_row;	      /* of the recorder, not looked at yet */
	uint64_t started_ns;	      /* the thread, last */
	elm__study_overhead overhead; /* the span of all, the rest of recorders that are closed */
	bool lost;		      /* rows, in the trial that was kept last */
	bool throttled;		      /* the device, in that trial */
} elm__watch;

void elm__watch_init(elm__watch *watch, elm__store *store, const char *sysroot, uint64_t zero_ns);
void elm__watch_release(elm__watch *watch);

/* Begins to record a process at an interval; the first row is taken before this returns. */
ELM_NODISCARD elm_status elm__watch_start(elm__watch *watch, int64_t pid, uint64_t interval_ns,
					  elm_error *error);
/* Takes a last row and ends. */
void elm__watch_stop(elm__watch *watch);

/*
 * Stores what was recorded since the last call: the rows from before `from` until after `to`
 * (CLOCK_MONOTONIC) as samples of a trial, whose energy is filled in, and what its subject did not
 * tell of memory and processor time. Inside a transaction.
 */
ELM_NODISCARD elm_status elm__watch_keep(elm__watch *watch, elm__study_trial *trial, uint64_t from,
					 uint64_t to, elm_error *error);

/* The last value of a column that was kept; NaN where there is none. */
double elm__watch_last(const elm__watch *watch, const char *column);

/* At the end of an experiment: how often the metrics changed, and what the recorder cost. Inside a
 * transaction. */
ELM_NODISCARD elm_status elm__watch_conclude(elm__watch *watch, int64_t experiment_id,
					     elm_error *error);

#endif

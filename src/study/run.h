/*
 * run.h: a study: experiments on every point of a sweep, each trial stored as it is done.
 */
#ifndef ELM_STUDY_RUN_H
#define ELM_STUDY_RUN_H

#include "study/plan.h"
#include "study/store.h"
#include "study/subject.h"

/* One way of running one model. */
typedef struct elm__study_point {
	const char *sweep;	   /* "threads=2 kv=int8", "" for a study without sweep */
	const char *const *worker; /* the command of our engine; NULL: the server */
	const elm__server_options *server;
	const char *sha256; /* of the model's file; NULL: unknown */
	uint32_t streams;   /* requests at the same time */
	bool ignore_eos;
	const char *power_mode; /* NULL: the device has none */
	bool remote;		/* a server elsewhere, so that nothing of this device is recorded */
} elm__study_point;

/* Told before each trial; `done` counts those that were done before, too. */
typedef void elm__study_progress(void *user, size_t done, size_t total, const char *what);

typedef struct elm__study_options {
	const char *folder;
	const char *sysroot;	       /* "" for this machine */
	const char *command, *version; /* for the session's row */
	const elm__study_machine *machine;
	/* All that the results depend on. A study that is in the folder already must have the
	 * same. */
	elm__study_setting *settings;
	size_t setting_count;
	const elm__workload *workload;
	elm__study_plan_options plan;
	unsigned experiments;  /* bits: 1 << ELM__EXPERIMENT_... */
	elm__prompt_form form; /* chat becomes plain for a model without template */
	bool fresh_process;    /* for each trial */
	double idle_seconds;   /* how long the idle device is looked at */
	const elm__study_point *points;
	size_t point_count;
	const volatile int *cancel;
	elm__study_progress *progress; /* may be NULL */
	void *user;
} elm__study_options;

typedef struct elm__study_summary {
	size_t planned, done_before, done;  /* trials */
	size_t rejected, truncated, failed; /* of those done now */
	size_t warnings;
} elm__study_summary;

/*
 * Runs what is missing of the study. ELM_ERR_ARGUMENT when the folder holds one with other
 * settings, by name; ELM_ERR_CANCELLED when *cancel became true: what is done is kept. The summary
 * is filled in also after a failure.
 */
ELM_NODISCARD elm_status elm__study_run(const elm__study_options *options,
					elm__study_summary *summary, elm_error *error);

#endif

/*
 * job.h: between the engine thread, which computes, and a connection's thread, which writes.
 *
 * A job is one or more choices, each a request of the scheduler. What the engine tells is queued,
 * without waiting, and taken out by the connection's thread as fast as its client reads. The queue
 * is bounded by what the choices may generate.
 */
#ifndef ELM_SERVER_JOB_H
#define ELM_SERVER_JOB_H

#include <edgelm/scheduler.h>

#include "http/http.h"

typedef struct elm__job elm__job;

/* What the scheduler has told about a choice. */
typedef struct elm__job_event {
	uint32_t choice;
	elm_event_kind kind;
	elm_token token;
	float logprob;
	elm_finish finish;
	size_t prompt_done;
	size_t text_length, top_count, stop_length, state_count, state_width;
	elm_request_stats stats;
	/* These point into the job until the next call of elm__job_next. */
	const char *text;
	const char *stop; /* NULL: no stop string ended it */
	const elm_token_logprob *top;
	const float *states;	/* state_count vectors of state_width values */
	const elm_error *error; /* ELM_EVENT_ERROR */
} elm__job_event;

ELM_NODISCARD elm_status elm__job_create(uint32_t choices, elm_scheduler *scheduler, elm__job **out,
					 elm_error *error);
/* Submits the next choice, with the callback of the job. Its events may come from now on. */
ELM_NODISCARD elm_status elm__job_submit(elm__job *job, const elm_request *request,
					 elm_error *error);
/* Cancels what still runs. The job is not touched afterwards; it goes when the engine has let go of
 * it too. NULL allowed. */
void elm__job_close(elm__job *job);

/* The next event, false when there is none at the moment. */
bool elm__job_next(elm__job *job, elm__job_event *out);
/* Waits until there is one. */
elm__http_event elm__job_wait(elm__job *job, const elm__http_exchange *exchange, int milliseconds);

#endif

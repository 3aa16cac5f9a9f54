/*
 * worker.h: the process in which a study runs our engine.
 *
 * It reads one JSON object per line and answers each with one line: first, by itself, {"ready":
 * {"model": row, "config": row, "files": [path, ...]}}, then to {"ask": {...}} {"answers": [...]},
 * to {"count": {...}}
 * {"tokens": n}; {"error": "..."} where a request cannot be understood. It ends with its input.
 */
#ifndef ELM_STUDY_WORKER_H
#define ELM_STUDY_WORKER_H

#include <edgelm/sampler.h>
#include <edgelm/session.h>

typedef struct elm__worker_options {
	elm_model *model;
	const char *type;	     /* what it is, for the row: "llama 1.1B Q4_0" */
	const char *chat_template;   /* as elm__chat_format_open has it */
	elm_session_options session; /* max_sequences: how many requests run at once */
	elm_sampler_options sampling;
} elm__worker_options;

/* Serves descriptors `in` and `out` until `in` ends. */
ELM_NODISCARD elm_status elm__worker_run(const elm__worker_options *options, int in, int out,
					 elm_error *error);

#endif

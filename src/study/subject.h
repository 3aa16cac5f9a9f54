/*
 * subject.h: what a study measures: our engine in a process of its own, or a server.
 *
 * The engine runs in another process (edgelm study worker) so that its memory and processor time
 * are its own and not the recorder's, so that a cold start is one, and so that running out of
 * memory ends a trial and not the study. It is asked over a pipe, one line of JSON each way.
 */
#ifndef ELM_STUDY_SUBJECT_H
#define ELM_STUDY_SUBJECT_H

#include <edgelm/status.h>
#include <jansson.h>

#include "base/arena.h"
#include "study/schema.h"
#include "study/workload.h"

typedef struct elm__ask {
	elm__prompt prompt;
	uint32_t max_tokens;
	uint32_t streams; /* the same request so many times at once */
	bool ignore_eos;
	uint64_t seed;
} elm__ask;

/* What one of them gave. Of the row these columns are filled in, as far as they are known: status,
 * stop, error, the times but start_ns, the tokens but prompt_target, text, process_cpu_ns,
 * peak_rss_bytes, stream. */
typedef struct elm__answer {
	elm__study_trial row;
	uint64_t arrival_ns;	 /* CLOCK_MONOTONIC */
	const int64_t *token_ns; /* since then */
	size_t token_count;
} elm__answer;

typedef struct elm__answers {
	elm__answer *items;
	size_t count;
	elm__arena arena; /* owns everything */
} elm__answers;

/* What is known of a subject when it is ready: rows of which the id is not set. */
typedef struct elm__subject_facts {
	elm__study_model model;
	elm__study_config config;
	elm__arena arena; /* of their texts */
} elm__subject_facts;

typedef struct elm__subject elm__subject;

/* How a subject is asked; each kind has its own. */
typedef struct elm__subject_kind {
	/* Starts a new process; *load_ns is what it took until it was ready. With `cached` the
	 * system is asked to forget the model's files first, and *cached is the share of them that
	 * it still holds, NaN where it does not say. NULL where there is no process of ours. */
	elm_status (*restart)(elm__subject *subject, double *cached, int64_t *load_ns,
			      elm_error *error);
	elm_status (*ask)(elm__subject *subject, const elm__ask *ask, elm__answers *answers,
			  elm_error *error);
	/* The tokens of a prompt; UINT32_MAX where they do not fit in the context. */
	elm_status (*count)(elm__subject *subject, const elm__prompt *prompt, uint32_t *tokens,
			    elm_error *error);
	void (*free)(elm__subject *subject);
	unsigned counts; /* how often `count` may be called for one prompt: a server computes it */
} elm__subject_kind;

/* The beginning of every subject. */
struct elm__subject {
	const elm__subject_kind *kind;
	elm__subject_facts facts;
	int64_t pid; /* whose memory and processor time are meant; 0: unknown */
};

/* `command` (ends with NULL, borrowed) starts a worker, which this call does. *cancel ends whatever
 * is going on. A worker that dies is ELM_ERR_SYSTEM; restart it then. */
ELM_NODISCARD elm_status elm__subject_engine(const char *const *command, const volatile int *cancel,
					     elm__subject **out, int64_t *load_ns,
					     elm_error *error);

typedef struct elm__server_options {
	const char *url;	 /* of the server, "http://host:8080" or with "/v1" */
	const char *model, *key; /* NULL: the first one that it has; none */
	int64_t pid;		 /* 0: unknown */
	bool chat;		 /* conversations, else whole prompts */
	double temperature, top_p, min_p, repeat_penalty;
	int64_t top_k, penalty_window;
	double timeout; /* seconds for a request */
} elm__server_options;

/* ELM_ERR_UNSUPPORTED in a program without libcurl. The options are borrowed. */
ELM_NODISCARD elm_status elm__subject_server(const elm__server_options *options,
					     const volatile int *cancel, elm__subject **out,
					     elm_error *error);

static inline void elm__subject_free(elm__subject *subject)
{
	if (subject)
		subject->kind->free(subject);
}

/* --- for those that implement or use them --- */

/* Room for so many, all columns NULL. Release it also after a failure. */
ELM_NODISCARD elm_status elm__answers_init(elm__answers *answers, size_t count, elm_error *error);
void elm__answers_release(elm__answers *answers);

/* The line that carries a request, and answers. NULL when memory runs out. */
json_t *elm__ask_json(const elm__ask *ask);
ELM_NODISCARD elm_status elm__ask_parse(const json_t *object, elm__ask *ask, elm_error *error);
json_t *elm__answers_json(const elm__answers *answers);
/* *answers need not be initialised; release it also after a failure. */
ELM_NODISCARD elm_status elm__answers_parse(const json_t *object, elm__answers *answers,
					    elm_error *error);

#endif

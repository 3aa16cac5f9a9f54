/*
 * answer.h: a request for text, from the client's JSON to what it is told.
 */
#ifndef ELM_SERVER_ANSWER_H
#define ELM_SERVER_ANSWER_H

#include "server/internal.h"
#include "server/job.h"
#include "server/request.h"

typedef struct elm__prompt {
	elm_token *tokens; /* elm_free */
	size_t count;
} elm__prompt;

/* One text of an answer. Where a stream has told it, it is not kept. */
typedef struct elm__choice {
	elm__buf text;
	json_t *tokens;	  /* their numbers; NULL until the first */
	json_t *logprobs; /* NULL until the first */
	bool started, ended;
	bool has_newline;
	elm_finish finish;
	char *stop;	/* the stop string that ended it, or NULL */
	json_t *calls;	/* of tools, when it has ended; NULL: none */
	size_t content; /* bytes of the text before them, when it has ended */
	size_t told;	/* of a stream: bytes of the text, where it has to be kept */
	elm_request_stats stats;
} elm__choice;

typedef struct elm__answer {
	elm__server *server;
	elm__loaded *loaded;	      /* the model; held */
	elm__http_exchange *exchange; /* that it replies to */
	elm__api_request request;
	elm__prompt *prompts;
	size_t prompt_count;
	elm__job *job;
	elm__choice *choices; /* all of the first prompt, then all of the second, ... */
	uint32_t choice_count;
	uint32_t open; /* that have not ended */
	char id[48];
	int64_t created;

	/* Of a stream. */
	elm__buf out;		/* to be sent */
	size_t sent;		/* bytes of it */
	elm__buf before, after; /* the members of every chunk that follow its choices: before and
				   after where usage stands */
	bool complete;		/* all has been put into `out` */
} elm__answer;

/* Reads the request, makes tokens of its prompts and submits them. */
ELM_NODISCARD elm_status elm__answer_create(elm__server *server, elm__http_exchange *exchange,
					    elm__api api, elm__answer **out, elm_error *error);
/* Cancels what still runs. NULL allowed. */
void elm__answer_free(elm__answer *answer);

/* A number of the answer's prompt. */
static inline const elm__prompt *elm__answer_prompt(const elm__answer *answer, size_t choice)
{
	return &answer->prompts[choice / (size_t)answer->request.choices];
}

/* Takes in an event: statistics, the end, and text, tokens and log probabilities if `keep`.
 * ELM_EVENT_ERROR, and being cut off, are its error. */
ELM_NODISCARD elm_status elm__answer_take(elm__answer *answer, const elm__job_event *event,
					  bool keep, elm_error *error);

/* The whole answer as JSON; NULL when memory runs out. */
json_t *elm__answer_json(const elm__answer *answer);

/* What a stream tells of an event, appended to `out`; and of an error, which ends it. */
void elm__answer_begin_stream(elm__answer *answer);
void elm__answer_put_event(elm__answer *answer, const elm__job_event *event);
void elm__answer_put_error(elm__answer *answer, const elm_error *error);

/* Parts of both. NULL when memory runs out. */
json_t *elm__answer_usage(const elm__answer *answer);
json_t *elm__answer_timings(const elm__answer *answer);
json_t *elm__answer_logprob(const elm__answer *answer, const elm__job_event *event);
const char *elm__answer_finish(const elm__choice *choice);
/* The result object of /completion for a choice; `stream` as its last chunk. */
json_t *elm__answer_completion(const elm__answer *answer, uint32_t choice, bool stream);

#endif

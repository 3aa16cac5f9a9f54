/*
 * answer.h: a request for text, from the client's JSON to what it is told.
 */
#ifndef ELM_SERVER_ANSWER_H
#define ELM_SERVER_ANSWER_H

#include "server/internal.h"
#include "server/job.h"
#include "server/prompt.h"
#include "server/reasoning.h"
#include "server/request.h"

/* One text of an answer. Streams keep it only where later text may change what it is. */
typedef struct elm__choice {
	elm__buf text;
	json_t *tokens;		/* their numbers; NULL until the first */
	json_t *logprobs;	/* NULL until the first */
	double likelihood;	/* the sum of all log probabilities, if they are wanted */
	size_t characters;	/* of the text, counted by tokens, see elm__logprobs_legacy */
	elm__thoughts thoughts; /* what of the text comes before the answer; chats */
	size_t thought_tokens;
	bool started, ended;
	bool has_newline;
	elm_finish finish;
	char *stop;	/* the stop string that ended it, or NULL */
	json_t *calls;	/* of tools, when it has ended; NULL: none */
	size_t content; /* bytes of the text before them, when it has ended */
	/* Of the stream of a chat: up to where answer and thoughts have been told. */
	size_t told, told_thoughts;
	elm_request_stats stats;
} elm__choice;

/* How far the stream of a response has come. */
typedef struct elm__response {
	uint32_t number; /* of the next event */
	uint32_t items;	 /* of the output, that have begun */
	json_t *output;	 /* those that are complete */
	int kind;	 /* of the one that has begun and not ended; 0: none */
	char item[48];	 /* its id */
} elm__response;

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
	elm__response response;
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

/* The number of the k-th choice that is returned, all of them counted by prompt. */
static inline uint32_t elm__answer_returned(const elm__answer *answer, uint32_t k)
{
	uint32_t returned = (uint32_t)answer->request.returned;

	return k / returned * (uint32_t)answer->request.choices + k % returned;
}

/* Where more choices were generated than are returned: puts the likeliest first. */
void elm__answer_rank(elm__answer *answer);

/* The whole answer as JSON; NULL when memory runs out. */
json_t *elm__answer_json(const elm__answer *answer);
json_t *elm__response_json(const elm__answer *answer);

/* What a stream tells of an event, appended to `out`; and of an error, which ends it. */
void elm__answer_begin_stream(elm__answer *answer);
void elm__response_begin_stream(elm__answer *answer);
void elm__answer_put_event(elm__answer *answer, const elm__job_event *event);
void elm__answer_put_error(elm__answer *answer, const elm_error *error);
void elm__response_put_event(elm__answer *answer, const elm__job_event *event);
void elm__response_put_error(elm__answer *answer, const elm_error *error);

/* What a chat's event makes certain: the text of thoughts and of the answer that has not been told
 * yet. It counts as told. */
typedef struct elm__news {
	const char *thoughts, *text;
	size_t thoughts_length, text_length;
} elm__news;
elm__news elm__answer_news(const elm__answer *answer, elm__choice *choice, bool complete);

/* Parts of both. NULL when memory runs out. */
json_t *elm__list_or_empty(json_t *list); /* a new reference */
/* The prompt of a choice, of completions: as it was asked, or as its tokens spell it. */
json_t *elm__answer_prompt_text(const elm__answer *answer, uint32_t choice);
json_t *elm__answer_usage(const elm__answer *answer);
json_t *elm__answer_timings(const elm__answer *answer);
json_t *elm__answer_logprob(const elm__answer *answer, const elm__job_event *event);
/* What all tokens of a list of those have to say in the form of OpenAI's completions, and in that
 * of llama-server as well. *characters is how many came before; it goes on by theirs. */
json_t *elm__logprobs_legacy(json_t *list, size_t *characters);
/* Writes the text of a value and releases it; NULL makes the buffer fail. */
void elm__put_json(elm__buf *out, json_t *value);
/* "PREFIX" and 32 letters and digits that nobody can guess. */
ELM_NODISCARD elm_status elm__make_id(const char *prefix, char out[48], elm_error *error);
const char *elm__answer_finish(const elm__choice *choice);
/* The result object of /completion for a choice; `stream` as its last chunk. */
json_t *elm__answer_completion(const elm__answer *answer, uint32_t choice, bool stream);

#endif

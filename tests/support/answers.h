/*
 * answers.h: collects what a scheduler tells of a request, for tests. Callbacks run on the engine
 * thread, where no test may fail: what is wrong with the events is counted, and asserted when the
 * answer is waited for.
 */
#ifndef ELM_TESTS_ANSWERS_H
#define ELM_TESTS_ANSWERS_H

#include <edgelm/scheduler.h>

#include "base/buffer.h"

enum { ANSWER_TOKENS = 600 };

typedef struct answer {
	uint64_t id; /* for elm_scheduler_submit */
	elm_token tokens[ANSWER_TOKENS];
	float logprobs[ANSWER_TOKENS];
	elm_token_logprob top[ANSWER_TOKENS]; /* the first of the most likely ones */
	size_t top_count;		      /* of the last token */
	size_t count;
	elm__buf text;
	elm_finish finish; /* 0 when it failed */
	elm_status status;
	char error[500], stop[64];
	elm_request_stats stats;
	size_t prompt_done;   /* what the last ELM_EVENT_PROMPT said */
	unsigned first, last; /* places of its first and last event among those of all answers */
	unsigned wrong;	      /* events that must not be */
	bool ended;

	size_t enough; /* the callback says no at this token; 0: never */
	/* Called for each event, on the engine thread; may be NULL. */
	void (*each)(struct answer *answer, const elm_event *event);
	void *user;
} answer;

/* elm_request.on_event, with the answer as `user`. */
bool answer_event(void *user, const elm_event *event);

/* Waits for the last event and fails unless all were as they must be. */
void answer_wait(answer *answer);

/* Whether the last event has come. */
bool answer_ended(answer *answer);

/* Releases the text and empties all but enough, each and user. */
void answer_clear(answer *answer);

/* --- a scheduler to ask --- */

enum { ANSWER_CONTEXT = 256 };

/*
 * A tiny model, its kernels scalar: they compute a row in the same order of additions whatever its
 * batch, so that all comparisons can be exact.
 */
elm_model *answers_model(uint64_t seed);

/* 8 requests at once, of 256 tokens each in a F32 cache, batch 64, one thread, memory not looked
 * at. */
elm_scheduler_options answers_options(void);

elm_scheduler *answers_start(elm_model *model, elm_scheduler_options options);

/* Submits with answer_event. */
void answers_submit(elm_scheduler *s, elm_request *request, answer *a);

elm_scheduler_stats answers_stats(elm_scheduler *s);

/* Always the most likely token. */
elm_sampler_options answers_greedy(void);

/* A prompt of 256 tokens that looks random, and is the same for the same seed until the next call.
 */
const elm_token *answers_prompt(unsigned seed);

#endif

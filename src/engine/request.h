/*
 * request.h: one request inside the scheduler: its text so far, and what happens to it when logits
 * arrive.
 *
 * A request is a text of `count` tokens, prompt and answer. The scheduler sees to it that the cache
 * holds them; whenever all are computed, the next one is chosen. So a prompt, the next token, and a
 * text that must be computed again after it made room for others are all the same.
 */
#ifndef ELM_ENGINE_REQUEST_H
#define ELM_ENGINE_REQUEST_H

#include <edgelm/scheduler.h>

#include "base/arena.h"
#include "engine/output.h"

enum { ELM__TOP_LOGPROBS = 128 };

typedef struct elm__tenant {
	uint64_t key;
	uint64_t served;   /* tokens, answers counting more than prompts */
	uint32_t requests; /* that wait or run */
	uint32_t waiting;
} elm__tenant;

typedef struct elm__request {
	struct elm__request *next; /* in the queue, or in a list of those that end */
	uint64_t id, turn;	   /* turn: of admission; younger ones have a higher one */
	elm__tenant *tenant;
	elm_request what;	 /* as asked for; arrays are ours */
	elm_token_filter filter; /* without functions when there is none */
	bool cancelled;		 /* under the lock of the scheduler */

	elm_token *tokens;
	uint32_t count, context;
	uint32_t sequence; /* while it runs */
	uint32_t owed;	   /* what the last step cost, to be charged to the tenant */
	uint32_t highest;  /* the most of it that ever was in the cache */
	uint32_t saved; /* blocks of its prompt, from the first, that are on disk or need not be */
	bool restoring; /* its next block is on disk, and is read before the next step */

	elm_sampler *sampler;
	elm__output output;
	const elm_tokenizer *tokenizer;
	const elm_token *ends; /* tokens that end a generation; the scheduler's */
	size_t n_ends;
	elm_candidate *top; /* room for the most likely tokens */
	elm_token_logprob *logprobs;

	float *states; /* with pooling: one vector, or one for each token */
	uint32_t state_width;
	uint32_t pooled; /* tokens of the prompt whose states are in there */

	const char *rest; /* of the text, that was held back */
	size_t rest_length;
	elm_finish finish; /* 0 while it goes on */
	elm_error error;   /* or: it failed */
	elm_request_stats stats;
	elm__arena arena; /* all of the above but sampler and output */
} elm__request;

/* What all requests of a scheduler have in common. */
typedef struct elm__request_limits {
	const elm_tokenizer *tokenizer;
	uint32_t vocabulary, context;
	uint32_t width; /* of a state; 0: none are given */
	const elm_token *ends;
	size_t n_ends;
} elm__request_limits;

/* Copies and checks; ELM_ERR_ARGUMENT, ELM_ERR_LIMIT or out of memory. The filter stays the
 * caller's until *out has been accepted. */
ELM_NODISCARD elm_status elm__request_create(const elm_request *what,
					     const elm__request_limits *limits, elm__request **out,
					     elm_error *error);
/* Does not release the filter. NULL allowed. */
void elm__request_free(elm__request *request);

/* All tokens of its text are computed, and these are the logits of the last: chooses the next one,
 * and tells it. Sets `finish` or `error` when that ends it. `logits` are changed. */
void elm__request_choose(elm__request *request, float *logits, uint32_t vocabulary);

/* With pooling: whether the state of the token at this position is needed still. */
bool elm__request_wants_state(const elm__request *request, uint32_t position);
/* Takes it in; wanted ones come in order. The last one sets `finish`. */
void elm__request_pool(elm__request *request, uint32_t position, const float *state);
/* How many of its tokens may come out of the cache without being computed. */
uint32_t elm__request_reusable(const elm__request *request);

/* Tells how much of the prompt is in the cache. */
void elm__request_progress(elm__request *request, uint32_t done);

/* It has ended: completes its text and its figures. Then, without any lock: delivers the last
 * event, as `finish` or `error` say, and releases the filter. */
void elm__request_seal(elm__request *request);
void elm__request_end(elm__request *request);

static inline bool elm__request_ended(const elm__request *request)
{
	return request->finish || request->error.status;
}

#endif

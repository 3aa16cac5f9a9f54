/*
 * task_run.h: the answers of a model to tasks: always the most likely token, many tasks at once.
 *
 * The confidence of an answer is the geometric mean of the probabilities of its tokens, times the
 * probability that the model does not hand the request over. A model that was trained to hand over
 * has a control token for that, which its answer then begins with; for others the factor is 1.
 * Both come with the answer and cost nothing.
 */
#ifndef ELM_EVAL_TASK_RUN_H
#define ELM_EVAL_TASK_RUN_H

#include <edgelm/scheduler.h>

#include "base/buffer.h"
#include "engine/chat.h"
#include "eval/tasks.h"

typedef struct elm__task_answer {
	elm__buf text;
	double logprob; /* of all tokens together */
	size_t tokens;
	double handed_over; /* probability of the token that hands over, as the first one */
	elm_finish finish;
	bool done;
	bool right; /* only where the task has something expected */
} elm__task_answer;

/* The control token whose text this is, or ELM_TOKEN_NONE. */
elm_token elm__task_hand_over(const elm_tokenizer *tokenizer, const char *text);

/* From 0 to 1; 0 for an answer without tokens. */
double elm__task_confidence(const elm__task_answer *answer);

typedef struct elm__task_run {
	elm_scheduler *scheduler;
	const elm__chat_format *format; /* may be NULL when all tasks are prompts */
	const elm__tasks *tasks;
	size_t max_tokens;	    /* of an answer */
	elm_token hand_over;	    /* or ELM_TOKEN_NONE */
	const volatile int *cancel; /* polled; may be NULL */
	/* Called on the caller's thread as answers come in; may be NULL. */
	void (*progress)(void *user, size_t done);
	void *progress_user;
} elm__task_run;

/*
 * Fills in answers[tasks->count], zeroed before; release each text. On failure those that are
 * `done` stand, for ELM_ERR_CANCELLED in particular. Errors of a task name its line.
 */
ELM_NODISCARD elm_status elm__task_run_all(const elm__task_run *run, elm__task_answer *answers,
					   elm_error *error);

#endif

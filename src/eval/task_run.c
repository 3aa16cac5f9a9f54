#include "eval/task_run.h"

#include <math.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"

enum { TOP = 128 }; /* likely tokens among which the one that hands over is looked for */

/* A task whose answer is on its way. */
typedef struct flight {
	struct round *round;
	const elm__task *task;
	elm__task_answer *answer;
	uint64_t id; /* of the request */
} flight;

struct round {
	const elm__task_run *run;
	flight *flights;
	size_t submitted;     /* of the flights */
	pthread_mutex_t lock; /* over what follows, and the answers that are not done */
	pthread_cond_t changed;
	size_t waiting, finished;
	elm_status status; /* of the first task that failed */
	elm_error error;
};

elm_token elm__task_hand_over(const elm_tokenizer *tokenizer, const char *text)
{
	size_t length = strlen(text);

	for (size_t i = 0; i < elm_tokenizer_size(tokenizer); i++) {
		elm_gguf_string piece = elm_token_piece(tokenizer, (elm_token)i, true);

		if (elm_tokenizer_kind(tokenizer, (elm_token)i) == ELM_TOKEN_CONTROL &&
		    piece.length == length && !memcmp(piece.data, text, length))
			return (elm_token)i;
	}
	return ELM_TOKEN_NONE;
}

double elm__task_confidence(const elm__task_answer *answer)
{
	if (!answer->tokens)
		return 0;
	return exp(answer->logprob / (double)answer->tokens) * (1 - answer->handed_over);
}

static void fail(struct round *r, const elm__task *task, const elm_error *cause)
{
	if (r->status)
		return;
	r->status = cause->status;
	r->error = *cause;
	(void)elm_error_prefix(&r->error, "the task in line %zu", task->line);
}

/* On the engine thread. */
static bool on_event(void *user, const elm_event *event)
{
	flight *f = user;
	struct round *r = f->round;
	elm__task_answer *a = f->answer;
	bool last = event->kind == ELM_EVENT_DONE || event->kind == ELM_EVENT_ERROR, go_on;

	pthread_mutex_lock(&r->lock);
	if (event->kind == ELM_EVENT_ERROR)
		fail(r, f->task, event->error);
	else
		elm__buf_append(&a->text, event->text, event->text_length);
	if (event->kind == ELM_EVENT_TOKEN) {
		for (size_t i = 0; i < event->top_count && !a->tokens; i++)
			if (event->top[i].token == r->run->hand_over)
				a->handed_over = exp((double)event->top[i].logprob);
		a->logprob += (double)event->logprob;
		a->tokens++;
	}
	if (event->kind == ELM_EVENT_DONE) {
		a->finish = event->finish;
		a->done = event->finish != ELM_FINISH_CANCELLED;
	}
	go_on = !r->status;
	if (last) {
		r->waiting--;
		r->finished++;
		pthread_cond_signal(&r->changed);
	}
	pthread_mutex_unlock(&r->lock);
	return go_on;
}

static elm_status make_prompt(const elm__task_run *run, const elm__task *task, elm_token **tokens,
			      size_t *count, elm_error *error)
{
	const elm_tokenizer *tokenizer = elm_model_tokenizer(elm_scheduler_model(run->scheduler));
	json_t *extra;
	elm_status status;

	if (task->prompt)
		return elm_tokenize(tokenizer, task->prompt, strlen(task->prompt),
				    ELM_TOKENIZE_BOS | ELM_TOKENIZE_SPECIAL, tokens, count, error);
	extra = task->tools ? json_pack("{s:O}", "tools", task->tools) : NULL;
	status = elm__chat_format_prompt(run->format, task->messages, extra, tokens, count, error);
	json_decref(extra);
	return status;
}

/* A tenth of a second from now: Ctrl-C signals no condition, so that its flag is looked at. */
static struct timespec soon(void)
{
	struct timespec at;

	clock_gettime(CLOCK_REALTIME, &at);
	at.tv_nsec += 100000000;
	at.tv_sec += at.tv_nsec / 1000000000;
	at.tv_nsec %= 1000000000;
	return at;
}

/* Waits until there are at most `most` tasks on their way, telling of progress. After a failure all
 * are cancelled, and it returns what failed. */
static elm_status wait_for(struct round *r, size_t most)
{
	const elm__task_run *run = r->run;
	elm_status status;
	size_t finished, waiting;

	for (;;) {
		struct timespec until = soon();

		pthread_mutex_lock(&r->lock);
		if (r->waiting > most)
			pthread_cond_timedwait(&r->changed, &r->lock, &until);
		if (run->cancel && *run->cancel && !r->status)
			r->status = elm_error_set(&r->error, ELM_ERR_CANCELLED, "interrupted");
		status = r->status;
		finished = r->finished;
		waiting = r->waiting;
		pthread_mutex_unlock(&r->lock);
		for (size_t i = 0; status && i < r->submitted; i++)
			elm_scheduler_cancel(run->scheduler, r->flights[i].id);
		if (waiting <= most)
			return status;
		if (run->progress)
			run->progress(run->progress_user, finished);
	}
}

static elm_status submit(struct round *r, flight *f, elm_error *error)
{
	const elm__task_run *run = r->run;
	elm_sampler_options greedy = elm_sampler_defaults();
	elm_request request = { .max_tokens = run->max_tokens,
				.new_text = f->task->messages != NULL,
				.logprobs = true,
				.top_logprobs = run->hand_over != ELM_TOKEN_NONE ? TOP : 0,
				.sampling = &greedy,
				.on_event = on_event,
				.user = f };
	elm_token *tokens;
	elm_status status;

	greedy.temperature = 0;
	status = make_prompt(run, f->task, &tokens, &request.prompt_count, error);
	if (status)
		return status;
	request.prompt = tokens;
	if (f->task->messages) {
		request.stop = run->format->stop;
		request.stop_count = run->format->stop_count;
	}
	pthread_mutex_lock(&r->lock);
	r->waiting++;
	pthread_mutex_unlock(&r->lock);
	status = elm_scheduler_submit(run->scheduler, &request, &f->id, error);
	if (status) {
		pthread_mutex_lock(&r->lock);
		r->waiting--;
		pthread_mutex_unlock(&r->lock);
	}
	elm_free(tokens);
	return status;
}

static elm_status check(const elm__task *task, elm__task_answer *answer, elm_error *error)
{
	elm_status status = elm__buf_status(&answer->text, error);

	if (status || !task->expected || !answer->done)
		return status;
	status = elm__task_check(task, elm__buf_text(&answer->text), answer->text.length,
				 &answer->right, error);
	return status ? elm_error_prefix(error, "the task in line %zu", task->line) : ELM_OK;
}

static elm_status fly(struct round *r, elm__task_answer *answers)
{
	const elm__task_run *run = r->run;
	size_t most = elm_scheduler_get_options(run->scheduler)->session.max_sequences;
	elm_status status = ELM_OK;

	/* One more than can run waits in the scheduler's queue, so that it is never idle. */
	for (size_t i = 0; i < run->tasks->count && !status; i++) {
		flight *f = &r->flights[i];
		elm_error cause = { 0 };

		*f = (flight){ r, &run->tasks->items[i], &answers[i], 0 };
		status = wait_for(r, most);
		if (!status && submit(r, f, &cause)) {
			pthread_mutex_lock(&r->lock);
			fail(r, f->task, &cause);
			pthread_mutex_unlock(&r->lock);
		} else if (!status) {
			r->submitted++;
		}
	}
	return wait_for(r, 0);
}

elm_status elm__task_run_all(const elm__task_run *run, elm__task_answer *answers, elm_error *error)
{
	struct round r = { .run = run };
	elm_status status, checked = ELM_OK;

	r.flights = elm__calloc(run->tasks->count, sizeof(*r.flights));
	if (!r.flights)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "no memory for the tasks");
	pthread_mutex_init(&r.lock, NULL);
	pthread_cond_init(&r.changed, NULL);
	status = fly(&r, answers);
	if (status)
		elm_error_set(error, status, "%s", r.error.text);
	for (size_t i = 0; i < run->tasks->count && !checked; i++)
		checked = check(&run->tasks->items[i], &answers[i], status ? NULL : error);
	pthread_cond_destroy(&r.changed);
	pthread_mutex_destroy(&r.lock);
	elm__free(r.flights);
	return status ? status : checked;
}

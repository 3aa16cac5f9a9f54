#include "answers.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static unsigned place;

static void take_token(answer *a, const elm_event *e)
{
	if (a->count == ANSWER_TOKENS || e->stats.token_count != a->count + 1 ||
	    e->stats.last_token_ns != e->token_ns) {
		a->wrong++;
		return;
	}
	a->logprobs[a->count] = e->logprob;
	if (e->top_count)
		a->top[a->count] = e->top[0];
	a->top_count = e->top_count;
	a->tokens[a->count++] = e->token;
}

static void take_end(answer *a, const elm_event *e)
{
	a->finish = e->finish;
	a->stats = e->stats;
	a->wrong += e->stats.token_count != a->count || e->stats.end_ns < e->stats.arrival_ns;
	if (e->stop)
		strncat(a->stop, e->stop, sizeof(a->stop) - 1);
	if (e->kind == ELM_EVENT_ERROR) {
		a->wrong += e->finish != 0 || e->error->status == ELM_OK;
		a->status = e->error->status;
		memcpy(a->error, e->error->text, sizeof(a->error));
	} else {
		a->wrong += e->finish == 0;
	}
}

bool answer_event(void *user, const elm_event *e)
{
	answer *a = user;
	bool more;

	pthread_mutex_lock(&lock);
	place++;
	if (!a->first)
		a->first = place;
	a->last = place;
	a->wrong += a->ended || e->request != a->id || !elm__utf8_valid(e->text, e->text_length);
	elm__buf_append(&a->text, e->text, e->text_length);
	if (e->kind == ELM_EVENT_TOKEN)
		take_token(a, e);
	else if (e->kind == ELM_EVENT_PROMPT)
		a->prompt_done = e->prompt_done;
	else
		take_end(a, e);
	more = !a->enough || a->count < a->enough;
	pthread_mutex_unlock(&lock);
	if (a->each)
		a->each(a, e);
	if (e->kind == ELM_EVENT_DONE || e->kind == ELM_EVENT_ERROR) {
		pthread_mutex_lock(&lock);
		a->ended = true;
		pthread_cond_broadcast(&ended);
		pthread_mutex_unlock(&lock);
	}
	return more;
}

void answer_wait(answer *a)
{
	pthread_mutex_lock(&lock);
	while (!a->ended)
		pthread_cond_wait(&ended, &lock);
	pthread_mutex_unlock(&lock);
	assert_int_equal(a->wrong, 0);
}

bool answer_ended(answer *a)
{
	bool is;

	pthread_mutex_lock(&lock);
	is = a->ended;
	pthread_mutex_unlock(&lock);
	return is;
}

void answer_clear(answer *a)
{
	answer kept = { .enough = a->enough, .each = a->each, .user = a->user };

	elm__buf_release(&a->text);
	*a = kept;
}

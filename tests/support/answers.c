#include "answers.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "support.h"
#include "tiny_model.h"

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

elm_model *answers_model(uint64_t seed)
{
	tiny_model tiny = { .seed = seed };
	elm_model_options options = { .isa = "scalar" };
	elm_error error = { 0 };
	elm_model *model;

	tiny_model_write(&tiny, temp_path("answers.gguf"));
	if (elm_model_open(temp_path("answers.gguf"), &options, &model, &error) != ELM_OK)
		fail_msg("%s", error.text);
	return model;
}

elm_scheduler_options answers_options(void)
{
	elm_scheduler_options options = elm_scheduler_defaults();

	options.session.kv_type = ELM_TYPE_F32;
	options.session.threads = 1;
	options.session.context = 8 * ANSWER_CONTEXT;
	options.context = ANSWER_CONTEXT;
	options.session.max_sequences = 8;
	options.session.batch = 64;
	options.memory_reserve = UINT64_MAX;
	return options;
}

elm_scheduler *answers_start(elm_model *model, elm_scheduler_options options)
{
	elm_error error = { 0 };
	elm_scheduler *s;

	if (elm_scheduler_create(model, &options, &s, &error) != ELM_OK)
		fail_msg("%s", error.text);
	return s;
}

void answers_submit(elm_scheduler *s, elm_request *request, answer *a)
{
	elm_error error = { 0 };

	request->on_event = answer_event;
	request->user = a;
	if (elm_scheduler_submit(s, request, &a->id, &error) != ELM_OK)
		fail_msg("%s", error.text);
}

elm_scheduler_stats answers_stats(elm_scheduler *s)
{
	elm_scheduler_stats stats;

	elm_scheduler_get_stats(s, &stats);
	return stats;
}

elm_sampler_options answers_greedy(void)
{
	elm_sampler_options options = elm_sampler_defaults();

	options.temperature = 0;
	return options;
}

const elm_token *answers_prompt(unsigned seed)
{
	static elm_token prompt[ANSWER_CONTEXT];

	for (unsigned i = 0; i < ANSWER_CONTEXT; i++)
		prompt[i] = (elm_token)((i * 7919 + seed * 101) % 250 + 3);
	return prompt;
}

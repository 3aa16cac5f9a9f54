/* States through the scheduler: pooled right whatever runs beside them, in whatever cache. */
#include <edgelm/scheduler.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "answers.h"
#include "support.h"

enum { WIDTH = 64, LONGEST = 200 };

static elm_model *model;

/* What the last event of a request has brought. */
typedef struct pooled {
	answer answer;
	float states[LONGEST * WIDTH];
	size_t count;
} pooled;

static void keep_states(answer *a, const elm_event *event)
{
	pooled *p = a->user;

	if (event->kind != ELM_EVENT_DONE || event->finish != ELM_FINISH_POOLED)
		return;
	p->count = event->state_count;
	memcpy(p->states, event->states, p->count * WIDTH * sizeof(float));
}

static pooled *submit(elm_scheduler *s, elm_request *request)
{
	pooled *p = calloc(1, sizeof(*p));

	p->answer.each = keep_states;
	p->answer.user = p;
	answers_submit(s, request, &p->answer);
	return p;
}

static void wait_for(pooled *p)
{
	answer_wait(&p->answer);
	assert_int_equal(p->answer.finish, ELM_FINISH_POOLED);
	assert_int_equal(p->answer.count, 0);
	assert_int_equal(p->answer.text.length, 0);
}

static void discard(pooled *p)
{
	answer_clear(&p->answer);
	free(p);
}

/* The states of a prompt, computed in one step of a session of its own; for free(). */
static float *states_alone(const elm_token *prompt, size_t count)
{
	elm_session_options options = answers_options().session;
	float *out = malloc(count * WIDTH * sizeof(float));
	uint8_t want[LONGEST];
	elm_batch batch = { .rows = (uint32_t)count, .tokens = prompt, .states = want };
	elm_session *session;

	memset(want, 1, sizeof(want));
	options.max_states = LONGEST;
	assert_int_equal(elm_session_create(model, &options, &session, NULL), ELM_OK);
	assert_int_equal(elm_session_step(session, &batch, NULL), ELM_OK);
	memcpy(out, elm_session_state(session, 0), count * WIDTH * sizeof(float));
	elm_session_free(session);
	return out;
}

static void assert_same(const float *a, const float *b)
{
	for (int i = 0; i < WIDTH; i++)
		if (!(fabs((double)a[i] - (double)b[i]) <= 1e-5))
			fail_msg("value %d is %g, not %g", i, (double)b[i], (double)a[i]);
}

static void check(const pooled *p, elm_pooling pooling, const float *states, size_t count)
{
	float mean[WIDTH];

	assert_int_equal(p->count, pooling == ELM_POOLING_ALL ? count : 1);
	switch (pooling) {
	case ELM_POOLING_FIRST:
		assert_same(states, p->states);
		return;
	case ELM_POOLING_LAST:
		assert_same(states + (count - 1) * WIDTH, p->states);
		return;
	case ELM_POOLING_ALL:
		for (size_t i = 0; i < count; i++)
			assert_same(states + i * WIDTH, p->states + i * WIDTH);
		return;
	default:
		break;
	}
	for (int i = 0; i < WIDTH; i++) {
		double sum = 0;

		for (size_t j = 0; j < count; j++)
			sum += (double)states[j * WIDTH + (size_t)i];
		mean[i] = (float)(sum / (double)count);
	}
	assert_same(mean, p->states);
}

/* Every way of pooling, for texts that begin alike and others, beside texts that are generated. */
static void run_mixture(elm_scheduler_options options, uint64_t *preempted)
{
	static const size_t lengths[] = { 1, 2, 31, 32, 33, 64, 100, 150 };
	enum { LENGTHS = sizeof(lengths) / sizeof(lengths[0]), ALL = LENGTHS * 4, TEXTS = 6 };
	elm_sampler_options sampling = answers_greedy();
	answer texts[TEXTS] = { 0 };
	pooled *of[ALL];
	elm_scheduler *s;

	options.states = true;
	options.queue = ALL + TEXTS;
	s = answers_start(model, options);
	for (int i = 0; i < TEXTS; i++) {
		elm_request request = { .prompt = answers_prompt(1),
					.prompt_count = (size_t)(40 + i),
					.max_tokens = 60,
					.ignore_eos = true,
					.sampling = &sampling };

		answers_submit(s, &request, &texts[i]);
	}
	for (int i = 0; i < ALL; i++) {
		elm_request request = { .prompt = answers_prompt(i % 3 ? 1 : 2),
					.prompt_count = lengths[i / 4],
					.pooling = (elm_pooling)(ELM_POOLING_MEAN + i % 4) };

		of[i] = submit(s, &request);
	}
	for (int i = 0; i < TEXTS; i++) {
		answer_wait(&texts[i]);
		assert_int_equal(texts[i].count, 60);
		answer_clear(&texts[i]);
	}
	for (int i = 0; i < ALL; i++) {
		float *alone;

		wait_for(of[i]);
		alone = states_alone(answers_prompt(i % 3 ? 1 : 2), lengths[i / 4]);
		check(of[i], (elm_pooling)(ELM_POOLING_MEAN + i % 4), alone, lengths[i / 4]);
		free(alone);
		discard(of[i]);
	}
	*preempted = answers_stats(s).preemptions;
	assert_int_equal(answers_stats(s).finished[ELM_FINISH_POOLED], ALL);
	elm_scheduler_free(s);
}

static void pooled_alike_in_any_company(void **state)
{
	elm_scheduler_options options = answers_options();
	uint64_t preempted;

	(void)state;
	run_mixture(options, &preempted);
	options.slice = 5;
	run_mixture(options, &preempted);
	options.no_prefix_cache = true;
	run_mixture(options, &preempted);
}

/* With room for hardly more than one, many have to go and come back in the middle. */
static void pooled_alike_after_making_room(void **state)
{
	elm_scheduler_options options = answers_options();
	uint64_t preempted;

	(void)state;
	options.session.context = ANSWER_CONTEXT;
	options.slice = 3;
	run_mixture(options, &preempted);
	assert_true(preempted > 0);
}

static void the_last_token_alone_needs_no_others_again(void **state)
{
	elm_scheduler_options options = answers_options();
	elm_request request = { .prompt = answers_prompt(3),
				.prompt_count = 100,
				.pooling = ELM_POOLING_LAST };
	elm_scheduler *s;
	pooled *p;

	(void)state;
	options.states = true;
	s = answers_start(model, options);
	for (int i = 0; i < 2; i++) {
		p = submit(s, &request);
		wait_for(p);
		assert_int_equal(p->answer.stats.prompt_reused, i ? 96 : 0);
		assert_true(p->answer.stats.prompt_end_ns > 0);
		discard(p);
	}
	request.pooling = ELM_POOLING_MEAN;
	p = submit(s, &request);
	wait_for(p);
	assert_int_equal(p->answer.stats.prompt_reused, 0);
	discard(p);
	elm_scheduler_free(s);
}

static void wrong_requests(void **state)
{
	elm_sampler_options sampling = answers_greedy();
	elm_scheduler_options options = answers_options();
	elm_request request = { .prompt = answers_prompt(3),
				.prompt_count = 10,
				.pooling = ELM_POOLING_MEAN,
				.on_event = answer_event };
	elm_scheduler *s = answers_start(model, options);
	elm_error error = { 0 };

	(void)state;
	assert_int_equal(elm_scheduler_submit(s, &request, NULL, &error), ELM_ERR_UNSUPPORTED);
	elm_scheduler_free(s);
	options.states = true;
	s = answers_start(model, options);
	request.sampling = &sampling;
	assert_int_equal(elm_scheduler_submit(s, &request, NULL, &error), ELM_ERR_ARGUMENT);
	assert_non_null(strstr(error.text, "sampling"));
	request.sampling = NULL;
	request.pooling = (elm_pooling)9;
	assert_int_equal(elm_scheduler_submit(s, &request, NULL, &error), ELM_ERR_ARGUMENT);
	assert_non_null(strstr(error.text, "number 9"));
	elm_scheduler_free(s);
}

static int open_model(void **state)
{
	(void)state;
	model = answers_model(11);
	assert_int_equal(elm_model_get_info(model)->width, WIDTH);
	return 0;
}

static int close_model(void **state)
{
	(void)state;
	elm_model_close(model);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pooled_alike_in_any_company),
		cmocka_unit_test(pooled_alike_after_making_room),
		cmocka_unit_test(the_last_token_alone_needs_no_others_again),
		cmocka_unit_test(wrong_requests),
	};

	return cmocka_run_group_tests(tests, open_model, close_model);
}

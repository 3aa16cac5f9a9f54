/* The scheduler's rules: whose turn it is, who may come in, who must go, and what is told of it. */
#include <edgelm/scheduler.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "answers.h"
#include "base/clock.h"
#include "engine/scheduler.h"
#include "support.h"
#include "tiny_model.h"

enum { OTHERS = 8 };

static elm_model *model;

static int open_model(void **state)
{
	(void)state;
	model = answers_model(9);
	return 0;
}

static int close_model(void **state)
{
	(void)state;
	elm_model_close(model);
	return 0;
}

static void nap(unsigned microseconds)
{
	struct timespec time = { 0, (long)microseconds * 1000 };

	nanosleep(&time, NULL);
}

/* --- a request that is being answered while others come, which it submits itself --- */

typedef struct scene {
	elm_scheduler *s;
	elm_sampler_options sampling;
	answer busy; /* the request that runs */
	elm_request busy_request;
	answer answers[OTHERS];
	elm_request requests[OTHERS]; /* those that come at its second token */
	size_t count;
	elm_status statuses[OTHERS];	   /* of submitting them */
	void (*then)(struct scene *scene); /* called after that; may be NULL */
	elm_token prompt[40];
} scene;

static void let_others_come(answer *a, const elm_event *event)
{
	scene *sc = a->user;

	if (event->kind != ELM_EVENT_TOKEN || a->count != 2)
		return;
	for (size_t i = 0; i < sc->count; i++) {
		sc->requests[i].on_event = answer_event;
		sc->requests[i].user = &sc->answers[i];
		sc->statuses[i] =
			elm_scheduler_submit(sc->s, &sc->requests[i], &sc->answers[i].id, NULL);
	}
	if (sc->then)
		sc->then(sc);
}

static elm_request plain_request(scene *sc, size_t max_tokens)
{
	return (elm_request){ .prompt = sc->prompt,
			      .prompt_count = 40,
			      .max_tokens = max_tokens,
			      .ignore_eos = true,
			      .sampling = &sc->sampling };
}

/* One request runs at a time, unless the options say otherwise. */
static elm_scheduler_options one_at_a_time(void)
{
	elm_scheduler_options options = answers_options();

	options.session.max_sequences = 1;
	return options;
}

static void set_scene(scene *sc, size_t count, elm_scheduler_options options)
{
	memset(sc, 0, sizeof(*sc));
	sc->s = answers_start(model, options);
	sc->sampling = answers_greedy();
	memcpy(sc->prompt, answers_prompt(1), sizeof(sc->prompt));
	sc->busy_request = plain_request(sc, 20);
	sc->busy.each = let_others_come;
	sc->busy.user = sc;
	sc->count = count;
	for (size_t i = 0; i < count; i++) {
		sc->requests[i] = plain_request(sc, 4);
		sc->statuses[i] = ELM_ERR_INTERNAL; /* not submitted yet */
	}
}

/* Runs the scene; all that were accepted come to an end. */
static void play(scene *sc)
{
	answers_submit(sc->s, &sc->busy_request, &sc->busy);
	answer_wait(&sc->busy);
	for (size_t i = 0; i < sc->count; i++)
		if (sc->statuses[i] == ELM_OK)
			answer_wait(&sc->answers[i]);
}

static void end_scene(scene *sc)
{
	elm_scheduler_free(sc->s);
	answer_clear(&sc->busy);
	for (size_t i = 0; i < sc->count; i++)
		answer_clear(&sc->answers[i]);
}

/* Fails unless the answers began in this order. */
static void assert_order(const scene *sc, const unsigned *order)
{
	for (size_t i = 1; i < sc->count; i++)
		assert_true(sc->answers[order[i - 1]].first < sc->answers[order[i]].first);
}

/* --- whose turn it is --- */

static void first_come_first_served(void **state)
{
	static const unsigned order[] = { 0, 1, 2, 3 };
	scene sc;

	(void)state;
	set_scene(&sc, 4, one_at_a_time());
	play(&sc);
	assert_order(&sc, order);
	assert_true(sc.busy.last < sc.answers[0].first);
	for (size_t i = 0; i < 4; i++)
		assert_true(sc.answers[i].stats.start_ns >= sc.busy.stats.end_ns);
	end_scene(&sc);
}

static void higher_priorities_go_first(void **state)
{
	static const int priorities[] = { 0, -5, 3, 3 };
	static const unsigned order[] = { 2, 3, 0, 1 };
	scene sc;

	(void)state;
	set_scene(&sc, 4, one_at_a_time());
	for (size_t i = 0; i < 4; i++)
		sc.requests[i].priority = priorities[i];
	sc.busy_request.priority = 3;
	play(&sc);
	assert_order(&sc, order);
	assert_int_equal(sc.busy.stats.preemptions, 0);
	end_scene(&sc);
}

/* The one that runs is interrupted, and its answer is whole all the same. */
static void a_higher_priority_takes_the_place(void **state)
{
	elm_token alone[20];
	scene sc;

	(void)state;
	set_scene(&sc, 0, one_at_a_time());
	play(&sc);
	memcpy(alone, sc.busy.tokens, sizeof(alone));
	end_scene(&sc);

	set_scene(&sc, 2, one_at_a_time());
	sc.requests[1].priority = 1;
	play(&sc);
	assert_int_equal(sc.busy.count, 20);
	assert_memory_equal(sc.busy.tokens, alone, sizeof(alone));
	assert_int_equal(sc.busy.stats.preemptions, 1);
	assert_true(sc.answers[1].last < sc.busy.last);
	assert_true(sc.answers[0].first > sc.busy.last); /* who was interrupted goes on first */
	end_scene(&sc);
}

/* Six of one tenant come before two of another. */
static void tenants_take_turns(void **state)
{
	static const unsigned order[] = { 6, 0, 7, 1, 2, 3, 4, 5 };
	scene sc;

	(void)state;
	set_scene(&sc, 8, one_at_a_time());
	sc.busy_request.tenant = 1;
	for (size_t i = 0; i < 8; i++) {
		sc.requests[i].tenant = i < 6 ? 1 : 2;
		sc.requests[i].cache_scope = i; /* so that each costs the same */
	}
	/* The second tenant begins at the level of the first, who gets the rest of an answer (36
	 * more) before the second gets a whole one (48), and so on. */
	play(&sc);
	assert_order(&sc, order);
	end_scene(&sc);
}

static void a_busy_tenant_does_not_starve_others(void **state)
{
	scene sc;

	(void)state;
	set_scene(&sc, 8, one_at_a_time());
	sc.busy_request.tenant = 3;
	for (size_t i = 0; i < 8; i++) {
		sc.requests[i].tenant = i < 4 ? 1 : 2;
		sc.requests[i].cache_scope = i;
	}
	play(&sc);
	/* 1 and 2 have been served alike so far, so they alternate. */
	for (size_t i = 0; i < 4; i++) {
		assert_true(sc.answers[i].first < sc.answers[4 + i].first);
		if (i)
			assert_true(sc.answers[3 + i].first < sc.answers[i].first);
	}
	end_scene(&sc);
}

/* --- who may come in --- */

static void check_stats_when_full(scene *sc)
{
	elm_scheduler_stats stats = answers_stats(sc->s);
	elm_slot slots[2];

	sc->busy.wrong += stats.waiting != 3 || stats.refused != 2 || stats.running != 1 ||
			  stats.submitted != 4;
	sc->busy.wrong += elm_scheduler_slots(sc->s, slots, 2) != 1;
	sc->busy.wrong += slots[0].request != sc->busy.id || slots[0].prompt_done != 40 ||
			  slots[0].prompt_count != 40 || slots[0].max_tokens != 20 ||
			  slots[0].token_count != 1;
	sc->busy.wrong += elm_scheduler_slots(sc->s, NULL, 0) != 1;
}

static void the_queue_is_bounded(void **state)
{
	elm_scheduler_options options = one_at_a_time();
	scene sc;

	(void)state;
	options.queue = 3;
	set_scene(&sc, 5, options);
	sc.then = check_stats_when_full;
	play(&sc);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(sc.statuses[i], i < 3 ? ELM_OK : ELM_ERR_FULL);
	assert_true(elm_scheduler_retry_after(sc.s) >= 1);
	end_scene(&sc);
}

static void tenants_have_a_share_of_the_queue(void **state)
{
	elm_scheduler_options options = one_at_a_time();
	scene sc;

	(void)state;
	options.tenant_queue = 2;
	set_scene(&sc, 5, options);
	sc.requests[4].tenant = 7;
	play(&sc);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(sc.statuses[i], i == 2 || i == 3 ? ELM_ERR_QUOTA : ELM_OK);
	end_scene(&sc);
}

static void refuse(elm_scheduler *s, elm_request *request, elm_status status, const char *what)
{
	elm_error error = { 0 };
	uint64_t id = 77;

	assert_int_equal(elm_scheduler_submit(s, request, &id, &error), status);
	assert_contains(error.text, what);
	assert_int_equal(id, 77);
}

static void bad_requests_are_refused(void **state)
{
	static const char *const stops[] = { "fine", "\xff" };
	elm_token wrong[3] = { 1, TINY_VOCABULARY, 2 };
	elm_sampler_options sampling = answers_greedy();
	elm_scheduler *s = answers_start(model, answers_options());
	elm_request good = { .prompt = answers_prompt(1),
			     .prompt_count = 3,
			     .on_event = answer_event },
		    r = good;

	(void)state;
	r.prompt_count = 0;
	refuse(s, &r, ELM_ERR_ARGUMENT, "prompt is empty");
	r = good;
	r.prompt = wrong;
	refuse(s, &r, ELM_ERR_ARGUMENT, "token 2 of the prompt is 288");
	r = good;
	r.prompt_count = ANSWER_CONTEXT;
	refuse(s, &r, ELM_ERR_LIMIT, "the prompt has 256 tokens");
	r = good;
	r.stop = stops;
	r.stop_count = 2;
	refuse(s, &r, ELM_ERR_ARGUMENT, "stop string 2");
	r = good;
	r.top_logprobs = 129;
	refuse(s, &r, ELM_ERR_ARGUMENT, "129 tokens");
	r = good;
	r.on_event = NULL;
	refuse(s, &r, ELM_ERR_ARGUMENT, "no callback");
	r = good;
	sampling.top_p = 2;
	r.sampling = &sampling;
	refuse(s, &r, ELM_ERR_ARGUMENT, "top_p 2");
	assert_int_equal(answers_stats(s).submitted, 0);
	elm_scheduler_free(s);
}

/* --- who must go --- */

static void cancel_some(scene *sc)
{
	elm_scheduler_cancel(sc->s, sc->answers[1].id);
	elm_scheduler_cancel(sc->s, 0);
	elm_scheduler_cancel(sc->s, 4711);
	elm_scheduler_cancel(sc->s, sc->busy.id);
}

static void cancelling_ends_before_the_next_step(void **state)
{
	scene sc;

	(void)state;
	set_scene(&sc, 3, one_at_a_time());
	sc.then = cancel_some;
	play(&sc);
	assert_int_equal(sc.busy.finish, ELM_FINISH_CANCELLED);
	assert_int_equal(sc.busy.count, 2);
	assert_int_equal(sc.answers[1].finish, ELM_FINISH_CANCELLED);
	assert_int_equal(sc.answers[1].count, 0);
	assert_int_equal(sc.answers[0].finish, ELM_FINISH_LENGTH);
	assert_int_equal(sc.answers[2].finish, ELM_FINISH_LENGTH);
	elm_scheduler_cancel(sc.s, sc.busy.id); /* long gone */
	end_scene(&sc);
}

static void cancel_in_the_prompt(answer *a, const elm_event *event)
{
	a->wrong += event->kind == ELM_EVENT_TOKEN;
	if (event->kind == ELM_EVENT_PROMPT && event->prompt_done == 32)
		elm_scheduler_cancel(a->user, a->id);
}

static void the_prompt_can_be_cancelled(void **state)
{
	elm_scheduler_options options = answers_options();
	elm_request request = {
		.prompt = answers_prompt(2), .prompt_count = 200, .progress = true, .max_tokens = 5
	};
	answer a = { .each = cancel_in_the_prompt };
	elm_scheduler *s;

	(void)state;
	options.session.batch = 16;
	s = answers_start(model, options);
	a.user = s;
	answers_submit(s, &request, &a);
	answer_wait(&a);
	assert_int_equal(a.finish, ELM_FINISH_CANCELLED);
	assert_int_equal(a.prompt_done, 32);
	elm_scheduler_free(s);
	answer_clear(&a);
}

static void take_time(answer *a, const elm_event *event)
{
	if (event->kind == ELM_EVENT_TOKEN)
		nap(3000);
	let_others_come(a, event);
}

static void deadlines_end_requests(void **state)
{
	scene sc;

	(void)state;
	set_scene(&sc, 3, one_at_a_time());
	sc.busy.each = take_time;
	sc.busy_request.max_tokens = 200;
	sc.busy_request.deadline_ns = elm__now_ns() + 300 * 1000000;
	sc.requests[0].deadline_ns = 1;
	sc.requests[1].deadline_ns = elm__now_ns() + (uint64_t)100 * 1000000000;
	play(&sc);
	assert_int_equal(sc.busy.finish, ELM_FINISH_DEADLINE);
	assert_in_range(sc.busy.count, 2, 199);
	assert_int_equal(sc.answers[0].status, ELM_ERR_CANCELLED);
	assert_contains(sc.answers[0].error, "deadline");
	assert_true(sc.answers[0].last < sc.busy.last);
	assert_int_equal(sc.answers[1].finish, ELM_FINISH_LENGTH);
	assert_int_equal(sc.answers[2].finish, ELM_FINISH_LENGTH);
	assert_int_equal(answers_stats(sc.s).failed, 1);
	end_scene(&sc);
}

/* --- the end --- */

static void draining_waits_for_those_who_are_in(void **state)
{
	elm_request late;
	scene sc;

	(void)state;
	set_scene(&sc, 3, one_at_a_time());
	answers_submit(sc.s, &sc.busy_request, &sc.busy);
	while (answers_stats(sc.s).submitted < 4)
		nap(100);
	assert_int_equal(elm_scheduler_drain(sc.s, 60, NULL), ELM_OK);
	assert_true(answer_ended(&sc.busy));
	for (size_t i = 0; i < 3; i++) {
		assert_true(answer_ended(&sc.answers[i]));
		assert_int_equal(sc.answers[i].finish, ELM_FINISH_LENGTH);
	}
	late = plain_request(&sc, 1);
	late.on_event = answer_event;
	refuse(sc.s, &late, ELM_ERR_CANCELLED, "shutting down");
	assert_int_equal(elm_scheduler_drain(sc.s, 0, NULL), ELM_OK);
	end_scene(&sc);
}

static void draining_ends_in_time(void **state)
{
	elm_error error = { 0 };
	scene sc;

	(void)state;
	set_scene(&sc, 2, one_at_a_time());
	sc.busy.each = take_time;
	sc.busy_request.max_tokens = 200;
	answers_submit(sc.s, &sc.busy_request, &sc.busy);
	while (answers_stats(sc.s).submitted < 3)
		nap(100);
	assert_int_equal(elm_scheduler_drain(sc.s, 0.01, &error), ELM_ERR_CANCELLED);
	assert_contains(error.text, "3 requests");
	assert_true(answer_ended(&sc.busy));
	assert_int_equal(sc.busy.finish, ELM_FINISH_CANCELLED);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(sc.answers[i].finish, ELM_FINISH_CANCELLED);
	end_scene(&sc);
}

static void freeing_ends_all(void **state)
{
	scene sc;

	(void)state;
	set_scene(&sc, 2, one_at_a_time());
	sc.busy.each = take_time;
	sc.busy_request.max_tokens = 0;
	answers_submit(sc.s, &sc.busy_request, &sc.busy);
	while (answers_stats(sc.s).submitted < 3)
		nap(100);
	elm_scheduler_free(sc.s);
	sc.s = NULL;
	assert_true(answer_ended(&sc.busy));
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(sc.answers[i].finish, ELM_FINISH_CANCELLED);
	end_scene(&sc);
}

/* --- what fails --- */

static volatile int broken;

static void break_the_engine(scene *sc)
{
	broken = 1;
	elm_session_set_cancel(sc->s->session, &broken);
}

static void repair(answer *a, const elm_event *event)
{
	(void)a;
	broken = event->kind != ELM_EVENT_ERROR;
}

static void a_failed_step_fails_its_requests_only(void **state)
{
	scene sc;

	(void)state;
	set_scene(&sc, 2, one_at_a_time());
	sc.then = break_the_engine;
	play(&sc);
	assert_int_equal(sc.busy.status, ELM_ERR_CANCELLED);
	assert_int_equal(sc.answers[0].status, ELM_ERR_CANCELLED);
	assert_contains(sc.answers[0].error, "cancelled after 0 of");
	end_scene(&sc);

	set_scene(&sc, 2, one_at_a_time());
	sc.then = break_the_engine;
	sc.answers[0].each = repair;
	play(&sc);
	assert_int_equal(sc.busy.status, ELM_ERR_CANCELLED);
	assert_int_equal(sc.answers[0].status, ELM_ERR_CANCELLED);
	assert_int_equal(sc.answers[1].finish, ELM_FINISH_LENGTH);
	assert_int_equal(answers_stats(sc.s).failed, 2);
	end_scene(&sc);
}

static elm_status ask(void *user, elm_error *error)
{
	static const char *const stops[] = { "zz" };
	elm_sampler_options sampling = elm_sampler_defaults();
	elm_logit_bias bias = { 5, -1 };
	elm_request request = { .prompt = answers_prompt(1),
				.prompt_count = 40,
				.max_tokens = 30,
				.sampling = &sampling,
				.ignore_eos = true,
				.logprobs = true,
				.top_logprobs = 3,
				.stop = stops,
				.stop_count = 1 };
	elm_scheduler_options options = answers_options();
	elm_scheduler *s = NULL;
	answer *a = user;
	elm_status status;

	sampling.repeat_penalty = 1.1f;
	sampling.penalty_window = -1;
	sampling.bias = &bias;
	sampling.bias_count = 1;
	request.on_event = answer_event;
	request.user = a;
	answer_clear(a);
	status = elm_scheduler_create(model, &options, &s, error);
	if (!status)
		status = elm_scheduler_submit(s, &request, &a->id, error);
	if (!status) {
		answer_wait(a);
		status = a->status;
		if (status)
			elm_error_set(error, status, "%s", a->error);
		else if (elm__buf_status(&a->text, error)) /* the test's own memory */
			status = ELM_ERR_NO_MEMORY;
	}
	elm_scheduler_free(s);
	answer_clear(a);
	return status;
}

static void every_allocation_may_fail(void **state)
{
	static answer a;

	(void)state;
	assert_true(fail_each_allocation(ask, &a) > 20);
}

/* --- filters --- */

typedef struct rule {
	unsigned accepted, released, wrong;
	unsigned most; /* complete after so many tokens */
	enum { RULE_PLAIN, RULE_STUCK, RULE_APPLY_FAILS, RULE_ACCEPT_FAILS } kind;
} rule;

/* Only the letter that comes next in the alphabet. */
static elm_status rule_apply(void *user, float *logits, size_t count, bool *any, elm_error *error)
{
	rule *r = user;

	for (size_t i = 0; i < count; i++)
		if (i != 260 + r->accepted || (r->kind == RULE_STUCK && r->accepted == 3))
			logits[i] = -INFINITY;
	*any = r->kind != RULE_STUCK || r->accepted < 3;
	return r->kind == RULE_APPLY_FAILS ? elm_error_set(error, ELM_ERR_LIMIT, "too ambiguous") :
					     ELM_OK;
}

static elm_status rule_accept(void *user, elm_token token, elm_error *error)
{
	rule *r = user;

	(void)error;
	r->wrong += token != (elm_token)(260 + r->accepted);
	r->accepted++;
	return r->kind == RULE_ACCEPT_FAILS ? ELM_ERR_INTERNAL : ELM_OK; /* without a sentence */
}

static bool rule_finished(void *user)
{
	rule *r = user;

	return r->accepted == r->most;
}

static void rule_release(void *user)
{
	rule *r = user;

	r->released++;
}

static void ask_with_rule(rule *r, answer *a)
{
	elm_token_filter filter = { rule_apply, rule_accept, rule_finished, rule_release, r };
	elm_request request = {
		.prompt = answers_prompt(3), .prompt_count = 10, .max_tokens = 20, .filter = &filter
	};
	elm_scheduler *s = answers_start(model, answers_options());

	answer_clear(a);
	answers_submit(s, &request, a);
	answer_wait(a);
	elm_scheduler_free(s);
	assert_int_equal(r->released, 1);
	assert_int_equal(r->wrong, 0);
}

static void filters_decide_what_may_come(void **state)
{
	rule plain = { .most = 5 }, length = { .most = 100 }, stuck = { .kind = RULE_STUCK },
	     apply = { .kind = RULE_APPLY_FAILS }, accept = { .kind = RULE_ACCEPT_FAILS };
	elm_token_filter unused = { .release = rule_release, .user = &plain };
	elm_request refused = { .prompt_count = 0, .filter = &unused };
	elm_scheduler *s = answers_start(model, answers_options());
	answer a = { 0 };

	(void)state;
	refuse(s, &refused, ELM_ERR_ARGUMENT, "prompt is empty");
	elm_scheduler_free(s);
	assert_int_equal(plain.released, 0); /* still the caller's */

	ask_with_rule(&plain, &a);
	assert_int_equal(a.finish, ELM_FINISH_EOS);
	assert_string_equal(elm__buf_text(&a.text), "abcde");
	ask_with_rule(&length, &a);
	assert_int_equal(a.finish, ELM_FINISH_LENGTH);
	assert_string_equal(elm__buf_text(&a.text), "abcdefghijklmnopqrst");
	ask_with_rule(&stuck, &a);
	assert_int_equal(a.finish, ELM_FINISH_FILTER);
	assert_string_equal(elm__buf_text(&a.text), "abc");
	ask_with_rule(&apply, &a);
	assert_int_equal(a.status, ELM_ERR_LIMIT);
	assert_string_equal(a.error, "too ambiguous");
	ask_with_rule(&accept, &a);
	assert_int_equal(a.status, ELM_ERR_INTERNAL);
	assert_contains(a.error, "filter");
	answer_clear(&a);
}

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void idling_takes_no_time(void **state)
{
	double before;
	scene sc;

	(void)state;
	set_scene(&sc, 1, one_at_a_time());
	play(&sc);
	nap(50000);
	before = cpu_seconds();
	nap(300000);
	assert_true(cpu_seconds() - before < 0.003);
	end_scene(&sc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_come_first_served),
		cmocka_unit_test(higher_priorities_go_first),
		cmocka_unit_test(a_higher_priority_takes_the_place),
		cmocka_unit_test(tenants_take_turns),
		cmocka_unit_test(a_busy_tenant_does_not_starve_others),
		cmocka_unit_test(the_queue_is_bounded),
		cmocka_unit_test(tenants_have_a_share_of_the_queue),
		cmocka_unit_test(bad_requests_are_refused),
		cmocka_unit_test(cancelling_ends_before_the_next_step),
		cmocka_unit_test(the_prompt_can_be_cancelled),
		cmocka_unit_test(deadlines_end_requests),
		cmocka_unit_test(draining_waits_for_those_who_are_in),
		cmocka_unit_test(draining_ends_in_time),
		cmocka_unit_test(freeing_ends_all),
		cmocka_unit_test(a_failed_step_fails_its_requests_only),
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(filters_decide_what_may_come),
		cmocka_unit_test(idling_takes_no_time),
	};

	return cmocka_run_group_tests_name("scheduler_policy", tests, open_model, close_model);
}

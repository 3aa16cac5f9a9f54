/*
 * The scheduler's answers: those that each request would get alone, whatever else runs, however
 * small the cache, whoever leaves.
 */
#include <edgelm/scheduler.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "answers.h"
#include "base/random.h"
#include "engine/scheduler.h"
#include "support.h"
#include "tiny_model.h"

enum { REQUESTS = 40, EOS = 2 };

static elm_model *model;

/* --- requests, and what they get alone --- */

typedef struct job {
	elm_token prompt[ANSWER_CONTEXT];
	elm_logit_bias bias[2];
	elm_sampler_options sampling;
	const char *stops[2];
	elm_request request;
	/* what it gets alone */
	elm_token tokens[ANSWER_CONTEXT];
	size_t count;
	char *text; /* may have zeros in it */
	size_t length;
	elm_finish finish;
} job;

/* The first tokens of a prompt are those of one of three texts, so that many begin alike. */
static void make_job(job *j, unsigned number)
{
	static const char *const stops[] = { "qq", "th" };
	elm__random random;
	size_t same, count;
	unsigned family;

	elm__random_seed(&random, number + 1);
	memset(j, 0, sizeof(*j));
	family = (unsigned)(elm__random_unit(&random) * 3);
	same = (size_t)(elm__random_unit(&random) * 140);
	count = same + 1 + (size_t)(elm__random_unit(&random) * 30);
	for (size_t i = 0; i < count; i++)
		j->prompt[i] = i < same ? (elm_token)((i * 7919 + family * 31 + 13) % 250 + 3) :
					  (elm_token)(elm__random_unit(&random) * 250) + 3;
	j->sampling = elm_sampler_defaults();
	j->sampling.seed = number;
	j->sampling.temperature = number % 3 ? 1.5f : 0;
	j->sampling.repeat_penalty = number % 4 ? 1 : 1.3f;
	j->sampling.penalty_window = -1;
	j->bias[0] = (elm_logit_bias){ EOS, 2 };
	j->sampling.bias = j->bias;
	j->sampling.bias_count = 1;
	memcpy(j->stops, stops, sizeof(stops));
	j->request = (elm_request){
		.prompt = j->prompt,
		.prompt_count = count,
		.max_tokens = 1 + (size_t)(elm__random_unit(&random) * 60),
		.sampling = &j->sampling,
		.stop = j->stops,
		.stop_count = number % 2 ? 2 : 0,
		.ignore_eos = number % 5 == 0,
	};
	if (number % 11 == 10)
		j->request.max_tokens = 0; /* until the context is full, or EOS */
}

static void run_alone(job *j)
{
	elm_session_options options = answers_options().session;
	elm_generate_options generate = {
		.prompt = j->prompt,
		.prompt_count = j->request.prompt_count,
		.max_tokens = j->request.max_tokens,
		.stop = j->stops,
		.stop_count = j->request.stop_count,
		.ignore_eos = j->request.ignore_eos,
	};
	elm_generate_result result;
	elm_generator *generator;
	elm_sampler *sampler;
	elm_session *session;

	options.context = ANSWER_CONTEXT;
	options.max_sequences = 1;
	assert_int_equal(elm_session_create(model, &options, &session, NULL), ELM_OK);
	assert_int_equal(elm_sampler_create(&j->sampling, TINY_VOCABULARY, &sampler, NULL), ELM_OK);
	assert_int_equal(elm_generator_create(session, 0, &generator, NULL), ELM_OK);
	assert_int_equal(elm_generator_run(generator, sampler, &generate, &result, NULL), ELM_OK);
	j->count = result.token_count;
	for (size_t i = 0; i < j->count; i++)
		j->tokens[i] = result.tokens[i];
	j->length = result.text_length;
	j->text = malloc(j->length + 1);
	memcpy(j->text, result.text, j->length + 1);
	j->finish = result.finish;
	elm_generator_free(generator);
	elm_sampler_free(sampler);
	elm_session_free(session);
}

static job jobs[REQUESTS];

static int make_jobs(void **state)
{
	(void)state;
	model = answers_model(5);
	for (unsigned i = 0; i < REQUESTS; i++) {
		make_job(&jobs[i], i);
		run_alone(&jobs[i]);
	}
	return 0;
}

static int free_jobs(void **state)
{
	for (unsigned i = 0; i < REQUESTS; i++)
		free(jobs[i].text);
	(void)state;
	elm_model_close(model);
	return 0;
}

/* All of it, or the beginning when it was cancelled. */
static void compare(const job *j, answer *a)
{
	size_t length;

	answer_wait(a);
	if (a->finish != ELM_FINISH_CANCELLED) {
		assert_int_equal(a->status, ELM_OK);
		assert_string_equal(elm_finish_name(a->finish), elm_finish_name(j->finish));
		assert_int_equal(a->count, j->count);
		assert_int_equal(a->text.length, j->length);
	}
	length = a->text.length;
	if (a->finish == ELM_FINISH_CANCELLED && length >= 3 &&
	    !memcmp(a->text.data + length - 3, "\xef\xbf\xbd", 3))
		length -= 3; /* it was cut within a character */
	assert_true(a->count <= j->count && length <= j->length);
	assert_memory_equal(a->tokens, j->tokens, a->count * sizeof(elm_token));
	assert_memory_equal(elm__buf_text(&a->text), j->text, length);
}

static void nap(unsigned microseconds)
{
	struct timespec time = { 0, (long)microseconds * 1000 };

	nanosleep(&time, NULL);
}

/* Nothing is left in use when nobody runs. */
static void assert_all_given_back(elm_scheduler *s)
{
	elm_scheduler_stats stats = answers_stats(s);

	assert_int_equal(stats.kv_blocks_used, 0);
	assert_int_equal(stats.running + stats.waiting, 0);
}

/* All jobs at once or in bursts; some leave early, by their callback or from outside. */
static elm_scheduler_stats run_jobs(elm_scheduler_options options, unsigned seed, bool leave)
{
	static answer answers[REQUESTS];
	elm_scheduler *s = answers_start(model, options);
	elm_scheduler_stats stats;
	elm__random random;
	uint64_t ended = 0;

	elm__random_seed(&random, seed);
	memset(answers, 0, sizeof(answers));
	for (unsigned i = 0; i < REQUESTS; i++) {
		double what = elm__random_unit(&random);

		if (leave && what < 0.2)
			answers[i].enough = 1 + (size_t)(what * 100);
		answers_submit(s, &jobs[i].request, &answers[i]);
		if (leave && what > 0.9)
			elm_scheduler_cancel(s, answers[i / 2].id);
		if (elm__random_unit(&random) < 0.3)
			nap((unsigned)(elm__random_unit(&random) * 3000));
	}
	for (unsigned i = 0; i < REQUESTS; i++) {
		compare(&jobs[i], &answers[i]);
		answer_clear(&answers[i]);
	}
	assert_int_equal(elm_scheduler_drain(s, 10, NULL), ELM_OK);
	assert_all_given_back(s);
	stats = answers_stats(s);
	for (size_t i = 0; i < ELM_FINISH_COUNT; i++)
		ended += stats.finished[i];
	assert_int_equal(ended, REQUESTS);
	assert_int_equal(stats.submitted, REQUESTS);
	assert_int_equal(stats.failed + stats.refused, 0);
	elm_scheduler_free(s);
	return stats;
}

static void answers_are_those_of_one_alone(void **state)
{
	elm_scheduler_stats stats = run_jobs(answers_options(), 1, false);

	(void)state;
	assert_true(stats.reused_tokens > 0);
	assert_int_equal(stats.preemptions, 0);
	assert_int_equal(stats.recomputed_tokens, 0);
	assert_int_equal(stats.prompt_sizes.count, REQUESTS);
	assert_int_equal(stats.generated_tokens, (uint64_t)stats.answer_sizes.sum);
	assert_in_range(stats.ttft.count, REQUESTS / 2, REQUESTS);
}

static void many_leave_early(void **state)
{
	elm_scheduler_stats stats = run_jobs(answers_options(), 2, true);

	(void)state;
	assert_true(stats.finished[ELM_FINISH_CANCELLED] > 0);
}

/* The cache has room for one and a half contexts, or just one. */
static void small_caches_evict(void **state)
{
	elm_scheduler_options options = answers_options();
	elm_scheduler_stats stats;

	(void)state;
	options.session.context = ANSWER_CONTEXT * 3 / 2;
	stats = run_jobs(options, 3, false);
	assert_true(stats.evictions > 0);
	options.session.context = ANSWER_CONTEXT;
	stats = run_jobs(options, 4, true);
	assert_true(stats.evictions > 0);
	options.no_prefix_cache = true;
	stats = run_jobs(options, 5, false);
	assert_int_equal(stats.evictions + stats.reused_tokens, 0);
	assert_int_equal(stats.kv_blocks_kept, 0);
}

/* Short prompts are all let in, and then their answers fill the cache. */
static void who_grows_takes_room_from_the_last(void **state)
{
	elm_scheduler_options options = answers_options();
	answer answers[6] = { 0 };
	job grow[6];
	elm_scheduler_stats stats;
	elm_scheduler *s;

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		make_job(&grow[i], 100 + i);
		grow[i].request.prompt_count = 5 + i;
		grow[i].request.max_tokens = i == 5 ? 0 : 180;
		grow[i].request.ignore_eos = true;
		grow[i].request.stop_count = 0;
		run_alone(&grow[i]);
	}
	for (int kept = 0; kept < 2; kept++) {
		options.no_prefix_cache = !kept;
		options.session.context = 2 * ANSWER_CONTEXT;
		s = answers_start(model, options);
		for (unsigned i = 0; i < 6; i++)
			answers_submit(s, &grow[i].request, &answers[i]);
		for (unsigned i = 0; i < 6; i++)
			compare(&grow[i], &answers[i]);
		assert_all_given_back(s);
		stats = answers_stats(s);
		assert_true(stats.preemptions > 1);
		assert_true(stats.recomputed_tokens > 0);
		assert_int_equal(answers[0].stats.preemptions, 0); /* the first never waits */
		assert_true(answers[5].stats.preemptions > 0);
		elm_scheduler_free(s);
		for (unsigned i = 0; i < 6; i++)
			answer_clear(&answers[i]);
	}
	for (unsigned i = 0; i < 6; i++)
		free(grow[i].text);
}

static void other_settings_change_nothing(void **state)
{
	elm_scheduler_options options = answers_options();

	(void)state;
	options.scheduling = ELM_SCHEDULING_STATIC;
	run_jobs(options, 6, true);
	options = answers_options();
	options.session.batch = 3; /* fewer rows than requests that run */
	options.slice = 2;
	run_jobs(options, 7, true);
	options = answers_options();
	options.session.max_sequences = 1;
	options.step_ms = 0.001; /* cannot be met */
	run_jobs(options, 8, false);
	options = answers_options();
	options.session.threads = 2;
	options.session.max_sequences = 16;
	run_jobs(options, 9, true);
}

/* --- computed prompts are found again --- */

/* Runs one request to its end and returns the prompt tokens that it found. */
static size_t reused(elm_scheduler *s, const elm_token *prompt, size_t count, uint64_t scope,
		     answer *a)
{
	elm_sampler_options sampling = answers_greedy();
	elm_request request = { .prompt = prompt,
				.prompt_count = count,
				.max_tokens = 8,
				.ignore_eos = true,
				.sampling = &sampling,
				.cache_scope = scope };

	answer_clear(a);
	answers_submit(s, &request, a);
	answer_wait(a);
	assert_int_equal(a->finish, ELM_FINISH_LENGTH);
	return a->stats.prompt_reused;
}

static void prompts_are_computed_once(void **state)
{
	elm_token longer[ANSWER_CONTEXT];
	elm_scheduler *s = answers_start(model, answers_options());
	answer first = { 0 }, again = { 0 };

	(void)state;
	assert_int_equal(reused(s, answers_prompt(1), 100, 0, &first), 0);
	assert_int_equal(reused(s, answers_prompt(1), 100, 0, &again), 96);
	assert_memory_equal(first.tokens, again.tokens, 8 * sizeof(elm_token));
	assert_int_equal(reused(s, answers_prompt(1), 60, 0, &again), 32);
	/* of a prompt in whole blocks, only the last token */
	assert_int_equal(reused(s, answers_prompt(1), 96, 0, &first), 95);
	assert_int_equal(reused(s, answers_prompt(1), 96, 0, &again), 95);
	assert_memory_equal(first.tokens, again.tokens, 8 * sizeof(elm_token));
	/* nothing of another scope, and nothing of another text */
	assert_int_equal(reused(s, answers_prompt(1), 96, 1, &again), 0);
	assert_memory_equal(first.tokens, again.tokens, 8 * sizeof(elm_token));
	assert_int_equal(reused(s, answers_prompt(1), 96, 1, &again), 95);
	assert_int_equal(reused(s, answers_prompt(2), 96, 0, &again), 0);
	/* the same 32 tokens after other ones are something else */
	memcpy(longer, answers_prompt(1), sizeof(longer));
	longer[5] = 3;
	assert_int_equal(reused(s, longer, 100, 0, &first), 0);
	/* answers are found too: 100 tokens, 8 more of which 7 were computed, and 25 new ones */
	memcpy(longer + 100, first.tokens, 8 * sizeof(elm_token));
	assert_int_equal(reused(s, longer, 133, 0, &again), 96);
	assert_all_given_back(s);
	elm_scheduler_free(s);
	answer_clear(&first);
	answer_clear(&again);
}

/* The copy of the last block must not change the original. */
static void a_shared_block_is_copied_before_it_is_written(void **state)
{
	elm_scheduler *s = answers_start(model, answers_options());
	elm_token other[ANSWER_CONTEXT];
	answer plain = { 0 }, fresh = { 0 }, again = { 0 };
	elm_scheduler *alone = answers_start(model, answers_options());

	(void)state;
	memcpy(other, answers_prompt(4), sizeof(other));
	assert_int_equal(reused(s, other, 96, 0, &plain), 0);
	for (int i = 0; i < 3; i++) { /* each goes on from the 96 tokens by its own way */
		other[96] = 10 + i;
		assert_int_equal(reused(s, other, 97, 0, &again), 96);
		assert_int_equal(reused(alone, other, 97, (uint64_t)i + 1, &fresh), 0);
		assert_memory_equal(fresh.tokens, again.tokens, 8 * sizeof(elm_token));
		assert_int_equal(reused(s, other, 96, 0, &again), 95);
		assert_memory_equal(plain.tokens, again.tokens, 8 * sizeof(elm_token));
	}
	elm_scheduler_free(alone);
	elm_scheduler_free(s);
	answer_clear(&plain);
	answer_clear(&fresh);
	answer_clear(&again);
}

/* Those that wait for their part of the batch find what the first has computed. */
static void prompts_that_come_together_are_computed_once(void **state)
{
	elm_sampler_options sampling = answers_greedy();
	elm_request request = { .prompt_count = 250, .max_tokens = 4, .sampling = &sampling };
	elm_scheduler_options options = answers_options();
	answer answers[4] = { 0 };
	elm_scheduler *s;

	(void)state;
	options.session.batch = 32;
	s = answers_start(model, options);
	request.prompt = answers_prompt(3);
	for (int i = 0; i < 4; i++)
		answers_submit(s, &request, &answers[i]);
	for (int i = 0; i < 4; i++) {
		answer_wait(&answers[i]);
		assert_memory_equal(answers[i].tokens, answers[0].tokens, 4 * sizeof(elm_token));
		assert_int_equal(answers[i].stats.prompt_reused, i ? 224 : 0);
	}
	for (int i = 0; i < 4; i++)
		answer_clear(&answers[i]);
	elm_scheduler_free(s);
}

/* --- a long prompt and those who are being answered --- */

typedef struct trace {
	elm_step_report steps[1000];
	size_t count, at_arrival;
	elm_scheduler *s;
	answer *other;
	elm_request other_request;
	elm_sampler_options sampling;
} trace;

static void note_step(void *user, const elm_step_report *report)
{
	trace *t = user;

	if (t->count < 1000)
		t->steps[t->count++] = *report;
}

/* The long prompt comes while the first is at its tenth token. */
static void bring_the_other(answer *a, const elm_event *event)
{
	trace *t = a->user;

	if (event->kind != ELM_EVENT_TOKEN || a->count != 10)
		return;
	t->at_arrival = t->count;
	t->other_request.on_event = answer_event;
	t->other_request.user = t->other;
	a->wrong += elm_scheduler_submit(t->s, &t->other_request, &t->other->id, NULL) != ELM_OK;
}

static void a_long_prompt_comes_in_slices(void **state)
{
	elm_scheduler_options options = answers_options();
	answer stream = { .each = bring_the_other }, other = { 0 };
	trace t = { .other = &other };
	elm_request request = { .prompt_count = 50, .max_tokens = 100, .ignore_eos = true };
	elm_token prompt[50];
	size_t prompt_steps = 0;

	(void)state;
	options.on_step = note_step;
	options.step_user = &t;
	options.slice = 8;
	t.s = answers_start(model, options);
	t.sampling = answers_greedy();
	t.other_request = (elm_request){ .prompt = answers_prompt(6),
					 .prompt_count = 200,
					 .max_tokens = 5,
					 .progress = true,
					 .ignore_eos = true,
					 .sampling = &t.sampling };
	for (int i = 0; i < 50; i++)
		prompt[i] = 10 + i;
	request.prompt = prompt;
	request.sampling = &t.sampling;
	stream.user = &t;
	answers_submit(t.s, &request, &stream);
	answer_wait(&stream);
	answer_wait(&other);
	assert_int_equal(other.prompt_done, 200);

	/* Alone, a prompt takes all of the batch. */
	assert_int_equal(t.steps[0].prompt_rows + t.steps[0].decode_rows, 50);
	assert_int_equal(t.steps[0].decode_rows, 0);
	/* Then the stream has its next token in every step until its end. */
	for (size_t i = 1; i < 100; i++) {
		assert_in_range(t.steps[i].decode_rows, 1, 2);
		assert_in_range(t.steps[i].prompt_rows, 0, 8);
		prompt_steps += t.steps[i].prompt_rows > 0;
	}
	/* 200 = 24 slices of 8 and one that ends with the token whose answer is next */
	assert_int_equal(prompt_steps, 25);
	for (size_t i = t.at_arrival; i < t.at_arrival + 24; i++)
		assert_int_equal(t.steps[i].prompt_rows, 8);
	elm_scheduler_free(t.s);
	answer_clear(&stream);
	answer_clear(&other);
}

/* --- probabilities --- */

static void log_probabilities_are_those_of_the_model(void **state)
{
	elm_sampler_options sampling = answers_greedy();
	elm_logit_bias bias = { 270, 1000 }; /* changes the choice, not what the model says */
	elm_request request = { .prompt = answers_prompt(7),
				.prompt_count = 20,
				.max_tokens = 3,
				.logprobs = true,
				.top_logprobs = 5,
				.sampling = &sampling };
	elm_session_options options = answers_options().session;
	elm_batch batch = { .rows = 20, .tokens = answers_prompt(7) };
	elm_scheduler *s = answers_start(model, answers_options());
	answer a = { 0 };
	elm_session *session;
	const float *logits;
	double sum = 0;
	elm_token best = 0;

	(void)state;
	assert_int_equal(elm_session_create(model, &options, &session, NULL), ELM_OK);
	assert_int_equal(elm_session_step(session, &batch, NULL), ELM_OK);
	logits = elm_session_logits(session, 0);
	for (elm_token i = 0; i < TINY_VOCABULARY; i++) {
		sum += exp((double)logits[i]);
		best = logits[i] > logits[best] ? i : best;
	}
	answers_submit(s, &request, &a);
	answer_wait(&a);
	assert_int_equal(a.tokens[0], best);
	assert_int_equal(a.top_count, 5);
	assert_int_equal(a.top[0].token, best);
	assert_true(a.top[0].logprob == a.logprobs[0]);
	assert_true(fabs((double)a.logprobs[0] - log(exp((double)logits[best]) / sum)) < 1e-5);
	answer_clear(&a);

	sampling.bias = &bias;
	sampling.bias_count = 1;
	answers_submit(s, &request, &a);
	answer_wait(&a);
	assert_int_equal(a.tokens[0], 270);
	assert_int_equal(a.top[0].token, best);
	assert_true(fabs((double)a.logprobs[0] - log(exp((double)logits[270]) / sum)) < 1e-5);
	answer_clear(&a);
	elm_session_free(session);
	elm_scheduler_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_those_of_one_alone),
		cmocka_unit_test(many_leave_early),
		cmocka_unit_test(small_caches_evict),
		cmocka_unit_test(who_grows_takes_room_from_the_last),
		cmocka_unit_test(other_settings_change_nothing),
		cmocka_unit_test(prompts_are_computed_once),
		cmocka_unit_test(a_shared_block_is_copied_before_it_is_written),
		cmocka_unit_test(prompts_that_come_together_are_computed_once),
		cmocka_unit_test(a_long_prompt_comes_in_slices),
		cmocka_unit_test(log_probabilities_are_those_of_the_model),
	};

	return cmocka_run_group_tests_name("scheduler", tests, make_jobs, free_jobs);
}

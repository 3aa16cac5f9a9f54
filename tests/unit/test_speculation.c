/* Guessing ahead: what is guessed, when it pays, and that the text never changes. */
#include <edgelm/generate.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/speculation.h"
#include "support.h"
#include "tiny_model.h"

static elm__speculation ready(uint32_t longest)
{
	elm__speculation s;

	elm__speculation_init(&s, longest);
	elm__speculation_learn(&s, 0.010, 0, 0);
	return s;
}

static void test_draft_follows_the_last_occurrence(void **state)
{
	static const elm_token tokens[] = { 5, 6, 7, 1, 5, 6, 8, 2, 3, 5, 6 };
	elm__speculation s = ready(4);
	elm_token out[4];

	assert_int_equal(elm__speculation_draft(&s, tokens, 11, out, 4), 4);
	assert_memory_equal(out, ((elm_token[]){ 8, 2, 3, 5 }), sizeof(out));
	assert_int_equal(elm__speculation_draft(&s, tokens, 11, out, 1), 1);
	assert_int_equal(out[0], 8);
	/* Three tokens that match beat two that are nearer. */
	assert_int_equal(elm__speculation_draft(&s, (elm_token[]){ 4, 5, 6, 9, 5, 6, 8, 4, 5, 6 },
						10, out, 1),
			 1);
	assert_int_equal(out[0], 9);
}

static void test_no_draft(void **state)
{
	static const elm_token repeated[] = { 1, 2, 1, 2 }, single[] = { 1, 2, 3, 1 };
	elm__speculation s = ready(4), off = ready(0), fresh;
	elm_token out[4];

	elm__speculation_init(&fresh, 4);
	assert_int_equal(elm__speculation_draft(&fresh, repeated, 4, out, 4), 0);
	assert_int_equal(elm__speculation_draft(&off, repeated, 4, out, 4), 0);
	assert_int_equal(elm__speculation_draft(&s, repeated, 4, out, 0), 0);
	assert_int_equal(elm__speculation_draft(&s, single, 4, out, 4), 0);
	assert_int_equal(elm__speculation_draft(&s, repeated, 1, out, 4), 0);
	assert_int_equal(elm__speculation_draft(&s, repeated, 4, out, 4), 2);
}

static void test_switches_off_where_it_does_not_pay(void **state)
{
	static const elm_token repeated[] = { 1, 2, 1, 2 };
	elm__speculation s = ready(4);
	elm_token out[4];
	uint32_t tries = 0;

	for (int step = 0; step < 5000; step++) {
		uint32_t n = elm__speculation_draft(&s, repeated, 4, out, 4);

		elm__speculation_learn(&s, n ? 0.012 : 0.010, n, 0);
		tries += n > 0;
	}
	assert_in_range(tries, 5, 12); /* 0.2 of a step lost on each: far below 3 % of 5000 */
	assert_int_equal(s.accepted, 0);

	s = ready(4);
	for (int step = 0; step < 100; step++) { /* one in two holds: it pays, and stays on */
		uint32_t n = elm__speculation_draft(&s, repeated, 4, out, 4);

		assert_int_equal(n, 2);
		elm__speculation_learn(&s, 0.012, n, 1);
	}
	assert_int_equal(s.drafted, 200);
	assert_int_equal(s.accepted, 100);
}

/* --- in generation --- */

typedef struct run_result {
	elm_token tokens[300];
	size_t count, drafted;
	elm_finish finish;
} run_result;

static run_result generate(elm_model *model, float temperature, uint32_t draft, size_t max_tokens,
			   uint32_t context)
{
	static const elm_token prompt[] = { 1, 260, 261, 262, 260, 261, 262, 260, 261 };
	elm_session_options session_options = elm_session_defaults();
	elm_sampler_options sampling = elm_sampler_defaults();
	elm_generate_options options = { .prompt = prompt,
					 .prompt_count = sizeof(prompt) / sizeof(prompt[0]),
					 .max_tokens = max_tokens,
					 .draft = draft,
					 .ignore_eos = true };
	elm_generate_result result;
	elm_generator *generator;
	elm_session *session;
	elm_sampler *sampler;
	elm_error error = { 0 };
	run_result r = { .count = 0 };

	session_options.context = context;
	session_options.max_logits = 1 + draft;
	session_options.kv_type = ELM_TYPE_F32;
	session_options.threads = 1;
	sampling.temperature = temperature;
	sampling.seed = 11;
	assert_int_equal(elm_session_create(model, &session_options, &session, NULL), ELM_OK);
	assert_int_equal(elm_sampler_create(&sampling, TINY_VOCABULARY, &sampler, NULL), ELM_OK);
	assert_int_equal(elm_generator_create(session, 0, &generator, NULL), ELM_OK);
	if (elm_generator_run(generator, sampler, &options, &result, &error) != ELM_OK)
		fail_msg("%s", error.text);
	r.count = result.token_count;
	r.drafted = result.drafted;
	r.finish = result.finish;
	assert_true(r.count <= 300);
	memcpy(r.tokens, result.tokens, r.count * sizeof(elm_token));
	/* What the sequence holds is what the generator says, drafts that failed included. */
	elm_generator_tokens(generator, &r.count);
	assert_int_equal(elm_session_length(session, 0), r.count);
	r.count = result.token_count;
	elm_generator_free(generator);
	elm_sampler_free(sampler);
	elm_session_free(session);
	return r;
}

static void test_the_text_stays_the_same(void **state)
{
	tiny_model tiny = { .seed = 3 };
	size_t drafted = 0;
	elm_model *model;

	tiny_model_write(&tiny, temp_path("spec.gguf"));
	assert_int_equal(elm_model_open(temp_path("spec.gguf"), NULL, &model, NULL), ELM_OK);
	for (int greedy = 0; greedy < 2; greedy++) {
		float temperature = greedy ? 0 : 0.3f;

		for (uint32_t draft = 1; draft <= 16; draft += 5) {
			run_result plain = generate(model, temperature, 0, 100, 256);
			run_result guessed = generate(model, temperature, draft, 100, 256);

			assert_int_equal(plain.count, 100);
			assert_int_equal(guessed.count, 100);
			assert_memory_equal(plain.tokens, guessed.tokens, 100 * sizeof(elm_token));
			drafted += guessed.drafted;
		}
	}
	assert_true(drafted > 0);
	elm_model_close(model);
}

static void test_ends_at_the_edge_of_the_context(void **state)
{
	tiny_model tiny = { .seed = 3 };
	elm_model *model;

	tiny_model_write(&tiny, temp_path("edge.gguf"));
	assert_int_equal(elm_model_open(temp_path("edge.gguf"), NULL, &model, NULL), ELM_OK);
	for (uint32_t context = 32; context <= 96; context += 32) {
		run_result plain = generate(model, 0, 0, 0, context);
		run_result guessed = generate(model, 0, 16, 0, context);

		assert_int_equal(plain.finish, ELM_FINISH_CONTEXT);
		assert_int_equal(guessed.finish, ELM_FINISH_CONTEXT);
		assert_int_equal(plain.count, guessed.count);
		assert_memory_equal(plain.tokens, guessed.tokens, plain.count * sizeof(elm_token));
	}
	elm_model_close(model);
}

static void test_the_session_must_have_room_for_the_logits(void **state)
{
	elm_generate_options options = { .prompt = (elm_token[]){ 1 },
					 .prompt_count = 1,
					 .draft = 4 };
	elm_sampler_options sampling = elm_sampler_defaults();
	tiny_model tiny = { .seed = 3 };
	elm_generate_result result;
	elm_generator *generator;
	elm_session *session;
	elm_sampler *sampler;
	elm_model *model;
	elm_error error = { 0 };

	tiny_model_write(&tiny, temp_path("logits.gguf"));
	assert_int_equal(elm_model_open(temp_path("logits.gguf"), NULL, &model, NULL), ELM_OK);
	assert_int_equal(elm_session_create(model, NULL, &session, NULL), ELM_OK);
	assert_int_equal(elm_sampler_create(&sampling, TINY_VOCABULARY, &sampler, NULL), ELM_OK);
	assert_int_equal(elm_generator_create(session, 0, &generator, NULL), ELM_OK);
	assert_int_equal(elm_generator_run(generator, sampler, &options, &result, &error),
			 ELM_ERR_ARGUMENT);
	assert_contains(error.text, "5 rows");
	elm_generator_free(generator);
	elm_sampler_free(sampler);
	elm_session_free(session);
	elm_model_close(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_draft_follows_the_last_occurrence),
		cmocka_unit_test(test_no_draft),
		cmocka_unit_test(test_switches_off_where_it_does_not_pay),
		cmocka_unit_test(test_the_text_stays_the_same),
		cmocka_unit_test(test_ends_at_the_edge_of_the_context),
		cmocka_unit_test(test_the_session_must_have_room_for_the_logits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Generation: text, stop strings, every way to end, reuse of the cache, figures. */
#include <edgelm/generate.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "engine/output.h"
#include "support.h"
#include "tiny_model.h"

enum { CONTEXT = 128, FIRST_LETTER = 259, BYTE_TOKEN = 3, EOS = 2 };

static elm_model *model;

static int open_model(void **state)
{
	tiny_model tiny = { .seed = 5 };
	elm_error error = { 0 };

	(void)state;
	tiny_model_write(&tiny, temp_path("generate.gguf"));
	if (elm_model_open(temp_path("generate.gguf"), NULL, &model, &error) != ELM_OK)
		fail_msg("%s", error.text);
	return 0;
}

static int close_model(void **state)
{
	(void)state;
	elm_model_close(model);
	return 0;
}

static elm_session *start(uint32_t sequences)
{
	elm_session_options options = elm_session_defaults();
	elm_error error = { 0 };
	elm_session *session;

	options.context = CONTEXT;
	options.max_sequences = sequences;
	options.batch = 16; /* prompts take several */
	options.threads = 1;
	options.kv_type = ELM_TYPE_F32;
	if (elm_session_create(model, &options, &session, &error) != ELM_OK)
		fail_msg("%s", error.text);
	return session;
}

/* Draws letters and blanks, and EOS only with `eos_bias` added to its logit. */
static elm_sampler *letters(float eos_bias)
{
	elm_logit_bias bias[TINY_VOCABULARY - FIRST_LETTER + 1];
	elm_sampler_options options = elm_sampler_defaults();
	elm_sampler *sampler;
	size_t count = 0;

	for (elm_token i = FIRST_LETTER; i < TINY_VOCABULARY; i++)
		bias[count++] = (elm_logit_bias){ i, 100 };
	bias[count++] = (elm_logit_bias){ EOS, eos_bias };
	options.temperature = 2;
	options.top_k = 0;
	options.top_p = 1;
	options.bias = bias;
	options.bias_count = count;
	assert_int_equal(elm_sampler_create(&options, TINY_VOCABULARY, &sampler, NULL), ELM_OK);
	return sampler;
}

/* Everything that a test of one generator needs. */
typedef struct rig {
	elm_session *session;
	elm_sampler *sampler;
	elm_generator *generator;
	elm_generate_options options;
	elm_generate_result result;
	elm_error error;
	elm__buf given;		  /* what the callback received */
	size_t calls, stop_after; /* the callback says no at this call; 0 never */
	volatile int cancel;
	size_t cancel_after; /* the callback sets the flag; 0 never */
} rig;

static bool collect(void *user, const char *text, size_t length)
{
	rig *r = user;

	assert_true(length > 0 && elm__utf8_valid(text, length));
	elm__buf_append(&r->given, text, length);
	r->calls++;
	if (r->calls == r->cancel_after)
		r->cancel = 1;
	return r->calls != r->stop_after;
}

static const elm_token prompt[] = { 1,	 260, 261, 262, 263, 264, 265, 266, 267, 268, 269, 270,
				    271, 272, 273, 274, 275, 276, 277, 278, 279, 280, 281 };
enum { PROMPT = sizeof(prompt) / sizeof(prompt[0]) };

static void setup(rig *r)
{
	memset(r, 0, sizeof(*r));
	r->session = start(1);
	r->sampler = letters(-1000);
	assert_int_equal(elm_generator_create(r->session, 0, &r->generator, NULL), ELM_OK);
	r->options = (elm_generate_options){ .prompt = prompt,
					     .prompt_count = PROMPT,
					     .max_tokens = 40,
					     .on_text = collect,
					     .cancel = &r->cancel,
					     .user = r };
}

static void teardown(rig *r)
{
	elm_generator_free(r->generator);
	elm_sampler_free(r->sampler);
	elm_session_free(r->session);
	elm__buf_release(&r->given);
}

/* From the same random numbers each time. */
static elm_status try_run(rig *r)
{
	elm__buf_clear(&r->given);
	r->calls = 0;
	r->cancel = 0;
	elm_sampler_reset(r->sampler);
	return elm_generator_run(r->generator, r->sampler, &r->options, &r->result, &r->error);
}

static void run(rig *r, elm_finish finish)
{
	if (try_run(r) != ELM_OK)
		fail_msg("%s", r->error.text);
	assert_string_equal(elm_finish_name(r->result.finish), elm_finish_name(finish));
	assert_string_equal(r->result.text, elm__buf_text(&r->given));
	assert_int_equal(r->result.text_length, r->given.length);
}

/* The text of 40 tokens, for free(). */
static char *whole_text(rig *r)
{
	r->options.stop_count = 0;
	r->options.max_tokens = 40;
	run(r, ELM_FINISH_LENGTH);
	return strdup(r->result.text);
}

static void tokens_are_those_of_a_plain_loop(void **state)
{
	elm_session *session = start(1);
	elm_sampler *sampler = letters(-1000);
	elm_batch batch = { .rows = PROMPT, .tokens = prompt };
	rig r;

	(void)state;
	setup(&r);
	run(&r, ELM_FINISH_LENGTH);
	assert_int_equal(r.result.token_count, 40);
	for (size_t i = 0; i < PROMPT; i++)
		assert_int_equal(elm_sampler_accept(sampler, prompt[i], NULL), ELM_OK);
	for (size_t i = 0; i < 40; i++) {
		elm_token token;

		assert_int_equal(elm_session_step(session, &batch, NULL), ELM_OK);
		assert_int_equal(elm_sampler_sample(sampler, elm_session_logits(session, 0), &token,
						    NULL),
				 ELM_OK);
		assert_int_equal(r.result.tokens[i], token);
		batch = (elm_batch){ .rows = 1, .tokens = &r.result.tokens[i] };
	}
	elm_sampler_free(sampler);
	elm_session_free(session);
	teardown(&r);
}

static void stop_strings_end_the_text(void **state)
{
	size_t length, tried = 0;
	rig r;
	char *text;

	(void)state;
	setup(&r);
	text = whole_text(&r);
	length = strlen(text);
	assert_true(length >= 40);
	for (size_t from = 0; from < length; from += 3)
		for (size_t n = 1; n < 8 && from + n <= length; n += 2) {
			char *stop = strndup(text + from, n), *first = strstr(text, stop);
			const char *stops[] = { "qqqqqqqq", stop };

			r.options.stop = stops;
			r.options.stop_count = 2;
			run(&r, ELM_FINISH_STOP);
			assert_int_equal(r.result.text_length, first - text);
			assert_memory_equal(r.result.text, text, first - text);
			assert_ptr_equal(r.result.stop, stop);
			free(stop);
			tried++;
		}
	assert_true(tried > 40);
	free(text);
	teardown(&r);
}

/* Text that only looks like the beginning of a stop string is held back, but not lost. */
static void held_back_text_is_not_lost(void **state)
{
	size_t length;
	rig r;
	char *text;

	(void)state;
	setup(&r);
	text = whole_text(&r);
	length = strlen(text);
	for (size_t n = 1; n < length; n += 5) {
		char *end = malloc(n + 2), *begin = malloc(n + 2);
		const char *stops[] = { end, begin };

		snprintf(end, n + 2, "%s!", text + length - n);
		snprintf(begin, n + 2, "%.*s!", (int)n, text);
		r.options.stop = stops;
		r.options.stop_count = 2;
		run(&r, ELM_FINISH_LENGTH);
		assert_string_equal(r.result.text, text);
		assert_null(r.result.stop);
		free(begin);
		free(end);
	}
	free(text);
	teardown(&r);
}

static void the_model_may_end_it_or_not(void **state)
{
	rig r;

	(void)state;
	setup(&r);
	elm_sampler_free(r.sampler);
	r.sampler = letters(10000);
	run(&r, ELM_FINISH_EOS);
	assert_int_equal(r.result.token_count, 0);
	assert_string_equal(r.result.text, "");
	assert_true(r.result.ttft < 0);
	assert_int_equal(r.result.tbt.n, 0);
	assert_true(r.result.token_rate == 0);
	r.options.ignore_eos = true;
	run(&r, ELM_FINISH_LENGTH);
	for (size_t i = 0; i < r.result.token_count; i++)
		assert_int_not_equal(r.result.tokens[i], EOS);
	teardown(&r);
}

static void a_full_context_ends_it(void **state)
{
	elm_token long_prompt[CONTEXT];
	size_t held;
	rig r;

	(void)state;
	setup(&r);
	r.options.max_tokens = 0;
	run(&r, ELM_FINISH_CONTEXT);
	/* The last token needs no place: nothing is computed from it. */
	assert_int_equal(r.result.token_count, CONTEXT - PROMPT + 1);
	elm_generator_tokens(r.generator, &held);
	assert_int_equal(held, CONTEXT);
	for (size_t i = 0; i < CONTEXT; i++)
		long_prompt[i] = 260;
	r.options.prompt = long_prompt;
	r.options.prompt_count = CONTEXT;
	assert_int_equal(try_run(&r), ELM_ERR_FULL);
	assert_contains(r.error.text, "128 tokens");
	r.options.prompt_count = CONTEXT - 1;
	run(&r, ELM_FINISH_CONTEXT);
	assert_int_equal(r.result.token_count, 2);
	teardown(&r);
}

/* Other sequences may hold the cache. */
static void a_full_cache_ends_it(void **state)
{
	elm_session *session = start(2);
	elm_sampler *sampler = letters(-1000);
	elm_token others[96];
	uint32_t sequences[96] = { 0 };
	elm_batch batch = { .rows = 96, .tokens = others, .sequences = sequences };
	elm_generate_options options = { .prompt = prompt, .prompt_count = PROMPT };
	elm_generate_result result;
	elm_generator *generator;
	elm_error error = { 0 };

	(void)state;
	for (size_t i = 0; i < 96; i++)
		others[i] = 260;
	assert_int_equal(elm_session_step(session, &batch, NULL), ELM_OK);
	assert_int_equal(elm_generator_create(session, 2, &generator, NULL), ELM_ERR_ARGUMENT);
	assert_int_equal(elm_generator_create(session, 1, &generator, NULL), ELM_OK);
	assert_int_equal(elm_generator_run(generator, sampler, &options, &result, &error), ELM_OK);
	assert_int_equal(result.finish, ELM_FINISH_CONTEXT);
	assert_int_equal(result.token_count, 32 - PROMPT + 1);
	assert_int_equal(error.status, ELM_OK); /* success leaves the error alone */
	elm_generator_free(generator);
	elm_sampler_free(sampler);
	elm_session_free(session);
}

static void wrong_options(void **state)
{
	static const elm_token outside[] = { 1, TINY_VOCABULARY };
	static const char *const bad[] = { "fine", "", "\xff", "a\xc3" };
	rig r;

	(void)state;
	setup(&r);
	r.options.prompt_count = 0;
	assert_int_equal(try_run(&r), ELM_ERR_ARGUMENT);
	assert_contains(r.error.text, "prompt is empty");
	r.options.prompt = outside;
	r.options.prompt_count = 2;
	assert_int_equal(try_run(&r), ELM_ERR_ARGUMENT);
	r.options.prompt = prompt;
	r.options.prompt_count = PROMPT;
	for (size_t i = 1; i < 4; i++) {
		const char *stops[] = { bad[0], bad[i] };

		r.options.stop = stops;
		r.options.stop_count = 2;
		assert_int_equal(try_run(&r), ELM_ERR_ARGUMENT);
		assert_contains(r.error.text, "stop string 2");
	}
	r.options.stop_count = 1;
	r.options.stop = bad;
	run(&r, ELM_FINISH_LENGTH);
	teardown(&r);
}

static void cancelling(void **state)
{
	rig r;
	char *text;

	(void)state;
	setup(&r);
	text = whole_text(&r);
	r.stop_after = 3;
	run(&r, ELM_FINISH_CANCELLED);
	assert_int_equal(r.result.token_count, 3);
	assert_memory_equal(r.result.text, text, r.result.text_length);
	r.stop_after = 0;
	r.cancel_after = 5;
	run(&r, ELM_FINISH_CANCELLED);
	assert_int_equal(r.result.token_count, 5);
	r.cancel_after = 0;
	run(&r, ELM_FINISH_LENGTH); /* as if nothing had happened */
	assert_string_equal(r.result.text, text);
	free(text);
	teardown(&r);
}

static void cancel_in_prompt(void *user, uint32_t done, uint32_t total)
{
	rig *r = user;

	assert_int_equal(done, 16); /* one batch */
	assert_int_equal(total, PROMPT);
	r->cancel = 1;
}

static void cancelling_in_the_prompt(void **state)
{
	size_t held;
	rig r;

	(void)state;
	setup(&r);
	r.options.on_prompt = cancel_in_prompt;
	run(&r, ELM_FINISH_CANCELLED);
	assert_int_equal(r.result.token_count, 0);
	elm_generator_tokens(r.generator, &held);
	assert_int_equal(held, 16);
	r.options.on_prompt = NULL;
	run(&r, ELM_FINISH_LENGTH);
	assert_int_equal(r.result.prompt_reused, 16);
	teardown(&r);
}

static void the_same_beginning_is_computed_once(void **state)
{
	elm_token next[PROMPT + 50];
	size_t count;
	rig r, fresh;

	(void)state;
	setup(&r);
	run(&r, ELM_FINISH_LENGTH);
	assert_int_equal(r.result.prompt_reused, 0);
	run(&r, ELM_FINISH_LENGTH);
	assert_int_equal(r.result.prompt_reused, PROMPT - 1);

	memcpy(next, prompt, sizeof(prompt));
	memcpy(next + PROMPT, r.result.tokens, 40 * sizeof(elm_token));
	for (count = PROMPT + 40; count < PROMPT + 50; count++)
		next[count] = 270;
	setup(&fresh);
	for (int changed = 0; changed < 2; changed++) {
		if (changed)
			next[30] = 259;
		r.options.prompt = fresh.options.prompt = next;
		r.options.prompt_count = fresh.options.prompt_count = count;
		run(&r, ELM_FINISH_LENGTH);
		/* 40 tokens were generated and 39 of them computed. */
		assert_int_equal(r.result.prompt_reused, changed ? 30 : PROMPT + 39);
		elm_generator_free(fresh.generator);
		assert_int_equal(elm_generator_create(fresh.session, 0, &fresh.generator, NULL),
				 ELM_OK);
		run(&fresh, ELM_FINISH_LENGTH);
		assert_int_equal(fresh.result.prompt_reused, 0);
		assert_string_equal(r.result.text, fresh.result.text);
	}
	teardown(&fresh);
	teardown(&r);
}

static void figures(void **state)
{
	const elm_generate_result *f;
	double sum = 0;
	rig r;

	(void)state;
	setup(&r);
	run(&r, ELM_FINISH_LENGTH);
	f = &r.result;
	assert_int_equal(f->prompt_count, PROMPT);
	assert_int_equal(f->tbt.n, f->token_count - 1);
	assert_true(f->arrival_ns <= f->prompt_start_ns && f->prompt_start_ns < f->prompt_end_ns);
	assert_true(f->prompt_end_ns <= f->token_ns[0]);
	for (size_t i = 1; i < f->token_count; i++) {
		assert_true(f->token_ns[i] >= f->token_ns[i - 1]);
		sum += (double)(f->token_ns[i] - f->token_ns[i - 1]) * 1e-9;
	}
	assert_true(fabs(f->tbt.mean - sum / (double)f->tbt.n) < 1e-9);
	assert_true(f->tbt.p50 <= f->tbt.p95 && f->tbt.p95 <= f->tbt.p99);
	assert_true(fabs(f->token_rate * f->tbt.mean - 1) < 1e-9);
	assert_true(fabs(f->prompt_rate * 1e-9 * (double)(f->prompt_end_ns - f->prompt_start_ns) -
			 PROMPT) < 1e-6);
	assert_true(f->ttft == (double)(f->token_ns[0] - f->arrival_ns) * 1e-9);
	r.options.arrival_ns = f->arrival_ns;
	run(&r, ELM_FINISH_LENGTH);
	assert_true(r.result.arrival_ns == r.options.arrival_ns);
	assert_true(r.result.ttft >
		    (double)(r.result.prompt_start_ns - r.options.arrival_ns) * 1e-9);
	teardown(&r);
}

/* Pushes tokens and gives all text back, for comparison. */
static const char *output_of(const elm_token *tokens, size_t count, const char *const *stop,
			     size_t stop_count, size_t *before_end)
{
	static char all[256];
	elm__output output;
	const char *text;
	size_t length, used = 0;

	assert_int_equal(elm__output_init(&output, elm_model_tokenizer(model), true, false, stop,
					  stop_count, NULL),
			 ELM_OK);
	for (size_t i = 0; i < count && !output.stopped; i++) {
		assert_int_equal(elm__output_push(&output, tokens[i], &text, &length, NULL),
				 ELM_OK);
		assert_true(elm__utf8_valid(text, length));
		memcpy(all + used, text, length);
		used += length;
	}
	*before_end = used;
	assert_int_equal(elm__output_finish(&output, &text, &length, NULL), ELM_OK);
	memcpy(all + used, text, length);
	all[used + length] = '\0';
	assert_string_equal(all, elm__buf_text(&output.text));
	elm__output_release(&output);
	return all;
}

static void characters_are_whole(void **state)
{
	/* "aé€😀" as bytes, then half a character */
	static const uint8_t bytes[] = { 'a',  0xc3, 0xa9, 0xe2, 0x82, 0xac,
					 0xf0, 0x9f, 0x98, 0x80, 0xe2, 0x82 };
	static const char *const stops[] = { "\xc3\xa8", "\xe2\x82\xac\xf0\x9f\x98\x81",
					     "\xf0\x9f\x98\x80" };
	elm_token tokens[sizeof(bytes)];
	size_t early;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		tokens[i] = BYTE_TOKEN + bytes[i];
	assert_string_equal(output_of(tokens, sizeof(bytes), NULL, 0, &early),
			    "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbd");
	assert_int_equal(early, 10);
	assert_string_equal(output_of(tokens, sizeof(bytes), stops, 2, &early),
			    "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbd");
	assert_string_equal(output_of(tokens, sizeof(bytes), stops, 3, &early),
			    "a\xc3\xa9\xe2\x82\xac");
	assert_string_equal(output_of(tokens, 6, stops, 3, &early), "a\xc3\xa9\xe2\x82\xac");
	assert_int_equal(early, 3); /* the euro sign may begin the second stop string */
}

static elm_status create_and_run(void *user, elm_error *error)
{
	static const char *const stop[] = { "zzzz" };
	elm_generate_options options = { .prompt = prompt,
					 .prompt_count = PROMPT,
					 .max_tokens = 80,
					 .stop = stop,
					 .stop_count = 1,
					 .ignore_eos = true };
	elm_generate_result result;
	elm_generator *generator;
	rig *r = user;
	elm_status status = elm_generator_create(r->session, 0, &generator, error);

	if (!status)
		status = elm_generator_run(generator, r->sampler, &options, &result, error);
	if (!status)
		assert_int_equal(result.token_count, 80);
	elm_generator_free(generator);
	return status;
}

static void every_allocation_may_fail(void **state)
{
	rig r;

	(void)state;
	setup(&r);
	assert_true(fail_each_allocation(create_and_run, &r) > 8);
	teardown(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens_are_those_of_a_plain_loop),
		cmocka_unit_test(stop_strings_end_the_text),
		cmocka_unit_test(held_back_text_is_not_lost),
		cmocka_unit_test(the_model_may_end_it_or_not),
		cmocka_unit_test(a_full_context_ends_it),
		cmocka_unit_test(a_full_cache_ends_it),
		cmocka_unit_test(wrong_options),
		cmocka_unit_test(cancelling),
		cmocka_unit_test(cancelling_in_the_prompt),
		cmocka_unit_test(the_same_beginning_is_computed_once),
		cmocka_unit_test(figures),
		cmocka_unit_test(characters_are_whole),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests_name("generate", tests, open_model, close_model);
}

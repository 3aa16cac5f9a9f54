/* Sessions: the same answer whatever the batching, sharing of blocks, limits, cancellation. */
#include <edgelm/session.h>
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support.h"
#include "tiny_model.h"

enum { TOKENS = 90, VOCABULARY = TINY_VOCABULARY };

static elm_model *open_for(const char *arch, const char *isa)
{
	elm_model_options options = { .isa = isa };
	tiny_model tiny = { .arch = arch, .seed = 7 };
	elm_error error = { 0 };
	elm_model *model;

	tiny_model_write(&tiny, temp_path("session.gguf"));
	if (elm_model_open(temp_path("session.gguf"), &options, &model, &error) != ELM_OK)
		fail_msg("%s", error.text);
	return model;
}

static elm_model *open_tiny(const char *arch)
{
	return open_for(arch, NULL);
}

static elm_session *start(elm_model *model, elm_session_options options)
{
	elm_error error = { 0 };
	elm_session *session;

	if (elm_session_create(model, &options, &session, &error) != ELM_OK)
		fail_msg("%s", error.text);
	return session;
}

/* Tokens that look random and are the same for every test. */
static const elm_token *some_tokens(void)
{
	static elm_token tokens[TOKENS];

	for (int i = 0; i < TOKENS; i++)
		tokens[i] = (i * 7919 + 13) % VOCABULARY;
	return tokens;
}

static void step(elm_session *session, const elm_batch *batch)
{
	elm_error error = { 0 };

	if (elm_session_step(session, batch, &error) != ELM_OK)
		fail_msg("%s", error.text);
}

/* The logits of every token of one sequence, computed in one batch, for free(). */
static float *all_logits(elm_model *model, elm_session_options options, uint32_t n)
{
	uint8_t want[TOKENS];
	elm_batch batch = { .rows = n, .tokens = some_tokens(), .logits = want };
	float *out = malloc(n * VOCABULARY * sizeof(float));
	elm_session *session;

	memset(want, 1, sizeof(want));
	options.max_logits = n;
	session = start(model, options);
	step(session, &batch);
	memcpy(out, elm_session_logits(session, 0), n * VOCABULARY * sizeof(float));
	assert_null(elm_session_logits(session, n));
	elm_session_free(session);
	return out;
}

static void assert_near(const float *a, const float *b, size_t n, double bound)
{
	double error = 0, power = 0;

	for (size_t i = 0; i < n; i++) {
		error += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
		power += (double)a[i] * (double)a[i];
	}
	if (!(error <= bound * power) || power <= 0)
		fail_msg("relative error %g, more than %g (power %g)", error / power, bound, power);
}

/* Keys and values are kept exactly: rounding them would turn a last bit into a larger difference.
 */
static elm_session_options small(void)
{
	elm_session_options options = elm_session_defaults();

	options.kv_type = ELM_TYPE_F32;
	options.context = 128;
	options.threads = 2;
	return options;
}

/* Emulated floating point is a hundred times slower: two families and short contexts will do. */
static bool emulated(void)
{
	return getenv("QEMU_CPU") != NULL;
}

static void batching_changes_nothing(const char *isa, double bound)
{
	static const char *const archs[] = {
		"llama", "gemma2", "qwen2", "qwen3", "gemma3", "phi3"
	};
	size_t count = emulated() ? 2 : sizeof(archs) / sizeof(archs[0]);

	for (size_t a = 0; a < count; a++) {
		elm_model *model = open_for(archs[a], isa);
		float *whole = all_logits(model, small(), TOKENS);
		elm_session_options options = small();
		float *cut, *single;
		elm_session *session;

		options.batch = 7; /* the step is cut into pieces that cross blocks */
		cut = all_logits(model, options, TOKENS);
		assert_near(whole, cut, (size_t)TOKENS * VOCABULARY, bound);
		options.threads = 1;
		single = all_logits(model, options, TOKENS);
		assert_near(whole, single, (size_t)TOKENS * VOCABULARY, bound);

		session = start(model, small());
		for (uint32_t i = 0; i < TOKENS; i++) {
			elm_batch one = { .rows = 1, .tokens = some_tokens() + i };

			step(session, &one);
			assert_near(whole + (size_t)i * VOCABULARY, elm_session_logits(session, 0),
				    VOCABULARY, bound);
		}
		elm_session_free(session);
		free(whole);
		free(cut);
		free(single);
		elm_model_close(model);
	}
}

/* Scalar kernels compute a row alike in any company; the fast ones round differently for one row
 * and for many, and sharp attention makes more of that. */
static void test_batching_changes_nothing(void **state)
{
	batching_changes_nothing("scalar", 1e-12);
	batching_changes_nothing(NULL, 1e-6);
}

/* --- contexts that threads share out --- */

enum { LONG = 1000, LONG_PARTS = 3 };

/* The logits of the last token of LONG, which come in unequal steps, and of ten single ones. */
static void long_logits(elm_model *model, elm_type kv_type, unsigned threads, float *out)
{
	static const uint32_t ends[LONG_PARTS] = { 611, 650, LONG - 11 };
	elm_session_options options = small();
	elm_token tokens[LONG];
	elm_session *session;
	uint32_t at = 0;

	for (int i = 0; i < LONG; i++)
		tokens[i] = (i * 7919 + i / 50 + 13) % VOCABULARY;
	options.context = LONG;
	options.kv_type = kv_type;
	options.threads = threads;
	session = start(model, options);
	for (int i = 0; i < LONG_PARTS + 11; i++) {
		elm_batch batch = { .tokens = tokens + at };

		batch.rows = i < LONG_PARTS ? ends[i] - at : 1;
		step(session, &batch);
		memcpy(out + i * VOCABULARY, elm_session_logits(session, 0),
		       VOCABULARY * sizeof(float));
		at += batch.rows;
	}
	assert_int_equal(at, LONG);
	elm_session_free(session);
}

/* With one key head, threads can only work together by sharing out the context. */
static void test_long_contexts(void **state)
{
	static const char *const archs[] = { "llama", "gemma2", "qwen3" };
	static float one[(LONG_PARTS + 11) * VOCABULARY], more[(LONG_PARTS + 11) * VOCABULARY];

	if (emulated()) {
		print_message("nine runs of 1000 tokens take too long on an emulated processor\n");
		skip();
	}
	for (size_t a = 0; a < 3; a++) {
		elm_type kv_type = a < 2 ? ELM_TYPE_F32 : ELM_TYPE_IQ4_NL;
		elm_model_options options = { .isa = "scalar" };
		tiny_model tiny = { .arch = archs[a], .kv_heads = 1, .context = 1024, .seed = 3 };
		elm_error error = { 0 };
		elm_model *model;

		tiny_model_write(&tiny, temp_path("long.gguf"));
		if (elm_model_open(temp_path("long.gguf"), &options, &model, &error) != ELM_OK)
			fail_msg("%s", error.text);
		long_logits(model, kv_type, 1, one);
		for (unsigned threads = 2; threads <= 5; threads += 3) {
			long_logits(model, kv_type, threads, more);
			for (int i = 0; i < LONG_PARTS + 11; i++)
				assert_near(one + i * VOCABULARY, more + i * VOCABULARY, VOCABULARY,
					    1e-11);
			assert_memory_not_equal(one, more, sizeof(one)); /* parts were used */
		}
		elm_model_close(model);
	}
}

static void test_kv_types(void **state)
{
	elm_model *model = open_tiny("llama");
	elm_session_options options = small();
	float *exact, *half, *bytes, *nibbles;

	options.kv_type = ELM_TYPE_F32;
	exact = all_logits(model, options, TOKENS);
	options.kv_type = ELM_TYPE_F16;
	half = all_logits(model, options, TOKENS);
	options.kv_type = ELM_TYPE_Q8_0;
	bytes = all_logits(model, options, TOKENS);
	assert_near(exact, half, (size_t)TOKENS * VOCABULARY, 1e-6);
	options.kv_type = ELM_TYPE_IQ4_NL;
	nibbles = all_logits(model, options, TOKENS);
	assert_near(exact, bytes, (size_t)TOKENS * VOCABULARY, 2e-4);
	assert_near(exact, nibbles, (size_t)TOKENS * VOCABULARY, 8e-2);
	assert_memory_not_equal(exact, half, VOCABULARY * TOKENS * sizeof(float));
	assert_memory_not_equal(half, bytes, VOCABULARY * TOKENS * sizeof(float));
	free(exact);
	free(half);
	assert_memory_not_equal(bytes, nibbles, VOCABULARY * TOKENS * sizeof(float));
	free(bytes);
	free(nibbles);
	elm_model_close(model);
}

static void test_sequences_do_not_mix(void **state)
{
	elm_model *model = open_tiny("gemma3");
	float *whole = all_logits(model, small(), TOKENS / 2);
	elm_session_options options = small();
	elm_token tokens[2];
	uint32_t sequences[2] = { 0, 2 };
	uint8_t want[2] = { 1, 1 };
	elm_session *session;

	options.max_sequences = 3;
	session = start(model, options);
	for (uint32_t i = 0; i < TOKENS / 2; i++) {
		elm_batch both = { 2, tokens, NULL, sequences, want };

		tokens[0] = some_tokens()[i];
		tokens[1] = some_tokens()[TOKENS - 1 - i];
		step(session, &both);
		assert_near(whole + (size_t)i * VOCABULARY, elm_session_logits(session, 0),
			    VOCABULARY, 1e-6);
	}
	assert_int_equal(elm_session_length(session, 0), TOKENS / 2);
	assert_int_equal(elm_session_length(session, 1), 0);
	assert_int_equal(elm_session_length(session, 2), TOKENS / 2);
	elm_session_free(session);
	free(whole);
	elm_model_close(model);
}

/* --- states --- */

/* What the output matrix makes of a state. */
static void project(const elm_model *model, const float *state, float *out)
{
	const elm_gguf *gguf = elm_model_gguf(model);
	const elm_gguf_tensor *w = elm_gguf_tensor_find(gguf, "output.weight");
	uint32_t width = elm_model_get_info(model)->width;

	if (!w)
		w = elm_gguf_tensor_find(gguf, "token_embd.weight");
	assert_int_equal(w->type, ELM_TYPE_F32);
	for (uint32_t i = 0; i < VOCABULARY; i++) {
		const float *row = (const float *)w->data + (size_t)i * width;
		double sum = 0;

		for (uint32_t j = 0; j < width; j++)
			sum += (double)row[j] * (double)state[j];
		out[i] = (float)sum;
	}
}

/* Rows of two sequences, some of which ask for logits, some for their state, some for nothing. */
static void states_beside_logits(elm_model *model, const float *whole, uint32_t batch_rows)
{
	uint8_t want_logits[TOKENS] = { 0 }, want_states[TOKENS] = { 0 };
	uint32_t sequences[TOKENS], logits = 0, states = 0;
	elm_session_options options = small();
	elm_token tokens[TOKENS];
	elm_batch batch = { .rows = TOKENS,
			    .tokens = tokens,
			    .sequences = sequences,
			    .logits = want_logits,
			    .states = want_states };
	elm_session *session;

	options.max_sequences = 2;
	options.max_logits = options.max_states = TOKENS;
	options.batch = batch_rows;
	session = start(model, options);
	for (uint32_t i = 0; i < TOKENS; i++) {
		sequences[i] = i % 2;
		tokens[i] = some_tokens()[i / 2];
		want_logits[i] = i % 5 == 1;
		want_states[i] = i % 5 == 0 || i % 5 == 2;
	}
	step(session, &batch);
	for (uint32_t i = 0; i < TOKENS; i++) {
		const float *expected = whole + (size_t)(i / 2) * VOCABULARY;
		float projected[VOCABULARY];

		if (want_logits[i])
			assert_near(expected, elm_session_logits(session, logits++), VOCABULARY,
				    1e-6);
		if (!want_states[i])
			continue;
		project(model, elm_session_state(session, states++), projected);
		assert_near(expected, projected, VOCABULARY, 1e-6);
	}
	assert_null(elm_session_logits(session, logits));
	assert_null(elm_session_state(session, states));
	elm_session_free(session);
}

static void test_states_are_what_logits_are_made_of(void **state)
{
	static const char *const archs[] = { "llama", "qwen2", "qwen3", "gemma3", "phi3" };

	for (size_t a = 0; a < sizeof(archs) / sizeof(archs[0]); a++) {
		elm_model *model = open_for(archs[a], "scalar");
		float *whole = all_logits(model, small(), TOKENS / 2);

		states_beside_logits(model, whole, 0);
		states_beside_logits(model, whole, 7);
		free(whole);
		elm_model_close(model);
	}
}

static void test_only_states(void **state)
{
	elm_model *model = open_tiny("llama");
	elm_session_options options = small();
	uint8_t want[TOKENS] = { [4] = 1 };
	elm_batch batch = { .rows = 10, .tokens = some_tokens(), .states = want };
	elm_session *session;
	elm_error error = { 0 };

	options.max_states = 1;
	session = start(model, options);
	step(session, &batch);
	assert_non_null(elm_session_state(session, 0));
	assert_null(elm_session_state(session, 1));
	assert_null(elm_session_logits(session, 0));
	want[5] = 1;
	assert_int_equal(elm_session_step(session, &batch, &error), ELM_ERR_ARGUMENT);
	assert_non_null(strstr(error.text, "created for 1"));
	want[5] = 0;
	batch.logits = want;
	assert_int_equal(elm_session_step(session, &batch, &error), ELM_ERR_ARGUMENT);
	assert_non_null(strstr(error.text, "row 4"));
	assert_int_equal(elm_session_length(session, 0), 10);
	elm_session_free(session);
	elm_model_close(model);
}

/* --- forks --- */

/* Continues a sequence by some tokens and returns the last logits. */
static const float *go_on(elm_session *session, uint32_t sequence, const elm_token *tokens,
			  uint32_t n)
{
	uint32_t sequences[TOKENS];
	elm_batch batch = { n, tokens, NULL, sequences, NULL };

	for (uint32_t i = 0; i < n; i++)
		sequences[i] = sequence;
	step(session, &batch);
	return elm_session_logits(session, 0);
}

static void test_forks_share_and_part(void **state)
{
	const elm_token *t = some_tokens();
	elm_model *model = open_tiny("llama");
	elm_session_options options = small();
	float expected[VOCABULARY];
	elm_session *session;
	uint32_t room;

	options.max_sequences = 3;
	session = start(model, options);
	go_on(session, 0, t, 50);
	memcpy(expected, go_on(session, 0, t + 50, 20), sizeof(expected));
	elm_session_truncate(session, 0, 50);
	room = elm_session_free_tokens(session);
	assert_int_equal(room, 128 - 64);

	/* One whole block is shared, the partial one copied. */
	assert_int_equal(elm_session_fork(session, 0, 1, 50, NULL), ELM_OK);
	assert_int_equal(elm_session_free_tokens(session), room - 32);
	go_on(session, 0, t + 3, 5);
	assert_near(expected, go_on(session, 1, t + 50, 20), VOCABULARY, 1e-6);

	/* Cutting into a shared block and going on copies it: the other owner sees nothing. */
	elm_session_truncate(session, 0, 0);
	assert_int_equal(elm_session_fork(session, 1, 0, 32, NULL), ELM_OK);
	elm_session_truncate(session, 0, 20);
	go_on(session, 0, t + 60, 6);
	elm_session_truncate(session, 1, 50);
	assert_near(expected, go_on(session, 1, t + 50, 20), VOCABULARY, 1e-6);

	elm_session_truncate(session, 0, 0);
	elm_session_truncate(session, 1, 0);
	assert_int_equal(elm_session_free_tokens(session), 128);
	elm_session_free(session);
	elm_model_close(model);
}

static void test_fork_errors(void **state)
{
	elm_model *model = open_tiny("llama");
	elm_session_options options = small();
	elm_error error = { 0 };
	elm_session *session;

	options.max_sequences = 2;
	options.context = 64;
	session = start(model, options);
	go_on(session, 0, some_tokens(), 40);
	assert_int_equal(elm_session_fork(session, 0, 0, 1, &error), ELM_ERR_ARGUMENT);
	assert_int_equal(elm_session_fork(session, 0, 2, 1, &error), ELM_ERR_ARGUMENT);
	assert_int_equal(elm_session_fork(session, 0, 1, 41, &error), ELM_ERR_ARGUMENT);
	assert_contains(error.text, "holds 40 tokens, not 41");
	assert_int_equal(elm_session_fork(session, 0, 1, 40, &error), ELM_ERR_FULL);
	assert_int_equal(elm_session_length(session, 1), 0);
	assert_int_equal(elm_session_fork(session, 0, 1, 32, &error), ELM_OK);
	elm_session_free(session);
	elm_model_close(model);
}

/* --- refusals --- */

static void refuse(elm_session *session, const elm_batch *batch, elm_status status,
		   const char *what)
{
	uint32_t before = elm_session_length(session, 0), room = elm_session_free_tokens(session);
	elm_error error = { 0 };

	assert_int_equal(elm_session_step(session, batch, &error), status);
	assert_contains(error.text, what);
	assert_int_equal(elm_session_length(session, 0), before);
	assert_int_equal(elm_session_free_tokens(session), room);
}

static void test_bad_rows(void **state)
{
	elm_token tokens[3] = { 1, 2, 3 }, wrong[3] = { 1, VOCABULARY, 3 }, negative[1] = { -1 };
	uint32_t positions[3] = { 0, 1, 3 }, sequences[3] = { 0, 1, 0 };
	uint8_t want[3] = { 1, 0, 1 };
	elm_model *model = open_tiny("llama");
	elm_session *session = start(model, small());

	refuse(session, &(elm_batch){ 0, tokens, NULL, NULL, NULL }, ELM_ERR_ARGUMENT, "one row");
	refuse(session, &(elm_batch){ 3, wrong, NULL, NULL, NULL }, ELM_ERR_ARGUMENT,
	       "row 1: token 288");
	refuse(session, &(elm_batch){ 1, negative, NULL, NULL, NULL }, ELM_ERR_ARGUMENT,
	       "token -1");
	refuse(session, &(elm_batch){ 3, tokens, positions, NULL, NULL }, ELM_ERR_ARGUMENT,
	       "row 2: position 3");
	refuse(session, &(elm_batch){ 3, tokens, NULL, sequences, NULL }, ELM_ERR_ARGUMENT,
	       "row 1: sequence 1");
	refuse(session, &(elm_batch){ 3, tokens, NULL, NULL, want }, ELM_ERR_ARGUMENT,
	       "2 rows ask for logits");
	elm_session_free(session);
	elm_model_close(model);
}

static void test_full(void **state)
{
	elm_model *model = open_tiny("llama");
	elm_session_options options = small();
	elm_token tokens[65] = { 0 };
	elm_session *session;

	options.context = 50; /* two blocks: 64 tokens */
	options.max_sequences = 2;
	session = start(model, options);
	refuse(session, &(elm_batch){ 65, tokens, NULL, NULL, NULL }, ELM_ERR_FULL, "65 tokens");
	go_on(session, 1, tokens, 30);
	refuse(session, &(elm_batch){ 40, tokens, NULL, NULL, NULL }, ELM_ERR_FULL, "2 blocks");
	go_on(session, 0, tokens, 32);
	assert_int_equal(elm_session_free_tokens(session), 0);
	go_on(session, 1, tokens, 2); /* still fits in its own block */
	elm_session_free(session);
	elm_model_close(model);
}

static void test_cancel(void **state)
{
	elm_model *model = open_tiny("llama");
	elm_session *session = start(model, small());
	volatile int flag = 0;
	elm_error error = { 0 };
	elm_batch batch = { .rows = 10, .tokens = some_tokens() };

	elm_session_set_cancel(session, &flag);
	go_on(session, 0, some_tokens(), 10);
	flag = 1;
	assert_int_equal(elm_session_step(session, &batch, &error), ELM_ERR_CANCELLED);
	assert_int_equal(elm_session_length(session, 0), 10);
	flag = 0;
	step(session, &batch);
	assert_int_equal(elm_session_length(session, 0), 20);
	elm_session_free(session);
	elm_model_close(model);
}

static void test_options(void **state)
{
	elm_model *model = open_tiny("llama");
	elm_session_options options = elm_session_defaults();
	const elm_session_options *used;
	elm_error error = { 0 };
	elm_session *session = start(model, options);

	used = elm_session_get_options(session);
	assert_int_equal(used->context, 256); /* what the model was trained for */
	assert_int_equal(used->batch, 256);
	assert_int_equal(used->max_sequences, 1);
	assert_true(used->threads >= 1);
	assert_ptr_equal(elm_session_model(session), model);
	elm_session_free(session);

	options.kv_type = ELM_TYPE_Q4_K;
	assert_int_equal(elm_session_create(model, &options, &session, &error),
			 ELM_ERR_UNSUPPORTED);
	assert_contains(error.text, "Q4_K");
	options = elm_session_defaults();
	options.threads = 100000;
	assert_int_equal(elm_session_create(model, &options, &session, &error), ELM_ERR_ARGUMENT);
	assert_contains(error.text, "threads is 100000");
	options = elm_session_defaults();
	options.context = UINT32_MAX;
	assert_int_equal(elm_session_create(model, &options, &session, &error), ELM_ERR_ARGUMENT);
	assert_null(session);
	elm_model_close(model);
}

/* --- memory --- */

static void test_estimate(void **state)
{
	elm_model *model = open_tiny("llama");
	elm_session_options options = small();
	elm_memory_estimate one, two, file;

	assert_int_equal(elm_session_estimate(model, &options, &one, NULL), ELM_OK);
	/* 2 layers, 2 heads, keys and values, 128 tokens of 16 numbers of 4 bytes */
	assert_int_equal(one.kv, 2 * 2 * 2 * 128 * 16 * 4);
	assert_int_equal(one.weights, elm_model_get_info(model)->weight_bytes);
	assert_int_equal(one.total, one.weights + one.packed + one.kv + one.scratch);
	options.context *= 2;
	options.kv_type = ELM_TYPE_F16;
	assert_int_equal(elm_session_estimate(model, &options, &two, NULL), ELM_OK);
	assert_int_equal(two.kv, one.kv);
	assert_int_equal(elm_session_estimate_gguf(elm_model_gguf(model), &options, &file, NULL),
			 ELM_OK);
	assert_int_equal(file.kv, two.kv);
	assert_int_equal(file.scratch, two.scratch);
	elm_model_close(model);
}

static elm_status create_and_free(void *user, elm_error *error)
{
	elm_session_options options = small();
	elm_session *session;
	elm_status status;

	options.max_states = 4;
	status = elm_session_create(user, &options, &session, error);

	elm_session_free(session);
	return status;
}

static void test_out_of_memory(void **state)
{
	elm_model *model = open_tiny("llama");

	assert_true(fail_each_allocation(create_and_free, model) >= 4);
	elm_model_close(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batching_changes_nothing),
		cmocka_unit_test(test_long_contexts),
		cmocka_unit_test(test_kv_types),
		cmocka_unit_test(test_sequences_do_not_mix),
		cmocka_unit_test(test_states_are_what_logits_are_made_of),
		cmocka_unit_test(test_only_states),
		cmocka_unit_test(test_forks_share_and_part),
		cmocka_unit_test(test_fork_errors),
		cmocka_unit_test(test_bad_rows),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_estimate),
		cmocka_unit_test(test_out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

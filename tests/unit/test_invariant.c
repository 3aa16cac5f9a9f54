/* Models opened as batch_invariant: what a row gives must be the same to the last bit however a
 * text is cut into steps, and whatever other sequences are in them. */
#include <edgelm/session.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "support.h"
#include "tiny_model.h"

/* Long enough for threads to share out a context, were they allowed to; what is compared comes
 * after a beginning that is computed at once. */
enum { TOKENS = 560, FIRST = 520, OTHERS = 2 };

typedef struct text {
	elm_token tokens[TOKENS];
	float *logits; /* TOKENS rows */
} text;

static void make_text(text *t, uint64_t seed)
{
	for (int i = 0; i < TOKENS; i++)
		t->tokens[i] = (elm_token)(elm__splitmix64(&seed) % TINY_VOCABULARY);
	t->logits = malloc(sizeof(float) * TOKENS * TINY_VOCABULARY);
	assert_non_null(t->logits);
}

static elm_session *start(elm_model *model, elm_type kv_type)
{
	elm_session_options options = elm_session_defaults();
	elm_error error = { 0 };
	elm_session *session;

	options.context = 2048;
	options.max_sequences = 2;
	options.max_logits = TOKENS + OTHERS;
	options.threads = 2;
	options.batch = TOKENS + OTHERS;
	options.kv_type = kv_type;
	if (elm_session_create(model, &options, &session, &error))
		fail_msg("%s", error.text);
	return session;
}

/* Computes a text in steps of so many tokens, beside some of another one in each, and keeps its
 * logits. */
static void compute(elm_model *model, elm_type kv_type, text *t, uint32_t rows, uint32_t beside)
{
	elm_session *session = start(model, kv_type);
	elm_token tokens[TOKENS + OTHERS];
	uint32_t sequences[TOKENS + OTHERS];
	uint8_t want[TOKENS + OTHERS];
	elm_error error = { 0 };

	memset(want, 1, sizeof(want));
	for (uint32_t at = 0, n; at < TOKENS; at += n) {
		uint32_t most = rows == 1 && !at ? FIRST : rows;
		elm_batch batch = { 0, tokens, NULL, sequences, want };

		n = TOKENS - at < most ? TOKENS - at : most;
		batch.rows = n + beside;
		for (uint32_t i = 0; i < n + beside; i++) {
			tokens[i] = i < n ? t->tokens[at + i] : (elm_token)(i % TINY_VOCABULARY);
			sequences[i] = i >= n;
		}
		if (elm_session_step(session, &batch, &error))
			fail_msg("%s", error.text);
		for (uint32_t i = 0; i < n; i++)
			memcpy(t->logits + (size_t)(at + i) * TINY_VOCABULARY,
			       elm_session_logits(session, i), TINY_VOCABULARY * sizeof(float));
	}
	elm_session_free(session);
}

/* False when the instructions cannot do it. */
static bool check_model(const char *isa, const char *arch, elm_type type, elm_type kv_type)
{
	tiny_model tiny = { .arch = arch,
			    .layers = 1,
			    .width = 256,
			    .heads = 4,
			    .kv_heads = 2,
			    .ffn = 1024,
			    .context = 2048,
			    .type = type,
			    .seed = 5 };
	elm_model_options options = { .isa = isa, .batch_invariant = true };
	const char *path = temp_path("invariant.gguf");
	elm_error error = { 0 };
	elm_model *model;
	text one, other;

	tiny_model_write(&tiny, path);
	if (elm_model_open(path, &options, &model, &error)) {
		assert_int_equal(error.status, ELM_ERR_UNSUPPORTED);
		assert_contains(error.text, "scalar");
		print_message("skipped: %s\n", error.text);
		return false;
	}
	make_text(&one, 7);
	make_text(&other, 7);
	compute(model, kv_type, &one, 1, 0);
	for (uint32_t beside = 0; beside <= OTHERS; beside += OTHERS) {
		uint32_t rows = beside ? 41 : TOKENS;

		compute(model, kv_type, &other, rows, beside);
		if (memcmp(one.logits, other.logits, sizeof(float) * TOKENS * TINY_VOCABULARY) != 0)
			fail_msg("%s, %s, %s: steps of %u rows and %u others differ",
				 elm_model_isa(model), arch, elm_type_get(type)->name, rows,
				 beside);
	}
	free(one.logits);
	free(other.logits);
	elm_model_close(model);
	return true;
}

static void the_scalar_kernels(void **state)
{
	(void)state;
	assert_true(check_model("scalar", "llama", ELM_TYPE_Q8_0, ELM_TYPE_F16));
}

static void the_best_of_this_machine(void **state)
{
	static const elm_type types[] = {
		ELM_TYPE_F32,  ELM_TYPE_F16,  ELM_TYPE_BF16, ELM_TYPE_Q4_0,   ELM_TYPE_Q4_1,
		ELM_TYPE_Q5_0, ELM_TYPE_Q5_1, ELM_TYPE_Q8_0, ELM_TYPE_Q2_K,   ELM_TYPE_Q3_K,
		ELM_TYPE_Q4_K, ELM_TYPE_Q5_K, ELM_TYPE_Q6_K, ELM_TYPE_IQ4_NL, ELM_TYPE_IQ4_XS,
	};

	static const char *const archs[] = { "qwen2", "qwen3", "gemma2", "gemma3", "phi3" };

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!check_model(NULL, "llama", types[i], i % 2 ? ELM_TYPE_Q8_0 : ELM_TYPE_F16))
			return;
	/* Windows, caps, norms of heads, biases. */
	for (size_t i = 0; i < sizeof(archs) / sizeof(archs[0]); i++)
		check_model(NULL, archs[i], ELM_TYPE_Q4_0, ELM_TYPE_F16);
}

/* Where it is not asked for, or cannot be had, nothing else changes. */
static void tiers_between_cannot(void **state)
{
	elm_model_options options = { .isa = "avx2", .batch_invariant = true };
	tiny_model tiny = { .seed = 1 };
	const char *path = temp_path("invariant.gguf");
	elm_error error = { 0 };
	elm_model *model;

	(void)state;
	tiny_model_write(&tiny, path);
	if (elm_model_open(path, &options, &model, &error) == ELM_OK)
		/* On a machine without AVX2, that is the reference. */
		assert_string_equal(elm_model_isa(model), "scalar");
	elm_model_close(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_scalar_kernels),
		cmocka_unit_test(the_best_of_this_machine),
		cmocka_unit_test(tiers_between_cannot),
	};

	return cmocka_run_group_tests_name("invariant", tests, NULL, NULL);
}

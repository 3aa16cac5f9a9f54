/* Scaled channels: before rounding the model computes what it did before, for every architecture;
 * running out of memory. */
#include <edgelm/session.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compress/awq.h"
#include "model/core.h"
#include "support.h"
#include "tiny_model.h"

enum { TOKENS = 128, WINDOW = 64 };

static elm_token tokens[TOKENS];

/* Scales are found for Q4_0, but written in F32. */
typedef struct unrounded {
	elm__awq awq;
	elm__quant_plan quantised;
	size_t changed;
} unrounded;

static elm_status prepare(void *user, const elm__quant_plan *plan, uint32_t group,
			  elm__substitute *out, elm_error *error)
{
	unrounded *u = user;
	elm_status status = elm__awq_prepare(&u->awq, &u->quantised, group, out, error);

	for (size_t i = 0; i < plan->count; i++) {
		assert_ptr_equal(plan->items[i].tensor, u->quantised.items[i].tensor);
		out[i].importance = NULL;
		out[i].blocks = NULL;
		u->changed += out[i].weights != NULL;
	}
	return status;
}

static void logits_of(const char *path, float *out)
{
	elm_session_options options = elm_session_defaults();
	elm_model_options fresh = { .isa = "scalar" };
	uint8_t wanted[WINDOW];
	elm_batch batch = { .rows = WINDOW, .tokens = tokens, .logits = wanted };
	elm_session *session;
	elm_model *model;

	memset(wanted, 1, sizeof(wanted));
	options.kv_type = ELM_TYPE_F32;
	options.max_logits = WINDOW;
	options.threads = 1;
	assert_int_equal(elm_model_open(path, &fresh, &model, NULL), ELM_OK);
	assert_int_equal(elm_session_create(model, &options, &session, NULL), ELM_OK);
	assert_int_equal(elm_session_step(session, &batch, NULL), ELM_OK);
	memcpy(out, elm_session_logits(session, 0), WINDOW * TINY_VOCABULARY * sizeof(*out));
	elm_session_free(session);
	elm_model_close(model);
}

typedef struct subject {
	elm_model *model;
	elm__walk walk;
	elm__calib calib;
} subject;

static elm_status start(subject *s, const char *path, elm_error *error)
{
	elm__walk_options options = { .window = WINDOW, .threads = 2, .memory = UINT64_MAX };
	elm_model_options fresh = { .isa = "scalar" };
	elm_status status = elm_model_open(path, &fresh, &s->model, error);

	if (!status)
		status = elm__walk_init(&s->walk, s->model, tokens, TOKENS, &options, error);
	if (!status)
		status = elm__calib_create(&s->calib, s->model->gguf, &s->model->hparams,
					   ELM__PRODUCTS_SHARED, UINT64_MAX, "", error);
	return status;
}

static void stop(subject *s)
{
	elm__calib_release(&s->calib);
	elm__walk_release(&s->walk);
	elm_model_close(s->model);
	memset(s, 0, sizeof(*s));
}

static elm_status scale(const char *from, const char *to, size_t *changed, elm_error *error)
{
	subject s = { 0 };
	unrounded u = { 0 };
	elm__method method = { prepare, &u };
	elm__quantize_options options = { .name = "test", .method = &method };
	elm__quant_plan plan = { 0 };
	elm_status status = start(&s, from, error);

	if (!status)
		status = elm__quant_plan_make(&u.quantised, s.model->gguf, &s.model->hparams,
					      elm__mix_find("Q4_0"), NULL, 0, false, error);
	if (!status)
		status = elm__quant_plan_make(&plan, s.model->gguf, &s.model->hparams,
					      elm__mix_find("F32"), NULL, 0, false, error);
	u.awq = (elm__awq){ .walk = &s.walk,
			    .calib = &s.calib,
			    .pool = s.walk.pool,
			    .multiplier = &s.walk.multiplier };
	options.pool = s.walk.pool;
	if (!status)
		status = elm__quantize(&plan, to, &options, error);
	*changed = u.changed;
	elm__awq_release(&u.awq);
	elm__quant_plan_release(&plan);
	elm__quant_plan_release(&u.quantised);
	stop(&s);
	return status;
}

static void nothing_changes_before_rounding(void **state)
{
	static const char *const archs[] = {
		"llama", "qwen2", "qwen3", "gemma2", "gemma3", "phi3"
	};
	float *was = malloc(WINDOW * TINY_VOCABULARY * sizeof(float));
	float *is = malloc(WINDOW * TINY_VOCABULARY * sizeof(float));

	for (size_t a = 0; a < sizeof(archs) / sizeof(archs[0]); a++) {
		tiny_model tiny = { .arch = archs[a], .seed = 21 };
		const char *from = temp_path("whole.gguf"), *to = temp_path("scaled.gguf");
		double error = 0, power = 0;
		elm_error why = { 0 };
		size_t changed;

		tiny_model_write(&tiny, from);
		if (scale(from, to, &changed, &why))
			fail_msg("%s: %s", archs[a], why.text);
		assert_true(changed >= 8);
		logits_of(from, was);
		logits_of(to, is);
		for (size_t i = 0; i < WINDOW * TINY_VOCABULARY; i++) {
			double d = (double)was[i] - (double)is[i];

			error += d * d;
			power += (double)was[i] * (double)was[i];
		}
		if (!(sqrt(error / power) < 1e-5))
			fail_msg("%s: relative error %g", archs[a], sqrt(error / power));
	}
	free(was);
	free(is);
}

static elm_status scale_once(void *user, elm_error *error)
{
	size_t changed;

	(void)user;
	return scale(temp_path("small.gguf"), temp_path("memory.gguf"), &changed, error);
}

static void without_memory(void **state)
{
	tiny_model tiny = { .layers = 1, .width = 32, .heads = 2, .kv_heads = 1, .ffn = 32 };

	tiny_model_write(&tiny, temp_path("small.gguf"));
	assert_true(fail_each_allocation(scale_once, NULL) > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_changes_before_rounding),
		cmocka_unit_test(without_memory),
	};

	for (int i = 0; i < TOKENS; i++)
		tokens[i] = (i * 7919 + 13) % TINY_VOCABULARY;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

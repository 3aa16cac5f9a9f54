/* Calibration: layer by layer the same as at once, sums as defined, files good and hostile, going
 * on after an interruption. */
#include <edgelm/session.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "compress/calibrate.h"
#include "model/core.h"
#include "quant/quant.h"
#include "support.h"
#include "tiny_model.h"

enum { TOKENS = 100, WINDOW = 40 };

static elm_token tokens[TOKENS];

static elm_model *open_tiny(const char *arch)
{
	tiny_model tiny = { .arch = arch, .seed = 5 };
	elm_error error = { 0 };
	elm_model *model;

	tiny_model_write(&tiny, temp_path("calibrate.gguf"));
	if (elm_model_open(temp_path("calibrate.gguf"), NULL, &model, &error) != ELM_OK)
		fail_msg("%s", error.text);
	return model;
}

static elm__walk_options walk_options(void)
{
	return (elm__walk_options){ .window = WINDOW, .threads = 2, .memory = UINT64_MAX };
}

/* --- the walk --- */

/* The logits of one row from its residual stream after the last layer. */
static void finish(const elm_model *model, const float *state, float *logits)
{
	const elm__matrix *out = &model->weights.output;
	size_t width = model->hparams.width;
	float normed[512], cap = model->hparams.final_softcap;

	model->kernels.rms_norm(state, model->weights.output_norm, model->hparams.norm_epsilon,
				normed, width);
	for (size_t i = 0; i < out->rows; i++) {
		logits[i] = elm__dot_ref(out->type, (const char *)out->data + i * out->row_bytes,
					 normed, width);
		if (cap > 0)
			logits[i] = cap * tanhf(logits[i] / cap);
	}
}

static void assert_window(elm__walk *walk, uint32_t window)
{
	elm_session_options options = elm_session_defaults();
	elm_session *session;
	float logits[TINY_VOCABULARY];
	elm_batch batch = { .rows = 1 };
	double error = 0, power = 0;

	options.kv_type = ELM_TYPE_F32;
	assert_int_equal(elm_session_create(walk->model, &options, &session, NULL), ELM_OK);
	for (uint32_t i = 0; i < WINDOW; i++) {
		batch.tokens = walk->tokens + window * WINDOW + i;
		assert_int_equal(elm_session_step(session, &batch, NULL), ELM_OK);
		finish(walk->model, elm__walk_state(walk, window) + i * walk->model->hparams.width,
		       logits);
		for (int k = 0; k < TINY_VOCABULARY; k++) {
			double expected = (double)elm_session_logits(session, 0)[k];

			error += ((double)logits[k] - expected) * ((double)logits[k] - expected);
			power += expected * expected;
		}
	}
	assert_true(power > 0 && error < 1e-6 * power);
	elm_session_free(session);
}

static void layers_one_by_one(void **state)
{
	static const char *const archs[] = {
		"llama", "qwen2", "qwen3", "gemma2", "gemma3", "phi3"
	};

	for (size_t a = 0; a < sizeof(archs) / sizeof(archs[0]); a++) {
		elm_model *model = open_tiny(archs[a]);
		elm__walk_options options = walk_options();
		elm__walk walk;

		if (a & 1) { /* in a file */
			options.memory = 0;
			options.beside = temp_path("spilled");
		}
		assert_int_equal(elm__walk_init(&walk, model, tokens, TOKENS, &options, NULL),
				 ELM_OK);
		assert_int_equal(walk.windows, TOKENS / WINDOW);
		assert_int_equal(walk.tokens[WINDOW], 1); /* BOS */
		assert_int_equal(walk.tokens[WINDOW + 1], tokens[WINDOW + 1]);
		while (walk.layer < 2) {
			/* Looking changes nothing. */
			elm__walk_look(&walk, walk.done, NULL);
			elm__walk_step(&walk, NULL);
		}
		assert_window(&walk, 0);
		assert_window(&walk, 1);
		elm__walk_release(&walk);
		elm_model_close(model);
	}
}

static void walks_that_cannot_be(void **state)
{
	elm_model *model = open_tiny(NULL);
	elm__walk_options options = walk_options();
	elm_error error = { 0 };
	elm__walk walk;

	assert_int_equal(elm__walk_init(&walk, model, tokens, WINDOW - 1, &options, &error),
			 ELM_ERR_ARGUMENT);
	assert_contains(error.text, "39 tokens, less than one window of 40");
	options.window = 1;
	assert_int_equal(elm__walk_init(&walk, model, tokens, TOKENS, &options, &error),
			 ELM_ERR_ARGUMENT);
	options.window = WINDOW;
	options.memory = 0;
	options.beside = "/no/such/folder/x";
	assert_int_equal(elm__walk_init(&walk, model, tokens, TOKENS, &options, &error),
			 ELM_ERR_NOT_FOUND);
	assert_contains(error.text, "/no/such/folder/x");
	elm_model_close(model);
}

/* --- sums --- */

static void sums_as_defined(void **state)
{
	enum { ROWS = 23 };
	elm__multiplier multiplier;
	elm__kernels kernels;

	elm__kernels_init(&kernels, 0);
	assert_int_equal(elm__multiplier_init(&multiplier, &kernels, 3, NULL), ELM_OK);
	for (size_t cols = 1; cols < 80; cols += 13) {
		float *x = malloc(ROWS * cols * sizeof(*x)), *sums[2][4];

		for (size_t i = 0; i < ROWS * cols; i++)
			x[i] = sinf((float)i * 0.7f) * (float)(i % 5);
		for (unsigned members = 1; members <= 3; members += 2) {
			elm__channels c = { .cols = cols };
			float **to = sums[members > 1];

			for (int k = 0; k < 4; k++)
				to[k] = calloc(cols * (k == 3 ? cols : 1), sizeof(float));
			c.square = to[0];
			c.sum = to[1];
			c.magnitude = to[2];
			c.products = to[3];
			for (unsigned m = 0; m < members; m++)
				elm__channels_add(&c, &multiplier, x, cols, ROWS, m, members);
			elm__channels_mirror(&c);
			assert_int_equal(c.count, ROWS);
		}
		for (size_t i = 0; i < cols; i++)
			for (size_t j = 0; j < cols; j++) {
				double product = 0, sum = 0, magnitude = 0;

				for (size_t t = 0; t < ROWS; t++) {
					double v = (double)x[t * cols + i];

					product += v * (double)x[t * cols + j];
					sum += v;
					magnitude += fabs(v);
				}
				assert_float_equal(sums[0][3][i * cols + j], product, 1e-3);
				if (i == j)
					assert_float_equal(sums[0][0][i], product, 1e-3);
				assert_float_equal(sums[0][1][i], sum, 1e-3);
				assert_float_equal(sums[0][2][i], magnitude, 1e-3);
			}
		for (int k = 0; k < 4; k++) {
			/* The same with any number of members. */
			assert_memory_equal(sums[0][k], sums[1][k],
					    cols * (k == 3 ? cols : 1) * sizeof(float));
			free(sums[0][k]);
			free(sums[1][k]);
		}
		free(x);
	}
	elm__multiplier_release(&multiplier);
}

/* --- files --- */

static elm__calibrate_options options_for(const char *output, bool products)
{
	return (elm__calibrate_options){ .walk = walk_options(),
					 .output = output,
					 .text_name = "some text",
					 .products = products };
}

static void calibrate(elm_model *model, const elm__calibrate_options *options)
{
	elm__calibrate_report report;
	elm_error error = { 0 };

	if (elm__calibrate(model, tokens, TOKENS, options, &report, &error))
		fail_msg("%s", error.text);
	assert_int_equal(report.tokens, TOKENS / WINDOW * WINDOW);
}

static void files_come_back(void **state)
{
	static const char *const archs[] = { "llama", "phi3", "gemma2" };

	for (size_t a = 0; a < 3; a++) {
		elm_model *model = open_tiny(archs[a]);
		const char *path = temp_path("come-back.calib");
		elm__calibrate_options options = options_for(path, true);
		elm_error error = { 0 };
		elm__role role = { 1, ELM__INPUT_DOWN }, out = { 2, 0 };
		elm__calib calib;
		elm__channels *c;
		double trace = 0;

		calibrate(model, &options);
		if (elm__calib_load(&calib, path, model->gguf, &model->hparams, &error))
			fail_msg("%s", error.text);
		assert_int_equal(calib.windows, TOKENS / WINDOW);
		assert_int_equal(calib.window, WINDOW);
		c = elm__calib_at(&calib, role);
		assert_int_equal(c->cols, 96);
		assert_int_equal(c->count, TOKENS / WINDOW * WINDOW);
		assert_int_equal(elm__calib_check_products(&calib, role, NULL), ELM_OK);
		for (size_t i = 0; i < c->cols; i++) {
			assert_true(c->square[i] > 0 && c->magnitude[i] > 0);
			assert_true(c->magnitude[i] >= fabsf(c->sum[i]));
			assert_float_equal(c->products[i * 97] / c->square[i], 1, 1e-5);
			trace += (double)c->square[i];
		}
		assert_true(trace > 0);
		c = elm__calib_at(&calib, out);
		assert_int_equal(c->cols, 64);
		assert_true(c->count && c->square[63] > 0 && !c->products);
		elm__calib_release(&calib);
		elm_model_close(model);
	}
}

static bool stop_at(void *user, uint64_t done, uint64_t total)
{
	assert_int_equal(total, 2 * (TOKENS / WINDOW));
	return done == *(uint64_t *)user;
}

/* Wherever it is interrupted, going on gives the same bytes as if it had not been. */
static void going_on(void **state)
{
	elm_model *model = open_tiny(NULL);
	const char *whole = temp_path("whole.calib"), *parts = temp_path("parts.calib");
	elm__calibrate_options options = options_for(whole, true);
	elm__buf a = ELM__BUF_INIT, b = ELM__BUF_INIT;
	elm__calibrate_report report;
	elm_error error = { 0 };
	elm__calib calib;

	calibrate(model, &options);
	read_whole(whole, &a);
	options.output = parts;
	options.progress = stop_at;
	options.resume = true;
	for (uint64_t at = 1; at < 4; at++) {
		options.user = &at;
		assert_int_equal(elm__calibrate(model, tokens, TOKENS, &options, &report, &error),
				 ELM_ERR_CANCELLED);
		assert_contains(error.text, "--resume");
		assert_int_equal(report.resumed, at > 1);
		assert_int_equal(elm__calib_load(&calib, parts, model->gguf, &model->hparams,
						 &error),
				 ELM_ERR_ARGUMENT);
		assert_contains(error.text, "unfinished");
	}
	/* Another text, another kind: refused, and the file stays. */
	options.progress = NULL;
	options.walk.window = WINDOW / 2;
	assert_int_equal(elm__calibrate(model, tokens, TOKENS, &options, &report, &error),
			 ELM_ERR_ARGUMENT);
	assert_contains(error.text, "another model, text or window");
	options.walk.window = WINDOW;
	options.products = false;
	assert_int_equal(elm__calibrate(model, tokens, TOKENS, &options, &report, &error),
			 ELM_ERR_ARGUMENT);
	assert_contains(error.text, "begun with --hessian");
	options.products = true;
	calibrate(model, &options);
	read_whole(parts, &b);
	assert_int_equal(a.length, b.length);
	assert_memory_equal(a.data, b.data, a.length);
	elm__buf_release(&a);
	elm__buf_release(&b);
	elm_model_close(model);
}

static void damaged_files(void **state)
{
	elm_model *model = open_tiny(NULL);
	const char *path = temp_path("damaged.calib");
	elm__calibrate_options options = options_for(path, true);
	elm__buf good = ELM__BUF_INIT;
	elm_error error = { 0 };
	size_t refused = 0, tried = 0;
	elm__calib calib;

	calibrate(model, &options);
	read_whole(path, &good);
	/* A bit that flips in a value is found at once, or when products are used. */
	for (size_t at = good.length / 4; at < good.length - 4096; at += 4099, tried++) {
		elm_status status;

		good.data[at] ^= 4;
		assert_int_equal(elm__file_replace(path, good.data, good.length, NULL), ELM_OK);
		good.data[at] ^= 4;
		status = elm__calib_load(&calib, path, model->gguf, &model->hparams, &error);
		if (status) {
			refused++;
			continue;
		}
		for (size_t i = 0; i < elm__calib_inputs(&calib) && !status; i++)
			status = elm__calib_check_products(&calib, elm__calib_role(i), &error);
		refused += status != ELM_OK;
		elm__calib_release(&calib);
	}
	assert_true(tried > 10);
	assert_true(refused >= tried - 2); /* the gaps between tensors are nobody's */
	assert_int_equal(elm__calib_load(&calib, temp_path("calibrate.gguf"), model->gguf,
					 &model->hparams, &error),
			 ELM_ERR_FORMAT);
	assert_contains(error.text, "not one of calibration");
	elm__buf_release(&good);
	elm_model_close(model);
}

static void another_model(void **state)
{
	elm_model *model = open_tiny(NULL), *other;
	tiny_model wide = { .width = 128, .ffn = 192 };
	const char *path = temp_path("other.calib"), *wide_path = temp_path("wide.gguf");
	elm__calibrate_options options = options_for(path, false);
	elm_error error = { 0 };
	elm__calib calib;

	calibrate(model, &options);
	tiny_model_write(&wide, wide_path);
	assert_int_equal(elm_model_open(wide_path, NULL, &other, NULL), ELM_OK);
	assert_int_equal(elm__calib_load(&calib, path, other->gguf, &other->hparams, &error),
			 ELM_ERR_ARGUMENT);
	assert_contains(error.text, "is of another model");
	elm_model_close(other);
	elm_model_close(model);
}

/* One NaN among the weights makes everything NaN. */
static void spoil(tiny_tensor *tensor, void *user)
{
	(void)user;
	if (!strcmp(tensor->name, "blk.1.attn_norm.weight"))
		tensor->type = ELM_TYPE_F32;
}

static void damaged_models(void **state)
{
	tiny_model tiny = { .tensor = spoil };
	const char *path = temp_path("nan.gguf");
	elm__calibrate_options options = options_for(temp_path("nan.calib"), false);
	elm__calibrate_report report;
	const elm_gguf_tensor *t;
	elm__buf bytes = ELM__BUF_INIT;
	elm_error error = { 0 };
	elm_model *model;
	elm_gguf *gguf;

	tiny_model_write(&tiny, path);
	assert_int_equal(elm_gguf_open(path, &gguf, NULL), ELM_OK);
	t = elm_gguf_tensor_find(gguf, "blk.1.attn_norm.weight");
	read_whole(path, &bytes);
	memset(bytes.data + t->offset, 0xff, 4);
	elm_gguf_close(gguf);
	assert_int_equal(elm__file_replace(path, bytes.data, bytes.length, NULL), ELM_OK);
	assert_int_equal(elm_model_open(path, NULL, &model, NULL), ELM_OK);
	assert_int_equal(elm__calibrate(model, tokens, TOKENS, &options, &report, &error),
			 ELM_ERR_FORMAT);
	assert_contains(error.text, "layer 1 computes infinite values or NaN");
	elm_model_close(model);
	elm__buf_release(&bytes);
}

static elm_status calibrate_and_load(void *user, elm_error *error)
{
	const char *path = temp_path("memory.calib");
	elm__calibrate_options options = options_for(path, true);
	elm__calibrate_report report;
	elm_model *model = user;
	elm__calib calib;
	elm_status status = elm__calibrate(model, tokens, TOKENS, &options, &report, error);

	if (status)
		return status;
	status = elm__calib_load(&calib, path, model->gguf, &model->hparams, error);
	if (!status)
		elm__calib_release(&calib);
	return status;
}

static void without_memory(void **state)
{
	tiny_model tiny = { .layers = 1, .width = 16, .heads = 2, .kv_heads = 1, .ffn = 16 };
	elm_model *model;

	tiny_model_write(&tiny, temp_path("calibrate.gguf"));
	assert_int_equal(elm_model_open(temp_path("calibrate.gguf"), NULL, &model, NULL), ELM_OK);
	assert_true(fail_each_allocation(calibrate_and_load, model) > 10);
	elm_model_close(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layers_one_by_one), cmocka_unit_test(walks_that_cannot_be),
		cmocka_unit_test(sums_as_defined),   cmocka_unit_test(files_come_back),
		cmocka_unit_test(going_on),	     cmocka_unit_test(damaged_files),
		cmocka_unit_test(another_model),     cmocka_unit_test(damaged_models),
		cmocka_unit_test(without_memory),
	};

	for (int i = 0; i < TOKENS; i++)
		tokens[i] = (i * 7919 + 13) % TINY_VOCABULARY;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

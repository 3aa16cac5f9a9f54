/* Quantising models: which tensor becomes what, values, importance, bad input, memory. */
#include <edgelm/model.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "compress/quantize.h"
#include "quant/quant.h"
#include "support.h"
#include "tiny_model.h"

/* --- mixes --- */

static void expect_type(const char *mix, uint32_t layers, uint32_t shared, const char *tensor,
			elm_type type)
{
	elm__mix_model model = { .layers = layers, .heads_per_kv = shared };
	elm_type chosen = elm__mix_choose(elm__mix_find(mix), &model, tensor);

	if (chosen != type)
		fail_msg("%s of %s becomes %s", tensor, mix, elm_type_get(chosen)->name);
}

static void mixes(void **state)
{
	elm__mix_model tied = { .layers = 8, .tied = true };

	expect_type("q4_k_m", 22, 1, "blk.1.attn_v.weight", ELM_TYPE_Q6_K);
	expect_type("Q4_K_M", 22, 1, "blk.2.attn_v.weight", ELM_TYPE_Q4_K);
	expect_type("Q4_K_M", 22, 1, "blk.3.attn_v.weight", ELM_TYPE_Q4_K);
	expect_type("Q4_K_M", 22, 1, "blk.4.ffn_down.weight", ELM_TYPE_Q6_K);
	expect_type("Q4_K_M", 22, 1, "blk.21.ffn_down.weight", ELM_TYPE_Q6_K);
	expect_type("Q4_K_M", 22, 1, "blk.21.ffn_up.weight", ELM_TYPE_Q4_K);
	expect_type("Q4_K_M", 22, 1, "blk.4.attn_qkv.weight", ELM_TYPE_Q6_K);
	expect_type("Q4_K_M", 22, 1, "token_embd.weight", ELM_TYPE_Q4_K);
	expect_type("Q4_K_M", 22, 1, "output.weight", ELM_TYPE_Q6_K);
	expect_type("Q4_0", 22, 1, "output.weight", ELM_TYPE_Q6_K);
	expect_type("Q8_0", 22, 1, "output.weight", ELM_TYPE_Q8_0);
	expect_type("F16", 22, 1, "output.weight", ELM_TYPE_F16);
	expect_type("Q4_K_S", 22, 1, "blk.3.attn_v.weight", ELM_TYPE_Q5_K);
	expect_type("Q4_K_S", 22, 1, "blk.4.attn_v.weight", ELM_TYPE_Q4_K);
	expect_type("Q2_K", 22, 1, "blk.4.attn_v.weight", ELM_TYPE_Q3_K);
	expect_type("Q2_K", 22, 8, "blk.4.attn_v.weight", ELM_TYPE_Q4_K);
	expect_type("IQ4_XS", 22, 4, "blk.4.attn_v.weight", ELM_TYPE_Q5_K);
	expect_type("IQ4_XS", 22, 4, "blk.1.ffn_down.weight", ELM_TYPE_Q5_K);
	assert_int_equal(elm__mix_choose(elm__mix_find("Q5_0"), &tied, "token_embd.weight"),
			 ELM_TYPE_Q6_K);
	assert_null(elm__mix_find("Q4"));
	assert_int_equal(elm__mix_fit(ELM_TYPE_Q4_K, 512), ELM_TYPE_Q4_K);
	assert_int_equal(elm__mix_fit(ELM_TYPE_Q4_K, 288), ELM_TYPE_Q5_0);
	assert_int_equal(elm__mix_fit(ELM_TYPE_Q6_K, 288), ELM_TYPE_Q8_0);
	assert_int_equal(elm__mix_fit(ELM_TYPE_Q6_K, 100), ELM_TYPE_F16);
	assert_int_equal(elm__mix_fit(ELM_TYPE_Q4_0, 100), ELM_TYPE_F16);
	assert_int_equal(elm__mix_fit(ELM_TYPE_BF16, 100), ELM_TYPE_BF16);
}

/* --- whole models --- */

typedef struct opened {
	elm_gguf *gguf;
	elm__arena arena;
	elm__hparams hp;
	elm__pool *pool;
} opened;

static void open_tiny(opened *o, const tiny_model *tiny)
{
	const char *path = temp_path("source.gguf");

	tiny_model_write(tiny, path);
	elm__arena_init(&o->arena, 0);
	assert_int_equal(elm_gguf_open(path, &o->gguf, NULL), ELM_OK);
	assert_int_equal(elm__hparams_read(&o->hp, o->gguf, &o->arena, NULL), ELM_OK);
	assert_int_equal(elm__pool_create(2, NULL, &o->pool, NULL), ELM_OK);
}

static void close_tiny(opened *o)
{
	elm__pool_free(o->pool);
	elm_gguf_close(o->gguf);
	elm__arena_release(&o->arena);
}

static elm_status quantize(opened *o, const char *mix, const elm__type_rule *rules, size_t n,
			   const elm__method *method, const char *path, elm_error *error)
{
	elm__quantize_options options = { .name = "test", .method = method, .pool = o->pool };
	elm__quant_plan plan;
	elm_status status = elm__quant_plan_make(&plan, o->gguf, &o->hp, elm__mix_find(mix), rules,
						 n, method != NULL, error);

	if (status)
		return status;
	status = elm__quantize(&plan, path, &options, error);
	elm__quant_plan_release(&plan);
	return status;
}

/* Sum of importance x squared error of a tensor. */
static double error_of(const elm_gguf *a, const elm_gguf *b, const char *name,
		       const float *importance)
{
	const elm_gguf_tensor *x = elm_gguf_tensor_find(a, name);
	const elm_gguf_tensor *y = elm_gguf_tensor_find(b, name);
	float *was = malloc(x->elements * sizeof(float)), *is = malloc(x->elements * sizeof(float));
	double sum = 0;

	assert_int_equal(x->elements, y->elements);
	assert_int_equal(elm__decode_tensor(x, was, NULL), ELM_OK);
	assert_int_equal(elm__decode_tensor(y, is, NULL), ELM_OK);
	for (size_t i = 0; i < x->elements; i++) {
		double d = (double)was[i] - (double)is[i];

		sum += d * d * (importance ? (double)importance[i % x->dims[0]] : 1);
	}
	free(was);
	free(is);
	return sum;
}

static void every_mix_opens(void **state)
{
	tiny_model tiny = { .width = 256, .heads = 4, .ffn = 288, .layers = 1 };
	opened o;

	open_tiny(&o, &tiny);
	for (size_t i = 0; elm__mix_at(i); i++) {
		const char *path = temp_path("mixed.gguf");
		elm_model_options fresh = { .engine_cache = NULL };
		elm_error error = { 0 };
		elm_gguf *gguf;
		uint32_t type;
		elm_model *model;

		if (quantize(&o, elm__mix_at(i)->name, NULL, 0, NULL, path, &error))
			fail_msg("%s: %s", elm__mix_at(i)->name, error.text);
		assert_int_equal(elm_gguf_open(path, &gguf, NULL), ELM_OK);
		assert_int_equal(elm_gguf_get_u32(gguf, "general.file_type", &type, NULL), ELM_OK);
		assert_int_equal(type, elm__mix_at(i)->file_type);
		/* Vectors stay as they are; matrices lose something, but little. */
		assert_true(error_of(o.gguf, gguf, "blk.0.attn_norm.weight", NULL) == 0);
		assert_true(error_of(o.gguf, gguf, "blk.0.attn_q.weight", NULL) <
			    0.1 * 256 * 256 * 0.2 * 0.2);
		if (elm_model_open_gguf(gguf, &fresh, &model, &error))
			fail_msg("%s: %s", elm__mix_at(i)->name, error.text);
		elm_model_close(model);
	}
	close_tiny(&o);
}

static void rules_of_the_user(void **state)
{
	const elm__type_rule good[] = { { "blk.0.attn_v", ELM_TYPE_Q8_0 },
					{ "attn_v", ELM_TYPE_Q5_0 } };
	const elm__type_rule none[] = { { "attn_x", ELM_TYPE_Q8_0 } };
	const elm__type_rule wide[] = { { "attn_q", ELM_TYPE_Q4_K } };
	const char *path = temp_path("ruled.gguf");
	tiny_model tiny = { 0 };
	elm_error error = { 0 };
	elm_gguf *gguf;
	opened o;

	open_tiny(&o, &tiny);
	assert_int_equal(quantize(&o, "Q4_0", good, 2, NULL, path, &error), ELM_OK);
	assert_int_equal(elm_gguf_open(path, &gguf, NULL), ELM_OK);
	assert_int_equal(elm_gguf_tensor_find(gguf, "blk.0.attn_v.weight")->type, ELM_TYPE_Q8_0);
	assert_int_equal(elm_gguf_tensor_find(gguf, "blk.1.attn_v.weight")->type, ELM_TYPE_Q5_0);
	assert_int_equal(elm_gguf_tensor_find(gguf, "blk.1.attn_k.weight")->type, ELM_TYPE_Q4_0);
	elm_gguf_close(gguf);
	assert_int_equal(quantize(&o, "Q4_0", none, 1, NULL, path, &error), ELM_ERR_ARGUMENT);
	assert_contains(error.text, "no matrix of this model has \"attn_x\"");
	assert_int_equal(quantize(&o, "Q4_0", wide, 1, NULL, path, &error), ELM_ERR_ARGUMENT);
	assert_contains(error.text, "rows of 64 weights are no multiple of 256");
	close_tiny(&o);
}

static void importance_counts(void **state)
{
	const char *plain = temp_path("plain.gguf"), *weighed = temp_path("weighed.gguf");
	tiny_model tiny = { .seed = 3 };
	elm__calib calib;
	elm__method method = { elm__imatrix_prepare, &calib };
	elm_gguf *a, *b;
	float *importance;
	opened o;

	open_tiny(&o, &tiny);
	assert_int_equal(elm__calib_create(&calib, o.gguf, &o.hp, ELM__PRODUCTS_NONE, 0, "", NULL),
			 ELM_OK);
	for (size_t i = 0; i < elm__calib_inputs(&calib); i++) {
		calib.inputs[i].count = 1;
		for (size_t k = 0; k < calib.inputs[i].cols; k++)
			calib.inputs[i].square[k] = k % 7 ? 1 : 400;
	}
	importance = calib.inputs[0].square;
	assert_int_equal(quantize(&o, "Q4_0", NULL, 0, NULL, plain, NULL), ELM_OK);
	assert_int_equal(quantize(&o, "Q4_0", NULL, 0, &method, weighed, NULL), ELM_OK);
	assert_int_equal(elm_gguf_open(plain, &a, NULL), ELM_OK);
	assert_int_equal(elm_gguf_open(weighed, &b, NULL), ELM_OK);
	/* Better where it matters, worse where it does not; the embedding has no importance. */
	assert_true(error_of(o.gguf, b, "blk.1.attn_k.weight", importance) <
		    0.7 * error_of(o.gguf, a, "blk.1.attn_k.weight", importance));
	assert_true(error_of(o.gguf, b, "blk.1.attn_k.weight", NULL) >
		    error_of(o.gguf, a, "blk.1.attn_k.weight", NULL));
	assert_true(error_of(a, b, "token_embd.weight", NULL) == 0);
	elm_gguf_close(a);
	elm_gguf_close(b);
	elm__calib_release(&calib);
	close_tiny(&o);
}

/* --- bad input --- */

/* The source again, with bytes of a tensor replaced. */
static void spoil(opened *o, const char *tensor, size_t at, uint32_t bits)
{
	const char *path = temp_path("spoilt.gguf");
	elm__buf bytes = ELM__BUF_INIT;

	read_whole(elm_gguf_path(o->gguf), &bytes);
	memcpy(bytes.data + elm_gguf_tensor_find(o->gguf, tensor)->offset + at, &bits, 4);
	assert_int_equal(elm__file_replace(path, bytes.data, bytes.length, NULL), ELM_OK);
	elm_gguf_close(o->gguf);
	assert_int_equal(elm_gguf_open(path, &o->gguf, NULL), ELM_OK);
	elm__buf_release(&bytes);
}

static void weights_that_are_none(void **state)
{
	static const struct {
		const char *tensor;
		size_t at;
		uint32_t bits;
		const char *what;
	} cases[] = {
		{ "blk.1.ffn_up.weight", 4 * (64 * 3 + 5), 0x7fc00000,
		  "blk.1.ffn_up.weight: weight 5 of row 3" },
		{ "token_embd.weight", 0, 0xff800000, "token_embd.weight: weight 0 of row 0" },
		{ "output_norm.weight", 8, 0x7f800000, "output_norm.weight: weight 2" },
	};
	tiny_model tiny = { 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t files;
		elm_error error = { 0 };
		opened o;

		open_tiny(&o, &tiny);
		spoil(&o, cases[i].tensor, cases[i].at, cases[i].bits);
		files = temp_files();
		assert_int_equal(quantize(&o, "Q4_0", NULL, 0, NULL, temp_path("none.gguf"),
					  &error),
				 ELM_ERR_FORMAT);
		assert_contains(error.text, cases[i].what);
		assert_int_equal(temp_files(), files); /* no half file */
		close_tiny(&o);
	}
}

/* Columns of zeros, and nothing but zeros, are fine. */
static void zeros(void **state)
{
	const char *path = temp_path("zeros.gguf");
	tiny_model tiny = { 0 };
	elm__calib calib;
	elm__method method = { elm__imatrix_prepare, &calib };
	elm_gguf *gguf;
	opened o;

	open_tiny(&o, &tiny);
	assert_int_equal(elm__calib_create(&calib, o.gguf, &o.hp, ELM__PRODUCTS_NONE, 0, "", NULL),
			 ELM_OK);
	for (size_t i = 0; i < elm__calib_inputs(&calib); i++)
		calib.inputs[i].count = 1; /* and all squares 0 */
	assert_int_equal(quantize(&o, "Q4_0", NULL, 0, &method, path, NULL), ELM_OK);
	assert_int_equal(elm_gguf_open(path, &gguf, NULL), ELM_OK);
	assert_true(error_of(o.gguf, gguf, "blk.1.attn_k.weight", NULL) <
		    0.02 * 32 * 64 * 0.2 * 0.2);
	elm_gguf_close(gguf);
	elm__calib_release(&calib);
	close_tiny(&o);
}

static bool stop(void *user, uint64_t done, uint64_t total)
{
	(void)user;
	assert_true(done <= total);
	return done > total / 2;
}

static void interrupted(void **state)
{
	elm__quantize_options options = { .name = "test", .progress = stop };
	tiny_model tiny = { 0 };
	elm_error error = { 0 };
	elm__quant_plan plan;
	size_t files;
	opened o;

	open_tiny(&o, &tiny);
	options.pool = o.pool;
	assert_int_equal(elm__quant_plan_make(&plan, o.gguf, &o.hp, elm__mix_find("Q4_0"), NULL, 0,
					      false, NULL),
			 ELM_OK);
	files = temp_files();
	assert_int_equal(elm__quantize(&plan, temp_path("half.gguf"), &options, &error),
			 ELM_ERR_CANCELLED);
	assert_int_equal(temp_files(), files);
	assert_true(elm__quantize(&plan, "/no/such/folder/x", &options, &error) != ELM_OK);
	assert_contains(error.text, "/no/such/folder/x");
	elm__quant_plan_release(&plan);
	close_tiny(&o);
}

static elm_status quantize_once(void *user, elm_error *error)
{
	return quantize(user, "Q4_K_M", NULL, 0, NULL, temp_path("memory.gguf"), error);
}

static void without_memory(void **state)
{
	tiny_model tiny = { .layers = 1 };
	opened o;

	open_tiny(&o, &tiny);
	assert_true(fail_each_allocation(quantize_once, &o) > 10);
	close_tiny(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mixes),
		cmocka_unit_test(every_mix_opens),
		cmocka_unit_test(rules_of_the_user),
		cmocka_unit_test(importance_counts),
		cmocka_unit_test(weights_that_are_none),
		cmocka_unit_test(zeros),
		cmocka_unit_test(interrupted),
		cmocka_unit_test(without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

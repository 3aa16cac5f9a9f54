/* Benchmarks: lists, plans, statistics, names, limits worked out by hand, and runs. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "bench/limit.h"
#include "bench/run.h"
#include "bench/subject.h"
#include "support.h"
#include "tiny_model.h"

/* --- lists --- */

static const elm__numbers_kind commas = { "--n", 0, 1000, ',' };
static const elm__numbers_kind semicolons = { "--len", 1, 1000, ';' };

/* The numbers between blanks, or the sentence. */
static const char *parsed(const elm__numbers_kind *kind, const char *text, bool pairs)
{
	static char out[600];
	elm__numbers list = { 0 };
	elm_error error = { 0 };
	elm_status status = pairs ? elm__numbers_parse_pairs(&list, kind, text, &error) :
				    elm__numbers_parse(&list, kind, text, &error);

	assert_int_equal(status, error.status);
	assert_true(!list.count == (status != ELM_OK));
	snprintf(out, sizeof(out), "%s", error.text);
	for (size_t i = 0; i < list.count; i++)
		snprintf(out + strlen(out), sizeof(out) - strlen(out), i ? " %u" : "%u",
			 list.items[i]);
	elm__numbers_release(&list);
	return out;
}

static void lists_and_ranges(void **state)
{
	static const struct {
		const char *text, *numbers;
	} cases[] = {
		{ "512", "512" },
		{ "0", "0" },
		{ "1,2,1", "1 2 1" },
		{ "3-6", "3 4 5 6" },
		{ "128-512+128", "128 256 384 512" },
		{ "1-10+4", "1 5 9" },
		{ "1-16*2", "1 2 4 8 16" },
		{ "3-20*3", "3 9" },
		{ "7-7", "7" },
		{ "7-7*1", "7" },
		{ "0-0*5", "0" },
		{ "1-2,900-1000*2,4", "1 2 900 4" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(parsed(&commas, cases[i].text, false), cases[i].numbers);
	assert_string_equal(parsed(&semicolons, "1;4;8-16*2", false), "1 4 8 16");
}

static void lists_that_are_wrong(void **state)
{
	static const char *const junk[] = {
		"",    ",",   "1,",   ",1",    "1,,2",	     "a",
		"-1",  "1-",  "1-2+", "1-2-3", "1 2",	     "1-2/2",
		"0x1", "1.5", "1;2",  " 1",    "4294967296", "1-99999999999999999999"
	};

	for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++)
		assert_contains(parsed(&commas, junk[i], false), "is not a list of whole numbers");
	assert_contains(parsed(&commas, "9-3", false), "--n \"9-3\": 9-3 goes down");
	assert_contains(parsed(&commas, "1-3+0", false), "does not get to 3");
	assert_contains(parsed(&commas, "1-3*1", false), "does not get to 3");
	assert_contains(parsed(&commas, "0-3*2", false), "does not get to 3");
	assert_contains(parsed(&commas, "1001", false), "not within 0 to 1000");
	assert_contains(parsed(&commas, "1-1001", false), "not within 0 to 1000");
	assert_contains(parsed(&semicolons, "0", false), "not within 1 to 1000");
	assert_contains(parsed(&(elm__numbers_kind){ "--n", 0, UINT32_MAX, ',' }, "0-4096", false),
			"more than 4096 numbers");
	/* Ranges that end at the largest number there is come to an end. */
	assert_string_equal(parsed(&(elm__numbers_kind){ "--n", 0, UINT32_MAX, ',' },
				   "4294967294-4294967295", false),
			    "4294967294 4294967295");
	assert_string_equal(parsed(&(elm__numbers_kind){ "--n", 0, UINT32_MAX, ',' },
				   "65536-4294967295*65536", false),
			    "65536");
}

static void pairs(void **state)
{
	static const char *const junk[] = { "",	    "1",    "1,",    "1,2,3", "1;2",
					    "1,2;", ";1,2", "1-2,3", "1,2;3", "1,2;;3,4" };

	assert_string_equal(parsed(&commas, "512,128", true), "512 128");
	assert_string_equal(parsed(&semicolons, "1,2;3,4", true), "1 2 3 4");
	for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++)
		assert_contains(parsed(&semicolons, junk[i], true), "is not two whole numbers");
	assert_contains(parsed(&commas, "1,2;3,4", true), "is not two whole numbers");
	assert_contains(parsed(&commas, "1,1001", true), "1001 is not within 0 to 1000");
}

/* --- plans --- */

static void fill(elm__numbers *list, const char *text)
{
	assert_int_equal(elm__numbers_parse(list, &(elm__numbers_kind){ "", 0, UINT32_MAX, ',' },
					    text, NULL),
			 ELM_OK);
}

static elm__bench_params some_params(void)
{
	elm__bench_params p = { 0 };

	fill(&p.depth, "0");
	fill(&p.sequences, "1");
	fill(&p.batch, "64");
	fill(&p.ubatch, "8");
	fill(&p.threads, "1");
	fill(&p.kv_types, "1");
	return p;
}

static void plans_are_all_combinations_in_order(void **state)
{
	static const elm__bench_case expected[] = {
		{ 16, 0, 0, 1, 64, 8, 1, ELM_TYPE_F16 }, { 32, 0, 0, 1, 64, 8, 1, ELM_TYPE_F16 },
		{ 0, 4, 0, 1, 64, 8, 1, ELM_TYPE_F16 },	 { 0, 4, 0, 3, 64, 8, 1, ELM_TYPE_F16 },
		{ 5, 6, 0, 1, 64, 8, 1, ELM_TYPE_F16 },	 { 5, 6, 0, 3, 64, 8, 1, ELM_TYPE_F16 },
		{ 16, 0, 7, 1, 64, 8, 1, ELM_TYPE_F16 }, { 32, 0, 7, 1, 64, 8, 1, ELM_TYPE_F16 },
		{ 0, 4, 7, 1, 64, 8, 1, ELM_TYPE_F16 },	 { 0, 4, 7, 3, 64, 8, 1, ELM_TYPE_F16 },
		{ 5, 6, 7, 1, 64, 8, 1, ELM_TYPE_F16 },	 { 5, 6, 7, 3, 64, 8, 1, ELM_TYPE_F16 },
	};
	enum { TESTS = sizeof(expected) / sizeof(expected[0]) };
	elm__bench_params p = some_params();
	elm__bench_plan plan;
	elm_error error = { 0 };

	fill(&p.prompt, "16,0,32");
	fill(&p.generate, "4,0");
	fill(&p.pairs, "5,6,0,0");
	fill(&p.sequences, "3");
	fill(&p.depth, "7");
	fill(&p.threads, "2");
	fill(&p.batch, "128");
	assert_int_equal(elm__bench_plan_make(&plan, &p, &error), ELM_OK);
	assert_int_equal(plan.count, 4 * TESTS);
	for (size_t i = 0; i < plan.count; i++) {
		elm__bench_case want = expected[i % TESTS];

		want.threads = i / TESTS % 2 ? 2 : 1;
		want.batch = i / TESTS / 2 ? 128 : 64;
		assert_memory_equal(&plan.cases[i], &want, sizeof(want));
	}
	elm__bench_plan_release(&plan);
	elm__bench_params_release(&p);
}

static void plans_that_make_no_sense(void **state)
{
	elm__bench_params p = some_params();
	elm__bench_plan plan;
	elm_error error = { 0 };

	fill(&p.prompt, "0");
	assert_int_equal(elm__bench_plan_make(&plan, &p, &error), ELM_ERR_ARGUMENT);
	assert_contains(error.text, "nothing to measure");
	fill(&p.prompt, "1-4000");
	fill(&p.threads, "1-200");
	fill(&p.depth, "1-4000");
	fill(&p.batch, "1-4000");
	fill(&p.ubatch, "1-4000");
	fill(&p.kv_types, "1-4000");
	assert_int_equal(elm__bench_plan_make(&plan, &p, &error), ELM_ERR_ARGUMENT);
	assert_contains(error.text, "more than 100000 tests");
	elm__bench_plan_release(&plan);
	elm__bench_params_release(&p);
}

/* --- statistics --- */

static void averages(void **state)
{
	uint64_t ns[] = { 1000000000, 2000000000, 4000000000 };
	elm__bench_result r = { .what = { .prompt = 300, .generate = 100, .sequences = 2 },
				.total_ns = ns };
	elm__bench_average a;

	r.repetitions = 3; /* 800, 400, 200 tokens per second */
	a = elm__bench_rates(&r);
	assert_true(fabs(a.mean - 1400.0 / 3) < 1e-9);
	assert_true(fabs(a.deviation - sqrt(280000.0 / 3)) < 1e-9);
	a = elm__bench_times(&r);
	assert_true(fabs(a.mean - 7e9 / 3) < 1e-5);
	r.repetitions = 1;
	a = elm__bench_rates(&r);
	assert_true(a.mean == 800 && a.deviation == 0);
	r.repetitions = 0;
	a = elm__bench_rates(&r);
	assert_true(a.mean == 0 && a.deviation == 0);
}

/* --- models --- */

static elm_model *open_tiny(tiny_model *tiny)
{
	elm_model_options options = { .isa = "scalar" };
	elm_error error = { 0 };
	elm_model *model;

	tiny_model_write(tiny, temp_path("bench.gguf"));
	if (elm_model_open(temp_path("bench.gguf"), &options, &model, &error) != ELM_OK)
		fail_msg("%s", error.text);
	return model;
}

static void label(elm_gguf_writer *writer, void *user)
{
	const uint32_t *file_type = user;

	assert_int_equal(elm_gguf_writer_set_string(writer, "general.size_label", "7\nB", 3, NULL),
			 ELM_OK);
	assert_int_equal(elm_gguf_writer_set_u32(writer, "general.file_type", *file_type, NULL),
			 ELM_OK);
}

static void check_name(tiny_model tiny, const char *name)
{
	elm_model *model = open_tiny(&tiny);
	elm__bench_subject subject;

	elm__bench_subject_of(&subject, model);
	assert_string_equal(subject.type, name);
	assert_contains(subject.path, "bench.gguf");
	assert_string_equal(subject.isa, "scalar");
	assert_true(subject.size == elm_model_get_info(model)->weight_bytes);
	elm_model_close(model);
}

static void names(void **state)
{
	uint32_t q4_k_m = 15, f32 = 0, unknown = 999;

	/* 2 layers of 30848, embedding and output of 18432, a norm of 64: 98624 weights */
	check_name((tiny_model){ .type = ELM_TYPE_F32 }, "llama 0.10M (guessed) all F32");
	check_name((tiny_model){ .type = ELM_TYPE_Q8_0 }, "llama 0.10M (guessed) Q8_0");
	check_name((tiny_model){ .arch = "qwen2", .metadata = label, .user = &q4_k_m },
		   "qwen2 7?B Q4_K - Medium");
	check_name((tiny_model){ .metadata = label, .user = &f32 }, "llama 7?B all F32");
	check_name((tiny_model){ .type = ELM_TYPE_F16, .metadata = label, .user = &unknown },
		   "llama 7?B (guessed) F16");
}

/* --- limits --- */

/* Weights of the matrices of a tiny layer, of its keys and values, and of the output. */
enum { LAYER = 64 * (64 + 32 + 32 + 64) + 3 * 64 * 96, KV = 2 * 64 * 32, OUTPUT = 64 * 288 };

static double limit(const elm_model *model, elm__bench_case what, elm__peaks peaks, const char *by)
{
	elm__bench_limit l = elm__bench_limit_of(model, &what, &peaks);

	assert_string_equal(l.by, by);
	return l.seconds;
}

static void limits_are_what_must_be_done(void **state)
{
	static const elm__peaks reads = { .read = 4, .f32 = 1e30 }; /* a weight per second */
	static const elm__peaks computes = { .read = 1e30, .f32 = 2 };
	tiny_model tiny = { .type = ELM_TYPE_F32 };
	elm_model *model = open_tiny(&tiny);
	elm__bench_case generates = { .generate = 3, .sequences = 1, .batch = 64, .ubatch = 64 };
	elm__bench_case prompt = { .prompt = 10, .sequences = 1, .batch = 64, .ubatch = 64 };
	double all = 2 * LAYER + OUTPUT, passes;

	assert_true(elm__bench_weight_bytes(model) == (uint64_t)all * 4);
	assert_true(limit(model, generates, reads, "read") == 3 * all);
	assert_true(limit(model, generates, computes, "f32") == 3 * all);
	generates.sequences = 5;
	assert_true(limit(model, generates, reads, "read") == 3 * all);
	assert_true(limit(model, generates, computes, "f32") == 15 * all);
	/* Of the last layer only the last token needs more than keys and values. */
	assert_true(limit(model, prompt, reads, "read") == all);
	passes = 10 * LAYER + 10 * KV + (LAYER - KV) + OUTPUT;
	assert_true(limit(model, prompt, computes, "f32") == passes);
	prompt.ubatch = 4; /* 4, 4 and 2 tokens */
	assert_true(limit(model, prompt, computes, "f32") == passes);
	assert_true(limit(model, prompt, reads, "read") == 2 * (LAYER + KV) + all);
	prompt.generate = 3;
	assert_true(limit(model, prompt, computes, "f32") == passes + 3 * all);
	/* What cannot be known is not invented. */
	assert_true(limit(model, prompt, (elm__peaks){ .read = 1 }, "read") == 0);
	elm_model_close(model);
}

static void peaks_are_measured(void **state)
{
	tiny_model tiny = { .type = ELM_TYPE_F32 };
	elm_model *model = open_tiny(&tiny);
	elm_error error = { 0 };
	elm__peaks peaks;

	assert_int_equal(elm__bench_measure_peaks(model, 2, &peaks, &error), ELM_OK);
	assert_true(peaks.read > 1e6 && peaks.read < 1e14);
	assert_true(peaks.f32 > 1e6 && peaks.f32 < 1e14);
	assert_true(peaks.int8 == 0 && peaks.bf16 == 0); /* the scalar tier has neither */
	elm_model_close(model);
}

/* --- runs --- */

static unsigned stages[3];

static void count_stage(void *user, elm__bench_stage stage, uint32_t repetition)
{
	stages[stage]++;
	if (stage == ELM__BENCH_REPETITION)
		assert_int_equal(repetition, stages[stage]);
}

static void runs_fill_the_result(void **state)
{
	tiny_model tiny = { .type = ELM_TYPE_F32 };
	elm_model *model = open_tiny(&tiny);
	elm__bench_options options = { .repetitions = 3, .notice = count_stage };
	elm__bench_case what = { 37, 5, 11, 3, 16, 8, 2, ELM_TYPE_F16 };
	elm__bench_result r;

	memset(stages, 0, sizeof(stages));
	assert_int_equal(elm__bench_run(model, &what, &options, &r), ELM_OK);
	assert_int_equal(r.repetitions, 3);
	assert_int_equal(r.step.n, 15);
	assert_int_equal(r.ttft.n, 3);
	assert_true(r.step.minimum > 0 && r.step.p50 <= r.step.p95 && r.step.p95 <= r.step.p99);
	for (uint32_t i = 0; i < 3; i++) {
		assert_true(r.prompt_ns[i] > 0 && r.prompt_ns[i] < r.total_ns[i]);
		assert_true(elm__bench_rate(&r, i) == 126e9 / (double)r.total_ns[i]);
	}
	assert_true(r.started > 1600000000);
	assert_int_equal(stages[ELM__BENCH_DEPTH], 1);
	assert_int_equal(stages[ELM__BENCH_WARMUP], 1);
	assert_int_equal(stages[ELM__BENCH_REPETITION], 3);
	elm__bench_result_release(&r);

	/* Steps are parts of the time of a repetition, one after the other. */
	what = (elm__bench_case){ 0, 40, 0, 1, 16, 8, 1, ELM_TYPE_Q8_0 };
	options = (elm__bench_options){ .repetitions = 1, .no_warmup = true };
	assert_int_equal(elm__bench_run(model, &what, &options, &r), ELM_OK);
	assert_int_equal(r.ttft.n, 0);
	assert_true(r.step.mean * 40e9 < (double)r.total_ns[0] + 1);
	elm__bench_result_release(&r);
	elm_model_close(model);
}

static void runs_that_are_too_large(void **state)
{
	tiny_model tiny = { .type = ELM_TYPE_F32 };
	elm_model *model = open_tiny(&tiny);
	elm__bench_options options = { .repetitions = 1 };
	elm__bench_case wide = { 1 << 16, 1, 0, 4000, 16, 8, 1, ELM_TYPE_F32 };
	elm__bench_case deep = { 1, 1, 1 << 28, 1, 16, 8, 1, ELM_TYPE_F32 };
	elm__bench_case endless = { 1 << 28, 1, 0, 4000, 16, 8, 1, ELM_TYPE_F32 };
	elm__bench_result r;

	/* 2^18 MiB tokens of 512 bytes */
	assert_int_equal(elm__bench_run(model, &wide, &options, &r), ELM_ERR_NO_MEMORY);
	assert_contains(r.error.text, "beside the weights, and");
	assert_int_equal(r.repetitions, 0);
	elm__bench_result_release(&r);
	assert_int_equal(elm__bench_run(model, &deep, &options, &r), ELM_ERR_LIMIT);
	elm__bench_result_release(&r);
	assert_int_equal(elm__bench_run(model, &endless, &options, &r), ELM_ERR_LIMIT);
	assert_contains(r.error.text, "4000 sequences of 268435457 tokens");
	elm__bench_result_release(&r);
	elm_model_close(model);
}

static void runs_can_be_cancelled(void **state)
{
	tiny_model tiny = { .type = ELM_TYPE_F32 };
	elm_model *model = open_tiny(&tiny);
	volatile int cancel = 1;
	elm__bench_options options = { .repetitions = 1, .cancel = &cancel };
	elm__bench_case what = { 4, 4, 0, 1, 16, 8, 1, ELM_TYPE_F16 };
	elm__bench_result r;

	assert_int_equal(elm__bench_run(model, &what, &options, &r), ELM_ERR_CANCELLED);
	assert_int_equal(r.repetitions, 0);
	elm__bench_result_release(&r);
	elm_model_close(model);
}

static elm_status run_once(void *user, elm_error *error)
{
	elm__bench_options options = { .repetitions = 2 };
	elm__bench_case what = { 4, 4, 2, 2, 16, 8, 1, ELM_TYPE_F16 };
	elm__bench_result r;
	elm_status status = elm__bench_run(user, &what, &options, &r);

	*error = r.error;
	elm__bench_result_release(&r);
	return status;
}

static elm_status plan_once(void *user, elm_error *error)
{
	elm__bench_params p = { 0 };
	elm__numbers *lists[] = { &p.prompt, &p.depth,	 &p.sequences, &p.batch,
				  &p.ubatch, &p.threads, &p.kv_types };
	elm_status status = ELM_OK;
	elm__bench_plan plan = { 0 };

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]) && status == ELM_OK; i++)
		status = elm__numbers_parse(lists[i], &commas, "1-3", error);
	if (status == ELM_OK)
		status = elm__bench_plan_make(&plan, &p, error);
	elm__bench_plan_release(&plan);
	elm__bench_params_release(&p);
	return status;
}

static void each_allocation_may_fail(void **state)
{
	tiny_model tiny = { .type = ELM_TYPE_F32 };
	elm_model *model = open_tiny(&tiny);

	assert_true(fail_each_allocation(run_once, model) >= 7);
	assert_true(fail_each_allocation(plan_once, NULL) >= 8);
	elm_model_close(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_and_ranges),
		cmocka_unit_test(lists_that_are_wrong),
		cmocka_unit_test(pairs),
		cmocka_unit_test(plans_are_all_combinations_in_order),
		cmocka_unit_test(plans_that_make_no_sense),
		cmocka_unit_test(averages),
		cmocka_unit_test(names),
		cmocka_unit_test(limits_are_what_must_be_done),
		cmocka_unit_test(peaks_are_measured),
		cmocka_unit_test(runs_fill_the_result),
		cmocka_unit_test(runs_that_are_too_large),
		cmocka_unit_test(runs_can_be_cancelled),
		cmocka_unit_test(each_allocation_may_fail),
	};

	return cmocka_run_group_tests_name("bench", tests, NULL, NULL);
}

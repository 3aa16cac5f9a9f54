/* Memory: how large the cache is, and what is done when memory becomes short. */
#include <edgelm/scheduler.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "answers.h"
#include "engine/pressure.h"
#include "support.h"

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

static const char *root(const char *name, unsigned available_kb)
{
	static char path[4096];
	char text[200];

	snprintf(path, sizeof(path), "%s", temp_path(name));
	mkdir(path, 0777);
	snprintf(text, sizeof(text), "MemTotal: 1000000 kB\nMemAvailable: %u kB\n", available_kb);
	write_below(path, "/proc/meminfo", text);
	return path;
}

/* The reserve is 50,000 KiB: 5 % of all. */
static void pressure_rises_at_once_and_falls_slowly(void **state)
{
	static const struct {
		unsigned available, some, all;
		elm_pressure level;
	} seconds[] = {
		{ 200000, 0, 0, ELM_PRESSURE_NONE },	{ 99000, 0, 0, ELM_PRESSURE_SHRINK },
		{ 49000, 0, 0, ELM_PRESSURE_FEWER },	{ 101000, 0, 0, ELM_PRESSURE_SHRINK },
		{ 24000, 0, 0, ELM_PRESSURE_REFUSE },	{ 900000, 0, 0, ELM_PRESSURE_FEWER },
		{ 900000, 0, 0, ELM_PRESSURE_SHRINK },	{ 900000, 0, 0, ELM_PRESSURE_NONE },
		{ 900000, 25, 0, ELM_PRESSURE_SHRINK }, { 900000, 90, 11, ELM_PRESSURE_FEWER },
		{ 24000, 90, 11, ELM_PRESSURE_REFUSE },
	};
	const char *path = root("pressure", 900000);
	uint64_t now = 1000;
	elm__pressure p;

	(void)state;
	elm__pressure_init(&p, path, 0);
	for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
		char text[200];

		root("pressure", seconds[i].available);
		snprintf(text, sizeof(text),
			 "some avg10=%u.50 avg60=0.00 avg300=0.00 total=0\n"
			 "full avg10=%u.00 avg60=0.00 avg300=0.00 total=0\n",
			 seconds[i].some, seconds[i].all);
		write_below(path, "/proc/pressure/memory", text);
		assert_true(elm__pressure_look(&p, now));
		assert_int_equal(p.level, seconds[i].level);
		assert_false(elm__pressure_look(&p, now + 999999999)); /* not yet */
		now += 1000000000;
	}
	elm__pressure_init(&p, path, UINT64_MAX);
	assert_false(elm__pressure_look(&p, now));
}

static void short_memory_refuses_requests(void **state)
{
	elm_scheduler_options options = answers_options();
	elm_request request = { .prompt = answers_prompt(1),
				.prompt_count = 3,
				.on_event = answer_event };
	elm_error error = { 0 };
	elm_scheduler *s;

	(void)state;
	options.sysroot = root("short", 20000);
	options.memory_reserve = 0;
	s = answers_start(model, options);
	assert_int_equal(answers_stats(s).pressure, ELM_PRESSURE_REFUSE);
	assert_int_equal(elm_scheduler_submit(s, &request, NULL, &error), ELM_ERR_FULL);
	assert_contains(error.text, "short of memory");
	assert_int_equal(answers_stats(s).refused, 1);
	elm_scheduler_free(s);
}

/* With less memory than the reserve, nothing is kept and half as many run. */
static void short_memory_admits_fewer(void **state)
{
	elm_scheduler_options options = answers_options();
	elm_request request = { .prompt = answers_prompt(1),
				.prompt_count = 40,
				.max_tokens = 20,
				.ignore_eos = true };
	answer first = { 0 }, second = { 0 };
	elm_scheduler *s;

	(void)state;
	options.sysroot = root("fewer", 40000);
	options.memory_reserve = 0;
	options.session.max_sequences = 2;
	s = answers_start(model, options);
	answers_submit(s, &request, &first);
	answers_submit(s, &request, &second);
	answer_wait(&first);
	answer_wait(&second);
	assert_true(first.last < second.first);
	assert_int_equal(second.stats.prompt_reused, 0);
	assert_int_equal(answers_stats(s).kv_blocks_kept, 0);
	elm_scheduler_free(s);
	answer_clear(&first);
	answer_clear(&second);
}

static void the_cache_is_as_large_as_asked(void **state)
{
	enum { BLOCK = 2 * 2 * 2 * 32 * 16 * 4 }; /* layers, heads, keys and values, F32 */
	elm_scheduler_options o = answers_options();
	elm_memory_estimate estimate;
	elm_error error = { 0 };
	elm_scheduler *s;

	(void)state;
	o.session.context = 0;
	o.kv_memory = 20 * BLOCK + 5;
	assert_int_equal(elm_scheduler_estimate(model, &o, &estimate, &error), ELM_OK);
	assert_int_equal(o.session.context, 20 * 32);
	assert_int_equal(estimate.kv, 20 * BLOCK);
	assert_int_equal(o.kv_memory, 20 * BLOCK);

	o = answers_options();
	o.session.context = o.context = 0;
	o.sysroot = root("capacity", 64 * 1024);
	o.kv_memory_fraction = 0.25;
	assert_int_equal(elm_scheduler_estimate(model, &o, &estimate, &error), ELM_OK);
	assert_int_equal(estimate.kv, 16 << 20);
	assert_int_equal(o.context, 256); /* what it was trained for */

	o.session.context = 0;
	o.kv_memory = 0;
	o.kv_memory_fraction = 0;
	assert_int_equal(elm_scheduler_estimate(model, &o, &estimate, &error), ELM_OK);
	assert_int_equal(o.session.context, 8 * 256);

	o.session.context = 0;
	o.kv_memory = 3 * BLOCK;
	assert_int_equal(elm_scheduler_create(model, &o, &s, &error), ELM_ERR_NO_MEMORY);
	assert_contains(error.text, "room for 96 tokens only");
	assert_null(s);
	o = answers_options();
	o.sysroot = root("capacity", 1);
	assert_int_equal(elm_scheduler_create(model, &o, &s, &error), ELM_ERR_NO_MEMORY);
	assert_contains(error.text, "are available");
	o = answers_options();
	o.kv_memory_fraction = 1.5;
	assert_int_equal(elm_scheduler_create(model, &o, &s, &error), ELM_ERR_ARGUMENT);
	o = answers_options();
	o.step_ms = NAN;
	assert_int_equal(elm_scheduler_create(model, &o, &s, &error), ELM_ERR_ARGUMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pressure_rises_at_once_and_falls_slowly),
		cmocka_unit_test(short_memory_refuses_requests),
		cmocka_unit_test(short_memory_admits_fewer),
		cmocka_unit_test(the_cache_is_as_large_as_asked),
	};

	return cmocka_run_group_tests_name("scheduler_memory", tests, open_model, close_model);
}

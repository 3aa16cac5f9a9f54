/* The recorder, with clocks and files of the test's own: no time passes in most of these tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "support.h"
#include "telemetry/recorder.h"

#define MS UINT64_C(1000000)

static char root[4096];
static elm__recorder *recorder;
static uint64_t now, cpu;
/* What each look at a clock costs, in nanoseconds: a read of a group has one of each inside. */
static uint64_t now_step, cpu_step;

static uint64_t fake_now(void *user)
{
	return now += now_step;
}

static uint64_t fake_cpu(void *user)
{
	return cpu += cpu_step;
}

static const elm__recorder_clocks clocks = { fake_now, fake_cpu, NULL };

static void put(const char *path, const char *text)
{
	write_below(root, path, text);
}

static void put_number(const char *path, int64_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld\n", (long long)number);
	put(path, text);
}

static void put_rss(int64_t kib)
{
	char text[64];

	snprintf(text, sizeof(text), "VmRSS:\t%lld kB\nThreads:\t3\n", (long long)kib);
	put("/proc/self/status", text);
}

static void begin(const char *name)
{
	snprintf(root, sizeof(root), "%s", temp_path(name));
	assert_int_equal(mkdir(root, 0777), 0);
	now = 1000 * MS;
	cpu = now_step = cpu_step = 0;
}

static void create(unsigned groups, uint64_t interval_ns, size_t rows)
{
	const elm__recorder_options options = { .sysroot = root,
						.groups = groups,
						.interval_ns = interval_ns,
						.rows = rows,
						.clocks = &clocks };
	elm_error error = { 0 };

	assert_int_equal(elm__recorder_create(&options, &recorder, &error), ELM_OK);
}

static void finish(void)
{
	elm__recorder_free(recorder);
	recorder = NULL;
}

static size_t column(const char *name)
{
	size_t index = elm__recorder_find(recorder, name);

	assert_true(index < elm__recorder_columns(recorder));
	assert_string_equal(elm__recorder_column_at(recorder, index)->name, name);
	return index;
}

/* A value of a row. */
static double value_at(uint64_t row, const char *name, uint64_t *at_ns)
{
	double values[512];
	uint64_t from = row, at;

	assert_true(elm__recorder_columns(recorder) <= 512);
	assert_int_equal(elm__recorder_copy(recorder, &from, 1, &at, values), 1);
	assert_int_equal(from, row);
	if (at_ns)
		*at_ns = at;
	return values[column(name)];
}

static void rows_have_times_and_values(void **state)
{
	uint64_t at;

	begin("rows");
	put_rss(10);
	create(ELM__READ_PROCESS, 10 * MS, 8);
	assert_int_equal(elm__recorder_rows(recorder), 0);
	for (int i = 0; i < 5; i++) {
		now += 10 * MS;
		put_rss(100 + i);
		elm__recorder_step(recorder);
	}
	assert_int_equal(elm__recorder_rows(recorder), 5);
	for (int i = 0; i < 5; i++) {
		assert_true(value_at((uint64_t)i, "process_rss", &at) == 1024.0 * (100 + i));
		assert_int_equal(at, (1010 + 10 * (unsigned)i) * MS);
	}
	assert_true(value_at(0, "process_threads", NULL) == 3);
	assert_true(isnan(value_at(0, "process_time", NULL)));
	assert_int_equal(elm__recorder_find(recorder, "cpu"), elm__recorder_columns(recorder));
	finish();
}

static void a_full_ring_loses_the_oldest(void **state)
{
	uint64_t from = 0, times[16];
	double *values;

	begin("ring");
	create(ELM__READ_PROCESS, 10 * MS, 4);
	values = elm__malloc(16 * elm__recorder_columns(recorder) * sizeof(*values));
	assert_non_null(values);
	for (int i = 0; i < 11; i++) {
		now += 10 * MS;
		put_rss(i);
		elm__recorder_step(recorder);
	}
	assert_int_equal(elm__recorder_rows(recorder), 11);
	assert_int_equal(elm__recorder_copy(recorder, &from, 16, times, values), 4);
	assert_int_equal(from, 7);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(times[i], 1000 * MS + (8 + i) * 10 * MS);
		assert_true(values[i * elm__recorder_columns(recorder) + column("process_rss")] ==
			    1024.0 * (double)(7 + i));
	}
	from = 11;
	assert_int_equal(elm__recorder_copy(recorder, &from, 16, times, values), 0);
	assert_int_equal(from, 11);
	elm__free(values);
	finish();
}

/* A sensor that has a new value once a second, among reads at 100 Hz. */
static void slow_sensors_are_found_out(void **state)
{
	elm__recorder_state slow, fast, still;

	begin("slow");
	put("/sys/class/hwmon/hwmon0/name", "chip\n");
	put("/sys/class/hwmon/hwmon0/power1_input", "1000000\n");
	create(ELM__READ_POWER | ELM__READ_PROCESS, 10 * MS, 16);
	for (int i = 0; i < 1000; i++) {
		now += 10 * MS;
		put_rss(i);
		put_number("/sys/class/hwmon/hwmon0/power1_input", 1000000 + i / 100);
		elm__recorder_step(recorder);
	}
	elm__recorder_state_of(recorder, column("power"), &slow);
	elm__recorder_state_of(recorder, column("process_rss"), &fast);
	elm__recorder_state_of(recorder, column("process_threads"), &still);
	assert_int_equal(slow.reads, 1000);
	assert_int_equal(slow.unmeasured, 0);
	assert_true(fabs(slow.read_seconds - 0.01) < 1e-9);
	assert_true(fabs(slow.change_seconds - 1) < 1e-6);
	assert_true(fabs(fast.change_seconds - 0.01) < 1e-6);
	assert_true(still.change_seconds == 0);
	finish();
}

/* The account of the cores is in ticks: its shares are those of a tenth of a second. */
static void shares_are_of_a_tenth_of_a_second(void **state)
{
	elm__recorder_state cpu_state;

	begin("shares");
	put("/proc/stat", "cpu  0 0 0 0\ncpu0 0 0 0 0\n");
	create(ELM__READ_PROCESSOR, 10 * MS, 64);
	for (int i = 1; i <= 40; i++) {
		char text[64];

		now += 10 * MS;
		/* Busy in every other tick. */
		snprintf(text, sizeof(text), "cpu  %d 0 0 %d\ncpu0 %d 0 0 %d\n", i / 2, i - i / 2,
			 i / 2, i - i / 2);
		put("/proc/stat", text);
		elm__recorder_step(recorder);
	}
	elm__recorder_state_of(recorder, column("cpu"), &cpu_state);
	assert_int_equal(cpu_state.reads, 4);
	for (uint64_t i = 10; i < 40; i++) {
		assert_true(value_at(i, "cpu", NULL) == 50);
		assert_true(value_at(i, "core_0", NULL) == 50);
	}
	finish();
}

/* Two groups that want the same may have 0.3 percent of a core each. */
static void dear_reads_are_made_rarely(void **state)
{
	elm__recorder_state rss;

	begin("dear");
	put_rss(1);
	cpu_step = 120000; /* 0.12 ms */
	create(ELM__READ_PROCESS | ELM__READ_MEMORY, 10 * MS, 64);
	for (int i = 0; i < 400; i++) {
		now += 10 * MS;
		elm__recorder_step(recorder);
	}
	elm__recorder_state_of(recorder, column("process_rss"), &rss);
	/* Of 0.12 ms in 4 s: 0.3 %; the other group has no share before its first read. */
	assert_int_equal(rss.reads, 101);
	finish();
}

/* What one does not need is left to the other. */
static void cheap_reads_leave_their_share(void **state)
{
	elm__recorder_state rss;

	begin("shares-left");
	put_rss(1);
	create(ELM__READ_PROCESS | ELM__READ_PRESSURE, 10 * MS, 64);
	cpu_step = 60000; /* 0.006 % of the second between two looks at pressure */
	for (int i = 0; i < 2000; i++) {
		now += 10 * MS;
		elm__recorder_step(recorder);
	}
	elm__recorder_state_of(recorder, column("process_rss"), &rss);
	/* 60 us in 0.594 % of the time: every 10.1 ms. */
	assert_in_range(rss.reads, 1970, 1990);
	finish();
}

static void sensors_that_make_us_wait_are_read_rarely(void **state)
{
	elm__recorder_state rss;

	begin("waiting");
	put_rss(1);
	create(ELM__READ_PROCESS, 10 * MS, 64);
	now_step = 25 * MS;
	for (int i = 0; i < 100; i++) {
		now = (2000 + 10 * (uint64_t)i) * MS;
		elm__recorder_step(recorder);
	}
	elm__recorder_state_of(recorder, column("process_rss"), &rss);
	assert_int_equal(rss.reads, 10);
	finish();
}

static void what_is_unmeasured_has_a_reason(void **state)
{
	elm__recorder_state s;

	begin("reasons");
	put_rss(1);
	create(ELM__READ_PROCESS, 10 * MS, 64);
	for (int i = 0; i < 6; i++) {
		now += 10 * MS;
		put("/proc/self/status", i % 2 ? "VmRSS: much\n" : "VmRSS: 4 kB\n");
		elm__recorder_step(recorder);
	}
	elm__recorder_state_of(recorder, column("process_rss"), &s);
	assert_int_equal(s.reads, 6);
	assert_int_equal(s.unmeasured, 3);
	assert_contains(s.reason, "no file");
	assert_true(s.change_seconds == 0);
	assert_true(value_at(4, "process_rss", NULL) == 4096);
	assert_true(isnan(value_at(5, "process_rss", NULL)));
	finish();
}

static void cost_is_counted(void **state)
{
	elm__recorder_cost cost;

	begin("cost");
	create(ELM__READ_PROCESS, 500 * MS, 64);
	cpu_step = 1000;
	for (int i = 0; i < 11; i++) {
		now += 500 * MS;
		elm__recorder_step(recorder);
	}
	elm__recorder_cost_of(recorder, &cost);
	assert_int_equal(cost.rows, 11);
	assert_true(fabs(cost.seconds - 5) < 1e-9);
	/* Each row looks at the clock four times, three steps apart. */
	assert_true(fabs(cost.cpu_seconds - 11 * 3e-6) < 1e-9);
	assert_int_equal(cost.missed, 0);
	finish();
}

static void refuse(elm__recorder_options options, elm_status expected, const char *part)
{
	elm__recorder *none = NULL;
	elm_error error = { 0 };

	assert_int_equal(elm__recorder_create(&options, &none, &error), expected);
	assert_null(none);
	assert_contains(error.text, part);
}

static void options_are_checked(void **state)
{
	const elm__recorder_options good = { .interval_ns = 10 * MS, .rows = 10 };
	elm__recorder_options bad = good;

	bad.interval_ns = MS - 1;
	refuse(bad, ELM_ERR_ARGUMENT, "interval");
	bad.interval_ns = 3601 * 1000 * MS;
	refuse(bad, ELM_ERR_ARGUMENT, "interval");
	bad = good;
	bad.rows = 0;
	refuse(bad, ELM_ERR_ARGUMENT, "rows");
	bad.rows = SIZE_MAX / 4;
	refuse(bad, ELM_ERR_LIMIT, "1 GiB");
	bad = good;
	bad.groups = 1U << ELM__READ_GROUPS;
	refuse(bad, ELM_ERR_ARGUMENT, "groups");
	bad = good;
	bad.pid = -1;
	refuse(bad, ELM_ERR_ARGUMENT, "process");
}

/* The thread, on this machine. How fast it is depends on others; that it takes rows does not. */
static void the_thread_takes_rows(void **state)
{
	const elm__recorder_options options = { .interval_ns = 2 * MS, .rows = 1000 };
	elm__recorder_cost cost;
	elm_error error = { 0 };
	uint64_t rows, last = 0, from = 0, at;
	double values[512];

	assert_int_equal(elm__recorder_create(&options, &recorder, &error), ELM_OK);
	for (int round = 1; round <= 2; round++) {
		assert_int_equal(elm__recorder_start(recorder, &error), ELM_OK);
		assert_int_equal(elm__recorder_start(recorder, &error), ELM_OK);
		while (elm__recorder_rows(recorder) < (uint64_t)round * 5)
			usleep(1000);
		elm__recorder_stop(recorder);
		elm__recorder_stop(recorder);
	}
	rows = elm__recorder_rows(recorder);
	usleep(10000);
	assert_int_equal(elm__recorder_rows(recorder), rows);
	while (elm__recorder_copy(recorder, &from, 1, &at, values)) {
		assert_true(at > last && at <= elm__now_ns());
		assert_true(values[column("process_rss")] > 0);
		last = at;
		from++;
	}
	elm__recorder_cost_of(recorder, &cost);
	assert_int_equal(cost.rows, rows);
	assert_true(cost.cpu_seconds > 0 && cost.seconds > 0);
	finish();
}

/* Of a process that ends under our eyes: this test's own child. */
static void another_process(void **state)
{
	elm__recorder_options options = { .interval_ns = 2 * MS,
					  .rows = 10,
					  .groups = ELM__READ_PROCESS | ELM__READ_PSS };
	elm__recorder_state rss;
	uint64_t last;
	elm_error error = { 0 };
	pid_t child = fork();

	if (!child)
		for (;;)
			pause();
	assert_true(child > 0);
	options.pid = child;
	assert_int_equal(elm__recorder_create(&options, &recorder, &error), ELM_OK);
	elm__recorder_step(recorder);
	assert_true(value_at(0, "process_rss", NULL) > 0);
	assert_true(value_at(0, "process_time", NULL) >= 0);
	assert_true(value_at(0, "process_threads", NULL) >= 1);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	/* It is read again when its time has come. */
	do {
		usleep(1000);
		elm__recorder_step(recorder);
		elm__recorder_state_of(recorder, column("process_rss"), &rss);
	} while (rss.reads < 2);
	last = elm__recorder_rows(recorder) - 1;
	assert_true(isnan(value_at(last, "process_rss", NULL)));
	assert_true(isnan(value_at(last, "process_time", NULL)));
	assert_contains(rss.reason, "has ended");
	finish();
}

static elm_status create_and_free(void *user, elm_error *error)
{
	const elm__recorder_options options = { .interval_ns = 10 * MS, .rows = 10 };
	elm__recorder *created;
	elm_status status = elm__recorder_create(&options, &created, error);

	elm__recorder_free(created);
	return status;
}

static void running_out_of_memory(void **state)
{
	fail_each_allocation(create_and_free, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_have_times_and_values),
		cmocka_unit_test(a_full_ring_loses_the_oldest),
		cmocka_unit_test(slow_sensors_are_found_out),
		cmocka_unit_test(shares_are_of_a_tenth_of_a_second),
		cmocka_unit_test(dear_reads_are_made_rarely),
		cmocka_unit_test(cheap_reads_leave_their_share),
		cmocka_unit_test(sensors_that_make_us_wait_are_read_rarely),
		cmocka_unit_test(what_is_unmeasured_has_a_reason),
		cmocka_unit_test(cost_is_counted),
		cmocka_unit_test(options_are_checked),
		cmocka_unit_test(the_thread_takes_rows),
		cmocka_unit_test(another_process),
		cmocka_unit_test(running_out_of_memory),
	};

	return cmocka_run_group_tests_name("recorder", tests, NULL, NULL);
}

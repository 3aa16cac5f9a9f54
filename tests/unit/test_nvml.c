/* NVIDIA's library, with a library of the tests' own in its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "support.h"
#include "telemetry/nvml.h"

static void assert_value(elm__reading reading, double value)
{
	assert_true(reading.measured);
	assert_true(fabs(reading.value - value) < 1e-9 * fabs(value) + 1e-12);
}

static void assert_reason(elm__reading reading, const char *part)
{
	assert_false(reading.measured);
	assert_contains(reading.reason, part);
}

static void a_card_that_tells_everything(void **state)
{
	elm__nvml *nvml = elm__nvml_open(FAKE_NVML);
	elm__gpu gpu = { { 0 } };

	assert_non_null(nvml);
	assert_int_equal(elm__nvml_count(nvml, 8), 2);
	assert_int_equal(elm__nvml_count(nvml, 1), 1);
	elm__nvml_read(nvml, 0, &gpu);
	assert_string_equal(gpu.name, "NVIDIA Fake 1");
	assert_value(gpu.load, 37);
	assert_value(gpu.now, 1395e6);
	assert_value(gpu.highest, 1980e6);
	assert_value(gpu.memory_used, 3221225472.0);
	assert_value(gpu.memory_total, 8589934592.0);
	assert_value(gpu.temperature, 61);
	assert_value(gpu.power, 123.456);
	assert_reason(gpu.lowest, "does not tell");
	assert_value(elm__nvml_process_memory(nvml, 77), 1000);
	assert_reason(elm__nvml_process_memory(nvml, 78), "does not tell");
	assert_value(elm__nvml_process_memory(nvml, 79), 0);
	elm__nvml_close(nvml);
}

static void a_card_that_tells_nothing(void **state)
{
	elm__nvml *nvml = elm__nvml_open(FAKE_NVML);
	elm__gpu gpu = { { 0 } };

	assert_non_null(nvml);
	elm__nvml_read(nvml, 1, &gpu);
	assert_string_equal(gpu.name, "NVIDIA GPU");
	assert_reason(gpu.load, "does not support");
	assert_reason(gpu.now, "does not support");
	assert_reason(gpu.memory_used, "does not support");
	assert_reason(gpu.temperature, "does not support");
	assert_reason(gpu.power, "only root");
	elm__nvml_close(nvml);
}

static void what_is_no_such_library(void **state)
{
	assert_null(elm__nvml_open("libedgelm-there-is-none.so"));
	assert_null(elm__nvml_open("libm.so.6"));
	assert_int_equal(elm__nvml_count(NULL, 8), 0);
	elm__nvml_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_card_that_tells_everything),
		cmocka_unit_test(a_card_that_tells_nothing),
		cmocka_unit_test(what_is_no_such_library),
	};

	return cmocka_run_group_tests_name("nvml", tests, NULL, NULL);
}

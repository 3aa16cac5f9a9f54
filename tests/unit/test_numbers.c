/* Random numbers, exact mathematics and statistics: against published vectors and the C library. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/exactmath.h"
#include "base/random.h"
#include "base/stats.h"

static void splitmix64_gives_the_published_numbers(void **state)
{
	static const uint64_t expected[] = {
		UINT64_C(6457827717110365317),	UINT64_C(3203168211198807973),
		UINT64_C(9817491932198370423),	UINT64_C(4593380528125082431),
		UINT64_C(16408922859458223821),
	};
	uint64_t seed = 1234567;

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_true(elm__splitmix64(&seed) == expected[i]);
}

static void xoshiro_gives_the_published_numbers(void **state)
{
	static const uint64_t expected[] = {
		UINT64_C(11520),
		UINT64_C(0),
		UINT64_C(1509978240),
		UINT64_C(1215971899390074240),
		UINT64_C(1216172134540287360),
		UINT64_C(607988272756665600),
	};
	elm__random random = { { 1, 2, 3, 4 } };

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_true(elm__random_u64(&random) == expected[i]);
}

static void unit_numbers_are_uniform(void **state)
{
	enum { DRAWS = 100000, BINS = 50 };
	int bins[BINS] = { 0 };
	double chi = 0, expected = (double)DRAWS / BINS;
	elm__random random;

	(void)state;
	elm__random_seed(&random, 0);
	for (int i = 0; i < DRAWS; i++) {
		double x = elm__random_unit(&random);

		assert_true(x >= 0 && x < 1);
		bins[(int)(x * BINS)]++;
	}
	for (int i = 0; i < BINS; i++)
		chi += (bins[i] - expected) * (bins[i] - expected) / expected;
	/* 49 degrees of freedom: 99.9 % of fair generators stay below 85.4. */
	assert_true(chi < 85.4);
}

static void exp_is_near_the_real_one(void **state)
{
	double worst = 0;

	(void)state;
	for (int i = 0; i <= 870000; i++) {
		float x = (float)i * -1e-4f, got = elm__exp_negative(x);
		double real = exp((double)x), error = fabs((double)got - real) / real;

		if (x > -87)
			worst = error > worst ? error : worst;
	}
	assert_true(worst < 2 * 0x1p-23);
	assert_true(elm__exp_negative(0) == 1);
	assert_true(elm__exp_negative(-87) == 0);
	assert_true(elm__exp_negative(-1e30f) == 0);
	assert_true(elm__exp_negative(-INFINITY) == 0);
	assert_true(elm__exp_negative(NAN) == 0);
}

static void log_is_near_the_real_one(void **state)
{
	static const double special[] = { 1, 2, 0.5, 1e-300, 1e300, 5e-324, 1.7e308, 0.70710678 };
	elm__random random;

	(void)state;
	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		assert_true(fabs(elm__log(special[i]) - log(special[i])) <=
			    1e-15 * fmax(1, fabs(log(special[i]))));
	elm__random_seed(&random, 7);
	for (int i = 0; i < 100000; i++) {
		double x = ldexp(1 + elm__random_unit(&random),
				 (int)(elm__random_u64(&random) % 200) - 100);

		assert_true(fabs(elm__log(x) - log(x)) <= 1e-15 * fmax(1, fabs(log(x))));
	}
}

/* The reason for the functions: their bits do not depend on the machine. */
static void exp_has_known_bits(void **state)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	(void)state;
	for (int i = 0; i < 100000; i++) {
		float value = elm__exp_negative((float)i * -0.00087f);
		uint32_t bits;

		memcpy(&bits, &value, sizeof(bits));
		hash = (hash ^ bits) * UINT64_C(0x100000001b3);
	}
	assert_int_equal(hash, UINT64_C(0x1d8dd6b04f6a8a7a));
}

static void quantiles_are_interpolated(void **state)
{
	double values[] = { 40, 10, 30, 20 }, hundred[101], one = 5;
	elm__summary summary = elm__summarize(values, 4);

	(void)state;
	assert_true(summary.n == 4 && summary.mean == 25);
	assert_true(summary.minimum == 10 && summary.maximum == 40);
	assert_true(summary.p50 == 25);
	assert_true(fabs(summary.p95 - 38.5) < 1e-12);
	assert_true(fabs(summary.p99 - 39.7) < 1e-12);
	for (int i = 0; i <= 100; i++)
		hundred[i] = (i * 37) % 101;
	summary = elm__summarize(hundred, 101);
	assert_true(summary.p50 == 50 && summary.p95 == 95 && summary.p99 == 99);
	for (int i = 0; i <= 100; i++)
		assert_true(hundred[i] == i);
	assert_true(elm__quantile(&one, 1, 0.99) == 5);
	assert_true(elm__quantile(hundred, 101, 0) == 0 && elm__quantile(hundred, 101, 1) == 100);
	assert_true(elm__summarize(NULL, 0).n == 0);
	assert_true(elm__quantile(NULL, 0, 0.5) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(splitmix64_gives_the_published_numbers),
		cmocka_unit_test(xoshiro_gives_the_published_numbers),
		cmocka_unit_test(unit_numbers_are_uniform),
		cmocka_unit_test(exp_is_near_the_real_one),
		cmocka_unit_test(exp_has_known_bits),
		cmocka_unit_test(log_is_near_the_real_one),
		cmocka_unit_test(quantiles_are_interpolated),
	};

	return cmocka_run_group_tests_name("numbers", tests, NULL, NULL);
}

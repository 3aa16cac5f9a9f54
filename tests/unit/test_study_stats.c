/* Intervals and lines, against values worked out by hand or known from tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "study/stats.h"
#include <cmocka.h>

#include <math.h>

#include "base/random.h"
#include "support.h"

static void close_to(double value, double expected, double tolerance)
{
	if (!(fabs(value - expected) <= tolerance))
		fail_msg("%.9g is not within %g of %.9g", value, tolerance, expected);
}

static void student_s_t_is_that_of_the_tables(void **state)
{
	static const struct {
		size_t freedom;
		double t;
	} known[] = { { 1, 12.706 }, { 2, 4.303 },  { 10, 2.228 }, { 11, 2.201 },
		      { 15, 2.131 }, { 30, 2.042 }, { 60, 2.000 }, { 1000000, 1.960 } };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		close_to(elm__t_975(known[i].freedom), known[i].t, 0.001);
	assert_true(isnan(elm__t_975(0)));
}

static void the_mean_has_its_interval(void **state)
{
	/* Mean 3, deviation sqrt(2.5), so 3 +- 2.7764 * sqrt(2.5 / 5). */
	const double values[] = { 1, 2, 3, 4, 5 };
	elm__interval mean = elm__mean_interval(values, 5);

	assert_int_equal(mean.n, 5);
	close_to(mean.value, 3, 1e-12);
	close_to(mean.low, 3 - 1.96322, 1e-4);
	close_to(mean.high, 3 + 1.96322, 1e-4);
	mean = elm__mean_interval(values, 1);
	close_to(mean.value, 1, 0);
	assert_true(isnan(mean.low) && isnan(mean.high));
	mean = elm__mean_interval(values, 0);
	assert_true(mean.n == 0 && isnan(mean.value));
}

/* Of many samples from a known distribution, about 95 of 100 intervals hold its median. */
static void the_interval_of_a_median_covers_it(void **state)
{
	enum { STUDIES = 200, VALUES = 25 };
	size_t covered = 0;
	elm__random random;

	elm__random_seed(&random, 7);
	for (size_t s = 0; s < STUDIES; s++) {
		double values[VALUES];
		elm__interval interval;

		for (size_t i = 0; i < VALUES; i++)
			values[i] = exp(2 * elm__random_unit(&random));
		assert_int_equal(elm__median_interval(values, VALUES, s, &interval, NULL), ELM_OK);
		assert_true(interval.low <= interval.value && interval.value <= interval.high);
		covered += interval.low <= exp(1) && exp(1) <= interval.high;
	}
	if (covered < STUDIES * 90 / 100 || covered > STUDIES * 99 / 100)
		fail_msg("%zu of %d intervals hold the median", covered, STUDIES);
}

static void the_same_seed_gives_the_same_interval(void **state)
{
	const double values[] = { 3, 1, 4, 1, 5, 9, 2, 6 };
	elm__interval a, b;

	assert_int_equal(elm__median_interval(values, 8, 1, &a, NULL), ELM_OK);
	assert_int_equal(elm__median_interval(values, 8, 1, &b, NULL), ELM_OK);
	assert_true(a.value == 3.5 && a.low == b.low && a.high == b.high && a.low < a.high);
	assert_int_equal(elm__median_interval(values, 1, 1, &a, NULL), ELM_OK);
	assert_true(a.value == 3 && isnan(a.low));
	assert_int_equal(elm__median_interval(NULL, 0, 1, &a, NULL), ELM_OK);
	assert_true(a.n == 0 && isnan(a.value));
}

static void a_line_is_found_again(void **state)
{
	double x[40], y[40];
	elm__random random;
	elm__regression line;

	elm__random_seed(&random, 3);
	for (int i = 0; i < 40; i++) {
		x[i] = i;
		y[i] = 2488 + 44.3 * i;
	}
	assert_true(elm__regress(x, y, 40, &line));
	close_to(line.intercept, 2488, 1e-8);
	close_to(line.slope, 44.3, 1e-9);
	close_to(line.r2, 1, 1e-12);
	for (int i = 0; i < 40; i++)
		y[i] += 100 * (elm__random_unit(&random) - 0.5);
	assert_true(elm__regress(x, y, 40, &line));
	assert_true(line.r2 > 0.99 && line.r2 < 1);
	assert_true(line.slope_interval.low < 44.3 && 44.3 < line.slope_interval.high);
	assert_true(line.intercept_interval.low < 2488 && 2488 < line.intercept_interval.high);
}

/* By hand: x 1 2 3, y 2 2 4 gives slope 1, intercept 2/3, R2 3/4; the residuals are 1/3 -2/3 1/3.
 */
static void a_line_has_its_r2_and_its_intervals(void **state)
{
	const double x[] = { 1, 2, 3 }, y[] = { 2, 2, 4 };
	elm__regression line;

	assert_true(elm__regress(x, y, 3, &line));
	close_to(line.slope, 1, 1e-12);
	close_to(line.intercept, 2.0 / 3, 1e-12);
	close_to(line.r2, 0.75, 1e-12);
	close_to(line.slope_interval.high, 1 + 12.7062 * sqrt(2.0 / 3) / sqrt(2), 1e-6);
	assert_true(elm__regress(x, y, 2, &line));
	assert_true(isnan(line.slope_interval.low));
}

static void what_is_no_line_is_refused(void **state)
{
	const double x[] = { 5, 5, 5 }, y[] = { 1, 2, 3 };
	elm__regression line;

	assert_false(elm__regress(x, y, 3, &line));
	assert_true(isnan(line.slope) && isnan(line.r2));
	assert_false(elm__regress(y, x, 1, &line));
	assert_true(elm__regress(y, x, 3, &line)); /* flat is a line */
	close_to(line.slope, 0, 1e-12);
	close_to(line.r2, 1, 0);
}

static void ratios_leave_out_what_is_not_measured(void **state)
{
	const double a[] = { 1, 2, 4, NAN, 5, 0 }, b[] = { 2, 4, 8, 3, NAN, 7 };
	elm__interval ratio;

	assert_int_equal(elm__ratio_interval(a, b, 6, 1, &ratio, NULL), ELM_OK);
	assert_int_equal(ratio.n, 3);
	close_to(ratio.value, 2, 1e-12);
	close_to(ratio.low, 2, 1e-12);
}

static elm_status ratio_of_two(void *user, elm_error *error)
{
	const double a[] = { 1, 2 }, b[] = { 2, 3 };
	elm__interval ratio;

	return elm__ratio_interval(a, b, 2, 1, &ratio, error);
}

static void running_out_of_memory_is_an_error(void **state)
{
	assert_int_equal(fail_each_allocation(ratio_of_two, NULL), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(student_s_t_is_that_of_the_tables),
		cmocka_unit_test(the_mean_has_its_interval),
		cmocka_unit_test(the_interval_of_a_median_covers_it),
		cmocka_unit_test(the_same_seed_gives_the_same_interval),
		cmocka_unit_test(a_line_is_found_again),
		cmocka_unit_test(a_line_has_its_r2_and_its_intervals),
		cmocka_unit_test(what_is_no_line_is_refused),
		cmocka_unit_test(ratios_leave_out_what_is_not_measured),
		cmocka_unit_test(running_out_of_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

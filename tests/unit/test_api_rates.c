/* Shares of requests and tokens a minute, with times as we like. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/rates.h"
#include "support.h"

#define SECOND UINT64_C(1000000000)

static elm__http_key list[] = {
	{ .number = 1, .requests_per_minute = 6 },
	{ .number = 2, .tokens_per_minute = 600 },
	{ .number = 3, .requests_per_minute = 60, .tokens_per_minute = 60 },
	{ .number = 4 },
};
static const elm__http_keys keys = { list, 4 };

static elm__rates *start(void)
{
	elm__rates *rates;

	assert_int_equal(elm__rates_create(&keys, &rates, NULL), ELM_OK);
	return rates;
}

static double ask(elm__rates *rates, size_t key, double seconds)
{
	elm__rates_left left;

	return elm__rates_request(rates, key < 4 ? &list[key] : NULL,
				  100 * SECOND + (uint64_t)(seconds * 1e9), &left);
}

static void test_requests(void **state)
{
	elm__rates *rates = start();
	elm__rates_left left;

	(void)state;
	for (int i = 0; i < 6; i++)
		assert_true(ask(rates, 0, 0) == 0);
	assert_true(fabs(ask(rates, 0, 0) - 10) < 1e-6);
	assert_true(fabs(ask(rates, 0, 4) - 6) < 1e-6);
	/* What was refused has cost nothing. */
	assert_true(ask(rates, 0, 10.001) == 0);
	assert_true(ask(rates, 0, 10.001) > 9);
	/* Nobody saves up more than a minute's worth. */
	for (int i = 0; i < 6; i++)
		assert_true(ask(rates, 0, 10000) == 0);
	assert_true(ask(rates, 0, 10000) > 0);
	assert_true(elm__rates_request(rates, &list[0], 10130 * SECOND, &left) == 0);
	assert_true(fabs(left.requests - 2) < 1e-6);
	assert_true(left.tokens == -1);
	/* A clock that seems to go back gives nothing. */
	assert_true(elm__rates_request(rates, &list[0], SECOND, &left) == 0);
	assert_true(fabs(left.requests - 1) < 1e-6);
	elm__rates_free(rates);
}

static void test_tokens(void **state)
{
	elm__rates *rates = start();
	elm__rates_left left;

	(void)state;
	assert_true(ask(rates, 1, 0) == 0);
	elm__rates_tokens(rates, &list[1], 100 * SECOND, 700);
	/* 101 tokens are missing, and 10 come in a second. */
	assert_true(fabs(ask(rates, 1, 0) - 10.1) < 1e-6);
	assert_true(elm__rates_request(rates, &list[1], 106 * SECOND, &left) > 4);
	assert_true(left.tokens == 0 && left.requests == -1);
	assert_true(ask(rates, 1, 10.2) == 0);
	elm__rates_free(rates);
}

static void test_both_have_to_be_there(void **state)
{
	elm__rates *rates = start();

	(void)state;
	elm__rates_tokens(rates, &list[2], 100 * SECOND, 69);
	assert_true(fabs(ask(rates, 2, 0) - 10) < 1e-6);
	for (int i = 0; i < 60; i++)
		assert_true(ask(rates, 2, 200) == 0);
	assert_true(fabs(ask(rates, 2, 200) - 1) < 1e-6);
	elm__rates_free(rates);
}

static void test_no_limits(void **state)
{
	elm__rates *rates = start();

	(void)state;
	elm__rates_tokens(rates, &list[3], 100 * SECOND, 1000000);
	elm__rates_tokens(rates, NULL, 100 * SECOND, 1000000);
	for (int i = 0; i < 1000; i++)
		assert_true(ask(rates, 3, 0) == 0 && ask(rates, 9, 0) == 0);
	elm__rates_free(rates);
	assert_int_equal(elm__rates_create(NULL, &rates, NULL), ELM_OK);
	assert_true(ask(rates, 9, 0) == 0);
	elm__rates_free(rates);
	elm__rates_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_both_have_to_be_there),
		cmocka_unit_test(test_no_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

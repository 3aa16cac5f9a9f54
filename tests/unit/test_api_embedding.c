/* Requests for embeddings, and what becomes of the vectors. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "server/embedding_request.h"
#include "support.h"

static elm__embedding_request parse(bool openai, const char *text)
{
	elm__embedding_request r;
	elm_error error = { 0 };

	if (elm__embedding_request_parse(&r, openai, text, strlen(text), &error))
		fail_msg("%s: %s", text, error.text);
	return r;
}

static void refuse(bool openai, const char *text, const char *part)
{
	elm__embedding_request r;
	elm_error error = { 0 };

	assert_int_not_equal(elm__embedding_request_parse(&r, openai, text, strlen(text), &error),
			     ELM_OK);
	assert_contains(error.text, part);
	assert_null(r.root);
}

static void test_fields(void **state)
{
	elm__embedding_request r = parse(true, "{\"input\": \"a\"}");

	(void)state;
	assert_string_equal(json_string_value(r.input), "a");
	assert_false(r.base64 || r.has_priority);
	assert_int_equal(r.dimensions, 0);
	assert_int_equal(r.norm, 2);
	elm__embedding_request_release(&r);
	r = parse(true,
		  "{\"input\": [[1], \"b\"], \"encoding_format\": \"base64\", \"dimensions\": "
		  "5, \"priority\": -2, \"user\": \"x\"}");
	assert_true(r.base64 && r.has_priority);
	assert_int_equal(r.dimensions, 5);
	assert_int_equal(r.priority, -2);
	elm__embedding_request_release(&r);
	r = parse(false, "{\"content\": [1, 2], \"embd_normalize\": -1}");
	assert_string_equal(r.field, "content");
	assert_int_equal(r.norm, -1);
	elm__embedding_request_release(&r);
}

static void test_mistakes(void **state)
{
	(void)state;
	refuse(true, "[]", "object");
	refuse(true, "{", "line 1");
	refuse(true, "{\"content\": \"a\"}", "'input' is missing");
	refuse(false, "{\"x\": \"a\"}", "'content' is missing");
	refuse(true, "{\"input\": \"\"}", "empty");
	refuse(true, "{\"input\": [\"a\", \"\"]}", "empty");
	refuse(true, "{\"input\": [1.5]}", "input");
	refuse(true, "{\"input\": \"a\", \"encoding_format\": \"int8\"}", "int8");
	refuse(true, "{\"input\": \"a\", \"encoding_format\": 1}", "encoding_format");
	refuse(true, "{\"input\": \"a\", \"dimensions\": 0}", "dimensions");
	refuse(true, "{\"input\": \"a\", \"embd_normalize\": -2}", "embd_normalize");
}

static void finish(int64_t norm, int64_t dimensions, float a, float b, float c)
{
	const elm__embedding_request r = { .norm = norm, .dimensions = dimensions };
	float values[3] = { 3, -4, 12 };

	elm__embedding_finish(&r, values, 3);
	assert_true(fabs((double)(values[0] - a)) < 1e-6 * fabs((double)a));
	assert_true(fabs((double)(values[1] - b)) < 1e-6 * fabs((double)b));
	assert_true(fabs((double)(values[2] - c)) < 1e-6 * fabs((double)c));
}

static void test_norms(void **state)
{
	const elm__embedding_request r = { .norm = 2 };
	float zero[2] = { 0, 0 }, huge[2] = { 3e38f, -3e38f };

	(void)state;
	finish(2, 0, 3 / 13.0f, -4 / 13.0f, 12 / 13.0f);
	finish(1, 0, 3 / 19.0f, -4 / 19.0f, 12 / 19.0f);
	finish(0, 0, 3 * 2730.0f, -4 * 2730.0f, 12 * 2730.0f);
	finish(-1, 0, 3, -4, 12);
	/* The values behind those that are wanted do not count. */
	finish(2, 2, 0.6f, -0.8f, 12);
	elm__embedding_finish(&r, zero, 2);
	assert_true(zero[0] == 0 && zero[1] == 0);
	elm__embedding_finish(&r, huge, 2);
	assert_true(fabs((double)huge[0] - sqrt(0.5)) < 1e-6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_norms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

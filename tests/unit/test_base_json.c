/* The JSON glue: hostile text, typed members. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static json_t *parse(const char *text)
{
	json_t *value = NULL;
	elm_error error = { 0 };

	assert_int_equal(elm__json_parse("test", text, strlen(text), &value, &error), ELM_OK);
	assert_string_equal(error.text, "");
	return value;
}

static void any_value_parses(void **state)
{
	static const char *const texts[] = { "{}",     "[1, 2]", "\"x\"", "3",
					     "-2.5e3", "true",	 "null",  " [ ] " };
	static const char *const types[] = { "object", "array",	  "string", "integer",
					     "real",   "boolean", "null",   "array" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		json_t *value = parse(texts[i]);

		assert_string_equal(elm__json_type_name(value), types[i]);
		json_decref(value);
	}
	assert_string_equal(elm__json_type_name(NULL), "null");
}

static void broken_text_names_its_place(void **state)
{
	static const char *const texts[] = {
		"",    "{",	      "[1,]",  "{\"a\":1,\"a\":2}", "\"\xff\"",
		"nul", "{} trailing", "1e999", "\"\\ud800\""
	};
	json_t *value = NULL;
	elm_error error;
	char deep[20000];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		memset(&error, 0, sizeof(error));
		assert_int_equal(elm__json_parse("body", texts[i], strlen(texts[i]), &value,
						 &error),
				 ELM_ERR_FORMAT);
		assert_null(value);
		assert_memory_equal(error.text, "body: invalid JSON at line ", 27);
	}
	memset(deep, '[', sizeof(deep));
	assert_int_equal(elm__json_parse("body", deep, sizeof(deep), &value, NULL), ELM_ERR_FORMAT);
}

static void members_are_typed_and_bounded(void **state)
{
	json_t *o = parse("{\"i\": 5, \"f\": 0.5, \"b\": true, \"s\": \"text\", \"z\": null, "
			  "\"nul\": \"a\\u0000b\"}");
	int64_t i = 1;
	double f = 1;
	bool b = false;
	const char *s = "before";
	elm_error error = { 0 };

	assert_int_equal(elm__json_get_i64(o, "i", 0, 9, &i, &error), ELM_OK);
	assert_int_equal(i, 5);
	assert_int_equal(elm__json_get_f64(o, "f", 0, 1, &f, &error), ELM_OK);
	assert_true(f == 0.5);
	assert_int_equal(elm__json_get_f64(o, "i", 0, 9, &f, &error), ELM_OK);
	assert_true(f == 5);
	assert_int_equal(elm__json_get_bool(o, "b", &b, &error), ELM_OK);
	assert_true(b);
	assert_int_equal(elm__json_get_string(o, "s", &s, &error), ELM_OK);
	assert_string_equal(s, "text");

	/* Absent and null leave the default. */
	assert_int_equal(elm__json_get_i64(o, "absent", 0, 9, &i, &error), ELM_OK);
	assert_int_equal(elm__json_get_i64(o, "z", 0, 9, &i, &error), ELM_OK);
	assert_int_equal(i, 5);

	assert_int_equal(elm__json_get_i64(o, "i", 6, 9, &i, &error), ELM_ERR_ARGUMENT);
	assert_string_equal(error.text, "\"i\" is 5; it must be between 6 and 9");
	assert_int_equal(elm__json_get_f64(o, "f", 1, 2, &f, &error), ELM_ERR_ARGUMENT);
	assert_string_equal(error.text, "\"f\" is 0.5; it must be between 1 and 2");
	assert_int_equal(elm__json_get_i64(o, "f", 0, 9, &i, &error), ELM_ERR_ARGUMENT);
	assert_string_equal(error.text, "\"f\" must be an integer, not real");
	assert_int_equal(elm__json_get_bool(o, "i", &b, &error), ELM_ERR_ARGUMENT);
	assert_int_equal(elm__json_get_string(o, "b", &s, &error), ELM_ERR_ARGUMENT);
	assert_int_equal(elm__json_get_string(o, "nul", &s, &error), ELM_ERR_ARGUMENT);
	assert_string_equal(error.text, "\"nul\" contains a NUL character");
	assert_string_equal(s, "text");
	json_decref(o);
}

static elm_status parse_some(void *user, elm_error *error)
{
	static const char text[] = "{\"a\": [1, 2, {\"b\": \"some text\"}], \"c\": 2.5}";
	json_t *value;
	elm_status status = elm__json_parse("test", text, sizeof(text) - 1, &value, error);

	json_decref(value);
	return status;
}

/* jansson has its own allocator hook, which a program that embeds us may set. */
static size_t left;

static void *failing_malloc(size_t size)
{
	return left && --left ? malloc(size) : NULL;
}

static void each_allocation_of_jansson_may_fail(void **state)
{
	elm_status status = ELM_ERR_NO_MEMORY;
	size_t n;

	json_set_alloc_funcs(failing_malloc, free);
	for (n = 1; n < 1000 && status != ELM_OK; n++) {
		elm_error error = { 0 };

		left = n;
		status = parse_some(NULL, &error);
		if (status != ELM_OK)
			assert_string_not_equal(error.text, "");
	}
	json_set_alloc_funcs(malloc, free);
	assert_int_equal(status, ELM_OK);
	assert_in_range(n, 5, 999);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_value_parses),
		cmocka_unit_test(broken_text_names_its_place),
		cmocka_unit_test(members_are_typed_and_bounded),
		cmocka_unit_test(each_allocation_of_jansson_may_fail),
	};

	return cmocka_run_group_tests_name("base_json", tests, NULL, NULL);
}

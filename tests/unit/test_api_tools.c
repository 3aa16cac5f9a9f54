/* Calls of tools in text, and what of a text can be told while it grows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/tools.h"
#include "support.h"

static json_t *two_tools(void)
{
	return json_loads("[{\"type\": \"function\", \"function\": {\"name\": \"light\", "
			  "\"parameters\": {\"type\": \"object\", \"properties\": {\"on\": "
			  "{\"type\": \"boolean\"}}}}}, {\"type\": \"function\", \"function\": "
			  "{\"name\": \"door\"}}]",
			  0, NULL);
}

/* The calls as "name(arguments)" one after the other, after the text that is left. */
static void check(const char *text, const char *expected)
{
	json_t *tools = two_tools(), *calls, *call;
	elm__buf got = ELM__BUF_INIT;
	size_t content, i;

	assert_true(elm__tools_parse(text, strlen(text), tools, &calls, &content));
	elm__buf_append(&got, text, content);
	json_array_foreach(calls, i, call)
	{
		const json_t *function = json_object_get(call, "function");

		assert_string_equal(json_string_value(json_object_get(call, "type")), "function");
		assert_memory_equal(json_string_value(json_object_get(call, "id")), "call_", 5);
		elm__buf_printf(&got, "|%s(%s)",
				json_string_value(json_object_get(function, "name")),
				json_string_value(json_object_get(function, "arguments")));
	}
	assert_string_equal(elm__buf_text(&got), expected);
	elm__buf_release(&got);
	json_decref(calls);
	json_decref(tools);
}

static void test_every_family(void **state)
{
	check("<tool_call>\n{\"name\": \"light\", \"arguments\": {\"on\": true}}\n</tool_call>",
	      "|light({\"on\":true})");
	check("Yes. <tool_call>{\"name\":\"light\",\"arguments\":{}}</tool_call>\n"
	      "<tool_call>{\"name\":\"door\",\"arguments\":{\"n\":1}}",
	      "Yes. |light({})|door({\"n\":1})");
	check(" {\"name\": \"light\", \"parameters\": {\"on\": false}}\n",
	      "|light({\"on\":false})");
	check("<|python_tag|>{\"name\": \"door\", \"parameters\": {}}", "|door({})");
	check("[TOOL_CALLS] [{\"name\": \"door\", \"arguments\": {}}, "
	      "{\"name\": \"light\", \"arguments\": {}}]",
	      "|door({})|light({})");
	check("<|tool_call|>[{\"name\": \"door\", \"arguments\": {}}]", "|door({})");
}

static void test_what_is_no_call_stays_text(void **state)
{
	static const char *const texts[] = {
		"",
		"   ",
		"Hello {\"name\": \"door\", \"arguments\": {}}",
		"{\"name\": \"window\", \"arguments\": {}}",
		"{\"name\": \"door\"}",
		"{\"name\": \"door\", \"arguments\": \"x\"}",
		"{\"name\": 1, \"arguments\": {}}",
		"[]",
		"[1]",
		"[[{\"name\": \"door\", \"arguments\": {}}]]",
		"[{\"name\": \"door\", \"arguments\": {}}, {\"name\": \"x\", \"arguments\": {}}]",
		"{\"name\": \"door\", \"arguments\": {}",
		"<tool_call>",
		"a <tool_call> b </tool_call>",
		"<|python_tag|>",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		check(texts[i], texts[i]);
}

/* Told piece by piece, nothing comes out that turns out to be a call, and it never goes back. */
static void test_growing_text(void **state)
{
	static const struct {
		const char *text;
		size_t certain;
	} cases[] = {
		{ "plain < text <tool", 13 },
		{ "plain <tool_call>{\"name\"", 6 },
		{ "{\"name\": 1} and more", 0 },
		{ " [", 0 },
		{ "<|py", 0 },
		{ "<b>", 3 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t length = strlen(cases[i].text), told = 0;

		for (size_t n = 1; n <= length; n++) {
			size_t certain = elm__tools_certain(cases[i].text, n, told);

			assert_in_range(certain, told, n);
			assert_true(certain <= cases[i].certain);
			told = certain;
		}
		assert_int_equal(told, cases[i].certain);
	}
}

static void test_schema(void **state)
{
	json_t *tools = two_tools();
	json_t *schema = elm__tools_schema(tools, NULL);

	assert_int_equal(json_array_size(json_object_get(schema, "anyOf")), 2);
	json_decref(schema);
	schema = elm__tools_schema(tools, "door");
	assert_int_equal(json_array_size(json_object_get(schema, "anyOf")), 1);
	json_decref(schema);
	assert_null(elm__tools_schema(tools, "window"));
	assert_null(elm__tools_schema(NULL, NULL));
	json_decref(tools);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_family),
		cmocka_unit_test(test_what_is_no_call_stays_text),
		cmocka_unit_test(test_growing_text),
		cmocka_unit_test(test_schema),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

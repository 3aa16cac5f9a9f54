/* Files of tasks, what counts as a right answer, and the figures made of many. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "eval/score.h"
#include "eval/task_run.h"
#include "eval/tasks.h"
#include "support.h"

static elm_status parse(const char *text, elm__tasks *tasks, elm_error *error)
{
	return elm__tasks_parse(tasks, "t.jsonl", text, strlen(text), error);
}

static void a_file_is_read(void **state)
{
	elm__tasks tasks;

	assert_int_equal(
		parse("{\"prompt\": \"a\", \"expected\": \"b\"}\n \r\n"
		      "{\"messages\": [{\"role\": \"user\", \"content\": \"c\"}], \"tools\": [],\n",
		      &tasks, NULL),
		ELM_ERR_FORMAT);
	assert_int_equal(
		parse("{\"prompt\": \"a\", \"expected\": \"b\"}\n \r\n"
		      "{\"messages\": [{\"role\": \"user\", \"content\": \"c\"}], \"tools\": [], "
		      "\"category\": \"x\", \"domain\": \"out\", \"kind\": \"ignored\"}\r\n"
		      "{\"prompt\": \"d\", \"expected_any\": [1, 2.5], \"match\": \"number\", "
		      "\"tolerance\": 0.5, \"domain\": \"in\"}",
		      &tasks, NULL),
		ELM_OK);
	assert_int_equal(tasks.count, 3);
	assert_string_equal(tasks.items[0].prompt, "a");
	assert_string_equal(tasks.items[0].category, "all");
	assert_int_equal(tasks.items[0].domain, ELM__DOMAIN_UNSAID);
	assert_int_equal(tasks.items[0].line, 1);
	assert_null(tasks.items[1].prompt);
	assert_null(tasks.items[1].expected);
	assert_non_null(tasks.items[1].tools);
	assert_int_equal(tasks.items[1].domain, ELM__DOMAIN_OUT);
	assert_int_equal(tasks.items[1].line, 3);
	assert_int_equal(tasks.items[2].match, ELM__MATCH_NUMBER);
	assert_float_equal(tasks.items[2].tolerance, 0.5, 0);
	elm__tasks_release(&tasks);
}

static void mistakes_are_told_with_their_line(void **state)
{
	static const struct {
		const char *line, *part;
	} cases[] = {
		{ "{", "invalid JSON" },
		{ "[]", "a task must be an object, not array" },
		{ "{\"expected\": \"b\"}", "either \"prompt\" or \"messages\"" },
		{ "{\"prompt\": \"a\", \"messages\": [], \"expected\": \"b\"}", "either" },
		{ "{\"messages\": [], \"expected\": \"b\"}", "not empty" },
		{ "{\"messages\": {}, \"expected\": \"b\"}", "not empty" },
		{ "{\"messages\": [3], \"expected\": \"b\"}", "message 1 must be an object" },
		{ "{\"prompt\": 3, \"expected\": \"b\"}", "\"prompt\" must be a string" },
		{ "{\"prompt\": \"a\"}", "no \"expected\"" },
		{ "{\"prompt\": \"a\", \"expected\": 3}", "must be a string, not integer" },
		{ "{\"prompt\": \"a\", \"expected\": \"x\\u0000y\"}", "NUL" },
		{ "{\"prompt\": \"a\", \"expected\": \"b\", \"expected_any\": [\"b\"]}",
		  "not both" },
		{ "{\"prompt\": \"a\", \"expected_any\": []}", "not empty" },
		{ "{\"prompt\": \"a\", \"expected_any\": [\"a\", 1]}", "must be a string" },
		{ "{\"prompt\": \"a\", \"expected\": \"b\", \"match\": \"fuzzy\"}",
		  "\"match\" must be" },
		{ "{\"prompt\": \"a\", \"expected\": \"(\", \"match\": \"regex\"}",
		  "not a regular expression" },
		{ "{\"prompt\": \"a\", \"expected\": \"1\", \"match\": \"number\"}",
		  "must be a number, not string" },
		{ "{\"prompt\": \"a\", \"expected\": \"b\", \"tolerance\": -1}", "tolerance" },
		{ "{\"prompt\": \"a\", \"domain\": \"near\"}", "\"domain\" must be in or out" },
		{ "{\"prompt\": \"a\", \"expected\": \"b\", \"category\": 1}", "category" },
		{ "{\"prompt\": \"a\", \"expected\": \"b\", \"tools\": {}}", "\"tools\" must be" },
	};
	elm__tasks tasks;
	elm_error error = { 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[512] = "{\"prompt\": \"a\", \"expected\": \"b\"}\n\n";

		strcat(text, cases[i].line);
		assert_int_not_equal(parse(text, &tasks, &error), ELM_OK);
		assert_contains(error.text, "t.jsonl, line 3: ");
		assert_contains(error.text, cases[i].part);
		assert_null(tasks.items);
	}
	assert_int_equal(parse(" \n\n", &tasks, &error), ELM_ERR_FORMAT);
	assert_contains(error.text, "no tasks");
}

static bool right(const char *members, const char *answer)
{
	char text[512];
	elm__tasks tasks;
	elm_error error = { 0 };
	bool out;

	snprintf(text, sizeof(text), "{\"prompt\": \"\", %s}", members);
	if (parse(text, &tasks, &error))
		fail_msg("%s", error.text);
	assert_int_equal(elm__task_check(tasks.items, answer, strlen(answer), &out, NULL), ELM_OK);
	elm__tasks_release(&tasks);
	return out;
}

static void answers_are_compared(void **state)
{
	const char *exact = "\"expected\": \" Yes.\"";
	const char *contains = "\"expected\": \"Rome\", \"match\": \"contains\"";
	const char *regex = "\"expected\": \"^(a|b)+$\", \"match\": \"regex\"";
	const char *any = "\"expected_any\": [\"one\", \"1\"]";
	const char *json =
		"\"expected\": {\"a\": [1, true], \"b\": {\"c\": null}}, \"match\": \"json\"";
	const char *number = "\"expected\": -1234.5, \"match\": \"number\", \"tolerance\": 0.01";

	assert_true(right(exact, "Yes.\n"));
	assert_false(right(exact, "yes."));
	assert_false(right(exact, "Yes. No."));
	assert_false(right(exact, ""));
	assert_true(right(contains, "It is Rome, of course"));
	assert_false(right(contains, "It is rome"));
	assert_true(right(regex, "abba"));
	assert_false(right(regex, "abc"));
	assert_false(right(regex, "\xff"));
	assert_true(right(any, "1"));
	assert_true(right(any, "one"));
	assert_false(right(any, "two"));
	assert_true(right(json, "{\"b\":{\"c\":null},\"a\":[1.0,true]}"));
	assert_true(
		right(json, " <tool_call>{\"a\": [1, true], \"b\": {\"c\": null}}</tool_call>\n"));
	assert_true(right(json, "```json\n{\"a\": [1, true], \"b\": {\"c\": null}}\n```"));
	assert_false(right(json, "{\"a\": [1, true], \"b\": {\"c\": null}, \"d\": 1}"));
	assert_false(right(json, "{\"a\": [1], \"b\": {\"c\": null}}"));
	assert_false(right(json, "{\"a\": [1, true], \"x\": {\"c\": null}}"));
	assert_false(right(json, "<tool_call>"));
	assert_true(right(number, "first 7, then -1,234.50."));
	assert_true(right(number, "-1234.505"));
	assert_false(right(number, "-1234.52"));
	assert_false(right(number, "1234.5"));
	assert_false(right(number, "none"));
	assert_true(right("\"expected\": 3, \"match\": \"number\"", "2 + 1 = 3."));
}

/* An expression that would look for ages gives up. */
static void slow_expressions_end(void **state)
{
	assert_false(right("\"expected\": \"^(a*)*(a*)*(a*)*b$\", \"match\": \"regex\"",
			   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac"));
}

/* Intervals of Wilson from the formula, worked out by hand with z = 1.96. */
static void proportions(void **state)
{
	elm__proportion p = elm__proportion_of(8, 10);

	assert_float_equal(p.value, 0.8, 1e-12);
	assert_float_equal(p.low, 0.4902, 1e-4);
	assert_float_equal(p.high, 0.9433, 1e-4);
	assert_float_equal(p.error, (p.high - p.low) / 2 / 1.959964, 1e-6);
	p = elm__proportion_of(0, 5);
	assert_float_equal(p.low, 0, 0);
	assert_true(p.high > 0.3 && p.high < 0.6);
	p = elm__proportion_of(5, 5);
	assert_float_equal(p.high, 1, 0);
	assert_true(p.error > 0);
}

/* Against the definition: the share of pairs that are in order. */
static void auroc(void **state)
{
	double in[] = { 0.9, 0.5, 0.5, 0.2, 0.7 }, out[] = { 0.1, 0.5, 0.3 }, won = 0;
	double perfect[] = { 3, 4 }, below[] = { 1, 2, 2 };
	elm__auroc a;

	for (int i = 0; i < 5; i++)
		for (int j = 0; j < 3; j++)
			won += in[i] > out[j] ? 1 : in[i] == out[j] ? 0.5 : 0;
	a = elm__auroc_of(in, 5, out, 3);
	assert_float_equal(a.value, won / 15, 1e-12);
	assert_true(a.error > 0.1 && a.error < 0.3);
	a = elm__auroc_of(perfect, 2, below, 3);
	assert_float_equal(a.value, 1, 0);
	assert_float_equal(a.error, 0, 1e-12);
	assert_float_equal(elm__auroc_of(below, 3, perfect, 2).value, 0, 0);
}

static void confidence(void **state)
{
	elm__task_answer answer = { .logprob = log(0.25), .tokens = 2, .handed_over = 0.2 };

	assert_float_equal(elm__task_confidence(&answer), 0.5 * 0.8, 1e-12);
	answer.tokens = 0;
	assert_float_equal(elm__task_confidence(&answer), 0, 0);
}

static elm_status read_and_check(void *user, elm_error *error)
{
	static const char text[] =
		"{\"prompt\": \"a\", \"expected\": \"a+\", \"match\": \"regex\"}";
	elm__tasks tasks;
	elm_status status = elm__tasks_parse(&tasks, "t", text, sizeof(text) - 1, error);
	bool out = false;

	if (status)
		return status;
	status = elm__task_check(tasks.items, "aa", 2, &out, error);
	assert_true(status || out);
	elm__tasks_release(&tasks);
	return status;
}

static void memory_runs_out(void **state)
{
	assert_true(fail_each_allocation(read_and_check, NULL) > 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_read),
		cmocka_unit_test(mistakes_are_told_with_their_line),
		cmocka_unit_test(answers_are_compared),
		cmocka_unit_test(slow_expressions_end),
		cmocka_unit_test(proportions),
		cmocka_unit_test(auroc),
		cmocka_unit_test(confidence),
		cmocka_unit_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

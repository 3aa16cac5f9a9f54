#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <edgelm/chat_template.h>
#include <edgelm/memory.h>

#include "base/json.h"
#include "jinja/jinja.h"
#include "jinja_cases.h"
#include "support.h"

static const elm__jinja_options usual = {
	.limits = { .steps = 1000000, .output_bytes = 1 << 20, .memory_bytes = 64 << 20 },
	.fixed_time = true,
	.now = 1795176000, /* 2026-11-20 12:00 UTC */
};

static elm_status run(const char *source, const char *context, const elm__jinja_options *options,
		      char **text, elm_error *error)
{
	elm__jinja *program;
	elm_status status = elm__jinja_parse("t", source, strlen(source), &program, error);
	size_t length = 0;
	json_t *root;

	*text = NULL;
	if (status)
		return status;
	assert_int_equal(elm__json_parse("context", context, strlen(context), &root, NULL), ELM_OK);
	status = elm__jinja_render(program, root, options, text, &length, error);
	if (!status)
		assert_int_equal(strlen(*text), length);
	json_decref(root);
	elm__jinja_free(program);
	return status;
}

static void check_case(const char *group, const jinja_case *c)
{
	elm_error error = { 0 };
	char *text;
	elm_status status = run(c->source, c->context ? c->context : "{}", &usual, &text, &error);

	if (c->want && status)
		fail_msg("%s: %s\ngives the error: %s", group, c->source, error.text);
	if (c->want && strcmp(text, c->want))
		fail_msg("%s: %s\ngives:  %s\nwanted: %s", group, c->source, text, c->want);
	if (!c->want && !status)
		fail_msg("%s: %s\ngives:  %s\nwanted an error with: %s", group, c->source, text,
			 c->error);
	if (!c->want && !strstr(error.text, c->error))
		fail_msg("%s: %s\ngives the error: %s\nwanted: %s", group, c->source, error.text,
			 c->error);
	elm_free(text);
}

static void language(void **state)
{
	size_t i, j, count = 0;

	for (i = 0; i < jinja_group_count; i++)
		for (j = 0; j < jinja_groups[i].count; j++, count++)
			check_case(jinja_groups[i].name, &jinja_groups[i].cases[j]);
	printf("%zu cases\n", count);
}

static void whole_templates(void **state)
{
	static const char *const want[] = {
		"<|system|>Be brief.<|end|>\n<|user|>Light?<|end|>\n"
		"<|assistant|>On.[call light {\"room\": \"h\u00e4ll\", \"on\": true, \"level\": "
		"0.5}]"
		"<|end|>\n<|tool|>{\"ok\": true}<|end|>\n<|user|>Thanks \U0001f600<|end|>\n"
		"<|assistant|>",
		"<s>// Switch a light.\nlight({room: \"hall\" | \"attic\", on?: boolean})\n"
		"5 messages, 20 November 2026",
		"<s>[INST] Be brief.\n\nLight? [/INST] On.</s>[INST] Thanks \U0001f600 [/INST]",
		"## The Roles\n  assistant, system, tool, user.\n{{ n0t this 0ne }}18 s30s20y101-2 "
		"{'a': [1, 2.5, None]}",
	};
	elm_error error = { 0 };
	char *text;
	size_t i;

	assert_int_equal(jinja_template_count, sizeof(want) / sizeof(want[0]));
	for (i = 0; i < jinja_template_count; i++) {
		if (run(jinja_templates[i].source, jinja_conversation, &usual, &text, &error))
			fail_msg("%s: %s", jinja_templates[i].name, error.text);
		assert_string_equal(text, want[i]);
		elm_free(text);
	}
}

/* A template that does too much of something ends with the status and a sentence, soon. */
static void limits(void **state)
{
	static const struct {
		const char *source, *error;
	} cases[] = {
		{ "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor "
		  "%}",
		  "did not finish within" },
		{ "{{ 'x' * 1000000000 }}", "needs more than" },
		{ "{{ 'x' * 9223372036854775807 }}", "needs more than" },
		{ "{{ [0] * 1000000000 }}", "needs more than" },
		{ "{% for i in range(3000) %}{{ 'x' * 1000 }}{% endfor %}", "output is longer" },
		{ "{% set x %}{% for i in range(3000) %}{{ 'x' * 1000 }}{% endfor %}{% endset %}",
		  "output is longer" },
		{ "{% set ns = namespace(x='x') %}{% for i in range(100) %}{% set ns.x = ns.x + "
		  "ns.x "
		  "%}{% endfor %}",
		  "needs more than" },
		{ "{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = [ns.x, "
		  "ns.x] "
		  "%}{% endfor %}{{ ns.x == ns.x }}",
		  "did not finish within" },
		{ "{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = [ns.x, "
		  "ns.x] "
		  "%}{% endfor %}{{ ns.x }}",
		  "output is longer" },
		{ "{% set ns = namespace(x=[1]) %}{% for i in range(5000) %}{% set ns.x = [ns.x] "
		  "%}{% endfor %}{{ ns.x | tojson }}",
		  "nested too deeply" },
		{ "{% set l = [] %}{% set _ = l.append(l) %}{{ l }}", "nested too deeply" },
		{ "{% set l = [] %}{% set _ = l.append(l) %}{{ l == [l] }}", "nested too deeply" },
		{ "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "nested too deeply" },
		{ "{{ 'a'.center(1000000000) }}", "longer than" },
		{ "{{ 'a'.zfill(1000000000) }}", "longer than" },
		{ "{{ '%999999d' % 1 }}{{ '%9999999d' % 1 }}", "longer than" },
		{ "{{ '%99999999999d' % 1 }}", "too large" },
		{ "{{ '%.9999f' % 1 }}", "not supported" },
		{ "{{ [1] | batch(1000000000, 0) }}", "needs more than" },
		{ "{{ 'a' | indent(1000000000) }}", "longer than" },
		{ "{{ [1] | tojson(indent=1000000000) }}", "longer than" },
		{ "{{ strftime_now('%1000000000d') }}", "could not be written" },
		{ "{% set s = 'ab' * 400000 %}{% for i in range(100000) %}{{ 'ac' in s }}{% endfor "
		  "%}",
		  "did not finish within" },
		{ "{{ ('a' * 500000).rsplit('b' + 'a' * 1000) | length }}"
		  "{{ ('a' * 500000).rfind('ab' + 'a' * 100000) }}",
		  "did not finish within" },
	};
	elm_error error;
	char *text;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&error, 0, sizeof(error));
		if (!run(cases[i].source, "{}", &usual, &text, &error))
			fail_msg("%s: no error", cases[i].source);
		if (!strstr(error.text, cases[i].error))
			fail_msg("%s: %s", cases[i].source, error.text);
		assert_null(text);
	}
}

/* Opens the same thing many times. */
static void check_depth(const char *begin, const char *middle, const char *end)
{
	elm__buf source = ELM__BUF_INIT;
	elm_error error = { 0 };
	char *text;
	int i;

	for (i = 0; i < 100000; i++)
		elm__buf_puts(&source, begin);
	elm__buf_puts(&source, middle);
	for (i = 0; i < 100000 && *end; i++)
		elm__buf_puts(&source, end);
	assert_false(source.failed);
	assert_int_not_equal(run(source.data, "{}", &usual, &text, &error), ELM_OK);
	assert_string_not_equal(error.text, "");
	elm__buf_release(&source);
}

static void nesting(void **state)
{
	check_depth("{{ (", "1", ") }}");
	check_depth("{% if 1 %}", "x", "{% endif %}");
	check_depth("{% for i in [1] %}", "x", "{% endfor %}");
	check_depth("{% if 0 %}{% else %}", "x", "");
	check_depth("{% macro m() %}", "x", "");
	check_depth("{% set x %}", "x", "");
	check_depth("{% for (", "x", "");
	check_depth("{{ [", "", "");
}

static void deep_expressions(void **state)
{
	static const char *const begins[] = {
		"(",	  "[",	      "{1:",   "not ",	"-", "f(", "a[", "x if ", "x if x else ",
		"a.b|f(", "x is in ", "2 ** ", "'a' ~ "
	};
	elm__buf source = ELM__BUF_INIT;
	elm_error error = { 0 };
	size_t i, j;
	char *text;

	for (i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		elm__buf_clear(&source);
		elm__buf_puts(&source, "{{ ");
		for (j = 0; j < 20000; j++)
			elm__buf_puts(&source, begins[i]);
		elm__buf_puts(&source, "1 }}");
		assert_false(source.failed);
		assert_int_not_equal(run(source.data, "{}", &usual, &text, &error), ELM_OK);
	}
	elm__buf_release(&source);
}

/* Text that is built piece by piece takes memory in proportion to its length. */
static void building_text(void **state)
{
	static const char source[] =
		"{% set ns = namespace(s='') %}{% for i in range(20000) %}"
		"{% set ns.s = ns.s + '0123456789' %}{% endfor %}{{ ns.s | length }}";
	static const char shared[] =
		"{% set a = 'x' + 'y' %}{% set b = a + '1' %}{% set c = a + '2' "
		"%}{% set d = b + '3' %}{{ a }} {{ b }} {{ c }} {{ d }}";
	elm__jinja_options options = usual;
	elm_error error = { 0 };
	char *text;

	options.limits.memory_bytes = 8 << 20;
	if (run(source, "{}", &options, &text, &error))
		fail_msg("%s", error.text);
	assert_string_equal(text, "200000");
	elm_free(text);
	assert_int_equal(run(shared, "{}", &usual, &text, &error), ELM_OK);
	assert_string_equal(text, "xy xy1 xy2 xy13");
	elm_free(text);
}

static void statuses(void **state)
{
	elm_error error = { 0 };
	char *text;

	assert_int_equal(run("{{", "{}", &usual, &text, &error), ELM_ERR_FORMAT);
	assert_int_equal(run("{% include 'a' %}", "{}", &usual, &text, &error),
			 ELM_ERR_UNSUPPORTED);
	assert_int_equal(run("{{ 1 + 'a' }}", "{}", &usual, &text, &error), ELM_ERR_TEMPLATE);
	assert_string_equal(error.text,
			    "t: line 1 column 6: unsupported operand types for +: 'int' "
			    "and 'str'");
	assert_int_equal(run("{{ raise_exception('no\nway') }}", "{}", &usual, &text, &error),
			 ELM_ERR_TEMPLATE);
	assert_string_equal(error.text, "no?way");
	assert_int_equal(run("{{ 'x' * 999999999 }}", "{}", &usual, &text, &error), ELM_ERR_LIMIT);
	assert_int_equal(run("\xff", "{}", &usual, &text, &error), ELM_ERR_FORMAT);
	assert_contains(error.text, "not UTF-8");
}

/* The public interface. */

static elm_chat_template *create(const char *source)
{
	elm_chat_template *out;
	elm_error error = { 0 };

	if (elm_chat_template_create("t", source, strlen(source), &out, &error))
		fail_msg("%s", error.text);
	return out;
}

static void check_prompt(const char *source, const char *context, const char *want)
{
	elm_chat_template *chat_template = create(source);
	elm_error error = { 0 };
	size_t length;
	char *prompt;

	if (elm_chat_template_render(chat_template, context, strlen(context), NULL, &prompt,
				     &length, &error))
		fail_msg("%s: %s", source, error.text);
	assert_string_equal(prompt, want);
	assert_int_equal(length, strlen(want));
	elm_free(prompt);
	elm_chat_template_free(chat_template);
}

#define PLAIN "{% for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}"
#define TYPED                                                                       \
	"{% for m in messages %}{{ m.role }}:{% for p in m.content %}{{ p.text }}," \
	"{% endfor %};{% endfor %}"
#define BOTH                                                                           \
	"{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}" \
	"{% for p in m.content %}({{ p.text }}){% endfor %}{% endif %};{% endfor %}"
#define PARTS "[{\"type\": \"text\", \"text\": \"a\"}, {\"type\": \"text\", \"text\": \"b\"}]"

static void content_forms(void **state)
{
	static const char string[] = "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}";
	static const char parts[] =
		"{\"messages\": [{\"role\": \"user\", \"content\": " PARTS "}]}";
	static const char image[] = "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": "
				    "\"image_url\", \"image_url\": \"x\"}]}]}";
	elm_chat_template *chat_template = create(PLAIN);
	elm_error error = { 0 };
	size_t length;
	char *prompt;

	check_prompt(PLAIN, string, "user:a;");
	check_prompt(PLAIN, parts, "user:a\nb;");
	check_prompt(TYPED, string, "user:a,;");
	check_prompt(TYPED, parts, "user:a,b,;");
	check_prompt(BOTH, string, "a;");
	check_prompt(BOTH, parts, "(a)(b);");
	check_prompt("fixed", string, "fixed");
	assert_int_equal(elm_chat_template_render(chat_template, image, strlen(image), NULL,
						  &prompt, &length, &error),
			 ELM_ERR_UNSUPPORTED);
	assert_contains(error.text, "image_url");
	elm_chat_template_free(chat_template);
}

static void system_role(void **state)
{
	static const char no_system[] =
		"{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}" PLAIN;
	static const char both[] = "{\"messages\": [{\"role\": \"system\", \"content\": \"S\"}, "
				   "{\"role\": \"user\", \"content\": \"U\"}]}";
	static const char mixed[] = "{\"messages\": [{\"role\": \"system\", \"content\": \"S\"}, "
				    "{\"role\": \"user\", \"content\": " PARTS "}]}";

	check_prompt(PLAIN, both, "system:S;user:U;");
	check_prompt(no_system, both, "user:S\nU;");
	check_prompt(no_system, mixed, "user:S\na\nb;");
	check_prompt(
		"{% for m in messages if m.role == 'user' %}{% for p in m.content %}{{ p.text }}"
		",{% endfor %}{% endfor %}",
		both, "S,U,");
}

static void tool_calls(void **state)
{
#define CALLS                                                                                  \
	"{\"messages\": [{\"role\": \"user\", \"content\": \"U\"}, {\"role\": \"assistant\", " \
	"\"content\": null, \"tool_calls\": [{\"type\": \"function\", \"function\": "          \
	"{\"name\": \"f\", \"arguments\": \"{\\\"a\\\": [1, true]}\"}}, {\"type\": "           \
	"\"function\", \"function\": {\"name\": \"g\", \"arguments\": \"{broken\"}}]}]}"
	static const char objects[] =
		"{% for m in messages %}[{{ m.content }}]{% for c in m.tool_calls or [] %}"
		"{{ c.function.name }}{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}";
	static const char strings[] =
		"{% for m in messages %}[{{ m.content }}]{% for c in m.tool_calls or [] %}"
		"{{ c.function.name + c.function.arguments }}{% endfor %}{% endfor %}";

	check_prompt(objects, CALLS, "[U][]f{\"a\": [1, true]}g\"{broken\"");
	check_prompt(strings, CALLS, "[U][]f{\"a\": [1, true]}g{broken");
	/* A template that knows what null is, is given it. */
	check_prompt("{% for m in messages %}{% if m.content is not none %}[{{ m.content }}]"
		     "{% endif %}{% for c in m.tool_calls or [] %}{{ c.function.arguments | tojson "
		     "}}{% endfor %}{% endfor %}",
		     CALLS, "[U]{\"a\": [1, true]}\"{broken\"");
}

static void contexts(void **state)
{
	elm_chat_template *chat_template = create("{{ messages | length }}{{ extra }}");
	elm_chat_template_limits none = { 0, 0, 0 };
	elm_error error = { 0 };
	size_t length;
	char *prompt;

	check_prompt("{{ messages | length }}{{ extra }}", "{\"messages\": [], \"extra\": 7}",
		     "07");
	check_prompt("{{ messages is defined }}", "{}", "False");
	check_prompt("{{ messages }}", "{\"messages\": \"odd\"}", "odd");
	check_prompt("{{ messages }}", "{\"messages\": [1, null, []]}", "[1, None, []]");
	assert_int_equal(elm_chat_template_render(chat_template, "[]", 2, NULL, &prompt, &length,
						  &error),
			 ELM_ERR_ARGUMENT);
	assert_int_equal(elm_chat_template_render(chat_template, "{", 1, NULL, &prompt, &length,
						  &error),
			 ELM_ERR_FORMAT);
	assert_int_equal(elm_chat_template_render(chat_template, "{}", 2, &none, &prompt, &length,
						  &error),
			 ELM_ERR_LIMIT);
	elm_chat_template_free(chat_template);
	elm_chat_template_free(NULL);
}

/* Without a fixed time, the date is that of the clock, in local time. */
static void clock_time(void **state)
{
	time_t now = time(NULL), then;
	struct tm local;
	char want[2][32];
	elm_error error = { 0 };
	elm__jinja_options options = usual;
	char *text;

	options.fixed_time = false;
	localtime_r(&now, &local);
	strftime(want[0], sizeof(want[0]), "%Y-%m-%d", &local);
	assert_int_equal(run("{{ strftime_now('%Y-%m-%d') }}", "{}", &options, &text, &error),
			 ELM_OK);
	then = time(NULL);
	localtime_r(&then, &local);
	strftime(want[1], sizeof(want[1]), "%Y-%m-%d", &local);
	assert_true(!strcmp(text, want[0]) || !strcmp(text, want[1]));
	elm_free(text);
}

static elm_status one_render(void *user, elm_error *error)
{
	const char *source = user;
	elm_chat_template *chat_template;
	size_t length;
	char *prompt;
	elm_status status =
		elm_chat_template_create("t", source, strlen(source), &chat_template, error);

	if (status)
		return status;
	status =
		elm_chat_template_render(chat_template, jinja_conversation,
					 strlen(jinja_conversation), NULL, &prompt, &length, error);
	elm_free(prompt);
	elm_chat_template_free(chat_template);
	return status;
}

static void each_allocation_fails(void **state)
{
	size_t i, tried = 0;

	for (i = 0; i < jinja_template_count; i++)
		tried += fail_each_allocation(one_render, (void *)jinja_templates[i].source);
	assert_true(tried > 20);
}

static void *render_often(void *user)
{
	size_t length;
	char *prompt;
	int i;

	for (i = 0; i < 50; i++) {
		if (elm_chat_template_render(user, jinja_conversation, strlen(jinja_conversation),
					     NULL, &prompt, &length, NULL))
			return user;
		elm_free(prompt);
	}
	return NULL;
}

static void several_threads(void **state)
{
	elm_chat_template *chat_template = create(jinja_templates[0].source);
	pthread_t threads[4];
	void *failure;
	int i;

	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, render_often, chat_template), 0);
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], &failure);
		assert_null(failure);
	}
	elm_chat_template_free(chat_template);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(language),
		cmocka_unit_test(whole_templates),
		cmocka_unit_test(limits),
		cmocka_unit_test(nesting),
		cmocka_unit_test(deep_expressions),
		cmocka_unit_test(building_text),
		cmocka_unit_test(statuses),
		cmocka_unit_test(content_forms),
		cmocka_unit_test(system_role),
		cmocka_unit_test(tool_calls),
		cmocka_unit_test(contexts),
		cmocka_unit_test(clock_time),
		cmocka_unit_test(each_allocation_fails),
		cmocka_unit_test(several_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Grammars and schemas: which texts they allow, and every error with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "grammar/grammar.h"
#include "grammar_cases.h"
#include "support.h"

typedef elm_status create_fn(const char *text, size_t length, elm_grammar **out, elm_error *error);

/* Whether the text is in the language; a byte at a time, as tokens would be. */
static bool accepts(const elm_grammar *grammar, const char *text)
{
	elm__states states;
	elm_error error = { 0 };
	uint32_t state;
	bool answer;

	assert_int_equal(elm__states_init(&states, &grammar->program, &error), ELM_OK);
	assert_int_equal(elm__states_start(&states, &state, &error), ELM_OK);
	for (; *text; text++)
		if (elm__states_step(&states, state, grammar->program.class_of[(uint8_t)*text],
				     &state, &error))
			fail_msg("%s", error.text);
	answer = elm__state_flags(&states, state) & ELM__ENDS;
	elm__states_release(&states);
	return answer;
}

static elm_grammar *must_create(create_fn *create, const char *source)
{
	elm_error error = { 0 };
	elm_grammar *grammar;

	if (create(source, strlen(source), &grammar, &error))
		fail_msg("%s\ngives the error: %s", source, error.text);
	return grammar;
}

static void check_case(create_fn *create, const grammar_case *c)
{
	elm_grammar *grammar = must_create(create, c->source);

	for (size_t i = 0; i < GRAMMAR_TEXTS && c->yes[i]; i++)
		if (!accepts(grammar, c->yes[i]))
			fail_msg("%s does not allow %s", c->name, c->yes[i]);
	for (size_t i = 0; i < GRAMMAR_TEXTS && c->no[i]; i++)
		if (accepts(grammar, c->no[i]))
			fail_msg("%s allows %s", c->name, c->no[i]);
	elm_grammar_free(grammar);
}

static void check_error(create_fn *create, const grammar_error *c)
{
	elm_error error = { 0 };
	elm_grammar *grammar;
	elm_status status = create(c->source, strlen(c->source), &grammar, &error);

	assert_null(grammar);
	if (!status || !strstr(error.text, c->error))
		fail_msg("%s\ngives the error: %s\nwanted: %s", c->source, error.text, c->error);
	if (status != c->status)
		fail_msg("%s\ngives status %d (%s), wanted %d", c->source, status, error.text,
			 c->status);
	assert_int_equal(error.status, status);
}

static void gbnf(void **state)
{
	for (size_t i = 0; i < gbnf_case_count; i++)
		check_case(elm_grammar_create_gbnf, &gbnf_cases[i]);
}

static void gbnf_says_where_it_is_wrong(void **state)
{
	for (size_t i = 0; i < gbnf_error_count; i++)
		check_error(elm_grammar_create_gbnf, &gbnf_errors[i]);
}

static void schemas(void **state)
{
	for (size_t i = 0; i < schema_case_count; i++)
		check_case(elm_grammar_create_schema, &schema_cases[i]);
}

static void schemas_say_where_they_are_wrong(void **state)
{
	for (size_t i = 0; i < schema_error_count; i++)
		check_error(elm_grammar_create_schema, &schema_errors[i]);
}

static void any_json_object(void **state)
{
	elm_grammar *grammar;

	assert_int_equal(elm_grammar_create_json(&grammar, NULL), ELM_OK);
	assert_true(accepts(grammar, "{\"a\": {\"b\": [1, 2.5, \"x\", null]}}"));
	assert_true(accepts(grammar, "{}"));
	assert_false(accepts(grammar, "[]"));
	assert_false(accepts(grammar, "{} "));
	elm_grammar_free(grammar);
}

/* Every whole number near the bounds, against arithmetic. */
static void integer_ranges(void **state)
{
	static const int bounds[] = { -1000, -999, -101, -100, -11, -10, -9,  -1,  0,
				      1,     9,	   10,	 11,   99,  100, 101, 999, 1000 };
	enum { BOUNDS = sizeof(bounds) / sizeof(bounds[0]) };
	char text[128];

	for (int i = 0; i < BOUNDS; i++)
		for (int k = i; k < BOUNDS; k++) {
			elm_grammar *grammar;

			snprintf(text, sizeof(text),
				 "{\"type\":\"integer\",\"minimum\":%d,\"maximum\":%d}", bounds[i],
				 bounds[k]);
			grammar = must_create(elm_grammar_create_schema, text);
			for (int n = -1005; n <= 1005; n += n > -95 && n < 95 ? 1 : 3) {
				snprintf(text, sizeof(text), "%d", n);
				if (accepts(grammar, text) != (n >= bounds[i] && n <= bounds[k]))
					fail_msg("%d in %d to %d", n, bounds[i], bounds[k]);
			}
			elm_grammar_free(grammar);
		}
}

static elm__buf repeated(const char *before, const char *part, size_t count, const char *after)
{
	elm__buf text = ELM__BUF_INIT;

	elm__buf_puts(&text, before);
	while (count--)
		elm__buf_puts(&text, part);
	elm__buf_puts(&text, after);
	assert_false(text.failed);
	return text;
}

static void check_limit(create_fn *create, elm__buf text, elm_status wanted, const char *part)
{
	elm_error error = { 0 };
	elm_grammar *grammar;
	elm_status status = create(elm__buf_text(&text), text.length, &grammar, &error);

	if (status != wanted || (part && !strstr(error.text, part)))
		fail_msg("status %d: %s", status, error.text);
	elm_grammar_free(grammar);
	elm__buf_release(&text);
}

static void everything_is_bounded(void **state)
{
	create_fn *gbnf_text = elm_grammar_create_gbnf, *schema = elm_grammar_create_schema;
	elm__buf many = ELM__BUF_INIT;

	check_limit(gbnf_text, repeated("root ::= ", "(", 150, "\"x\""), ELM_ERR_FORMAT,
		    "not closed");
	check_limit(gbnf_text, repeated("root ::= ", "(", 100000, ""), ELM_ERR_LIMIT,
		    "nested more than 200");
	check_limit(gbnf_text, repeated("root ::= ", "\"x\"", 400000, ""), ELM_ERR_LIMIT,
		    "at most 1048576");
	check_limit(gbnf_text, repeated("root ::= ", " \"\"", 300000, ""), ELM_ERR_LIMIT,
		    "more than 262144 expressions");
	check_limit(gbnf_text, repeated("root ::= ", "[a-z]{32}", 50000, ""), ELM_ERR_LIMIT,
		    "too large");
	check_limit(gbnf_text, repeated("root ::= [", "a", 2000, "]"), ELM_ERR_LIMIT,
		    "more than 1024 ranges");
	check_limit(schema, repeated("", "{\"items\":", 150, "{}"), ELM_ERR_FORMAT, "invalid JSON");
	many = repeated("", "{\"items\":", 1000, "{}");
	for (int i = 0; i < 1000; i++)
		elm__buf_putc(&many, '}');
	check_limit(schema, many, ELM_ERR_LIMIT, "nested more than 200");
	check_limit(schema, repeated("{\"pattern\":\"", "(", 1000, "\"}"), ELM_ERR_LIMIT,
		    "nested too deep");

	/* A chain of rules, and of references, as long as it may be and longer. */
	for (int length = 1000; length <= 20000; length += 19000) {
		many = (elm__buf)ELM__BUF_INIT;
		elm__buf_puts(&many, "root ::= r0\n");
		for (int i = 0; i < length; i++)
			elm__buf_printf(&many, "r%d ::= \"x\"? r%d\n", i, i + 1);
		elm__buf_printf(&many, "r%d ::= \"y\"\n", length);
		check_limit(gbnf_text, many, length == 1000 ? ELM_OK : ELM_ERR_LIMIT, NULL);
	}
	many = (elm__buf)ELM__BUF_INIT;
	elm__buf_puts(&many, "{\"$ref\":\"#/$defs/0\",\"$defs\":{\"1500\":{\"type\":\"null\"}");
	for (int i = 0; i < 1500; i++)
		elm__buf_printf(&many, ",\"%d\":{\"$ref\":\"#/$defs/%d\"}", i, i + 1);
	elm__buf_puts(&many, "}}");
	check_limit(schema, many, ELM_OK, NULL);

	/* Schemas whose combination would be exponential. */
	many = (elm__buf)ELM__BUF_INIT;
	elm__buf_puts(&many, "{\"$ref\":\"#/$defs/0\",\"$defs\":{\"25\":{\"type\":\"object\"}");
	for (int i = 0; i < 25; i++)
		elm__buf_printf(&many,
				",\"%d\":{\"allOf\":[{\"$ref\":\"#/$defs/%d\"},"
				"{\"$ref\":\"#/$defs/%d\"}]}",
				i, i + 1, i + 1);
	elm__buf_puts(&many, "}}");
	check_limit(schema, many, ELM_ERR_LIMIT, "too much work");
	many = (elm__buf)ELM__BUF_INIT;
	elm__buf_puts(&many, "{\"$ref\":\"#/$defs/0\",\"$defs\":{\"25\":{\"type\":\"object\"}");
	for (int i = 0; i < 25; i++)
		elm__buf_printf(&many,
				",\"%d\":{\"type\":\"object\",\"anyOf\":[{\"$ref\":\"#/$defs/%d\"},"
				"{\"$ref\":\"#/$defs/%d\"}]}",
				i, i + 1, i + 1);
	elm__buf_puts(&many, "}}");
	check_limit(schema, many, ELM_ERR_LIMIT, NULL);
}

static void deep_nesting_ends_at_a_limit(void **state)
{
	elm_grammar *grammar =
		must_create(elm_grammar_create_gbnf, "root ::= \"(\" root \")\" | \"x\"");
	elm__buf text = repeated("", "(", 1000, "x");

	for (int i = 0; i < 1000; i++)
		elm__buf_putc(&text, ')');
	assert_true(accepts(grammar, elm__buf_text(&text)));
	elm__buf_release(&text);
	text = repeated("", "(", 2000, "x");
	for (int i = 0; i < 2000; i++)
		elm__buf_putc(&text, ')');
	assert_false(accepts(grammar, elm__buf_text(&text)));
	elm__buf_release(&text);
	elm_grammar_free(grammar);
}

static elm_status create_one(void *user, elm_error *error)
{
	const grammar_case *c = user;
	bool is_schema = c >= schema_cases && c < schema_cases + schema_case_count;
	elm_grammar *grammar;
	elm_status status = (is_schema ? elm_grammar_create_schema : elm_grammar_create_gbnf)(
		c->source, strlen(c->source), &grammar, error);

	assert_true(!status == (grammar != NULL));
	elm_grammar_free(grammar);
	return status;
}

static void memory_may_run_out(void **state)
{
	for (size_t i = 0; i < gbnf_case_count; i++)
		(void)fail_each_allocation(create_one, (void *)&gbnf_cases[i]);
	for (size_t i = 0; i < schema_case_count; i++)
		(void)fail_each_allocation(create_one, (void *)&schema_cases[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gbnf),
		cmocka_unit_test(gbnf_says_where_it_is_wrong),
		cmocka_unit_test(schemas),
		cmocka_unit_test(schemas_say_where_they_are_wrong),
		cmocka_unit_test(any_json_object),
		cmocka_unit_test(integer_ranges),
		cmocka_unit_test(everything_is_bounded),
		cmocka_unit_test(deep_nesting_ends_at_a_limit),
		cmocka_unit_test(memory_may_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

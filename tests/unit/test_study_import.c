/* Import of data sets: formats, rules, choice, and what is malformed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/random.h"
#include "import_cases.h"
#include "support.h"

static elm_status import_all(elm__import_source source, const char *text, size_t count,
			     uint64_t seed, elm__buf *out, elm_error *error)
{
	elm__pool pool;
	elm_status status;

	elm__pool_init(&pool, source);
	status = elm__pool_read(&pool, "x", text, strlen(text), error);
	if (status == ELM_OK) {
		elm__pool_unique(&pool);
		status = elm__pool_draw(&pool, count, seed, out, error);
	}
	elm__pool_release(&pool);
	return status;
}

static void files_give_what_the_rules_say(void **state)
{
	(void)state;
	for (const import_case *c = import_cases; c->name; c++) {
		elm__buf out = ELM__BUF_INIT;
		elm_error error = { 0 };
		elm_status status = import_all(c->source, c->text, 0, 1, &out, &error);

		print_message("%s\n", c->name);
		if (c->all) {
			if (status != ELM_OK)
				fail_msg("%s", error.text);
			assert_string_equal(elm__buf_text(&out), c->all);
		} else {
			assert_int_not_equal(status, ELM_OK);
			assert_contains(error.text, c->error);
		}
		elm__buf_release(&out);
	}
}

static elm_status import_whole_case(void *user, elm_error *error)
{
	const import_case *c = user;
	elm__buf out = ELM__BUF_INIT;
	elm_status status = import_all(c->source, c->text, 1, 1, &out, error);

	elm__buf_release(&out);
	return status;
}

static void running_out_of_memory_is_an_error(void **state)
{
	(void)state;
	for (const import_case *c = import_cases; c->name; c++)
		if (c->all)
			fail_each_allocation(import_whole_case, (void *)c);
}

/* Lines of a number of questions. */
static void make_wikiqa(elm__buf *out, int questions)
{
	elm__buf_puts(out, "Question\n");
	for (int i = 0; i < questions; i++)
		elm__buf_printf(out, "q%d\n", i);
}

static void the_seed_decides_the_choice(void **state)
{
	elm__buf text = ELM__BUF_INIT, first = ELM__BUF_INIT, again = ELM__BUF_INIT,
		 other = ELM__BUF_INIT;
	elm_error error = { 0 };

	(void)state;
	make_wikiqa(&text, 500);
	assert_int_equal(import_all(ELM__IMPORT_WIKIQA, text.data, 100, 1, &first, NULL), ELM_OK);
	assert_int_equal(import_all(ELM__IMPORT_WIKIQA, text.data, 100, 1, &again, NULL), ELM_OK);
	assert_int_equal(import_all(ELM__IMPORT_WIKIQA, text.data, 100, 2, &other, NULL), ELM_OK);
	assert_string_equal(first.data, again.data);
	assert_string_not_equal(first.data, other.data);
	assert_int_equal(import_all(ELM__IMPORT_WIKIQA, text.data, 501, 1, &other, &error),
			 ELM_ERR_LIMIT);
	assert_contains(error.text, "there are 500 different queries for simple");
	elm__buf_release(&text);
	elm__buf_release(&first);
	elm__buf_release(&again);
	elm__buf_release(&other);
}

/* A topic with one question is drawn as often as one with a thousand. */
static void topics_are_equally_likely(void **state)
{
	elm__buf text = ELM__BUF_INIT;
	int lonely = 0;

	(void)state;
	elm__buf_puts(&text, "{\"data\": [{\"paragraphs\": [{\"qas\": [{\"id\": \"one\", "
			     "\"question\": \"lonely\"}]}]}, {\"paragraphs\": [{\"qas\": [");
	for (int i = 0; i < 1000; i++)
		elm__buf_printf(&text, "%s{\"id\": \"%d\", \"question\": \"q%d\"}", i ? "," : "", i,
				i);
	elm__buf_puts(&text, "]}]}]}");
	for (uint64_t seed = 0; seed < 400; seed++) {
		elm__buf out = ELM__BUF_INIT;

		assert_int_equal(import_all(ELM__IMPORT_SQUAD, text.data, 1, seed, &out, NULL),
				 ELM_OK);
		lonely += strcmp(elm__buf_text(&out), "lonely") == 0;
		elm__buf_release(&out);
	}
	/* 200 is expected; five standard deviations are 50. */
	assert_in_range(lonely, 150, 250);
	elm__buf_release(&text);
}

/* The limit of a context counts characters, before its last word goes. */
static void contexts_of_1600_characters_are_refused(void **state)
{
	(void)state;
	for (size_t length = 1598; length <= 1601; length++) {
		elm__buf text = ELM__BUF_INIT, out = ELM__BUF_INIT;
		elm_error error = { 0 };

		elm__buf_puts(&text, "{\"data\": [{\"paragraphs\": [{\"context\": \"");
		for (size_t i = 0; i < length - strlen(" CANNOTANSWER"); i++)
			elm__buf_puts(&text, "\xc3\xa4");
		elm__buf_puts(&text, " CANNOTANSWER\", \"qas\": [{\"id\": \"a\", \"question\": "
				     "\"bb\"}]}]}]}");
		assert_int_equal(import_all(ELM__IMPORT_QUAC, text.data, 1, 1, &out, &error),
				 length < 1600 ? ELM_OK : ELM_ERR_LIMIT);
		elm__buf_release(&text);
		elm__buf_release(&out);
	}
}

/* A text of pieces that the expressions are about. */
static void random_text(elm__random *random, elm__buf *out)
{
	static const char *const pieces[] = {
		"<SYSTEM>", "<SYSTEM>", "<USER>", "<USER>", " ",    ".",    "?",       "\n",
		"a",	    "<",	"S",	  "ABCD",   "1234", "<USE", "\xc3\xa4"
	};
	size_t count = elm__random_u64(random) % 14;

	elm__buf_clear(out);
	for (size_t i = 0; i < count; i++)
		elm__buf_puts(
			out,
			pieces[elm__random_u64(random) % (sizeof(pieces) / sizeof(pieces[0]))]);
}

static void check_against_pcre2(const char *pattern, void (*ours)(elm__buf *text))
{
	enum { TEXTS = 100000, ROOM = 512 };
	int number;
	PCRE2_SIZE offset;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF,
					 &number, &offset, NULL);
	elm__buf text = ELM__BUF_INIT;
	elm__random random;
	int changed = 0;

	assert_non_null(code);
	elm__random_seed(&random, 5);
	for (int i = 0; i < TEXTS; i++) {
		char expected[ROOM];
		PCRE2_SIZE length = ROOM;

		random_text(&random, &text);
		assert_true(pcre2_substitute(code, (PCRE2_SPTR)elm__buf_text(&text), text.length, 0,
					     PCRE2_SUBSTITUTE_GLOBAL, NULL, NULL, (PCRE2_SPTR) "",
					     0, (PCRE2_UCHAR *)expected, &length) >= 0);
		changed += length != text.length;
		ours(&text);
		assert_string_equal(elm__buf_text(&text), expected);
	}
	assert_true(changed > TEXTS / 20);
	elm__buf_release(&text);
	pcre2_code_free(code);
}

static void deleting_is_what_the_expressions_say(void **state)
{
	(void)state;
	check_against_pcre2("<SYSTEM>((.|\\n)(?!<USER>))+[ ?.]", elm__text_remove_system);
	check_against_pcre2("[0-9A-Z]{8,}", elm__text_remove_references);
	check_against_pcre2("[^0-9a-zA-Z ,.?!-]", elm__text_clean);
}

static void lower_case_is_that_of_python(void **state)
{
	static const char *const cases[][2] = {
		{ "ABC \xc3\x84\xc3\x9f", "abc \xc3\xa4\xc3\x9f" },
		{ "\xc4\xb0", "i\xcc\x87" }, /* I with dot */
		{ "\xce\x9f\xce\x94\xce\x9f\xce\xa3",
		  "\xce\xbf\xce\xb4\xce\xbf\xcf\x82" }, /* final */
		{ "\xce\xa3\xce\x91", "\xcf\x83\xce\xb1" },
		{ "\xce\xa3", "\xcf\x83" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		elm__buf text = ELM__BUF_INIT;

		elm__buf_puts(&text, cases[i][0]);
		elm__text_lower(&text);
		assert_string_equal(text.data, cases[i][1]);
		elm__buf_release(&text);
	}
}

static void sources_are_named_like_the_command_names_them(void **state)
{
	(void)state;
	assert_string_equal(elm__import_name(ELM__IMPORT_WIKIQA), "wikiqa");
	assert_int_equal(elm__import_category(ELM__IMPORT_MULTIWOZ), ELM__CATEGORY_TASK_ORIENTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_give_what_the_rules_say),
		cmocka_unit_test(running_out_of_memory_is_an_error),
		cmocka_unit_test(the_seed_decides_the_choice),
		cmocka_unit_test(topics_are_equally_likely),
		cmocka_unit_test(contexts_of_1600_characters_are_refused),
		cmocka_unit_test(deleting_is_what_the_expressions_say),
		cmocka_unit_test(lower_case_is_that_of_python),
		cmocka_unit_test(sources_are_named_like_the_command_names_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

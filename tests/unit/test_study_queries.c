/* The queries of a study: files of them, and those that the program brings along. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/stats.h"
#include "base/text.h"
#include "study/queries.h"
#include "support.h"

static elm_status parse(const char *text, size_t length, elm__queries *out, elm_error *error)
{
	memset(error, 0, sizeof(*error));
	return elm__queries_parse("q.txt", text, length, out, error);
}

static void lines_become_queries(void **state)
{
	static const char text[] = "one\n\nx\n\xc3\xa4\ntwo  \r\n\xc3\xa4\xc3\xb6\nlast";
	elm__queries queries;
	elm_error error;

	(void)state;
	assert_int_equal(parse(text, sizeof(text) - 1, &queries, &error), ELM_OK);
	assert_int_equal(queries.count, 4);
	assert_string_equal(queries.texts[0], "one");
	assert_string_equal(queries.texts[1], "two  ");
	assert_string_equal(queries.texts[2], "\xc3\xa4\xc3\xb6");
	assert_string_equal(queries.texts[3], "last");
	elm__queries_release(&queries);
}

static void hostile_files_are_refused_with_line_and_reason(void **state)
{
	static const struct {
		const char *text;
		size_t length;
		const char *says;
	} cases[] = {
		{ "", 0, "q.txt: there is no query" },
		{ "\n\n\n", 3, "q.txt: there is no query" },
		{ "good\nb\xff\xff\n", 9, "q.txt:2: the line is not UTF-8" },
		{ "good\nb\0d\n", 9, "q.txt:2: there is a control character (0)" },
		{ "good\n\033[2J\n", 10, "q.txt:2: there is a control character (27)" },
	};
	elm__queries queries;
	elm_error error;
	elm__buf big = ELM__BUF_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_not_equal(parse(cases[i].text, cases[i].length, &queries, &error),
				     ELM_OK);
		assert_contains(error.text, cases[i].says);
		elm__queries_release(&queries);
	}
	for (int i = 0; i <= ELM__QUERY_LIMIT; i++)
		elm__buf_putc(&big, 'a');
	assert_int_equal(parse(big.data, big.length - 1, &queries, &error), ELM_OK);
	elm__queries_release(&queries);
	assert_int_equal(parse(big.data, big.length, &queries, &error), ELM_ERR_LIMIT);
	assert_contains(error.text, "q.txt:1: the query has 65537 bytes");
	elm__queries_release(&queries);
	elm__buf_clear(&big);
	for (int i = 0; i <= ELM__QUERIES_LIMIT; i++)
		elm__buf_puts(&big, "ab\n");
	assert_int_equal(parse(big.data, big.length, &queries, &error), ELM_ERR_LIMIT);
	assert_contains(error.text, "q.txt:20001: more than 20000 queries");
	elm__queries_release(&queries);
	elm__buf_release(&big);
}

static void a_folder_has_a_file_for_each_category(void **state)
{
	char folder[256];
	elm__queries queries;
	elm_error error = { 0 };

	(void)state;
	snprintf(folder, sizeof(folder), "%s", temp_path("queries"));
	assert_int_equal(mkdir(folder, 0777), 0);
	write_below(folder, "/simple.txt", "who?\nwhat?\n");
	assert_int_equal(elm__queries_read(folder, ELM__CATEGORY_SIMPLE, &queries, &error), ELM_OK);
	assert_int_equal(queries.count, 2);
	elm__queries_release(&queries);
	assert_int_not_equal(elm__queries_read(folder, ELM__CATEGORY_COMPLEX, &queries, &error),
			     ELM_OK);
	assert_contains(error.text, "complex.txt");
	elm__queries_release(&queries);
}

static elm_status read_all_own(void *user, elm_error *error)
{
	elm_status status = ELM_OK;

	(void)user;
	for (elm__category c = 0; c < ELM__CATEGORY_COUNT && status == ELM_OK; c++) {
		elm__queries queries;

		status = elm__queries_read(NULL, c, &queries, error);
		elm__queries_release(&queries);
	}
	return status;
}

static void running_out_of_memory_is_an_error(void **state)
{
	(void)state;
	assert_true(fail_each_allocation(read_all_own, NULL) > 10);
}

static size_t characters(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += ((unsigned char)*text & 0xc0) != 0x80;
	return count;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static size_t parts(const char *text, const char *part)
{
	size_t count = 0;

	while ((text = strstr(text, part)) != NULL) {
		text += strlen(part);
		count++;
	}
	return count;
}

/* Each is a context and a question about it; contexts may come back. */
static size_t distinct_contexts(const elm__queries *sorted)
{
	size_t distinct = 0, length = 0;

	for (size_t i = 0; i < sorted->count; i++) {
		const char *question = strstr(sorted->texts[i], " ::question:: ");

		assert_int_equal(strncmp(sorted->texts[i], "::context:: ", 12), 0);
		assert_non_null(question);
		if (!i || strncmp(sorted->texts[i], sorted->texts[i - 1], length) != 0)
			distinct++;
		length = (size_t)(question - sorted->texts[i]) + strlen(" ::question:: ");
	}
	return distinct;
}

/* Those of the study that this one redoes have, in characters: 27 to 197 and 59 in the middle, 1456
 * to 1663 and 1590, 78 to 144 and 100, 15 to 80 and 34, 239 to 1210 and 637. */
static void our_own_are_as_many_and_as_long_as_those_of_the_study(void **state)
{
	static const struct {
		double shortest, median_low, median_high, longest;
	} bounds[ELM__CATEGORY_COUNT] = {
		{ 25, 54, 65, 200 }, { 1440, 1500, 1680, 1680 }, { 75, 95, 108, 145 },
		{ 14, 30, 37, 82 },  { 230, 560, 700, 1250 },
	};

	(void)state;
	for (elm__category c = 0; c < ELM__CATEGORY_COUNT; c++) {
		double lengths[100];
		elm__queries own;
		elm__summary summary;
		elm_error error = { 0 };

		if (elm__queries_read(NULL, c, &own, &error) != ELM_OK)
			fail_msg("%s", error.text);
		assert_int_equal(own.count, 100);
		qsort(own.texts, own.count, sizeof(*own.texts), by_text);
		for (size_t i = 0; i < own.count; i++) {
			lengths[i] = (double)characters(own.texts[i]);
			if (i)
				assert_string_not_equal(own.texts[i], own.texts[i - 1]);
		}
		if (c == ELM__CATEGORY_CONTEXTUAL)
			assert_true(distinct_contexts(&own) >= 45);
		if (c == ELM__CATEGORY_TASK_ORIENTED)
			for (size_t i = 0; i < own.count; i++)
				assert_in_range(parts(own.texts[i], "<USER> "), 2, 14);
		summary = elm__summarize(lengths, own.count);
		if (summary.minimum < bounds[c].shortest || summary.maximum > bounds[c].longest ||
		    summary.p50 < bounds[c].median_low || summary.p50 > bounds[c].median_high)
			fail_msg("%s: %g to %g characters, %g in the middle", elm__category_name(c),
				 summary.minimum, summary.maximum, summary.p50);
		elm__queries_release(&own);
	}
}

static void categories_have_names(void **state)
{
	(void)state;
	for (elm__category c = 0; c < ELM__CATEGORY_COUNT; c++)
		assert_int_equal(elm__category_of(elm__category_name(c)), c);
	assert_int_equal(elm__category_of("Simple"), ELM__CATEGORY_COUNT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_become_queries),
		cmocka_unit_test(hostile_files_are_refused_with_line_and_reason),
		cmocka_unit_test(a_folder_has_a_file_for_each_category),
		cmocka_unit_test(running_out_of_memory_is_an_error),
		cmocka_unit_test(our_own_are_as_many_and_as_long_as_those_of_the_study),
		cmocka_unit_test(categories_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

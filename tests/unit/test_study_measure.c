/* Joules from readings, figures that must agree, prompts of a given length, and what goes through
 * the pipe to a worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "study/check.h"
#include "study/energy.h"
#include "study/fit.h"
#include "study/row_json.h"
#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "study/lines.h"
#include "support.h"

#define S 1000000000ull

static void near_to(double value, double expected)
{
	if (!(fabs(value - expected) <= 1e-9 * fabs(expected)))
		fail_msg("%.12g is not %.12g", value, expected);
}

/* --- energy --- */

static void power_is_added_up(void **state)
{
	const uint64_t at[] = { 10 * S, 11 * S, 13 * S };
	const double watts[] = { 2, 4, 4 }, gap[] = { 2, NAN, 4 };

	near_to(elm__energy_of_power(at, watts, 3, 10 * S, 13 * S), 3 + 8);
	/* From the middle of the first trapezoid to the middle of the second. */
	near_to(elm__energy_of_power(at, watts, 3, 10 * S + S / 2, 12 * S), 1.75 + 4);
	near_to(elm__energy_of_power(at, watts, 3, 12 * S, 12 * S + S / 2), 2);
	assert_true(isnan(elm__energy_of_power(at, watts, 3, 9 * S, 12 * S)));
	assert_true(isnan(elm__energy_of_power(at, watts, 3, 11 * S, 14 * S)));
	assert_true(isnan(elm__energy_of_power(at, gap, 3, 10 * S, 13 * S)));
	assert_true(isnan(elm__energy_of_power(at, watts, 1, 10 * S, 10 * S)));
}

static void a_counter_is_subtracted(void **state)
{
	const uint64_t at[] = { 10 * S, 12 * S, 13 * S };
	const double joules[] = { 100, 110, 130 };

	near_to(elm__energy_of_counter(at, joules, 3, 10 * S, 13 * S), 30);
	near_to(elm__energy_of_counter(at, joules, 3, 11 * S, 12 * S + S / 2), 15);
	assert_true(isnan(elm__energy_of_counter(at, joules, 3, 9 * S, 11 * S)));
}

/* --- figures that must agree --- */

static elm__answer good_answer(void)
{
	static const int64_t at[] = { 50, 60, 80 };
	elm__answer answer = { .token_ns = at, .token_count = 3 };

	elm__row_clear(ELM__TABLE_trial, &answer.row);
	answer.row.tokenize_ns = 5;
	answer.row.prompt_ns = 40;
	answer.row.ttft_ns = 50;
	answer.row.total_ns = 80;
	answer.row.wall_ns = 90;
	answer.row.reused_tokens = 0;
	return answer;
}

static void disagrees(const elm__answer *answer, const char *part)
{
	char why[256] = "";

	assert_false(elm__check_answer(answer, why, sizeof(why)));
	assert_contains(why, part);
}

static void an_answer_has_to_fit_together(void **state)
{
	static const int64_t backwards[] = { 50, 85, 80 };
	elm__answer answer = good_answer();
	char why[256];

	assert_true(elm__check_answer(&answer, why, sizeof(why)));
	answer.row.wall_ns = 79;
	disagrees(&answer, "the total (0.000000 s) is more than the wall time");
	answer = good_answer();
	answer.row.total_ns = 85;
	disagrees(&answer, "the times of the tokens add up to");
	answer = good_answer();
	answer.row.prompt_ns = 51;
	disagrees(&answer, "the prompt");
	answer = good_answer();
	answer.row.tokenize_ns = 51;
	disagrees(&answer, "tokenising");
	answer = good_answer();
	answer.row.ttft_ns = 81;
	disagrees(&answer, "the time to first token");
	answer = good_answer();
	answer.row.reused_tokens = 3;
	disagrees(&answer, "3 tokens of the prompt came from a cache");
	answer = good_answer();
	answer.token_ns = backwards;
	disagrees(&answer, "token 2 is older");
	/* What is not known cannot disagree. */
	answer = good_answer();
	answer.row.wall_ns = answer.row.total_ns = ELM__STUDY_NONE;
	assert_true(elm__check_answer(&answer, why, sizeof(why)));
}

static void memory_has_to_agree(void **state)
{
	char why[256];

	assert_true(elm__check_memory(1e9, 1.02e9, why, sizeof(why)));
	assert_true(elm__check_memory(1e6, 5e6, why, sizeof(why)));
	assert_false(elm__check_memory(1e9, 1.2e9, why, sizeof(why)));
	assert_contains(why, "1000000000 bytes by statm and 1200000000 by smaps");
	assert_true(elm__check_memory(NAN, 1e9, why, sizeof(why)));
	assert_true(isnan(elm__smaps_rss("/nowhere", 1)));
	assert_true(elm__smaps_rss("", getpid()) > 1e5);
}

/* --- prompts of a given length --- */

/* A subject whose tokens are three characters long, so that not every number can be had. */
typedef struct fake {
	elm__subject subject;
	unsigned calls;
} fake;

static elm_status count_thirds(elm__subject *subject, const elm__prompt *prompt, uint32_t *tokens,
			       elm_error *error)
{
	((fake *)subject)->calls++;
	*tokens = (uint32_t)(elm__text_length(prompt->text) + 2) / 3;
	return ELM_OK;
}

static void queries_are_made_to_fit(void **state)
{
	static const elm__subject_kind patient = { .count = count_thirds, .counts = 64 };
	static const elm__subject_kind hurried = { .count = count_thirds, .counts = 8 };
	elm__buf text = ELM__BUF_INIT;

	for (uint32_t target = 40; target < 700; target += 33) {
		fake f = { .subject.kind = &patient };
		uint32_t tokens;

		assert_int_equal(elm__fit_query(&f.subject, ELM__CATEGORY_SIMPLE, "how far is it",
						ELM__PROMPT_PLAIN, target, &text, &tokens, NULL),
				 ELM_OK);
		assert_int_equal(tokens, target);
		assert_true(f.calls <= 64);
		f = (fake){ .subject.kind = &hurried };
		assert_int_equal(elm__fit_query(&f.subject, ELM__CATEGORY_SIMPLE, "how far is it",
						ELM__PROMPT_PLAIN, target, &text, &tokens, NULL),
				 ELM_OK);
		assert_int_equal(tokens, target);
		assert_true(f.calls <= 8);
	}
	elm__buf_release(&text);
}

/* The text around a query alone is longer: the shortest is as near as it gets. */
static void what_cannot_be_had_is_approached(void **state)
{
	static const elm__subject_kind kind = { .count = count_thirds, .counts = 64 };
	fake f = { .subject.kind = &kind };
	elm__buf text = ELM__BUF_INIT;
	uint32_t tokens;

	assert_int_equal(elm__fit_query(&f.subject, ELM__CATEGORY_SIMPLE, "how far is it",
					ELM__PROMPT_PLAIN, 5, &text, &tokens, NULL),
			 ELM_OK);
	assert_true(tokens > 5);
	assert_int_equal(elm__text_length(elm__buf_text(&text)), 1);
	elm__buf_release(&text);
}

/* --- the pipe --- */

static void requests_and_answers_survive_the_pipe(void **state)
{
	static const int64_t at[] = { 7, 9, 12 };
	elm__ask ask = { { true, "be short", "why \"so\"?" }, 70, 4, true, 43 }, ask_again;
	elm__answers answers, again;
	json_t *object = elm__ask_json(&ask);

	assert_int_equal(elm__ask_parse(object, &ask_again, NULL), ELM_OK);
	assert_string_equal(ask_again.prompt.text, ask.prompt.text);
	assert_string_equal(ask_again.prompt.system, "be short");
	assert_true(ask_again.prompt.chat && ask_again.ignore_eos);
	assert_true(ask_again.max_tokens == 70 && ask_again.streams == 4 && ask_again.seed == 43);
	json_decref(object);

	assert_int_equal(elm__answers_init(&answers, 2, NULL), ELM_OK);
	answers.items[0].row.status = "ok";
	answers.items[0].row.ttft_ns = 7;
	answers.items[0].row.energy_j = 0.25;
	answers.items[0].arrival_ns = 123456789012345678;
	answers.items[0].token_ns = at;
	answers.items[0].token_count = 3;
	answers.items[1].row.status = "failed";
	object = elm__answers_json(&answers);
	assert_int_equal(elm__answers_parse(object, &again, NULL), ELM_OK);
	assert_int_equal(again.count, 2);
	assert_string_equal(again.items[0].row.status, "ok");
	assert_int_equal(again.items[0].row.ttft_ns, 7);
	assert_true(again.items[0].row.energy_j == 0.25);
	assert_true(again.items[0].arrival_ns == 123456789012345678);
	assert_memory_equal(again.items[0].token_ns, at, sizeof(at));
	assert_int_equal(again.items[1].row.ttft_ns, ELM__STUDY_NONE);
	assert_true(isnan(again.items[1].row.energy_j));
	assert_int_equal(again.items[1].row.stream, 1);
	json_decref(object);
	elm__answers_release(&answers);
	elm__answers_release(&again);
}

static void wrong_lines_are_errors(void **state)
{
	static const char *const wrong[] = { "{\"text\": 3}", "{\"streams\": 0}",
					     "{\"streams\": 1000}", "{\"max_tokens\": -1}",
					     "{\"seed\": \"x\"}" };
	elm__answers answers;
	elm_error error = { 0 };
	elm__ask ask;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		json_t *object = json_loads(wrong[i], 0, NULL);

		assert_int_equal(elm__ask_parse(object, &ask, &error), ELM_ERR_ARGUMENT);
		json_decref(object);
	}
	assert_int_equal(elm__answers_parse(NULL, &answers, &error), ELM_ERR_FORMAT);
	elm__answers_release(&answers);
}

static void lines_come_whole(void **state)
{
	elm__lines lines = { .peer = "test" };
	volatile int cancel = 1;
	elm_error error = { 0 };
	json_t *line;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	lines.fd = ends[0];
	assert_int_equal(elm__lines_write(ends[1], json_pack("{s:i}", "a", 1), NULL), ELM_OK);
	assert_int_equal(write(ends[1], "[2]\nnot json\n{\"cut", 18), 18);
	assert_int_equal(elm__lines_read(&lines, NULL, &line, NULL), ELM_OK);
	assert_int_equal(json_integer_value(json_object_get(line, "a")), 1);
	json_decref(line);
	assert_int_equal(elm__lines_read(&lines, NULL, &line, NULL), ELM_OK);
	assert_true(json_is_array(line));
	json_decref(line);
	assert_int_equal(elm__lines_read(&lines, NULL, &line, &error), ELM_ERR_FORMAT);
	assert_int_equal(elm__lines_read(&lines, &cancel, &line, &error), ELM_ERR_CANCELLED);
	close(ends[1]);
	assert_int_equal(elm__lines_read(&lines, NULL, &line, &error), ELM_ERR_NOT_FOUND);
	assert_contains(error.text, "the test has ended");
	elm__lines_release(&lines);
	close(ends[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(power_is_added_up),
		cmocka_unit_test(a_counter_is_subtracted),
		cmocka_unit_test(an_answer_has_to_fit_together),
		cmocka_unit_test(memory_has_to_agree),
		cmocka_unit_test(queries_are_made_to_fit),
		cmocka_unit_test(what_cannot_be_had_is_approached),
		cmocka_unit_test(requests_and_answers_survive_the_pipe),
		cmocka_unit_test(wrong_lines_are_errors),
		cmocka_unit_test(lines_come_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

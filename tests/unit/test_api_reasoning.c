/* Thoughts before an answer: found whole, and the same however the text comes in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "server/reasoning.h"
#include "support.h"

/* What is told when the text comes in pieces of so many bytes. */
static void read_in_pieces(elm__thoughts_stage stage, const char *text, size_t piece,
			   elm__buf *thoughts, elm__buf *answer)
{
	elm__thoughts t = { .stage = stage };
	size_t length = strlen(text), told_thoughts = 0, told = 0, end = 0;

	while (end < length || !length) {
		end = end + piece < length ? end + piece : length;
		elm__thoughts_read(&t, text, end, end == length);
		assert_true(t.begin <= t.end && t.end <= end && t.answer <= end);
		if (told_thoughts < t.begin)
			told_thoughts = t.begin;
		assert_true(told_thoughts <= t.end);
		elm__buf_append(thoughts, text + told_thoughts, t.end - told_thoughts);
		told_thoughts = t.end;
		if (t.stage == ELM__THOUGHTS_UNKNOWN)
			assert_true(end < length);
		else if (t.answer < end) {
			told = told < t.answer ? t.answer : told;
			elm__buf_append(answer, text + told, end - told);
			told = end;
		}
		if (!length)
			break;
	}
}

static void divides(elm__thoughts_stage stage, const char *text, const char *thoughts,
		    const char *answer)
{
	for (size_t piece = 1; piece <= strlen(text) + 1; piece++) {
		elm__buf got = ELM__BUF_INIT, rest = ELM__BUF_INIT;

		read_in_pieces(stage, text, piece, &got, &rest);
		assert_string_equal(elm__buf_text(&got), thoughts);
		assert_string_equal(elm__buf_text(&rest), answer);
		elm__buf_release(&got);
		elm__buf_release(&rest);
	}
}

static void test_thoughts_come_first(void **state)
{
	(void)state;
	divides(ELM__THOUGHTS_UNKNOWN, "<think>\nSo it is.\n\nYes.\n</think>\n\nIt is. ",
		"So it is.\n\nYes.", "It is. ");
	divides(ELM__THOUGHTS_UNKNOWN, " \n<think>a</think>b", "a", "b");
	divides(ELM__THOUGHTS_UNKNOWN, "<think>\n\n</think>\n\nb", "", "b");
	divides(ELM__THOUGHTS_UNKNOWN, "<think>a < b </ think> </thin k></think> <think>x</think>",
		"a < b </ think> </thin k>", "<think>x</think>");
}

static void test_thoughts_that_do_not_end(void **state)
{
	(void)state;
	divides(ELM__THOUGHTS_UNKNOWN, "<think>on and on </thin", "on and on </thin", "");
	divides(ELM__THOUGHTS_UNKNOWN, "<think>", "", "");
	divides(ELM__THOUGHTS_INSIDE, "  half", "half", "");
}

static void test_no_thoughts(void **state)
{
	(void)state;
	divides(ELM__THOUGHTS_UNKNOWN, "plain", "", "plain");
	divides(ELM__THOUGHTS_UNKNOWN, "", "", "");
	divides(ELM__THOUGHTS_UNKNOWN, " \n ", "", " \n ");
	divides(ELM__THOUGHTS_UNKNOWN, "<thin", "", "<thin");
	divides(ELM__THOUGHTS_UNKNOWN, "<thinking>x</think>", "", "<thinking>x</think>");
	divides(ELM__THOUGHTS_UNKNOWN, "say <think>x</think>", "", "say <think>x</think>");
	divides(ELM__THOUGHTS_NONE, "<think>x</think>y", "", "<think>x</think>y");
}

static void test_prompts_that_open_them(void **state)
{
	(void)state;
	divides(ELM__THOUGHTS_INSIDE, "hm\n</think>\nyes", "hm", "yes");
	assert_true(elm__thoughts_opened("<|assistant|>\n<think>\n", 22));
	assert_true(elm__thoughts_opened("<think>", 7));
	assert_false(elm__thoughts_opened("<think>\n\n</think>\n\n", 19));
	assert_false(elm__thoughts_opened("hink>", 5));
	assert_false(elm__thoughts_opened("", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_thoughts_come_first),
		cmocka_unit_test(test_thoughts_that_do_not_end),
		cmocka_unit_test(test_no_thoughts),
		cmocka_unit_test(test_prompts_that_open_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

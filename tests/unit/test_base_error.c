/* Error sentences, log lines and the version. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <edgelm/log.h>
#include <edgelm/status.h>
#include <edgelm/version.h>

#include <stdio.h>
#include <string.h>

static void every_status_has_a_text(void **state)
{
#define CHECK(name, value, text) assert_string_equal(elm_status_text(name), text);
	ELM_STATUS_LIST(CHECK)
#undef CHECK
	assert_string_equal(elm_status_text((elm_status)-999), "unknown status");
}

static void sentences(void **state)
{
	elm_error error = { 0 };

	assert_int_equal(elm_error_set(NULL, ELM_ERR_IO, "nowhere"), ELM_ERR_IO);
	assert_int_equal(elm_error_set(&error, ELM_ERR_FORMAT, "count is %d", 7), ELM_ERR_FORMAT);
	assert_int_equal(error.status, ELM_ERR_FORMAT);
	assert_string_equal(error.text, "count is 7");
	assert_int_equal(elm_error_prefix(&error, "%s", "a.gguf"), ELM_ERR_FORMAT);
	assert_string_equal(error.text, "a.gguf: count is 7");
	assert_int_equal(elm_error_prefix(NULL, "x"), ELM_ERR_INTERNAL);
}

static void hostile_names_cannot_steer_a_terminal(void **state)
{
	elm_error error = { 0 };

	(void)elm_error_set(&error, ELM_ERR_FORMAT, "key %s", "\x1b[2J\r\nok \xc2\x9b\xfe");
	assert_string_equal(error.text, "key ?[2J??ok ???");
}

/* Wherever the cut falls, it falls between characters. */
static void long_sentences_are_cut_between_characters(void **state)
{
	char long_name[1001];
	elm_error error = { 0 };

	for (size_t i = 0; i + 1 < sizeof(long_name); i += 4)
		memcpy(long_name + i, "\xf0\x9f\x99\x82", 4);
	long_name[1000] = '\0';
	for (int shift = 0; shift < 4; shift++) {
		(void)elm_error_set(&error, ELM_ERR_FORMAT, "%.*s%s", shift, "abc", long_name);
		assert_in_range(strlen(error.text), sizeof(error.text) - 4, sizeof(error.text) - 1);
		assert_int_equal((strlen(error.text) - (size_t)shift) % 4, 0);
	}
	elm_error_prefix(&error, "%s", long_name);
	assert_true(strlen(error.text) < sizeof(error.text));
}

static void remember(void *user, elm_log_level level, const char *line)
{
	snprintf(user, 100, "%d %s", (int)level, line);
}

static void log_levels(void **state)
{
	char last[100] = "";

	elm_log_set_sink(remember, last);
	elm_log(ELM_LOG_INFO, "hidden");
	assert_string_equal(last, "");
	elm_log(ELM_LOG_WARN, "shown %d\nforged: %s", 1, "line");
	assert_string_equal(last, "1 shown 1?forged: line");
	elm_log_set_level(ELM_LOG_DEBUG);
	elm_log(ELM_LOG_DEBUG, "debug");
	assert_string_equal(last, "3 debug");
	elm_log_set_level(ELM_LOG_SILENT);
	assert_int_equal(elm_log_get_level(), ELM_LOG_SILENT);
	elm_log(ELM_LOG_ERROR, "hidden");
	assert_string_equal(last, "3 debug");
	elm_log_set_level(ELM_LOG_WARN);
	elm_log_set_sink(NULL, NULL);
}

static void version_is_one_everywhere(void **state)
{
	char text[32];

	snprintf(text, sizeof(text), "%d.%d.%d", ELM_VERSION_MAJOR, ELM_VERSION_MINOR,
		 ELM_VERSION_PATCH);
	assert_string_equal(text, ELM_VERSION_STRING);
	assert_string_equal(text, elm_version());
	assert_string_equal(text, PROJECT_VERSION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_status_has_a_text),
		cmocka_unit_test(sentences),
		cmocka_unit_test(hostile_names_cannot_steer_a_terminal),
		cmocka_unit_test(long_sentences_are_cut_between_characters),
		cmocka_unit_test(log_levels),
		cmocka_unit_test(version_is_one_everywhere),
	};

	return cmocka_run_group_tests_name("base_error", tests, NULL, NULL);
}

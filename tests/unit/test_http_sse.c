/* Event streams, by the examples of what servers send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "http/sse.h"
#include <cmocka.h>

#include <string.h>

#include "support.h"

static bool record(void *user, const char *name, const char *data, size_t length)
{
	elm__buf_printf(user, "[%s|%s]", name, data);
	assert_int_equal(strlen(data), length);
	return strcmp(data, "end") != 0;
}

static elm_status push(const char *stream, size_t limit, elm__buf *out, elm_error *error)
{
	elm_status status;
	elm__sse sse;

	elm__sse_init(&sse, limit, record, out);
	status = elm__sse_push(&sse, stream, strlen(stream), error);
	elm__sse_release(&sse);
	return status;
}

static void events_are_read(void **state)
{
	static const struct {
		const char *stream, *events;
	} cases[] = {
		{ "data: a\n\n", "[message|a]" },
		{ "data:a\r\n\r\ndata: b\r\rdata:  c\n\n", "[message|a][message|b][message| c]" },
		{ "data: one\ndata: two\n\n", "[message|one\ntwo]" },
		{ "event: ping\ndata: 1\n\ndata: 2\n\n", "[ping|1][message|2]" },
		{ "data\n\n", "[message|]" },
		{ "data:\ndata:\n\n", "[message|\n]" },
		{ ": comment\n\nid: 4\nretry: 9\nevent: lost\n\ndata: x\n\n", "[message|x]" },
		{ "\xef\xbb\xbf"
		  "data: bom\n\n",
		  "[message|bom]" },
		{ "datax: no\ndat: no\n\n", "" },
		{ "data: not ended\n", "" },
		{ "", "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		elm__buf out = ELM__BUF_INIT;

		assert_int_equal(push(cases[i].stream, 64, &out, NULL), ELM_OK);
		assert_string_equal(elm__buf_text(&out), cases[i].events);
		elm__buf_release(&out);
	}
}

static void a_stream_can_be_ended(void **state)
{
	elm__buf out = ELM__BUF_INIT;

	assert_int_equal(push("data: a\n\ndata: end\n\ndata: b\n\n", 64, &out, NULL),
			 ELM_ERR_CANCELLED);
	assert_string_equal(elm__buf_text(&out), "[message|a][message|end]");
	elm__buf_release(&out);
}

static void too_much_is_an_error(void **state)
{
	elm__buf out = ELM__BUF_INIT;
	elm_error error = { 0 };

	assert_int_equal(push("data: 0123456789", 15, &out, &error), ELM_ERR_LIMIT);
	assert_contains(error.text, "a line of the event stream is longer than 15 bytes");
	assert_int_equal(push("data: 01234\ndata: 56789\ndata: 01234\n\n", 15, &out, &error),
			 ELM_ERR_LIMIT);
	assert_contains(error.text, "an event of the event stream");
	assert_string_equal(elm__buf_text(&out), "");
}

static elm_status read_some(void *user, elm_error *error)
{
	elm__buf out = ELM__BUF_INIT;
	elm_status status = push("event: e\ndata: a\ndata: b\n\n", 64, &out, error);

	if (status == ELM_OK)
		status = elm__buf_status(&out, error);
	elm__buf_release(&out);
	return status;
}

static void running_out_of_memory_is_an_error(void **state)
{
	assert_true(fail_each_allocation(read_some, NULL) >= 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_are_read),
		cmocka_unit_test(a_stream_can_be_ended),
		cmocka_unit_test(too_much_is_an_error),
		cmocka_unit_test(running_out_of_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "http/sse.h"

#include <string.h>

void elm__sse_init(elm__sse *sse, size_t limit, elm__sse_event *on_event, void *user)
{
	memset(sse, 0, sizeof(*sse));
	sse->limit = limit;
	sse->on_event = on_event;
	sse->user = user;
}

void elm__sse_release(elm__sse *sse)
{
	elm__buf_release(&sse->line);
	elm__buf_release(&sse->data);
	elm__buf_release(&sse->name);
}

static elm_status too_long(const elm__sse *sse, const char *what, elm_error *error)
{
	return elm_error_set(error, ELM_ERR_LIMIT,
			     "%s of the event stream is longer than %zu bytes", what, sse->limit);
}

/* An empty line: what was collected is an event, unless it has no data. */
static elm_status dispatch(elm__sse *sse, elm_error *error)
{
	const char *name = elm__buf_text(&sse->name);
	bool go_on = true;

	if (sse->has_data)
		go_on = sse->on_event(sse->user, *name ? name : "message",
				      elm__buf_text(&sse->data), sse->data.length);
	elm__buf_clear(&sse->data);
	elm__buf_clear(&sse->name);
	sse->has_data = false;
	if (!go_on)
		return elm_error_set(error, ELM_ERR_CANCELLED, "the stream was ended by us");
	return ELM_OK;
}

static bool is_field(const char *line, size_t length, const char *field)
{
	return length == strlen(field) && !memcmp(line, field, length);
}

static elm_status take_field(elm__sse *sse, const char *line, size_t length, elm_error *error)
{
	const char *colon = memchr(line, ':', length);
	size_t name_length = colon ? (size_t)(colon - line) : length;
	const char *value = colon ? colon + 1 : line + length;
	size_t value_length = (size_t)(line + length - value);

	if (value_length && *value == ' ') {
		value++;
		value_length--;
	}
	if (is_field(line, name_length, "event")) {
		elm__buf_clear(&sse->name);
		elm__buf_append(&sse->name, value, value_length);
	} else if (is_field(line, name_length, "data")) {
		if (sse->data.length + value_length + 1 > sse->limit)
			return too_long(sse, "an event", error);
		if (sse->has_data)
			elm__buf_putc(&sse->data, '\n');
		elm__buf_append(&sse->data, value, value_length);
		sse->has_data = true;
	}
	return ELM_OK; /* comments, ids and times to retry do not concern us */
}

static elm_status take_line(elm__sse *sse, elm_error *error)
{
	const char *line = elm__buf_text(&sse->line);
	size_t length = sse->line.length;
	elm_status status;

	if (!sse->begun && length >= 3 && !memcmp(line, "\xef\xbb\xbf", 3)) {
		line += 3;
		length -= 3;
	}
	sse->begun = true;
	status = length ? take_field(sse, line, length, error) : dispatch(sse, error);
	elm__buf_clear(&sse->line);
	return status;
}

elm_status elm__sse_push(elm__sse *sse, const void *bytes, size_t length, elm_error *error)
{
	const char *at = bytes, *end = at + length;
	elm_status status = ELM_OK;

	if (at < end && sse->after_cr && *at == '\n')
		at++;
	if (length)
		sse->after_cr = false;
	while (at < end && status == ELM_OK) {
		size_t run = 0;

		while (at + run < end && at[run] != '\n' && at[run] != '\r')
			run++;
		if (run > sse->limit - sse->line.length)
			return too_long(sse, "a line", error);
		elm__buf_append(&sse->line, at, run);
		at += run;
		status = elm__buf_status(&sse->line, error);
		if (at == end || status != ELM_OK)
			break;
		if (*at == '\r' && at + 1 == end)
			sse->after_cr = true;
		at += *at == '\r' && at + 1 < end && at[1] == '\n' ? 2 : 1;
		status = take_line(sse, error);
		if (status == ELM_OK)
			status = elm__buf_status(&sse->data, error);
		if (status == ELM_OK)
			status = elm__buf_status(&sse->name, error);
	}
	return status;
}

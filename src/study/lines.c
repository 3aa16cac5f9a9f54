#include "study/lines.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"

enum { CHUNK = 1 << 16, MAX_LINE = 256 << 20, LOOK_MS = 100 };

/* More bytes, or the end: then *more is false. */
static elm_status fill(elm__lines *lines, const volatile int *cancel, bool *more, elm_error *error)
{
	struct pollfd ready = { .fd = lines->fd, .events = POLLIN };
	ssize_t got;

	while (poll(&ready, 1, cancel ? LOOK_MS : -1) <= 0)
		if (cancel && *cancel)
			return elm_error_set(error, ELM_ERR_CANCELLED, "interrupted");
	if (!elm__buf_reserve(&lines->bytes, CHUNK))
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	do {
		got = read(lines->fd, lines->bytes.data + lines->bytes.length, CHUNK);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return elm_error_set(error, ELM_ERR_IO, "cannot read from the %s: %s", lines->peer,
				     strerror(errno));
	*more = got > 0;
	lines->bytes.length += (size_t)got;
	lines->bytes.data[lines->bytes.length] = '\0';
	return ELM_OK;
}

elm_status elm__lines_read(elm__lines *lines, const volatile int *cancel, json_t **out,
			   elm_error *error)
{
	elm_status status = ELM_OK;
	const char *end = NULL;
	size_t searched = 0;
	bool more = true;

	*out = NULL;
	elm__buf_consume(&lines->bytes, lines->line);
	lines->line = 0;
	while (status == ELM_OK && more && !end) {
		const elm__buf *b = &lines->bytes;

		end = b->length > searched ?
			      memchr(b->data + searched, '\n', b->length - searched) :
			      NULL;
		searched = b->length;
		if (!end && b->length > MAX_LINE)
			return elm_error_set(error, ELM_ERR_LIMIT, "a line of the %s is too long",
					     lines->peer);
		if (!end)
			status = fill(lines, cancel, &more, error);
	}
	if (status)
		return status;
	if (!end)
		return elm_error_set(error, ELM_ERR_NOT_FOUND, "the %s has ended", lines->peer);
	lines->line = (size_t)(end + 1 - lines->bytes.data);
	return elm__json_parse(lines->peer, lines->bytes.data, lines->line - 1, out, error);
}

void elm__lines_release(elm__lines *lines)
{
	elm__buf_release(&lines->bytes);
	lines->line = 0;
}

elm_status elm__lines_write(int fd, json_t *value, elm_error *error)
{
	char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;
	size_t length, done = 0;
	ssize_t put = 0;

	json_decref(value);
	if (!text)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	length = strlen(text);
	text[length] = '\n'; /* in the place of the NUL */
	while (done <= length && (put >= 0 || errno == EINTR)) {
		put = write(fd, text + done, length + 1 - done);
		if (put > 0)
			done += (size_t)put;
	}
	free(text);
	if (put < 0)
		return elm_error_set(error, ELM_ERR_IO, "cannot write: %s", strerror(errno));
	return ELM_OK;
}

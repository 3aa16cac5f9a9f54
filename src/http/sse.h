/*
 * sse.h: server-sent events (WHATWG HTML, "Server-sent events"), as servers stream text in.
 *
 * Bytes come in pieces cut anywhere; events go out whole. What is kept between calls is one event,
 * and that is bounded.
 */
#ifndef ELM_HTTP_SSE_H
#define ELM_HTTP_SSE_H

#include <edgelm/status.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

/* An event: its name ("message" unless the server gave another) and its data lines, joined with
 * newlines; both NUL-terminated. A name ends at its first NUL; data may hold NULs. Returning false
 * ends the stream. */
typedef bool elm__sse_event(void *user, const char *name, const char *data, size_t length);

typedef struct elm__sse {
	elm__buf line, data, name;
	size_t limit;  /* bytes of a line and of an event */
	bool begun;    /* the byte order mark was looked for */
	bool after_cr; /* the last byte was CR, so LF belongs to it */
	bool has_data; /* the event has a data line, which may be empty */
	elm__sse_event *on_event;
	void *user;
} elm__sse;

void elm__sse_init(elm__sse *sse, size_t limit, elm__sse_event *on_event, void *user);
void elm__sse_release(elm__sse *sse);

/*
 * Takes the next bytes. ELM_ERR_LIMIT for a line or an event that is longer than the limit,
 * ELM_ERR_CANCELLED when on_event returned false. An event that is not ended by an empty line is
 * dropped, as the standard has it.
 */
ELM_NODISCARD elm_status elm__sse_push(elm__sse *sse, const void *bytes, size_t length,
				       elm_error *error);

#endif

/*
 * buffer.h: a growable string of bytes.
 *
 * Invariants: data[length] is a NUL whenever data is not NULL; capacity counts the NUL. Appending
 * never reports failure itself: the first allocation that fails sets `failed`, every later append
 * does nothing, and the caller asks once, at the end, with elm__buf_status. So building text stays
 * readable and nothing can be half-written unnoticed.
 */
#ifndef ELM_BASE_BUFFER_H
#define ELM_BASE_BUFFER_H

#include <edgelm/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct elm__buf {
	char *data; /* NULL while empty and never grown */
	size_t length;
	size_t capacity;
	bool failed;
} elm__buf;

#define ELM__BUF_INIT \
	{             \
		0     \
	}

void elm__buf_release(elm__buf *buf); /* frees and zeroes */
void elm__buf_clear(elm__buf *buf);   /* length 0 and not failed, keeps the memory */

void elm__buf_append(elm__buf *buf, const void *data, size_t length);
void elm__buf_puts(elm__buf *buf, const char *text);
void elm__buf_putc(elm__buf *buf, char c);
void elm__buf_printf(elm__buf *buf, const char *format, ...) ELM_PRINTF(2, 3);

/* Appends bytes in Base64 (RFC 4648, with padding). */
void elm__buf_base64(elm__buf *buf, const void *data, size_t length);

/* Makes room for `extra` more bytes and the NUL; false sets `failed`. */
bool elm__buf_reserve(elm__buf *buf, size_t extra);

/* Drops the first `count` bytes (count <= length). */
void elm__buf_consume(elm__buf *buf, size_t count);

/* The text, "" while empty. Valid until the next change. */
const char *elm__buf_text(const elm__buf *buf);

/* ELM_OK, or ELM_ERR_NO_MEMORY when any append since the last clear failed. */
ELM_NODISCARD elm_status elm__buf_status(const elm__buf *buf, elm_error *error);

/* Hands the bytes to the caller (elm__free), leaving the buffer empty. NULL only if it failed. */
char *elm__buf_detach(elm__buf *buf, size_t *length);

#endif

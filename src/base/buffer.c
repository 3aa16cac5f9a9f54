#include "base/buffer.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

void elm__buf_release(elm__buf *buf)
{
	elm__free(buf->data);
	memset(buf, 0, sizeof(*buf));
}

void elm__buf_clear(elm__buf *buf)
{
	buf->length = 0;
	buf->failed = false;
	if (buf->data)
		buf->data[0] = '\0';
}

bool elm__buf_reserve(elm__buf *buf, size_t extra)
{
	size_t need, capacity = buf->capacity ? buf->capacity : 64;
	char *data;

	if (buf->failed)
		return false;
	if (!elm__add(buf->length, extra, &need) || !elm__add(need, 1, &need))
		goto fail;
	if (need <= buf->capacity)
		return true;
	while (capacity < need)
		if (!elm__mul(capacity, 2, &capacity))
			goto fail;
	data = elm__realloc(buf->data, capacity);
	if (!data)
		goto fail;
	buf->data = data;
	buf->capacity = capacity;
	buf->data[buf->length] = '\0';
	return true;
fail:
	buf->failed = true;
	return false;
}

void elm__buf_append(elm__buf *buf, const void *data, size_t length)
{
	if (!elm__buf_reserve(buf, length))
		return;
	if (length)
		memcpy(buf->data + buf->length, data, length);
	buf->length += length;
	buf->data[buf->length] = '\0';
}

void elm__buf_puts(elm__buf *buf, const char *text)
{
	elm__buf_append(buf, text, strlen(text));
}

void elm__buf_putc(elm__buf *buf, char c)
{
	elm__buf_append(buf, &c, 1);
}

void elm__buf_printf(elm__buf *buf, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (length < 0) {
		buf->failed = true;
		return;
	}
	if (!elm__buf_reserve(buf, (size_t)length))
		return;
	va_start(args, format);
	vsnprintf(buf->data + buf->length, (size_t)length + 1, format, args);
	va_end(args);
	buf->length += (size_t)length;
}

void elm__buf_consume(elm__buf *buf, size_t count)
{
	if (!count)
		return;
	memmove(buf->data, buf->data + count, buf->length - count + 1);
	buf->length -= count;
}

void elm__buf_base64(elm__buf *buf, const void *data, size_t length)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz012345678"
				     "9+/";
	const uint8_t *bytes = data;

	for (size_t i = 0; i < length; i += 3) {
		size_t left = length - i;
		uint32_t group = (uint32_t)bytes[i] << 16 |
				 (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
				 (left > 2 ? bytes[i + 2] : 0);
		char text[4] = { digits[group >> 18], digits[group >> 12 & 63],
				 left > 1 ? digits[group >> 6 & 63] : '=',
				 left > 2 ? digits[group & 63] : '=' };

		elm__buf_append(buf, text, sizeof(text));
	}
}

const char *elm__buf_text(const elm__buf *buf)
{
	return buf->data ? buf->data : "";
}

elm_status elm__buf_status(const elm__buf *buf, elm_error *error)
{
	if (!buf->failed)
		return ELM_OK;
	return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory after %zu bytes of text",
			     buf->length);
}

char *elm__buf_detach(elm__buf *buf, size_t *length)
{
	char *data = NULL;

	if (elm__buf_reserve(buf, 0)) {
		data = buf->data;
		if (length)
			*length = buf->length;
		buf->data = NULL;
	}
	elm__buf_release(buf);
	return data;
}

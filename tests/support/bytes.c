#include "bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void wrong(const char *word)
{
	fprintf(stderr, "bytes_from_text: cannot understand '%.60s'\n", word);
	abort();
}

static void put_u64(elm__buf *out, uint64_t value)
{
	elm__buf_append(out, &value, sizeof(value));
}

static void put_u32(elm__buf *out, uint32_t value)
{
	elm__buf_append(out, &value, sizeof(value));
}

static void put_integer(elm__buf *out, const char *word, const char *text)
{
	size_t size = (size_t)(word[0] - '0');
	uint64_t value =
		text[0] == '-' ? (uint64_t)strtoll(text, NULL, 10) : strtoull(text, NULL, 10);

	if (size != 1 && size != 2 && size != 4 && size != 8)
		wrong(word);
	elm__buf_append(out, &value, size); /* little-endian, as the machines that we build for */
}

/* NUMBER:TEXT puts the text as a string and returns the number. */
static uint64_t put_tagged_string(elm__buf *out, const char *text, size_t length)
{
	char *colon;
	uint64_t number = strtoull(text, &colon, 10);
	size_t used = (size_t)(colon + 1 - text);

	if (*colon != ':')
		wrong(text);
	put_u64(out, length - used);
	elm__buf_append(out, colon + 1, length - used);
	return number;
}

static void put_tensor(elm__buf *out, const char *text, size_t length)
{
	uint64_t offset = put_tagged_string(out, text, length);

	put_u32(out, 1);
	put_u64(out, 8);
	put_u32(out, 0);
	put_u64(out, offset);
}

static void put_many(elm__buf *out, size_t count, char c)
{
	while (count--)
		elm__buf_putc(out, c);
}

static void put_hex(elm__buf *out, const char *text, size_t length)
{
	char pair[3] = "";

	for (size_t i = 0; i + 1 < length; i += 2) {
		memcpy(pair, text + i, 2);
		elm__buf_putc(out, (char)strtoul(pair, NULL, 16));
	}
}

void bytes_from_text(elm__buf *out, const char *text)
{
	while (*(text += strspn(text, " "))) {
		size_t length = strcspn(text, " ");
		const char *value = text + 2;
		size_t count = length - 2;

		if (length < 2 || text[1] != ':')
			wrong(text);
		switch (text[0]) {
		case 's':
			put_u64(out, count);
			/* fall through */
		case 'r':
			elm__buf_append(out, value, count);
			break;
		case 'k':
			put_u32(out, (uint32_t)put_tagged_string(out, value, count));
			break;
		case 't':
			put_tensor(out, value, count);
			break;
		case 'x':
			put_hex(out, value, count);
			break;
		case 'z':
			put_many(out, strtoul(value, NULL, 10), '\0');
			break;
		case 'f':
			put_many(out, strtoul(value, NULL, 10), text[length - 1]);
			break;
		case 'a':
			while (out->length % strtoul(value, NULL, 10))
				elm__buf_putc(out, '\0');
			break;
		default:
			put_integer(out, text, value);
		}
		text += length;
	}
	if (out->failed)
		wrong("out of memory");
}

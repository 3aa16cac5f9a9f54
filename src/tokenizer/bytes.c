#include "tokenizer/bytes.h"

#include <stdint.h>

/* U+0100 to U+0143 stand for 0x00 to 0x20, 0x7f to 0xa0 and 0xad. */
enum { MOVED = 0x100, MOVED_LOW = 33, MOVED_COUNT = 68 };

static int byte_of(uint32_t c)
{
	if ((c > 0x20 && c < 0x7f) || (c > 0xa0 && c <= 0xff && c != 0xad))
		return (int)c;
	if (c < MOVED || c >= MOVED + MOVED_COUNT)
		return -1;
	c -= MOVED;
	if (c < MOVED_LOW)
		return (int)c;
	return c == MOVED_COUNT - 1 ? 0xad : (int)(c - MOVED_LOW + 0x7f);
}

bool elm__bytes_decode(const char *text, size_t length, char *out, size_t *written)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t at = 0, count = 0;
	int byte;

	while (at < length) {
		uint32_t c = s[at++];

		if (c >= 0x80) {
			/* All letters behind ASCII have two bytes. */
			if (c < 0xc2 || c > 0xdf || at == length || (s[at] & 0xc0) != 0x80)
				return false;
			c = (c & 0x1f) << 6 | (s[at++] & 0x3f);
		}
		byte = byte_of(c);
		if (byte < 0)
			return false;
		out[count++] = (char)byte;
	}
	*written = count;
	return true;
}

size_t elm__bytes_encode(unsigned char byte, char out[2])
{
	uint32_t c = byte;

	if (byte < MOVED_LOW)
		c = MOVED + byte;
	else if (byte >= 0x7f && byte <= 0xa0)
		c = MOVED + MOVED_LOW + byte - 0x7f;
	else if (byte == 0xad)
		c = MOVED + MOVED_COUNT - 1;
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	out[0] = (char)(0xc0 | c >> 6);
	out[1] = (char)(0x80 | (c & 0x3f));
	return 2;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int elm__bytes_fallback(const char *text, size_t length)
{
	int high, low;

	if (length != 6 || text[0] != '<' || text[1] != '0' || text[2] != 'x' || text[5] != '>')
		return -1;
	high = hex_digit(text[3]);
	low = hex_digit(text[4]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t elm__utf8_decode(const char *text, size_t length, uint32_t *code_point)
{
	static const uint32_t smallest[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *s = (const unsigned char *)text;
	size_t n, i;
	uint32_t c;

	if (!length)
		return 0;
	if (s[0] < 0x80) {
		*code_point = s[0];
		return 1;
	}
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (length < n)
		return 0;
	c = s[0] & (0x7fu >> n);
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*code_point = c;
	return n;
}

size_t elm__utf8_encode(uint32_t c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		if (c >= 0xd800 && c < 0xe000)
			return 0;
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	if (c > 0x10ffff)
		return 0;
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

bool elm__utf8_valid(const char *text, size_t length)
{
	uint32_t code_point;
	size_t at = 0, n;

	while (at < length) {
		n = elm__utf8_decode(text + at, length - at, &code_point);
		if (!n)
			return false;
		at += n;
	}
	return true;
}

/* Whether the start of a character, 1 to 3 bytes, can still become one. */
static bool can_be_completed(const unsigned char *s, size_t have)
{
	size_t need = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;

	if (s[0] < 0xc2 || s[0] > 0xf4 || have >= need)
		return false;
	if (have < 2)
		return true;
	return !(s[0] == 0xe0 && s[1] < 0xa0) && !(s[0] == 0xed && s[1] > 0x9f) &&
	       !(s[0] == 0xf0 && s[1] < 0x90) && !(s[0] == 0xf4 && s[1] > 0x8f);
}

size_t elm__utf8_prefix(const char *text, size_t length)
{
	const unsigned char *s = (const unsigned char *)text;

	for (size_t back = 1; back <= 3 && back <= length; back++)
		if ((s[length - back] & 0xc0) != 0x80)
			return can_be_completed(s + length - back, back) ? length - back : length;
	return length;
}

void elm__make_printable(char *text)
{
	size_t length = elm__utf8_prefix(text, strlen(text)), n;
	uint32_t c;

	text[length] = '\0';
	for (size_t at = 0; at < length; at += n) {
		n = elm__utf8_decode(text + at, length - at, &c);
		if (!n || c < 0x20 || (c >= 0x7f && c < 0xa0)) {
			n = n ? n : 1;
			memset(text + at, '?', n);
		}
	}
}

bool elm__parse_i64(const char *text, int64_t low, int64_t high, int64_t *out)
{
	char *end;
	intmax_t value;

	if (!text || !strchr("+-0123456789", *text) || !*text)
		return false;
	errno = 0;
	value = strtoimax(text, &end, 10);
	if (errno || *end || end == text || value < low || value > high)
		return false;
	*out = value;
	return true;
}

bool elm__parse_f64(const char *text, double low, double high, double *out)
{
	char *end;
	double value;

	/* strtod also takes white space, "inf", "nan" and hexadecimal. */
	if (!text || !*text || text[strspn(text, "+-0123456789.,eE")])
		return false;
	errno = 0;
	value = strtod(text, &end);
	if (errno || *end || !(value >= low && value <= high))
		return false;
	*out = value;
	return true;
}

const char *elm__format_bytes(uint64_t bytes, char *out, size_t size)
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	size_t i = 0;

	while (value >= (i ? 1023.995 : 1024) && i < 6) { /* never "1024.00 KiB" */
		value /= 1024;
		i++;
	}
	snprintf(out, size, i ? "%.2f %s" : "%.0f %s", value, unit[i]);
	return out;
}

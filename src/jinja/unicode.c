#include "jinja/unicode.h"

#include <utf8proc.h>

#include "base/text.h"

bool elm__jj_is_space(uint32_t c)
{
	if (c < 0x80)
		return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20);
	return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
	       c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool elm__jj_is_printable(uint32_t c)
{
	if (c == ' ')
		return true;
	switch (utf8proc_category((utf8proc_int32_t)c)) {
	case UTF8PROC_CATEGORY_CN:
	case UTF8PROC_CATEGORY_CC:
	case UTF8PROC_CATEGORY_CF:
	case UTF8PROC_CATEGORY_CS:
	case UTF8PROC_CATEGORY_CO:
	case UTF8PROC_CATEGORY_ZS:
	case UTF8PROC_CATEGORY_ZL:
	case UTF8PROC_CATEGORY_ZP:
		return false;
	default:
		return true;
	}
}

bool elm__jj_is_alpha(uint32_t c)
{
	switch (utf8proc_category((utf8proc_int32_t)c)) {
	case UTF8PROC_CATEGORY_LU:
	case UTF8PROC_CATEGORY_LL:
	case UTF8PROC_CATEGORY_LT:
	case UTF8PROC_CATEGORY_LM:
	case UTF8PROC_CATEGORY_LO:
		return true;
	default:
		return false;
	}
}

bool elm__jj_is_digit(uint32_t c)
{
	return utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_ND;
}

bool elm__jj_is_upper(uint32_t c)
{
	utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);

	return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LT;
}

bool elm__jj_is_lower(uint32_t c)
{
	return utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_LL;
}

bool elm__jj_is_cased(uint32_t c)
{
	return elm__jj_is_upper(c) || elm__jj_is_lower(c);
}

uint32_t elm__jj_char(const char *text, size_t length, size_t *size)
{
	uint32_t code_point = 0;

	*size = elm__utf8_decode(text, length, &code_point);
	if (!*size)
		*size = 1;
	return code_point;
}

uint32_t elm__jj_last_char(const char *text, size_t length, size_t *size)
{
	size_t back = 1;

	while (back < length && back < 4 && ((unsigned char)text[length - back] & 0xc0) == 0x80)
		back++;
	return elm__jj_char(text + length - back, back, size);
}

size_t elm__jj_count_chars(const char *text, size_t length)
{
	size_t count = 0, i;

	for (i = 0; i < length; i++)
		count += ((unsigned char)text[i] & 0xc0) != 0x80;
	return count;
}

size_t elm__jj_char_offset(const char *text, size_t length, size_t chars)
{
	size_t i;

	for (i = 0; i < length; i++)
		if (((unsigned char)text[i] & 0xc0) != 0x80 && !chars--)
			return i;
	return length;
}

size_t elm__jj_leading_space(const char *text, size_t length)
{
	size_t at = 0, size;

	while (at < length && elm__jj_is_space(elm__jj_char(text + at, length - at, &size)))
		at += size;
	return at;
}

size_t elm__jj_trailing_space(const char *text, size_t length)
{
	size_t left = length, size;

	while (left && elm__jj_is_space(elm__jj_last_char(text, left, &size)))
		left -= size;
	return length - left;
}

#include "jinja/number.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int digit_value(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	       c >= 'a' && c <= 'z' ? c - 'a' + 10 :
	       c >= 'A' && c <= 'Z' ? c - 'A' + 10 :
				      99;
}

static int prefix_base(const char *text, size_t length)
{
	if (length < 3 || text[0] != '0')
		return 10;
	switch (text[1] | 0x20) {
	case 'x':
		return 16;
	case 'o':
		return 8;
	case 'b':
		return 2;
	default:
		return 10;
	}
}

bool elm__jj_parse_integer(const char *text, size_t length, int base, int64_t *out)
{
	bool negative = false, digit_before = false;
	int64_t value = 0;
	size_t i = 0;
	int digit;

	if (length && (text[0] == '-' || text[0] == '+')) {
		negative = text[0] == '-';
		i = 1;
	}
	if (!base) {
		base = prefix_base(text + i, length - i);
		if (base != 10) {
			i += 2;
			digit_before = true; /* 0x_ff is allowed */
		}
	}
	if (i == length)
		return false;
	for (; i < length; i++) {
		if (text[i] == '_' && digit_before) {
			digit_before = false;
			continue;
		}
		digit = digit_value(text[i]);
		/* Built up below zero, where there is room for INT64_MIN. */
		if (digit >= base || __builtin_mul_overflow(value, (int64_t)base, &value) ||
		    __builtin_sub_overflow(value, (int64_t)digit, &value))
			return false;
		digit_before = true;
	}
	if (!digit_before || (!negative && value == INT64_MIN))
		return false;
	*out = negative ? value : -value;
	return true;
}

/* True for "inf", "infinity", "nan" after a sign, in any case. */
static bool parse_special(const char *text, size_t length, double *out)
{
	static const char *const words[] = { "inf", "infinity", "nan" };
	bool negative = length && text[0] == '-';
	size_t skip = length && (text[0] == '-' || text[0] == '+'), i, j;

	for (i = 0; i < 3; i++) {
		if (strlen(words[i]) != length - skip)
			continue;
		for (j = 0; j < length - skip && (text[skip + j] | 0x20) == words[i][j];)
			j++;
		if (j == length - skip) {
			*out = i == 2 ? NAN : negative ? -INFINITY : INFINITY;
			return true;
		}
	}
	return false;
}

/* Checks the form and copies it without underscores and with the locale's decimal point, as strtod
 * wants it. Returns the length, 0 when malformed or too long. */
static size_t normalise(const char *text, size_t length, char *out, size_t size)
{
	const char *point = localeconv()->decimal_point;
	size_t used = 0, i = 0, digits = 0;
	bool seen_point = false, seen_exponent = false;

	for (i = 0; i < length && used + strlen(point) + 1 < size; i++) {
		char c = text[i], before = i ? text[i - 1] : '\0';

		if (c >= '0' && c <= '9') {
			digits++;
			out[used++] = c;
		} else if (c == '_') {
			if (digit_value(before) > 9 || i + 1 == length ||
			    digit_value(text[i + 1]) > 9)
				return 0;
		} else if (c == '.' && !seen_point && !seen_exponent) {
			seen_point = true;
			memcpy(out + used, point, strlen(point));
			used += strlen(point);
		} else if ((c == 'e' || c == 'E') && digits && !seen_exponent) {
			seen_exponent = true;
			digits = 0;
			out[used++] = 'e';
		} else if ((c == '+' || c == '-') && (!i || before == 'e' || before == 'E')) {
			out[used++] = c;
		} else {
			return 0;
		}
	}
	out[used] = '\0';
	return i == length && digits ? used : 0;
}

bool elm__jj_parse_double(const char *text, size_t length, double *out)
{
	char copy[512];

	if (parse_special(text, length, out))
		return true;
	if (!normalise(text, length, copy, sizeof(copy)))
		return false;
	*out = strtod(copy, NULL);
	return true;
}

/* The shortest decimal digits d (without point) and exponent such that value = 0.d * 10^exponent.
 * The value is finite and not zero. */
static int shortest_digits(double value, char digits[20], int *exponent)
{
	char text[40];
	const char *at;
	int precision, count = 0;

	for (precision = 0; precision < 17; precision++) {
		snprintf(text, sizeof(text), "%.*e", precision, value);
		if (strtod(text, NULL) == value)
			break;
	}
	for (at = text; *at != 'e'; at++)
		if (*at >= '0' && *at <= '9')
			digits[count++] = *at;
	*exponent = atoi(at + 1) + 1;
	while (count > 1 && digits[count - 1] == '0')
		count--;
	return count;
}

size_t elm__jj_format_double(double value, char out[JJ_NUMBER_TEXT])
{
	char digits[20];
	size_t at = 0;
	int count, point, i;

	if (isnan(value))
		return (size_t)snprintf(out, JJ_NUMBER_TEXT, "nan");
	if (isinf(value))
		return (size_t)snprintf(out, JJ_NUMBER_TEXT, value < 0 ? "-inf" : "inf");
	if (value == 0)
		return (size_t)snprintf(out, JJ_NUMBER_TEXT, signbit(value) ? "-0.0" : "0.0");
	if (value < 0)
		out[at++] = '-';
	count = shortest_digits(value, digits, &point);
	if (point <= -4 || point > 16) {
		out[at++] = digits[0];
		if (count > 1)
			out[at++] = '.';
		memcpy(out + at, digits + 1, (size_t)(count - 1));
		at += (size_t)(count - 1);
		return at + (size_t)snprintf(out + at, JJ_NUMBER_TEXT - at, "e%c%02d",
					     point > 0 ? '+' : '-', abs(point - 1));
	}
	if (point <= 0) {
		out[at++] = '0';
		out[at++] = '.';
	}
	for (i = point; i < 0; i++)
		out[at++] = '0';
	for (i = 0; i < count || i < point; i++) {
		if (i == point && point > 0)
			out[at++] = '.';
		out[at++] = i < count ? digits[i] : '0';
	}
	if (count <= point) {
		out[at++] = '.';
		out[at++] = '0';
	}
	out[at] = '\0';
	return at;
}

size_t elm__jj_format_fixed(double value, char conversion, int precision, char *out, size_t size)
{
	const char *point = localeconv()->decimal_point;
	size_t extra = strlen(point) - 1;
	char format[] = "%.*f", *found;
	int length;

	format[3] = conversion;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	length = snprintf(out, size, format, precision, value);
#pragma GCC diagnostic pop
	if (length < 0)
		return 0;
	if ((size_t)length >= size)
		length = (int)size - 1;
	found = strcmp(point, ".") ? strstr(out, point) : NULL;
	if (found) {
		*found = '.';
		memmove(found + 1, found + 1 + extra, strlen(found + 1 + extra) + 1);
		length -= (int)extra;
	}
	return (size_t)length;
}

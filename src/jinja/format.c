/* Formatting: "..." % values, and str.format without format specifications. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "jinja/number.h"
#include "jinja/runtime.h"

enum { MAX_PRECISION = 100 };

typedef struct directive {
	bool left, plus, space, zero, alternate;
	int64_t width;
	int64_t precision; /* -1 for none */
	char conversion;
} directive;

/* Reads digits at *at; false when the number is unreasonable. */
static bool read_number(const char **at, const char *end, int64_t *out)
{
	for (*out = 0; *at < end && **at >= '0' && **at <= '9'; (*at)++) {
		*out = *out * 10 + (**at - '0');
		if (*out > 1 << 24)
			return false;
	}
	return true;
}

/* Reads what follows '%' (and a name in parentheses) up to the conversion character. */
static bool read_directive(jj_runtime *rt, const char **at, const char *end, directive *d)
{
	bool good = true;

	memset(d, 0, sizeof(*d));
	d->precision = -1;
	for (; *at < end; (*at)++) {
		if (**at == '-')
			d->left = true;
		else if (**at == '+')
			d->plus = true;
		else if (**at == ' ')
			d->space = true;
		else if (**at == '0')
			d->zero = true;
		else if (**at == '#')
			d->alternate = true;
		else
			break;
	}
	good = read_number(at, end, &d->width);
	if (good && *at < end && **at == '.') {
		(*at)++;
		good = read_number(at, end, &d->precision);
	}
	if (!good)
		return elm__jj_fail(rt, "a width or precision in a format is too large");
	if (*at == end)
		return elm__jj_fail(rt, "incomplete format");
	d->conversion = *(*at)++;
	return true;
}

/* Writes text of `length` bytes and `chars` characters, of which the first `prefix` are a sign or
 * the like, padded to the width. */
static bool emit_padded(jj_runtime *rt, const directive *d, const char *text, size_t length,
			int64_t chars, size_t prefix, bool zeros)
{
	size_t padding = d->width > chars ? (size_t)(d->width - chars) : 0;

	if (d->left)
		return elm__jj_emit(rt, text, length) && elm__jj_emit_char(rt, ' ', padding);
	if (zeros)
		return elm__jj_emit(rt, text, prefix) && elm__jj_emit_char(rt, '0', padding) &&
		       elm__jj_emit(rt, text + prefix, length - prefix);
	return elm__jj_emit_char(rt, ' ', padding) && elm__jj_emit(rt, text, length);
}

static bool format_text(jj_runtime *rt, const directive *d, jj_value value)
{
	jj_value bounds[3] = { jj_none(), jj_int(d->precision), jj_none() };
	size_t begin = jj_capture_begin(rt);
	const jj_string *text;

	if (d->conversion != 's') {
		if (!elm__jj_emit_repr(rt, value) || !elm__jj_capture_end(rt, begin, &value))
			return false;
	} else if (!elm__jj_to_string(rt, value, &value)) {
		return false;
	}
	if (d->precision >= 0 && !elm__jj_slice(rt, value, bounds, &value))
		return false;
	text = value.as.string;
	return emit_padded(rt, d, text->data, text->length, elm__jj_chars(text), 0, false);
}

static bool format_integer(jj_runtime *rt, const directive *d, jj_value value)
{
	uint64_t magnitude;
	char digits[32], text[48];
	size_t at = 0, length, prefix;
	bool negative;

	if (value.kind == JJ_FLOAT && strchr("diu", d->conversion) && fabs(value.as.real) < 9.2e18)
		value = jj_int((int64_t)value.as.real);
	if (!jj_is_integer(value))
		return elm__jj_fail(rt, "%%%c format: a number is required, not %s", d->conversion,
				    elm__jj_kind_name(value));
	negative = jj_integer(value) < 0;
	magnitude = negative ? 0 - (uint64_t)jj_integer(value) : (uint64_t)jj_integer(value);
	length = (size_t)snprintf(digits, sizeof(digits),
				  d->conversion == 'x' ? "%llx" :
				  d->conversion == 'X' ? "%llX" :
				  d->conversion == 'o' ? "%llo" :
							 "%llu",
				  (unsigned long long)magnitude);
	if (negative || d->plus || d->space)
		text[at++] = negative ? '-' : d->plus ? '+' : ' ';
	if (d->alternate && strchr("xXo", d->conversion)) {
		text[at++] = '0';
		text[at++] = d->conversion;
	}
	prefix = at;
	memcpy(text + at, digits, length);
	return emit_padded(rt, d, text, at + length, (int64_t)(at + length), prefix, d->zero);
}

static bool format_float(jj_runtime *rt, const directive *d, jj_value value)
{
	int precision = d->precision < 0 ? 6 : (int)d->precision;
	char text[512];
	size_t length, prefix = 0;
	double real;

	if (!jj_is_number(value))
		return elm__jj_fail(rt, "%%%c format: a number is required, not %s", d->conversion,
				    elm__jj_kind_name(value));
	if (precision > MAX_PRECISION)
		return elm__jj_fail(rt, "a precision above %d is not supported", MAX_PRECISION);
	real = jj_real(value);
	if (!signbit(real) && (d->plus || d->space))
		text[prefix++] = d->plus ? '+' : ' ';
	length = prefix + elm__jj_format_fixed(real, d->conversion, precision, text + prefix,
					       sizeof(text) - prefix);
	prefix += text[prefix] == '-';
	return emit_padded(rt, d, text, length, (int64_t)length, prefix, d->zero && isfinite(real));
}

static bool format_one(jj_runtime *rt, const directive *d, jj_value value)
{
	switch (d->conversion) {
	case 's':
	case 'r':
	case 'a':
		return format_text(rt, d, value);
	case 'd':
	case 'i':
	case 'u':
	case 'x':
	case 'X':
	case 'o':
		return format_integer(rt, d, value);
	case 'f':
	case 'F':
	case 'e':
	case 'E':
	case 'g':
	case 'G':
		return format_float(rt, d, value);
	default:
		return elm__jj_fail(rt, "the format %%%c is not supported", d->conversion);
	}
}

/* The value for the directive at *at, which may name a key of a dict: "%(name)s". */
static bool next_argument(jj_runtime *rt, const char **at, const char *end, jj_value arguments,
			  size_t *used, jj_value *out)
{
	const char *close;
	jj_value key;

	if (*at < end && **at == '(') {
		close = memchr(*at, ')', (size_t)(end - *at));
		if (!close)
			return elm__jj_fail(rt, "incomplete format key");
		if (arguments.kind != JJ_DICT)
			return elm__jj_fail(rt, "format requires a mapping");
		if (!elm__jj_view(rt, *at + 1, (size_t)(close - *at - 1), &key) ||
		    !elm__jj_item(rt, arguments, key, out))
			return false;
		*at = close + 1;
		*used = 1;
		return out->kind == JJ_UNDEFINED ? elm__jj_fail_undefined(rt, *out) : true;
	}
	out->kind = JJ_ABSENT; /* %% takes none */
	if (arguments.kind == JJ_TUPLE && *used < arguments.as.list->count)
		*out = arguments.as.list->items[*used];
	else if (arguments.kind != JJ_TUPLE && !*used)
		*out = arguments;
	return true;
}

bool elm__jj_percent(jj_runtime *rt, const jj_string *format, jj_value arguments, jj_value *out)
{
	const char *at = format->data, *end = at + format->length, *next;
	size_t begin = jj_capture_begin(rt), used = 0;
	directive d;
	jj_value value;

	while (at < end) {
		next = memchr(at, '%', (size_t)(end - at));
		if (!next)
			next = end;
		if (!elm__jj_emit(rt, at, (size_t)(next - at)))
			return false;
		at = next;
		if (at++ == end)
			break;
		if (!next_argument(rt, &at, end, arguments, &used, &value) ||
		    !read_directive(rt, &at, end, &d))
			return false;
		if (d.conversion == '%') {
			if (!elm__jj_emit(rt, "%", 1))
				return false;
			continue;
		}
		if (value.kind == JJ_ABSENT)
			return elm__jj_fail(rt, "not enough arguments for the format");
		if (!format_one(rt, &d, value))
			return false;
		used++;
	}
	if (arguments.kind == JJ_TUPLE ? used < arguments.as.list->count :
					 !used && arguments.kind != JJ_DICT)
		return elm__jj_fail(rt, "not all arguments were used by the format");
	return elm__jj_capture_end(rt, begin, out);
}

/* The value of a field of str.format: "", "0", or "name". */
static bool field_value(jj_runtime *rt, const char *name, size_t length, const jj_args *args,
			int64_t *automatic, jj_value *out)
{
	int64_t index = *automatic;
	size_t i;

	if (!length)
		(*automatic)++;
	if (!length || elm__jj_parse_integer(name, length, 10, &index)) {
		if (index < 0 || (uint64_t)index >= args->count)
			return elm__jj_fail(rt, "format() has no argument %lld", (long long)index);
		*out = args->positional[index];
		return true;
	}
	for (i = 0; i < args->named_count; i++)
		if (args->names[i]->length == length &&
		    !memcmp(args->names[i]->data, name, length)) {
			*out = args->named[i];
			return true;
		}
	return elm__jj_fail(rt, "format() has no argument '%.*s'", length < 100 ? (int)length : 100,
			    name);
}

bool elm__jj_format_method(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	const char *at = self.as.string->data, *end = at + self.as.string->length, *close;
	size_t begin = jj_capture_begin(rt), length;
	int64_t automatic = 0;
	jj_value value;
	bool repr;

	for (; at < end; at++) {
		if (*at != '{' && *at != '}') {
			if (!elm__jj_emit(rt, at, 1))
				return false;
			continue;
		}
		if (at + 1 < end && at[1] == *at) {
			if (!elm__jj_emit(rt, at++, 1))
				return false;
			continue;
		}
		close = *at == '{' ? memchr(at, '}', (size_t)(end - at)) : NULL;
		if (!close)
			return elm__jj_fail(rt, "a single '%c' in a format", *at);
		length = (size_t)(close - at - 1);
		repr = length >= 2 && close[-2] == '!' && close[-1] == 'r';
		if (length >= 2 && close[-2] == '!' && strchr("rs", close[-1]))
			length -= 2;
		if (memchr(at + 1, ':', length) || memchr(at + 1, '.', length) ||
		    memchr(at + 1, '[', length))
			return elm__jj_fail(rt, "format() supports only {}, {0} and {name}");
		if (!field_value(rt, at + 1, length, args, &automatic, &value) ||
		    !(repr ? elm__jj_emit_repr(rt, value) : elm__jj_emit_value(rt, value)))
			return false;
		at = close;
	}
	return elm__jj_capture_end(rt, begin, out);
}

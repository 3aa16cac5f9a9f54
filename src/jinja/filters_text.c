/* Filters that make text or numbers of one value. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jinja/number.h"
#include "jinja/runtime.h"
#include "jinja/unicode.h"

static jj_value argument(const jj_args *args, size_t index)
{
	return args->positional[index];
}

static bool change_case(jj_runtime *rt, jj_value self, jj_case how, jj_value *out)
{
	return elm__jj_to_string(rt, self, &self) &&
	       elm__jj_change_case(rt, self.as.string, how, out);
}

static bool f_upper(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return change_case(rt, self, JJ_UPPER, out);
}

static bool f_lower(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return change_case(rt, self, JJ_LOWER, out);
}

static bool f_capitalize(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return change_case(rt, self, JJ_CAPITALIZE, out);
}

/* Unlike str.title, words begin only after spaces, hyphens and opening brackets: "it's" stays
 * "It's". */
static bool f_title(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	size_t begin = jj_capture_begin(rt), at, size, from = 0;
	const jj_string *text;
	jj_value word;
	uint32_t c;

	if (!elm__jj_to_string(rt, self, &self))
		return false;
	text = self.as.string;
	for (at = 0; at < text->length; at += size) {
		c = elm__jj_char(text->data + at, text->length - at, &size);
		if (!elm__jj_is_space(c) && (c >= 0x80 || !strchr("-({[<", (char)c)))
			continue;
		if (!elm__jj_view(rt, text->data + from, at - from, &word) ||
		    !elm__jj_change_case(rt, word.as.string, JJ_CAPITALIZE, &word) ||
		    !elm__jj_emit_value(rt, word) || !elm__jj_emit(rt, text->data + at, size))
			return false;
		from = at + size;
	}
	return elm__jj_view(rt, text->data + from, text->length - from, &word) &&
	       elm__jj_change_case(rt, word.as.string, JJ_CAPITALIZE, &word) &&
	       elm__jj_emit_value(rt, word) && elm__jj_capture_end(rt, begin, out);
}

static bool f_trim(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return elm__jj_to_string(rt, self, &self) &&
	       elm__jj_strip(rt, self.as.string, argument(args, 0), true, true, out);
}

static bool f_replace(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	jj_value from, to;
	int64_t count;

	return elm__jj_to_string(rt, self, &self) &&
	       elm__jj_to_string(rt, argument(args, 0), &from) &&
	       elm__jj_to_string(rt, argument(args, 1), &to) &&
	       elm__jj_want_int(
		       rt, argument(args, 2).kind == JJ_NONE ? (jj_value){ 0 } : argument(args, 2),
		       "the count", -1, &count) &&
	       elm__jj_replace(rt, self.as.string, from.as.string, to.as.string, count, out);
}

static bool f_string(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return elm__jj_to_string(rt, self, out);
}

static bool f_safe(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	*out = self;
	return true;
}

static bool f_escape(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	static const char special[] = "&<>\"'";
	static const char *const entity[] = { "&amp;", "&lt;", "&gt;", "&#34;", "&#39;" };
	size_t begin = jj_capture_begin(rt), i;
	const jj_string *text;
	const char *found;
	bool good = true;

	if (!elm__jj_to_string(rt, self, &self))
		return false;
	text = self.as.string;
	for (i = 0; good && i < text->length; i++) {
		found = text->data[i] ? strchr(special, text->data[i]) : NULL;
		good = found ? elm__jj_emit(rt, entity[found - special],
					    strlen(entity[found - special])) :
			       elm__jj_emit(rt, text->data + i, 1);
	}
	return good && elm__jj_capture_end(rt, begin, out);
}

static bool f_urlencode(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_.-~/";
	size_t begin = jj_capture_begin(rt), i;
	const jj_string *text;
	char code[4];

	if (!elm__jj_to_string(rt, self, &self))
		return false;
	text = self.as.string;
	for (i = 0; i < text->length; i++) {
		char c = text->data[i];
		bool keep = c && strchr(plain, c);

		snprintf(code, sizeof(code), "%%%02X", (unsigned char)c);
		if (!elm__jj_emit(rt, keep ? &c : code, keep ? 1 : 3))
			return false;
	}
	return elm__jj_capture_end(rt, begin, out);
}

static bool f_tojson(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	size_t begin = jj_capture_begin(rt);

	return elm__jj_emit_json(rt, self, args) && elm__jj_capture_end(rt, begin, out);
}

/* The indentation of f_indent: a string, or so many spaces. */
static bool indentation(jj_runtime *rt, jj_value width, jj_value *out)
{
	size_t begin = jj_capture_begin(rt);
	int64_t spaces;

	if (width.kind == JJ_STRING) {
		*out = width;
		return true;
	}
	return elm__jj_want_int(rt, width, "the width", 4, &spaces) &&
	       elm__jj_emit_char(rt, ' ', spaces > 0 ? (size_t)spaces : 0) &&
	       elm__jj_capture_end(rt, begin, out);
}

static bool f_indent(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	bool first = elm__jj_truth(argument(args, 1)), blank = elm__jj_truth(argument(args, 2));
	const jj_string *line;
	jj_value indent, lines, newline;
	size_t begin, i;

	/* With a line end added, the text after the last one counts as a line even when empty. */
	if (!elm__jj_to_string(rt, self, &self) || !elm__jj_literal(rt, "\n", &newline) ||
	    !elm__jj_concat(rt, self.as.string, newline.as.string, &self) ||
	    !elm__jj_split_lines(rt, self.as.string, false, &lines) ||
	    !indentation(rt, argument(args, 0), &indent))
		return false;
	begin = jj_capture_begin(rt);
	for (i = 0; i < lines.as.list->count; i++) {
		line = lines.as.list->items[i].as.string;
		if (i && !elm__jj_emit(rt, "\n", 1))
			return false;
		if ((i ? blank || line->length : first) && !elm__jj_emit_value(rt, indent))
			return false;
		if (!elm__jj_emit(rt, line->data, line->length))
			return false;
	}
	return elm__jj_capture_end(rt, begin, out);
}

static bool f_format(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	jj_value values;
	size_t i;

	if (!elm__jj_to_string(rt, self, &self))
		return false;
	if (args->named_count) {
		if (args->count)
			return elm__jj_fail(rt,
					    "format takes positional or named values, not both");
		if (!elm__jj_dict(rt, JJ_DICT, &values) ||
		    !elm__jj_update(rt, values.as.dict, args))
			return false;
	} else {
		if (!elm__jj_list(rt, JJ_TUPLE, args->count, &values))
			return false;
		for (i = 0; i < args->count; i++)
			if (!elm__jj_push(rt, values.as.list, args->positional[i]))
				return false;
	}
	return elm__jj_percent(rt, self.as.string, values, out);
}

static bool f_wordcount(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	const jj_string *text;
	bool inside = false, space;
	int64_t count = 0;
	size_t at, size;

	if (!elm__jj_to_string(rt, self, &self))
		return false;
	text = self.as.string;
	for (at = 0; at < text->length; at += size) {
		space = elm__jj_is_space(elm__jj_char(text->data + at, text->length - at, &size));
		count += !space && !inside;
		inside = !space;
	}
	*out = jj_int(count);
	return elm__jj_charge(rt, text->length);
}

/* A float without its fraction; *good is false for what no integer holds. */
static bool truncated(jj_runtime *rt, double value, bool *good, jj_value *out)
{
	*good = isfinite(value);
	if (!*good)
		return true;
	if (fabs(value) >= 9223372036854775808.0)
		return elm__jj_fail(rt, "%g is an integer beyond 64 bits, which is not supported",
				    value);
	*out = jj_int((int64_t)value);
	return true;
}

static bool stripped(jj_runtime *rt, const jj_string *text, const char **begin, size_t *length)
{
	size_t skip = elm__jj_leading_space(text->data, text->length);

	*begin = text->data + skip;
	*length = text->length - skip;
	*length -= elm__jj_trailing_space(*begin, *length);
	return elm__jj_charge(rt, text->length);
}

static bool f_int(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	const char *text;
	size_t length;
	int64_t base, integer;
	bool good = false;
	double real;

	if (!elm__jj_want_int(rt, argument(args, 1), "the base", 10, &base))
		return false;
	if (self.kind == JJ_UNDEFINED)
		return elm__jj_fail_undefined(rt, self);
	if (jj_is_integer(self)) {
		*out = jj_int(jj_integer(self));
		return true;
	}
	if (self.kind == JJ_FLOAT && !truncated(rt, self.as.real, &good, out))
		return false;
	if (self.kind == JJ_STRING && (base == 0 || (base >= 2 && base <= 36))) {
		if (!stripped(rt, self.as.string, &text, &length))
			return false;
		if (base == 16 && length > 2 && text[0] == '0' && (text[1] | 0x20) == 'x')
			base = 0;
		if (elm__jj_parse_integer(text, length, (int)base, &integer)) {
			*out = jj_int(integer);
			good = true;
		} else if (elm__jj_parse_double(text, length, &real) &&
			   !truncated(rt, real, &good, out)) {
			return false;
		}
	}
	if (!good)
		*out = argument(args, 0).kind == JJ_ABSENT ? jj_int(0) : argument(args, 0);
	return true;
}

static bool f_float(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	const char *text;
	size_t length;
	double real;

	if (self.kind == JJ_UNDEFINED)
		return elm__jj_fail_undefined(rt, self);
	if (jj_is_number(self)) {
		*out = jj_float(jj_real(self));
		return true;
	}
	if (self.kind == JJ_STRING) {
		if (!stripped(rt, self.as.string, &text, &length))
			return false;
		if (elm__jj_parse_double(text, length, &real)) {
			*out = jj_float(real);
			return true;
		}
	}
	*out = argument(args, 0).kind == JJ_ABSENT ? jj_float(0) : argument(args, 0);
	return true;
}

static bool f_abs(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	if (self.kind == JJ_FLOAT) {
		*out = jj_float(fabs(self.as.real));
		return true;
	}
	if (!jj_is_integer(self))
		return elm__jj_fail(rt, "abs wants a number, not %s", elm__jj_kind_name(self));
	if (jj_integer(self) < 0)
		return elm__jj_binary(rt, JJ_OP_SUB, jj_int(0), self, out);
	*out = jj_int(jj_integer(self));
	return true;
}

/* round() of Python for a float: the decimal nearest to the exact value, ties to even. That is also
 * how the C library writes decimals. */
static double round_decimal(double value, int64_t precision)
{
	char text[512]; /* 309 digits and the fraction */
	double scale, rounded = value;
	size_t length;

	if (!isfinite(value) || precision > 150)
		return value; /* so many digits are never fewer than the value has */
	if (precision < 0) {
		scale = pow(10, (double)-precision);
		return isfinite(scale) ? rint(value / scale) * scale : 0;
	}
	length = elm__jj_format_fixed(value, 'f', (int)precision, text, sizeof(text));
	elm__jj_parse_double(text, length, &rounded);
	return rounded;
}

static bool f_round(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	const jj_string *method;
	int64_t precision;
	double scale;

	if (!elm__jj_want_int(rt, argument(args, 0), "the precision", 0, &precision))
		return false;
	if (!jj_is_number(self))
		return self.kind == JJ_UNDEFINED ? elm__jj_fail_undefined(rt, self) :
						   elm__jj_fail(rt, "round wants a number, not %s",
								elm__jj_kind_name(self));
	if (argument(args, 1).kind == JJ_ABSENT) {
		*out = jj_is_integer(self) && precision >= 0 ?
			       jj_int(jj_integer(self)) :
			       jj_float(round_decimal(jj_real(self), precision));
		return true;
	}
	if (!elm__jj_want_string(rt, argument(args, 1), "the method", &method))
		return false;
	scale = pow(10, (double)precision);
	if (elm__jj_string_is(method, "ceil"))
		*out = jj_float(ceil(jj_real(self) * scale) / scale);
	else if (elm__jj_string_is(method, "floor"))
		*out = jj_float(floor(jj_real(self) * scale) / scale);
	else if (elm__jj_string_is(method, "common"))
		*out = jj_float(round_decimal(jj_real(self), precision));
	else
		return elm__jj_fail(rt, "the method must be common, ceil or floor");
	return true;
}

static bool f_default(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	bool use = self.kind == JJ_UNDEFINED ||
		   (elm__jj_truth(argument(args, 1)) && !elm__jj_truth(self));

	*out = use ? argument(args, 0) : self;
	return out->kind != JJ_ABSENT || elm__jj_literal(rt, "", out);
}

static bool f_length(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	int64_t length;

	if (!elm__jj_length(rt, self, &length))
		return false;
	*out = jj_int(length);
	return true;
}

static const jj_builtin filters[] = {
	{ "tojson", f_tojson, "ensure_ascii indent separators sort_keys", 0 },
	{ "trim", f_trim, "chars", 0 },
	{ "length", f_length, "", 0 },
	{ "count", f_length, "", 0 },
	{ "default", f_default, "default_value boolean", 0 },
	{ "d", f_default, "default_value boolean", 0 },
	{ "string", f_string, "", 0 },
	{ "upper", f_upper, "", 0 },
	{ "lower", f_lower, "", 0 },
	{ "title", f_title, "", 0 },
	{ "capitalize", f_capitalize, "", 0 },
	{ "replace", f_replace, "old new count", 2 },
	{ "indent", f_indent, "width first blank", 0 },
	{ "int", f_int, "default base", 0 },
	{ "float", f_float, "default", 0 },
	{ "round", f_round, "precision method", 0 },
	{ "abs", f_abs, "", 0 },
	{ "safe", f_safe, "", 0 },
	{ "escape", f_escape, "", 0 },
	{ "e", f_escape, "", 0 },
	{ "forceescape", f_escape, "", 0 },
	{ "urlencode", f_urlencode, "", 0 },
	{ "format", f_format, NULL, 0 },
	{ "wordcount", f_wordcount, "", 0 },
};

const jj_table elm__jj_text_filters = { filters, sizeof(filters) / sizeof(filters[0]) };

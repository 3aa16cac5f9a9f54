/* Values to text: str(), repr() and json.dumps() of Python. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "jinja/number.h"
#include "jinja/runtime.h"
#include "jinja/unicode.h"

static bool emit(jj_runtime *rt, const char *text)
{
	return elm__jj_emit(rt, text, strlen(text));
}

static bool emit_string(jj_runtime *rt, const jj_string *string)
{
	return elm__jj_emit(rt, string->data, string->length);
}

static bool emit_number(jj_runtime *rt, jj_value value)
{
	char text[JJ_NUMBER_TEXT];

	if (value.kind == JJ_FLOAT)
		elm__jj_format_double(value.as.real, text);
	else
		snprintf(text, sizeof(text), "%lld", (long long)value.as.integer);
	return emit(rt, text);
}

/* One character of a quoted string as repr() shows it. */
static bool emit_escaped(jj_runtime *rt, const char *text, size_t size, uint32_t c, char quote)
{
	char escape[12];

	if (c == (uint32_t)quote || c == '\\')
		snprintf(escape, sizeof(escape), "\\%c", (char)c);
	else if (c == '\n' || c == '\r' || c == '\t')
		snprintf(escape, sizeof(escape), "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
	else if (elm__jj_is_printable(c))
		return elm__jj_emit(rt, text, size);
	else
		snprintf(escape, sizeof(escape),
			 c < 0x100   ? "\\x%02x" :
			 c < 0x10000 ? "\\u%04x" :
				       "\\U%08x",
			 c);
	return emit(rt, escape);
}

static bool repr_string(jj_runtime *rt, const jj_string *string)
{
	const char *text = string->data;
	size_t length = string->length, at, size;
	char quote = '\'';
	uint32_t c;

	if (length && memchr(text, '\'', length) && !memchr(text, '"', length))
		quote = '"';
	if (!elm__jj_emit(rt, &quote, 1))
		return false;
	for (at = 0; at < length; at += size) {
		c = elm__jj_char(text + at, length - at, &size);
		if (!emit_escaped(rt, text + at, size, c, quote))
			return false;
	}
	return elm__jj_emit(rt, &quote, 1);
}

static bool repr_sequence(jj_runtime *rt, const jj_list *list, bool tuple)
{
	size_t i;

	if (!emit(rt, tuple ? "(" : "["))
		return false;
	for (i = 0; i < list->count; i++)
		if ((i && !emit(rt, ", ")) || !elm__jj_emit_repr(rt, list->items[i]))
			return false;
	return emit(rt, tuple ? (list->count == 1 ? ",)" : ")") : "]");
}

static bool repr_dict(jj_runtime *rt, const jj_dict *dict)
{
	bool first = true;
	size_t i;

	if (!emit(rt, "{"))
		return false;
	for (i = 0; i < dict->used; i++) {
		if (dict->entries[i].key.kind == JJ_ABSENT)
			continue;
		if ((!first && !emit(rt, ", ")) || !elm__jj_emit_repr(rt, dict->entries[i].key) ||
		    !emit(rt, ": ") || !elm__jj_emit_repr(rt, dict->entries[i].value))
			return false;
		first = false;
	}
	return emit(rt, "}");
}

static bool repr_nested(jj_runtime *rt, jj_value value)
{
	switch (value.kind) {
	case JJ_LIST:
	case JJ_TUPLE:
		return repr_sequence(rt, value.as.list, value.kind == JJ_TUPLE);
	case JJ_NAMESPACE:
		return emit(rt, "<Namespace ") && repr_dict(rt, value.as.dict) && emit(rt, ">");
	default:
		return repr_dict(rt, value.as.dict);
	}
}

bool elm__jj_emit_repr(jj_runtime *rt, jj_value value)
{
	bool good;

	switch (value.kind) {
	case JJ_UNDEFINED:
		return emit(rt, "Undefined");
	case JJ_NONE:
		return emit(rt, "None");
	case JJ_BOOL:
		return emit(rt, value.as.boolean ? "True" : "False");
	case JJ_INT:
	case JJ_FLOAT:
		return emit_number(rt, value);
	case JJ_STRING:
		return repr_string(rt, value.as.string);
	case JJ_LIST:
	case JJ_TUPLE:
	case JJ_DICT:
	case JJ_NAMESPACE:
		if (!elm__jj_enter_call(rt))
			return false;
		good = repr_nested(rt, value);
		jj_leave_call(rt);
		return good;
	case JJ_MACRO:
		return emit(rt, "<Macro '") && emit_string(rt, value.as.macro->node->name) &&
		       emit(rt, "'>");
	default:
		return emit(rt, "<") && emit(rt, elm__jj_kind_name(value)) && emit(rt, ">");
	}
}

bool elm__jj_emit_value(jj_runtime *rt, jj_value value)
{
	switch (value.kind) {
	case JJ_STRING:
		return emit_string(rt, value.as.string);
	case JJ_UNDEFINED:
		return true;
	default:
		return elm__jj_emit_repr(rt, value);
	}
}

/* json.dumps(). */

typedef struct json_style {
	bool ascii, sort_keys;
	const jj_string *indent; /* one level; NULL to write on one line */
	const char *item;	 /* between items */
	size_t item_length;
	const char *key; /* between key and value */
	size_t key_length;
} json_style;

static bool dump_value(jj_runtime *rt, jj_value value, const json_style *style, size_t level);

/* Everything above the Basic Multilingual Plane is written as two \u escapes. */
static bool dump_unicode_escape(jj_runtime *rt, uint32_t c)
{
	char escape[16];

	if (c < 0x10000)
		snprintf(escape, sizeof(escape), "\\u%04x", c);
	else
		snprintf(escape, sizeof(escape), "\\u%04x\\u%04x", 0xd7c0 + (c >> 10),
			 0xdc00 + (c & 0x3ff));
	return emit(rt, escape);
}

static bool dump_string(jj_runtime *rt, const jj_string *string, const json_style *style)
{
	static const char special[] = "\"\\\n\r\t\b\f", letter[] = "\"\\nrtbf";
	const char *text = string->data, *found;
	size_t length = string->length, at, plain = 0, size;
	uint32_t c;

	if (!emit(rt, "\""))
		return false;
	for (at = 0; at < length; at += size) {
		c = elm__jj_char(text + at, length - at, &size);
		found = c && c < 0x80 ? strchr(special, (char)c) : NULL;
		if (!found && c >= 0x20 && !(style->ascii && c >= 0x7f && c != 0x7f))
			continue;
		if (!elm__jj_emit(rt, text + plain, at - plain))
			return false;
		plain = at + size;
		if (found ? !emit(rt, "\\") || !elm__jj_emit(rt, letter + (found - special), 1) :
			    !dump_unicode_escape(rt, c))
			return false;
	}
	return elm__jj_emit(rt, text + plain, length - plain) && emit(rt, "\"");
}

static bool dump_line(jj_runtime *rt, const json_style *style, size_t level)
{
	size_t i;

	if (!style->indent)
		return true;
	if (!emit(rt, "\n"))
		return false;
	for (i = 0; i < level; i++)
		if (!emit_string(rt, style->indent))
			return false;
	return true;
}

static bool dump_array(jj_runtime *rt, const jj_list *list, const json_style *style, size_t level)
{
	size_t i;

	if (!list->count)
		return emit(rt, "[]");
	if (!emit(rt, "["))
		return false;
	for (i = 0; i < list->count; i++)
		if ((i && !elm__jj_emit(rt, style->item, style->item_length)) ||
		    !dump_line(rt, style, level + 1) ||
		    !dump_value(rt, list->items[i], style, level + 1))
			return false;
	return dump_line(rt, style, level) && emit(rt, "]");
}

static bool dump_float(jj_runtime *rt, double value)
{
	if (isfinite(value))
		return emit_number(rt, jj_float(value));
	return emit(rt, isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity");
}

/* Keys that are not strings become the text of the value. */
static bool dump_key(jj_runtime *rt, jj_value key, const json_style *style)
{
	switch (key.kind) {
	case JJ_STRING:
		return dump_string(rt, key.as.string, style);
	case JJ_NONE:
	case JJ_BOOL:
	case JJ_INT:
	case JJ_FLOAT:
		return emit(rt, "\"") && dump_value(rt, key, style, 0) && emit(rt, "\"");
	default:
		return elm__jj_fail(rt, "keys of JSON objects must be strings, not %s",
				    elm__jj_kind_name(key));
	}
}

/* The entries of a dict in the order in which they are to be written. */
static bool dump_entries(jj_runtime *rt, const jj_dict *dict, const json_style *style,
			 const jj_entry **out)
{
	jj_entry *sorted;
	size_t i, j, count = 0;
	int order;

	*out = dict->entries;
	if (!style->sort_keys || dict->count < 2)
		return true;
	sorted = elm__jj_alloc(rt, dict->used, sizeof(*sorted));
	if (!sorted)
		return false;
	/* By insertion: objects in prompts are small, and comparisons are charged. */
	for (i = 0; i < dict->used; i++) {
		if (dict->entries[i].key.kind == JJ_ABSENT)
			continue;
		for (j = count++; j; j--) {
			if (!elm__jj_charge(rt, 0) ||
			    !elm__jj_order(rt, sorted[j - 1].key, dict->entries[i].key, &order))
				return false;
			if (order <= 0)
				break;
			sorted[j] = sorted[j - 1];
		}
		sorted[j] = dict->entries[i];
	}
	for (i = count; i < dict->used; i++)
		sorted[i].key.kind = JJ_ABSENT;
	*out = sorted;
	return true;
}

static bool dump_object(jj_runtime *rt, const jj_dict *dict, const json_style *style, size_t level)
{
	const jj_entry *entries;
	bool first = true;
	size_t i;

	if (!dict->count)
		return emit(rt, "{}");
	if (!dump_entries(rt, dict, style, &entries) || !emit(rt, "{"))
		return false;
	for (i = 0; i < dict->used; i++) {
		if (entries[i].key.kind == JJ_ABSENT)
			continue;
		if ((!first && !elm__jj_emit(rt, style->item, style->item_length)) ||
		    !dump_line(rt, style, level + 1) || !dump_key(rt, entries[i].key, style) ||
		    !elm__jj_emit(rt, style->key, style->key_length) ||
		    !dump_value(rt, entries[i].value, style, level + 1))
			return false;
		first = false;
	}
	return dump_line(rt, style, level) && emit(rt, "}");
}

static bool dump_value(jj_runtime *rt, jj_value value, const json_style *style, size_t level)
{
	bool good;

	switch (value.kind) {
	case JJ_NONE:
		return emit(rt, "null");
	case JJ_BOOL:
		return emit(rt, value.as.boolean ? "true" : "false");
	case JJ_INT:
		return emit_number(rt, value);
	case JJ_FLOAT:
		return dump_float(rt, value.as.real);
	case JJ_STRING:
		return dump_string(rt, value.as.string, style);
	case JJ_LIST:
	case JJ_TUPLE:
	case JJ_DICT:
		if (!elm__jj_enter_call(rt))
			return false;
		good = value.kind == JJ_DICT ? dump_object(rt, value.as.dict, style, level) :
					       dump_array(rt, value.as.list, style, level);
		jj_leave_call(rt);
		return good;
	case JJ_UNDEFINED:
		return elm__jj_fail_undefined(rt, value);
	default:
		return elm__jj_fail(rt, "a value of type %s cannot be written as JSON",
				    elm__jj_kind_name(value));
	}
}

static bool dump_indent(jj_runtime *rt, jj_value value, json_style *style)
{
	jj_value text;
	int64_t width;
	size_t begin;

	if (value.kind == JJ_ABSENT || value.kind == JJ_NONE)
		return true;
	if (value.kind == JJ_STRING) {
		style->indent = value.as.string;
	} else {
		begin = jj_capture_begin(rt);
		if (!elm__jj_want_int(rt, value, "indent", 0, &width) ||
		    !elm__jj_emit_char(rt, ' ', width > 0 ? (size_t)width : 0) ||
		    !elm__jj_capture_end(rt, begin, &text))
			return false;
		style->indent = text.as.string;
	}
	style->item_length = 1; /* "," without the space */
	return true;
}

/* Arguments: ensure_ascii, indent, separators, sort_keys. */
bool elm__jj_emit_json(jj_runtime *rt, jj_value value, const jj_args *args)
{
	json_style style = { .item = ", ", .item_length = 2, .key = ": ", .key_length = 2 };
	jj_value separators = args->positional[2];
	const jj_string *item, *key;

	style.ascii = elm__jj_truth(args->positional[0]);
	style.sort_keys = elm__jj_truth(args->positional[3]);
	if (!dump_indent(rt, args->positional[1], &style))
		return false;
	if (separators.kind != JJ_ABSENT && separators.kind != JJ_NONE) {
		if (!jj_is_sequence(separators) || separators.as.list->count != 2)
			return elm__jj_fail(rt, "separators must be two strings");
		if (!elm__jj_want_string(rt, separators.as.list->items[0], "a separator", &item) ||
		    !elm__jj_want_string(rt, separators.as.list->items[1], "a separator", &key))
			return false;
		style.item = item->data;
		style.item_length = item->length;
		style.key = key->data;
		style.key_length = key->length;
	}
	return dump_value(rt, value, &style, 0);
}

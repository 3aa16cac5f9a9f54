/* Attributes, items and slices. */
#include <string.h>

#include "jinja/number.h"
#include "jinja/runtime.h"
#include "jinja/unicode.h"

/* The attribute of a loop; false when it has none of that name. */
static bool loop_attribute(const jj_loop *loop, const jj_string *name, jj_value *out)
{
	size_t index = loop->index, count = loop->count;

	if (elm__jj_string_is(name, "index"))
		*out = jj_int((int64_t)index + 1);
	else if (elm__jj_string_is(name, "index0"))
		*out = jj_int((int64_t)index);
	else if (elm__jj_string_is(name, "first"))
		*out = jj_bool(index == 0);
	else if (elm__jj_string_is(name, "last"))
		*out = jj_bool(index + 1 == count);
	else if (elm__jj_string_is(name, "length"))
		*out = jj_int((int64_t)count);
	else if (elm__jj_string_is(name, "revindex"))
		*out = jj_int((int64_t)(count - index));
	else if (elm__jj_string_is(name, "revindex0"))
		*out = jj_int((int64_t)(count - index) - 1);
	else if (elm__jj_string_is(name, "previtem"))
		*out = index ? loop->items[index - 1] : jj_undefined(JJ_LOOP, name);
	else if (elm__jj_string_is(name, "nextitem"))
		*out = index + 1 < count ? loop->items[index + 1] : jj_undefined(JJ_LOOP, name);
	else if (elm__jj_string_is(name, "depth"))
		*out = jj_int((int64_t)loop->depth);
	else if (elm__jj_string_is(name, "depth0"))
		*out = jj_int((int64_t)loop->depth - 1);
	else
		return false;
	return true;
}

static const jj_table *methods_of(jj_value value)
{
	switch (value.kind) {
	case JJ_STRING:
		return &elm__jj_string_methods;
	case JJ_LIST:
		return &elm__jj_list_methods;
	case JJ_TUPLE:
		return &elm__jj_tuple_methods;
	case JJ_DICT:
		return &elm__jj_dict_methods;
	case JJ_LOOP:
		return &elm__jj_loop_methods;
	case JJ_CYCLER:
		return &elm__jj_cycler_methods;
	default:
		return NULL;
	}
}

/* What is found as obj.name by Python itself, before items are looked at. Not found: *out is
 * undefined. */
static bool own_attribute(jj_runtime *rt, jj_value value, const jj_string *name, jj_value *out)
{
	const jj_table *table = methods_of(value);
	const jj_builtin *function;
	jj_method *method;

	*out = jj_undefined(value.kind, name);
	if (value.kind == JJ_LOOP && loop_attribute(value.as.loop, name, out))
		return true;
	if (value.kind == JJ_CYCLER && elm__jj_string_is(name, "current")) {
		*out = value.as.list->items[1 + value.as.list->items[0].as.integer];
		return true;
	}
	if (value.kind == JJ_MACRO && elm__jj_string_is(name, "name")) {
		*out = (jj_value){ .kind = JJ_STRING, .as.string = value.as.macro->node->name };
		return true;
	}
	function = table ? elm__jj_find(table, name->data, name->length) : NULL;
	if (!function)
		return true;
	method = elm__jj_alloc(rt, 1, sizeof(*method));
	if (!method)
		return false;
	method->self = value;
	method->function = function;
	*out = (jj_value){ .kind = JJ_METHOD, .as.method = method };
	return true;
}

bool elm__jj_attribute(jj_runtime *rt, jj_value value, const jj_string *name, jj_value *out)
{
	jj_entry *entry;

	if (value.kind == JJ_UNDEFINED)
		return elm__jj_fail_undefined(rt, value);
	if (!own_attribute(rt, value, name, out))
		return false;
	if (out->kind != JJ_UNDEFINED || (value.kind != JJ_DICT && value.kind != JJ_NAMESPACE))
		return true;
	if (!elm__jj_lookup_name(rt, value.as.dict, name, &entry))
		return false;
	if (entry)
		*out = entry->value;
	return true;
}

/* The character at `index`, which counts from the end when negative. */
static bool character(jj_runtime *rt, const jj_string *string, int64_t index, jj_value *out)
{
	int64_t chars = elm__jj_chars(string);
	size_t at, size;

	if (index < 0)
		index += chars;
	if (index < 0 || index >= chars)
		return true;
	at = (size_t)index;
	if (chars != (int64_t)string->length) {
		if (!elm__jj_charge(rt, string->length))
			return false;
		at = elm__jj_char_offset(string->data, string->length, (size_t)index);
	}
	elm__jj_char(string->data + at, string->length - at, &size);
	return elm__jj_view(rt, string->data + at, size, out);
}

bool elm__jj_item(jj_runtime *rt, jj_value value, jj_value key, jj_value *out)
{
	int64_t index, count;
	jj_entry *entry;

	if (value.kind == JJ_UNDEFINED)
		return elm__jj_fail_undefined(rt, value);
	*out = jj_undefined(value.kind, key.kind == JJ_STRING ? key.as.string : NULL);
	if (value.kind == JJ_DICT) {
		if (!elm__jj_lookup(rt, value.as.dict, key, &entry))
			return false;
		if (entry) {
			*out = entry->value;
			return true;
		}
	} else if (jj_is_integer(key) && jj_is_sequence(value)) {
		index = jj_integer(key);
		count = (int64_t)value.as.list->count;
		index += index < 0 ? count : 0;
		if (index >= 0 && index < count)
			*out = value.as.list->items[index];
		return true;
	} else if (jj_is_integer(key) && value.kind == JJ_STRING) {
		return character(rt, value.as.string, jj_integer(key), out);
	}
	return key.kind == JJ_STRING ? elm__jj_attribute(rt, value, key.as.string, out) : true;
}

/* One bound of a slice, limited to what the sequence has. */
static bool slice_bound(jj_runtime *rt, jj_value bound, int64_t count, int64_t step,
			int64_t fallback, int64_t *out)
{
	int64_t low = step < 0 ? -1 : 0, high = step < 0 ? count - 1 : count, value;

	*out = fallback;
	if (bound.kind == JJ_NONE || bound.kind == JJ_ABSENT)
		return true;
	if (bound.kind == JJ_UNDEFINED)
		return elm__jj_fail_undefined(rt, bound);
	if (!elm__jj_want_int(rt, bound, "a slice index", 0, &value))
		return false;
	if (value < 0)
		value = value < -count ? -1 : value + count;
	*out = value < low ? low : value > high ? high : value;
	return true;
}

static bool slice_text(jj_runtime *rt, const jj_string *string, int64_t start, int64_t step,
		       int64_t count, jj_value *out)
{
	size_t from, to, begin, size;
	bool narrow = elm__jj_chars(string) == (int64_t)string->length;
	const size_t *offsets = NULL;
	size_t *table, at, n;
	int64_t i;

	if (!count)
		return elm__jj_view(rt, "", 0, out);
	if (!elm__jj_charge(rt, string->length))
		return false;
	if (step == 1) {
		from = narrow ? (size_t)start :
				elm__jj_char_offset(string->data, string->length, (size_t)start);
		to = from + (narrow ? (size_t)count :
				      elm__jj_char_offset(string->data + from,
							  string->length - from, (size_t)count));
		return elm__jj_view(rt, string->data + from, to - from, out);
	}
	if (!narrow) {
		table = elm__jj_alloc(rt, (size_t)elm__jj_chars(string), sizeof(*table));
		if (!table)
			return false;
		for (at = n = 0; at < string->length; at += size) {
			table[n++] = at;
			elm__jj_char(string->data + at, string->length - at, &size);
		}
		offsets = table;
	}
	begin = jj_capture_begin(rt);
	for (i = 0; i < count; i++, start += step) {
		at = offsets ? offsets[start] : (size_t)start;
		elm__jj_char(string->data + at, string->length - at, &size);
		if (!elm__jj_emit(rt, string->data + at, size))
			return false;
	}
	return elm__jj_capture_end(rt, begin, out);
}

bool elm__jj_slice(jj_runtime *rt, jj_value value, const jj_value bounds[3], jj_value *out)
{
	int64_t count, step = 1, start, stop, n, i;

	if (value.kind == JJ_UNDEFINED)
		return elm__jj_fail_undefined(rt, value);
	if (value.kind != JJ_STRING && !jj_is_sequence(value))
		return elm__jj_fail(rt, "a value of type %s cannot be sliced",
				    elm__jj_kind_name(value));
	if (bounds[2].kind != JJ_NONE &&
	    !elm__jj_want_int(rt, bounds[2], "the step of a slice", 1, &step))
		return false;
	if (!step)
		return elm__jj_fail(rt, "the step of a slice is zero");
	if (!elm__jj_length(rt, value, &count) ||
	    !slice_bound(rt, bounds[0], count, step, step < 0 ? count - 1 : 0, &start) ||
	    !slice_bound(rt, bounds[1], count, step, step < 0 ? -1 : count, &stop))
		return false;
	/* Steps beyond the length all mean "only the first". */
	if (step > count + 1)
		step = count + 1;
	if (step < -count - 1)
		step = -count - 1;
	n = step > 0 ? (stop > start ? (stop - start - 1) / step + 1 : 0) :
		       (start > stop ? (start - stop - 1) / -step + 1 : 0);
	if (value.kind == JJ_STRING)
		return slice_text(rt, value.as.string, start, step, n, out);
	if (!elm__jj_list(rt, value.kind, (size_t)n, out))
		return false;
	for (i = 0; i < n; i++, start += step)
		out->as.list->items[i] = value.as.list->items[start];
	out->as.list->count = (size_t)n;
	return true;
}

bool elm__jj_path(jj_runtime *rt, jj_value value, jj_value path, jj_value *out)
{
	const char *at, *end, *dot;
	jj_value key;
	int64_t index;

	if (path.kind != JJ_STRING)
		return elm__jj_item(rt, value, path, out);
	at = path.as.string->data;
	end = at + path.as.string->length;
	for (;; at = dot + 1) {
		dot = at < end ? memchr(at, '.', (size_t)(end - at)) : NULL;
		if (!dot)
			dot = end;
		if (elm__jj_parse_integer(at, (size_t)(dot - at), 10, &index))
			key = jj_int(index);
		else if (!elm__jj_view(rt, at, (size_t)(dot - at), &key))
			return false;
		if (!elm__jj_item(rt, value, key, out))
			return false;
		if (dot == end)
			return true;
		value = *out;
	}
}

/* What the methods of str and the filters on text share. */
#include <string.h>
#include <utf8proc.h>

#include "base/text.h"
#include "jinja/runtime.h"
#include "jinja/unicode.h"

/* The character in the wanted case; `start` says that it begins a word (TITLE, CAPITALIZE). */
static uint32_t change_char(uint32_t c, jj_case how, bool start)
{
	utf8proc_int32_t code_point = (utf8proc_int32_t)c;

	switch (how) {
	case JJ_UPPER:
		return (uint32_t)utf8proc_toupper(code_point);
	case JJ_LOWER:
		return (uint32_t)utf8proc_tolower(code_point);
	case JJ_SWAP:
		return (uint32_t)(elm__jj_is_upper(c) ? utf8proc_tolower(code_point) :
							utf8proc_toupper(code_point));
	default:
		return (uint32_t)(start ? utf8proc_totitle(code_point) :
					  utf8proc_tolower(code_point));
	}
}

bool elm__jj_change_case(jj_runtime *rt, const jj_string *text, jj_case how, jj_value *out)
{
	size_t begin = jj_capture_begin(rt), at, size, n;
	bool start = true;
	char encoded[4];
	uint32_t c;

	for (at = 0; at < text->length; at += size) {
		c = elm__jj_char(text->data + at, text->length - at, &size);
		n = elm__utf8_encode(change_char(c, how, start), encoded);
		if (!elm__jj_emit(rt, encoded, n))
			return false;
		start = how == JJ_TITLE && !elm__jj_is_cased(c);
	}
	return elm__jj_capture_end(rt, begin, out);
}

static bool is_one_of(const jj_string *chars, const char *text, size_t size)
{
	size_t at, n;

	for (at = 0; at < chars->length; at += n) {
		elm__jj_char(chars->data + at, chars->length - at, &n);
		if (n == size && !memcmp(chars->data + at, text, size))
			return true;
	}
	return false;
}

bool elm__jj_strip(jj_runtime *rt, const jj_string *text, jj_value chars, bool left, bool right,
		   jj_value *out)
{
	const char *data = text->data;
	size_t begin = 0, end = text->length, size;
	const jj_string *set = NULL;

	if (chars.kind != JJ_ABSENT && chars.kind != JJ_NONE &&
	    !elm__jj_want_string(rt, chars, "the characters to strip", &set))
		return false;
	if (!set) {
		begin = left ? elm__jj_leading_space(data, end) : 0;
		end -= right ? elm__jj_trailing_space(data + begin, end - begin) : 0;
		return elm__jj_charge(rt, text->length) &&
		       elm__jj_view(rt, data + begin, end - begin, out);
	}
	for (; left && begin < end; begin += size) {
		elm__jj_char(data + begin, end - begin, &size);
		if (!elm__jj_charge(rt, set->length))
			return false;
		if (!is_one_of(set, data + begin, size))
			break;
	}
	for (; right && begin < end; end -= size) {
		elm__jj_last_char(data + begin, end - begin, &size);
		if (!elm__jj_charge(rt, set->length))
			return false;
		if (!is_one_of(set, data + end - size, size))
			break;
	}
	return elm__jj_view(rt, data + begin, end - begin, out);
}

/* Between every two characters and at both ends. */
static bool insert_everywhere(jj_runtime *rt, const jj_string *text, const jj_string *to,
			      int64_t count)
{
	size_t at = 0, size;

	while (count-- != 0) {
		if (!elm__jj_emit(rt, to->data, to->length))
			return false;
		if (at >= text->length)
			break;
		elm__jj_char(text->data + at, text->length - at, &size);
		if (!elm__jj_emit(rt, text->data + at, size))
			return false;
		at += size;
	}
	return elm__jj_emit(rt, text->data + at, text->length - at);
}

bool elm__jj_replace(jj_runtime *rt, const jj_string *text, const jj_string *from,
		     const jj_string *to, int64_t count, jj_value *out)
{
	const char *at = text->data, *end = at + text->length, *found;
	size_t begin = jj_capture_begin(rt);

	if (!from->length)
		return insert_everywhere(rt, text, to, count) &&
		       elm__jj_capture_end(rt, begin, out);
	for (; count; count -= count > 0) {
		found = at < end ? memmem(at, (size_t)(end - at), from->data, from->length) : NULL;
		if (!found)
			break;
		if (!elm__jj_emit(rt, at, (size_t)(found - at)) ||
		    !elm__jj_emit(rt, to->data, to->length))
			return false;
		at = found + from->length;
	}
	return elm__jj_emit(rt, at, (size_t)(end - at)) && elm__jj_capture_end(rt, begin, out);
}

static bool is_line_end(uint32_t c)
{
	return (c >= 0x0a && c <= 0x0d) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 ||
	       c == 0x2029;
}

bool elm__jj_split_lines(jj_runtime *rt, const jj_string *text, bool keep_ends, jj_value *out)
{
	const char *data = text->data;
	size_t length = text->length, at = 0, begin = 0, end, size;
	jj_value line;

	if (!elm__jj_charge(rt, length) || !elm__jj_list(rt, JJ_LIST, 0, out))
		return false;
	while (at < length) {
		end = at;
		if (!is_line_end(elm__jj_char(data + at, length - at, &size))) {
			at += size;
			continue;
		}
		at += size;
		if (data[end] == '\r' && at < length && data[at] == '\n')
			at++;
		if (!elm__jj_view(rt, data + begin, (keep_ends ? at : end) - begin, &line) ||
		    !elm__jj_push(rt, out->as.list, line))
			return false;
		begin = at;
	}
	if (begin == length)
		return true;
	return elm__jj_view(rt, data + begin, length - begin, &line) &&
	       elm__jj_push(rt, out->as.list, line);
}

bool elm__jj_join(jj_runtime *rt, const jj_string *separator, const jj_list *items, bool strict,
		  jj_value *out)
{
	size_t begin = jj_capture_begin(rt), i;

	for (i = 0; i < items->count; i++) {
		if (strict && items->items[i].kind != JJ_STRING)
			return elm__jj_fail(rt, "join() wants strings, item %zu is of type %s", i,
					    elm__jj_kind_name(items->items[i]));
		if ((i && !elm__jj_emit(rt, separator->data, separator->length)) ||
		    !elm__jj_emit_value(rt, items->items[i]))
			return false;
	}
	return elm__jj_capture_end(rt, begin, out);
}

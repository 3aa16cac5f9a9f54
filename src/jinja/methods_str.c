/* Methods of str. */
#include <string.h>

#include "jinja/runtime.h"
#include "jinja/unicode.h"

static jj_value argument(const jj_args *args, size_t index)
{
	return args->positional[index];
}

static bool m_strip(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return elm__jj_strip(rt, self.as.string, argument(args, 0), true, true, out);
}

static bool m_lstrip(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return elm__jj_strip(rt, self.as.string, argument(args, 0), true, false, out);
}

static bool m_rstrip(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return elm__jj_strip(rt, self.as.string, argument(args, 0), false, true, out);
}

static bool m_upper(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return elm__jj_change_case(rt, self.as.string, JJ_UPPER, out);
}

static bool m_lower(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return elm__jj_change_case(rt, self.as.string, JJ_LOWER, out);
}

static bool m_title(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return elm__jj_change_case(rt, self.as.string, JJ_TITLE, out);
}

static bool m_capitalize(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return elm__jj_change_case(rt, self.as.string, JJ_CAPITALIZE, out);
}

static bool m_swapcase(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return elm__jj_change_case(rt, self.as.string, JJ_SWAP, out);
}

static bool m_replace(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	const jj_string *from, *to;
	int64_t count;

	return elm__jj_want_string(rt, argument(args, 0), "what to replace", &from) &&
	       elm__jj_want_string(rt, argument(args, 1), "the replacement", &to) &&
	       elm__jj_want_int(rt, argument(args, 2), "the count", -1, &count) &&
	       elm__jj_replace(rt, self.as.string, from, to, count, out);
}

/* Splitting: pieces are pushed in the order in which they are found. */

static bool push_piece(jj_runtime *rt, jj_value list, const char *begin, const char *end)
{
	jj_value piece;

	return elm__jj_view(rt, begin, (size_t)(end - begin), &piece) &&
	       elm__jj_push(rt, list.as.list, piece);
}

static bool split_space(jj_runtime *rt, const jj_string *text, int64_t limit, jj_value list)
{
	const char *at = text->data, *end = at + text->length, *begin;
	size_t size;

	for (;;) {
		at += elm__jj_leading_space(at, (size_t)(end - at));
		if (at == end)
			return true;
		if (!limit--)
			return push_piece(rt, list, at, end);
		begin = at;
		while (at < end && !elm__jj_is_space(elm__jj_char(at, (size_t)(end - at), &size)))
			at += size;
		if (!push_piece(rt, list, begin, at))
			return false;
	}
}

static bool rsplit_space(jj_runtime *rt, const jj_string *text, int64_t limit, jj_value list)
{
	const char *begin = text->data, *at = begin + text->length, *end;
	size_t size;

	for (;;) {
		at -= elm__jj_trailing_space(begin, (size_t)(at - begin));
		if (at == begin)
			break;
		if (!limit--) {
			if (!push_piece(rt, list, begin, at))
				return false;
			break;
		}
		end = at;
		while (at > begin &&
		       !elm__jj_is_space(elm__jj_last_char(begin, (size_t)(at - begin), &size)))
			at -= size;
		if (!push_piece(rt, list, at, end))
			return false;
	}
	elm__jj_reverse(list.as.list);
	return true;
}

static bool split_at(jj_runtime *rt, const jj_string *text, const jj_string *separator,
		     int64_t limit, jj_value list)
{
	const char *at = text->data, *end = at + text->length, *found;

	for (; limit; limit--) {
		found = at < end ?
				memmem(at, (size_t)(end - at), separator->data, separator->length) :
				NULL;
		if (!found)
			break;
		if (!push_piece(rt, list, at, found))
			return false;
		at = found + separator->length;
	}
	return push_piece(rt, list, at, end);
}

/*
 * The last occurrence of `part` in [begin, end), or NULL. Comparing at every position can take
 * longer than the text is long, so each comparison is charged.
 */
static bool find_last(jj_runtime *rt, const char *begin, const char *end, const jj_string *part,
		      const char **found)
{
	const char *at;

	*found = NULL;
	if ((size_t)(end - begin) < part->length)
		return true;
	if (!part->length) {
		*found = end;
		return true;
	}
	for (at = end - part->length;; at--) {
		if (*at == *part->data) {
			if (!elm__jj_charge(rt, part->length))
				return false;
			if (!memcmp(at, part->data, part->length)) {
				*found = at;
				return true;
			}
		}
		if (at == begin)
			return elm__jj_charge(rt, (size_t)(end - begin));
	}
}

static bool rsplit_at(jj_runtime *rt, const jj_string *text, const jj_string *separator,
		      int64_t limit, jj_value list)
{
	const char *begin = text->data, *end = begin + text->length, *found;

	for (; limit; limit--) {
		if (!find_last(rt, begin, end, separator, &found))
			return false;
		if (!found)
			break;
		if (!push_piece(rt, list, found + separator->length, end))
			return false;
		end = found;
	}
	if (!push_piece(rt, list, begin, end))
		return false;
	elm__jj_reverse(list.as.list);
	return true;
}

static bool split(jj_runtime *rt, jj_value self, const jj_args *args, bool from_right,
		  jj_value *out)
{
	jj_value separator = argument(args, 0);
	const jj_string *text = self.as.string, *by;
	int64_t limit;

	if (!elm__jj_want_int(rt, argument(args, 1), "maxsplit", -1, &limit) ||
	    !elm__jj_charge(rt, text->length) || !elm__jj_list(rt, JJ_LIST, 0, out))
		return false;
	if (separator.kind == JJ_ABSENT || separator.kind == JJ_NONE)
		return from_right ? rsplit_space(rt, text, limit, *out) :
				    split_space(rt, text, limit, *out);
	if (!elm__jj_want_string(rt, separator, "the separator", &by))
		return false;
	if (!by->length)
		return elm__jj_fail(rt, "the separator is empty");
	return from_right ? rsplit_at(rt, text, by, limit, *out) :
			    split_at(rt, text, by, limit, *out);
}

static bool m_split(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return split(rt, self, args, false, out);
}

static bool m_rsplit(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return split(rt, self, args, true, out);
}

static bool m_splitlines(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return elm__jj_split_lines(rt, self.as.string, elm__jj_truth(argument(args, 0)), out);
}

static bool partition(jj_runtime *rt, jj_value self, const jj_args *args, bool last, jj_value *out)
{
	const jj_string *text = self.as.string, *by;
	const char *begin = text->data, *end = begin + text->length, *found, *after;

	if (!elm__jj_want_string(rt, argument(args, 0), "the separator", &by) ||
	    !elm__jj_charge(rt, text->length) || !elm__jj_list(rt, JJ_TUPLE, 3, out))
		return false;
	if (!by->length)
		return elm__jj_fail(rt, "the separator is empty");
	found = NULL;
	if (last && !find_last(rt, begin, end, by, &found))
		return false;
	if (!last && text->length)
		found = memmem(begin, text->length, by->data, by->length);
	after = found ? found + by->length : last ? begin : end;
	if (!found)
		found = last ? begin : end;
	return push_piece(rt, *out, begin, found) && push_piece(rt, *out, found, after) &&
	       push_piece(rt, *out, after, end);
}

static bool m_partition(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return partition(rt, self, args, false, out);
}

static bool m_rpartition(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return partition(rt, self, args, true, out);
}

static bool has_affix(const jj_string *text, const jj_string *affix, bool at_end)
{
	if (affix->length > text->length)
		return false;
	return !affix->length || !memcmp(text->data + (at_end ? text->length - affix->length : 0),
					 affix->data, affix->length);
}

/* The argument is a string or a tuple of them. */
static bool affix_test(jj_runtime *rt, jj_value self, jj_value wanted, bool at_end, jj_value *out)
{
	const jj_string *affix;
	bool found = false;
	size_t i;

	if (wanted.kind != JJ_TUPLE) {
		if (!elm__jj_want_string(rt, wanted, "what the text is tested for", &affix) ||
		    !elm__jj_charge(rt, affix->length))
			return false;
		*out = jj_bool(has_affix(self.as.string, affix, at_end));
		return true;
	}
	for (i = 0; i < wanted.as.list->count && !found; i++) {
		if (!elm__jj_want_string(rt, wanted.as.list->items[i],
					 "what the text is tested for", &affix) ||
		    !elm__jj_charge(rt, affix->length))
			return false;
		found = has_affix(self.as.string, affix, at_end);
	}
	*out = jj_bool(found);
	return true;
}

static bool m_startswith(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return affix_test(rt, self, argument(args, 0), false, out);
}

static bool m_endswith(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return affix_test(rt, self, argument(args, 0), true, out);
}

static bool m_removeprefix(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	const jj_string *text = self.as.string, *affix;
	size_t cut;

	if (!elm__jj_want_string(rt, argument(args, 0), "the prefix", &affix) ||
	    !elm__jj_charge(rt, affix->length))
		return false;
	cut = has_affix(text, affix, false) ? affix->length : 0;
	return elm__jj_view(rt, text->data + cut, text->length - cut, out);
}

static bool m_removesuffix(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	const jj_string *text = self.as.string, *affix;
	size_t cut;

	if (!elm__jj_want_string(rt, argument(args, 0), "the suffix", &affix) ||
	    !elm__jj_charge(rt, affix->length))
		return false;
	cut = has_affix(text, affix, true) ? affix->length : 0;
	return elm__jj_view(rt, text->data, text->length - cut, out);
}

/* The part of the text between the optional bounds, which are arguments 1 and 2, and how many
 * characters come before it. */
static bool search_range(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *part,
			 int64_t *before)
{
	jj_value bounds[3] = { jj_none(), jj_none(), jj_none() };
	int64_t chars = elm__jj_chars(self.as.string);

	*before = 0;
	if (!elm__jj_charge(rt, self.as.string->length))
		return false;
	if (argument(args, 1).kind != JJ_ABSENT) {
		bounds[0] = argument(args, 1);
		if (!elm__jj_want_int(rt, bounds[0], "the start", 0, before))
			return false;
		*before = *before < -chars ? 0 : *before < 0 ? *before + chars : *before;
	}
	if (argument(args, 2).kind != JJ_ABSENT)
		bounds[1] = argument(args, 2);
	return elm__jj_slice(rt, self, bounds, part);
}

static bool find(jj_runtime *rt, jj_value self, const jj_args *args, bool last, int64_t *at)
{
	const jj_string *text, *wanted;
	const char *found;
	int64_t before;
	jj_value part;

	*at = -1;
	if (!elm__jj_want_string(rt, argument(args, 0), "what is looked for", &wanted) ||
	    !search_range(rt, self, args, &part, &before))
		return false;
	text = part.as.string;
	found = wanted->length ? NULL : text->data;
	if (last && !find_last(rt, text->data, text->data + text->length, wanted, &found))
		return false;
	if (!last && wanted->length && text->length)
		found = memmem(text->data, text->length, wanted->data, wanted->length);
	if (found && before <= elm__jj_chars(self.as.string))
		*at = before +
		      (int64_t)elm__jj_count_chars(text->data, (size_t)(found - text->data));
	return true;
}

static bool m_find(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	int64_t at;
	bool good = find(rt, self, args, false, &at);

	*out = jj_int(at);
	return good;
}

static bool m_rfind(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	int64_t at;
	bool good = find(rt, self, args, true, &at);

	*out = jj_int(at);
	return good;
}

static bool m_index(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return m_find(rt, self, args, out) &&
	       (out->as.integer >= 0 || elm__jj_fail(rt, "substring not found"));
}

static bool m_count(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	const jj_string *wanted;
	const char *at, *end;
	int64_t before, count = 0;
	jj_value part;

	if (!elm__jj_want_string(rt, argument(args, 0), "what is counted", &wanted) ||
	    !search_range(rt, self, args, &part, &before))
		return false;
	at = part.as.string->data;
	end = at + part.as.string->length;
	if (!wanted->length)
		count = elm__jj_chars(part.as.string) + 1;
	while (wanted->length && at < end) {
		at = memmem(at, (size_t)(end - at), wanted->data, wanted->length);
		if (!at)
			break;
		count++;
		at += wanted->length;
	}
	*out = jj_int(count);
	return true;
}

static bool m_join(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	jj_list *items;

	return elm__jj_iterate(rt, argument(args, 0), &items) &&
	       elm__jj_join(rt, self.as.string, items, true, out);
}

static bool emit_fill(jj_runtime *rt, const jj_string *fill, int64_t times)
{
	if (!fill || fill->length == 1)
		return elm__jj_emit_char(rt, fill ? fill->data[0] : ' ', (size_t)times);
	for (; times; times--)
		if (!elm__jj_emit(rt, fill->data, fill->length))
			return false;
	return true;
}

/* Pads to a width: `left` and `right` say on which sides. */
static bool pad(jj_runtime *rt, jj_value self, const jj_args *args, bool left, bool right,
		jj_value *out)
{
	const jj_string *text = self.as.string, *fill = NULL;
	size_t begin = jj_capture_begin(rt);
	int64_t width, missing, before;

	if (!elm__jj_want_int(rt, argument(args, 0), "the width", 0, &width) ||
	    (argument(args, 1).kind != JJ_ABSENT &&
	     !elm__jj_want_string(rt, argument(args, 1), "the fill character", &fill)))
		return false;
	if (fill && elm__jj_chars(fill) != 1)
		return elm__jj_fail(rt, "the fill character must be one character");
	missing = width > elm__jj_chars(text) ? width - elm__jj_chars(text) : 0;
	/* The odd space of a centred text goes where Python puts it. */
	before = !left ? 0 : !right ? missing : missing / 2 + (missing & width & 1);
	return emit_fill(rt, fill, before) && elm__jj_emit(rt, text->data, text->length) &&
	       emit_fill(rt, fill, missing - before) && elm__jj_capture_end(rt, begin, out);
}

static bool m_ljust(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return pad(rt, self, args, false, true, out);
}

static bool m_rjust(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return pad(rt, self, args, true, false, out);
}

static bool m_center(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return pad(rt, self, args, true, true, out);
}

static bool m_zfill(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	const jj_string *text = self.as.string;
	size_t begin = jj_capture_begin(rt), sign;
	int64_t width, missing;

	if (!elm__jj_want_int(rt, argument(args, 0), "the width", 0, &width))
		return false;
	missing = width - elm__jj_chars(text);
	sign = text->length && (text->data[0] == '-' || text->data[0] == '+');
	return elm__jj_emit(rt, text->data, sign) &&
	       elm__jj_emit_char(rt, '0', missing > 0 ? (size_t)missing : 0) &&
	       elm__jj_emit(rt, text->data + sign, text->length - sign) &&
	       elm__jj_capture_end(rt, begin, out);
}

/* Whether the text is not empty and all of its characters pass. */
static bool all_chars(jj_runtime *rt, jj_value self, bool (*passes)(uint32_t c), jj_value *out)
{
	const jj_string *text = self.as.string;
	size_t at = 0, size;
	bool all = text->length != 0;

	for (; all && at < text->length; at += size)
		all = passes(elm__jj_char(text->data + at, text->length - at, &size));
	*out = jj_bool(all);
	return elm__jj_charge(rt, text->length);
}

static bool is_alnum(uint32_t c)
{
	return elm__jj_is_alpha(c) || elm__jj_is_digit(c);
}

static bool m_isdigit(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return all_chars(rt, self, elm__jj_is_digit, out);
}

static bool m_isalpha(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return all_chars(rt, self, elm__jj_is_alpha, out);
}

static bool m_isalnum(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return all_chars(rt, self, is_alnum, out);
}

static bool m_isspace(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return all_chars(rt, self, elm__jj_is_space, out);
}

/* At least one cased character, and none of the other case. */
static bool is_case(jj_runtime *rt, jj_value self, bool (*other)(uint32_t c), jj_value *out)
{
	const jj_string *text = self.as.string;
	bool cased = false, wrong = false;
	size_t at = 0, size;
	uint32_t c;

	for (; !wrong && at < text->length; at += size) {
		c = elm__jj_char(text->data + at, text->length - at, &size);
		cased |= elm__jj_is_cased(c);
		wrong = other(c);
	}
	*out = jj_bool(cased && !wrong);
	return elm__jj_charge(rt, text->length);
}

static bool m_isupper(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return is_case(rt, self, elm__jj_is_lower, out);
}

static bool m_islower(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return is_case(rt, self, elm__jj_is_upper, out);
}

static const jj_builtin string_methods[] = {
	{ "strip", m_strip, "chars", 0 },
	{ "lstrip", m_lstrip, "chars", 0 },
	{ "rstrip", m_rstrip, "chars", 0 },
	{ "split", m_split, "sep maxsplit", 0 },
	{ "rsplit", m_rsplit, "sep maxsplit", 0 },
	{ "splitlines", m_splitlines, "keepends", 0 },
	{ "partition", m_partition, "sep", 1 },
	{ "rpartition", m_rpartition, "sep", 1 },
	{ "startswith", m_startswith, "prefix", 1 },
	{ "endswith", m_endswith, "suffix", 1 },
	{ "removeprefix", m_removeprefix, "prefix", 1 },
	{ "removesuffix", m_removesuffix, "suffix", 1 },
	{ "replace", m_replace, "old new count", 2 },
	{ "upper", m_upper, "", 0 },
	{ "lower", m_lower, "", 0 },
	{ "title", m_title, "", 0 },
	{ "capitalize", m_capitalize, "", 0 },
	{ "swapcase", m_swapcase, "", 0 },
	{ "join", m_join, "iterable", 1 },
	{ "format", elm__jj_format_method, NULL, 0 },
	{ "find", m_find, "sub start end", 1 },
	{ "rfind", m_rfind, "sub start end", 1 },
	{ "index", m_index, "sub start end", 1 },
	{ "count", m_count, "sub start end", 1 },
	{ "ljust", m_ljust, "width fillchar", 1 },
	{ "rjust", m_rjust, "width fillchar", 1 },
	{ "center", m_center, "width fillchar", 1 },
	{ "zfill", m_zfill, "width", 1 },
	{ "isdigit", m_isdigit, "", 0 },
	{ "isdecimal", m_isdigit, "", 0 },
	{ "isnumeric", m_isdigit, "", 0 },
	{ "isalpha", m_isalpha, "", 0 },
	{ "isalnum", m_isalnum, "", 0 },
	{ "isspace", m_isspace, "", 0 },
	{ "isupper", m_isupper, "", 0 },
	{ "islower", m_islower, "", 0 },
};

const jj_table elm__jj_string_methods = { string_methods,
					  sizeof(string_methods) / sizeof(string_methods[0]) };

/* Functions that templates find without a value before them. */
#include <locale.h>
#include <string.h>
#include <time.h>

#include "jinja/runtime.h"

/* What the sandbox of Jinja2 allows, under which transformers renders templates. */
enum { MAX_RANGE = 100000 };

static bool g_range(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	int64_t start = 0, stop, step, count = 0, i, distance;
	bool one = args->positional[1].kind == JJ_ABSENT;

	if (!elm__jj_want_int(rt, args->positional[one ? 0 : 1], "the end of the range", 0,
			      &stop) ||
	    (!one &&
	     !elm__jj_want_int(rt, args->positional[0], "the start of the range", 0, &start)) ||
	    !elm__jj_want_int(rt, args->positional[2], "the step of the range", 1, &step))
		return false;
	if (!step)
		return elm__jj_fail(rt, "the step of the range is zero");
	if (step > 0 ? start < stop : start > stop) {
		if (__builtin_sub_overflow(stop, start, &distance) || step == INT64_MIN)
			return elm__jj_fail(rt, "the range is too large");
		count = step > 0 ? (distance - 1) / step + 1 : (-distance - 1) / -step + 1;
	}
	if (count > MAX_RANGE)
		return elm__jj_fail_with(rt, ELM_ERR_LIMIT, "a range has more than %d items",
					 MAX_RANGE);
	if (!elm__jj_list(rt, JJ_LIST, (size_t)count, out))
		return false;
	for (i = 0; i < count; i++)
		if (!elm__jj_push(rt, out->as.list, jj_int(start + i * step)))
			return false;
	return true;
}

static bool g_dict(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return elm__jj_dict(rt, JJ_DICT, out) && elm__jj_update(rt, out->as.dict, args);
}

static bool g_namespace(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return elm__jj_dict(rt, JJ_NAMESPACE, out) && elm__jj_update(rt, out->as.dict, args);
}

static bool g_cycler(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	size_t i;

	if (!args->count)
		return elm__jj_fail(rt, "cycler() needs at least one value");
	if (!elm__jj_list(rt, JJ_CYCLER, args->count + 1, out) ||
	    !elm__jj_push(rt, out->as.list, jj_int(0)))
		return false;
	for (i = 0; i < args->count; i++)
		if (!elm__jj_push(rt, out->as.list, args->positional[i]))
			return false;
	return true;
}

static bool g_joiner(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	jj_value separator = args->positional[0];

	if (separator.kind == JJ_ABSENT && !elm__jj_literal(rt, ", ", &separator))
		return false;
	return elm__jj_list(rt, JJ_JOINER, 2, out) && elm__jj_push(rt, out->as.joiner, separator);
}

/* The words are the template's own, so they are given without position. */
static bool g_raise_exception(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	jj_value text;

	if (!elm__jj_to_string(rt, args->positional[0], &text))
		return false;
	if (!text.as.string->length) /* nothing, or something undefined, was said */
		return elm__jj_fail(rt, "the template refused the messages without a reason");
	rt->where = NULL;
	return elm__jj_fail(rt, "%.*s",
			    text.as.string->length < 4096 ? (int)text.as.string->length : 4096,
			    text.as.string->data);
}

static bool broken_down_time(const jj_runtime *rt, struct tm *out)
{
	time_t now = rt->options->fixed_time ? (time_t)rt->options->now : time(NULL);

	return rt->options->fixed_time ? gmtime_r(&now, out) != NULL :
					 localtime_r(&now, out) != NULL;
}

/* strftime in the C locale: month and day names are English, as in a Python that was not told to
 * use the locale, because models were trained on those. Returns 0 when it does not fit. */
static size_t format_time(const char *format, const struct tm *now, char *out, size_t size)
{
	locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	size_t length = 0;

	if (plain) {
		length = strftime_l(out, size, format, now, plain);
		freelocale(plain);
	}
	return length;
}

static bool g_strftime_now(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	const jj_string *format;
	char text[512], *copy;
	struct tm now;
	size_t length;

	if (!elm__jj_want_string(rt, args->positional[0], "the format of a date", &format))
		return false;
	/* A character in front, so that an empty result is not taken for failure, and a NUL. */
	copy = elm__jj_alloc(rt, format->length + 2, 1);
	if (!copy)
		return false;
	copy[0] = '|';
	if (format->length)
		memcpy(copy + 1, format->data, format->length);
	length = broken_down_time(rt, &now) ? format_time(copy, &now, text, sizeof(text)) : 0;
	if (!length)
		return elm__jj_fail(rt, "the date could not be written in this format");
	return elm__jj_text(rt, text + 1, length - 1, out);
}

static const jj_builtin globals[] = {
	{ "range", g_range, "start stop step", 1 },
	{ "dict", g_dict, NULL, 0 },
	{ "namespace", g_namespace, NULL, 0 },
	{ "cycler", g_cycler, NULL, 0 },
	{ "joiner", g_joiner, "sep", 0 },
	{ "raise_exception", g_raise_exception, "message", 1 },
	{ "strftime_now", g_strftime_now, "format", 1 },
};

const jj_table elm__jj_globals = { globals, sizeof(globals) / sizeof(globals[0]) };

#include "jinja/runtime.h"

#include <string.h>

#include "jinja/number.h"
#include "jinja/unicode.h"

/* Errors, limits, memory. */

static bool failv(jj_runtime *rt, elm_status status, const char *format, va_list args)
{
	if (rt->status != ELM_OK)
		return false;
	rt->status = status;
	elm_error_setv(rt->error, status, format, args);
	if (rt->error && rt->where)
		elm_error_prefix(rt->error, "%s: line %u column %u", rt->program->name,
				 rt->where->line, rt->where->column);
	return false;
}

bool elm__jj_fail(jj_runtime *rt, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	failv(rt, ELM_ERR_TEMPLATE, format, args);
	va_end(args);
	return false;
}

bool elm__jj_fail_with(jj_runtime *rt, elm_status status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	failv(rt, status, format, args);
	va_end(args);
	return false;
}

bool elm__jj_fail_undefined(jj_runtime *rt, jj_value value)
{
	const jj_string *name = value.as.string;
	int length = name && name->length < 100 ? (int)name->length : 100;

	if (!name)
		return elm__jj_fail(rt, "an undefined value is used");
	if (value.owner == JJ_ABSENT)
		return elm__jj_fail(rt, "'%.*s' is undefined", length, name->data);
	return elm__jj_fail(rt, "'%s' object has no attribute '%.*s'",
			    elm__jj_kind_name((jj_value){ .kind = value.owner }), length,
			    name->data);
}

bool elm__jj_charge(jj_runtime *rt, size_t bytes)
{
	size_t cost = 1 + bytes / 256;

	if (cost > rt->steps) {
		rt->steps = 0;
		return elm__jj_fail_with(rt, ELM_ERR_LIMIT,
					 "the template did not finish within %zu steps",
					 rt->options->limits.steps);
	}
	rt->steps -= cost;
	return true;
}

bool elm__jj_enter_call(jj_runtime *rt)
{
	if (rt->depth >= JJ_MAX_DEPTH)
		return elm__jj_fail_with(rt, ELM_ERR_LIMIT,
					 "calls or values are nested too deeply");
	rt->depth++;
	return true;
}

void *elm__jj_alloc(jj_runtime *rt, size_t count, size_t size)
{
	size_t limit = rt->arena.limit, used = rt->arena.used, total;
	void *block;

	/* 16 is what the arena may add to align the block. */
	if (__builtin_mul_overflow(count, size, &total) || limit < 16 || total > limit - 16 ||
	    used > limit - 16 - total) {
		elm__jj_fail_with(rt, ELM_ERR_LIMIT, "the template needs more than %zu bytes",
				  limit);
		return NULL;
	}
	if (!elm__jj_charge(rt, total))
		return NULL;
	block = elm__arena_calloc(&rt->arena, count, size);
	if (!block)
		elm__jj_fail_with(rt, ELM_ERR_NO_MEMORY, "out of memory");
	return block;
}

/* Output. */

/* Room for `length` more bytes of output. */
static bool reserve(jj_runtime *rt, size_t length)
{
	size_t limit = rt->options->limits.output_bytes;

	if (length > limit || rt->out.length > limit - length)
		return elm__jj_fail_with(rt, ELM_ERR_LIMIT, "the output is longer than %zu bytes",
					 limit);
	/* Text often comes character by character, which is less than a step each. */
	rt->uncharged += length + 16;
	if (rt->uncharged >= 256) {
		if (!elm__jj_charge(rt, rt->uncharged - 256))
			return false;
		rt->uncharged = 0;
	}
	if (!elm__buf_reserve(&rt->out, length))
		return elm__jj_fail_with(rt, ELM_ERR_NO_MEMORY, "out of memory");
	return true;
}

bool elm__jj_emit(jj_runtime *rt, const char *text, size_t length)
{
	if (!reserve(rt, length))
		return false;
	elm__buf_append(&rt->out, text, length);
	return true;
}

bool elm__jj_emit_char(jj_runtime *rt, char c, size_t times)
{
	if (!reserve(rt, times))
		return false;
	while (times--)
		elm__buf_putc(&rt->out, c);
	return true;
}

bool elm__jj_capture_end(jj_runtime *rt, size_t begin, jj_value *out)
{
	bool good = elm__jj_text(rt, elm__buf_text(&rt->out) + begin, rt->out.length - begin, out);

	rt->out.length = begin;
	if (rt->out.data)
		rt->out.data[begin] = '\0';
	return good;
}

/* Strings. */

bool elm__jj_view(jj_runtime *rt, const char *text, size_t length, jj_value *out)
{
	jj_string *string = elm__jj_alloc(rt, 1, sizeof(*string));

	if (!string)
		return false;
	string->data = text;
	string->length = length;
	string->chars = JJ_CHARS_UNKNOWN;
	*out = (jj_value){ .kind = JJ_STRING, .as.string = string };
	return true;
}

bool elm__jj_text(jj_runtime *rt, const char *text, size_t length, jj_value *out)
{
	char *copy = elm__jj_alloc(rt, length, 1);

	if (!copy)
		return false;
	if (length)
		memcpy(copy, text, length);
	return elm__jj_view(rt, copy, length, out);
}

bool elm__jj_literal(jj_runtime *rt, const char *text, jj_value *out)
{
	return elm__jj_view(rt, text, strlen(text), out);
}

bool elm__jj_concat(jj_runtime *rt, const jj_string *a, const jj_string *b, jj_value *out)
{
	size_t length = a->length + b->length, capacity;
	jj_tail *tail = a->tail;
	jj_string *string;

	if (!elm__jj_charge(rt, b->length))
		return false;
	if (!tail || tail->used != a->length || tail->capacity - tail->used < b->length) {
		/* Text that grew before will grow again. */
		capacity = tail ? length * 2 : length;
		tail = elm__jj_alloc(rt, 1, sizeof(*tail) + capacity);
		if (!tail)
			return false;
		tail->capacity = capacity;
		tail->used = a->length;
		if (a->length)
			memcpy(tail->data, a->data, a->length);
	}
	if (!elm__jj_view(rt, tail->data, length, out))
		return false;
	if (b->length)
		memcpy(tail->data + tail->used, b->data, b->length);
	tail->used = length;
	string = (jj_string *)out->as.string;
	string->tail = tail;
	if (a->chars >= 0 && b->chars >= 0)
		string->chars = a->chars + b->chars;
	return true;
}

int64_t elm__jj_chars(const jj_string *string)
{
	/* Constants, which threads share, were counted when they were parsed; this writes only to
	 * strings of the render. */
	if (string->chars < 0)
		((jj_string *)string)->chars =
			(int64_t)elm__jj_count_chars(string->data, string->length);
	return string->chars;
}

bool elm__jj_to_string(jj_runtime *rt, jj_value value, jj_value *out)
{
	size_t begin;

	if (value.kind == JJ_STRING) {
		*out = value;
		return true;
	}
	begin = jj_capture_begin(rt);
	return elm__jj_emit_value(rt, value) && elm__jj_capture_end(rt, begin, out);
}

bool elm__jj_string_is(const jj_string *string, const char *text)
{
	return string->length == strlen(text) && !memcmp(string->data, text, string->length);
}

/* Variables. */

bool elm__jj_assign(jj_runtime *rt, uint32_t symbol, jj_value value)
{
	jj_scope *scope = rt->scope;
	uint32_t i, capacity;
	uint32_t *symbols;
	jj_value *values;

	if (!scope->parent) {
		scope->values[symbol] = value;
		return true;
	}
	if (!elm__jj_charge(rt, scope->count * sizeof(*scope->symbols)))
		return false;
	for (i = 0; i < scope->count; i++)
		if (scope->symbols[i] == symbol) {
			scope->values[i] = value;
			return true;
		}
	if (scope->count == scope->capacity) {
		capacity = scope->capacity ? scope->capacity * 2 : 4;
		symbols = elm__jj_alloc(rt, capacity, sizeof(*symbols));
		values = symbols ? elm__jj_alloc(rt, capacity, sizeof(*values)) : NULL;
		if (!values)
			return false;
		if (scope->count) {
			memcpy(symbols, scope->symbols, scope->count * sizeof(*symbols));
			memcpy(values, scope->values, scope->count * sizeof(*values));
		}
		scope->symbols = symbols;
		scope->values = values;
		scope->capacity = capacity;
	}
	scope->symbols[scope->count] = symbol;
	scope->values[scope->count++] = value;
	return true;
}

jj_value elm__jj_variable(jj_runtime *rt, uint32_t symbol, const jj_string *name)
{
	const jj_scope *scope;
	size_t cost;
	uint32_t i;

	for (scope = rt->scope; scope->parent; scope = scope->parent) {
		for (i = 0; i < scope->count; i++)
			if (scope->symbols[i] == symbol)
				return scope->values[i];
		cost = scope->count / 64;
		rt->steps -= cost < rt->steps ? cost : rt->steps;
	}
	return scope->values[symbol].kind == JJ_ABSENT ? jj_undefined(JJ_ABSENT, name) :
							 scope->values[symbol];
}

/* Arguments. */

bool elm__jj_want_int(jj_runtime *rt, jj_value value, const char *what, int64_t fallback,
		      int64_t *out)
{
	if (value.kind == JJ_ABSENT) {
		*out = fallback;
		return true;
	}
	if (!jj_is_integer(value))
		return elm__jj_fail(rt, "%s must be an integer, not %s", what,
				    elm__jj_kind_name(value));
	*out = jj_integer(value);
	return true;
}

bool elm__jj_want_string(jj_runtime *rt, jj_value value, const char *what, const jj_string **out)
{
	if (value.kind != JJ_STRING)
		return elm__jj_fail(rt, "%s must be a string, not %s", what,
				    elm__jj_kind_name(value));
	*out = value.as.string;
	return true;
}

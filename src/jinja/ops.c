/* Operators, with the types and results of Python. */
#include <math.h>
#include <string.h>

#include "jinja/runtime.h"

const char *elm__jj_kind_name(jj_value value)
{
	static const char *const names[] = {
		[JJ_ABSENT] = "nothing",
		[JJ_UNDEFINED] = "Undefined",
		[JJ_NONE] = "NoneType",
		[JJ_BOOL] = "bool",
		[JJ_INT] = "int",
		[JJ_FLOAT] = "float",
		[JJ_STRING] = "str",
		[JJ_LIST] = "list",
		[JJ_TUPLE] = "tuple",
		[JJ_DICT] = "dict",
		[JJ_NAMESPACE] = "Namespace",
		[JJ_LOOP] = "LoopContext",
		[JJ_CYCLER] = "Cycler",
		[JJ_JOINER] = "Joiner",
		[JJ_FUNCTION] = "function",
		[JJ_METHOD] = "method",
		[JJ_MACRO] = "Macro",
	};

	return names[value.kind];
}

bool elm__jj_truth(jj_value value)
{
	switch (value.kind) {
	case JJ_ABSENT:
	case JJ_UNDEFINED:
	case JJ_NONE:
		return false;
	case JJ_BOOL:
		return value.as.boolean;
	case JJ_INT:
		return value.as.integer != 0;
	case JJ_FLOAT:
		return value.as.real != 0;
	case JJ_STRING:
		return value.as.string->length != 0;
	case JJ_LIST:
	case JJ_TUPLE:
		return value.as.list->count != 0;
	case JJ_DICT:
		return value.as.dict->count != 0;
	default:
		return true;
	}
}

bool elm__jj_same(jj_value a, jj_value b)
{
	if (a.kind != b.kind)
		return false;
	switch (a.kind) {
	case JJ_NONE:
		return true;
	case JJ_BOOL:
		return a.as.boolean == b.as.boolean;
	case JJ_INT:
		return a.as.integer == b.as.integer;
	case JJ_FLOAT:
		return a.as.real == b.as.real;
	case JJ_STRING:
		return a.as.string == b.as.string ||
		       (a.as.string->length == b.as.string->length &&
			(!a.as.string->length ||
			 !memcmp(a.as.string->data, b.as.string->data, a.as.string->length)));
	default:
		return a.as.list == b.as.list;
	}
}

/* -1, 0, 1, or 2 when one is a NaN. Exact also where a float cannot hold the integer. */
static int order_numbers(jj_value a, jj_value b)
{
	double x, y;
	int64_t whole;

	if (a.kind != JJ_FLOAT && b.kind != JJ_FLOAT)
		return (jj_integer(a) > jj_integer(b)) - (jj_integer(a) < jj_integer(b));
	if (a.kind == JJ_FLOAT && b.kind != JJ_FLOAT) {
		int order = order_numbers(b, a);

		return order == 2 ? 2 : -order;
	}
	x = jj_real(a);
	y = jj_real(b);
	if (isnan(x) || isnan(y))
		return 2;
	if (a.kind == JJ_FLOAT || fabs(y) >= 9223372036854775808.0)
		return (x > y) - (x < y);
	whole = (int64_t)floor(y);
	if (jj_integer(a) != whole)
		return jj_integer(a) > whole ? 1 : -1;
	return y > floor(y) ? -1 : 0;
}

static bool equal_sequences(jj_runtime *rt, const jj_list *a, const jj_list *b, bool *out)
{
	size_t i;

	*out = a->count == b->count;
	for (i = 0; *out && i < a->count; i++)
		if (!elm__jj_equal(rt, a->items[i], b->items[i], out))
			return false;
	return true;
}

static bool equal_dicts(jj_runtime *rt, jj_dict *a, jj_dict *b, bool *out)
{
	jj_entry *other;
	size_t i;

	*out = a->count == b->count;
	for (i = 0; *out && i < a->used; i++) {
		if (a->entries[i].key.kind == JJ_ABSENT)
			continue;
		if (!elm__jj_lookup(rt, b, a->entries[i].key, &other))
			return false;
		if (!other)
			*out = false;
		else if (!elm__jj_equal(rt, a->entries[i].value, other->value, out))
			return false;
	}
	return true;
}

bool elm__jj_equal(jj_runtime *rt, jj_value a, jj_value b, bool *out)
{
	bool good = true;

	if (jj_is_number(a) && jj_is_number(b)) {
		*out = order_numbers(a, b) == 0;
		return true;
	}
	if (a.kind != b.kind) {
		*out = false;
		return true;
	}
	switch (a.kind) {
	case JJ_UNDEFINED:
		*out = true;
		return true;
	case JJ_STRING:
		*out = elm__jj_same(a, b);
		return a.as.string->length != b.as.string->length ||
		       elm__jj_charge(rt, a.as.string->length);
	case JJ_LIST:
	case JJ_TUPLE:
	case JJ_DICT:
		if (!elm__jj_charge(rt, 0) || !elm__jj_enter_call(rt))
			return false;
		good = a.kind == JJ_DICT ? equal_dicts(rt, a.as.dict, b.as.dict, out) :
					   equal_sequences(rt, a.as.list, b.as.list, out);
		jj_leave_call(rt);
		return good;
	default:
		*out = elm__jj_same(a, b);
		return true;
	}
}

static int order_strings(const jj_string *a, const jj_string *b)
{
	/* UTF-8 sorts as its code points do. */
	size_t common = a->length < b->length ? a->length : b->length;
	int order = common ? memcmp(a->data, b->data, common) : 0;

	if (!order)
		return (a->length > b->length) - (a->length < b->length);
	return order < 0 ? -1 : 1;
}

static bool order_sequences(jj_runtime *rt, const jj_list *a, const jj_list *b, int *out)
{
	size_t i;
	bool same;

	for (i = 0; i < a->count && i < b->count; i++) {
		if (!elm__jj_equal(rt, a->items[i], b->items[i], &same))
			return false;
		if (!same)
			return elm__jj_order(rt, a->items[i], b->items[i], out);
	}
	*out = (a->count > b->count) - (a->count < b->count);
	return true;
}

bool elm__jj_order(jj_runtime *rt, jj_value a, jj_value b, int *out)
{
	bool good;

	if (jj_is_number(a) && jj_is_number(b)) {
		*out = order_numbers(a, b);
		return true;
	}
	if (a.kind == JJ_STRING && b.kind == JJ_STRING) {
		*out = order_strings(a.as.string, b.as.string);
		return elm__jj_charge(rt, a.as.string->length);
	}
	if (jj_is_sequence(a) && a.kind == b.kind) {
		if (!elm__jj_charge(rt, 0) || !elm__jj_enter_call(rt))
			return false;
		good = order_sequences(rt, a.as.list, b.as.list, out);
		jj_leave_call(rt);
		return good;
	}
	if (a.kind == JJ_UNDEFINED || b.kind == JJ_UNDEFINED)
		return elm__jj_fail_undefined(rt, a.kind == JJ_UNDEFINED ? a : b);
	return elm__jj_fail(rt, "'%s' and '%s' cannot be ordered", elm__jj_kind_name(a),
			    elm__jj_kind_name(b));
}

bool elm__jj_contains(jj_runtime *rt, jj_value container, jj_value item, bool *out)
{
	const jj_string *text, *part;
	jj_entry *entry;
	size_t i;

	*out = false;
	switch (container.kind) {
	case JJ_STRING:
		if (!elm__jj_want_string(rt, item, "what is looked for in a string", &part))
			return false;
		text = container.as.string;
		*out = !part->length ||
		       (text->length >= part->length &&
			memmem(text->data, text->length, part->data, part->length));
		return elm__jj_charge(rt, text->length);
	case JJ_LIST:
	case JJ_TUPLE:
		for (i = 0; i < container.as.list->count && !*out; i++)
			if (!elm__jj_charge(rt, 0) ||
			    !elm__jj_equal(rt, container.as.list->items[i], item, out))
				return false;
		return true;
	case JJ_DICT:
		if (!elm__jj_lookup(rt, container.as.dict, item, &entry))
			return false;
		*out = entry != NULL;
		return true;
	case JJ_UNDEFINED:
		return true;
	default:
		return elm__jj_fail(rt, "argument of type '%s' is not iterable",
				    elm__jj_kind_name(container));
	}
}

bool elm__jj_length(jj_runtime *rt, jj_value value, int64_t *out)
{
	switch (value.kind) {
	case JJ_UNDEFINED:
		*out = 0;
		return true;
	case JJ_STRING:
		*out = elm__jj_chars(value.as.string);
		return true;
	case JJ_LIST:
	case JJ_TUPLE:
		*out = (int64_t)value.as.list->count;
		return true;
	case JJ_DICT:
		*out = (int64_t)value.as.dict->count;
		return true;
	case JJ_LOOP:
		*out = (int64_t)value.as.loop->count;
		return true;
	default:
		return elm__jj_fail(rt, "object of type '%s' has no length",
				    elm__jj_kind_name(value));
	}
}

static bool overflow(jj_runtime *rt)
{
	return elm__jj_fail(rt, "the result is an integer beyond 64 bits, which is not supported");
}

static bool power(jj_runtime *rt, int64_t base, int64_t exponent, jj_value *out)
{
	int64_t result = 1;

	if (exponent < 0) {
		if (!base)
			return elm__jj_fail(rt, "0 cannot be raised to a negative power");
		*out = jj_float(pow((double)base, (double)exponent));
		return true;
	}
	for (; exponent; exponent >>= 1) {
		if ((exponent & 1) && __builtin_mul_overflow(result, base, &result))
			return overflow(rt);
		if (exponent > 1 && __builtin_mul_overflow(base, base, &base))
			return overflow(rt);
	}
	*out = jj_int(result);
	return true;
}

/* Python rounds quotients down, not towards zero. */
static bool divide_integers(jj_runtime *rt, bool modulo, int64_t a, int64_t b, jj_value *out)
{
	int64_t quotient, remainder;

	if (!b)
		return elm__jj_fail(rt, "division by zero");
	if (b == -1) { /* INT64_MIN / -1 traps */
		if (modulo)
			*out = jj_int(0);
		else if (__builtin_sub_overflow((int64_t)0, a, &quotient))
			return overflow(rt);
		else
			*out = jj_int(quotient);
		return true;
	}
	quotient = a / b;
	remainder = a % b;
	if (remainder && (remainder < 0) != (b < 0)) {
		quotient--;
		remainder += b;
	}
	*out = jj_int(modulo ? remainder : quotient);
	return true;
}

static bool integers(jj_runtime *rt, jj_operator operator, int64_t a, int64_t b, jj_value *out)
{
	int64_t result;
	bool wrong;

	switch (operator) {
	case JJ_OP_ADD:
		wrong = __builtin_add_overflow(a, b, &result);
		break;
	case JJ_OP_SUB:
		wrong = __builtin_sub_overflow(a, b, &result);
		break;
	case JJ_OP_MUL:
		wrong = __builtin_mul_overflow(a, b, &result);
		break;
	case JJ_OP_DIV:
		if (!b)
			return elm__jj_fail(rt, "division by zero");
		*out = jj_float((double)a / (double)b);
		return true;
	case JJ_OP_POW:
		return power(rt, a, b, out);
	default:
		return divide_integers(rt, operator== JJ_OP_MOD, a, b, out);
	}
	*out = jj_int(result);
	return wrong ? overflow(rt) : true;
}

static bool floats(jj_runtime *rt, jj_operator operator, double a, double b, jj_value *out)
{
	double result;

	if (b == 0 && (operator== JJ_OP_DIV || operator== JJ_OP_FLOORDIV || operator== JJ_OP_MOD))
		return elm__jj_fail(rt, "division by zero");
	switch (operator) {
	case JJ_OP_ADD:
		result = a + b;
		break;
	case JJ_OP_SUB:
		result = a - b;
		break;
	case JJ_OP_MUL:
		result = a * b;
		break;
	case JJ_OP_DIV:
		result = a / b;
		break;
	case JJ_OP_POW:
		result = pow(a, b);
		break;
	default:
		result = fmod(a, b);
		if (result != 0 && (result < 0) != (b < 0))
			result += b;
		if (operator== JJ_OP_FLOORDIV)
			result = floor((a - result) / b + 0.5);
		break;
	}
	*out = jj_float(result);
	return true;
}

static bool concat_lists(jj_runtime *rt, jj_value a, jj_value b, jj_value *out)
{
	const jj_list *x = a.as.list, *y = b.as.list;

	if (!elm__jj_list(rt, a.kind, x->count + y->count, out))
		return false;
	if (x->count)
		memcpy(out->as.list->items, x->items, x->count * sizeof(jj_value));
	if (y->count)
		memcpy(out->as.list->items + x->count, y->items, y->count * sizeof(jj_value));
	out->as.list->count = x->count + y->count;
	return true;
}

/* Text or a list, `times` over. */
static bool repeat(jj_runtime *rt, jj_value value, int64_t times, jj_value *out)
{
	bool is_text = value.kind == JJ_STRING;
	size_t unit = is_text ? value.as.string->length : value.as.list->count * sizeof(jj_value);
	const void *source = is_text ? (const void *)value.as.string->data : value.as.list->items;
	size_t count = times > 0 && unit ? (size_t)times : 0, i;
	char *copy;

	/* The allocation checks the product against the limit before anything is written. */
	copy = elm__jj_alloc(rt, count, unit ? unit : 1);
	if (!copy)
		return false;
	for (i = 0; i < count; i++)
		memcpy(copy + i * unit, source, unit);
	if (is_text)
		return elm__jj_view(rt, copy, count * unit, out);
	if (!elm__jj_list(rt, value.kind, 0, out))
		return false;
	out->as.list->items = (jj_value *)(void *)copy;
	out->as.list->count = out->as.list->capacity = count * value.as.list->count;
	return true;
}

static bool concat_text(jj_runtime *rt, jj_value a, jj_value b, jj_value *out)
{
	return elm__jj_to_string(rt, a, &a) && elm__jj_to_string(rt, b, &b) &&
	       elm__jj_concat(rt, a.as.string, b.as.string, out);
}

static bool wrong_types(jj_runtime *rt, jj_operator operator, jj_value a, jj_value b)
{
	static const char *const signs[] = { "+", "-", "*", "/", "//", "%", "**", "~" };

	if (a.kind == JJ_UNDEFINED || b.kind == JJ_UNDEFINED)
		return elm__jj_fail_undefined(rt, a.kind == JJ_UNDEFINED ? a : b);
	return elm__jj_fail(rt, "unsupported operand types for %s: '%s' and '%s'", signs[operator],
			    elm__jj_kind_name(a), elm__jj_kind_name(b));
}

bool elm__jj_binary(jj_runtime *rt, jj_operator operator, jj_value a, jj_value b, jj_value *out)
{
	if (operator== JJ_OP_CONCAT)
		return concat_text(rt, a, b, out);
	if (jj_is_integer(a) && jj_is_integer(b))
		return integers(rt, operator, jj_integer(a), jj_integer(b), out);
	if (jj_is_number(a) && jj_is_number(b))
		return floats(rt, operator, jj_real(a), jj_real(b), out);
	if (operator== JJ_OP_MOD && a.kind == JJ_STRING)
		return elm__jj_percent(rt, a.as.string, b, out);
	if (operator== JJ_OP_ADD && a.kind == JJ_STRING && b.kind == JJ_STRING)
		return elm__jj_concat(rt, a.as.string, b.as.string, out);
	if (operator== JJ_OP_ADD && jj_is_sequence(a) && a.kind == b.kind)
		return concat_lists(rt, a, b, out);
	if (operator== JJ_OP_MUL && jj_is_integer(b) && (a.kind == JJ_STRING || jj_is_sequence(a)))
		return repeat(rt, a, jj_integer(b), out);
	if (operator== JJ_OP_MUL && jj_is_integer(a) && (b.kind == JJ_STRING || jj_is_sequence(b)))
		return repeat(rt, b, jj_integer(a), out);
	return wrong_types(rt, operator, a, b);
}

bool elm__jj_compare(jj_runtime *rt, jj_operator operator, jj_value a, jj_value b, bool *out)
{
	bool good;
	int order;

	switch (operator) {
	case JJ_OP_EQ:
	case JJ_OP_NE:
		good = elm__jj_equal(rt, a, b, out);
		*out ^= operator== JJ_OP_NE;
		return good;
	case JJ_OP_IN:
	case JJ_OP_NOT_IN:
		good = elm__jj_contains(rt, b, a, out);
		*out ^= operator== JJ_OP_NOT_IN;
		return good;
	default:
		break;
	}
	if (!elm__jj_order(rt, a, b, &order))
		return false;
	switch (operator) {
	case JJ_OP_LT:
		*out = order == -1;
		break;
	case JJ_OP_LE:
		*out = order == -1 || order == 0;
		break;
	case JJ_OP_GT:
		*out = order == 1;
		break;
	default:
		*out = order == 1 || order == 0;
		break;
	}
	return true;
}

/* Tests: `x is name`. */
#include <string.h>

#include "jinja/runtime.h"
#include "jinja/unicode.h"

#define KIND_TEST(name, condition)                                                          \
	static bool name(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out) \
	{                                                                                   \
		*out = jj_bool(condition);                                                  \
		return true;                                                                \
	}

KIND_TEST(t_defined, self.kind != JJ_UNDEFINED)
KIND_TEST(t_undefined, self.kind == JJ_UNDEFINED)
KIND_TEST(t_none, self.kind == JJ_NONE)
KIND_TEST(t_boolean, self.kind == JJ_BOOL)
KIND_TEST(t_true, self.kind == JJ_BOOL && self.as.boolean)
KIND_TEST(t_false, self.kind == JJ_BOOL && !self.as.boolean)
KIND_TEST(t_integer, self.kind == JJ_INT)
KIND_TEST(t_float, self.kind == JJ_FLOAT)
KIND_TEST(t_number, jj_is_number(self))
KIND_TEST(t_string, self.kind == JJ_STRING)
KIND_TEST(t_mapping, self.kind == JJ_DICT)
KIND_TEST(t_sequence, self.kind == JJ_STRING || self.kind == JJ_DICT || jj_is_sequence(self))
KIND_TEST(t_iterable, self.kind == JJ_STRING || self.kind == JJ_DICT || jj_is_sequence(self) ||
			      self.kind == JJ_UNDEFINED || self.kind == JJ_LOOP)
KIND_TEST(t_callable, self.kind == JJ_FUNCTION || self.kind == JJ_METHOD || self.kind == JJ_MACRO ||
			      self.kind == JJ_JOINER || self.kind == JJ_UNDEFINED)

static bool t_sameas(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	*out = jj_bool(elm__jj_same(self, args->positional[0]));
	return elm__jj_charge(rt, self.kind == JJ_STRING ? self.as.string->length : 0);
}

static bool remainder_test(jj_runtime *rt, jj_value self, int64_t divisor, int64_t wanted,
			   jj_value *out)
{
	bool equal;

	if (!elm__jj_binary(rt, JJ_OP_MOD, self, jj_int(divisor), out) ||
	    !elm__jj_equal(rt, *out, jj_int(wanted), &equal))
		return false;
	*out = jj_bool(equal);
	return true;
}

static bool t_odd(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return remainder_test(rt, self, 2, 1, out);
}

static bool t_even(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return remainder_test(rt, self, 2, 0, out);
}

static bool t_divisibleby(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	int64_t divisor;

	return elm__jj_want_int(rt, args->positional[0], "the divisor", 1, &divisor) &&
	       remainder_test(rt, self, divisor, 0, out);
}

static bool compare(jj_runtime *rt, jj_operator operator, jj_value self, const jj_args *args,
		    jj_value *out)
{
	bool holds = false;
	bool good = elm__jj_compare(rt, operator, self, args->positional[0], &holds);

	*out = jj_bool(holds);
	return good;
}

#define COMPARE_TEST(name, operator)                                                        \
	static bool name(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out) \
	{                                                                                   \
		return compare(rt, operator, self, args, out);                              \
	}

COMPARE_TEST(t_eq, JJ_OP_EQ)
COMPARE_TEST(t_ne, JJ_OP_NE)
COMPARE_TEST(t_lt, JJ_OP_LT)
COMPARE_TEST(t_le, JJ_OP_LE)
COMPARE_TEST(t_gt, JJ_OP_GT)
COMPARE_TEST(t_ge, JJ_OP_GE)
COMPARE_TEST(t_in, JJ_OP_IN)

/* str(value).isupper() and str(value).islower() */
static bool case_test(jj_runtime *rt, jj_value self, const char *method, jj_value *out)
{
	const jj_builtin *function = elm__jj_find(&elm__jj_string_methods, method, strlen(method));
	const jj_args none = { 0 };

	return elm__jj_to_string(rt, self, &self) &&
	       elm__jj_call_builtin(rt, function, self, &none, out);
}

static bool t_upper(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return case_test(rt, self, "isupper", out);
}

static bool t_lower(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return case_test(rt, self, "islower", out);
}

static bool t_filter(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	*out = jj_bool(self.kind == JJ_STRING &&
		       elm__jj_find_filter(self.as.string->data, self.as.string->length));
	return true;
}

static bool t_test(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	*out = jj_bool(self.kind == JJ_STRING &&
		       elm__jj_find_test(self.as.string->data, self.as.string->length));
	return true;
}

static const jj_builtin tests[] = {
	{ "defined", t_defined, "", 0 },    { "undefined", t_undefined, "", 0 },
	{ "none", t_none, "", 0 },	    { "string", t_string, "", 0 },
	{ "mapping", t_mapping, "", 0 },    { "iterable", t_iterable, "", 0 },
	{ "sequence", t_sequence, "", 0 },  { "boolean", t_boolean, "", 0 },
	{ "true", t_true, "", 0 },	    { "false", t_false, "", 0 },
	{ "number", t_number, "", 0 },	    { "integer", t_integer, "", 0 },
	{ "float", t_float, "", 0 },	    { "callable", t_callable, "", 0 },
	{ "sameas", t_sameas, "other", 1 }, { "odd", t_odd, "", 0 },
	{ "even", t_even, "", 0 },	    { "divisibleby", t_divisibleby, "num", 1 },
	{ "eq", t_eq, "other", 1 },	    { "equalto", t_eq, "other", 1 },
	{ "==", t_eq, "other", 1 },	    { "ne", t_ne, "other", 1 },
	{ "!=", t_ne, "other", 1 },	    { "lt", t_lt, "other", 1 },
	{ "lessthan", t_lt, "other", 1 },   { "<", t_lt, "other", 1 },
	{ "le", t_le, "other", 1 },	    { "<=", t_le, "other", 1 },
	{ "gt", t_gt, "other", 1 },	    { "greaterthan", t_gt, "other", 1 },
	{ ">", t_gt, "other", 1 },	    { "ge", t_ge, "other", 1 },
	{ ">=", t_ge, "other", 1 },	    { "in", t_in, "seq", 1 },
	{ "upper", t_upper, "", 0 },	    { "lower", t_lower, "", 0 },
	{ "filter", t_filter, "", 0 },	    { "test", t_test, "", 0 },
};

const jj_table elm__jj_tests = { tests, sizeof(tests) / sizeof(tests[0]) };

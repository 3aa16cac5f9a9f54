/* schema_scalar.c: numbers and strings. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "grammar/regex.h"
#include "grammar/schema.h"

/* ---- numbers ---- */

/* Bounds beyond this are brought back to it: what remains is allowed by them, too. */
static const int64_t largest = 100000000000000000;

typedef struct bound {
	bool given, exclusive;
	int64_t value;
} bound;

static elm__expr *digits(elm__rules *r, char first, char last, uint32_t count)
{
	return elm__expr_repeat(r, elm__expr_range(r, (uint8_t)first, (uint8_t)last), count, count);
}

static bool all_same(const char *text, char digit)
{
	return strspn(text, (char[]){ digit, '\0' }) == strlen(text);
}

/* Numbers of as many digits as both bounds have, from low to high. */
static elm__expr *same_length(elm__rules *r, const char *low, const char *high)
{
	static const char nines[] = "9999999999999999999", zeros[] = "0000000000000000000";
	uint32_t left = (uint32_t)strlen(low);
	elm__expr *choice;

	if (all_same(low, '0') && all_same(high, '9'))
		return digits(r, '0', '9', left);
	if (*low == *high)
		return elm__expr_sequence(r, 2, elm__expr_text(r, low, 1),
					  same_length(r, low + 1, high + 1));
	left--;
	choice = elm__expr_list(r, ELM__EXPR_CHOICE);
	elm__expr_add(
		r, choice,
		elm__expr_sequence(r, 2, elm__expr_text(r, low, 1),
				   same_length(r, low + 1, nines + sizeof(nines) - 1 - left)));
	if (*high - *low > 1)
		elm__expr_add(r, choice,
			      elm__expr_sequence(r, 2, digits(r, *low + 1, *high - 1, 1),
						 digits(r, '0', '9', left)));
	elm__expr_add(
		r, choice,
		elm__expr_sequence(r, 2, elm__expr_text(r, high, 1),
				   same_length(r, zeros + sizeof(zeros) - 1 - left, high + 1)));
	return choice;
}

/* Whole numbers from low to high, 0 <= low <= high. */
static elm__expr *whole_range(elm__rules *r, int64_t low, int64_t high)
{
	elm__expr *choice = elm__expr_list(r, ELM__EXPR_CHOICE);
	char from[24], to[24];
	int64_t power = 10; /* above all numbers of the length at hand */

	for (int64_t start = low; start <= high; start = power, power *= 10) {
		while (power <= start)
			power *= 10;
		snprintf(from, sizeof(from), "%lld", (long long)start);
		snprintf(to, sizeof(to), "%lld", (long long)(high < power ? high : power - 1));
		elm__expr_add(r, choice, same_length(r, from, to));
		if (power > largest)
			break;
	}
	return choice;
}

static elm__expr *fraction(elm__rules *r, bool zero)
{
	elm__expr *tail, *zeros = digits(r, '0', '0', 1);

	if (zero)
		tail = elm__expr_repeat(r, zeros, 1, ELM__JSON_DIGITS);
	else
		tail = elm__expr_repeat(r, digits(r, '0', '9', 1), 1, ELM__JSON_DIGITS);
	return elm__expr_sequence(r, 2, elm__expr_puts(r, "."), tail);
}

/* A fraction that is not zero. */
static elm__expr *positive_fraction(elm__rules *r)
{
	return elm__expr_sequence(
		r, 4, elm__expr_puts(r, "."),
		elm__expr_repeat(r, digits(r, '0', '0', 1), 0, ELM__JSON_DIGITS - 1),
		digits(r, '1', '9', 1),
		elm__expr_repeat(r, digits(r, '0', '9', 1), 0, ELM__JSON_DIGITS - 1));
}

/* Adds the numbers from low to high, 0 <= low <= high, without a sign. */
static void add_magnitudes(elm__rules *r, elm__expr *choice, elm__expr *sign, int64_t low,
			   bool above_low, int64_t high, bool below_high)
{
	elm__expr *part = NULL;

	if (low < high) {
		part = above_low ? positive_fraction(r) : elm__expr_optional(r, fraction(r, false));
		elm__expr_add(r, choice,
			      elm__expr_sequence(r, 3, sign, whole_range(r, low, low), part));
		if (high - low > 1)
			elm__expr_add(
				r, choice,
				elm__expr_sequence(r, 3, sign, whole_range(r, low + 1, high - 1),
						   elm__expr_optional(r, fraction(r, false))));
	}
	if (!below_high && (low < high || !above_low))
		elm__expr_add(r, choice,
			      elm__expr_sequence(r, 3, sign, whole_range(r, high, high),
						 elm__expr_optional(r, fraction(r, true))));
}

/* One keyword into a bound; `direction` is 1 for a minimum and -1 for a maximum. */
static void read_bound(elm__schema *s, const json_t *schema, const char *keyword, bool exclusive,
		       int direction, bool whole, bound *out)
{
	const json_t *value = json_object_get(schema, keyword);
	double number = json_number_value(value), rounded;
	int64_t integer;

	if (!value)
		return;
	if (!json_is_number(value)) {
		(void)elm__schema_fail(s, ELM_ERR_FORMAT, "\"%s\" must be a number, not %s",
				       keyword, elm__json_type_name(value));
		return;
	}
	rounded = direction > 0 ? ceil(number) : floor(number);
	if (rounded != number && !whole) {
		(void)elm__schema_fail(s, ELM_ERR_UNSUPPORTED,
				       "\"%s\" of a number must be whole; fractions are supported "
				       "only for integers",
				       keyword);
		return;
	}
	if (rounded != number)
		exclusive = false;
	if (rounded * direction > (double)largest) {
		(void)elm__schema_fail(s, ELM_ERR_LIMIT, "\"%s\" is beyond 10^17", keyword);
		return;
	}
	if (rounded * direction < -(double)largest)
		return; /* no bound for what can be written */
	integer = json_is_integer(value) ? json_integer_value(value) : (int64_t)rounded;
	if (!out->given || (integer - out->value) * direction > 0 ||
	    (integer == out->value && exclusive))
		*out = (bound){ true, exclusive, integer };
}

static elm__expr *signed_range(elm__rules *r, int64_t low, int64_t high)
{
	elm__expr *choice = elm__expr_list(r, ELM__EXPR_CHOICE);

	if (low < 0)
		elm__expr_add(r, choice,
			      elm__expr_sequence(r, 2, elm__expr_puts(r, "-"),
						 whole_range(r, high < 0 ? -high : 1, -low)));
	if (high >= 0)
		elm__expr_add(r, choice, whole_range(r, low > 0 ? low : 0, high));
	return choice;
}

elm__expr *elm__schema_number(elm__schema *s, const json_t *schema, bool whole)
{
	static const int64_t usual = 9999999999999999; /* ELM__JSON_DIGITS digits */
	bound low = { .given = false }, high = { .given = false };
	elm__rules *r = s->rules;
	elm__expr *choice = elm__expr_list(r, ELM__EXPR_CHOICE), *minus = elm__expr_puts(r, "-");
	elm__expr *plus = elm__expr_list(r, ELM__EXPR_SEQUENCE);

	read_bound(s, schema, "minimum", false, 1, whole, &low);
	read_bound(s, schema, "exclusiveMinimum", true, 1, whole, &low);
	read_bound(s, schema, "maximum", false, -1, whole, &high);
	read_bound(s, schema, "exclusiveMaximum", true, -1, whole, &high);
	if (!low.given && !high.given)
		return elm__json_use(&s->json, whole ? ELM__JSON_INTEGER : ELM__JSON_NUMBER);
	if (!low.given)
		low.value = high.value < -usual ? -largest : -usual;
	if (!high.given)
		high.value = low.value > usual ? largest : usual;
	if (whole) {
		low.value += low.exclusive;
		high.value -= high.exclusive;
	}
	if (low.value > high.value ||
	    (low.value == high.value && !whole && (low.exclusive || high.exclusive)))
		(void)elm__schema_fail(s, ELM_ERR_FORMAT, "no number is within the bounds");
	if (r->status)
		return choice;
	if (whole)
		return signed_range(r, low.value, high.value);
	if (low.value < 0) /* magnitudes, from the bound that is nearer to zero */
		add_magnitudes(r, choice, minus, high.value < 0 ? -high.value : 0,
			       high.value < 0 ? high.exclusive : true, -low.value, low.exclusive);
	if (high.value >= 0)
		add_magnitudes(r, choice, plus, low.value > 0 ? low.value : 0,
			       low.value >= 0 && low.exclusive, high.value, high.exclusive);
	return choice;
}

/* ---- strings ---- */

/* Dates are those of the Gregorian calendar from year 1000 on; a leap second is none. */
#define LEAP_YEAR "(?:[1-9]\\d(?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[13579][26])00)"
#define DATE                                                                                \
	"(?:[1-9]\\d{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[" \
	"1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))|" LEAP_YEAR "-02-29)"
#define TIME                                                                                  \
	"(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-" \
	"5]\\d)"

static const char *pattern_of(const char *format)
{
	static const struct {
		const char *format, *pattern;
	} known[] = {
		{ "date", "^" DATE "$" },
		{ "time", "^" TIME "$" },
		{ "date-time", "^" DATE "T" TIME "$" },
		{ "uuid", "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(known[i].format, format))
			return known[i].pattern;
	return NULL;
}

static elm__expr *compile_pattern(elm__schema *s, const char *keyword, const char *pattern,
				  size_t length)
{
	elm_error error = { 0 };
	size_t back = elm__schema_enter(s, keyword);
	elm__expr *body = elm__regex_read(&s->json, pattern, length, &error);

	if (!body)
		(void)elm__schema_fail(s, error.status, "%s", error.text);
	elm__schema_leave(s, back);
	if (s->rules->status)
		return elm__expr_list(s->rules, ELM__EXPR_SEQUENCE);
	return elm__expr_sequence(s->rules, 3, elm__expr_puts(s->rules, "\""), body,
				  elm__expr_puts(s->rules, "\""));
}

elm__expr *elm__schema_string(elm__schema *s, const json_t *schema)
{
	const json_t *pattern = json_object_get(schema, "pattern");
	const json_t *format = json_object_get(schema, "format");
	uint32_t min = elm__schema_count(s, schema, "minLength", 0);
	uint32_t max = elm__schema_count(s, schema, "maxLength", ELM__UNLIMITED);
	const char *known = json_is_string(format) ? pattern_of(json_string_value(format)) : NULL;

	if ((pattern && !json_is_string(pattern)) || (format && !json_is_string(format)))
		(void)elm__schema_fail(s, ELM_ERR_FORMAT,
				       "\"pattern\" and \"format\" must be strings");
	else if (format && !known)
		(void)elm__schema_fail(s, ELM_ERR_UNSUPPORTED,
				       "\"format\" %.100s is not supported; known are date, time, "
				       "date-time and uuid",
				       json_string_value(format));
	else if ((pattern && format) || ((pattern || format) && (min || max != ELM__UNLIMITED)))
		(void)elm__schema_fail(s, ELM_ERR_UNSUPPORTED,
				       "of \"pattern\", \"format\" and a length only one is "
				       "supported; put the length into the pattern");
	if (max < min)
		(void)elm__schema_fail(s, ELM_ERR_FORMAT, "no length is allowed");
	if (s->rules->status)
		return elm__expr_list(s->rules, ELM__EXPR_SEQUENCE);
	if (pattern)
		return compile_pattern(s, "pattern", json_string_value(pattern),
				       json_string_length(pattern));
	if (format)
		return compile_pattern(s, "format", known, strlen(known));
	if (!min && max == ELM__UNLIMITED)
		return elm__json_use(&s->json, ELM__JSON_STRING);
	return elm__expr_sequence(
		s->rules, 3, elm__expr_puts(s->rules, "\""),
		elm__expr_repeat(s->rules, elm__json_use(&s->json, ELM__JSON_CHAR), min, max),
		elm__expr_puts(s->rules, "\""));
}

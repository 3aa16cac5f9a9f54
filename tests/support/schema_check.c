#define PCRE2_CODE_UNIT_WIDTH 8
#include "schema_check.h"

#include <math.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct checker {
	const json_t *root;
} checker;

static bool accepts(const checker *c, const json_t *schema, const json_t *value);

static bool has_type(const char *type, const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return !strcmp(type, "object");
	case JSON_ARRAY:
		return !strcmp(type, "array");
	case JSON_STRING:
		return !strcmp(type, "string");
	case JSON_INTEGER:
		return !strcmp(type, "integer") || !strcmp(type, "number");
	case JSON_REAL:
		return !strcmp(type, "number") ||
		       (!strcmp(type, "integer") && fabs(json_real_value(value)) < 1e15 &&
			json_real_value(value) == floor(json_real_value(value)));
	case JSON_TRUE:
	case JSON_FALSE:
		return !strcmp(type, "boolean");
	case JSON_NULL:
		break;
	}
	return !strcmp(type, "null");
}

static bool check_type(const json_t *type, const json_t *value)
{
	if (!type)
		return true;
	if (json_is_string(type))
		return has_type(json_string_value(type), value);
	for (size_t i = 0; i < json_array_size(type); i++)
		if (has_type(json_string_value(json_array_get(type, i)), value))
			return true;
	return false;
}

/* How many of a list of schemas accept the value. */
static size_t count_accepting(const checker *c, const json_t *list, const json_t *value)
{
	size_t count = 0;

	for (size_t i = 0; i < json_array_size(list); i++)
		count += accepts(c, json_array_get(list, i), value);
	return count;
}

static bool check_combinations(const checker *c, const json_t *schema, const json_t *value)
{
	const json_t *any = json_object_get(schema, "anyOf");
	const json_t *one = json_object_get(schema, "oneOf");
	const json_t *all = json_object_get(schema, "allOf");

	return (!any || count_accepting(c, any, value)) &&
	       (!one || count_accepting(c, one, value) == 1) &&
	       count_accepting(c, all, value) == json_array_size(all);
}

static bool is_in(const json_t *list, const json_t *value)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (json_equal(json_array_get(list, i), value))
			return true;
	return false;
}

static bool within(const json_t *schema, const char *least, const char *most, double number)
{
	const json_t *low = json_object_get(schema, least), *high = json_object_get(schema, most);

	return (!low || number >= json_number_value(low)) &&
	       (!high || number <= json_number_value(high));
}

static bool check_number(const json_t *schema, const json_t *value)
{
	const json_t *above = json_object_get(schema, "exclusiveMinimum");
	const json_t *below = json_object_get(schema, "exclusiveMaximum");
	double number = json_number_value(value);

	return within(schema, "minimum", "maximum", number) &&
	       (!above || number > json_number_value(above)) &&
	       (!below || number < json_number_value(below));
}

/* Whether a pattern has what PCRE2 reads in another way than ECMA-262. */
static bool is_other_regex(const char *pattern)
{
	static const char *const others[] = { "\\s", "\\S", "\\v", "[:", "[.", "[=" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strstr(pattern, others[i]))
			return true;
	return false;
}

/* Whether a pattern is found; one that PCRE2 does not take does not count. */
static bool matches(const char *pattern, size_t length, const json_t *value)
{
	int number, found;
	PCRE2_SIZE offset;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, length,
					 PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_BSUX |
						 PCRE2_ALLOW_EMPTY_CLASS,
					 &number, &offset, NULL);
	pcre2_match_data *data;

	if (!code || is_other_regex(pattern)) {
		pcre2_code_free(code);
		return true;
	}
	data = pcre2_match_data_create_from_pattern(code, NULL);
	found = pcre2_match(code, (PCRE2_SPTR)json_string_value(value), json_string_length(value),
			    0, 0, data, NULL);
	pcre2_match_data_free(data);
	pcre2_code_free(code);
	return found >= 0 || found != PCRE2_ERROR_NOMATCH;
}

/* Whether the text begins with a date. */
static bool is_date(const char *text)
{
	static const int days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int year, month, day, length = 0;

	if (sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &length) != 3 || length != 10)
		return false;
	if (month == 2 && day == 29 && (year % 4 || (year % 100 == 0 && year % 400)))
		return false;
	return month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1];
}

static bool check_format(const json_t *format, const char *text)
{
	const char *name = json_string_value(format);

	if (!name)
		return true;
	if (!strncmp(name, "date", 4))
		return is_date(text) && (strlen(text) == 10) == !strcmp(name, "date");
	return strcmp(name, "uuid") || strlen(text) == 36;
}

static bool check_string(const json_t *schema, const json_t *value)
{
	const json_t *pattern = json_object_get(schema, "pattern");
	const char *text = json_string_value(value);
	size_t characters = 0;

	for (size_t i = 0; i < json_string_length(value); i++)
		characters += (text[i] & 0xC0) != 0x80;
	return within(schema, "minLength", "maxLength", (double)characters) &&
	       (!pattern ||
		matches(json_string_value(pattern), json_string_length(pattern), value)) &&
	       check_format(json_object_get(schema, "format"), text);
}

static bool check_array(const checker *c, const json_t *schema, const json_t *value)
{
	const json_t *prefix = json_object_get(schema, "prefixItems");
	const json_t *items = json_object_get(schema, "items");

	if (!within(schema, "minItems", "maxItems", (double)json_array_size(value)))
		return false;
	for (size_t i = 0; i < json_array_size(value); i++) {
		const json_t *item =
			i < json_array_size(prefix) ? json_array_get(prefix, i) : items;

		if (item && !accepts(c, item, json_array_get(value, i)))
			return false;
	}
	return true;
}

static bool check_object(const checker *c, const json_t *schema, const json_t *value)
{
	const json_t *properties = json_object_get(schema, "properties");
	const json_t *others = json_object_get(schema, "additionalProperties");
	const json_t *required = json_object_get(schema, "required");
	const char *key;
	json_t *item;

	for (size_t i = 0; i < json_array_size(required); i++)
		if (!json_object_get(value, json_string_value(json_array_get(required, i))))
			return false;
	json_object_foreach((json_t *)value, key, item)
	{
		const json_t *inside = json_object_get(properties, key);

		inside = inside ? inside : others;
		if (inside && !accepts(c, inside, item))
			return false;
	}
	return true;
}

static const json_t *resolve(const checker *c, const char *pointer)
{
	const json_t *at = c->root;

	while (*pointer == '#' || *pointer == '/') {
		char step[256] = { 0 };
		size_t length = 0;

		if (*pointer++ == '#')
			continue;
		for (; *pointer && *pointer != '/' && length < sizeof(step) - 1; pointer++) {
			step[length++] = *pointer;
			if (!strncmp(pointer, "%24", 3)) {
				step[length - 1] = '$';
				pointer += 2;
			} else if (*pointer == '~') {
				step[length - 1] = *++pointer == '1' ? '/' : '~';
			}
		}
		at = json_is_array(at) ? json_array_get(at, strtoul(step, NULL, 10)) :
					 json_object_get(at, step);
	}
	return at;
}

static bool accepts(const checker *c, const json_t *schema, const json_t *value)
{
	const json_t *ref = json_object_get(schema, "$ref"), *target;
	const json_t *values = json_object_get(schema, "enum");
	const json_t *constant = json_object_get(schema, "const");

	if (!json_is_object(schema))
		return !json_is_false(schema);
	target = ref ? resolve(c, json_string_value(ref)) : NULL;
	if ((target && !accepts(c, target, value)) ||
	    !check_type(json_object_get(schema, "type"), value) ||
	    (values && !is_in(values, value)) || (constant && !json_equal(constant, value)) ||
	    !check_combinations(c, schema, value))
		return false;
	if (json_is_number(value))
		return check_number(schema, value);
	if (json_is_string(value))
		return check_string(schema, value);
	if (json_is_array(value))
		return check_array(c, schema, value);
	return !json_is_object(value) || check_object(c, schema, value);
}

bool schema_accepts(const json_t *schema, const json_t *value)
{
	checker c = { schema };

	return accepts(&c, schema, value);
}

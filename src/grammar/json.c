#include "grammar/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static elm__expr *digits(elm__rules *r, uint32_t min, uint32_t max)
{
	return elm__expr_repeat(r, elm__expr_range(r, '0', '9'), min, max);
}

/* One of the characters of a text. */
static elm__expr *one_of(elm__rules *r, const char *characters)
{
	elm__charset set = { 0 };

	for (; *characters; characters++)
		elm__charset_add(r, &set, (uint8_t)*characters, (uint8_t)*characters);
	return elm__expr_class(r, &set);
}

static elm__expr *hex(elm__rules *r, uint32_t count)
{
	elm__charset set = { 0 };

	elm__charset_add(r, &set, '0', '9');
	elm__charset_add(r, &set, 'a', 'f');
	elm__charset_add(r, &set, 'A', 'F');
	return elm__expr_repeat(r, elm__expr_class(r, &set), count, count);
}

static elm__expr *space(elm__rules *r)
{
	elm__expr *line = elm__expr_sequence(r, 2, elm__expr_puts(r, "\n"),
					     elm__expr_repeat(r, one_of(r, " \t"), 0, 20));
	elm__expr *choice = elm__expr_list(r, ELM__EXPR_CHOICE);

	elm__expr_add(r, choice, elm__expr_puts(r, " "));
	elm__expr_add(r, choice, line);
	return elm__expr_optional(r, choice);
}

static elm__expr *plain_char(elm__rules *r)
{
	elm__charset set = { 0 };

	elm__charset_add(r, &set, 0, 0x1F);
	elm__charset_add(r, &set, '"', '"');
	elm__charset_add(r, &set, '\\', '\\');
	elm__charset_add(r, &set, 0x7F, 0x7F);
	elm__charset_invert(r, &set);
	return elm__expr_class(r, &set);
}

/* \uXXXX: half of a pair of surrogates never stands alone, and a pair is one character. */
static elm__expr *unicode_escape(elm__rules *r)
{
	elm__expr *d = one_of(r, "dD"), *u = elm__expr_puts(r, "u");
	elm__expr *other = elm__expr_sequence(r, 2, one_of(r, "0123456789abcefABCEF"), hex(r, 3));
	elm__expr *low_d = elm__expr_sequence(r, 3, d, elm__expr_range(r, '0', '7'), hex(r, 2));
	elm__expr *choice = elm__expr_list(r, ELM__EXPR_CHOICE);
	elm__expr *pair = elm__expr_list(r, ELM__EXPR_SEQUENCE);

	elm__expr_add(r, pair, d);
	elm__expr_add(r, pair, one_of(r, "89abAB"));
	elm__expr_add(r, pair, hex(r, 2));
	elm__expr_add(r, pair, elm__expr_puts(r, "\\u"));
	elm__expr_add(r, pair, d);
	elm__expr_add(r, pair, one_of(r, "cdefCDEF"));
	elm__expr_add(r, pair, hex(r, 2));
	elm__expr_add(r, choice, other);
	elm__expr_add(r, choice, low_d);
	elm__expr_add(r, choice, pair);
	return elm__expr_sequence(r, 2, u, choice);
}

static elm__expr *string_char(elm__rules *r)
{
	elm__expr *choice = elm__expr_list(r, ELM__EXPR_CHOICE);
	elm__expr *escape = elm__expr_list(r, ELM__EXPR_CHOICE);

	elm__expr_add(r, escape, one_of(r, "\"\\/bfnrt"));
	elm__expr_add(r, escape, unicode_escape(r));
	elm__expr_add(r, choice, plain_char(r));
	elm__expr_add(r, choice, elm__expr_sequence(r, 2, elm__expr_puts(r, "\\"), escape));
	return choice;
}

static elm__expr *quoted(elm__rules *r, elm__expr *character)
{
	return elm__expr_sequence(r, 3, elm__expr_puts(r, "\""),
				  elm__expr_repeat(r, character, 0, ELM__UNLIMITED),
				  elm__expr_puts(r, "\""));
}

static elm__expr *integer(elm__rules *r)
{
	elm__expr *choice = elm__expr_list(r, ELM__EXPR_CHOICE);

	elm__expr_add(r, choice, elm__expr_puts(r, "0"));
	elm__expr_add(r, choice,
		      elm__expr_sequence(r, 2, elm__expr_range(r, '1', '9'),
					 digits(r, 0, ELM__JSON_DIGITS - 1)));
	return elm__expr_sequence(r, 2, elm__expr_optional(r, elm__expr_puts(r, "-")), choice);
}

static elm__expr *number(elm__json *json)
{
	elm__rules *r = json->rules;
	elm__expr *fraction =
		elm__expr_sequence(r, 2, elm__expr_puts(r, "."), digits(r, 1, ELM__JSON_DIGITS));
	elm__expr *exponent = elm__expr_sequence(
		r, 3, one_of(r, "eE"), elm__expr_optional(r, one_of(r, "+-")), digits(r, 1, 2));

	return elm__expr_sequence(r, 3, elm__json_use(json, ELM__JSON_INTEGER),
				  elm__expr_optional(r, fraction), elm__expr_optional(r, exponent));
}

static elm__expr *boolean(elm__rules *r)
{
	elm__expr *choice = elm__expr_list(r, ELM__EXPR_CHOICE);

	elm__expr_add(r, choice, elm__expr_puts(r, "true"));
	elm__expr_add(r, choice, elm__expr_puts(r, "false"));
	return choice;
}

static elm__expr *value(elm__json *json)
{
	elm__expr *choice = elm__expr_list(json->rules, ELM__EXPR_CHOICE);

	elm__expr_add(json->rules, choice, elm__json_use(json, ELM__JSON_OBJECT));
	elm__expr_add(json->rules, choice, elm__json_use(json, ELM__JSON_ARRAY));
	elm__expr_add(json->rules, choice, elm__json_use(json, ELM__JSON_STRING));
	elm__expr_add(json->rules, choice, elm__json_use(json, ELM__JSON_NUMBER));
	elm__expr_add(json->rules, choice, elm__json_use(json, ELM__JSON_BOOLEAN));
	elm__expr_add(json->rules, choice, elm__json_use(json, ELM__JSON_NULL));
	return choice;
}

elm__expr *elm__json_next(elm__json *json, elm__expr *item)
{
	return elm__expr_sequence(json->rules, 3, elm__expr_puts(json->rules, ","),
				  elm__json_use(json, ELM__JSON_SPACE), item);
}

elm__expr *elm__json_member(elm__json *json, elm__expr *key, elm__expr *item)
{
	return elm__expr_sequence(json->rules, 4, key, elm__expr_puts(json->rules, ":"),
				  elm__json_use(json, ELM__JSON_SPACE), item);
}

elm__expr *elm__json_list(elm__json *json, const char *open, elm__expr *first, elm__expr *more,
			  bool empty, const char *close)
{
	elm__rules *r = json->rules;
	elm__expr *items = elm__expr_list(r, ELM__EXPR_SEQUENCE);

	if (first) {
		elm__expr_add(r, items, first);
		if (more)
			elm__expr_add(r, items, more);
		elm__expr_add(r, items, elm__json_use(json, ELM__JSON_SPACE));
		if (empty)
			items = elm__expr_optional(r, items);
	}
	return elm__expr_sequence(r, 4, elm__expr_puts(r, open),
				  elm__json_use(json, ELM__JSON_SPACE), items,
				  elm__expr_puts(r, close));
}

/* Any items of a kind. */
static elm__expr *any_list(elm__json *json, const char *open, elm__expr *item, const char *close)
{
	return elm__json_list(json, open, item,
			      elm__expr_repeat(json->rules, elm__json_next(json, item), 0,
					       ELM__UNLIMITED),
			      true, close);
}

static elm__expr *build(elm__json *json, elm__json_part part)
{
	elm__rules *r = json->rules;

	switch (part) {
	case ELM__JSON_SPACE:
		return space(r);
	case ELM__JSON_CHAR:
		return string_char(r);
	case ELM__JSON_KEY:
		return quoted(r, plain_char(r));
	case ELM__JSON_STRING:
		return quoted(r, elm__json_use(json, ELM__JSON_CHAR));
	case ELM__JSON_INTEGER:
		return integer(r);
	case ELM__JSON_NUMBER:
		return number(json);
	case ELM__JSON_BOOLEAN:
		return boolean(r);
	case ELM__JSON_NULL:
		return elm__expr_puts(r, "null");
	case ELM__JSON_VALUE:
		return value(json);
	case ELM__JSON_OBJECT:
		return any_list(json, "{",
				elm__json_member(json, elm__json_use(json, ELM__JSON_KEY),
						 elm__json_use(json, ELM__JSON_VALUE)),
				"}");
	case ELM__JSON_ARRAY:
		return any_list(json, "[", elm__json_use(json, ELM__JSON_VALUE), "]");
	case ELM__JSON_PARTS:
		break;
	}
	return elm__expr_list(r, ELM__EXPR_SEQUENCE);
}

uint32_t elm__json_rule(elm__json *json, elm__json_part part)
{
	static const char *const names[ELM__JSON_PARTS] = { "space",   "char",	  "key",
							    "string",  "integer", "number",
							    "boolean", "null",	  "value",
							    "object",  "array" };
	elm__expr *body;
	uint32_t rule;

	if (!json->numbers[part]) {
		/* Known before its body is built, which may need it. */
		rule = elm__rule_add(json->rules, names[part], strlen(names[part]));
		json->numbers[part] = rule + 1;
		body = build(json, part);
		if (!json->rules->status)
			json->rules->items[rule].body = body;
	}
	return json->numbers[part] - 1;
}

elm__expr *elm__json_use(elm__json *json, elm__json_part part)
{
	return elm__expr_rule(json->rules, elm__json_rule(json, part));
}

elm__expr *elm__json_class(elm__rules *r, elm__charset *set)
{
	static const char letters[] = "btnvfr"; /* of 8 to 13; JSON has no \v */
	elm__expr *choice = elm__expr_list(r, ELM__EXPR_CHOICE);
	elm__charset plain = { 0 };
	char escape[16];

	elm__charset_tidy(set);
	for (uint32_t c = 0; c < 0x80; c++) {
		if (!elm__charset_has(set, c) || (c >= 0x20 && c != '"' && c != '\\'))
			continue;
		if (c >= 8 && c <= 13 && c != 11)
			snprintf(escape, sizeof(escape), "\\%c", letters[c - 8]);
		else if (c < 0x20)
			snprintf(escape, sizeof(escape), "\\u%04x", (unsigned)c);
		else
			snprintf(escape, sizeof(escape), "\\%c", (int)c);
		elm__expr_add(r, choice, elm__expr_puts(r, escape));
	}
	for (uint32_t i = 0; i < set->count; i++)
		elm__charset_add(r, &plain, set->ranges[i].first, set->ranges[i].last);
	elm__charset_remove(r, &plain, 0, 0x1F);
	elm__charset_remove(r, &plain, '"', '"');
	elm__charset_remove(r, &plain, '\\', '\\');
	if (plain.count)
		elm__expr_add(r, choice, elm__expr_class(r, &plain));
	return choice;
}

/* The shortest text that reads back as the same value: 0.1, not 0.10000000000000001. */
static char *dump(const json_t *value)
{
	for (size_t digits = 15;; digits++) {
		char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY |
						       JSON_REAL_PRECISION(digits));
		json_t *back = text && digits < 17 ?
				       json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) :
				       NULL;
		bool same = back && json_equal(back, value);

		json_decref(back);
		if (!text || same || digits == 17)
			return text;
		free(text);
	}
}

elm__expr *elm__json_literal(elm__rules *r, const json_t *literal)
{
	char *text = dump(literal);
	elm__expr *expr;

	if (!text) {
		(void)elm__rules_fail(r, ELM_ERR_NO_MEMORY, "out of memory for a grammar");
		return elm__expr_list(r, ELM__EXPR_SEQUENCE);
	}
	expr = elm__expr_puts(r, text);
	free(text);
	return expr;
}

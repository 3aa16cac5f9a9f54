#include "grammar/regex.h"

#include <string.h>

#include "base/text.h"

typedef struct reader {
	elm__json *json;
	elm__rules *rules;
	const char *text, *end, *at;
	unsigned depth; /* of groups */
	elm_error *error;
	bool failed;
} reader;

static void fail(reader *r, elm_status status, const char *what)
{
	size_t position = 1;

	if (r->failed)
		return;
	for (const char *c = r->text; c < r->at; c++)
		position += (*c & 0xC0) != 0x80;
	(void)elm_error_set(r->error, status, "character %zu of the pattern: %s", position, what);
	r->failed = true;
}

static bool at_end(const reader *r)
{
	return r->at == r->end || r->failed || r->rules->status;
}

static char peek(const reader *r)
{
	return at_end(r) ? '\0' : *r->at;
}

static bool take(reader *r, const char *text)
{
	size_t length = strlen(text);

	if (at_end(r) || (size_t)(r->end - r->at) < length || memcmp(r->at, text, length))
		return false;
	r->at += length;
	return true;
}

/* ---- characters and classes ---- */

static void add_ranges(reader *r, elm__charset *set, const uint32_t (*ranges)[2], size_t count,
		       bool inverted)
{
	elm__charset own = { 0 };

	for (size_t i = 0; i < count; i++)
		elm__charset_add(r->rules, &own, ranges[i][0], ranges[i][1]);
	if (inverted)
		elm__charset_invert(r->rules, &own);
	for (uint32_t i = 0; i < own.count; i++)
		elm__charset_add(r->rules, set, own.ranges[i].first, own.ranges[i].last);
}

/* \d \w \s and their opposites, as ECMA-262 has them without flags. */
static bool add_named(reader *r, elm__charset *set, char letter)
{
	static const uint32_t digit[][2] = { { '0', '9' } };
	static const uint32_t word[][2] = {
		{ '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' }
	};
	static const uint32_t space[][2] = { { 9, 13 },		 { ' ', ' ' },
					     { 0xA0, 0xA0 },	 { 0x1680, 0x1680 },
					     { 0x2000, 0x200A }, { 0x2028, 0x2029 },
					     { 0x202F, 0x202F }, { 0x205F, 0x205F },
					     { 0x3000, 0x3000 }, { 0xFEFF, 0xFEFF } };
	bool inverted = letter >= 'A' && letter <= 'Z';

	switch (inverted ? letter - 'A' + 'a' : letter) {
	case 'd':
		add_ranges(r, set, digit, sizeof(digit) / sizeof(digit[0]), inverted);
		return true;
	case 'w':
		add_ranges(r, set, word, sizeof(word) / sizeof(word[0]), inverted);
		return true;
	case 's':
		add_ranges(r, set, space, sizeof(space) / sizeof(space[0]), inverted);
		return true;
	default:
		return false;
	}
}

static uint32_t read_hex(reader *r, unsigned digits)
{
	static const char all[] = "0123456789abcdef0123456789ABCDEF";
	uint32_t value = 0;

	while (digits--) {
		const char *digit = at_end(r) ? NULL : memchr(all, *r->at, sizeof(all) - 1);

		if (!digit) {
			fail(r, ELM_ERR_FORMAT, "a hexadecimal digit must follow");
			return 0;
		}
		value = value << 4 | (uint32_t)(digit - all) % 16;
		r->at++;
	}
	return value;
}

static uint32_t read_unicode(reader *r)
{
	uint32_t high, low;
	char unused[4];

	high = read_hex(r, 4);
	if (high >= 0xD800 && high <= 0xDBFF && take(r, "\\u")) {
		low = read_hex(r, 4);
		if (low >= 0xDC00 && low <= 0xDFFF)
			return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
	}
	if (!r->failed && !elm__utf8_encode(high, unused))
		fail(r, ELM_ERR_FORMAT, "half of a surrogate pair is not a character");
	return high;
}

/* What follows a backslash and stands for one character. */
static uint32_t read_escape(reader *r)
{
	static const char letters[] = "tnvfr0", values[] = "\t\n\v\f\r";
	char c = *r->at++;
	const char *found = memchr(letters, c, sizeof(letters) - 1);

	if (c == '0' && peek(r) >= '0' && peek(r) <= '9')
		found = NULL;
	if (found)
		return (uint32_t)values[found - letters];
	if (c == 'x')
		return read_hex(r, 2);
	if (c == 'u')
		return read_unicode(r);
	r->at--;
	if (c >= '1' && c <= '9')
		fail(r, ELM_ERR_UNSUPPORTED, "references to groups are not supported");
	else if (c == 'p' || c == 'P')
		fail(r, ELM_ERR_UNSUPPORTED, "Unicode properties are not supported");
	else if (c == 'b' || c == 'B')
		fail(r, ELM_ERR_UNSUPPORTED, "word boundaries are not supported");
	else if (c == '0' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		fail(r, ELM_ERR_UNSUPPORTED, "this escape is not supported");
	r->at++;
	return (uint8_t)c;
}

static uint32_t read_char(reader *r)
{
	uint32_t code_point = 0;

	if (take(r, "\\")) {
		if (at_end(r)) {
			fail(r, ELM_ERR_FORMAT, "the pattern ends in a backslash");
			return 0;
		}
		if ((uint8_t)*r->at < 0x80)
			return read_escape(r);
	}
	r->at += elm__utf8_decode(r->at, (size_t)(r->end - r->at), &code_point);
	return code_point;
}

/* One member of a class: a named set, or a character. true when it was a character. */
static bool read_member(reader *r, elm__charset *set, uint32_t *code_point)
{
	if (r->end - r->at >= 2 && *r->at == '\\') {
		if (add_named(r, set, r->at[1])) {
			r->at += 2;
			return false;
		}
		if (r->at[1] == 'b') {
			r->at += 2;
			*code_point = '\b';
			return true;
		}
	}
	*code_point = read_char(r);
	return true;
}

static elm__expr *finish_class(reader *r, elm__charset *set)
{
	elm__charset_remove(r->rules, set, 0xD800, 0xDFFF);
	if (!set->count)
		fail(r, ELM_ERR_FORMAT, "no character is left that could match here");
	return r->failed ? elm__expr_list(r->rules, ELM__EXPR_SEQUENCE) :
			   elm__json_class(r->rules, set);
}

static elm__expr *read_class(reader *r)
{
	elm__charset set = { 0 };
	bool inverted = take(r, "^");

	while (!at_end(r) && *r->at != ']') {
		uint32_t first, last;
		bool single = read_member(r, &set, &first);

		if (!single)
			continue;
		last = first;
		if (r->end - r->at >= 2 && r->at[0] == '-' && r->at[1] != ']') {
			r->at++;
			if (!read_member(r, &set, &last))
				fail(r, ELM_ERR_FORMAT, "a range cannot end in a class");
		}
		if (last < first)
			fail(r, ELM_ERR_FORMAT, "this range ends before it begins");
		elm__charset_add(r->rules, &set, first, last);
	}
	if (!take(r, "]"))
		fail(r, ELM_ERR_FORMAT, "a class is not closed");
	if (inverted)
		elm__charset_invert(r->rules, &set);
	return finish_class(r, &set);
}

static elm__expr *single(reader *r, uint32_t code_point)
{
	elm__charset set = { 0 };

	elm__charset_add(r->rules, &set, code_point, code_point);
	return finish_class(r, &set);
}

static elm__expr *read_dot(reader *r)
{
	static const uint32_t line_ends[][2] = { { '\n', '\n' },
						 { '\r', '\r' },
						 { 0x2028, 0x2029 } };
	elm__charset set = { 0 };

	add_ranges(r, &set, line_ends, sizeof(line_ends) / sizeof(line_ends[0]), true);
	return finish_class(r, &set);
}

/* ---- terms ---- */

static elm__expr *read_choice(reader *r);

static elm__expr *read_group(reader *r)
{
	elm__expr *expr;

	if (!take(r, "?:") && peek(r) == '?')
		fail(r, ELM_ERR_UNSUPPORTED,
		     "of the groups that begin with (? only (?: is supported");
	if (r->depth == ELM__MAX_NESTING)
		fail(r, ELM_ERR_LIMIT, "groups are nested too deep");
	if (r->failed)
		return elm__expr_list(r->rules, ELM__EXPR_SEQUENCE);
	r->depth++;
	expr = read_choice(r);
	r->depth--;
	if (!take(r, ")"))
		fail(r, ELM_ERR_FORMAT, "a group is not closed");
	return expr;
}

static elm__expr *read_atom(reader *r)
{
	elm__charset set = { 0 };

	switch (peek(r)) {
	case '(':
		r->at++;
		return read_group(r);
	case '[':
		r->at++;
		return read_class(r);
	case '.':
		r->at++;
		return read_dot(r);
	case '^':
	case '$':
		fail(r, ELM_ERR_UNSUPPORTED,
		     "^ and $ are supported only at the ends of the pattern and of its "
		     "alternatives");
		break;
	case '*':
	case '+':
	case '?':
	case '{':
		fail(r, ELM_ERR_FORMAT, "there is nothing to repeat");
		break;
	case '\\':
		if (r->end - r->at >= 2 && add_named(r, &set, r->at[1])) {
			r->at += 2;
			return finish_class(r, &set);
		}
		break;
	default:
		break;
	}
	if (r->failed)
		return elm__expr_list(r->rules, ELM__EXPR_SEQUENCE);
	return single(r, read_char(r));
}

static uint32_t read_number(reader *r)
{
	uint64_t value = 0;

	if (peek(r) < '0' || peek(r) > '9')
		fail(r, ELM_ERR_FORMAT, "a number must follow");
	for (; peek(r) >= '0' && peek(r) <= '9'; r->at++)
		if (value <= ELM__MAX_REPEAT)
			value = value * 10 + (uint64_t)(*r->at - '0');
	if (value > ELM__MAX_REPEAT)
		fail(r, ELM_ERR_LIMIT, "this number is too large");
	return (uint32_t)value;
}

static elm__expr *read_repetition(reader *r, elm__expr *atom)
{
	uint32_t min = 0, max = ELM__UNLIMITED;

	if (take(r, "?")) {
		max = 1;
	} else if (take(r, "+")) {
		min = 1;
	} else if (take(r, "{")) {
		min = max = read_number(r);
		if (take(r, ","))
			max = peek(r) == '}' ? ELM__UNLIMITED : read_number(r);
		if (!take(r, "}"))
			fail(r, ELM_ERR_FORMAT, "a repetition is not closed");
		if (max < min)
			fail(r, ELM_ERR_FORMAT, "the maximum is below the minimum");
	} else if (!take(r, "*")) {
		return atom;
	}
	(void)take(r, "?"); /* a lazy one matches the same strings */
	if (peek(r) == '*' || peek(r) == '+' || peek(r) == '?' || peek(r) == '{')
		fail(r, ELM_ERR_FORMAT, "a repetition cannot be repeated; use a group");
	return elm__expr_repeat(r->rules, atom, min, max);
}

static elm__expr *anything(reader *r)
{
	return elm__expr_repeat(r->rules, elm__json_use(r->json, ELM__JSON_CHAR), 0,
				ELM__UNLIMITED);
}

/* An alternative; at the top, with what may stand before and after it in the string. */
static elm__expr *read_sequence(reader *r)
{
	elm__expr *sequence = elm__expr_list(r->rules, ELM__EXPR_SEQUENCE);
	bool top = !r->depth, bound = false;

	if (top && !take(r, "^"))
		elm__expr_add(r->rules, sequence, anything(r));
	while (!at_end(r) && *r->at != '|' && *r->at != ')' && !bound) {
		if (top && *r->at == '$' && (r->end - r->at == 1 || r->at[1] == '|')) {
			r->at++;
			bound = true;
		} else {
			elm__expr_add(r->rules, sequence, read_repetition(r, read_atom(r)));
		}
	}
	if (top && !bound)
		elm__expr_add(r->rules, sequence, anything(r));
	return sequence;
}

static elm__expr *read_choice(reader *r)
{
	elm__expr *choice = elm__expr_list(r->rules, ELM__EXPR_CHOICE);

	do {
		elm__expr_add(r->rules, choice, read_sequence(r));
	} while (take(r, "|"));
	return choice;
}

elm__expr *elm__regex_read(elm__json *json, const char *pattern, size_t length, elm_error *error)
{
	reader r = { .json = json,
		     .rules = json->rules,
		     .text = pattern,
		     .end = pattern + length,
		     .at = pattern,
		     .error = error };
	elm__expr *expr = read_choice(&r);

	if (!at_end(&r))
		fail(&r, ELM_ERR_FORMAT, "this parenthesis was never opened");
	return r.failed ? NULL : expr;
}

/*
 * gbnf.c: reads the GBNF notation.
 *
 *     rules    = { name "::=" choice line-end }
 *     choice   = sequence { "|" sequence }
 *     sequence = { item [ "*" | "+" | "?" | "{" m "}" | "{" m "," "}" | "{" m "," n "}" ] }
 *     item     = literal | class | "." | name | "(" choice ")"
 *
 * A choice goes on over line ends inside parentheses and after "::=" and "|". Comments begin with
 * "#" and end with the line.
 */
#include <stdarg.h>
#include <string.h>

#include "base/buffer.h"
#include "base/hash.h"
#include "base/text.h"
#include "grammar/grammar.h"

enum { SLOTS = 2 * ELM__MAX_RULES };

typedef struct reader {
	elm__rules *rules;
	const char *text, *end, *at;
	uint32_t *slots;  /* rules by name, open addressing, number + 1 */
	unsigned depth;	  /* of parentheses */
	const char *seen; /* the place that was located last, its line and column */
	uint32_t line, column;
} reader;

/* Line and column of a place; counted on from the last one, since places mostly come in order. */
static void locate(reader *r, const char *at, uint32_t *line, uint32_t *column)
{
	if (!r->seen || at < r->seen) {
		r->seen = r->text;
		r->line = r->column = 1;
	}
	for (; r->seen < at; r->seen++) {
		if (*r->seen == '\n') {
			r->line++;
			r->column = 1;
		} else if ((*r->seen & 0xC0) != 0x80) {
			r->column++;
		}
	}
	*line = r->line;
	*column = r->column;
}

static void fail_at(reader *r, const char *at, elm_status status, const char *format, ...)
	ELM_PRINTF(4, 5);

static void fail_at(reader *r, const char *at, elm_status status, const char *format, ...)
{
	uint32_t line, column;
	elm_error inner = { 0 };
	va_list args;

	if (r->rules->status)
		return;
	locate(r, at, &line, &column);
	va_start(args, format);
	(void)elm_error_setv(&inner, status, format, args);
	va_end(args);
	(void)elm__rules_fail(r->rules, status, "line %u column %u: %s", line, column, inner.text);
}

/* The character here, 0 at the end. */
static char peek(const reader *r)
{
	return r->at < r->end && !r->rules->status ? *r->at : '\0';
}

static bool at_end(const reader *r)
{
	return r->at == r->end || r->rules->status;
}

static void skip_space(reader *r, bool lines)
{
	for (; !at_end(r); r->at++) {
		if (*r->at == '#') {
			const char *line_end = memchr(r->at, '\n', (size_t)(r->end - r->at));

			r->at = line_end ? line_end : r->end;
			if (at_end(r))
				return;
		}
		if (*r->at != ' ' && *r->at != '\t' &&
		    !(lines && (*r->at == '\n' || *r->at == '\r')))
			return;
	}
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

static size_t name_length(const reader *r)
{
	size_t length = 0;

	while (r->at + length < r->end && is_name_char(r->at[length]))
		length++;
	return length;
}

/* The rule of the name here, which is passed; a new one when it was not heard of. */
static uint32_t read_name(reader *r)
{
	size_t length = name_length(r);
	const char *name = r->at;
	uint32_t at = (uint32_t)elm__hash64(name, length, 0), rule;

	r->at += length;
	for (; r->slots[at % SLOTS]; at++) {
		const char *known;

		rule = r->slots[at % SLOTS] - 1;
		known = r->rules->items[rule].name;
		if (strlen(known) == length && !memcmp(known, name, length))
			return rule;
	}
	rule = elm__rule_add(r->rules, name, length);
	if (r->rules->status)
		return 0;
	r->slots[at % SLOTS] = rule + 1;
	locate(r, name, &r->rules->items[rule].line, &r->rules->items[rule].column);
	return rule;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static uint32_t read_hex(reader *r, const char *start, unsigned digits)
{
	uint32_t value = 0;
	char unused[4];

	for (unsigned i = 0; i < digits; i++, r->at++) {
		int digit = at_end(r) ? -1 : hex_value(*r->at);

		if (digit < 0) {
			fail_at(r, start, ELM_ERR_FORMAT, "this escape needs %u hexadecimal digits",
				digits);
			return 0;
		}
		value = value << 4 | (uint32_t)digit;
	}
	if (!elm__utf8_encode(value, unused))
		fail_at(r, start, ELM_ERR_FORMAT, "U+%04X is not a character", value);
	return value;
}

/* A character of a literal or a class, perhaps escaped. */
static uint32_t read_char(reader *r)
{
	static const char plain[] = "\\\"[]-^", letters[] = "trn", controls[] = "\t\r\n";
	const char *start = r->at, *found;
	uint32_t code_point = 0;

	if (*r->at != '\\') {
		r->at += elm__utf8_decode(r->at, (size_t)(r->end - r->at), &code_point);
		return code_point;
	}
	r->at++;
	if (at_end(r)) {
		fail_at(r, start, ELM_ERR_FORMAT, "the text ends in an escape");
		return 0;
	}
	switch (*r->at++) {
	case 'x':
		return read_hex(r, start, 2);
	case 'u':
		return read_hex(r, start, 4);
	case 'U':
		return read_hex(r, start, 8);
	default:
		break;
	}
	found = memchr(plain, r->at[-1], sizeof(plain) - 1);
	if (found)
		return (uint32_t)*found;
	found = memchr(letters, r->at[-1], sizeof(letters) - 1);
	if (found)
		return (uint32_t)controls[found - letters];
	fail_at(r, start, ELM_ERR_FORMAT,
		"unknown escape; known are \\x \\u \\U \\t \\r \\n \\\\ \\\" \\[ \\] \\- \\^");
	return 0;
}

static elm__expr *read_literal(reader *r)
{
	const char *start = r->at++;
	elm__buf text = ELM__BUF_INIT;
	elm__expr *expr;

	while (!at_end(r) && *r->at != '"') {
		char encoded[4];
		size_t length = elm__utf8_encode(read_char(r), encoded);

		elm__buf_append(&text, encoded, length);
	}
	if (at_end(r))
		fail_at(r, start, ELM_ERR_FORMAT, "this literal has no closing quote");
	else
		r->at++;
	if (text.failed)
		(void)elm__rules_fail(r->rules, ELM_ERR_NO_MEMORY, "out of memory for a grammar");
	expr = elm__expr_text(r->rules, elm__buf_text(&text), text.length);
	elm__buf_release(&text);
	return expr;
}

static elm__expr *read_class(reader *r)
{
	const char *start = r->at++;
	elm__charset set = { 0 };
	bool inverted = peek(r) == '^';

	r->at += inverted;
	while (!at_end(r) && *r->at != ']') {
		const char *place = r->at;
		uint32_t first = read_char(r), last = first;

		if (r->end - r->at >= 2 && r->at[0] == '-' && r->at[1] != ']') {
			r->at++;
			last = read_char(r);
		}
		if (last < first)
			fail_at(r, place, ELM_ERR_FORMAT, "this range ends before it begins");
		elm__charset_add(r->rules, &set, first, last);
	}
	if (at_end(r))
		fail_at(r, start, ELM_ERR_FORMAT, "this character class has no closing bracket");
	else
		r->at++;
	if (!set.count)
		fail_at(r, start, ELM_ERR_FORMAT, "this character class is empty");
	if (inverted)
		elm__charset_invert(r->rules, &set);
	if (!set.count)
		fail_at(r, start, ELM_ERR_FORMAT, "this character class excludes everything");
	return elm__expr_class(r->rules, &set);
}

static elm__expr *read_choice(reader *r, bool nested);

static elm__expr *read_group(reader *r)
{
	const char *start = r->at++;
	elm__expr *expr;

	if (r->depth == ELM__MAX_NESTING) {
		fail_at(r, start, ELM_ERR_LIMIT, "parentheses are nested more than %d deep",
			ELM__MAX_NESTING);
		return elm__expr_list(r->rules, ELM__EXPR_SEQUENCE);
	}
	r->depth++;
	skip_space(r, true);
	expr = read_choice(r, true);
	r->depth--;
	if (peek(r) != ')')
		fail_at(r, start, ELM_ERR_FORMAT, "this parenthesis is not closed");
	else
		r->at++;
	return expr;
}

static uint32_t read_count(reader *r)
{
	const char *start = r->at;
	uint64_t value = 0;

	for (; peek(r) >= '0' && peek(r) <= '9'; r->at++)
		if (value <= ELM__MAX_REPEAT)
			value = value * 10 + (uint64_t)(*r->at - '0');
	if (r->at == start)
		fail_at(r, start, ELM_ERR_FORMAT, "a number must follow");
	if (value > ELM__MAX_REPEAT)
		fail_at(r, start, ELM_ERR_LIMIT, "this number is too large; at most %d is allowed",
			ELM__MAX_REPEAT);
	return (uint32_t)value;
}

static void read_counts(reader *r, uint32_t *min, uint32_t *max)
{
	const char *start = r->at++;

	skip_space(r, false);
	*min = *max = read_count(r);
	skip_space(r, false);
	if (peek(r) == ',') {
		r->at++;
		skip_space(r, false);
		*max = peek(r) == '}' ? ELM__UNLIMITED : read_count(r);
		skip_space(r, false);
	}
	if (peek(r) != '}')
		fail_at(r, r->at, ELM_ERR_FORMAT, "the repetition must be closed with }");
	else
		r->at++;
	if (*max < *min)
		fail_at(r, start, ELM_ERR_FORMAT,
			"this repetition has a maximum below its minimum");
}

static bool is_operator(char c)
{
	return c == '*' || c == '+' || c == '?' || c == '{';
}

/* What may stand behind an item. */
static elm__expr *read_repetition(reader *r, elm__expr *item)
{
	uint32_t min = 0, max = ELM__UNLIMITED;

	switch (peek(r)) {
	case '?':
		max = 1;
		r->at++;
		break;
	case '+':
		min = 1;
		r->at++;
		break;
	case '*':
		r->at++;
		break;
	case '{':
		read_counts(r, &min, &max);
		break;
	default:
		return item;
	}
	if (is_operator(peek(r)))
		fail_at(r, r->at, ELM_ERR_FORMAT,
			"a repetition cannot be repeated directly; use parentheses");
	return elm__expr_repeat(r->rules, item, min, max);
}

/* NULL where no item begins. */
static elm__expr *read_item(reader *r)
{
	char c = peek(r);
	elm__charset all = { 0 };

	if (c == '"')
		return read_literal(r);
	if (c == '[')
		return read_class(r);
	if (c == '(')
		return read_group(r);
	if (c == '.') {
		r->at++;
		elm__charset_add(r->rules, &all, 0, ELM__LAST_CODE_POINT);
		return elm__expr_class(r->rules, &all);
	}
	if (is_name_char(c))
		return elm__expr_rule(r->rules, read_name(r));
	if (c == '<' || c == '!')
		fail_at(r, r->at, ELM_ERR_UNSUPPORTED,
			"token references (<...>) are not supported; write the text instead");
	else if (is_operator(c))
		fail_at(r, r->at, ELM_ERR_FORMAT, "there is nothing to repeat before this");
	return NULL;
}

static elm__expr *read_sequence(reader *r, bool nested)
{
	elm__expr *sequence = elm__expr_list(r->rules, ELM__EXPR_SEQUENCE), *item;

	while ((item = read_item(r))) {
		elm__expr_add(r->rules, sequence, read_repetition(r, item));
		skip_space(r, nested);
	}
	return !r->rules->status && sequence->count == 1 ? sequence->items[0] : sequence;
}

static elm__expr *read_choice(reader *r, bool nested)
{
	elm__expr *first = read_sequence(r, nested), *choice;

	if (peek(r) != '|')
		return first;
	choice = elm__expr_list(r->rules, ELM__EXPR_CHOICE);
	elm__expr_add(r->rules, choice, first);
	while (peek(r) == '|') {
		r->at++;
		skip_space(r, true);
		elm__expr_add(r->rules, choice, read_sequence(r, nested));
	}
	return choice;
}

static void read_rule(reader *r)
{
	const char *start = r->at;
	elm__expr *body;
	uint32_t rule, line, column;

	locate(r, start, &line, &column);
	if (!name_length(r)) {
		fail_at(r, start, ELM_ERR_FORMAT, "expected the name of a rule");
		return;
	}
	rule = read_name(r);
	skip_space(r, false);
	if (r->end - r->at < 3 || memcmp(r->at, "::=", 3)) {
		fail_at(r, r->at, ELM_ERR_FORMAT, "expected ::= after the name of a rule");
		return;
	}
	r->at += 3;
	if (!r->rules->status && r->rules->items[rule].body)
		fail_at(r, start, ELM_ERR_FORMAT, "rule %.100s is defined twice",
			r->rules->items[rule].name);
	skip_space(r, true);
	body = read_choice(r, false);
	if (!at_end(r) && *r->at != '\n' && *r->at != '\r')
		fail_at(r, r->at, ELM_ERR_FORMAT,
			*r->at == ')' ? "this parenthesis was never opened" :
					"unexpected character");
	if (r->rules->status)
		return;
	r->rules->items[rule].body = body;
	r->rules->items[rule].line = line;
	r->rules->items[rule].column = column;
}

/* Every rule that is used must exist, and one must be the root. */
static void check_names(reader *r)
{
	bool found = false;

	for (uint32_t i = 0; i < r->rules->count && !r->rules->status; i++) {
		const elm__rule *rule = &r->rules->items[i];

		if (!rule->body)
			(void)elm__rules_fail(r->rules, ELM_ERR_FORMAT,
					      "line %u column %u: rule %.100s is not defined",
					      rule->line, rule->column, rule->name);
		if (!strcmp(rule->name, "root")) {
			r->rules->root = i;
			found = true;
		}
	}
	if (!found)
		(void)elm__rules_fail(r->rules, ELM_ERR_FORMAT,
				      "the grammar has no rule named root, where it would begin");
}

elm_status elm__gbnf_read(elm__rules *rules, const char *text, size_t length, elm_error *error)
{
	reader r = { .rules = rules, .text = text, .end = text + length, .at = text };

	if (!elm__utf8_valid(text, length))
		return elm_error_set(error, ELM_ERR_FORMAT, "the grammar is not valid UTF-8");
	r.slots = elm__arena_calloc(&rules->arena, SLOTS, sizeof(*r.slots));
	if (!r.slots)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a grammar");
	skip_space(&r, true);
	while (!at_end(&r)) {
		read_rule(&r);
		skip_space(&r, true);
	}
	check_names(&r);
	return elm__rules_status(rules, error);
}

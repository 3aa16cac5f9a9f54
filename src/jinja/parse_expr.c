#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "jinja/builtin.h"
#include "jinja/number.h"
#include "jinja/parser.h"
#include "jinja/unicode.h"

static jj_node *parse_unary(jj_parser *p, bool with_filters);

static bool is_operator(const jj_parser *p, const char *text)
{
	return elm__jj_is(p, JJ_T_OPERATOR, text);
}

static bool accept_operator(jj_parser *p, const char *text)
{
	return elm__jj_accept(p, JJ_T_OPERATOR, text);
}

static bool is_word(const jj_parser *p, const char *word)
{
	return elm__jj_is(p, JJ_T_NAME, word);
}

/* Literals. */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	       c >= 'a' && c <= 'f' ? c - 'a' + 10 :
	       c >= 'A' && c <= 'F' ? c - 'A' + 10 :
				      -1;
}

/* \xHH, \uHHHH and \UHHHHHHHH: reads `digits` of them at text; false when malformed. */
static bool hex_escape(const char *text, const char *end, int digits, uint32_t *out)
{
	uint32_t value = 0;
	int i, digit;

	for (i = 0; i < digits; i++) {
		digit = text + i < end ? hex_digit(text[i]) : -1;
		if (digit < 0)
			return false;
		value = value << 4 | (uint32_t)digit;
	}
	*out = value;
	return true;
}

/*
 * Decodes one escape whose backslash is at *text. Writes up to 4 bytes; returns their number, or -1
 * when malformed. An unknown escape stands for itself, backslash included, as in Python.
 */
static int unescape(const char **text, const char *end, char *out)
{
	static const char simple[] = "\\'\"abfnrtv", meaning[] = "\\'\"\a\b\f\n\r\t\v";
	const char *at = *text + 1;
	char c = *at++;
	const char *found = c ? strchr(simple, c) : NULL;
	int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
	uint32_t value = 0;
	int n;

	*text = at;
	if (c == '\n')
		return 0;
	if (found) {
		out[0] = meaning[found - simple];
		return 1;
	}
	if (digits) {
		if (!hex_escape(at, end, digits, &value))
			return -1;
		*text = at + digits;
	} else if (c >= '0' && c <= '7') {
		value = (uint32_t)(c - '0');
		for (n = 1; n < 3 && at < end && *at >= '0' && *at <= '7'; n++)
			value = value * 8 + (uint32_t)(*at++ - '0');
		*text = at;
	} else {
		*text = at - 1; /* the character itself may be of several bytes */
		out[0] = '\\';
		return 1;
	}
	n = (int)elm__utf8_encode(value, out);
	return n ? n : -1;
}

static bool append_string(jj_parser *p, const jj_token *token, char *out, size_t *length)
{
	const char *at = token->text + 1, *end = token->text + token->length - 1;
	int n;

	while (at < end) {
		if (*at != '\\') {
			out[(*length)++] = *at++;
			continue;
		}
		n = unescape(&at, end, out + *length);
		if (n < 0) {
			elm__jj_syntax_error(p, token, ELM_ERR_FORMAT,
					     "this string has a malformed escape");
			return false;
		}
		*length += (size_t)n;
	}
	return true;
}

/* One or more adjacent strings, which are one. */
static jj_node *parse_string(jj_parser *p)
{
	const jj_token *first = p->token, *token;
	size_t room = 0, length = 0;
	jj_node *node = elm__jj_node(p, JJ_N_CONST, first);
	char *text;

	for (token = first; token->type == JJ_T_STRING; token++)
		room += token->length;
	/* An escape is never shorter than what it stands for, so the source's size is enough. */
	text = elm__jj_parser_alloc(p, room, 1);
	if (!node || !text)
		return NULL;
	for (; p->token->type == JJ_T_STRING; p->token++)
		if (!append_string(p, p->token, text, &length))
			return NULL;
	node->value.kind = JJ_STRING;
	node->value.as.string = elm__jj_constant_string(p, text, length);
	return node->value.as.string ? node : NULL;
}

static jj_node *parse_number(jj_parser *p)
{
	const jj_token *token = p->token++;
	jj_node *node = elm__jj_node(p, JJ_N_CONST, token);
	bool good;

	if (!node)
		return NULL;
	if (token->type == JJ_T_FLOAT) {
		node->value.kind = JJ_FLOAT;
		good = elm__jj_parse_double(token->text, token->length, &node->value.as.real);
	} else {
		node->value.kind = JJ_INT;
		good = elm__jj_parse_integer(token->text, token->length, 0,
					     &node->value.as.integer);
	}
	if (!good)
		return elm__jj_syntax_error(p, token, ELM_ERR_FORMAT,
					    "this number is malformed or out of range");
	return node;
}

static jj_node *parse_list(jj_parser *p)
{
	const jj_token *at = p->token++;
	jj_nodes items = { 0 };
	jj_node *item;

	while (!accept_operator(p, "]")) {
		if (items.count && !elm__jj_expect(p, JJ_T_OPERATOR, ","))
			return NULL;
		if (accept_operator(p, "]"))
			break;
		item = elm__jj_parse_expression(p);
		if (!item || !elm__jj_append(p, &items, item, NULL))
			return NULL;
	}
	return elm__jj_finish(p, elm__jj_node(p, JJ_N_LIST, at), &items);
}

static jj_node *parse_dict(jj_parser *p)
{
	const jj_token *at = p->token++;
	jj_nodes items = { 0 };
	jj_node *item;

	while (!accept_operator(p, "}")) {
		if (items.count && !elm__jj_expect(p, JJ_T_OPERATOR, ","))
			return NULL;
		if (accept_operator(p, "}"))
			break;
		item = elm__jj_parse_expression(p);
		if (!item || !elm__jj_append(p, &items, item, NULL) ||
		    !elm__jj_expect(p, JJ_T_OPERATOR, ":"))
			return NULL;
		item = elm__jj_parse_expression(p);
		if (!item || !elm__jj_append(p, &items, item, NULL))
			return NULL;
	}
	return elm__jj_finish(p, elm__jj_node(p, JJ_N_DICT, at), &items);
}

static jj_node *parse_name(jj_parser *p)
{
	static const struct {
		const char *word;
		jj_kind kind;
		bool boolean;
	} constants[] = {
		{ "true", JJ_BOOL, true }, { "false", JJ_BOOL, false }, { "none", JJ_NONE, false },
		{ "True", JJ_BOOL, true }, { "False", JJ_BOOL, false }, { "None", JJ_NONE, false },
	};
	const jj_token *token = p->token;
	jj_node *node;
	size_t i;

	for (i = 0; i < sizeof(constants) / sizeof(constants[0]); i++) {
		if (!is_word(p, constants[i].word))
			continue;
		p->token++;
		node = elm__jj_node(p, JJ_N_CONST, token);
		if (node)
			node->value = constants[i].kind == JJ_NONE ? jj_none() :
								     jj_bool(constants[i].boolean);
		return node;
	}
	p->token++;
	node = elm__jj_node(p, JJ_N_NAME, token);
	if (node)
		node->name = elm__jj_intern(p, token->text, token->length, &node->symbol);
	return node && node->name ? node : NULL;
}

static jj_node *parse_primary(jj_parser *p)
{
	const jj_token *at = p->token;
	jj_node *node;

	switch (at->type) {
	case JJ_T_NAME:
		return parse_name(p);
	case JJ_T_STRING:
		return parse_string(p);
	case JJ_T_INTEGER:
	case JJ_T_FLOAT:
		return parse_number(p);
	default:
		break;
	}
	if (is_operator(p, "["))
		return parse_list(p);
	if (is_operator(p, "{"))
		return parse_dict(p);
	if (!accept_operator(p, "("))
		return elm__jj_unexpected(p, "an expression");
	if (accept_operator(p, ")"))
		return elm__jj_node(p, JJ_N_TUPLE, at);
	node = elm__jj_parse_tuple(p, false);
	return node && elm__jj_expect(p, JJ_T_OPERATOR, ")") ? node : NULL;
}

/* One argument; *named says whether a keyword argument came before and is updated. */
static bool parse_argument(jj_parser *p, jj_node *call, jj_nodes *out, bool *named)
{
	const jj_token *at = p->token;
	const jj_string *name = NULL;
	bool star = accept_operator(p, "*"), stars = !star && accept_operator(p, "**");
	jj_node *value;

	if (at->type == JJ_T_NAME && at[1].type == JJ_T_OPERATOR && at[1].length == 1 &&
	    at[1].text[0] == '=') {
		name = elm__jj_constant_string(p, at->text, at->length);
		if (!name)
			return false;
		p->token += 2;
	} else if (*named && !stars) {
		elm__jj_syntax_error(p, at, ELM_ERR_FORMAT,
				     "a positional argument follows a keyword argument");
		return false;
	}
	*named |= name || stars;
	value = elm__jj_parse_expression(p);
	if (value && (star || stars)) {
		call->unpacks = true;
		value = elm__jj_node_with(p, star ? JJ_N_UNPACK : JJ_N_UNPACK_NAMED, at, value,
					  NULL);
	}
	return value && elm__jj_append(p, out, value, name);
}

/* Arguments in parentheses, the "(" being current, appended to `out`, which are to be the children
 * of `call`. */
static bool parse_arguments(jj_parser *p, jj_node *call, jj_nodes *out)
{
	bool first = true, named = false;

	p->token++;
	while (!accept_operator(p, ")")) {
		if (!first && !elm__jj_expect(p, JJ_T_OPERATOR, ","))
			return false;
		if (accept_operator(p, ")"))
			break;
		first = false;
		if (!parse_argument(p, call, out, &named))
			return false;
	}
	return true;
}

static jj_node *parse_call(jj_parser *p, jj_node *function)
{
	jj_node *node = elm__jj_node(p, JJ_N_CALL, p->token);
	jj_nodes children = { 0 };

	if (!node || !elm__jj_append(p, &children, function, NULL) ||
	    !parse_arguments(p, node, &children))
		return NULL;
	return elm__jj_finish(p, node, &children);
}

/* What stands in a[...]: an index or a slice. */
static jj_node *parse_subscript(jj_parser *p, jj_node *subject)
{
	const jj_token *at = p->token++;
	jj_node *part[3] = { NULL, NULL, NULL };
	jj_nodes children = { 0 };
	bool slice = false;
	int i;

	for (i = 0; i < 3; i++) {
		if (!is_operator(p, ":") && !is_operator(p, "]")) {
			part[i] = elm__jj_parse_expression(p);
			if (!part[i])
				return NULL;
		}
		if (i == 2 || !accept_operator(p, ":"))
			break;
		slice = true;
	}
	if (!slice && !part[0])
		return elm__jj_unexpected(p, "an index");
	if (!elm__jj_expect(p, JJ_T_OPERATOR, "]"))
		return NULL;
	if (!slice)
		return elm__jj_node_with(p, JJ_N_ITEM, at, subject, part[0]);
	if (!elm__jj_append(p, &children, subject, NULL))
		return NULL;
	for (i = 0; i < 3; i++)
		if (!elm__jj_append(p, &children, part[i], NULL))
			return NULL;
	return elm__jj_finish(p, elm__jj_node(p, JJ_N_SLICE, at), &children);
}

static jj_node *parse_attribute(jj_parser *p, jj_node *subject)
{
	const jj_token *at = p->token++;
	jj_node *node, *index;

	if (p->token->type == JJ_T_INTEGER) {
		index = parse_number(p);
		return index ? elm__jj_node_with(p, JJ_N_ITEM, at, subject, index) : NULL;
	}
	if (p->token->type != JJ_T_NAME)
		return elm__jj_unexpected(p, "a name after '.'");
	node = elm__jj_node_with(p, JJ_N_ATTR, at, subject, NULL);
	if (node)
		node->name = elm__jj_constant_string(p, p->token->text, p->token->length);
	p->token++;
	return node && node->name ? node : NULL;
}

static jj_node *parse_postfix(jj_parser *p, jj_node *node)
{
	while (node) {
		if (is_operator(p, "."))
			node = parse_attribute(p, node);
		else if (is_operator(p, "["))
			node = parse_subscript(p, node);
		else if (is_operator(p, "("))
			node = parse_call(p, node);
		else
			break;
	}
	return node;
}

jj_node *elm__jj_parse_postfix_primary(jj_parser *p)
{
	return parse_postfix(p, parse_primary(p));
}

/* A dotted name, as filters and tests may have. */
static const jj_string *parse_dotted(jj_parser *p, const char *what)
{
	const char *begin = p->token->text;
	const jj_token *last;

	if (p->token->type != JJ_T_NAME) {
		elm__jj_unexpected(p, what);
		return NULL;
	}
	last = p->token++;
	while (is_operator(p, ".") && p->token[1].type == JJ_T_NAME) {
		last = p->token + 1;
		p->token += 2;
	}
	return elm__jj_constant_string(p, begin, (size_t)(last->text + last->length - begin));
}

static jj_node *parse_filter(jj_parser *p, jj_node *subject)
{
	jj_node *node = elm__jj_node(p, JJ_N_FILTER, p->token);
	jj_nodes children = { 0 };

	if (!node || !elm__jj_append(p, &children, subject, NULL))
		return NULL;
	node->name = parse_dotted(p, "the name of a filter");
	if (!node->name || (is_operator(p, "(") && !parse_arguments(p, node, &children)))
		return NULL;
	node->function = elm__jj_find_filter(node->name->data, node->name->length);
	return elm__jj_finish(p, node, &children);
}

jj_node *elm__jj_parse_filters(jj_parser *p, jj_node *subject)
{
	do
		subject = parse_filter(p, subject);
	while (subject && accept_operator(p, "|"));
	return subject;
}

/* Whether the current token can begin the argument of a test without parentheses. */
static bool starts_test_argument(const jj_parser *p)
{
	static const char *const stops[] = { "else", "or", "and", "if", "in", "is", "not" };
	size_t i;

	switch (p->token->type) {
	case JJ_T_STRING:
	case JJ_T_INTEGER:
	case JJ_T_FLOAT:
		return true;
	case JJ_T_NAME:
		for (i = 0; i < sizeof(stops) / sizeof(stops[0]); i++)
			if (is_word(p, stops[i]))
				return false;
		return true;
	default:
		return is_operator(p, "[") || is_operator(p, "{");
	}
}

static jj_node *parse_test(jj_parser *p, jj_node *subject)
{
	const jj_token *at = p->token++;
	jj_node *node = elm__jj_node(p, JJ_N_TEST, at), *argument;
	bool negated = elm__jj_accept(p, JJ_T_NAME, "not");
	jj_nodes children = { 0 };

	if (!node || !elm__jj_append(p, &children, subject, NULL))
		return NULL;
	node->name = parse_dotted(p, "the name of a test");
	if (!node->name)
		return NULL;
	if (is_operator(p, "(")) {
		if (!parse_arguments(p, node, &children))
			return NULL;
	} else if (starts_test_argument(p)) {
		argument = elm__jj_parse_postfix_primary(p);
		if (!argument || !elm__jj_append(p, &children, argument, NULL))
			return NULL;
	}
	node->function = elm__jj_find_test(node->name->data, node->name->length);
	node = elm__jj_finish(p, node, &children);
	return node && negated ? elm__jj_node_with(p, JJ_N_NOT, at, node, NULL) : node;
}

static jj_node *parse_filters_and_tests(jj_parser *p, jj_node *node)
{
	while (node) {
		if (accept_operator(p, "|"))
			node = parse_filter(p, node);
		else if (is_word(p, "is"))
			node = parse_test(p, node);
		else if (is_operator(p, "("))
			node = parse_call(p, node);
		else
			break;
	}
	return node;
}

static jj_node *parse_unary(jj_parser *p, bool with_filters)
{
	const jj_token *at = p->token;
	jj_node *node;

	if (!elm__jj_enter(p))
		return NULL;
	if (is_operator(p, "-") || is_operator(p, "+")) {
		p->token++;
		node = parse_unary(p, false);
		if (node)
			node = elm__jj_node_with(p, at->text[0] == '-' ? JJ_N_NEGATE : JJ_N_PLUS,
						 at, node, NULL);
	} else {
		node = parse_primary(p);
	}
	node = parse_postfix(p, node);
	if (with_filters)
		node = parse_filters_and_tests(p, node);
	jj_leave(p);
	return node;
}

/* Binary operators by how tightly they bind; 1 binds least. All associate to the left. */
static const struct {
	const char *text;
	int level;
	jj_operator operator;
} binary[] = {
	{ "+", 1, JJ_OP_ADD }, { "-", 1, JJ_OP_SUB },  { "~", 2, JJ_OP_CONCAT },
	{ "*", 3, JJ_OP_MUL }, { "/", 3, JJ_OP_DIV },  { "//", 3, JJ_OP_FLOORDIV },
	{ "%", 3, JJ_OP_MOD }, { "**", 4, JJ_OP_POW },
};

static jj_node *parse_binary(jj_parser *p, int level)
{
	jj_node *left = parse_unary(p, true), *right;
	const jj_token *at;
	size_t i;

	while (left) {
		at = p->token;
		for (i = 0; i < sizeof(binary) / sizeof(binary[0]); i++)
			if (is_operator(p, binary[i].text))
				break;
		if (i == sizeof(binary) / sizeof(binary[0]) || binary[i].level < level)
			break;
		p->token++;
		right = parse_binary(p, binary[i].level + 1);
		left = right ? elm__jj_node_with(p, JJ_N_BINARY, at, left, right) : NULL;
		if (left)
			left->operator=(uint8_t) binary[i].operator;
	}
	return left;
}

/* The comparison at the current token, which is consumed; false when there is none. */
static bool accept_comparison(jj_parser *p, uint8_t *operator)
{
	static const struct {
		const char *text;
		jj_operator operator;
	} signs[] = { { "==", JJ_OP_EQ }, { "!=", JJ_OP_NE }, { "<", JJ_OP_LT },
		      { "<=", JJ_OP_LE }, { ">", JJ_OP_GT },  { ">=", JJ_OP_GE } };
	size_t i;

	for (i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (accept_operator(p, signs[i].text)) {
			*operator=(uint8_t) signs[i].operator;
			return true;
		}
	if (elm__jj_accept(p, JJ_T_NAME, "in")) {
		*operator= JJ_OP_IN;
		return true;
	}
	if (is_word(p, "not") && p->token[1].type == JJ_T_NAME && p->token[1].length == 2 &&
	    !memcmp(p->token[1].text, "in", 2)) {
		p->token += 2;
		*operator= JJ_OP_NOT_IN;
		return true;
	}
	return false;
}

static jj_node *parse_compare(jj_parser *p)
{
	const jj_token *at = p->token;
	jj_node *operand = parse_binary(p, 1), *node;
	uint8_t operators[32], *copy, operator;
	jj_nodes operands = { 0 };

	if (!operand || !elm__jj_append(p, &operands, operand, NULL))
		return NULL;
	while (accept_comparison(p, &operator)) {
		if (operands.count > sizeof(operators))
			return elm__jj_syntax_error(p, at, ELM_ERR_UNSUPPORTED,
						    "more than %zu comparisons in a chain",
						    sizeof(operators));
		operators[operands.count - 1] = operator;
		operand = parse_binary(p, 1);
		if (!operand || !elm__jj_append(p, &operands, operand, NULL))
			return NULL;
	}
	if (operands.count == 1)
		return operand;
	node = elm__jj_node(p, JJ_N_COMPARE, at);
	copy = elm__jj_parser_alloc(p, operands.count - 1, 1);
	if (!node || !copy)
		return NULL;
	memcpy(copy, operators, operands.count - 1);
	node->operators = copy;
	return elm__jj_finish(p, node, &operands);
}

static jj_node *parse_not(jj_parser *p)
{
	const jj_token *at = p->token;
	jj_node *node;

	if (!elm__jj_accept(p, JJ_T_NAME, "not"))
		return parse_compare(p);
	if (!elm__jj_enter(p))
		return NULL;
	node = parse_not(p);
	jj_leave(p);
	return node ? elm__jj_node_with(p, JJ_N_NOT, at, node, NULL) : NULL;
}

/* a and b and c is one node, so that long chains are not deep. */
static jj_node *parse_logical(jj_parser *p, bool is_or)
{
	const jj_token *at = p->token;
	jj_nodes operands = { 0 };
	jj_node *operand;

	do {
		operand = is_or ? parse_logical(p, false) : parse_not(p);
		if (!operand || !elm__jj_append(p, &operands, operand, NULL))
			return NULL;
	} while (elm__jj_accept(p, JJ_T_NAME, is_or ? "or" : "and"));
	if (operands.count == 1)
		return operand;
	return elm__jj_finish(p, elm__jj_node(p, is_or ? JJ_N_OR : JJ_N_AND, at), &operands);
}

static jj_node *parse_conditional(jj_parser *p)
{
	const jj_token *at = p->token;
	jj_node *value = parse_logical(p, true), *condition, *other;
	jj_nodes children;

	while (value && elm__jj_accept(p, JJ_T_NAME, "if")) {
		memset(&children, 0, sizeof(children));
		other = NULL;
		condition = parse_logical(p, true);
		if (!condition)
			return NULL;
		if (elm__jj_accept(p, JJ_T_NAME, "else")) {
			other = elm__jj_parse_expression(p);
			if (!other)
				return NULL;
		}
		if (!elm__jj_append(p, &children, value, NULL) ||
		    !elm__jj_append(p, &children, condition, NULL) ||
		    !elm__jj_append(p, &children, other, NULL))
			return NULL;
		value = elm__jj_finish(p, elm__jj_node(p, JJ_N_CONDITIONAL, at), &children);
	}
	return value;
}

jj_node *elm__jj_parse_expression(jj_parser *p)
{
	jj_node *node;

	if (!elm__jj_enter(p))
		return NULL;
	node = parse_conditional(p);
	jj_leave(p);
	return node;
}

static bool ends_tuple(const jj_parser *p)
{
	return p->token->type == JJ_T_BLOCK_END || p->token->type == JJ_T_PRINT_END ||
	       is_operator(p, ")") || is_operator(p, "=") || is_word(p, "in") ||
	       is_word(p, "recursive");
}

jj_node *elm__jj_parse_tuple(jj_parser *p, bool without_condition)
{
	const jj_token *at = p->token;
	jj_nodes items = { 0 };
	jj_node *item = NULL;

	if (!elm__jj_enter(p))
		return NULL;
	do {
		if (items.count && ends_tuple(p))
			break; /* "a," is a tuple of one */
		item = without_condition ? parse_logical(p, true) : elm__jj_parse_expression(p);
		if (!item || !elm__jj_append(p, &items, item, NULL))
			return NULL;
	} while (accept_operator(p, ","));
	jj_leave(p);
	if (items.count == 1 && !(p->token[-1].type == JJ_T_OPERATOR && p->token[-1].length == 1 &&
				  p->token[-1].text[0] == ','))
		return item;
	return elm__jj_finish(p, elm__jj_node(p, JJ_N_TUPLE, at), &items);
}

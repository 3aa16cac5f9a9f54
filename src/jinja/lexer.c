/*
 * The rules of whitespace, which are where template engines differ:
 *  - line ends become '\n' first, and one '\n' at the very end of the source is dropped;
 *  - "-" inside a tag's bracket removes all whitespace on that side of the tag;
 *  - after "%}" and "#}" (not "}}") one line end is removed, unless written "+%}";
 *  - spaces and tabs before "{%" and "{#" (not "{{") are removed when they are all there is on the
 *    line before the tag, unless written "{%+".
 */
#include "jinja/lexer.h"

#include <stdbool.h>
#include <string.h>

#include "base/text.h"
#include "jinja/unicode.h"

typedef struct lexer {
	const char *name;
	const char *text;
	size_t length, at;
	elm__arena *arena;
	elm_error *error;
	jj_token *items;
	size_t count, capacity;
	bool line_starting; /* the last thing consumed ended with a line end, or there was nothing
			     */
	size_t counted;	    /* line and column are those of this offset */
	uint32_t line, column;
} lexer;

/* Offsets only grow, so positions cost one pass over the source altogether. */
static void locate(lexer *lex, size_t at, uint32_t *line, uint32_t *column)
{
	for (; lex->counted < at; lex->counted++) {
		unsigned char c = (unsigned char)lex->text[lex->counted];

		if (c == '\n') {
			lex->line++;
			lex->column = 1;
		} else if ((c & 0xc0) != 0x80) {
			lex->column++;
		}
	}
	*line = lex->line;
	*column = lex->column;
}

static elm_status syntax_error(lexer *lex, size_t at, const char *what)
{
	uint32_t line, column;

	locate(lex, at, &line, &column);
	return elm_error_set(lex->error, ELM_ERR_FORMAT, "%s: line %u column %u: %s", lex->name,
			     line, column, what);
}

static elm_status no_memory(lexer *lex)
{
	return elm_error_set(lex->error, ELM_ERR_NO_MEMORY, "%s: out of memory", lex->name);
}

static elm_status push(lexer *lex, jj_token_type type, size_t at, size_t length)
{
	jj_token *token;

	if (lex->count == lex->capacity) {
		size_t capacity = lex->capacity ? lex->capacity * 2 : 64;
		jj_token *items = elm__arena_alloc(lex->arena, capacity * sizeof(*items));

		if (!items)
			return no_memory(lex);
		if (lex->count)
			memcpy(items, lex->items, lex->count * sizeof(*items));
		lex->items = items;
		lex->capacity = capacity;
	}
	token = &lex->items[lex->count++];
	token->type = type;
	token->text = lex->text + at;
	token->length = length;
	locate(lex, at, &token->line, &token->column);
	return ELM_OK;
}

static bool looking_at(const lexer *lex, size_t at, const char *text)
{
	size_t length = strlen(text);

	return lex->length - at >= length && !memcmp(lex->text + at, text, length);
}

static void consume(lexer *lex, size_t to)
{
	if (to > lex->at)
		lex->line_starting = lex->text[to - 1] == '\n';
	lex->at = to;
}

/*
 * Consumes the end of a tag at `at`, where `close` is "%}", "}}" or "#}", maybe preceded by a sign.
 * False when there is none.
 */
static bool tag_end(lexer *lex, size_t at, const char *close, bool trims)
{
	char sign = at < lex->length ? lex->text[at] : '\0';
	size_t after;

	if (looking_at(lex, at, close))
		sign = '\0';
	else if ((sign != '-' && (sign != '+' || !trims)) || !looking_at(lex, at + 1, close))
		return false;
	after = at + (sign ? 3 : 2);
	if (sign == '-')
		after += elm__jj_leading_space(lex->text + after, lex->length - after);
	else if (!sign && trims && after < lex->length && lex->text[after] == '\n')
		after++;
	consume(lex, after);
	return true;
}

/* Text up to the tag that opens at `tag`; the character after the bracket may be a sign. */
static elm_status data(lexer *lex, size_t tag, bool is_print)
{
	size_t begin = lex->at, end = tag, line_begin;
	char sign = tag + 2 < lex->length ? lex->text[tag + 2] : '\0';

	if (sign == '-') {
		end -= elm__jj_trailing_space(lex->text + begin, end - begin);
	} else if (sign != '+' && !is_print) {
		line_begin = end;
		while (line_begin > begin && lex->text[line_begin - 1] != '\n')
			line_begin--;
		if ((line_begin > begin || lex->line_starting) &&
		    elm__jj_leading_space(lex->text + line_begin, end - line_begin) ==
			    end - line_begin)
			end = line_begin;
	}
	return end > begin ? push(lex, JJ_T_DATA, begin, end - begin) : ELM_OK;
}

/* Offset after the sign of the tag that opens at `tag`. */
static size_t after_sign(const lexer *lex, size_t tag)
{
	char sign = tag + 2 < lex->length ? lex->text[tag + 2] : '\0';

	return tag + 2 + (sign == '-' || sign == '+');
}

/* True when the tag at `tag` is {% word %}; *inside is the offset after the word and spaces. */
static bool is_word_tag(const lexer *lex, size_t tag, const char *word, size_t *inside)
{
	size_t at;

	if (!looking_at(lex, tag, "{%"))
		return false;
	at = after_sign(lex, tag);
	at += elm__jj_leading_space(lex->text + at, lex->length - at);
	if (!looking_at(lex, at, word))
		return false;
	at += strlen(word);
	at += elm__jj_leading_space(lex->text + at, lex->length - at);
	if (!looking_at(lex, at, "%}") && !looking_at(lex, at, "-%}") &&
	    !looking_at(lex, at, "+%}"))
		return false;
	*inside = at;
	return true;
}

static elm_status raw(lexer *lex, size_t tag, size_t inside)
{
	size_t at, end;
	elm_status status;

	/* Unlike other tags, raw keeps the line end after it. */
	if (!tag_end(lex, inside, "%}", false))
		return syntax_error(lex, tag, "malformed raw tag");
	for (at = lex->at; at < lex->length; at++) {
		if (!is_word_tag(lex, at, "endraw", &end))
			continue;
		status = data(lex, at, false);
		if (status == ELM_OK)
			tag_end(lex, end, "%}", true);
		return status;
	}
	return syntax_error(lex, tag, "this raw block has no {% endraw %}");
}

static elm_status comment(lexer *lex, size_t tag)
{
	size_t at;

	for (at = after_sign(lex, tag); at < lex->length; at++)
		if (tag_end(lex, at, "#}", true))
			return ELM_OK;
	return syntax_error(lex, tag, "this comment has no #}");
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Letters of other scripts are allowed in names, as in Python. */
static bool is_name_char(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (unsigned char)c >= 0x80;
}

static size_t digits(const lexer *lex, size_t at)
{
	size_t begin = at;

	while (at < lex->length &&
	       (is_digit(lex->text[at]) || (lex->text[at] == '_' && at > begin &&
					    at + 1 < lex->length && is_digit(lex->text[at + 1]))))
		at++;
	return at;
}

static elm_status number(lexer *lex)
{
	size_t begin = lex->at, at = begin, exponent;
	jj_token_type type = JJ_T_INTEGER;
	bool after_dot = lex->count && lex->items[lex->count - 1].type == JJ_T_OPERATOR &&
			 lex->items[lex->count - 1].length == 1 &&
			 lex->items[lex->count - 1].text[0] == '.';
	elm_status status;

	if (lex->text[at] == '0' && at + 1 < lex->length && strchr("xXoObB", lex->text[at + 1]) &&
	    lex->text[at + 1]) {
		at += 2;
		while (at < lex->length && is_name_char(lex->text[at]))
			at++;
	} else {
		at = digits(lex, at);
		/* In "a.0.1" both numbers are indices. */
		if (!after_dot && at + 1 < lex->length && lex->text[at] == '.' &&
		    is_digit(lex->text[at + 1])) {
			at = digits(lex, at + 1);
			type = JJ_T_FLOAT;
		}
		if (!after_dot && at < lex->length &&
		    (lex->text[at] == 'e' || lex->text[at] == 'E')) {
			exponent = at + 1;
			if (exponent < lex->length && strchr("+-", lex->text[exponent]) &&
			    lex->text[exponent])
				exponent++;
			if (exponent < lex->length && is_digit(lex->text[exponent])) {
				at = digits(lex, exponent);
				type = JJ_T_FLOAT;
			}
		}
	}
	status = push(lex, type, begin, at - begin);
	consume(lex, at);
	return status;
}

static elm_status string(lexer *lex)
{
	size_t begin = lex->at, at = begin + 1;
	char quote = lex->text[begin];
	elm_status status;

	while (at < lex->length && lex->text[at] != quote)
		at += lex->text[at] == '\\' ? 2 : 1;
	if (at >= lex->length)
		return syntax_error(lex, begin, "this string has no closing quote");
	status = push(lex, JJ_T_STRING, begin, at + 1 - begin);
	consume(lex, at + 1);
	return status;
}

static size_t operator_length(const lexer *lex, size_t at)
{
	static const char *const two[] = { "//", "**", "==", "!=", ">=", "<=" };
	size_t i;

	for (i = 0; i < sizeof(two) / sizeof(two[0]); i++)
		if (looking_at(lex, at, two[i]))
			return 2;
	return lex->text[at] && strchr("+-/*%~[](){}><=.:|,;", lex->text[at]) ? 1 : 0;
}

/* Follows brackets, because "}}" may close a dict inside a dict rather than the tag. */
static elm_status brackets(lexer *lex, char c, char *stack, size_t size, size_t *depth)
{
	static const char open[] = "([{", shut[] = ")]}";
	const char *found;

	found = strchr(open, c);
	if (found) {
		if (*depth == size)
			return syntax_error(lex, lex->at, "brackets are nested too deeply");
		stack[(*depth)++] = shut[found - open];
	} else if (strchr(shut, c)) {
		if (!*depth || stack[*depth - 1] != c)
			return syntax_error(lex, lex->at, "this bracket was not opened");
		(*depth)--;
	}
	return ELM_OK;
}

/* The inside of {{ }} or {% %}, up to and with its end. */
static elm_status tag(lexer *lex, size_t begin, bool is_print)
{
	const char *close = is_print ? "}}" : "%}";
	char stack[256];
	size_t depth = 0, end, length;
	elm_status status = ELM_OK;
	char c;

	status = push(lex, is_print ? JJ_T_PRINT_BEGIN : JJ_T_BLOCK_BEGIN, begin, 2);
	consume(lex, after_sign(lex, begin));
	while (status == ELM_OK) {
		consume(lex, lex->at + elm__jj_leading_space(lex->text + lex->at,
							     lex->length - lex->at));
		if (lex->at >= lex->length)
			return syntax_error(lex, begin,
					    is_print ? "this {{ has no }}" : "this {% has no %}");
		end = lex->at;
		if (!depth && tag_end(lex, end, close, !is_print))
			return push(lex, is_print ? JJ_T_PRINT_END : JJ_T_BLOCK_END, end, 2);
		c = lex->text[lex->at];
		if (is_digit(c)) {
			status = number(lex);
		} else if (is_name_char(c)) {
			for (end = lex->at; end < lex->length && is_name_char(lex->text[end]);)
				end++;
			status = push(lex, JJ_T_NAME, lex->at, end - lex->at);
			consume(lex, end);
		} else if (c == '\'' || c == '"') {
			status = string(lex);
		} else {
			length = operator_length(lex, lex->at);
			if (!length)
				return syntax_error(lex, lex->at, "unexpected character");
			status = brackets(lex, c, stack, sizeof(stack), &depth);
			if (status == ELM_OK)
				status = push(lex, JJ_T_OPERATOR, lex->at, length);
			consume(lex, lex->at + length);
		}
	}
	return status;
}

static elm_status lex_all(lexer *lex)
{
	elm_status status = ELM_OK;
	size_t at, inside;

	while (status == ELM_OK && lex->at < lex->length) {
		for (at = lex->at; at < lex->length; at++)
			if (lex->text[at] == '{' && at + 1 < lex->length &&
			    strchr("{%#", lex->text[at + 1]) && lex->text[at + 1])
				break;
		if (at == lex->length) {
			status = push(lex, JJ_T_DATA, lex->at, at - lex->at);
			lex->at = at;
			break;
		}
		status = data(lex, at, lex->text[at + 1] == '{');
		if (status != ELM_OK)
			break;
		if (lex->text[at + 1] == '#')
			status = comment(lex, at);
		else if (is_word_tag(lex, at, "raw", &inside))
			status = raw(lex, at, inside);
		else
			status = tag(lex, at, lex->text[at + 1] == '{');
	}
	return status == ELM_OK ? push(lex, JJ_T_END, lex->length, 0) : status;
}

elm_status elm__jj_lex(const char *name, const char *source, size_t length, elm__arena *arena,
		       jj_tokens *out, elm_error *error)
{
	lexer lex = { .name = name, .arena = arena, .error = error };
	elm_status status;
	char *text;
	size_t i;

	lex.line = lex.column = 1;
	lex.line_starting = true;
	if (!elm__utf8_valid(source, length))
		return elm_error_set(error, ELM_ERR_FORMAT, "%s: the template is not UTF-8 text",
				     name);
	text = elm__arena_alloc(arena, length + 1);
	if (!text)
		return no_memory(&lex);
	for (i = 0; i < length; i++) {
		if (source[i] == '\r' && i + 1 < length && source[i + 1] == '\n')
			continue;
		text[lex.length++] = source[i] == '\r' ? '\n' : source[i];
	}
	if (lex.length && text[lex.length - 1] == '\n')
		lex.length--;
	lex.text = text;
	status = lex_all(&lex);
	out->items = lex.items;
	out->count = lex.count;
	return status;
}

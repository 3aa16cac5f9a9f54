#include "study/json_pull.h"

#include <stdint.h>
#include <string.h>

#include "base/text.h"

void elm__pull_init(elm__pull *pull, const char *name, const char *text, size_t length,
		    elm_error *error)
{
	*pull = (elm__pull){
		.name = name, .text = text, .at = text, .end = text + length, .error = error
	};
}

static size_t line_number(const elm__pull *pull)
{
	size_t line = 1;

	for (const char *at = pull->text; (at = memchr(at, '\n', (size_t)(pull->at - at))); at++)
		line++;
	return line;
}

bool elm__pull_fail(elm__pull *pull, elm_status status, const char *format, ...)
{
	elm_error reason = { 0 };
	va_list args;

	if (pull->status != ELM_OK)
		return false;
	va_start(args, format);
	elm_error_setv(&reason, status, format, args);
	va_end(args);
	pull->status = elm_error_set(pull->error, status, "%s:%zu: %s", pull->name,
				     line_number(pull), reason.text);
	return false;
}

/* The next character that is no white space, or 0 at the end and after a failure. */
static char peek(elm__pull *pull)
{
	if (pull->status != ELM_OK)
		return 0;
	while (pull->at < pull->end && memchr(" \t\r\n", *pull->at, 4))
		pull->at++;
	return pull->at < pull->end ? *pull->at : 0;
}

static bool expect(elm__pull *pull, char wanted, const char *what)
{
	char c = peek(pull);

	if (c == wanted && pull->at < pull->end) {
		pull->at++;
		return true;
	}
	if (pull->at == pull->end)
		return elm__pull_fail(pull, ELM_ERR_FORMAT, "the file ends where %s is expected",
				      what);
	return elm__pull_fail(pull, ELM_ERR_FORMAT, "%s is expected, not '%c'", what, c);
}

static bool enter(elm__pull *pull, char open, const char *what)
{
	if (!expect(pull, open, what))
		return false;
	if (pull->depth == ELM__PULL_DEPTH)
		return elm__pull_fail(pull, ELM_ERR_LIMIT, "nested deeper than %d levels",
				      ELM__PULL_DEPTH);
	pull->more[pull->depth++] = false;
	return true;
}

/* To the next member of the innermost level; false at its end, which is consumed. */
static bool next(elm__pull *pull, char close)
{
	bool *more = &pull->more[pull->depth - 1];

	if (peek(pull) == close) {
		pull->at++;
		pull->depth--;
		return false;
	}
	if (*more && !expect(pull, ',', "a comma"))
		return false;
	*more = true;
	return pull->status == ELM_OK;
}

bool elm__pull_object(elm__pull *pull)
{
	return enter(pull, '{', "an object");
}

bool elm__pull_key(elm__pull *pull, elm__buf *key)
{
	return next(pull, '}') && elm__pull_string(pull, key) && expect(pull, ':', "a colon");
}

bool elm__pull_array(elm__pull *pull)
{
	return enter(pull, '[', "an array");
}

bool elm__pull_item(elm__pull *pull)
{
	return next(pull, ']');
}

static bool hex4(elm__pull *pull, uint32_t *out)
{
	uint32_t value = 0;

	for (int i = 0; i < 4; i++, pull->at++) {
		static const char digits[] = "0123456789abcdef";
		char c = pull->at < pull->end ? *pull->at : 0;
		const char *digit =
			c ? strchr(digits, c >= 'A' && c <= 'F' ? c + ('a' - 'A') : c) : NULL;

		if (!digit)
			return elm__pull_fail(pull, ELM_ERR_FORMAT,
					      "\\u needs four hexadecimal digits");
		value = value << 4 | (uint32_t)(digit - digits);
	}
	*out = value;
	return true;
}

/* Behind \u. */
static bool unicode_escape(elm__pull *pull, elm__buf *out)
{
	uint32_t point = 0, low = 0;
	char bytes[4];
	size_t length;

	if (!hex4(pull, &point))
		return false;
	if (point >= 0xd800 && point < 0xdc00) {
		if (pull->end - pull->at < 2 || memcmp(pull->at, "\\u", 2) != 0)
			return elm__pull_fail(pull, ELM_ERR_FORMAT, "half of a surrogate pair");
		pull->at += 2;
		if (!hex4(pull, &low))
			return false;
		if (low < 0xdc00 || low > 0xdfff)
			return elm__pull_fail(pull, ELM_ERR_FORMAT, "half of a surrogate pair");
		point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
	}
	length = elm__utf8_encode(point, bytes);
	if (!length)
		return elm__pull_fail(pull, ELM_ERR_FORMAT, "half of a surrogate pair");
	if (out)
		elm__buf_append(out, bytes, length);
	return true;
}

/* Behind a backslash. */
static bool escape(elm__pull *pull, elm__buf *out)
{
	static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
	char c = pull->at < pull->end ? *pull->at : 0;
	const char *letter = c ? strchr(letters, c) : NULL;

	if (c == 'u') {
		pull->at++;
		return unicode_escape(pull, out);
	}
	if (!letter)
		return elm__pull_fail(pull, ELM_ERR_FORMAT, "there is no such escape in JSON");
	pull->at++;
	if (out)
		elm__buf_putc(out, meanings[letter - letters]);
	return true;
}

bool elm__pull_string(elm__pull *pull, elm__buf *out)
{
	if (out)
		elm__buf_clear(out);
	if (!expect(pull, '"', "a string"))
		return false;
	while (pull->at < pull->end && *pull->at != '"') {
		const char *start = pull->at;

		while (pull->at < pull->end && *pull->at != '"' && *pull->at != '\\' &&
		       (unsigned char)*pull->at >= ' ')
			pull->at++;
		if (!elm__utf8_valid(start, (size_t)(pull->at - start)))
			return elm__pull_fail(pull, ELM_ERR_FORMAT, "a string is not UTF-8");
		if (out)
			elm__buf_append(out, start, (size_t)(pull->at - start));
		if (pull->at == pull->end || *pull->at == '"')
			break;
		if (*pull->at != '\\')
			return elm__pull_fail(pull, ELM_ERR_FORMAT,
					      "a string has a control character (%d) in it",
					      *pull->at);
		pull->at++;
		if (!escape(pull, out))
			return false;
	}
	if (pull->at == pull->end)
		return elm__pull_fail(pull, ELM_ERR_FORMAT, "the file ends within a string");
	pull->at++;
	if (out && out->failed)
		return elm__pull_fail(pull, ELM_ERR_NO_MEMORY, "out of memory for a string");
	return true;
}

static size_t digits(elm__pull *pull)
{
	size_t count = 0;

	for (; pull->at < pull->end && *pull->at >= '0' && *pull->at <= '9'; pull->at++)
		count++;
	return count;
}

static bool accept_one(elm__pull *pull, const char *set)
{
	if (pull->at == pull->end || !*pull->at || !strchr(set, *pull->at))
		return false;
	pull->at++;
	return true;
}

static bool skip_number(elm__pull *pull)
{
	bool good;

	accept_one(pull, "-");
	good = digits(pull) > 0;
	if (accept_one(pull, "."))
		good = digits(pull) > 0 && good;
	if (accept_one(pull, "eE")) {
		accept_one(pull, "+-");
		good = digits(pull) > 0 && good;
	}
	return good || elm__pull_fail(pull, ELM_ERR_FORMAT, "a value is expected");
}

static bool skip_word(elm__pull *pull, const char *word)
{
	size_t length = strlen(word);

	if ((size_t)(pull->end - pull->at) < length || memcmp(pull->at, word, length) != 0)
		return elm__pull_fail(pull, ELM_ERR_FORMAT, "a value is expected");
	pull->at += length;
	return true;
}

bool elm__pull_skip(elm__pull *pull)
{
	switch (peek(pull)) {
	case '"':
		return elm__pull_string(pull, NULL);
	case '{':
		if (elm__pull_object(pull))
			while (elm__pull_key(pull, NULL))
				elm__pull_skip(pull);
		break;
	case '[':
		if (elm__pull_array(pull))
			while (elm__pull_item(pull))
				elm__pull_skip(pull);
		break;
	case 't':
		return skip_word(pull, "true");
	case 'f':
		return skip_word(pull, "false");
	case 'n':
		return skip_word(pull, "null");
	default:
		return pull->status == ELM_OK && skip_number(pull);
	}
	return pull->status == ELM_OK;
}

elm_status elm__pull_end(elm__pull *pull)
{
	peek(pull);
	if (pull->status == ELM_OK && pull->at < pull->end)
		elm__pull_fail(pull, ELM_ERR_FORMAT, "there is something after the end");
	return pull->status;
}

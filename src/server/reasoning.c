#include "server/reasoning.h"

#include <string.h>

static const char opening[] = "<think>";
static const char closing[] = "</think>";

enum { OPENING = sizeof(opening) - 1, CLOSING = sizeof(closing) - 1 };

static bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static size_t skip_blanks(const char *text, size_t from, size_t length)
{
	while (from < length && is_blank(text[from]))
		from++;
	return from;
}

static size_t drop_blanks(const char *text, size_t from, size_t end)
{
	while (end > from && is_blank(text[end - 1]))
		end--;
	return end;
}

static void look_for_opening(elm__thoughts *t, const char *text, size_t length, bool complete)
{
	size_t at = skip_blanks(text, 0, length), there = length - at;

	if (there >= OPENING && !memcmp(text + at, opening, OPENING)) {
		t->stage = ELM__THOUGHTS_INSIDE;
		t->begin = t->end = t->scanned = at + OPENING;
	} else if (complete ||
		   (there && memcmp(text + at, opening, there < OPENING ? there : OPENING) != 0)) {
		t->stage = ELM__THOUGHTS_NONE;
	}
}

/* Bytes at the end of the text that may be the beginning of the closing tag. */
static size_t half_a_tag(const char *text, size_t from, size_t length)
{
	size_t n = length - from < CLOSING - 1 ? length - from : CLOSING - 1;

	while (n && memcmp(text + length - n, closing, n) != 0)
		n--;
	return n;
}

static void look_for_closing(elm__thoughts *t, const char *text, size_t length, bool complete)
{
	const char *found;

	if (t->begin == t->end)
		t->begin = t->end = skip_blanks(text, t->begin, length);
	if (t->scanned < t->begin)
		t->scanned = t->begin;
	found = memmem(text + t->scanned, length - t->scanned, closing, CLOSING);
	if (found) {
		t->stage = ELM__THOUGHTS_BEHIND;
		t->end = drop_blanks(text, t->begin, (size_t)(found - text));
		t->answer = (size_t)(found - text) + CLOSING;
		return;
	}
	t->scanned = length - (complete ? 0 : half_a_tag(text, t->scanned, length));
	t->end = drop_blanks(text, t->begin, t->scanned);
}

void elm__thoughts_read(elm__thoughts *t, const char *text, size_t length, bool complete)
{
	if (t->stage == ELM__THOUGHTS_UNKNOWN)
		look_for_opening(t, text, length, complete);
	if (t->stage == ELM__THOUGHTS_INSIDE)
		look_for_closing(t, text, length, complete);
	if (t->stage == ELM__THOUGHTS_BEHIND)
		t->answer = skip_blanks(text, t->answer, length);
	else
		t->answer = t->stage == ELM__THOUGHTS_NONE ? 0 : length;
}

bool elm__thoughts_opened(const char *prompt, size_t length)
{
	length = drop_blanks(prompt, 0, length);
	return length >= OPENING && !memcmp(prompt + length - OPENING, opening, OPENING);
}

/* import_text.c: what the rules of import do to texts. All but lower-casing only make them shorter,
 * so they work in place. */
#include <utf8proc.h>

#include <string.h>

#include "base/text.h"
#include "study/import.h"

size_t elm__text_characters(const char *text, size_t length)
{
	size_t count = 0;

	for (size_t i = 0; i < length; i++)
		count += ((unsigned char)text[i] & 0xc0) != 0x80;
	return count;
}

static void cut_to(elm__buf *text, size_t length)
{
	text->length = length;
	if (text->data)
		text->data[length] = '\0';
}

static bool is_letter(const char *text, size_t length)
{
	uint32_t point;
	utf8proc_category_t kind;

	if (!elm__utf8_decode(text, length, &point))
		return false;
	kind = utf8proc_category((utf8proc_int32_t)point);
	return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}

/* A capital sigma at the end of a word becomes another letter than elsewhere. */
static uint32_t lower_sigma(const char *text, size_t at, size_t length)
{
	size_t before = at;

	while (before > 0 && ((unsigned char)text[--before] & 0xc0) == 0x80)
		;
	return at && is_letter(text + before, at - before) &&
			       !is_letter(text + at + 2, length - at - 2) ?
		       0x3c2 :
		       0x3c3;
}

void elm__text_lower(elm__buf *text)
{
	elm__buf out = ELM__BUF_INIT;
	size_t step;

	for (size_t i = 0; i < text->length; i += step) {
		uint32_t point;
		char bytes[4];

		step = elm__utf8_decode(text->data + i, text->length - i, &point);
		if (!step) { /* cannot be: readers check */
			step = 1;
			continue;
		}
		if (point == 0x3a3)
			point = lower_sigma(text->data, i, text->length);
		else if (point == 0x130) /* its dot stays, as a character of its own */
			elm__buf_putc(&out, 'i'), point = 0x307;
		else
			point = (uint32_t)utf8proc_tolower((utf8proc_int32_t)point);
		elm__buf_append(&out, bytes, elm__utf8_encode(point, bytes));
	}
	out.failed |= text->failed;
	elm__buf_release(text);
	*text = out;
}

void elm__text_remove(elm__buf *text, const char *part)
{
	size_t length = strlen(part), kept = 0, from = 0;

	while (from < text->length) {
		const char *found = memmem(text->data + from, text->length - from, part, length);
		size_t until = found ? (size_t)(found - text->data) : text->length;

		memmove(text->data + kept, text->data + from, until - from);
		kept += until - from;
		from = until + (found ? length : 0);
	}
	cut_to(text, kept);
}

void elm__text_clean(elm__buf *text)
{
	size_t kept = 0;

	for (size_t i = 0; i < text->length; i++) {
		char c = text->data[i];

		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c && strchr(" ,.?!-", c)))
			text->data[kept++] = c;
	}
	cut_to(text, kept);
}

/* The end of the match of <SYSTEM>((.|\n)(?!<USER>))+[ ?.] that begins at `start`; 0: there is
 * none. Its greedy middle runs up to the character before the next <USER> that begins behind its
 * first character, then goes back to the last of [ ?.]. */
static size_t system_match(const char *text, size_t start, size_t length)
{
	enum { TAG = 8 }; /* <SYSTEM> */
	size_t first = start + TAG + 1, last;
	const char *user;

	if (first >= length)
		return 0;
	user = memmem(text + first, length - first, "<USER>", 6);
	last = user ? (size_t)(user - text) : length;
	while (last > first)
		if (strchr(" ?.", text[--last]) && text[last])
			return last + 1;
	return 0;
}

void elm__text_remove_system(elm__buf *text)
{
	size_t kept = 0, from = 0;

	while (from < text->length) {
		const char *found = memmem(text->data + from, text->length - from, "<SYSTEM>", 8);
		size_t start = found ? (size_t)(found - text->data) : text->length;
		size_t end = found ? system_match(text->data, start, text->length) : text->length;

		if (!end) /* goes on behind its first character */
			end = ++start;
		memmove(text->data + kept, text->data + from, start - from);
		kept += start - from;
		from = end;
	}
	cut_to(text, kept);
}

void elm__text_remove_references(elm__buf *text)
{
	size_t kept = 0, run;

	for (size_t i = 0; i < text->length; i += run) {
		for (run = 0; i + run < text->length; run++) {
			char c = text->data[i + run];

			if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z'))
				break;
		}
		if (run < 8) {
			run += run == 0;
			memmove(text->data + kept, text->data + i, run);
			kept += run;
		}
	}
	cut_to(text, kept);
}

void elm__text_one_line(elm__buf *text)
{
	for (size_t i = 0; i < text->length; i++)
		if ((unsigned char)text->data[i] < ' ' || text->data[i] == 0x7f)
			text->data[i] = ' ';
}

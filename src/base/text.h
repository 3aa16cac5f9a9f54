/* text.h: UTF-8 and number parsing shared by everything that reads text. */
#ifndef ELM_BASE_TEXT_H
#define ELM_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Decodes one character of UTF-8 at text[0..length). Returns its length in bytes (1 to 4) and
 * stores the code point, or 0 when the bytes are not the start of a valid character (overlong,
 * surrogate, above U+10FFFF, cut short, or length 0).
 */
size_t elm__utf8_decode(const char *text, size_t length, uint32_t *code_point);

/* Writes the UTF-8 form of a code point (1 to 4 bytes) to out[4]; returns its length, 0 if invalid.
 */
size_t elm__utf8_encode(uint32_t code_point, char out[4]);

/* True when all of text[0..length) is valid UTF-8. */
bool elm__utf8_valid(const char *text, size_t length);

/*
 * The length of the longest prefix of text[0..length) that does not end inside a character. At most
 * three bytes are held back; bytes that can never become a character are not held back.
 */
size_t elm__utf8_prefix(const char *text, size_t length);

/*
 * Makes text that quotes hostile names safe to show, in place: control characters and bytes that
 * are not UTF-8 become '?', so that it cannot move a cursor or forge a line; a character that was
 * cut off at the end goes.
 */
void elm__make_printable(char *text);

/* Whole-string decimal conversions; false (and *out untouched) on junk, overflow or out of range.
 * No white space, no hexadecimal, no "inf". The decimal point is that of LC_NUMERIC. */
bool elm__parse_i64(const char *text, int64_t low, int64_t high, int64_t *out);
bool elm__parse_f64(const char *text, double low, double high, double *out); /* refuses NaN */

/* "1.50 GiB", "640 KiB", "12 B" into out; returns out. */
const char *elm__format_bytes(uint64_t bytes, char *out, size_t size);

#endif

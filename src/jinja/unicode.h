/* unicode.h: what Python's str knows about characters, over UTF-8. */
#ifndef ELM_JINJA_UNICODE_H
#define ELM_JINJA_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* str.isspace of one character; also what strip() and split() without arguments cut at. */
bool elm__jj_is_space(uint32_t code_point);
bool elm__jj_is_printable(uint32_t code_point); /* shown as itself by repr() */
bool elm__jj_is_alpha(uint32_t code_point);
bool elm__jj_is_digit(uint32_t code_point); /* decimal digits */
bool elm__jj_is_upper(uint32_t code_point); /* upper or title case */
bool elm__jj_is_lower(uint32_t code_point);
bool elm__jj_is_cased(uint32_t code_point);

/* The character at text[0..length), which must be valid UTF-8 and not empty; *size is its bytes. */
uint32_t elm__jj_char(const char *text, size_t length, size_t *size);
/* The last character of text[0..length), likewise. */
uint32_t elm__jj_last_char(const char *text, size_t length, size_t *size);

size_t elm__jj_count_chars(const char *text, size_t length);
/* Bytes of the first `chars` characters; length when there are fewer. */
size_t elm__jj_char_offset(const char *text, size_t length, size_t chars);

/* Lengths of the whitespace at either end. */
size_t elm__jj_leading_space(const char *text, size_t length);
size_t elm__jj_trailing_space(const char *text, size_t length);

#endif

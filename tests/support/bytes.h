/*
 * bytes.h: files written by hand, as text.
 *
 * A text of words separated by blanks, each some bytes:
 *     r:TEXT     the characters themselves
 *     s:TEXT     a GGUF string: its length as 8 bytes, then the characters
 *     N:VALUE    an integer in N bytes (1, 2, 4, 8), little-endian; may be negative
 *     x:HEX      bytes in hexadecimal
 *     z:COUNT    zeros
 *     f:COUNT:C  a character many times
 *     k:KIND:KEY a metadata key and the kind of its value, which follows
 *     t:AT:NAME  the entry of a tensor: 8 F32 in one row, at offset AT of the data
 *     a:SIZE     zeros up to a multiple of SIZE
 */
#ifndef ELM_TESTS_BYTES_H
#define ELM_TESTS_BYTES_H

#include "base/buffer.h"

/* Appends; ends the program with a message when the text is wrong, which is a bug of the test. */
void bytes_from_text(elm__buf *out, const char *text);

#endif

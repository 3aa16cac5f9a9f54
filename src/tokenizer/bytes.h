/*
 * bytes.h: the printable alphabet of byte-level BPE.
 *
 * Vocabularies of this kind store each byte as one printable character: a byte that is printable in
 * Latin-1 is its own code point, the other 68 are U+0100 onwards in order. We store and match the
 * bytes themselves, so text need not be translated; only the vocabulary is, once, when it is read.
 */
#ifndef ELM_TOKENIZER_BYTES_H
#define ELM_TOKENIZER_BYTES_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Writes the bytes that text[0..length) stands for to out, which has room for `length` bytes, and
 * their number to *written. False when a character is not of that alphabet.
 */
bool elm__bytes_decode(const char *text, size_t length, char *out, size_t *written);

/* The character of a byte, in UTF-8: writes 1 or 2 bytes, returns how many. */
size_t elm__bytes_encode(unsigned char byte, char out[2]);

/* The value of a token such as "<0x0A>" (byte fallback); -1 when the text is not of that form. */
int elm__bytes_fallback(const char *text, size_t length);

#endif

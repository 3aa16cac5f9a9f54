/* number.h: numbers as Python reads and writes them, whatever the locale. */
#ifndef ELM_JINJA_NUMBER_H
#define ELM_JINJA_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JJ_NUMBER_TEXT = 32 }; /* room for any number in decimal, with the NUL */

/*
 * An integer with an optional sign; single underscores may stand between digits. Base 2 to 36, or 0
 * for what the prefix says (0x, 0o, 0b, else 10). False when malformed or beyond 64 bits.
 */
bool elm__jj_parse_integer(const char *text, size_t length, int base, int64_t *out);

/* A decimal number, "inf" or "nan"; underscores as above. Overflow gives infinity. */
bool elm__jj_parse_double(const char *text, size_t length, double *out);

/* repr() of a float: the shortest digits that read back as the same number. */
size_t elm__jj_format_double(double value, char out[JJ_NUMBER_TEXT]);

/* snprintf("%.*f") and the like with a '.' in every locale. `out` has `size` bytes; returns the
 * length, cut to what fits. */
size_t elm__jj_format_fixed(double value, char conversion, int precision, char *out, size_t size);

#endif

/* import_cases.h: small files in the formats that `edgelm study import` reads, made by hand. */
#ifndef ELM_TESTS_IMPORT_CASES_H
#define ELM_TESTS_IMPORT_CASES_H

#include "study/import.h"

typedef struct import_case {
	const char *name;
	elm__import_source source;
	const char *text;
	const char *all;   /* the whole of the query file with all of them; NULL: refused */
	const char *error; /* part of the sentence */
} import_case;

extern const import_case import_cases[]; /* ends with a name of NULL */

#endif

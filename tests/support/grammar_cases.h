/* grammar_cases.h: grammars and schemas with texts that they allow and forbid, and those that are
 * errors, for the unit tests and as seeds of the fuzzers. */
#ifndef ELM_TESTS_GRAMMAR_CASES_H
#define ELM_TESTS_GRAMMAR_CASES_H

#include <stddef.h>

enum { GRAMMAR_TEXTS = 16 };

typedef struct grammar_case {
	const char *name;
	const char *source;
	const char *yes[GRAMMAR_TEXTS], *no[GRAMMAR_TEXTS]; /* end with NULL where shorter */
} grammar_case;

typedef struct grammar_error {
	const char *source;
	int status;	   /* elm_status */
	const char *error; /* part of the sentence */
} grammar_error;

extern const grammar_case gbnf_cases[], schema_cases[];
extern const size_t gbnf_case_count, schema_case_count;
extern const grammar_error gbnf_errors[], schema_errors[];
extern const size_t gbnf_error_count, schema_error_count;

#endif

/* gguf_cases.h: small GGUF files, good and bad, for the unit test and as seeds of the fuzzer. */
#ifndef ELM_TESTS_GGUF_CASES_H
#define ELM_TESTS_GGUF_CASES_H

#include <edgelm/gguf.h>

typedef struct gguf_case {
	const char *name;  /* also the name of the seed */
	const char *bytes; /* see bytes.h */
	elm_status status; /* that opening gives */
	const char *where; /* parts of the error text; NULL when it opens */
	const char *what;
} gguf_case;

extern const gguf_case gguf_cases[];
extern const size_t gguf_case_count;

/* Reads all that a model gives access to, and returns something that depends on all of it. Tensor
 * data is read at its two ends only. */
uint64_t gguf_walk(const elm_gguf *gguf);

#endif

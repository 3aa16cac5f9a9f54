/* list.h: lists of whole numbers as the options of benchmarks give them. */
#ifndef ELM_BENCH_LIST_H
#define ELM_BENCH_LIST_H

#include <edgelm/status.h>
#include <stddef.h>
#include <stdint.h>

typedef struct elm__numbers {
	uint32_t *items;
	size_t count;
} elm__numbers;

/* What a list may hold, and how errors call it: "--n-prompt". */
typedef struct elm__numbers_kind {
	const char *name;
	uint32_t low, high;
	char separator; /* ',' or ';' */
} elm__numbers_kind;

enum { ELM__NUMBERS_MAX = 4096 }; /* in one list */

/*
 * Appends the numbers of "512", "128,256" or a range: "1-8" (steps of 1), "128-512+128" or
 * "1-16*2", in any mixture between separators. ELM_ERR_ARGUMENT says what is wrong with the text;
 * the list is then as it was.
 */
ELM_NODISCARD elm_status elm__numbers_parse(elm__numbers *list, const elm__numbers_kind *kind,
					    const char *text, elm_error *error);
/* The same for tuples, "128,512", and with a separator of ';' "128,512;256,256": every two numbers
 * that are appended are one pair. No ranges. */
ELM_NODISCARD elm_status elm__numbers_parse_pairs(elm__numbers *list, const elm__numbers_kind *kind,
						  const char *text, elm_error *error);
ELM_NODISCARD elm_status elm__numbers_add(elm__numbers *list, uint32_t number, elm_error *error);
void elm__numbers_release(elm__numbers *list);

#endif

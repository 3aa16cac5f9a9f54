/* jinja_cases.h: small templates with what Jinja2 under Python makes of them, for the unit tests
 * and as seeds of the fuzzer. */
#ifndef ELM_TESTS_JINJA_CASES_H
#define ELM_TESTS_JINJA_CASES_H

#include <stddef.h>

typedef struct jinja_case {
	const char *source;
	const char *want;    /* the output; NULL when it must fail */
	const char *error;   /* part of the error text, when it must */
	const char *context; /* JSON; NULL for an empty object */
} jinja_case;

typedef struct jinja_group {
	const char *name;
	const jinja_case *cases;
	size_t count;
} jinja_group;

extern const jinja_group jinja_groups[];
extern const size_t jinja_group_count;

/* Whole templates in the manner of published ones, and a conversation with all kinds of messages.
 */
typedef struct jinja_template {
	const char *name, *source;
} jinja_template;

extern const jinja_template jinja_templates[];
extern const size_t jinja_template_count;
extern const char jinja_conversation[];

#endif

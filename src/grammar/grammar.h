/* grammar.h: the readers, and what they make. */
#ifndef ELM_GRAMMAR_GRAMMAR_H
#define ELM_GRAMMAR_GRAMMAR_H

#include <jansson.h>
#include <stdatomic.h>

#include "grammar/matcher.h"

struct elm_grammar {
	atomic_uint references;
	elm__program program;
	pthread_mutex_t lock; /* of the list */
	elm__matcher *matchers;
};

/* Adds the rules of a text to `rules` (initialised), and sets the root. */
ELM_NODISCARD elm_status elm__gbnf_read(elm__rules *rules, const char *text, size_t length,
					elm_error *error);
ELM_NODISCARD elm_status elm__schema_read(elm__rules *rules, const json_t *schema,
					  elm_error *error);

#endif

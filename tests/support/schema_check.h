/* schema_check.h: whether a JSON value is valid under a schema, written straight from the
 * specification and slow, to check what grammars made of schemas allow. */
#ifndef ELM_TESTS_SCHEMA_CHECK_H
#define ELM_TESTS_SCHEMA_CHECK_H

#include <jansson.h>
#include <stdbool.h>

/* Knows the keywords that grammars support; others do not matter to it. */
bool schema_accepts(const json_t *schema, const json_t *value);

#endif

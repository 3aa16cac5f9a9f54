/* regex.h: regular expressions (a subset of ECMA-262's) as expressions over JSON strings. */
#ifndef ELM_GRAMMAR_REGEX_H
#define ELM_GRAMMAR_REGEX_H

#include "grammar/json.h"

/*
 * What stands between the quotes of a JSON string whose value matches the pattern. Like a JSON
 * schema, a pattern that does not begin with ^ or end with $ may match anywhere in the string.
 * Characters are escaped only where they must be. On failure the result is NULL and `error` says
 * what and where in the pattern; failures of memory and size are those of the rules.
 */
elm__expr *elm__regex_read(elm__json *json, const char *pattern, size_t length, elm_error *error);

#endif

/* json.h: the parts of JSON as rules. All text that they allow is valid JSON; white space and the
 * length of numbers are bounded, so that output cannot run on in them. */
#ifndef ELM_GRAMMAR_JSON_H
#define ELM_GRAMMAR_JSON_H

#include <jansson.h>

#include "grammar/expr.h"

typedef enum elm__json_part {
	ELM__JSON_SPACE, /* nothing, a space, or a line end and at most 20 spaces and tabs */
	ELM__JSON_CHAR,	 /* a character inside a string, plain or escaped */
	ELM__JSON_KEY,	 /* a string without escapes */
	ELM__JSON_STRING,
	ELM__JSON_INTEGER, /* at most 16 digits */
	ELM__JSON_NUMBER,  /* and 16 behind the point, and an exponent of two */
	ELM__JSON_BOOLEAN,
	ELM__JSON_NULL,
	ELM__JSON_VALUE,
	ELM__JSON_OBJECT,
	ELM__JSON_ARRAY,
	ELM__JSON_PARTS
} elm__json_part;

enum { ELM__JSON_DIGITS = 16 };

/* The rules that were made so far. Zero-initialise it and set `rules`. */
typedef struct elm__json {
	elm__rules *rules;
	uint32_t numbers[ELM__JSON_PARTS]; /* of the rule, + 1 */
} elm__json;

/* The rule of a part, and a use of it. */
uint32_t elm__json_rule(elm__json *json, elm__json_part part);
elm__expr *elm__json_use(elm__json *json, elm__json_part part);

/* open, items with commas between them, close: `first` and `more` are the items after nothing and
 * after another one; NULL for none of them. `empty`: there may be no item. */
elm__expr *elm__json_list(elm__json *json, const char *open, elm__expr *first, elm__expr *more,
			  bool empty, const char *close);

/* "," and white space before an item; a key, ":" and white space before a value. */
elm__expr *elm__json_next(elm__json *json, elm__expr *item);
elm__expr *elm__json_member(elm__json *json, elm__expr *key, elm__expr *value);

/* Characters of a set as they are written in a string: escaped where they must be. */
elm__expr *elm__json_class(elm__rules *rules, elm__charset *set);

/* A value as compact JSON text. */
elm__expr *elm__json_literal(elm__rules *rules, const json_t *value);

#endif

/*
 * schema.h: JSON schema to rules, in parts: schema.c walks the schema, schema_combine.c merges
 * schemas and tells whether they can overlap, schema_object.c, schema_number.c do one type each.
 *
 * Failures are kept in the rules (see expr.h), with the JSON pointer of the place.
 */
#ifndef ELM_GRAMMAR_SCHEMA_H
#define ELM_GRAMMAR_SCHEMA_H

#include "base/buffer.h"
#include "grammar/json.h"
#include "grammar/lists.h"

typedef enum elm__schema_type {
	ELM__TYPE_OBJECT = 1,
	ELM__TYPE_ARRAY = 2,
	ELM__TYPE_STRING = 4,
	ELM__TYPE_FRACTION = 8, /* a number that is not whole */
	ELM__TYPE_INTEGER = 16,
	ELM__TYPE_BOOLEAN = 32,
	ELM__TYPE_NULL = 64,
	ELM__TYPE_NUMBER = ELM__TYPE_FRACTION | ELM__TYPE_INTEGER,
	ELM__TYPE_ANY = 127
} elm__schema_type;

/* A schema that is referred to, and where it is. */
typedef struct elm__schema_ref {
	const json_t *schema;
	char *path;
	uint32_t rule;
} elm__schema_ref;

typedef struct elm__schema {
	elm__json json;
	elm__rules *rules; /* the same as json.rules */
	const json_t *root;
	elm__buf path;	 /* JSON pointer of where we are, after "#" */
	json_t *owned;	 /* array: schemas that merging made */
	elm__lists keys; /* addresses of what is referred to; number n is refs[n] */
	elm__schema_ref *refs;
	uint32_t ref_room, ref_done; /* those before are compiled */
	unsigned depth, combining;   /* how deep in compiling, in flattening */
	size_t work;		     /* what combining has looked at */
} elm__schema;

elm_status elm__schema_fail(elm__schema *s, elm_status status, const char *format, ...)
	ELM_PRINTF(3, 4);

void elm__schema_no_memory(elm__schema *s);

/* Goes to a member of where we are; returns what elm__schema_leave needs to come back. */
size_t elm__schema_enter(elm__schema *s, const char *key);
size_t elm__schema_enter_index(elm__schema *s, size_t index);
void elm__schema_leave(elm__schema *s, size_t length);

/* The rules of a schema, as one expression that is cheap to use several times. */
elm__expr *elm__schema_compile(elm__schema *s, const json_t *schema);
/* The same, with a keyword of the place where we are in its path. */
elm__expr *elm__schema_compile_member(elm__schema *s, const char *key, const json_t *schema);

/* A rule with this body, so that it can be used several times; it is named after the place. */
elm__expr *elm__schema_rule(elm__schema *s, elm__expr *body);

/* Whether a keyword says nothing about what is valid. */
bool elm__schema_is_annotation(const char *keyword);
/* The set of a "type"; all where it is absent. */
unsigned elm__schema_types(elm__schema *s, const json_t *schema);
unsigned elm__schema_type_of(const json_t *value);
/* A count from a keyword, `absent` without it. */
uint32_t elm__schema_count(elm__schema *s, const json_t *schema, const char *keyword,
			   uint32_t absent);
/* What "$ref" names; NULL after a failure. */
const json_t *elm__schema_resolve(elm__schema *s, const json_t *ref);

/* schema_combine.c */
/* A schema without $ref and allOf at its top that accepts what `schema` accepts. NULL after a
 * failure. It belongs to the caller's root or to `owned`. */
const json_t *elm__schema_flatten(elm__schema *s, const json_t *schema);
/* A schema that accepts what both (flat ones) accept; NULL after a failure. */
const json_t *elm__schema_merge(elm__schema *s, const json_t *a, const json_t *b);
/* Whether no value is accepted by both (flat ones); false when that cannot be told. */
bool elm__schema_disjoint(elm__schema *s, const json_t *a, const json_t *b);
/* A copy without one keyword, whose members are shared; belongs to `owned`. */
json_t *elm__schema_without(elm__schema *s, const json_t *schema, const char *keyword);

/* One type each: `schema` is flat and has that type. */
elm__expr *elm__schema_object(elm__schema *s, const json_t *schema);
elm__expr *elm__schema_array(elm__schema *s, const json_t *schema);
elm__expr *elm__schema_string(elm__schema *s, const json_t *schema);
elm__expr *elm__schema_number(elm__schema *s, const json_t *schema, bool whole);

#endif

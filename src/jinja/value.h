/*
 * value.h: the values that a template computes with.
 *
 * A value is 16 bytes and copied freely; what it points to lives in the arena of the render (or,
 * for constants, of the parsed template) and is released with it, so nothing is counted or freed
 * one by one. Strings are immutable UTF-8; lists and dicts are shared by reference, as in Python.
 */
#ifndef ELM_JINJA_VALUE_H
#define ELM_JINJA_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum jj_kind {
	JJ_ABSENT, /* an argument that was not given; never seen by a template */
	JJ_UNDEFINED,
	JJ_NONE,
	JJ_BOOL,
	JJ_INT,
	JJ_FLOAT,
	JJ_STRING,
	JJ_LIST,
	JJ_TUPLE,
	JJ_DICT,
	JJ_NAMESPACE,
	JJ_LOOP,
	JJ_CYCLER,
	JJ_JOINER,
	JJ_FUNCTION,
	JJ_METHOD,
	JJ_MACRO
} jj_kind;

/* Memory behind strings that grew by concatenation: [used, capacity) is free for the string that
 * ends at `used`, so that building text piece by piece does not copy it each time. */
typedef struct jj_tail {
	size_t used, capacity;
	char data[];
} jj_tail;

enum { JJ_CHARS_UNKNOWN = -1 };

typedef struct jj_string {
	const char *data; /* not NUL-terminated */
	size_t length;	  /* bytes */
	int64_t chars;	  /* code points, or JJ_CHARS_UNKNOWN until somebody asks */
	jj_tail *tail;	  /* NULL unless the bytes are at the start of one */
} jj_string;

typedef struct jj_value jj_value;
typedef struct jj_list jj_list;
typedef struct jj_dict jj_dict;
typedef struct jj_loop jj_loop;
typedef struct jj_method jj_method;
typedef struct jj_macro jj_macro;
typedef struct jj_builtin jj_builtin;

struct jj_value {
	uint8_t kind;
	uint8_t owner; /* of an UNDEFINED: the kind that lacks the attribute, or ABSENT for a name
			*/
	union {
		bool boolean;
		int64_t integer;
		double real;
		const jj_string *string; /* of an UNDEFINED: the name that was not found, or NULL */
		jj_list *list;		 /* LIST, TUPLE, CYCLER (item 0 is the position) */
		jj_dict *dict;		 /* DICT, NAMESPACE */
		jj_loop *loop;
		jj_list *joiner; /* one item: the text; a second once it was used */
		const jj_builtin *function;
		jj_method *method;
		jj_macro *macro;
	} as;
};

struct jj_list {
	jj_value *items;
	size_t count, capacity;
};

typedef struct jj_entry {
	jj_value key; /* ABSENT: removed */
	jj_value value;
	uint64_t hash;
} jj_entry;

/* Entries in order of insertion, and a hash table over them once there are more than a few. */
struct jj_dict {
	jj_entry *entries;
	size_t used, capacity; /* entries, removed ones included */
	size_t count;	       /* without them */
	uint32_t *slots;       /* entry index + 1, or 0; NULL for small dicts */
	size_t slot_count;     /* a power of two */
};

/* A function found on a value: `text.strip`, before it is called. */
struct jj_method {
	jj_value self;
	const jj_builtin *function;
};

static inline jj_value jj_none(void)
{
	return (jj_value){ .kind = JJ_NONE };
}

static inline jj_value jj_bool(bool boolean)
{
	return (jj_value){ .kind = JJ_BOOL, .as.boolean = boolean };
}

static inline jj_value jj_int(int64_t integer)
{
	return (jj_value){ .kind = JJ_INT, .as.integer = integer };
}

static inline jj_value jj_float(double real)
{
	return (jj_value){ .kind = JJ_FLOAT, .as.real = real };
}

static inline jj_value jj_undefined(jj_kind owner, const jj_string *name)
{
	return (jj_value){ .kind = JJ_UNDEFINED, .owner = (uint8_t)owner, .as.string = name };
}

static inline bool jj_is_sequence(jj_value value)
{
	return value.kind == JJ_LIST || value.kind == JJ_TUPLE;
}

/* Python counts True and False as the integers 1 and 0. */
static inline bool jj_is_integer(jj_value value)
{
	return value.kind == JJ_INT || value.kind == JJ_BOOL;
}

static inline bool jj_is_number(jj_value value)
{
	return jj_is_integer(value) || value.kind == JJ_FLOAT;
}

static inline int64_t jj_integer(jj_value value)
{
	return value.kind == JJ_BOOL ? value.as.boolean : value.as.integer;
}

static inline double jj_real(jj_value value)
{
	return value.kind == JJ_FLOAT ? value.as.real : (double)jj_integer(value);
}

#endif

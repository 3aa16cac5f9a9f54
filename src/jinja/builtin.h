/* builtin.h: functions that templates can call: filters, tests, methods, globals. */
#ifndef ELM_JINJA_BUILTIN_H
#define ELM_JINJA_BUILTIN_H

#include "jinja/value.h"

struct jj_runtime;

enum { JJ_MAX_PARAMETERS = 6 };

/*
 * The arguments of a call. A builtin with a parameter list receives exactly that many positional
 * ones, JJ_ABSENT where not given; one without (`parameters` NULL) receives the call as it was.
 */
typedef struct jj_args {
	const jj_value *positional;
	size_t count;
	const jj_string *const *names; /* of the keyword arguments */
	const jj_value *named;
	size_t named_count;
	const jj_value *caller; /* the body of a call block, or NULL */
} jj_args;

/* `self` is the subject of a filter or test, the object of a method; *out is JJ_NONE at entry.
 * False after an error, which is kept in the runtime. */
typedef bool jj_function(struct jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out);

struct jj_builtin {
	const char *name;
	jj_function *call;
	const char *parameters; /* names between spaces, "" for none, NULL for any */
	uint8_t required;	/* how many of them must be given */
};

typedef struct jj_table {
	const jj_builtin *items;
	size_t count;
} jj_table;

/* The tables, one per file. */
extern const jj_table elm__jj_text_filters, elm__jj_sequence_filters, elm__jj_tests,
	elm__jj_globals, elm__jj_string_methods, elm__jj_list_methods, elm__jj_tuple_methods,
	elm__jj_dict_methods, elm__jj_loop_methods, elm__jj_cycler_methods;

/* NULL when there is none of that name. */
const jj_builtin *elm__jj_find(const jj_table *table, const char *name, size_t length);
const jj_builtin *elm__jj_find_filter(const char *name, size_t length);
const jj_builtin *elm__jj_find_test(const char *name, size_t length);

#endif

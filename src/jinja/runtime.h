/*
 * runtime.h: one render: its memory, its limits, its output, and the operations on values.
 *
 * Functions that return bool return false after an error; the first error is kept in the runtime
 * and everything unwinds. Everything that takes time in proportion to its input calls
 * elm__jj_charge, so that the step limit bounds the time of a render and not only its statements.
 */
#ifndef ELM_JINJA_RUNTIME_H
#define ELM_JINJA_RUNTIME_H

#include "base/arena.h"
#include "base/buffer.h"
#include "jinja/ast.h"
#include "jinja/builtin.h"

/* How deep calls and nested values may go. All levels together need less than 256 KiB of stack. */
enum { JJ_MAX_DEPTH = 1200 };

/* Variables of a block. The outermost scope has one cell per symbol of the program, inner ones a
 * short list. */
typedef struct jj_scope jj_scope;
struct jj_scope {
	jj_scope *parent; /* NULL for the outermost */
	uint32_t *symbols;
	jj_value *values;
	uint32_t count, capacity;
	bool captured; /* a macro refers to it: it must not be reused */
};

struct jj_macro {
	const jj_node *node;
	jj_scope *scope; /* where it was defined */
};

struct jj_loop {
	const jj_value *items;
	size_t count, index; /* from 0 */
	size_t depth;	     /* of loops around it, from 1 */
	bool changed_before;
	jj_value changed; /* tuple of what loop.changed was called with last */
};

typedef struct jj_runtime {
	const elm__jinja *program;
	const elm__jinja_options *options;
	elm__arena arena;
	elm__buf out;	  /* the prompt; while text is being captured, that too, at the end */
	size_t steps;	  /* left */
	size_t uncharged; /* output since steps were last taken for it, in bytes and a bit */
	unsigned depth;
	size_t loop_depth;
	jj_scope *scope;
	const jj_value *captured; /* what JJ_N_CAPTURED stands for */
	const jj_node *where;	  /* for errors */
	elm_status status;
	elm_error *error;
} jj_runtime;

/* Errors, limits, memory. */
bool elm__jj_fail(jj_runtime *rt, const char *format, ...)
	ELM_PRINTF(2, 3); /* a template's error */
bool elm__jj_fail_with(jj_runtime *rt, elm_status status, const char *format, ...) ELM_PRINTF(3, 4);
bool elm__jj_fail_undefined(jj_runtime *rt, jj_value value); /* "'x' is undefined" */
bool elm__jj_charge(jj_runtime *rt, size_t bytes); /* one step, and one for every 256 bytes */
bool elm__jj_enter_call(jj_runtime *rt);
static inline void jj_leave_call(jj_runtime *rt)
{
	rt->depth--;
}
void *elm__jj_alloc(jj_runtime *rt, size_t count, size_t size); /* zeroed; NULL is an error */

/* Output. Text between begin and end becomes a string instead of output. */
bool elm__jj_emit(jj_runtime *rt, const char *text, size_t length);
bool elm__jj_emit_char(jj_runtime *rt, char c, size_t times);
static inline size_t jj_capture_begin(const jj_runtime *rt)
{
	return rt->out.length;
}
bool elm__jj_capture_end(jj_runtime *rt, size_t begin, jj_value *out);

/* Strings. */
bool elm__jj_text(jj_runtime *rt, const char *text, size_t length, jj_value *out); /* copies */
bool elm__jj_view(jj_runtime *rt, const char *text, size_t length,
		  jj_value *out); /* refers to it */
bool elm__jj_literal(jj_runtime *rt, const char *text, jj_value *out);
bool elm__jj_concat(jj_runtime *rt, const jj_string *a, const jj_string *b, jj_value *out);
int64_t elm__jj_chars(const jj_string *string);
bool elm__jj_to_string(jj_runtime *rt, jj_value value, jj_value *out); /* str() */
bool elm__jj_emit_value(jj_runtime *rt, jj_value value);	       /* str() into the output */
bool elm__jj_emit_repr(jj_runtime *rt, jj_value value);
bool elm__jj_emit_json(jj_runtime *rt, jj_value value, const jj_args *style);

/* Lists and dicts. */
bool elm__jj_list(jj_runtime *rt, jj_kind kind, size_t capacity, jj_value *out);
bool elm__jj_push(jj_runtime *rt, jj_list *list, jj_value item);
bool elm__jj_pair(jj_runtime *rt, jj_value a, jj_value b, jj_value *out); /* a tuple */
bool elm__jj_dict(jj_runtime *rt, jj_kind kind, jj_value *out);
/* *found is the entry or NULL. Fails for keys that cannot be hashed. */
bool elm__jj_lookup(jj_runtime *rt, jj_dict *dict, jj_value key, jj_entry **found);
bool elm__jj_lookup_name(jj_runtime *rt, jj_dict *dict, const jj_string *name, jj_entry **found);
bool elm__jj_store(jj_runtime *rt, jj_dict *dict, jj_value key, jj_value value);
void elm__jj_remove(jj_dict *dict, jj_entry *entry);
/* The items of anything that can be iterated, as a list (the list itself, for a list). */
bool elm__jj_iterate(jj_runtime *rt, jj_value value, jj_list **out);
bool elm__jj_from_json(jj_runtime *rt, const json_t *json, jj_value *out);

/* Operations. */
const char *elm__jj_kind_name(jj_value value); /* as Python says it: "int", "str", "NoneType" */
bool elm__jj_truth(jj_value value);
bool elm__jj_equal(jj_runtime *rt, jj_value a, jj_value b, bool *out);
bool elm__jj_order(jj_runtime *rt, jj_value a, jj_value b, int *out); /* -1, 0, 1; 2 with a NaN */
bool elm__jj_contains(jj_runtime *rt, jj_value container, jj_value item, bool *out);
bool elm__jj_same(jj_value a, jj_value b); /* identity */
bool elm__jj_length(jj_runtime *rt, jj_value value, int64_t *out);
bool elm__jj_binary(jj_runtime *rt, jj_operator operator, jj_value a, jj_value b, jj_value *out);
bool elm__jj_compare(jj_runtime *rt, jj_operator operator, jj_value a, jj_value b, bool *out);
bool elm__jj_percent(jj_runtime *rt, const jj_string *format, jj_value arguments, jj_value *out);
/* str.format. */
bool elm__jj_format_method(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out);
bool elm__jj_attribute(jj_runtime *rt, jj_value value, const jj_string *name, jj_value *out);
bool elm__jj_item(jj_runtime *rt, jj_value value, jj_value key, jj_value *out);
bool elm__jj_slice(jj_runtime *rt, jj_value value, const jj_value bounds[3], jj_value *out);
/* "a.b.0" of an item, as map(attribute=...) and its like take it. */
bool elm__jj_path(jj_runtime *rt, jj_value value, jj_value path, jj_value *out);

/* Calls. */
bool elm__jj_call(jj_runtime *rt, jj_value function, const jj_args *args, jj_value *out);
bool elm__jj_call_builtin(jj_runtime *rt, const jj_builtin *function, jj_value self,
			  const jj_args *args, jj_value *out);
bool elm__jj_evaluate(jj_runtime *rt, const jj_node *node, jj_value *out);
/* The arguments of a CALL, FILTER or TEST node, which are its children but the first. */
bool elm__jj_arguments(jj_runtime *rt, const jj_node *node, jj_args *args);
bool elm__jj_call_macro(jj_runtime *rt, const jj_macro *macro, const jj_args *args, jj_value *out);
bool elm__jj_filter_by_name(jj_runtime *rt, jj_value name, jj_value self, const jj_args *args,
			    jj_value *out);

/* Text, as methods of str and filters share it. */
typedef enum jj_case { JJ_UPPER, JJ_LOWER, JJ_TITLE, JJ_CAPITALIZE, JJ_SWAP } jj_case;
bool elm__jj_change_case(jj_runtime *rt, const jj_string *text, jj_case how, jj_value *out);
/* Removes `chars` (whitespace, where absent or none) at the ends. */
bool elm__jj_strip(jj_runtime *rt, const jj_string *text, jj_value chars, bool left, bool right,
		   jj_value *out);
/* The first `count` occurrences, all when negative. */
bool elm__jj_replace(jj_runtime *rt, const jj_string *text, const jj_string *from,
		     const jj_string *to, int64_t count, jj_value *out);
bool elm__jj_split_lines(jj_runtime *rt, const jj_string *text, bool keep_ends, jj_value *out);
bool elm__jj_join(jj_runtime *rt, const jj_string *separator, const jj_list *items, bool strict,
		  jj_value *out);
/* As dict(...) and dict.update(...) take their arguments. */
bool elm__jj_update(jj_runtime *rt, jj_dict *dict, const jj_args *args);
bool elm__jj_dict_items(jj_runtime *rt, const jj_dict *dict, jj_value *out); /* pairs, as a list */
void elm__jj_reverse(jj_list *list);
/* Sorts by `keys`, which are as many as the items; stable. */
bool elm__jj_sort(jj_runtime *rt, jj_list *items, const jj_value *keys, bool reverse);

/* Variables. */
bool elm__jj_assign(jj_runtime *rt, uint32_t symbol, jj_value value);
jj_value elm__jj_variable(jj_runtime *rt, uint32_t symbol, const jj_string *name);

/* Checked conversions of arguments; `what` names the argument in errors. */
bool elm__jj_want_int(jj_runtime *rt, jj_value value, const char *what, int64_t fallback,
		      int64_t *out);
bool elm__jj_want_string(jj_runtime *rt, jj_value value, const char *what, const jj_string **out);
bool elm__jj_string_is(const jj_string *string, const char *text);

#endif

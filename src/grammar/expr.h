/*
 * expr.h: a grammar as rules, each a tree of expressions. The readers (GBNF, JSON schema, regular
 * expressions) build it, compile.c turns it into a program.
 *
 * Building never reports failure itself: the first failure is kept in `status` and `error`, what is
 * built afterwards is harmless, and the reader asks once at the end. So the readers stay legible.
 */
#ifndef ELM_GRAMMAR_EXPR_H
#define ELM_GRAMMAR_EXPR_H

#include <edgelm/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

enum {
	ELM__MAX_RULES = 16384,
	ELM__MAX_EXPRESSIONS = 1 << 18,
	ELM__MAX_CLASS_RANGES = 1024,
	ELM__MAX_GRAMMAR_MEMORY = 64 << 20,
	ELM__MAX_NESTING = 200, /* of groups, in each notation */
	ELM__MAX_REPEAT = INT32_MAX,
};
#define ELM__UNLIMITED UINT32_MAX
#define ELM__LAST_CODE_POINT 0x10FFFFu

typedef struct elm__range {
	uint32_t first, last; /* code points, both included */
} elm__range;

/* A set of characters. Zero-initialise it; its memory is that of the rules. */
typedef struct elm__charset {
	elm__range *ranges; /* in order and apart, after elm__charset_tidy */
	uint32_t count, room;
} elm__charset;

typedef enum elm__expr_kind {
	ELM__EXPR_TEXT,	    /* these bytes */
	ELM__EXPR_CLASS,    /* one character of a set */
	ELM__EXPR_SEQUENCE, /* all items, in order; none is the empty text */
	ELM__EXPR_CHOICE,   /* one of the items */
	ELM__EXPR_REPEAT,   /* the only item, min to max times */
	ELM__EXPR_RULE,
} elm__expr_kind;

typedef struct elm__expr {
	elm__expr_kind kind;
	uint32_t count, room; /* bytes, or items */
	uint32_t min, max;    /* of a repetition; max may be ELM__UNLIMITED */
	uint32_t rule;
	union {
		const char *text;
		elm__charset set;
		struct elm__expr **items;
	};
} elm__expr;

typedef struct elm__rule {
	const char *name;
	elm__expr *body;       /* NULL until it is defined */
	uint32_t line, column; /* of its definition, or of its first use; 0: not from a text */
} elm__rule;

typedef struct elm__rules {
	elm__arena arena;
	elm__rule *items;
	uint32_t count, room;
	uint32_t expressions;
	uint32_t root;
	elm_status status;
	elm_error error;
} elm__rules;

void elm__rules_init(elm__rules *rules);
void elm__rules_release(elm__rules *rules);

/* Keeps the first failure. Returns its status. */
elm_status elm__rules_fail(elm__rules *rules, elm_status status, const char *format, ...)
	ELM_PRINTF(3, 4);

/* What building came to. */
ELM_NODISCARD elm_status elm__rules_status(const elm__rules *rules, elm_error *error);

/* A new rule without a body; its name is copied. */
uint32_t elm__rule_add(elm__rules *rules, const char *name, size_t length);

/* Bytes that may be anything; copied. */
elm__expr *elm__expr_text(elm__rules *rules, const char *text, size_t length);
elm__expr *elm__expr_puts(elm__rules *rules, const char *text);
/* The set is put in order and belongs to the expression. An empty set is a failure of the caller's
 * to avoid: nothing matches it. */
elm__expr *elm__expr_class(elm__rules *rules, elm__charset *set);
elm__expr *elm__expr_range(elm__rules *rules, uint32_t first, uint32_t last);
elm__expr *elm__expr_rule(elm__rules *rules, uint32_t rule);
elm__expr *elm__expr_repeat(elm__rules *rules, elm__expr *body, uint32_t min, uint32_t max);
elm__expr *elm__expr_optional(elm__rules *rules, elm__expr *body);

/* A sequence or a choice without items, and more items for it. */
elm__expr *elm__expr_list(elm__rules *rules, elm__expr_kind kind);
void elm__expr_add(elm__rules *rules, elm__expr *list, elm__expr *item);
/* A list of `count` (at most 6) items. */
elm__expr *elm__expr_sequence(elm__rules *rules, unsigned count, ...);

void elm__charset_add(elm__rules *rules, elm__charset *set, uint32_t first, uint32_t last);
void elm__charset_tidy(elm__charset *set);
/* All characters (surrogates are none) that are not in the set. */
void elm__charset_invert(elm__rules *rules, elm__charset *set);
/* Takes a range out. */
void elm__charset_remove(elm__rules *rules, elm__charset *set, uint32_t first, uint32_t last);
bool elm__charset_has(const elm__charset *set, uint32_t code_point); /* the set is tidy */

#endif

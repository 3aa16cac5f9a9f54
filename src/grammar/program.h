/*
 * program.h: a grammar as a graph of nodes over bytes, which states.c follows.
 *
 * Node r is where rule r begins. Characters are spelled out in UTF-8, so that a token may end
 * inside one. A rule that is used calls its nodes and comes back by a stack; a call that ends a
 * rule is a jump and needs no stack. Large counted repetitions are counters on the stack, not
 * copies.
 */
#ifndef ELM_GRAMMAR_PROGRAM_H
#define ELM_GRAMMAR_PROGRAM_H

#include "grammar/expr.h"

enum { ELM__MAX_NODES = 1 << 19 };

typedef enum elm__node_kind {
	ELM__NODE_BYTE,	  /* a byte of set `extra`, then node a */
	ELM__NODE_SPLIT,  /* node a and node b */
	ELM__NODE_JUMP,	  /* node a */
	ELM__NODE_CALL,	  /* node a until it returns, then node b */
	ELM__NODE_REPEAT, /* loop `extra`: node a until it returns, again and again, then node b */
	ELM__NODE_RETURN,
} elm__node_kind;

typedef struct elm__node {
	uint32_t kind : 8, extra : 24;
	uint32_t a, b;
} elm__node;

typedef struct elm__byteset {
	uint64_t bits[4];
} elm__byteset;

typedef struct elm__loop {
	uint32_t min, max; /* max may be ELM__UNLIMITED */
} elm__loop;

typedef struct elm__program {
	elm__node *nodes;
	elm__byteset *sets;
	elm__loop *loops;
	uint32_t node_count, set_count, loop_count;
	uint32_t start;
	/* Bytes that no set tells apart are of one class. */
	uint32_t class_count;
	uint8_t class_of[256];
	uint8_t class_byte[256]; /* one byte of each class */
} elm__program;

static inline bool elm__byteset_has(const elm__byteset *set, uint8_t byte)
{
	return set->bits[byte / 64] >> byte % 64 & 1;
}

/* Refuses left recursion (rules that call themselves before any character), which the machine could
 * not follow, and rules that can never end. *program is zeroed on failure. */
ELM_NODISCARD elm_status elm__program_init(elm__program *program, const elm__rules *rules,
					   elm_error *error);
void elm__program_release(elm__program *program);

/* ---- for compile.c, from check.c ---- */

/* Which rules can be empty, for the rules in any order. Fails on left recursion. `nullable` has an
 * entry for each rule. */
ELM_NODISCARD elm_status elm__find_nullable(const elm__rules *rules, bool *nullable,
					    elm_error *error);
bool elm__can_be_empty(const elm__expr *expr, const bool *nullable);
/* Fails when there is a rule from which RETURN cannot be reached. */
ELM_NODISCARD elm_status elm__check_endings(const elm__rules *rules, const elm__program *program,
					    elm_error *error);

#endif

/* parser.h: what the two halves of the parser share. parse.c does statements, parse_expr.c
 * expressions. */
#ifndef ELM_JINJA_PARSER_H
#define ELM_JINJA_PARSER_H

#include "jinja/ast.h"
#include "jinja/lexer.h"

/* How deep parsed trees may be. The deepest real templates stay below 40. */
enum { JJ_MAX_TREE_DEPTH = 256 };

typedef struct jj_parser {
	elm__jinja *program;
	const jj_token *token; /* the current one */
	unsigned depth;	       /* of parser calls */
	unsigned loops;	       /* for bodies around the current statement, up to the next macro */
	size_t symbol_capacity;
	uint32_t *symbol_slots; /* hash table of twice the capacity: symbol + 1, or 0 */
	elm_status status;
	elm_error *error;
} jj_parser;

/* A growing array of nodes, in the arena. */
typedef struct jj_nodes {
	jj_node **items;
	const jj_string **names; /* keywords, where the array holds arguments */
	uint32_t count, capacity;
} jj_nodes;

/* All parse functions return NULL after an error, which is kept in the parser. */
jj_node *elm__jj_parse_expression(jj_parser *p);
/* "a, b" is a tuple; without_condition keeps "x if y" from being read as a conditional. */
jj_node *elm__jj_parse_tuple(jj_parser *p, bool without_condition);
/* Filters ("a | b | c", first name without a pipe) around `subject`. */
jj_node *elm__jj_parse_filters(jj_parser *p, jj_node *subject);
jj_node *elm__jj_parse_postfix_primary(jj_parser *p); /* what a {% call %} calls */

void *elm__jj_parser_alloc(jj_parser *p, size_t count, size_t size); /* zeroed */
jj_node *elm__jj_node(jj_parser *p, jj_node_type type, const jj_token *at);
bool elm__jj_append(jj_parser *p, jj_nodes *nodes, jj_node *node, const jj_string *name);
/* Gives the node its children and computes its depth. */
jj_node *elm__jj_finish(jj_parser *p, jj_node *node, const jj_nodes *children);
jj_node *elm__jj_node_with(jj_parser *p, jj_node_type type, const jj_token *at, jj_node *a,
			   jj_node *b);
const jj_string *elm__jj_intern(jj_parser *p, const char *text, size_t length, uint32_t *symbol);
const jj_string *elm__jj_constant_string(jj_parser *p, const char *text, size_t length);

/* Reports at a token; returns NULL for the convenience of callers. */
jj_node *elm__jj_syntax_error(jj_parser *p, const jj_token *at, elm_status status,
			      const char *format, ...) ELM_PRINTF(4, 5);
jj_node *elm__jj_unexpected(jj_parser *p, const char *wanted);

bool elm__jj_enter(jj_parser *p); /* one level of recursion; false when that is too many */
static inline void jj_leave(jj_parser *p)
{
	p->depth--;
}

bool elm__jj_is(const jj_parser *p, jj_token_type type, const char *text);
bool elm__jj_accept(jj_parser *p, jj_token_type type, const char *text);
bool elm__jj_expect(jj_parser *p, jj_token_type type, const char *text);

#endif

/* ast.h: the tree that a template is parsed to. It is read-only once parsed and lives in the arena
 * of the program. */
#ifndef ELM_JINJA_AST_H
#define ELM_JINJA_AST_H

#include "base/arena.h"
#include "jinja/jinja.h"
#include "jinja/value.h"

typedef enum jj_node_type {
	/* expressions */
	JJ_N_CONST,
	JJ_N_NAME,
	JJ_N_LIST,
	JJ_N_TUPLE,
	JJ_N_DICT,  /* children: key, value, key, value, ... */
	JJ_N_ATTR,  /* a.name */
	JJ_N_ITEM,  /* a[b] */
	JJ_N_SLICE, /* a[b:c:d] as children a, b, c, d; missing ones NULL */
	JJ_N_CALL,
	JJ_N_UNPACK,	   /* *a, only as an argument */
	JJ_N_UNPACK_NAMED, /* **a, likewise */
	JJ_N_FILTER,
	JJ_N_TEST,
	JJ_N_NOT,
	JJ_N_NEGATE,
	JJ_N_PLUS,
	JJ_N_BINARY,
	JJ_N_AND,
	JJ_N_OR,
	JJ_N_COMPARE,	  /* a < b <= c: operands are children, operators in `operators` */
	JJ_N_CONDITIONAL, /* value, condition, other (or NULL) */
	/* statements */
	JJ_N_TEXT,
	JJ_N_PRINT,
	JJ_N_IF,	/* condition, body, condition, body, ..., and a NULL condition for else */
	JJ_N_FOR,	/* target, iterable, filter or NULL, body, else body or NULL */
	JJ_N_SET,	/* target, value */
	JJ_N_SET_BLOCK, /* target, body, and filters applied to JJ_N_CAPTURED or NULL */
	JJ_N_CAPTURED,	/* in a filter chain: the text of the block */
	JJ_N_MACRO,
	JJ_N_CALL_BLOCK,   /* the macro that is `caller`, the call */
	JJ_N_FILTER_BLOCK, /* filters applied to JJ_N_CAPTURED, body */
	JJ_N_WITH,	   /* target, value, target, value, ..., body last */
	JJ_N_SCOPE,	   /* body: a block whose variables are its own ({% generation %}) */
	JJ_N_DO,	   /* an expression whose value is not printed */
	JJ_N_BREAK,
	JJ_N_CONTINUE,
	JJ_N_BLOCK /* children are statements */
} jj_node_type;

typedef enum jj_operator {
	JJ_OP_ADD,
	JJ_OP_SUB,
	JJ_OP_MUL,
	JJ_OP_DIV,
	JJ_OP_FLOORDIV,
	JJ_OP_MOD,
	JJ_OP_POW,
	JJ_OP_CONCAT,
	JJ_OP_EQ,
	JJ_OP_NE,
	JJ_OP_LT,
	JJ_OP_LE,
	JJ_OP_GT,
	JJ_OP_GE,
	JJ_OP_IN,
	JJ_OP_NOT_IN
} jj_operator;

typedef struct jj_node jj_node;

struct jj_node {
	uint8_t type;	  /* jj_node_type */
	uint8_t operator; /* of BINARY */
	bool unpacks;	  /* CALL, FILTER, TEST: some arguments are UNPACK or UNPACK_NAMED */
	uint16_t depth;	  /* of the tree below; bounded, because the walk is recursive */
	uint32_t line, column;
	uint32_t symbol;    /* of NAME and MACRO: index of the variable */
	uint32_t count;	    /* of children */
	jj_node **children; /* CALL: function, arguments; FILTER, TEST: subject, arguments */
	const jj_string *const *names; /* CALL, FILTER, TEST: keywords by argument, or NULL entries;
					  MACRO: parameters */
	const uint8_t *operators;      /* of COMPARE */
	const jj_builtin *function;    /* of FILTER and TEST */
	const jj_string *name;	       /* NAME, ATTR, FILTER, TEST, MACRO, SET on a namespace */
	const uint32_t *symbols;       /* MACRO: variables of the parameters */
	jj_value value;		       /* CONST, TEXT */
};

/* MACRO: children are the defaults (NULL where there is none), then the body. */

struct elm__jinja {
	char *name;
	elm__arena arena;
	const jj_node *root;	   /* JJ_N_BLOCK */
	const jj_string **symbols; /* names of variables; a NAME node has the index */
	uint32_t symbol_count;
	uint32_t symbol_loop, symbol_caller;
};

#endif

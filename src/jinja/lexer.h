/* lexer.h: a template's text to tokens. */
#ifndef ELM_JINJA_LEXER_H
#define ELM_JINJA_LEXER_H

#include <edgelm/status.h>
#include <stdint.h>

#include "base/arena.h"

typedef enum jj_token_type {
	JJ_T_END,
	JJ_T_DATA,	  /* text between tags */
	JJ_T_BLOCK_BEGIN, /* {% */
	JJ_T_BLOCK_END,
	JJ_T_PRINT_BEGIN, /* {{ */
	JJ_T_PRINT_END,
	JJ_T_NAME,
	JJ_T_STRING, /* with its quotes and escapes */
	JJ_T_INTEGER,
	JJ_T_FLOAT,
	JJ_T_OPERATOR
} jj_token_type;

typedef struct jj_token {
	jj_token_type type;
	uint32_t line, column; /* from 1 */
	const char *text;
	size_t length;
} jj_token;

typedef struct jj_tokens {
	jj_token *items; /* ends with JJ_T_END */
	size_t count;
} jj_tokens;

/*
 * Cuts the source, which must be valid UTF-8, into tokens. Whitespace control is done here: what a
 * template's tags trim never reaches the parser. Tokens and their text are in `arena`.
 */
ELM_NODISCARD elm_status elm__jj_lex(const char *name, const char *source, size_t length,
				     elm__arena *arena, jj_tokens *out, elm_error *error);

#endif

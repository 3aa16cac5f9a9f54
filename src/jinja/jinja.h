/*
 * jinja.h: the template language: parse once, render many times.
 *
 * The subset of Jinja that chat templates use, with the semantics of Jinja2 under Python and the
 * settings of Hugging Face's transformers (trim_blocks, lstrip_blocks, loop controls). What a model
 * expects of its messages is the business of chat_template.c, not of this interface.
 *
 * Inside the layer: lexer.c cuts text into tokens, parse*.c build the tree of ast.h, eval.c and
 * exec.c walk it over the values of value.h, and ops.c, methods*.c, filters*.c, tests.c, globals.c
 * are what templates can call.
 */
#ifndef ELM_JINJA_JINJA_H
#define ELM_JINJA_JINJA_H

#include <edgelm/chat_template.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct elm__jinja elm__jinja;

/* `name` begins every error. Copies what it needs of the source. Syntax errors are ELM_ERR_FORMAT,
 * statements outside the subset ELM_ERR_UNSUPPORTED, both with line and column. */
ELM_NODISCARD elm_status elm__jinja_parse(const char *name, const char *source, size_t length,
					  elm__jinja **out, elm_error *error);
void elm__jinja_free(elm__jinja *program); /* NULL allowed */

typedef struct elm__jinja_options {
	elm_chat_template_limits limits;
	bool fixed_time; /* strftime_now tells `now` instead of the clock's time; for tests */
	int64_t now;	 /* seconds since 1970, shown as UTC */
} elm__jinja_options;

/*
 * Renders with the members of the object `context` as variables (borrowed, unchanged). *text is
 * NUL-terminated and the caller's (elm__free); NULL on failure. Errors of the template are
 * ELM_ERR_TEMPLATE, exhausted limits ELM_ERR_LIMIT. A program may be rendered by several threads.
 */
ELM_NODISCARD elm_status elm__jinja_render(const elm__jinja *program, const json_t *context,
					   const elm__jinja_options *options, char **text,
					   size_t *length, elm_error *error);

/* elm_chat_template_render with the context as a value, which is changed, and the options above. */
ELM_NODISCARD elm_status elm__chat_render(const elm_chat_template *chat_template, json_t *context,
					  const elm__jinja_options *options, char **prompt,
					  size_t *prompt_length, elm_error *error);

#endif

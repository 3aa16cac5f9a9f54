/*
 * edgelm/chat_template.h: a conversation to the text that a model was trained on.
 *
 * Templates are programs in a subset of Jinja that come with the model, and as hostile as it: a
 * render is bounded in steps, recursion, memory and output. docs/CHAT-TEMPLATES.md has the language
 * and what is done to messages.
 */
#ifndef EDGELM_CHAT_TEMPLATE_H
#define EDGELM_CHAT_TEMPLATE_H

#include <edgelm/status.h>
#include <stddef.h>

typedef struct elm_chat_template elm_chat_template;

typedef struct elm_chat_template_limits {
	size_t steps;	     /* statements and values evaluated, and one per 256 bytes worked on */
	size_t output_bytes; /* of the prompt */
	size_t memory_bytes; /* of all intermediate values */
} elm_chat_template_limits;

ELM_BEGIN_DECLS

/*
 * Parses a template, and renders small conversations with it to find out which forms of messages it
 * takes. `name` begins every error; errors of syntax (ELM_ERR_FORMAT) and of statements that are
 * not supported (ELM_ERR_UNSUPPORTED) give line and column. On success *out is the caller's
 * (elm_chat_template_free); on failure it is NULL.
 */
ELM_API ELM_NODISCARD elm_status elm_chat_template_create(const char *name, const char *source,
							  size_t length, elm_chat_template **out,
							  elm_error *error);
ELM_API void elm_chat_template_free(elm_chat_template *chat_template); /* NULL allowed */

/* 10 million steps, 16 MiB of output, 256 MiB of memory. */
ELM_API elm_chat_template_limits elm_chat_template_default_limits(void);

/*
 * Renders. `context` is a JSON object in text form whose members become the template's variables:
 * "messages" (array of {"role", "content", ...}), "tools", "add_generation_prompt", "bos_token",
 * "eos_token" and whatever else the template knows. *prompt is NUL-terminated and the caller's
 * (elm_free), NULL on failure. Messages in OpenAI's form are put into the form that the template
 * takes. The prompt may begin with bos_token: tokenise it without adding another. A call of
 * raise_exception is ELM_ERR_TEMPLATE with the template's own words.
 * `limits` NULL means the defaults. Thread-safe on one template.
 */
ELM_API ELM_NODISCARD elm_status elm_chat_template_render(const elm_chat_template *chat_template,
							  const char *context,
							  size_t context_length,
							  const elm_chat_template_limits *limits,
							  char **prompt, size_t *prompt_length,
							  elm_error *error);

ELM_END_DECLS

#endif

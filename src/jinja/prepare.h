/*
 * prepare.h: messages in the form that a template takes.
 *
 * Programs speak the OpenAI form of messages; templates were written against what their author had
 * at hand. What a template takes is found out by rendering small conversations with it, once.
 */
#ifndef ELM_JINJA_PREPARE_H
#define ELM_JINJA_PREPARE_H

#include "jinja/jinja.h"

typedef struct elm__chat_abilities {
	bool string_content;   /* content may be a string */
	bool typed_content;    /* content may be a list of {"type": "text", "text": ...} */
	bool system_role;      /* a first message of role system reaches the prompt */
	bool null_content;     /* the content of a message with tool calls may be null */
	bool object_arguments; /* arguments of tool calls are wanted as objects, not as JSON text */
} elm__chat_abilities;

/* Fails only when memory runs out: a template that refuses the test conversations is given messages
 * as they are. */
ELM_NODISCARD elm_status elm__chat_probe(const elm__jinja *program, elm__chat_abilities *out,
					 elm_error *error);

/* Changes context["messages"], if it is an array, to what the template takes. */
ELM_NODISCARD elm_status elm__chat_prepare(const elm__chat_abilities *abilities, json_t *context,
					   elm_error *error);

#endif

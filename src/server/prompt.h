/* prompt.h: tokens of the texts that clients send. */
#ifndef ELM_SERVER_PROMPT_H
#define ELM_SERVER_PROMPT_H

#include <edgelm/scheduler.h>

#include "http/http.h"

typedef struct elm__prompt {
	elm_token *tokens; /* elm_free */
	size_t count;
} elm__prompt;

/* A list of prompts, from what elm__api_check_prompts let through: a text, an array of tokens, or
 * an array of those. The field is for errors. On success *out is the caller's
 * (elm__prompts_free). */
ELM_NODISCARD elm_status elm__prompts_read(const elm_tokenizer *tokenizer, const json_t *value,
					   const char *field, elm__prompt **out, size_t *count,
					   elm_error *error);
void elm__prompts_free(elm__prompt *prompts, size_t count); /* NULL allowed */

/* ELM_ERR_LIMIT when one of them leaves no room for an answer. */
ELM_NODISCARD elm_status elm__prompts_check(const elm__prompt *prompts, size_t count,
					    const elm_scheduler *scheduler, elm_error *error);
/* Replies with that error: its sentence needs figures beside it, which clients read. */
void elm__prompts_fail(const elm__prompt *prompts, size_t count, const elm_scheduler *scheduler,
		       elm__http_exchange *exchange, const elm_error *error);

#endif

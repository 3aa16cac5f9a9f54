/* completion.h: the events in which servers with the API of OpenAI stream an answer. */
#ifndef ELM_STUDY_COMPLETION_H
#define ELM_STUDY_COMPLETION_H

#include <edgelm/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/* What has come so far, of /v1/chat/completions or /v1/completions. */
typedef struct elm__completion {
	elm__buf text;
	char stop[32];	       /* finish_reason, cut to fit; empty: not said yet */
	int64_t prompt_tokens; /* of "usage"; ELM__STUDY_NONE: not said */
	int64_t output_tokens, reused_tokens;
} elm__completion;

void elm__completion_init(elm__completion *completion);
void elm__completion_release(elm__completion *completion);

/*
 * Takes the data of an event; *more says whether it had text. ELM_ERR_FORMAT for what is not JSON,
 * ELM_ERR_IO with the server's words for an error. What a model thinks before it answers
 * (reasoning_content) is text that has arrived, too.
 */
ELM_NODISCARD elm_status elm__completion_event(elm__completion *completion, const char *data,
					       size_t length, bool *more, elm_error *error);

#endif

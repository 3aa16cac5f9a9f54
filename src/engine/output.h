/*
 * output.h: from tokens to the text that a reader may see, ended by stop strings.
 *
 * Text is given out as soon as it is certain: whole characters, and nothing that may still turn out
 * to be the beginning of a stop string. What was held back is not lost when no stop string follows.
 */
#ifndef ELM_ENGINE_OUTPUT_H
#define ELM_ENGINE_OUTPUT_H

#include <edgelm/tokenizer.h>

#include "base/buffer.h"

typedef struct elm__output {
	const elm_tokenizer *tokenizer;
	elm_token_stream stream;
	const char *const *stop; /* the caller's */
	size_t stop_count;
	elm__buf text; /* everything so far; from `given` on it is held back */
	size_t given;
	const char *stopped; /* the stop string that was met; no more tokens then */
} elm__output;

/* `continues`: the text goes on after a prompt; `special`: control tokens are shown. Stop strings
 * must be valid UTF-8 and not empty, and outlive the struct. On failure it needs no release. */
ELM_NODISCARD elm_status elm__output_init(elm__output *output, const elm_tokenizer *tokenizer,
					  bool continues, bool special, const char *const *stop,
					  size_t stop_count, elm_error *error);
void elm__output_release(elm__output *output);

/*
 * Adds a token. What may be given out now is (*text)[0..*length), possibly nothing; it is valid
 * until the next call.
 */
ELM_NODISCARD elm_status elm__output_push(elm__output *output, elm_token token, const char **text,
					  size_t *length, elm_error *error);
/* No more tokens: gives out what is held back, unless a stop string was met. */
ELM_NODISCARD elm_status elm__output_finish(elm__output *output, const char **text, size_t *length,
					    elm_error *error);

#endif

/* internal.h: what the files of this layer share. */
#ifndef ELM_SERVER_INTERNAL_H
#define ELM_SERVER_INTERNAL_H

#include <stdatomic.h>

#include "base/buffer.h"
#include "server/forms.h"
#include "server/server.h"

struct elm__server {
	elm__server_options options;
	const elm_model *model;
	const elm_tokenizer *tokenizer;
	elm__http_server *http;
	elm__forms *forms;
	int64_t started;	/* seconds since 1970 */
	_Atomic size_t longest; /* tokens of a prompt and its answer */
};

/* Handlers; `user` is the server. */
elm__http_handler elm__serve_chat, elm__serve_completions, elm__serve_completion;
elm__http_handler elm__serve_health, elm__serve_models, elm__serve_props, elm__serve_slots;
elm__http_handler elm__serve_metrics, elm__serve_embeddings, elm__serve_unknown;
elm__http_handler elm__serve_tokenize, elm__serve_detokenize, elm__serve_apply_template;

/* The HTTP status and the type of error that a status of ours means to a client. */
int elm__server_status(elm_status status, const char **type);
/* Replies with an error. */
void elm__server_fail(elm__server *server, elm__http_exchange *exchange, const elm_error *error);

/* A JSON string, with its quotes. The text is valid UTF-8. */
void elm__put_string(elm__buf *out, const char *text, size_t length);
/* Bytes as a JSON string; those that are no UTF-8 become U+FFFD. NULL when memory runs out. */
json_t *elm__json_bytes(const char *bytes, size_t length);
/* {"seed": ..., ...}: the settings of /props, and of an answer of /completion. */
json_t *elm__sampling_json(const elm_sampler_options *sampling);

#endif

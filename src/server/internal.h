/* internal.h: what the files of this layer share. */
#ifndef ELM_SERVER_INTERNAL_H
#define ELM_SERVER_INTERNAL_H

#include "base/buffer.h"
#include "server/rates.h"
#include "server/server.h"
#include "server/status.h"

struct elm__server {
	elm__server_options options;
	elm__models *models;
	elm__http_server *http;
	elm__rates *rates;
	elm__status_watch *watch;
	uint64_t started_ns; /* CLOCK_MONOTONIC */
	int64_t started;     /* seconds since 1970 */
};

/* Handlers; `user` is the server. */
elm__http_handler elm__serve_chat, elm__serve_completions, elm__serve_completion,
	elm__serve_responses;
elm__http_handler elm__serve_health, elm__serve_models, elm__serve_props, elm__serve_slots;
elm__http_handler elm__serve_page, elm__serve_status;
elm__http_handler elm__serve_metrics, elm__serve_unknown;
elm__http_handler elm__serve_embeddings, elm__serve_embedding;
elm__http_handler elm__serve_tokenize, elm__serve_detokenize, elm__serve_apply_template;

/* The HTTP status and the type of error that a status of ours means to a client. */
int elm__server_status(elm_status status, const char **type);
/* Replies with an error. */
void elm__server_fail(elm__server *server, elm__http_exchange *exchange, const elm_error *error);

/* The header of a refusal. */
void elm__server_retry_after(elm__http_exchange *exchange, double seconds);

/* Counts a request that computes for its key; false: it has no more of them, and is replied to. */
bool elm__access_admit(elm__server *server, elm__http_exchange *exchange);
/* Counts tokens that it has cost. */
void elm__access_charge(elm__server *server, const elm__http_exchange *exchange, size_t tokens);
/* Puts in what depends on who asks: times, priority (`priority` as asked for, or NULL), whose turn
 * it is, and with whom computed prompts are shared. */
void elm__access_apply(const elm__server *server, const elm__http_exchange *exchange,
		       const int32_t *priority, elm_request *request);

/* The model of that name. With a single model every name is that; without a name (NULL) it is the
 * first. ELM_ERR_NOT_FOUND for an unknown one. */
ELM_NODISCARD elm_status elm__server_choose(const elm__server *server, const char *name,
					    size_t *index, elm_error *error);
/* Holds the model that a request names in its field "model", loading it if need be. */
ELM_NODISCARD elm_status elm__server_acquire(elm__server *server, const json_t *root,
					     elm__loaded **out, elm_error *error);

/* "unloaded", "loading", "loaded" */
const char *elm__model_state_name(elm__model_state state);

/* A JSON string, with its quotes. The text is valid UTF-8. */
void elm__put_string(elm__buf *out, const char *text, size_t length);
/* Bytes as a JSON string; those that are no UTF-8 become U+FFFD. NULL when memory runs out. */
json_t *elm__json_bytes(const char *bytes, size_t length);
/* {"supports_tools": ..., ...}: what a template can do. NULL when memory runs out. */
json_t *elm__chat_caps_json(const elm__chat_format *format);
/* {"seed": ..., ...}: the settings of /props, and of an answer of /completion. */
json_t *elm__sampling_json(const elm_sampler_options *sampling);

#endif

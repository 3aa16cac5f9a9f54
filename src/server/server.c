/* server.c: routes, errors, the access log, starting and stopping. */
#include "server/server.h"

#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "server/internal.h"

static const char status_path[] = "/edgelm/status";

static const elm__http_route routes[] = {
	{ "GET", "/health", elm__serve_health, true },
	{ "GET", "/v1/health", elm__serve_health, true },
	{ "GET", "/models", elm__serve_models, false },
	{ "GET", "/v1/models", elm__serve_models, false },
	{ "GET", "/props", elm__serve_props, false },
	{ "GET", "/slots", elm__serve_slots, false },
	{ "GET", "/metrics", elm__serve_metrics, false },
	{ "GET", status_path, elm__serve_status, false },
	{ "GET", "/", elm__serve_page, true },
	{ "GET", "/assets/*", elm__serve_page, true },
	{ "POST", "/chat/completions", elm__serve_chat, false },
	{ "POST", "/v1/chat/completions", elm__serve_chat, false },
	{ "POST", "/v1/completions", elm__serve_completions, false },
	{ "POST", "/v1/responses", elm__serve_responses, false },
	{ "POST", "/completion", elm__serve_completion, false },
	{ "POST", "/completions", elm__serve_completion, false },
	{ "POST", "/v1/embeddings", elm__serve_embeddings, false },
	{ "POST", "/embedding", elm__serve_embedding, false },
	{ "POST", "/embeddings", elm__serve_embedding, false },
	{ "POST", "/tokenize", elm__serve_tokenize, false },
	{ "POST", "/detokenize", elm__serve_detokenize, false },
	{ "POST", "/apply-template", elm__serve_apply_template, false },
	{ NULL, NULL, elm__serve_unknown, true },
};

int elm__server_status(elm_status status, const char **type)
{
	switch (status) {
	case ELM_ERR_ARGUMENT:
	case ELM_ERR_UNSUPPORTED:
	case ELM_ERR_TEMPLATE:
	case ELM_ERR_LIMIT:
		*type = "invalid_request_error";
		return 400;
	case ELM_ERR_NOT_FOUND:
		*type = "invalid_request_error";
		return 404;
	case ELM_ERR_QUOTA:
		*type = "rate_limit_error";
		return 429;
	case ELM_ERR_FULL:
	case ELM_ERR_CANCELLED:
		*type = "unavailable_error";
		return 503;
	default:
		/* ELM_ERR_FORMAT too: a body that is no JSON has this status in llama-server, and
		 * its clients know it. */
		*type = "server_error";
		return 500;
	}
}

void elm__server_fail(elm__server *server, elm__http_exchange *exchange, const elm_error *error)
{
	const char *type;
	int status = elm__server_status(error->status, &type);

	if (status == 503 || status == 429)
		elm__server_retry_after(exchange, elm__models_retry_after(server->models));
	if (error->status == ELM_ERR_NOT_FOUND)
		/* As OpenAI tells of a model that there is not: clients look at the code. */
		elm__http_reply_json(exchange, status,
				     json_pack("{s:{s:s, s:s, s:s, s:s}}", "error", "message",
					       error->text, "type", type, "param", "model", "code",
					       "model_not_found"));
	else
		elm__http_fail(exchange, status, type, "%s", error->text);
}

elm_status elm__server_choose(const elm__server *server, const char *name, size_t *index,
			      elm_error *error)
{
	size_t count = elm__models_count(server->models);

	*index = 0;
	if (count == 1 || !name)
		return ELM_OK;
	*index = elm__models_find(server->models, name);
	if (*index < count)
		return ELM_OK;
	return elm_error_set(error, ELM_ERR_NOT_FOUND,
			     "The model '%s' does not exist; /v1/models has those that do", name);
}

elm_status elm__server_acquire(elm__server *server, const json_t *root, elm__loaded **out,
			       elm_error *error)
{
	const json_t *name = json_object_get(root, "model");
	elm_status status;
	size_t index;

	*out = NULL;
	if (name && !json_is_null(name) && !json_is_string(name) &&
	    elm__models_count(server->models) > 1)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "Field 'model' must be a string, but is %s",
				     elm__json_type_name(name));
	status = elm__server_choose(server, json_string_value(name), &index, error);
	return status ? status : elm__models_acquire(server->models, index, out, error);
}

/* One line of JSON: what, who, how long; no text of a request or an answer. */
static void log_exchange(void *user, const elm__http_record *record)
{
	const elm__server *server = user;
	char when[32];
	struct tm utc;
	time_t now = time(NULL);
	json_t *value;
	char *line;

	/* Dashboards ask every second, which would bury the rest. */
	if (!server->options.log || (record->status == 200 && !strcmp(record->path, status_path)))
		return;
	gmtime_r(&now, &utc);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &utc);
	value = json_pack("{s:s, s:s, s:o, s:o, s:i, s:I, s:f, s:b, s:s*, s:s*}", "time", when,
			  "client", record->client, "method",
			  elm__json_bytes(record->method, strlen(record->method)), "path",
			  elm__json_bytes(record->path, strlen(record->path)), "status",
			  record->status, "bytes", (json_int_t)record->sent, "seconds",
			  record->seconds, "complete", record->complete, "key", record->key, "note",
			  record->note[0] ? record->note : NULL);
	line = value ? json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
	json_decref(value);
	if (line)
		server->options.log(server->options.log_user, line);
	free(line);
}

elm_status elm__server_start(const elm__server_options *options, elm__server **out,
			     elm_error *error)
{
	elm__server *server = elm__calloc(1, sizeof(*server));
	elm__http_options http = options->http;
	elm_status status;

	*out = NULL;
	if (!server)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	server->options = *options;
	server->started = (int64_t)time(NULL);
	server->started_ns = elm__now_ns();
	http.routes = routes;
	http.done = log_exchange;
	http.user = server;
	status = elm__rates_create(options->http.keys, &server->rates, error);
	if (!status)
		status = elm__models_create(&options->models, &server->models, error);
	if (!status && options->preload)
		status = elm__models_load(server->models, 0, error);
	if (!status)
		status = elm__status_watch_create(options->sysroot ? options->sysroot : "",
						  &server->watch, error);
	if (!status)
		status = elm__http_server_start(&http, &server->http, error);
	if (status)
		elm__server_stop(server);
	else
		*out = server;
	return status;
}

elm__http_server *elm__server_http(elm__server *server)
{
	return server->http;
}

void elm__server_reload(elm__server *server)
{
	elm__models_reload(server->models);
}

void elm__server_drain(elm__server *server, double seconds)
{
	/* Beyond the end of the time, for clients to be told what has happened. */
	const double last_words = 1;
	uint64_t end = elm__now_ns() + (uint64_t)((seconds + last_words) * 1e9);

	elm__http_server_quiesce(server->http);
	elm__models_drain(server->models, seconds);
	/* The engine has finished before the clients have read it. */
	while (elm__http_server_busy(server->http) && elm__now_ns() < end) {
		struct timespec pause = { .tv_nsec = 10000000 };

		nanosleep(&pause, NULL);
	}
}

void elm__server_stop(elm__server *server)
{
	if (!server)
		return;
	if (server->models)
		elm__models_stop(server->models); /* nobody waits for a model any more */
	elm__http_server_stop(server->http);
	elm__models_free(server->models);
	elm__status_watch_free(server->watch);
	elm__rates_free(server->rates);
	elm__free(server);
}

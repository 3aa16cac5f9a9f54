/* subject_server.c: a server with the API of OpenAI, asked over HTTP and timed from outside. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "http/client.h"
#include "http/sse.h"
#include "study/completion.h"
#include "study/subject.h"

enum {
	COUNTS = 8,
	MAX_EVENT = 16 << 20,
	MAX_MODELS = 4 << 20,
	STREAMS = 256,
	KEY = 4096,
	LOADING_SECONDS = 120
};

typedef struct server {
	elm__subject subject;
	const elm__server_options *options;
	const volatile int *cancel;
	char *base;			    /* of its URLs, without "/v1" */
	char *model;			    /* its name in requests */
	char key[KEY];			    /* the header, or empty */
	bool native;			    /* it understands llama-server's fields, as ours does */
	elm__http_client *clients[STREAMS]; /* made when first used */
} server;

/* One request in progress. */
typedef struct reply {
	const server *s;
	elm__http_client *client;
	const elm__ask *ask;
	elm__answer *answer;
	elm__sse sse;
	elm__completion completion;
	int64_t *token_ns; /* absolute until it has ended */
	size_t capacity, pieces;
	elm_status status;
	elm_error error;
	pthread_t thread;
	bool threaded;
} reply;

/* --- the request --- */

static bool set(json_t *object, const char *key, json_t *value)
{
	return !json_object_set_new(object, key, value);
}

static json_t *messages_json(const elm__prompt *prompt)
{
	return prompt->system ? json_pack("[{s:s, s:s}, {s:s, s:s}]", "role", "system", "content",
					  prompt->system, "role", "user", "content", prompt->text) :
				json_pack("[{s:s, s:s}]", "role", "user", "content", prompt->text);
}

/* Fields that only some servers know are sent to those alone. */
static bool add_native(const server *s, const elm__ask *ask, json_t *body)
{
	const elm__server_options *o = s->options;

	return !s->native || (set(body, "cache_prompt", json_false()) &&
			      set(body, "ignore_eos", json_boolean(ask->ignore_eos)) &&
			      set(body, "top_k", json_integer(o->top_k)) &&
			      set(body, "min_p", json_real(o->min_p)) &&
			      set(body, "repeat_penalty", json_real(o->repeat_penalty)) &&
			      set(body, "repeat_last_n", json_integer(o->penalty_window)));
}

static json_t *body_json(const server *s, const elm__ask *ask)
{
	json_t *body = json_object();
	const elm__prompt *prompt = &ask->prompt;

	if (body && set(body, "model", json_string(s->model)) &&
	    set(body, prompt->chat ? "messages" : "prompt",
		prompt->chat ? messages_json(prompt) : json_string(prompt->text)) &&
	    set(body, "max_tokens", json_integer((json_int_t)ask->max_tokens)) &&
	    set(body, "temperature", json_real(s->options->temperature)) &&
	    set(body, "top_p", json_real(s->options->top_p)) &&
	    set(body, "seed", json_integer((json_int_t)ask->seed)) &&
	    set(body, "stream", json_true()) &&
	    set(body, "stream_options", json_pack("{s:b}", "include_usage", 1)) &&
	    add_native(s, ask, body))
		return body;
	json_decref(body);
	return NULL;
}

/* --- the stream --- */

static bool on_event(void *user, const char *name, const char *data, size_t length)
{
	uint64_t now = elm__now_ns();
	reply *r = user;
	bool more;

	r->status = elm__completion_event(&r->completion, data, length, &more, &r->error);
	if (more && r->pieces < r->capacity)
		r->token_ns[r->pieces++] = (int64_t)now;
	return r->status == ELM_OK;
}

static bool on_body(void *user, const void *data, size_t length)
{
	reply *r = user;
	elm_status status = elm__sse_push(&r->sse, data, length, &r->error);

	if (status && !r->status)
		r->status = status;
	return !r->status;
}

/* --- one request --- */

static elm_status post(reply *r, elm__http_result *result, elm_error *error)
{
	const server *s = r->s;
	const char *headers[] = { "Content-Type: application/json", NULL, NULL };
	char url[4096];
	elm__http_call call = { .url = url,
				.headers = headers,
				.timeout = s->options->timeout,
				.on_body = on_body,
				.user = r,
				.cancel = s->cancel };
	json_t *body = body_json(s, r->ask);
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	elm_status status;

	json_decref(body);
	if (!text)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	snprintf(url, sizeof(url), "%s/v1/%s", s->base,
		 r->ask->prompt.chat ? "chat/completions" : "completions");
	if (s->key[0])
		headers[1] = s->key;
	call.body = text;
	call.body_length = strlen(text);
	status = elm__http_call_run(r->client, &call, result, error);
	/* Why we have ended it is in the reply. */
	if (r->status)
		status = elm_error_set(error, r->status, "%s", r->error.text);
	if (status == ELM_OK)
		status = elm__http_expect_success(&call, result, error);
	free(text);
	return status;
}

/* "length" and "stop" of the API in the words of the table. */
static void fill_answer(reply *r, const elm__http_result *result, uint64_t end)
{
	elm__study_trial *row = &r->answer->row;

	r->answer->arrival_ns = result->sent_ns;
	for (size_t i = 0; i < r->pieces; i++)
		r->token_ns[i] -= (int64_t)result->sent_ns;
	r->answer->token_ns = r->token_ns;
	r->answer->token_count = r->pieces;
	row->status = "ok";
	row->stop = !strcmp(r->completion.stop, "length") ? "length" : "eos";
	row->prompt_tokens = r->completion.prompt_tokens;
	row->reused_tokens = r->completion.reused_tokens;
	row->output_tokens = r->completion.output_tokens;
	row->wall_ns = (int64_t)(end - result->sent_ns);
	if (row->output_tokens == ELM__STUDY_NONE)
		row->output_tokens = (int64_t)r->pieces;
	/* The context was full where less than the limit was said to be as long as allowed. */
	if (row->stop[0] == 'l' && row->output_tokens < (int64_t)r->ask->max_tokens) {
		row->status = "truncated";
		row->stop = "context";
	}
	if (r->pieces) {
		row->ttft_ns = r->token_ns[0];
		row->total_ns = r->token_ns[r->pieces - 1];
	}
}

/* A prompt that the server refuses as too long is an answer. */
static bool is_rejection(const elm__http_result *result, const elm_error *error)
{
	return (result->code == 400 || result->code == 413) &&
	       (strstr(error->text, "context") || strstr(error->text, "too long") ||
		strstr(error->text, "maximum"));
}

static void run_reply(reply *r)
{
	elm__http_result result;
	elm_error error = { 0 };
	elm_status status;

	elm__sse_init(&r->sse, MAX_EVENT, on_event, r);
	status = post(r, &result, &error);
	r->error = error;
	if (status == ELM_OK) {
		fill_answer(r, &result, elm__now_ns());
	} else if (is_rejection(&result, &error)) {
		r->answer->row.status = "rejected";
		r->answer->row.output_tokens = 0;
		r->answer->arrival_ns = result.sent_ns;
		status = ELM_OK;
	}
	r->status = status;
	elm__http_result_release(&result);
	elm__sse_release(&r->sse);
}

static void *run_thread(void *user)
{
	run_reply(user);
	return NULL;
}

/* --- requests at the same time --- */

static elm_status init_reply(server *s, reply *r, const elm__ask *ask, elm__answers *answers,
			     size_t index, elm_error *error)
{
	r->s = s;
	elm__completion_init(&r->completion);
	r->ask = ask;
	r->answer = &answers->items[index];
	r->capacity = (size_t)ask->max_tokens + 16;
	r->token_ns = elm__arena_calloc(&answers->arena, r->capacity, sizeof(*r->token_ns));
	if (!r->token_ns)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	r->answer->row.max_tokens = (int64_t)ask->max_tokens;
	if (!s->clients[index]) {
		elm_status status = elm__http_client_create(NULL, &s->clients[index], error);

		if (status)
			return status;
	}
	r->client = s->clients[index];
	return ELM_OK;
}

static elm_status finish_reply(reply *r, elm__answers *answers, elm_error *error)
{
	elm_status status = r->status;

	if (status)
		elm_error_set(error, status, "%s", r->error.text);
	r->answer->row.text = elm__arena_strndup(
		&answers->arena, elm__buf_text(&r->completion.text), r->completion.text.length);
	if (!status && r->error.text[0])
		r->answer->row.error =
			elm__arena_strndup(&answers->arena, r->error.text, strlen(r->error.text));
	elm__completion_release(&r->completion);
	return status;
}

static elm_status server_ask(elm__subject *subject, const elm__ask *ask, elm__answers *answers,
			     elm_error *error)
{
	server *s = (server *)subject;
	uint32_t count = ask->streams < STREAMS ? ask->streams : STREAMS;
	reply *replies = elm__calloc(count, sizeof(*replies));
	elm_status status = elm__answers_init(answers, count, error), one;

	if (!replies && !status)
		status = elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	for (uint32_t i = 0; i < count && status == ELM_OK; i++)
		status = init_reply(s, &replies[i], ask, answers, i, error);
	for (uint32_t i = 1; i < count && status == ELM_OK; i++) {
		replies[i].threaded =
			pthread_create(&replies[i].thread, NULL, run_thread, &replies[i]) == 0;
		if (!replies[i].threaded)
			status = elm_error_set(error, ELM_ERR_SYSTEM, "cannot start a thread: %s",
					       strerror(errno));
	}
	if (status == ELM_OK)
		run_reply(&replies[0]);
	for (uint32_t i = 0; i < count && replies; i++) {
		if (replies[i].threaded)
			pthread_join(replies[i].thread, NULL);
		if (!replies[i].s)
			continue;
		one = finish_reply(&replies[i], answers, error);
		if (!status)
			status = one;
	}
	elm__free(replies);
	return status;
}

/* It tells how many tokens a prompt has when it has computed it. */
static elm_status server_count(elm__subject *subject, const elm__prompt *prompt, uint32_t *tokens,
			       elm_error *error)
{
	elm__ask ask = { .prompt = *prompt, .max_tokens = 1, .streams = 1 };
	elm__answers answers;
	const elm__study_trial *row;
	elm_status status = server_ask(subject, &ask, &answers, error);

	*tokens = UINT32_MAX; /* more than fit in the context */
	if (status) {
		elm__answers_release(&answers);
		return status;
	}
	row = &answers.items[0].row;
	if (row->prompt_tokens > 0)
		*tokens = (uint32_t)row->prompt_tokens;
	else if (strcmp(row->status, "rejected"))
		status = elm_error_set(error, ELM_ERR_UNSUPPORTED,
				       "the server does not say how many tokens a prompt has "
				       "(usage), which the experiments with equal lengths need; "
				       "leave them out with --experiments");
	elm__answers_release(&answers);
	return status;
}

/* --- what it is --- */

static elm_status get(server *s, const char *path, json_t **out, elm_error *error)
{
	const char *headers[] = { s->key[0] ? s->key : NULL, NULL };
	char url[4096];
	elm__http_call call = { .url = url,
				.headers = headers,
				.timeout = 30,
				.limit = MAX_MODELS,
				.cancel = s->cancel };
	elm__http_result result;
	elm_status status;
	int waited = 0;

	*out = NULL;
	snprintf(url, sizeof(url), "%s%s", s->base, path);
	/* 503 is what a server says that is loading its model. */
	while ((status = elm__http_call_run(s->clients[0], &call, &result, error)) == ELM_OK &&
	       result.code == 503 && waited < LOADING_SECONDS && !(s->cancel && *s->cancel)) {
		elm__http_result_release(&result);
		nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);
		waited++;
	}
	if (status == ELM_OK)
		status = elm__http_expect_success(&call, &result, error);
	if (status == ELM_OK)
		status = elm__json_parse(url, elm__buf_text(&result.body), result.body.length, out,
					 error);
	elm__http_result_release(&result);
	return status;
}

static elm_status choose_model(server *s, elm_error *error)
{
	const char *name = s->options->model;
	json_t *models = NULL;
	elm_status status = ELM_OK;

	if (!name) {
		status = get(s, "/v1/models", &models, error);
		if (status)
			return status;
		name = json_string_value(
			json_object_get(json_array_get(json_object_get(models, "data"), 0), "id"));
	}
	if (!name)
		status = elm_error_set(error, ELM_ERR_FORMAT,
				       "%s: the server does not list its models; name one with "
				       "--model",
				       s->base);
	else if (!(s->model = elm__strdup(name)))
		status = elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	json_decref(models);
	return status;
}

/* What llama-server and ours tell at /props; others do not have it. */
static void look_at_props(server *s)
{
	const json_t *settings;
	json_t *props;
	int64_t context = 0;

	if (get(s, "/props", &props, NULL))
		return;
	settings = json_object_get(props, "default_generation_settings");
	s->native = json_is_object(settings);
	if (!elm__json_get_i64(settings, "n_ctx", 1, INT32_MAX, &context, NULL) && context)
		s->subject.facts.config.context = context;
	json_decref(props);
}

static void fill_facts(server *s)
{
	elm__subject_facts *facts = &s->subject.facts;
	const elm__server_options *o = s->options;

	elm__row_clear(ELM__TABLE_model, &facts->model);
	elm__row_clear(ELM__TABLE_config, &facts->config);
	facts->model.name = s->model;
	facts->config.engine = "server";
	facts->config.url = o->url;
	facts->config.temperature = o->temperature;
	facts->config.top_p = o->top_p;
	look_at_props(s);
	if (!s->native)
		return;
	facts->config.top_k = o->top_k;
	facts->config.min_p = o->min_p;
	facts->config.repeat_penalty = o->repeat_penalty;
	facts->config.penalty_window = o->penalty_window;
}

static elm_status set_base(server *s, elm_error *error)
{
	size_t length = strlen(s->options->url);

	while (length && s->options->url[length - 1] == '/')
		length--;
	if (length >= 3 && !memcmp(s->options->url + length - 3, "/v1", 3))
		length -= 3;
	s->base = elm__strndup(s->options->url, length);
	if (!s->base)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	if (s->options->key && snprintf(s->key, sizeof(s->key), "Authorization: Bearer %s",
					s->options->key) >= (int)sizeof(s->key))
		return elm_error_set(error, ELM_ERR_ARGUMENT, "the API key is too long");
	return elm__http_client_create(NULL, &s->clients[0], error);
}

static void server_free(elm__subject *subject)
{
	server *s = (server *)subject;

	for (size_t i = 0; i < STREAMS; i++)
		elm__http_client_free(s->clients[i]);
	elm__free(s->base);
	elm__free(s->model);
	elm__arena_release(&subject->facts.arena);
	elm__free(s);
}

elm_status elm__subject_server(const elm__server_options *options, const volatile int *cancel,
			       elm__subject **out, elm_error *error)
{
	static const elm__subject_kind kind = { NULL, server_ask, server_count, server_free,
						COUNTS };
	server *s = elm__calloc(1, sizeof(*s));
	elm_status status;

	*out = NULL;
	if (!s)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	s->subject.kind = &kind;
	s->subject.pid = options->pid;
	s->options = options;
	s->cancel = cancel;
	elm__arena_init(&s->subject.facts.arena, 0);
	status = set_base(s, error);
	if (status == ELM_OK)
		status = choose_model(s, error);
	if (status) {
		server_free(&s->subject);
		return status;
	}
	fill_facts(s);
	*out = &s->subject;
	return ELM_OK;
}

/* embeddings.c: texts as vectors, from the states of the model. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "server/embedding_request.h"
#include "server/internal.h"
#include "server/job.h"
#include "server/prompt.h"

/* Values that one reply may have, so that none takes more memory than a model's cache would. */
enum { MOST_VALUES = 1 << 23, CLIENT_GONE = 499 };

typedef struct embeddings {
	elm__server *server;
	elm__http_exchange *exchange;
	bool openai;
	elm__embedding_request request;
	elm__loaded *loaded;
	elm_pooling pooling;
	uint32_t width;
	elm__prompt *prompts;
	size_t count, tokens; /* of prompts, and of all of them together */
	elm__job *job;
	size_t submitted, done, reused;
	float **vectors; /* of each prompt, when it is done */
	size_t *vector_counts;
} embeddings;

static elm_status no_memory(elm_error *error)
{
	return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
}

/* As the operator says, or the file (a number that is the order of these names), or the mean. */
static elm_pooling choose_pooling(const elm__server *server, const elm_model *model)
{
	static const elm_pooling of_file[] = { ELM_POOLING_ALL, ELM_POOLING_MEAN, ELM_POOLING_FIRST,
					       ELM_POOLING_LAST };
	uint32_t number = UINT32_MAX;
	char key[128];

	if (server->options.pooling)
		return server->options.pooling;
	snprintf(key, sizeof(key), "%s.pooling_type", elm_model_get_info(model)->architecture);
	if (elm_gguf_get_u32(elm_model_gguf(model), key, &number, NULL) || number > 3)
		return ELM_POOLING_MEAN;
	return of_file[number];
}

/* What depends on the model. */
static elm_status check(embeddings *e, elm_error *error)
{
	const char *field = e->request.field;
	size_t vectors = 0;

	e->width = elm_model_get_info(e->loaded->model)->width;
	e->pooling = choose_pooling(e->server, e->loaded->model);
	if (e->openai && e->pooling == ELM_POOLING_ALL)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "This model has a vector for each token, which OpenAI's form "
				     "has no place for; ask /embedding, or start the server with "
				     "--pooling mean");
	if (e->request.dimensions > e->width)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "Field 'dimensions' must be at most %u, the size of this "
				     "model's vectors",
				     e->width);
	for (size_t i = 0; i < e->count; i++) {
		e->tokens += e->prompts[i].count;
		vectors += e->pooling == ELM_POOLING_ALL ? e->prompts[i].count : 1;
	}
	if (vectors > MOST_VALUES / e->width)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "Field '%s' needs %zu vectors of %u values, and one request "
				     "can have %u; send less at once",
				     field, vectors, e->width, MOST_VALUES / e->width);
	return ELM_OK;
}

static elm_status prepare(embeddings *e, elm_error *error)
{
	const char *body;
	elm_status status;
	size_t length;

	body = elm__http_body(e->exchange, &length);
	status = elm__embedding_request_parse(&e->request, e->openai, body, length, error);
	if (!status)
		status = elm__server_acquire(e->server, e->request.root, &e->loaded, error);
	if (!status)
		status = elm__prompts_read(e->loaded->tokenizer, e->request.input, e->request.field,
					   &e->prompts, &e->count, error);
	if (!status)
		status = check(e, error);
	if (!status)
		status = elm__prompts_check(e->prompts, e->count, e->loaded->scheduler, error);
	if (status)
		return status;
	e->vectors = elm__calloc(e->count, sizeof(e->vectors[0]));
	e->vector_counts = elm__calloc(e->count, sizeof(e->vector_counts[0]));
	if (!e->vectors || !e->vector_counts)
		return no_memory(error);
	elm__access_charge(e->server, e->exchange, e->tokens);
	return elm__job_create((uint32_t)e->count, e->loaded->scheduler, &e->job, error);
}

/* Keeps as many texts in progress as can be computed at once. One that is refused is tried again
 * when another has ended; with none in progress, it is the error. */
static elm_status submit_more(embeddings *e, elm_error *error)
{
	size_t most = elm_scheduler_get_options(e->loaded->scheduler)->session.max_sequences;

	while (e->submitted < e->count && e->submitted - e->done < most) {
		const elm__prompt *prompt = &e->prompts[e->submitted];
		elm_request request = { .prompt = prompt->tokens,
					.prompt_count = prompt->count,
					.pooling = e->pooling };
		elm_error own = { 0 };
		elm_status status;

		elm__access_apply(e->server, e->exchange,
				  e->request.has_priority ? &e->request.priority : NULL, &request);
		status = elm__job_submit(e->job, &request, &own);
		if (!status) {
			e->submitted++;
			continue;
		}
		if (e->submitted > e->done && (status == ELM_ERR_FULL || status == ELM_ERR_QUOTA))
			return ELM_OK;
		return elm_error_set(error, status, "%s", own.text);
	}
	return ELM_OK;
}

static elm_status take(embeddings *e, const elm__job_event *event, elm_error *error)
{
	size_t values = event->state_count * e->width;
	float *vectors;

	if (event->kind == ELM_EVENT_ERROR)
		return elm_error_set(error, event->error->status, "%s", event->error->text);
	if (event->kind != ELM_EVENT_DONE)
		return ELM_OK;
	if (event->finish != ELM_FINISH_POOLED)
		return elm_error_set(error, ELM_ERR_CANCELLED,
				     "the request was cut off before its vectors were complete");
	vectors = elm__malloc(values * sizeof(vectors[0]));
	if (!vectors)
		return no_memory(error);
	memcpy(vectors, event->states, values * sizeof(vectors[0]));
	e->vectors[event->choice] = vectors;
	e->vector_counts[event->choice] = event->state_count;
	e->reused += event->stats.prompt_reused;
	e->done++;
	for (size_t i = 0; i < values; i++)
		if (!isfinite(vectors[i]))
			return elm_error_set(error, ELM_ERR_INTERNAL,
					     "the model's state is not a number; its weights are "
					     "damaged");
	/* States of single tokens are told as they are. */
	if (e->pooling != ELM_POOLING_ALL)
		elm__embedding_finish(&e->request, vectors, e->width);
	return ELM_OK;
}

/* Waits for all of it. False when the client has gone. */
static bool collect(embeddings *e, elm_error *error)
{
	elm__job_event event;

	while (e->done < e->count) {
		if (submit_more(e, error))
			return true;
		if (elm__job_next(e->job, &event)) {
			if (take(e, &event, error))
				return true;
		} else if (elm__job_wait(e->job, e->exchange, -1) == ELM__HTTP_GONE) {
			return false;
		}
	}
	return true;
}

/* --- the reply --- */

static void put_vector(elm__buf *out, const embeddings *e, const float *values, size_t count)
{
	if (e->request.base64) {
		elm__buf_putc(out, '"');
		elm__buf_base64(out, values, count * sizeof(values[0]));
		elm__buf_putc(out, '"');
		return;
	}
	elm__buf_putc(out, '[');
	for (size_t i = 0; i < count; i++)
		elm__buf_printf(out, "%s%.9g", i ? "," : "", (double)values[i]);
	elm__buf_putc(out, ']');
}

/* As many values of each vector as the request wants. */
static size_t values_of(const embeddings *e)
{
	size_t wanted = (size_t)e->request.dimensions;

	return wanted && e->pooling != ELM_POOLING_ALL ? wanted : e->width;
}

static void put_openai(elm__buf *out, const embeddings *e)
{
	const char *name = e->loaded->name;

	elm__buf_puts(out, "{\"model\":");
	elm__put_string(out, name, strlen(name));
	elm__buf_printf(
		out,
		",\"object\":\"list\",\"usage\":{\"prompt_tokens\":%zu,\"total_tokens\":%zu}"
		",\"data\":[",
		e->tokens, e->tokens);
	for (size_t i = 0; i < e->count; i++) {
		elm__buf_puts(out, i ? ",{\"embedding\":" : "{\"embedding\":");
		put_vector(out, e, e->vectors[i], values_of(e));
		elm__buf_printf(out, ",\"index\":%zu,\"object\":\"embedding\"}", i);
	}
	elm__buf_puts(out, "]}");
}

static void put_llamacpp(elm__buf *out, const embeddings *e)
{
	elm__buf_putc(out, '[');
	for (size_t i = 0; i < e->count; i++) {
		elm__buf_printf(out, "%s{\"index\":%zu,\"embedding\":[", i ? "," : "", i);
		for (size_t j = 0; j < e->vector_counts[i]; j++) {
			elm__buf_puts(out, j ? "," : "");
			put_vector(out, e, e->vectors[i] + j * e->width, values_of(e));
		}
		elm__buf_puts(out, "]}");
	}
	elm__buf_putc(out, ']');
}

static void reply(const embeddings *e)
{
	elm__buf out = ELM__BUF_INIT;

	if (e->openai)
		put_openai(&out, e);
	else
		put_llamacpp(&out, e);
	if (out.failed)
		elm__http_fail(e->exchange, 500, "server_error", "out of memory");
	else
		elm__http_reply(e->exchange, 200, "application/json; charset=utf-8", out.data,
				out.length);
	elm__buf_release(&out);
}

static void release(embeddings *e)
{
	elm__job_close(e->job);
	for (size_t i = 0; i < e->count && e->vectors; i++)
		elm__free(e->vectors[i]);
	elm__free(e->vectors);
	elm__free(e->vector_counts);
	elm__prompts_free(e->prompts, e->count);
	elm__models_release(e->server->models, e->loaded, true);
	elm__embedding_request_release(&e->request);
}

static void serve(elm__server *server, elm__http_exchange *exchange, bool openai)
{
	embeddings e = { .server = server, .exchange = exchange, .openai = openai };
	elm_error error = { 0 };

	if (!server->options.embeddings) {
		elm__http_fail(exchange, 501, "not_supported_error",
			       "This server does not support embeddings. Start it with "
			       "`--embeddings`");
		return;
	}
	if (!elm__access_admit(server, exchange))
		return;
	if (prepare(&e, &error) == ELM_ERR_LIMIT && e.prompts)
		elm__prompts_fail(e.prompts, e.count, e.loaded->scheduler, exchange, &error);
	else if (!error.status && !collect(&e, &error))
		elm__http_fail(exchange, CLIENT_GONE, "invalid_request_error",
			       "the client has gone");
	else if (error.status)
		elm__server_fail(server, exchange, &error);
	else
		reply(&e);
	elm__http_note(exchange, "prompt=%zu cached=%zu inputs=%zu", e.tokens, e.reused, e.count);
	release(&e);
}

void elm__serve_embeddings(void *user, elm__http_exchange *exchange)
{
	serve(user, exchange, true);
}

void elm__serve_embedding(void *user, elm__http_exchange *exchange)
{
	serve(user, exchange, false);
}

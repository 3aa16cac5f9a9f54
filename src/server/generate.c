/* generate.c: the endpoints that generate text. */
#include <string.h>

#include "server/answer.h"

/* A comment is sent in a stream that has nothing to tell for so long, so that nobody on the way
 * takes the connection for dead. */
enum { SILENCE_MS = 15000, CLIENT_GONE = 499 };

/* Takes in all that there is, and tells it. */
static void tell(elm__answer *a)
{
	elm__job_event event;

	while (!a->complete && elm__job_next(a->job, &event)) {
		elm_error error = { 0 };

		/* What a chat's text is may depend on what follows. */
		if (elm__answer_take(a, &event, elm__api_is_chat(a->request.api), &error))
			elm__answer_put_error(a, &error);
		else
			elm__answer_put_event(a, &event);
	}
}

static ptrdiff_t stream_read(void *user, elm__http_exchange *exchange, char *out, size_t room)
{
	elm__answer *a = user;
	size_t length;

	while (a->sent == a->out.length) {
		elm__http_event event;

		elm__buf_clear(&a->out);
		a->sent = 0;
		if (a->complete)
			return 0;
		tell(a);
		if (a->out.failed)
			return ELM__HTTP_BREAK;
		if (a->out.length)
			break;
		event = elm__job_wait(a->job, exchange, SILENCE_MS);
		if (event == ELM__HTTP_GONE)
			return ELM__HTTP_BREAK;
		if (event == ELM__HTTP_TIMEOUT)
			elm__buf_puts(&a->out, ":\n\n");
	}
	length = a->out.length - a->sent < room ? a->out.length - a->sent : room;
	memcpy(out, a->out.data + a->sent, length);
	a->sent += length;
	return (ptrdiff_t)length;
}

/* For the access log: figures, and no text. */
static void note(const elm__answer *a)
{
	size_t prompt = 0, reused = 0, generated = 0;

	for (uint32_t i = 0; i < a->choice_count; i++) {
		generated += a->choices[i].stats.token_count;
		reused += a->choices[i].stats.prompt_reused;
		prompt += elm__answer_prompt(a, i)->count;
	}
	elm__access_charge(a->server, a->exchange, generated);
	elm__http_note(a->exchange, "prompt=%zu cached=%zu generated=%zu", prompt, reused,
		       generated);
}

static void stream_close(void *user)
{
	elm__answer *a = user;

	note(a);
	elm__answer_free(a);
}

/* Waits for all of the answer. False when the client has gone. */
static bool collect(elm__answer *a, elm_error *error)
{
	elm__job_event event;

	while (a->open && !error->status)
		if (elm__job_next(a->job, &event)) {
			if (elm__answer_take(a, &event, true, error))
				break;
		} else if (elm__job_wait(a->job, a->exchange, -1) == ELM__HTTP_GONE) {
			return false;
		}
	return true;
}

static void reply_whole(elm__answer *a)
{
	elm_error error = { 0 };

	if (!collect(a, &error))
		elm__http_fail(a->exchange, CLIENT_GONE, "invalid_request_error",
			       "the client has gone");
	else if (error.status)
		elm__server_fail(a->server, a->exchange, &error);
	else {
		elm__answer_rank(a);
		elm__http_reply_json(a->exchange, 200, elm__answer_json(a));
	}
	note(a);
	elm__answer_free(a);
}

static void generate(elm__server *server, elm__http_exchange *exchange, elm__api api)
{
	elm__http_stream stream = { stream_read, stream_close, NULL };
	elm_error error = { 0 };
	elm__answer *a;

	if (!elm__access_admit(server, exchange))
		return;
	if (elm__answer_create(server, exchange, api, &a, &error)) {
		elm__server_fail(server, exchange, &error);
		return;
	}
	if (!a->request.stream) {
		reply_whole(a);
		return;
	}
	elm__answer_begin_stream(a);
	elm__http_set_header(exchange, "X-Accel-Buffering", "no");
	stream.user = a;
	elm__http_reply_stream(exchange, 200, "text/event-stream", &stream);
}

void elm__serve_chat(void *user, elm__http_exchange *exchange)
{
	generate(user, exchange, ELM__API_CHAT);
}

void elm__serve_completions(void *user, elm__http_exchange *exchange)
{
	generate(user, exchange, ELM__API_COMPLETIONS);
}

void elm__serve_completion(void *user, elm__http_exchange *exchange)
{
	generate(user, exchange, ELM__API_COMPLETION);
}

void elm__serve_responses(void *user, elm__http_exchange *exchange)
{
	generate(user, exchange, ELM__API_RESPONSES);
}

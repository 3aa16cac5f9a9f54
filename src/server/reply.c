/* reply.c: answers as one JSON value, and as a stream of chunks. */
#include <edgelm/version.h>

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "server/answer.h"
#include "server/tools.h"

/* {"content": [...]}, null where none are wanted. */
static json_t *logprobs_json(const elm__answer *a, const elm__choice *c)
{
	if (!a->request.logprobs)
		return json_null();
	return json_pack("{s:o}", "content", c->logprobs ? json_incref(c->logprobs) : json_array());
}

static json_t *chat_choice(const elm__answer *a, uint32_t number)
{
	const elm__choice *c = &a->choices[number];
	json_t *content = c->calls && !c->content ?
				  json_null() :
				  json_stringn(elm__buf_text(&c->text), c->content);
	json_t *value = json_pack("{s:s, s:i, s:{s:s, s:o, s:O*}}", "finish_reason",
				  elm__answer_finish(c), "index", (int)number, "message", "role",
				  "assistant", "content", content, "tool_calls", c->calls);

	if (value && a->request.logprobs &&
	    json_object_set_new(value, "logprobs", logprobs_json(a, c))) {
		json_decref(value);
		return NULL;
	}
	return value;
}

static json_t *text_choice(const elm__answer *a, uint32_t number)
{
	const elm__choice *c = &a->choices[number];

	return json_pack("{s:s%, s:i, s:o, s:s}", "text", elm__buf_text(&c->text), c->text.length,
			 "index", (int)number, "logprobs", logprobs_json(a, c), "finish_reason",
			 elm__answer_finish(c));
}

static json_t *each_choice(const elm__answer *a, json_t *(*make)(const elm__answer *, uint32_t))
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < a->choice_count; i++)
		if (json_array_append_new(list, make(a, i))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static json_t *whole_completion(const elm__answer *a, uint32_t number)
{
	return elm__answer_completion(a, number, false);
}

static json_t *fingerprint(void)
{
	return json_sprintf("edgelm-%s", elm_version());
}

json_t *elm__answer_json(const elm__answer *a)
{
	bool chat = a->request.api == ELM__API_CHAT;

	if (a->request.api == ELM__API_COMPLETION)
		return a->choice_count == 1 ? whole_completion(a, 0) :
					      each_choice(a, whole_completion);
	return json_pack("{s:o, s:I, s:s, s:o, s:s, s:o, s:s, s:o}", "choices",
			 each_choice(a, chat ? chat_choice : text_choice), "created",
			 (json_int_t)a->created, "model", a->loaded->name, "system_fingerprint",
			 fingerprint(), "object", chat ? "chat.completion" : "text_completion",
			 "usage", elm__answer_usage(a), "id", a->id, "timings",
			 elm__answer_timings(a));
}

/* Writes the text of a value and releases it. */
static void put_json(elm__buf *out, json_t *value)
{
	char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	json_decref(value);
	if (text)
		elm__buf_puts(out, text);
	else
		out->failed = true;
	free(text);
}

void elm__answer_begin_stream(elm__answer *a)
{
	const char *name = a->loaded->name;
	bool chat = a->request.api == ELM__API_CHAT;

	elm__buf_printf(&a->before, ",\"created\":%" PRId64, a->created);
	if (chat)
		elm__buf_printf(&a->before, ",\"id\":\"%s\"", a->id);
	else
		elm__buf_printf(&a->after, ",\"id\":\"%s\"", a->id);
	elm__buf_puts(&a->before, ",\"model\":");
	elm__put_string(&a->before, name, strlen(name));
	elm__buf_printf(&a->before, ",\"system_fingerprint\":\"edgelm-%s\",\"object\":\"%s\"",
			elm_version(), chat ? "chat.completion.chunk" : "text_completion");
	if (a->before.failed || a->after.failed)
		a->out.failed = true;
}

/* The rest of a chunk, after its choices. */
static void end_chunk(elm__answer *a, bool usage, bool timings)
{
	elm__buf_append(&a->out, a->before.data, a->before.length);
	if (usage) {
		elm__buf_puts(&a->out, ",\"usage\":");
		put_json(&a->out, elm__answer_usage(a));
	}
	elm__buf_append(&a->out, elm__buf_text(&a->after), a->after.length);
	if (timings) {
		elm__buf_puts(&a->out, ",\"timings\":");
		put_json(&a->out, elm__answer_timings(a));
	}
	elm__buf_puts(&a->out, "}\n\n");
}

/* ,"logprobs":{"content":[...]} */
static void put_logprobs(elm__answer *a, const elm__job_event *event)
{
	if (!a->request.logprobs || event->kind != ELM_EVENT_TOKEN)
		return;
	elm__buf_puts(&a->out, ",\"logprobs\":{\"content\":[");
	put_json(&a->out, elm__answer_logprob(a, event));
	elm__buf_puts(&a->out, "]}");
}

static void put_progress(elm__answer *a, const elm__job_event *event)
{
	const elm_request_stats *stats = &event->stats;

	elm__buf_printf(&a->out,
			",\"prompt_progress\":{\"total\":%zu,\"cache\":%zu,\"processed\":%zu,"
			"\"time_ms\":%" PRIu64 "}",
			stats->prompt_count, stats->prompt_reused, event->prompt_done,
			stats->start_ns ? (elm__now_ns() - stats->start_ns) / 1000000 : 0);
}

/* data: {"choices":[{"finish_reason":null,"index":0,"delta": */
static void begin_delta(elm__answer *a, uint32_t choice)
{
	elm__buf_printf(
		&a->out,
		"data: {\"choices\":[{\"finish_reason\":null,\"index\":%u,\"delta\":", choice);
}

/* "tool_calls":[...], each with its index, as streams have them */
static void put_calls(elm__answer *a, const elm__choice *c)
{
	json_t *call;
	size_t i;

	elm__buf_puts(&a->out, "{\"tool_calls\":");
	json_array_foreach(c->calls, i, call) if (json_object_set_new(call, "index",
								      json_integer((json_int_t)i)))
		a->out.failed = true;
	put_json(&a->out, json_incref(c->calls));
	elm__buf_puts(&a->out, "}}]");
}

/* What of the text an event lets us tell: all that is new, unless a call may begin in it. */
static size_t new_text(const elm__answer *a, elm__choice *c, const elm__job_event *event,
		       const char **text)
{
	size_t until, length;

	*text = event->text;
	if (!a->request.tools)
		return event->text_length;
	*text = elm__buf_text(&c->text) + c->told;
	until = event->kind == ELM_EVENT_DONE ?
			c->content :
			elm__tools_certain(elm__buf_text(&c->text), c->text.length, c->told);
	length = until > c->told ? until - c->told : 0;
	c->told += length;
	return length;
}

static void put_chat(elm__answer *a, const elm__job_event *event)
{
	elm__choice *c = &a->choices[event->choice];
	const char *text;
	size_t length = new_text(a, c, event, &text);
	bool last = event->kind == ELM_EVENT_DONE && !a->open;
	bool wants_logprobs = a->request.logprobs && event->kind == ELM_EVENT_TOKEN;

	if (!c->started || event->kind == ELM_EVENT_PROMPT) {
		begin_delta(a, event->choice);
		elm__buf_puts(&a->out, "{\"role\":\"assistant\",\"content\":null}}]");
		if (event->kind == ELM_EVENT_PROMPT)
			put_progress(a, event);
		end_chunk(a, false, false);
		c->started = true;
	}
	if (length || wants_logprobs) {
		begin_delta(a, event->choice);
		elm__buf_puts(&a->out, "{\"content\":");
		elm__put_string(&a->out, text, length);
		elm__buf_putc(&a->out, '}');
		put_logprobs(a, event);
		elm__buf_puts(&a->out, "}]");
		end_chunk(a, false, a->request.timings_per_token);
	}
	if (event->kind != ELM_EVENT_DONE)
		return;
	if (c->calls) {
		begin_delta(a, event->choice);
		put_calls(a, c);
		end_chunk(a, false, false);
	}
	elm__buf_printf(&a->out,
			"data: {\"choices\":[{\"finish_reason\":\"%s\",\"index\":%u,"
			"\"delta\":{}}]",
			elm__answer_finish(c), event->choice);
	end_chunk(a, false, last && !a->request.include_usage);
	if (last && a->request.include_usage) {
		elm__buf_puts(&a->out, "data: {\"choices\":[]");
		end_chunk(a, true, true);
	}
}

static void put_text(elm__answer *a, const elm__job_event *event)
{
	bool done = event->kind == ELM_EVENT_DONE;
	bool wants_logprobs = a->request.logprobs && event->kind == ELM_EVENT_TOKEN;

	if (event->text_length || wants_logprobs) {
		elm__buf_puts(&a->out, "data: {\"choices\":[{\"text\":");
		elm__put_string(&a->out, event->text, event->text_length);
		elm__buf_printf(&a->out, ",\"index\":%u", event->choice);
		if (wants_logprobs)
			put_logprobs(a, event);
		else
			elm__buf_puts(&a->out, ",\"logprobs\":null");
		elm__buf_puts(&a->out, ",\"finish_reason\":null}]");
		end_chunk(a, false, a->request.timings_per_token);
	}
	if (!done)
		return;
	elm__buf_printf(&a->out,
			"data: {\"choices\":[{\"text\":\"\",\"index\":%u,\"logprobs\":null,"
			"\"finish_reason\":\"%s\"}]",
			event->choice, elm__answer_finish(&a->choices[event->choice]));
	end_chunk(a, !a->open, !a->open);
}

static void put_completion(elm__answer *a, const elm__job_event *event)
{
	bool wants_logprobs = a->request.logprobs && event->kind == ELM_EVENT_TOKEN;

	if (event->text_length || wants_logprobs) {
		elm__buf_printf(&a->out, "data: {\"index\":%u,\"content\":", event->choice);
		elm__put_string(&a->out, event->text, event->text_length);
		elm__buf_puts(&a->out, ",\"tokens\":[");
		if (event->kind == ELM_EVENT_TOKEN)
			elm__buf_printf(&a->out, "%d", event->token);
		elm__buf_printf(&a->out,
				"],\"stop\":false,\"id_slot\":-1,\"tokens_predicted\":%zu,"
				"\"tokens_evaluated\":%zu",
				event->stats.token_count, event->stats.prompt_count);
		if (wants_logprobs) {
			elm__buf_puts(&a->out, ",\"completion_probabilities\":[");
			put_json(&a->out, elm__answer_logprob(a, event));
			elm__buf_putc(&a->out, ']');
		}
		if (a->request.timings_per_token) {
			elm__buf_puts(&a->out, ",\"timings\":");
			put_json(&a->out, elm__answer_timings(a));
		}
		elm__buf_puts(&a->out, "}\n\n");
	}
	if (event->kind != ELM_EVENT_DONE)
		return;
	elm__buf_puts(&a->out, "data: ");
	put_json(&a->out, elm__answer_completion(a, event->choice, true));
	elm__buf_puts(&a->out, "\n\n");
}

void elm__answer_put_event(elm__answer *a, const elm__job_event *event)
{
	switch (a->request.api) {
	case ELM__API_CHAT:
		put_chat(a, event);
		break;
	case ELM__API_COMPLETIONS:
		put_text(a, event);
		break;
	case ELM__API_COMPLETION:
		put_completion(a, event);
		break;
	}
	if (a->open)
		return;
	a->complete = true;
	if (a->request.api != ELM__API_COMPLETION)
		elm__buf_puts(&a->out, "data: [DONE]\n\n");
}

void elm__answer_put_error(elm__answer *a, const elm_error *error)
{
	const char *type;
	int status = elm__server_status(error->status, &type);

	elm__buf_puts(&a->out, "data: ");
	put_json(&a->out, json_pack("{s:{s:i, s:s, s:s}}", "error", "code", status, "message",
				    error->text, "type", type));
	elm__buf_puts(&a->out, "\n\n");
	a->complete = true;
}

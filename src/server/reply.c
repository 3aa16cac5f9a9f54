/* reply.c: answers as one JSON value, and as a stream of chunks. */
#include <edgelm/version.h>

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "server/answer.h"

static json_t *chat_choice(const elm__answer *a, uint32_t number)
{
	const elm__choice *c = &a->choices[number];
	const elm__thoughts *t = &c->thoughts;
	const char *text = elm__buf_text(&c->text);
	size_t length = c->content - t->answer;
	json_t *content =
		c->calls && !length ? json_null() : json_stringn(text + t->answer, length);
	json_t *thoughts =
		t->end > t->begin ? json_stringn(text + t->begin, t->end - t->begin) : NULL;
	json_t *value = json_pack("{s:s, s:i, s:{s:s, s:o, s:o*, s:O*}}", "finish_reason",
				  elm__answer_finish(c), "index", (int)number, "message", "role",
				  "assistant", "content", content, "reasoning_content", thoughts,
				  "tool_calls", c->calls);

	if (value && a->request.logprobs &&
	    json_object_set_new(value, "logprobs",
				json_pack("{s:o}", "content", elm__list_or_empty(c->logprobs)))) {
		json_decref(value);
		return NULL;
	}
	return value;
}

/* The prompt, as the client has given it, where it is to stand before the text. */
static void put_echo(const elm__answer *a, uint32_t number, elm__buf *out)
{
	json_t *prompt = a->request.echo ? elm__answer_prompt_text(a, number) : NULL;

	if (prompt)
		elm__buf_append(out, json_string_value(prompt), json_string_length(prompt));
	else
		out->failed |= a->request.echo;
	json_decref(prompt);
}

static json_t *text_choice(const elm__answer *a, uint32_t number)
{
	const elm__choice *c = &a->choices[number];
	elm__buf text = ELM__BUF_INIT;
	json_t *value = NULL, *logprobs;
	size_t characters = 0;

	put_echo(a, number, &text);
	elm__buf_append(&text, c->text.data, c->text.length);
	logprobs = a->request.logprobs ? elm__list_or_empty(c->logprobs) : json_null();
	if (a->request.logprobs) {
		json_t *list = logprobs;

		logprobs = elm__logprobs_legacy(list, &characters);
		json_decref(list);
	}
	if (!text.failed)
		value = json_pack("{s:s%, s:i, s:o, s:s}", "text", elm__buf_text(&text),
				  text.length, "index", (int)number, "logprobs", logprobs,
				  "finish_reason", elm__answer_finish(c));
	else
		json_decref(logprobs);
	elm__buf_release(&text);
	return value;
}

static json_t *each_choice(const elm__answer *a, json_t *(*make)(const elm__answer *, uint32_t))
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < a->choice_count; i++) {
		uint32_t number = elm__answer_returned(a, i);

		if (number >= a->choice_count)
			break;
		if (json_array_append_new(list, make(a, number))) {
			json_decref(list);
			return NULL;
		}
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

	if (a->request.api == ELM__API_RESPONSES)
		return elm__response_json(a);
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

void elm__answer_begin_stream(elm__answer *a)
{
	const char *name = a->loaded->name;
	bool chat = a->request.api == ELM__API_CHAT;

	if (a->request.api == ELM__API_RESPONSES) {
		elm__response_begin_stream(a);
		return;
	}
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
		elm__put_json(&a->out, elm__answer_usage(a));
	}
	elm__buf_append(&a->out, elm__buf_text(&a->after), a->after.length);
	if (timings) {
		elm__buf_puts(&a->out, ",\"timings\":");
		elm__put_json(&a->out, elm__answer_timings(a));
	}
	elm__buf_puts(&a->out, "}\n\n");
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
	elm__put_json(&a->out, json_incref(c->calls));
	elm__buf_puts(&a->out, "}}]");
}

/* A chunk with some text, perhaps with the probabilities of the event's token. */
static void put_delta(elm__answer *a, const elm__job_event *event, const char *member,
		      const char *text, size_t length, bool logprobs)
{
	begin_delta(a, event->choice);
	elm__buf_printf(&a->out, "{\"%s\":", member);
	elm__put_string(&a->out, text, length);
	elm__buf_putc(&a->out, '}');
	if (logprobs) {
		elm__buf_puts(&a->out, ",\"logprobs\":{\"content\":[");
		elm__put_json(&a->out, elm__answer_logprob(a, event));
		elm__buf_puts(&a->out, "]}");
	}
	elm__buf_puts(&a->out, "}]");
	end_chunk(a, false, a->request.timings_per_token);
}

static void put_chat(elm__answer *a, const elm__job_event *event)
{
	elm__choice *c = &a->choices[event->choice];
	elm__news news = elm__answer_news(a, c, event->kind == ELM_EVENT_DONE);
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
	if (news.thoughts_length) {
		put_delta(a, event, "reasoning_content", news.thoughts, news.thoughts_length,
			  wants_logprobs && !news.text_length);
		wants_logprobs &= news.text_length > 0;
	}
	if (news.text_length || wants_logprobs)
		put_delta(a, event, "content", news.text, news.text_length, wants_logprobs);
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

/* Those of the event's token, or null. */
static void put_legacy_logprobs(elm__answer *a, const elm__job_event *event)
{
	json_t *list = event ? json_pack("[o]", elm__answer_logprob(a, event)) : NULL;

	if (event)
		elm__put_json(&a->out, list ? elm__logprobs_legacy(
						      list, &a->choices[event->choice].characters) :
					      NULL);
	else
		elm__buf_puts(&a->out, "null");
	json_decref(list);
}

static void put_text(elm__answer *a, const elm__job_event *event)
{
	elm__choice *c = &a->choices[event->choice];
	bool done = event->kind == ELM_EVENT_DONE;
	bool wants_logprobs = a->request.logprobs && event->kind == ELM_EVENT_TOKEN;
	elm__buf text = ELM__BUF_INIT;

	if (!c->started)
		put_echo(a, event->choice, &text);
	c->started = true;
	elm__buf_append(&text, event->text, event->text_length);
	if (text.length || wants_logprobs) {
		elm__buf_puts(&a->out, "data: {\"choices\":[{\"text\":");
		elm__put_string(&a->out, elm__buf_text(&text), text.length);
		elm__buf_printf(&a->out, ",\"index\":%u,\"logprobs\":", event->choice);
		put_legacy_logprobs(a, wants_logprobs ? event : NULL);
		elm__buf_puts(&a->out, ",\"finish_reason\":null}]");
		end_chunk(a, false, a->request.timings_per_token);
	}
	a->out.failed |= text.failed;
	elm__buf_release(&text);
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
			elm__put_json(&a->out, elm__answer_logprob(a, event));
			elm__buf_putc(&a->out, ']');
		}
		if (a->request.timings_per_token) {
			elm__buf_puts(&a->out, ",\"timings\":");
			elm__put_json(&a->out, elm__answer_timings(a));
		}
		elm__buf_puts(&a->out, "}\n\n");
	}
	if (event->kind != ELM_EVENT_DONE)
		return;
	elm__buf_puts(&a->out, "data: ");
	elm__put_json(&a->out, elm__answer_completion(a, event->choice, true));
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
	case ELM__API_RESPONSES:
		elm__response_put_event(a, event);
		break;
	}
	if (a->open)
		return;
	a->complete = true;
	if (a->request.api == ELM__API_CHAT || a->request.api == ELM__API_COMPLETIONS)
		elm__buf_puts(&a->out, "data: [DONE]\n\n");
}

void elm__answer_put_error(elm__answer *a, const elm_error *error)
{
	const char *type;
	int status = elm__server_status(error->status, &type);

	a->complete = true;
	if (a->request.api == ELM__API_RESPONSES) {
		elm__response_put_error(a, error);
		return;
	}
	elm__buf_puts(&a->out, "data: ");
	elm__put_json(&a->out, json_pack("{s:{s:i, s:s, s:s}}", "error", "code", status, "message",
					 error->text, "type", type));
	elm__buf_puts(&a->out, "\n\n");
}

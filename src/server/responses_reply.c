/*
 * responses_reply.c: answers in the form of OpenAI's Responses API, whole and as a stream.
 *
 * The output is a list of items: what the model thought, its message, its calls of functions. In a
 * stream each item begins, grows and ends before the next one, and the last event has all of it.
 */
#include <string.h>

#include "server/answer.h"

enum { NOTHING = 0, THOUGHTS, MESSAGE };

static const char *item_status(const elm__choice *c)
{
	if (!c->ended)
		return "in_progress";
	return strcmp(elm__answer_finish(c), "length") != 0 ? "completed" : "incomplete";
}

/* --- items --- */

static json_t *text_part(const char *type, const char *text, size_t length)
{
	return json_pack("{s:s, s:s%}", "type", type, "text", text, length);
}

static json_t *thoughts_part(const elm__choice *c)
{
	const elm__thoughts *t = &c->thoughts;

	return text_part("reasoning_text", elm__buf_text(&c->text) + t->begin, t->end - t->begin);
}

/* The probabilities of the tokens behind those of the thoughts. */
static json_t *message_logprobs(const elm__choice *c)
{
	json_t *list = json_array(), *token;
	size_t i;

	json_array_foreach(c->logprobs, i, token)
	{
		if (i >= c->thought_tokens && json_array_append(list, token)) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *message_part(const elm__choice *c)
{
	size_t begin = c->thoughts.answer;

	return json_pack("{s:s, s:s%, s:[], s:o}", "type", "output_text", "text",
			 elm__buf_text(&c->text) + begin, c->content - begin, "annotations",
			 "logprobs", message_logprobs(c));
}

static json_t *thoughts_item(const char *id, json_t *part, const char *status)
{
	return json_pack("{s:s, s:s, s:[], s:o, s:s}", "id", id, "type", "reasoning", "summary",
			 "content", part ? json_pack("[o]", part) : json_array(), "status", status);
}

static json_t *message_item(const char *id, json_t *part, const char *status)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:o}", "id", id, "type", "message", "role",
			 "assistant", "status", status, "content",
			 part ? json_pack("[o]", part) : json_array());
}

static json_t *call_item(const char *id, const json_t *call, const char *arguments,
			 const char *status)
{
	const json_t *function = json_object_get(call, "function");

	return json_pack("{s:s, s:s, s:O, s:O, s:s, s:s}", "id", id, "type", "function_call",
			 "call_id", json_object_get(call, "id"), "name",
			 json_object_get(function, "name"), "arguments", arguments, "status",
			 status);
}

static const char *call_arguments(const json_t *call)
{
	return json_string_value(json_object_get(json_object_get(call, "function"), "arguments"));
}

/* --- the response --- */

/* Of the request, as it was asked, or else this, which is taken over. */
static json_t *asked(const elm__answer *a, const char *key, json_t *otherwise)
{
	json_t *value = json_object_get(a->request.asked, key);

	if (!value || json_is_null(value))
		return otherwise;
	json_decref(otherwise);
	return json_incref(value);
}

static json_t *usage(const elm__answer *a)
{
	const elm__choice *c = &a->choices[0];
	size_t prompt = a->prompts[0].count, generated = c->stats.token_count;

	if (!c->ended)
		return json_null();
	return json_pack("{s:I, s:{s:I}, s:I, s:{s:I}, s:I}", "input_tokens", (json_int_t)prompt,
			 "input_tokens_details", "cached_tokens",
			 (json_int_t)c->stats.prompt_reused, "output_tokens", (json_int_t)generated,
			 "output_tokens_details", "reasoning_tokens", (json_int_t)c->thought_tokens,
			 "total_tokens", (json_int_t)(prompt + generated));
}

/* Takes `output` and `error` over. */
static json_t *response(const elm__answer *a, const char *status, json_t *output, json_t *error)
{
	bool incomplete = !strcmp(status, "incomplete");
	json_t *details =
		incomplete ? json_pack("{s:s}", "reason", "max_output_tokens") : json_null();
	json_t *value =
		json_pack("{s:s, s:s, s:I, s:s, s:b, s:o, s:o, s:s, s:o, s:o}", "id", a->id,
			  "object", "response", "created_at", (json_int_t)a->created, "status",
			  status, "background", 0, "error", error, "incomplete_details", details,
			  "model", a->loaded->name, "output", output, "usage", usage(a));
	json_t *more =
		json_pack("{s:o, s:o, s:b, s:n, s:o, s:b, s:f, s:f, s:o, s:o, s:o, s:s, s:o}",
			  "instructions", asked(a, "instructions", json_null()),
			  "max_output_tokens", asked(a, "max_output_tokens", json_null()),
			  "parallel_tool_calls", 1, "previous_response_id", "reasoning",
			  asked(a, "reasoning", json_pack("{s:n, s:n}", "effort", "summary")),
			  "store", 0, "temperature", (double)a->request.sampling.temperature,
			  "top_p", (double)a->request.sampling.top_p, "text",
			  asked(a, "text", json_pack("{s:{s:s}}", "format", "type", "text")),
			  "tool_choice", asked(a, "tool_choice", json_string("auto")), "tools",
			  asked(a, "tools", json_array()), "truncation", "disabled", "metadata",
			  asked(a, "metadata", json_object()));

	if (!value || !more || json_object_update(value, more)) {
		json_decref(value);
		value = NULL;
	}
	json_decref(more);
	return value;
}

/* A new id in `out`; false when there are no random numbers. */
static bool new_id(const char *prefix, char out[48])
{
	return elm__make_id(prefix, out, NULL) == ELM_OK;
}

/* Whether there is a message among the items: also an empty one, where there is nothing else. */
static bool has_message(const elm__choice *c)
{
	return !c->calls || c->content > c->thoughts.answer;
}

json_t *elm__response_json(const elm__answer *a)
{
	const elm__choice *c = &a->choices[0];
	const char *status = item_status(c);
	json_t *output = json_array(), *call;
	bool failed = false;
	char id[48];
	size_t i;

	if (c->thoughts.end > c->thoughts.begin)
		failed |=
			!new_id("rs_", id) ||
			json_array_append_new(output, thoughts_item(id, thoughts_part(c), status));
	if (has_message(c))
		failed |= !new_id("msg_", id) ||
			  json_array_append_new(output, message_item(id, message_part(c), status));
	json_array_foreach(c->calls, i, call) failed |=
		!new_id("fc_", id) ||
		json_array_append_new(output,
				      call_item(id, call, call_arguments(call), "completed"));
	if (failed) {
		json_decref(output);
		return NULL;
	}
	return response(a, status, output, json_null());
}

/* --- the stream --- */

/* Appends an event with these members, which it takes over. */
static void put(elm__answer *a, const char *type, json_t *members)
{
	elm__response *r = &a->response;
	json_t *value =
		json_pack("{s:s, s:I}", "type", type, "sequence_number", (json_int_t)r->number++);

	if (!members || json_object_update(value, members)) {
		json_decref(value);
		value = NULL;
	}
	json_decref(members);
	elm__buf_printf(&a->out, "event: %s\ndata: ", type);
	elm__put_json(&a->out, value);
	elm__buf_puts(&a->out, "\n\n");
}

static void put_response(elm__answer *a, const char *type, const char *status, json_t *error)
{
	put(a, type,
	    json_pack("{s:o}", "response",
		      response(a, status, elm__list_or_empty(a->response.output), error)));
}

void elm__response_begin_stream(elm__answer *a)
{
	put_response(a, "response.created", "in_progress", json_null());
	put_response(a, "response.in_progress", "in_progress", json_null());
}

/* Takes `item` over; the index is that of the last one that has begun. */
static void put_item(elm__answer *a, const char *type, json_t *item)
{
	put(a, type,
	    json_pack("{s:i, s:o}", "output_index", (int)a->response.items - 1, "item", item));
}

/* Says of which part of which item an event tells. */
static json_t *of_part(const elm__answer *a, const char *key, json_t *value)
{
	return json_pack("{s:s, s:i, s:i, s:o}", "item_id", a->response.item, "output_index",
			 (int)a->response.items - 1, "content_index", 0, key, value);
}

static void begin_item(elm__answer *a, int kind)
{
	elm__response *r = &a->response;
	bool message = kind == MESSAGE;

	if (!new_id(message ? "msg_" : "rs_", r->item))
		a->out.failed = true;
	r->kind = kind;
	r->items++;
	put_item(a, "response.output_item.added",
		 message ? message_item(r->item, NULL, "in_progress") :
			   thoughts_item(r->item, NULL, "in_progress"));
	put(a, "response.content_part.added",
	    of_part(a, "part",
		    message ? json_pack("{s:s, s:s, s:[], s:[]}", "type", "output_text", "text", "",
					"annotations", "logprobs") :
			      text_part("reasoning_text", "", 0)));
}

/* Takes a complete item into the output, and tells of it. */
static void keep_item(elm__answer *a, json_t *item)
{
	elm__response *r = &a->response;

	if (!r->output)
		r->output = json_array();
	if (json_array_append(r->output, item))
		a->out.failed = true;
	put_item(a, "response.output_item.done", item);
}

static void end_item(elm__answer *a)
{
	elm__response *r = &a->response;
	const elm__choice *c = &a->choices[0];
	bool message = r->kind == MESSAGE;
	/* Thoughts that an answer follows are complete. */
	const char *status = c->ended ? item_status(c) : "completed";
	json_t *part, *whole;

	if (r->kind == NOTHING)
		return;
	part = message ? message_part(c) : thoughts_part(c);
	whole = of_part(a, "text", json_incref(json_object_get(part, "text")));
	if (message && json_object_set(whole, "logprobs", json_object_get(part, "logprobs")))
		a->out.failed = true;
	put(a, message ? "response.output_text.done" : "response.reasoning_text.done", whole);
	put(a, "response.content_part.done", of_part(a, "part", json_incref(part)));
	keep_item(a, message ? message_item(r->item, part, status) :
			       thoughts_item(r->item, part, status));
	r->kind = NOTHING;
}

static void put_delta(elm__answer *a, int kind, const char *text, size_t length, json_t *logprobs)
{
	json_t *members;

	if (a->response.kind != kind) {
		end_item(a);
		begin_item(a, kind);
	}
	members = of_part(a, "delta", json_stringn(text, length));
	if (kind == MESSAGE && json_object_set(members, "logprobs", logprobs))
		a->out.failed = true;
	put(a, kind == MESSAGE ? "response.output_text.delta" : "response.reasoning_text.delta",
	    members);
}

static void put_call(elm__answer *a, const json_t *call)
{
	elm__response *r = &a->response;
	const char *arguments = call_arguments(call);

	if (!new_id("fc_", r->item))
		a->out.failed = true;
	r->items++;
	put_item(a, "response.output_item.added", call_item(r->item, call, "", "in_progress"));
	put(a, "response.function_call_arguments.delta",
	    json_pack("{s:s, s:i, s:s}", "item_id", r->item, "output_index", (int)r->items - 1,
		      "delta", arguments));
	put(a, "response.function_call_arguments.done",
	    json_pack("{s:s, s:i, s:s}", "item_id", r->item, "output_index", (int)r->items - 1,
		      "arguments", arguments));
	keep_item(a, call_item(r->item, call, arguments, "completed"));
}

static void put_end(elm__answer *a)
{
	const elm__choice *c = &a->choices[0];
	const char *status = item_status(c);
	const json_t *call;
	size_t i;

	if (has_message(c) && a->response.kind != MESSAGE) {
		end_item(a);
		begin_item(a, MESSAGE);
	}
	end_item(a);
	json_array_foreach(c->calls, i, call) put_call(a, call);
	put_response(
		a, strcmp(status, "completed") != 0 ? "response.incomplete" : "response.completed",
		status, json_null());
}

void elm__response_put_event(elm__answer *a, const elm__job_event *event)
{
	elm__news news = elm__answer_news(a, &a->choices[0], event->kind == ELM_EVENT_DONE);
	json_t *logprobs = json_array();

	if (a->request.logprobs && event->kind == ELM_EVENT_TOKEN &&
	    json_array_append_new(logprobs, elm__answer_logprob(a, event)))
		a->out.failed = true;
	if (news.thoughts_length)
		put_delta(a, THOUGHTS, news.thoughts, news.thoughts_length, NULL);
	if (news.text_length)
		put_delta(a, MESSAGE, news.text, news.text_length, logprobs);
	json_decref(logprobs);
	if (event->kind == ELM_EVENT_DONE)
		put_end(a);
}

void elm__response_put_error(elm__answer *a, const elm_error *error)
{
	put_response(a, "response.failed", "failed",
		     json_pack("{s:s, s:s}", "code", "server_error", "message", error->text));
}

/* wire.c: requests to a worker and its answers as JSON. */
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "study/row_json.h"
#include "study/subject.h"

enum { MAX_STREAMS = 256, MAX_TOKENS = 1 << 24 };

elm_status elm__answers_init(elm__answers *answers, size_t count, elm_error *error)
{
	memset(answers, 0, sizeof(*answers));
	elm__arena_init(&answers->arena, 0);
	answers->items = elm__arena_calloc(&answers->arena, count, sizeof(answers->items[0]));
	if (!answers->items)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	answers->count = count;
	for (size_t i = 0; i < count; i++) {
		elm__row_clear(ELM__TABLE_trial, &answers->items[i].row);
		answers->items[i].row.stream = (int64_t)i;
	}
	return ELM_OK;
}

void elm__answers_release(elm__answers *answers)
{
	elm__arena_release(&answers->arena);
	memset(answers, 0, sizeof(*answers));
}

json_t *elm__ask_json(const elm__ask *ask)
{
	return json_pack("{s:b, s:s?, s:s, s:I, s:I, s:b, s:I}", "chat", ask->prompt.chat, "system",
			 ask->prompt.system, "text", ask->prompt.text, "max_tokens",
			 (json_int_t)ask->max_tokens, "streams", (json_int_t)ask->streams,
			 "ignore_eos", ask->ignore_eos, "seed", (json_int_t)ask->seed);
}

elm_status elm__ask_parse(const json_t *object, elm__ask *ask, elm_error *error)
{
	int64_t max_tokens = 1, streams = 1, seed = 0;
	elm_status status;

	memset(ask, 0, sizeof(*ask));
	ask->prompt.text = "";
	status = elm__json_get_bool(object, "chat", &ask->prompt.chat, error);
	if (status == ELM_OK)
		status = elm__json_get_string(object, "system", &ask->prompt.system, error);
	if (status == ELM_OK)
		status = elm__json_get_string(object, "text", &ask->prompt.text, error);
	if (status == ELM_OK)
		status = elm__json_get_i64(object, "max_tokens", 1, MAX_TOKENS, &max_tokens, error);
	if (status == ELM_OK)
		status = elm__json_get_i64(object, "streams", 1, MAX_STREAMS, &streams, error);
	if (status == ELM_OK)
		status = elm__json_get_bool(object, "ignore_eos", &ask->ignore_eos, error);
	if (status == ELM_OK)
		status = elm__json_get_i64(object, "seed", 0, INT64_MAX, &seed, error);
	ask->max_tokens = (uint32_t)max_tokens;
	ask->streams = (uint32_t)streams;
	ask->seed = (uint64_t)seed;
	return status;
}

static json_t *answer_json(const elm__answer *answer)
{
	json_t *object = elm__row_json(ELM__TABLE_trial, &answer->row);
	json_t *tokens = json_array();

	for (size_t i = 0; i < answer->token_count && tokens; i++)
		if (json_array_append_new(tokens, json_integer(answer->token_ns[i]))) {
			json_decref(tokens);
			tokens = NULL;
		}
	if (!object || !tokens ||
	    json_object_set_new(object, "arrival_ns",
				json_integer((json_int_t)answer->arrival_ns)) ||
	    json_object_set(object, "tokens", tokens)) {
		json_decref(object);
		object = NULL;
	}
	json_decref(tokens);
	return object;
}

json_t *elm__answers_json(const elm__answers *answers)
{
	json_t *items = json_array();

	for (size_t i = 0; i < answers->count && items; i++)
		if (json_array_append_new(items, answer_json(&answers->items[i]))) {
			json_decref(items);
			items = NULL;
		}
	return items ? json_pack("{s:o}", "answers", items) : NULL;
}

static elm_status parse_answer(const json_t *object, elm__arena *arena, elm__answer *answer,
			       elm_error *error)
{
	const json_t *tokens = json_object_get(object, "tokens");
	elm_status status = elm__row_parse(ELM__TABLE_trial, object, arena, &answer->row, error);
	int64_t arrival = 0, *times;

	if (status == ELM_OK)
		status = elm__json_get_i64(object, "arrival_ns", 0, INT64_MAX, &arrival, error);
	if (status)
		return status;
	answer->arrival_ns = (uint64_t)arrival;
	answer->token_count = json_array_size(tokens);
	times = elm__arena_calloc(arena, answer->token_count, sizeof(*times));
	if (!times)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < answer->token_count; i++)
		times[i] = json_integer_value(json_array_get(tokens, i));
	answer->token_ns = times;
	return ELM_OK;
}

elm_status elm__answers_parse(const json_t *object, elm__answers *answers, elm_error *error)
{
	const json_t *items = json_object_get(object, "answers");
	size_t count = json_array_size(items);
	elm_status status = elm__answers_init(answers, count, error);

	if (status == ELM_OK && !count)
		status = elm_error_set(error, ELM_ERR_FORMAT,
				       "the worker's reply has no array \"answers\"");
	for (size_t i = 0; i < count && status == ELM_OK; i++)
		status = parse_answer(json_array_get(items, i), &answers->arena, &answers->items[i],
				      error);
	return status;
}

#include "study/completion.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "study/schema.h"

enum { QUOTED = 200 };

void elm__completion_init(elm__completion *c)
{
	memset(c, 0, sizeof(*c));
	c->prompt_tokens = c->output_tokens = c->reused_tokens = ELM__STUDY_NONE;
}

void elm__completion_release(elm__completion *c)
{
	elm__buf_release(&c->text);
}

/* What is not a number of tokens is left out. */
static void take_number(const json_t *object, const char *key, int64_t *out)
{
	const json_t *value = json_object_get(object, key);

	if (json_is_integer(value) && json_integer_value(value) >= 0)
		*out = json_integer_value(value);
}

static void take_usage(elm__completion *c, const json_t *usage)
{
	take_number(usage, "prompt_tokens", &c->prompt_tokens);
	take_number(usage, "completion_tokens", &c->output_tokens);
	take_number(json_object_get(usage, "prompt_tokens_details"), "cached_tokens",
		    &c->reused_tokens);
}

static bool take_text(elm__completion *c, const json_t *choice)
{
	const json_t *delta = json_object_get(choice, "delta");
	const char *text = json_string_value(
		json_object_get(delta ? delta : choice, delta ? "content" : "text"));
	const char *finish = json_string_value(json_object_get(choice, "finish_reason"));

	if (delta && (!text || !*text))
		text = json_string_value(json_object_get(delta, "reasoning_content"));
	if (finish) {
		snprintf(c->stop, sizeof(c->stop), "%s", finish);
		elm__make_printable(c->stop);
	}
	if (!text || !*text)
		return false;
	elm__buf_puts(&c->text, text);
	return true;
}

static elm_status server_s_error(const json_t *wrong, elm_error *error)
{
	const char *message = json_string_value(
		json_is_object(wrong) ? json_object_get(wrong, "message") : wrong);
	char words[QUOTED];

	snprintf(words, sizeof(words), "%s", message ? message : "an error without a message");
	elm__make_printable(words);
	return elm_error_set(error, ELM_ERR_IO, "the server says: %s", words);
}

elm_status elm__completion_event(elm__completion *c, const char *data, size_t length, bool *more,
				 elm_error *error)
{
	const json_t *wrong;
	json_t *event;
	elm_status status;

	*more = false;
	if (length == 6 && !memcmp(data, "[DONE]", 6))
		return ELM_OK;
	status = elm__json_parse("event of the server", data, length, &event, error);
	if (status)
		return status;
	wrong = json_object_get(event, "error");
	if (wrong && !json_is_null(wrong))
		status = server_s_error(wrong, error);
	else
		*more = take_text(c, json_array_get(json_object_get(event, "choices"), 0));
	take_usage(c, json_object_get(event, "usage"));
	json_decref(event);
	return status ? status : elm__buf_status(&c->text, error);
}

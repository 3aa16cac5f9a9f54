#include "server/responses_request.h"

#include <string.h>

#include "base/buffer.h"
#include "base/json.h"

#define TRY(call)                            \
	do {                                 \
		elm_status status_ = (call); \
		if (status_ != ELM_OK)       \
			return status_;      \
	} while (0)

static elm_status no_memory(elm_error *error)
{
	return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
}

/* Takes the value over, NULL too. */
static elm_status set(json_t *object, const char *key, json_t *value, elm_error *error)
{
	return json_object_set_new(object, key, value) ? no_memory(error) : ELM_OK;
}

static elm_status append(json_t *array, json_t *value, elm_error *error)
{
	return json_array_append_new(array, value) ? no_memory(error) : ELM_OK;
}

/* NULL where it is absent or null. */
static const json_t *member(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_null(value) ? NULL : value;
}

/* --- what is not there --- */

static elm_status refuse_missing(const json_t *root, elm_error *error)
{
	static const char *const stateful[] = { "previous_response_id", "conversation", "prompt" };
	const char *truncation = json_string_value(member(root, "truncation"));

	for (size_t i = 0; i < sizeof(stateful) / sizeof(stateful[0]); i++)
		if (member(root, stateful[i]))
			return elm_error_set(error, ELM_ERR_UNSUPPORTED,
					     "Field '%s' is not supported: this server stores no "
					     "responses; send the whole conversation as 'input'",
					     stateful[i]);
	if (json_is_true(json_object_get(root, "background")))
		return elm_error_set(error, ELM_ERR_UNSUPPORTED,
				     "Field 'background' is not supported; leave it out, and "
				     "stream the response");
	if (truncation && strcmp(truncation, "disabled") != 0)
		return elm_error_set(error, ELM_ERR_UNSUPPORTED,
				     "Field 'truncation': only \"disabled\" is supported");
	return ELM_OK;
}

/* --- messages --- */

static elm_status wrong_item(elm_error *error, size_t item, const char *what)
{
	return elm_error_set(error, ELM_ERR_ARGUMENT, "Field 'input[%zu]' %s", item, what);
}

static void add_text(elm__buf *out, const json_t *text)
{
	elm__buf_append(out, json_string_value(text), json_string_length(text));
}

/* A string of what was put together, which is released. */
static elm_status take_text(elm__buf *text, json_t **out, elm_error *error)
{
	elm_status status = elm__buf_status(text, error);

	*out = status ? NULL : json_stringn_nocheck(elm__buf_text(text), text->length);
	elm__buf_release(text);
	return *out ? ELM_OK : no_memory(error);
}

/* The text of content: a string, or parts with text. */
static elm_status content_text(const json_t *content, size_t item, json_t **out, elm_error *error)
{
	elm__buf text = ELM__BUF_INIT;
	const json_t *part;
	size_t i;

	if (json_is_string(content)) {
		add_text(&text, content);
		return take_text(&text, out, error);
	}
	if (!json_is_array(content))
		return wrong_item(error, item, "must have a text or an array of parts");
	json_array_foreach(content, i, part)
	{
		const char *type = json_string_value(json_object_get(part, "type"));
		const json_t *own = json_object_get(
			part, type && !strcmp(type, "refusal") ? "refusal" : "text");

		if (!type || !json_is_string(own)) {
			elm__buf_release(&text);
			return elm_error_set(error, type ? ELM_ERR_UNSUPPORTED : ELM_ERR_ARGUMENT,
					     "Field 'input[%zu].content': parts of type \"%s\" are "
					     "not supported, only text",
					     item, type ? type : "");
		}
		add_text(&text, own);
	}
	return take_text(&text, out, error);
}

static elm_status add_message(json_t *messages, const json_t *item, size_t number, elm_error *error)
{
	const char *role = json_string_value(json_object_get(item, "role"));
	json_t *text;

	if (!role)
		return wrong_item(error, number, "must have a role");
	/* Templates know it by its older name. */
	if (!strcmp(role, "developer"))
		role = "system";
	TRY(content_text(json_object_get(item, "content"), number, &text, error));
	return append(messages, json_pack("{s:s, s:o}", "role", role, "content", text), error);
}

/* A call belongs to the message before it, if that is the model's. */
static elm_status add_call(json_t *messages, const json_t *item, size_t number, elm_error *error)
{
	const json_t *id = json_object_get(item, "call_id");
	const json_t *name = json_object_get(item, "name");
	const json_t *arguments = json_object_get(item, "arguments");
	json_t *last = json_array_get(messages, json_array_size(messages) - 1), *calls;
	const char *role = json_string_value(json_object_get(last, "role"));

	if (!json_is_string(id) || !json_is_string(name) || !json_is_string(arguments))
		return wrong_item(error, number, "must have call_id, name and arguments as texts");
	if (!role || strcmp(role, "assistant") != 0) {
		last = json_pack("{s:s, s:s}", "role", "assistant", "content", "");
		TRY(append(messages, last, error));
	}
	calls = json_object_get(last, "tool_calls");
	if (!calls) {
		calls = json_array();
		TRY(set(last, "tool_calls", calls, error));
	}
	return append(calls,
		      json_pack("{s:O, s:s, s:{s:O, s:O}}", "id", id, "type", "function",
				"function", "name", name, "arguments", arguments),
		      error);
}

static elm_status add_output(json_t *messages, const json_t *item, size_t number, elm_error *error)
{
	const json_t *id = json_object_get(item, "call_id");
	json_t *text;

	if (!json_is_string(id))
		return wrong_item(error, number, "must have a call_id");
	TRY(content_text(json_object_get(item, "output"), number, &text, error));
	return append(messages,
		      json_pack("{s:s, s:O, s:o}", "role", "tool", "tool_call_id", id, "content",
				text),
		      error);
}

static elm_status add_item(json_t *messages, const json_t *item, size_t number, elm_error *error)
{
	const json_t *type = member(item, "type");
	const char *name = type ? json_string_value(type) : "message";

	if (!json_is_object(item) || !name)
		return wrong_item(error, number, "must be an object with a type");
	if (!strcmp(name, "message"))
		return add_message(messages, item, number, error);
	if (!strcmp(name, "function_call"))
		return add_call(messages, item, number, error);
	if (!strcmp(name, "function_call_output"))
		return add_output(messages, item, number, error);
	/* What was thought for an earlier answer is not read again. */
	if (!strcmp(name, "reasoning"))
		return ELM_OK;
	return elm_error_set(error, ELM_ERR_UNSUPPORTED,
			     "Field 'input[%zu]': items of type \"%s\" are not supported", number,
			     name);
}

/* Instructions come before all else, and before those of the conversation itself. */
static elm_status add_instructions(json_t *messages, const json_t *root, elm_error *error)
{
	const json_t *instructions = member(root, "instructions");
	json_t *first = json_array_get(messages, 0);
	const char *role = json_string_value(json_object_get(first, "role"));

	if (!instructions)
		return ELM_OK;
	if (!json_is_string(instructions))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "Field 'instructions' must be a string, but is %s",
				     elm__json_type_name(instructions));
	if (role && !strcmp(role, "system")) {
		elm__buf both = ELM__BUF_INIT;
		json_t *text;

		add_text(&both, instructions);
		elm__buf_puts(&both, "\n\n");
		add_text(&both, json_object_get(first, "content"));
		TRY(take_text(&both, &text, error));
		return set(first, "content", text, error);
	}
	return json_array_insert_new(messages, 0,
				     json_pack("{s:s, s:O}", "role", "system", "content",
					       instructions)) ?
		       no_memory(error) :
		       ELM_OK;
}

static elm_status make_messages(json_t *chat, const json_t *root, elm_error *error)
{
	const json_t *input = member(root, "input"), *item;
	json_t *messages = json_array();
	size_t i;

	TRY(set(chat, "messages", messages, error));
	if (json_is_string(input))
		TRY(append(messages, json_pack("{s:s, s:O}", "role", "user", "content", input),
			   error));
	else if (!json_is_array(input))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     input ? "Field 'input' must be a string or an array of items" :
					     "Field 'input' is missing");
	json_array_foreach(input, i, item) TRY(add_item(messages, item, i, error));
	return add_instructions(messages, root, error);
}

/* --- functions --- */

static elm_status add_tool(json_t *tools, const json_t *tool, size_t number, elm_error *error)
{
	const char *type = json_string_value(json_object_get(tool, "type"));
	json_t *function;

	if (!type || strcmp(type, "function") != 0)
		return elm_error_set(error, ELM_ERR_UNSUPPORTED,
				     "Field 'tools[%zu]': only tools of type \"function\" are "
				     "supported",
				     number);
	function = json_copy((json_t *)tool);
	if (function)
		(void)!json_object_del(function, "type");
	return append(tools, json_pack("{s:s, s:o}", "type", "function", "function", function),
		      error);
}

static elm_status make_tools(json_t *chat, const json_t *root, elm_error *error)
{
	const json_t *choice = member(root, "tool_choice");
	const json_t *tools = member(root, "tools"), *tool;
	const json_t *name = json_object_get(choice, "name");
	json_t *own = json_array();
	size_t i;

	TRY(set(chat, "tools", own, error));
	if (tools && !json_is_array(tools))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "Field 'tools' must be an array, but is %s",
				     elm__json_type_name(tools));
	json_array_foreach(tools, i, tool) TRY(add_tool(own, tool, i, error));
	if (!choice)
		return ELM_OK;
	if (json_is_object(choice) && json_is_string(name))
		return set(chat, "tool_choice",
			   json_pack("{s:s, s:{s:O}}", "type", "function", "function", "name",
				     name),
			   error);
	return set(chat, "tool_choice", json_incref((json_t *)choice), error);
}

/* --- the rest --- */

static elm_status make_format(json_t *chat, const json_t *root, elm_error *error)
{
	const json_t *text = member(root, "text"), *format = member(text, "format");
	const char *type = json_string_value(json_object_get(format, "type"));
	json_t *own;

	if ((text && !json_is_object(text)) || (format && !type))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "Field 'text' must be an object whose format has a type");
	if (!format)
		return ELM_OK;
	own = json_pack("{s:s}", "type", type);
	TRY(set(chat, "response_format", own, error));
	return strcmp(type, "json_schema") != 0 ?
		       ELM_OK :
		       set(own, "json_schema", json_copy((json_t *)format), error);
}

/* Templates of models that think take "enable_thinking". */
static elm_status make_effort(json_t *chat, const json_t *root, elm_error *error)
{
	const char *effort =
		json_string_value(json_object_get(member(root, "reasoning"), "effort"));

	if (!effort || strcmp(effort, "none") != 0)
		return ELM_OK;
	return set(chat, "chat_template_kwargs", json_pack("{s:b}", "enable_thinking", 0), error);
}

static elm_status make_logprobs(json_t *chat, const json_t *root, elm_error *error)
{
	const json_t *include = member(root, "include"), *item;
	size_t i;

	json_array_foreach(include, i, item)
	{
		const char *what = json_string_value(item);

		if (what && !strcmp(what, "message.output_text.logprobs"))
			return set(chat, "logprobs", json_true(), error);
	}
	return ELM_OK;
}

static elm_status copy_settings(json_t *chat, const json_t *root, elm_error *error)
{
	static const struct {
		const char *from, *to;
	} names[] = {
		{ "model", "model" },
		{ "stream", "stream" },
		{ "max_output_tokens", "max_tokens" },
		{ "top_logprobs", "top_logprobs" },
		{ "temperature", "temperature" },
		{ "top_p", "top_p" },
		/* These are not OpenAI's, but all our dialects have them. */
		{ "top_k", "top_k" },
		{ "min_p", "min_p" },
		{ "typical_p", "typical_p" },
		{ "repeat_penalty", "repeat_penalty" },
		{ "repeat_last_n", "repeat_last_n" },
		{ "presence_penalty", "presence_penalty" },
		{ "frequency_penalty", "frequency_penalty" },
		{ "seed", "seed" },
		{ "stop", "stop" },
		{ "logit_bias", "logit_bias" },
		{ "ignore_eos", "ignore_eos" },
		{ "cache_prompt", "cache_prompt" },
		{ "priority", "priority" },
		{ "reasoning_format", "reasoning_format" },
		{ "chat_template_kwargs", "chat_template_kwargs" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		json_t *value = json_object_get(root, names[i].from);

		if (value)
			TRY(set(chat, names[i].to, json_incref(value), error));
	}
	return ELM_OK;
}

static elm_status convert(json_t *chat, const json_t *root, elm_error *error)
{
	TRY(refuse_missing(root, error));
	TRY(make_messages(chat, root, error));
	TRY(make_tools(chat, root, error));
	TRY(make_format(chat, root, error));
	TRY(make_effort(chat, root, error));
	TRY(make_logprobs(chat, root, error));
	return copy_settings(chat, root, error);
}

elm_status elm__responses_to_chat(const json_t *root, json_t **out, elm_error *error)
{
	json_t *chat = json_object();
	elm_status status = chat ? convert(chat, root, error) : no_memory(error);

	*out = NULL;
	if (status)
		json_decref(chat);
	else
		*out = chat;
	return status;
}

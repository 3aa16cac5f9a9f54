#include "jinja/prepare.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"

#define MARK "edgelm-probe-text"
#define SYSTEM_MARK "edgelm-probe-system"
#define ARGUMENT_MARK "edgelm_probe_argument"

/* Enough for any real template and a two-line conversation; little enough that a hostile one does
 * not hold up the loading of a model. */
static const elm__jinja_options probe_options = {
	.limits = { .steps = 200000, .output_bytes = 1 << 20, .memory_bytes = 16 << 20 },
};

/*
 * Renders a test conversation; `messages` and `tools` (NULL for none) are released. *text is NULL
 * when the template refused it.
 */
static elm_status probe(const elm__jinja *program, json_t *messages, json_t *tools, char **text,
			elm_error *error)
{
	json_t *context =
		json_pack("{s:o, s:o*, s:s, s:s, s:b}", "messages", messages, "tools", tools,
			  "bos_token", "", "eos_token", "", "add_generation_prompt", 1);
	elm_error ignored = { 0 };
	elm_status status = ELM_ERR_NO_MEMORY;
	size_t length;

	*text = NULL;
	if (context)
		status = elm__jinja_render(program, context, &probe_options, text, &length,
					   &ignored);
	json_decref(context);
	if (status == ELM_ERR_NO_MEMORY)
		return elm_error_set(error, status, "out of memory");
	return ELM_OK;
}

static bool take_mark(char *text, const char *mark)
{
	bool found = text && strstr(text, mark);

	elm__free(text);
	return found;
}

static json_t *text_content(bool typed, const char *text)
{
	return typed ? json_pack("[{s:s, s:s}]", "type", "text", "text", text) : json_string(text);
}

static elm_status probe_content(const elm__jinja *program, elm__chat_abilities *out,
				elm_error *error)
{
	elm_status status;
	char *text;
	bool dumped;

	status = probe(program,
		       json_pack("[{s:s, s:o}]", "role", "user", "content",
				 text_content(false, MARK)),
		       NULL, &text, error);
	if (status != ELM_OK)
		return status;
	out->string_content = take_mark(text, MARK);
	status = probe(program,
		       json_pack("[{s:s, s:o}]", "role", "user", "content",
				 text_content(true, MARK)),
		       NULL, &text, error);
	if (status != ELM_OK)
		return status;
	/* A template may print a list that it does not understand. */
	dumped = text && (strstr(text, "text': '" MARK) || strstr(text, "text\": \"" MARK));
	out->typed_content = take_mark(text, MARK) && !dumped;
	return ELM_OK;
}

static elm_status probe_system(const elm__jinja *program, elm__chat_abilities *out,
			       elm_error *error)
{
	bool typed = !out->string_content;
	elm_status status;
	char *text;

	status = probe(program,
		       json_pack("[{s:s, s:o}, {s:s, s:o}]", "role", "system", "content",
				 text_content(typed, SYSTEM_MARK), "role", "user", "content",
				 text_content(typed, MARK)),
		       NULL, &text, error);
	if (status == ELM_OK)
		out->system_role = take_mark(text, SYSTEM_MARK);
	return status;
}

/* A description of the function that probe_call calls; its parameter has another name, so that
 * ARGUMENT_MARK in the prompt can only be that of the call. */
static json_t *tool_list(void)
{
	return json_pack("[{s:s, s:{s:s, s:s, s:{s:s, s:{s:{s:s, s:s}}, s:[]}}}]", "type",
			 "function", "function", "name", "tool", "description", "A tool.",
			 "parameters", "type", "object", "properties", "parameter", "type",
			 "string", "description", "A parameter.", "required");
}

/* How a conversation with a tool call is put to a template. */
typedef struct call_form {
	bool objects; /* arguments are an object, not text */
	bool tools;   /* the function is among the tools */
} call_form;

/* The message with the call has `content` (a new reference). */
static elm_status probe_call(const elm__jinja *program, bool typed, call_form form, json_t *content,
			     char **text, elm_error *error)
{
	json_t *arguments, *call, *messages;

	arguments = form.objects ? json_pack("{s:s}", ARGUMENT_MARK, "value") :
				   json_string("{\"" ARGUMENT_MARK "\": \"value\"}");
	call = json_pack("{s:s, s:s, s:{s:s, s:o}}", "id", "call00001", "type", "function",
			 "function", "name", "tool", "arguments", arguments);
	messages = json_pack("[{s:s, s:o}, {s:s, s:o, s:[o]}, {s:s, s:s, s:s, s:o}]", "role",
			     "user", "content", text_content(typed, MARK), "role", "assistant",
			     "content", content, "tool_calls", call, "role", "tool", "tool_call_id",
			     "call00001", "name", "tool", "content", text_content(typed, "result"));
	return probe(program, messages, form.tools ? tool_list() : NULL, text, error);
}

static size_t count_of(const char *text, const char *part)
{
	size_t count = 0;

	for (; (text = strstr(text, part)); text += strlen(part))
		count++;
	return count;
}

/* Takes the first form in which the call arrives in the prompt. Objects come first: text in their
 * place would often be escaped once more; but printed as Python writes a dict, an object was not
 * expected. */
static elm_status probe_calls(const elm__jinja *program, elm__chat_abilities *out, elm_error *error)
{
	static const call_form forms[] = {
		{ true, true }, { true, false }, { false, true }, { false, false }
	};
	bool typed = !out->string_content, arrived = false;
	char *empty = NULL, *null = NULL;
	elm_status status = ELM_OK;
	size_t i;

	for (i = 0; i < sizeof(forms) / sizeof(forms[0]) && !arrived && status == ELM_OK; i++) {
		elm__free(empty);
		status = probe_call(program, typed, forms[i], text_content(typed, ""), &empty,
				    error);
		arrived =
			empty && strstr(empty, ARGUMENT_MARK) && !strstr(empty, "{'" ARGUMENT_MARK);
	}
	if (status == ELM_OK && arrived) {
		out->object_arguments = forms[i - 1].objects;
		status = probe_call(program, typed, forms[i - 1], json_null(), &null, error);
		out->null_content = null && count_of(null, "None") == count_of(empty, "None") &&
				    count_of(null, "null") == count_of(empty, "null");
	}
	elm__free(empty);
	elm__free(null);
	return status;
}

elm_status elm__chat_probe(const elm__jinja *program, elm__chat_abilities *out, elm_error *error)
{
	elm_status status;

	memset(out, 0, sizeof(*out));
	status = probe_content(program, out, error);
	if (status != ELM_OK)
		return status;
	if (!out->string_content && !out->typed_content) {
		out->string_content = out->typed_content = true;
		out->system_role = out->null_content = true;
		return ELM_OK;
	}
	status = probe_system(program, out, error);
	return status == ELM_OK ? probe_calls(program, out, error) : status;
}

static elm_status no_memory(elm_error *error)
{
	return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
}

/* The text of a list of parts, one per line. */
static elm_status join_parts(const json_t *parts, size_t message, json_t **out, elm_error *error)
{
	elm__buf text = ELM__BUF_INIT;
	const json_t *part, *value;
	elm_status status;
	size_t i;

	*out = NULL;
	for (i = 0; i < json_array_size(parts); i++) {
		part = json_array_get(parts, i);
		value = json_object_get(part, "text");
		if (!json_is_string(value)) {
			value = json_object_get(part, "type");
			elm__buf_release(&text);
			return elm_error_set(error, ELM_ERR_UNSUPPORTED,
					     "message %zu has a part of type \"%s\", which the "
					     "model's chat template does not take; send text",
					     message, value ? json_string_value(value) : "unknown");
		}
		if (i)
			elm__buf_putc(&text, '\n');
		elm__buf_append(&text, json_string_value(value), json_string_length(value));
	}
	status = elm__buf_status(&text, error);
	if (status == ELM_OK) {
		*out = json_stringn(elm__buf_text(&text), text.length);
		if (!*out)
			status = no_memory(error);
	}
	elm__buf_release(&text);
	return status;
}

static elm_status prepare_content(const elm__chat_abilities *abilities, json_t *message,
				  size_t index, elm_error *error)
{
	json_t *content = json_object_get(message, "content"), *changed = NULL;
	elm_status status = ELM_OK;

	if (json_is_array(content) && !abilities->typed_content)
		status = join_parts(content, index, &changed, error);
	else if (json_is_string(content) && !abilities->string_content)
		changed = json_pack("[{s:s, s:O}]", "type", "text", "text", content);
	else if ((!content || json_is_null(content)) && json_object_get(message, "tool_calls"))
		changed = abilities->null_content ? json_null() :
						    text_content(!abilities->string_content, "");
	else
		return ELM_OK;
	if (status != ELM_OK)
		return status;
	return json_object_set_new(message, "content", changed) ? no_memory(error) : ELM_OK;
}

/* Arguments that are the text of a JSON object become the object. Other text stays: what a model
 * once wrote need not be valid. */
static elm_status prepare_calls(json_t *message, elm_error *error)
{
	json_t *calls = json_object_get(message, "tool_calls"), *function, *arguments, *parsed;
	size_t i;

	for (i = 0; i < json_array_size(calls); i++) {
		function = json_object_get(json_array_get(calls, i), "function");
		arguments = json_object_get(function, "arguments");
		if (!json_is_string(arguments))
			continue;
		parsed = json_loadb(json_string_value(arguments), json_string_length(arguments),
				    JSON_ALLOW_NUL, NULL);
		if (!json_is_object(parsed))
			json_decref(parsed);
		else if (json_object_set_new(function, "arguments", parsed))
			return no_memory(error);
	}
	return ELM_OK;
}

/* Content as a list of parts; a new reference. */
static json_t *as_parts(json_t *content)
{
	return json_is_array(content) ? json_incref(content) :
					json_pack("[{s:s, s:O}]", "type", "text", "text", content);
}

/* Two strings as one of two lines; NULL when memory runs out. */
static json_t *joined(const json_t *above, const json_t *below)
{
	elm__buf text = ELM__BUF_INIT;
	json_t *out = NULL;

	elm__buf_append(&text, json_string_value(above), json_string_length(above));
	elm__buf_putc(&text, '\n');
	elm__buf_append(&text, json_string_value(below), json_string_length(below));
	if (!text.failed)
		out = json_stringn(text.data, text.length);
	elm__buf_release(&text);
	return out;
}

/* Puts the system message before the text of the next one, where the template has no place for it.
 */
static elm_status merge_system(json_t *messages, elm_error *error)
{
	json_t *first = json_array_get(messages, 0), *second = json_array_get(messages, 1);
	json_t *role = json_object_get(first, "role"), *above, *below, *merged;

	if (!json_is_string(role) || strcmp(json_string_value(role), "system"))
		return ELM_OK;
	above = json_object_get(first, "content");
	below = json_object_get(second, "content");
	if (!json_is_object(second) || !above || !below)
		return ELM_OK;
	if (json_is_string(above) && json_is_string(below)) {
		merged = joined(above, below);
	} else {
		merged = as_parts(above);
		below = as_parts(below);
		if (json_array_extend(merged, below)) {
			json_decref(merged);
			merged = NULL;
		}
		json_decref(below);
	}
	if (json_object_set_new(second, "content", merged) || json_array_remove(messages, 0))
		return no_memory(error);
	return ELM_OK;
}

elm_status elm__chat_prepare(const elm__chat_abilities *abilities, json_t *context,
			     elm_error *error)
{
	json_t *messages = json_object_get(context, "messages"), *message;
	elm_status status;
	size_t i;

	for (i = 0; i < json_array_size(messages); i++) {
		message = json_array_get(messages, i);
		if (!json_is_object(message))
			continue;
		status = prepare_content(abilities, message, i, error);
		if (status == ELM_OK && abilities->object_arguments)
			status = prepare_calls(message, error);
		if (status != ELM_OK)
			return status;
	}
	return abilities->system_role ? ELM_OK : merge_system(messages, error);
}

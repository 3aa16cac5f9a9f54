/*
 * A template, a NUL, and the JSON context to render it with; without a NUL, all is the template and
 * the context is a small conversation. Limits are low, so that every input is quick.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "jinja/jinja.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char conversation[] =
	"{\"messages\": [{\"role\": \"system\", \"content\": \"S\"},"
	" {\"role\": \"user\", \"content\": \"Hi \\u00e9\\ud83e\\udd99\"},"
	" {\"role\": \"assistant\", \"content\": \"<think>t</think>a\", \"tool_calls\":"
	" [{\"id\": \"1\", \"function\": {\"name\": \"f\", \"arguments\": \"{\\\"a\\\": 1.5}\"}}]},"
	" {\"role\": \"tool\", \"content\": [{\"type\": \"text\", \"text\": \"x\"}]}],"
	" \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\"}}],"
	" \"bos_token\": \"<s>\", \"eos_token\": \"</s>\", \"add_generation_prompt\": true}";

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "does not hold: %s\n", what);
	abort();
}

static const elm__jinja_options options = {
	.limits = { .steps = 30000, .output_bytes = 1 << 16, .memory_bytes = 4 << 20 },
	.fixed_time = true,
	.now = 1795176000,
};

/* Renders; a prompt is UTF-8 and within the limit, a failure has a sentence. */
static char *render(const elm__jinja *program, const json_t *context, size_t *length)
{
	elm_error error = { 0 };
	char *text;

	if (elm__jinja_render(program, context, &options, &text, length, &error)) {
		require(!text && error.text[0], "a failure says why");
		return NULL;
	}
	require(*length <= options.limits.output_bytes, "the output is within its limit");
	require(text[*length] == '\0', "the output ends with a NUL");
	require(elm__utf8_valid(text, *length), "the output is UTF-8");
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *source = (const char *)data;
	const char *end = size ? memchr(source, '\0', size) : NULL;
	size_t length = end ? (size_t)(end - source) : size, first_length = 0, second_length = 0;
	json_t *context, *copy;
	elm_chat_template *chat_template;
	elm_error error = { 0 };
	elm__jinja *program;
	char *first, *second;

	context = end ? json_loadb(end + 1, size - length - 1, JSON_ALLOW_NUL, NULL) :
			json_loads(conversation, 0, NULL);
	if (elm__jinja_parse("fuzz", source, length, &program, &error)) {
		require(error.text[0], "a failure says why");
	} else if (json_is_object(context)) {
		copy = json_deep_copy(context);
		first = render(program, context, &first_length);
		second = render(program, context, &second_length);
		require(!first == !second && first_length == second_length &&
				(!first || !memcmp(first, second, first_length)),
			"the same context gives the same prompt");
		require(json_equal(context, copy), "the context is not changed");
		json_decref(copy);
		elm__free(first);
		elm__free(second);
		if (!elm_chat_template_create("fuzz", source, length, &chat_template, NULL)) {
			if (!elm__chat_render(chat_template, context, &options, &first,
					      &first_length, NULL))
				elm__free(first);
			elm_chat_template_free(chat_template);
		}
	}
	elm__jinja_free(program);
	json_decref(context);
	return 0;
}

/* caps.c: what a chat template can do, found out by asking it. */
#include <edgelm/memory.h>

#include <string.h>

#include "server/internal.h"

/* A word that no template has of its own. */
#define WORD "qzxprobe"
#define USER "{\"role\": \"user\", \"content\": \"a\"}"
#define CALL(name) "{\"id\": \"1\", \"type\": \"function\", \"function\": {\"name\": \"" name "\", "

typedef struct probe {
	const char *name, *messages, *extra;
	const char *also; /* must be in the text as well; NULL: nothing */
} probe;

/* A template that can shows the word in the prompt; one that cannot leaves it out, or fails. */
static const probe probes[] = {
	{ "supports_object_arguments",
	  "[" USER ", {\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": [" CALL(
		  "f") "\"arguments\": {\"k\": \"" WORD "\"}}}]}]" },
	{ "supports_parallel_tool_calls",
	  "[" USER ", {\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": [" CALL(
		  WORD) "\"arguments\": {}}}, " CALL(WORD "2") "\"arguments\": {}}}]}]",
	  NULL, WORD "2" },
	{ "supports_preserve_reasoning",
	  "[" USER ", {\"role\": \"assistant\", \"content\": \"b\", \"reasoning_content\": \"" WORD
	  "\"}, " USER "]" },
	{ "supports_reasoning_effort", "[" USER "]", "{\"reasoning_effort\": \"" WORD "\"}" },
	{ "supports_string_content", "[{\"role\": \"user\", \"content\": \"" WORD "\"}]" },
	{ "supports_system_role", "[{\"role\": \"system\", \"content\": \"" WORD "\"}, " USER "]" },
	{ "supports_tool_calls",
	  "[" USER ", {\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": [" CALL(
		  WORD) "\"arguments\": {}}}]}]" },
	{ "supports_tools", "[" USER "]",
	  "{\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"" WORD
	  "\", \"description\": \"\", \"parameters\": {\"type\": \"object\", \"properties\": "
	  "{}}}}]}" },
	{ "supports_typed_content",
	  "[{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"" WORD "\"}]}]" },
};

static bool contains(const char *text, size_t length, const char *word)
{
	return memmem(text, length, word, strlen(word)) != NULL;
}

static bool can(const elm__chat_format *format, const probe *p)
{
	json_t *messages = json_loads(p->messages, 0, NULL);
	json_t *extra = p->extra ? json_loads(p->extra, 0, NULL) : json_object();
	bool found = false;
	size_t length;
	char *text;

	if (messages && extra &&
	    !elm__chat_format_text(format, messages, extra, &text, &length, NULL)) {
		found = contains(text, length, WORD) &&
			(!p->also || contains(text, length, p->also));
		elm_free(text);
	}
	json_decref(messages);
	json_decref(extra);
	return found;
}

json_t *elm__chat_caps_json(const elm__chat_format *format)
{
	json_t *value = json_object();

	for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++)
		if (json_object_set_new(value, probes[i].name,
					json_boolean(can(format, &probes[i])))) {
			json_decref(value);
			return NULL;
		}
	return value;
}

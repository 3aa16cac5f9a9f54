#include "server/tools.h"

#include <stdint.h>
#include <string.h>
#include <sys/random.h>

static const char opening[] = "<tool_call>";
static const char closing[] = "</tool_call>";

/* What may stand before calls in JSON. */
static const char *const markers[] = { "<|python_tag|>", "[TOOL_CALLS]", "<|tool_call|>" };

enum { MARKERS = sizeof(markers) / sizeof(markers[0]) };

static size_t skip_blanks(const char *text, size_t length)
{
	size_t i = 0;

	while (i < length &&
	       (text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r'))
		i++;
	return i;
}

static const json_t *find_tool(const json_t *tools, const char *name)
{
	const json_t *tool;
	size_t i;

	json_array_foreach(tools, i, tool)
	{
		const char *own = json_string_value(
			json_object_get(json_object_get(tool, "function"), "name"));

		if (own && !strcmp(own, name))
			return tool;
	}
	return NULL;
}

/* "call_" and 24 letters and digits. */
static bool make_id(char out[32])
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz012345";
	uint8_t random[24];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return false;
	strcpy(out, "call_");
	for (size_t i = 0; i < sizeof(random); i++)
		out[5 + i] = digits[random[i] & 31];
	out[5 + sizeof(random)] = '\0';
	return true;
}

/* OpenAI's form of a call; NULL when memory runs out. */
static json_t *make_call(const char *name, const json_t *arguments)
{
	char *text = json_dumps(arguments, JSON_COMPACT | JSON_ENCODE_ANY);
	json_t *call = NULL;
	char id[32];

	if (text && make_id(id))
		call = json_pack("{s:s, s:{s:s, s:s}, s:s}", "type", "function", "function", "name",
				 name, "arguments", text, "id", id);
	free(text);
	return call;
}

typedef enum verdict { NO_CALL, CALLS, NO_MEMORY } verdict;

/* Adds a call, or each of an array of calls. One that is none makes all of it text. */
static verdict add_calls(const json_t *value, const json_t *tools, json_t *calls)
{
	const json_t *arguments = json_object_get(value, "arguments");
	const char *name = json_string_value(json_object_get(value, "name"));
	const json_t *item;
	size_t i;

	if (json_is_array(value)) {
		json_array_foreach(value, i, item)
		{
			verdict found =
				json_is_object(item) ? add_calls(item, tools, calls) : NO_CALL;

			if (found != CALLS)
				return found;
		}
		return json_array_size(value) ? CALLS : NO_CALL;
	}
	if (!arguments)
		arguments = json_object_get(value, "parameters");
	if (!name || !json_is_object(arguments) || !find_tool(tools, name))
		return NO_CALL;
	return json_array_append_new(calls, make_call(name, arguments)) ? NO_MEMORY : CALLS;
}

static verdict read_calls(const char *text, size_t length, const json_t *tools, json_t *calls)
{
	json_t *value = json_loadb(text, length, 0, NULL);
	verdict found = value ? add_calls(value, tools, calls) : NO_CALL;

	json_decref(value);
	return found;
}

/* The last word of a text may be cut off: the end of a model's turn serves as well. */
static verdict read_tagged(const char *text, size_t length, const json_t *tools, json_t *calls)
{
	const char *at = text, *end = text + length;

	while (at) {
		const char *stop;
		verdict found;

		at += sizeof(opening) - 1;
		stop = memmem(at, (size_t)(end - at), closing, sizeof(closing) - 1);
		found = read_calls(at, (size_t)((stop ? stop : end) - at), tools, calls);
		if (found != CALLS)
			return found;
		at = stop ? memmem(stop, (size_t)(end - stop), opening, sizeof(opening) - 1) : NULL;
	}
	return CALLS;
}

static verdict look(const char *text, size_t length, const json_t *tools, json_t *calls,
		    size_t *content)
{
	const char *tagged = memmem(text, length, opening, sizeof(opening) - 1);
	size_t at = skip_blanks(text, length);

	if (tagged) {
		*content = (size_t)(tagged - text);
		return read_tagged(tagged, length - *content, tools, calls);
	}
	*content = 0;
	for (int i = 0; i < MARKERS; i++) {
		size_t size = strlen(markers[i]);

		if (length - at >= size && !memcmp(text + at, markers[i], size)) {
			at += size;
			break;
		}
	}
	at += skip_blanks(text + at, length - at);
	if (at == length || (text[at] != '{' && text[at] != '['))
		return NO_CALL;
	return read_calls(text + at, length - at, tools, calls);
}

bool elm__tools_parse(const char *text, size_t length, const json_t *tools, json_t **calls,
		      size_t *content)
{
	json_t *list = json_array();
	verdict found = list ? look(text, length, tools, list, content) : NO_MEMORY;

	*calls = NULL;
	if (found == CALLS) {
		*calls = list;
		return true;
	}
	*content = length;
	json_decref(list);
	return found == NO_CALL;
}

/* Whether the text begins like the word, as far as it goes. */
static bool begins(const char *text, size_t length, const char *word)
{
	size_t size = strlen(word);

	return !memcmp(text, word, length < size ? length : size);
}

static bool may_be_call(const char *text, size_t length)
{
	size_t at = skip_blanks(text, length);

	if (at == length || text[at] == '{' || text[at] == '[')
		return true;
	for (int i = 0; i < MARKERS; i++)
		if (begins(text + at, length - at, markers[i]))
			return true;
	return false;
}

size_t elm__tools_certain(const char *text, size_t length, size_t told)
{
	if (!told && may_be_call(text, length))
		return 0;
	for (size_t i = told; i < length; i++)
		if (text[i] == '<' && begins(text + i, length - i, opening))
			return i;
	return length;
}

static json_t *call_schema(const json_t *tool)
{
	const json_t *function = json_object_get(tool, "function");
	json_t *parameters = json_object_get(function, "parameters");

	parameters = json_is_object(parameters) ? json_incref(parameters) :
						  json_pack("{s:s}", "type", "object");
	return json_pack("{s:s, s:{s:{s:O}, s:o}, s:[s, s], s:b}", "type", "object", "properties",
			 "name", "const", json_object_get(function, "name"), "arguments",
			 parameters, "required", "name", "arguments", "additionalProperties", 0);
}

json_t *elm__tools_schema(const json_t *tools, const char *name)
{
	json_t *choices = json_array();
	const json_t *tool;
	size_t i;

	json_array_foreach(tools, i, tool)
	{
		const char *own = json_string_value(
			json_object_get(json_object_get(tool, "function"), "name"));

		if (name && strcmp(own, name) != 0)
			continue;
		if (json_array_append_new(choices, call_schema(tool))) {
			json_decref(choices);
			return NULL;
		}
	}
	if (!json_array_size(choices)) {
		json_decref(choices);
		return NULL;
	}
	return json_pack("{s:o}", "anyOf", choices);
}

#include "eval/tasks.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <math.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/text.h"

enum { MOST_STEPS = 1000000, LONGEST_NUMBER = 64 };

static const char *const match_names[] = { "exact", "contains", "regex", "json", "number" };
enum { MATCHES = sizeof(match_names) / sizeof(match_names[0]) };

/* ---- regular expressions ---- */

static void *pcre_allocate(size_t size, void *user)
{
	return elm__malloc(size);
}

static void pcre_release(void *block, void *user)
{
	elm__free(block);
}

static elm_status no_memory(elm_error *error)
{
	return elm_error_set(error, ELM_ERR_NO_MEMORY, "no memory for a regular expression");
}

static elm_status compile(const char *pattern, pcre2_general_context *memory, pcre2_code **out,
			  elm_error *error)
{
	pcre2_compile_context *context = pcre2_compile_context_create(memory);
	char text[128];
	PCRE2_SIZE offset;
	int code;

	*out = NULL;
	if (!context)
		return no_memory(error);

	*out = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP,
			     &code, &offset, context);
	pcre2_compile_context_free(context);
	if (*out)
		return ELM_OK;
	if (code == PCRE2_ERROR_HEAP_FAILED)
		return no_memory(error);
	pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof(text));
	return elm_error_set(error, ELM_ERR_ARGUMENT,
			     "\"expected\" is not a regular expression: %s at byte %zu", text,
			     (size_t)offset);
}

/* Whether the expression is one, and, where there is an answer, whether it matches. */
static elm_status try_regex(const char *pattern, const char *answer, size_t length, bool *right,
			    elm_error *error)
{
	pcre2_general_context *memory =
		pcre2_general_context_create(pcre_allocate, pcre_release, NULL);
	pcre2_match_context *context = memory ? pcre2_match_context_create(memory) : NULL;
	pcre2_match_data *match = memory ? pcre2_match_data_create(1, memory) : NULL;
	pcre2_code *code = NULL;
	elm_status status =
		context && match ? compile(pattern, memory, &code, error) : no_memory(error);
	int found;

	if (!status && answer) {
		pcre2_set_match_limit(context, MOST_STEPS);
		found = pcre2_match(code, (PCRE2_SPTR)answer, length, 0, 0, match, context);
		*right = found >= 0;
		if (found == PCRE2_ERROR_NOMEMORY)
			status = no_memory(error);
	}
	pcre2_code_free(code);
	pcre2_match_data_free(match);
	pcre2_match_context_free(context);
	pcre2_general_context_free(memory);
	return status;
}

/* ---- reading ---- */

static elm_status read_match(elm__task *task, elm_error *error)
{
	const char *name = match_names[ELM__MATCH_EXACT];
	elm_status status = elm__json_get_string(task->root, "match", &name, error);

	if (status)
		return status;
	for (int i = 0; i < MATCHES; i++) {
		if (!strcmp(name, match_names[i])) {
			task->match = (elm__task_match)i;
			return ELM_OK;
		}
	}
	return elm_error_set(error, ELM_ERR_ARGUMENT,
			     "\"match\" must be exact, contains, regex, json or number");
}

static elm_status read_domain(elm__task *task, elm_error *error)
{
	const char *name = NULL;
	elm_status status = elm__json_get_string(task->root, "domain", &name, error);

	if (status || !name)
		return status;
	if (strcmp(name, "in") != 0 && strcmp(name, "out") != 0)
		return elm_error_set(error, ELM_ERR_ARGUMENT, "\"domain\" must be in or out");
	task->domain = !strcmp(name, "in") ? ELM__DOMAIN_IN : ELM__DOMAIN_OUT;
	return ELM_OK;
}

static elm_status check_expected(const elm__task *task, const json_t *value, elm_error *error)
{
	if (task->match == ELM__MATCH_JSON)
		return ELM_OK;
	if (task->match == ELM__MATCH_NUMBER) {
		if (json_is_number(value))
			return ELM_OK;
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "\"expected\" must be a number, not %s",
				     elm__json_type_name(value));
	}
	if (!json_is_string(value))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "\"expected\" must be a string, not %s",
				     elm__json_type_name(value));
	if (strlen(json_string_value(value)) != json_string_length(value))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "\"expected\" contains a NUL character");
	if (task->match != ELM__MATCH_REGEX)
		return ELM_OK;
	return try_regex(json_string_value(value), NULL, 0, NULL, error);
}

/* "expected", or "expected_any" with an array of what counts as right. */
static elm_status read_expected(elm__task *task, elm_error *error)
{
	json_t *one = json_object_get(task->root, "expected");
	json_t *any = json_object_get(task->root, "expected_any"), *made;
	const json_t *value;
	size_t i;

	if (!one && !any) {
		if (task->domain != ELM__DOMAIN_UNSAID)
			return ELM_OK;
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "there is no \"expected\" (nor a \"domain\")");
	}
	if (one && any)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "give \"expected\" or \"expected_any\", not both");
	if (any && (!json_is_array(any) || !json_array_size(any)))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "\"expected_any\" must be an array that is not empty");
	if (one) {
		made = json_pack("[O]", one);
		if (!made || json_object_set_new(task->root, "expected_any", made))
			return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
		any = made;
	}
	task->expected = any;
	json_array_foreach(any, i, value)
	{
		elm_status status = check_expected(task, value, error);

		if (status)
			return status;
	}
	return ELM_OK;
}

static elm_status read_request(elm__task *task, elm_error *error)
{
	const json_t *message;
	elm_status status = elm__json_get_string(task->root, "prompt", &task->prompt, error);
	size_t i;

	if (status)
		return status;
	task->messages = json_object_get(task->root, "messages");
	task->tools = json_object_get(task->root, "tools");
	if (!task->prompt == !task->messages)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "give either \"prompt\" or \"messages\"");
	if (task->tools && !json_is_array(task->tools))
		return elm_error_set(error, ELM_ERR_ARGUMENT, "\"tools\" must be an array, not %s",
				     elm__json_type_name(task->tools));
	if (!task->messages)
		return ELM_OK;
	if (!json_is_array(task->messages) || !json_array_size(task->messages))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "\"messages\" must be an array that is not empty");
	json_array_foreach(task->messages, i, message)
	{
		if (!json_is_string(json_object_get(message, "role")))
			return elm_error_set(error, ELM_ERR_ARGUMENT,
					     "message %zu must be an object with a \"role\"",
					     i + 1);
	}
	return ELM_OK;
}

static elm_status read_task(elm__task *task, elm_error *error)
{
	elm_status status = ELM_OK;

	if (!json_is_object(task->root))
		return elm_error_set(error, ELM_ERR_ARGUMENT, "a task must be an object, not %s",
				     elm__json_type_name(task->root));
	task->category = "all";
	status = elm__json_get_string(task->root, "category", &task->category, error);
	if (!status)
		status = elm__json_get_f64(task->root, "tolerance", 0, HUGE_VAL, &task->tolerance,
					   error);
	if (!status)
		status = read_match(task, error);
	if (!status)
		status = read_domain(task, error);
	if (!status)
		status = read_request(task, error);
	if (!status)
		status = read_expected(task, error);
	return status;
}

static elm_status add_task(elm__tasks *tasks, const char *name, size_t line, const char *text,
			   size_t length, elm_error *error)
{
	elm__task task = { .line = line };
	char where[256];
	elm_status status;

	snprintf(where, sizeof(where), "%s, line %zu", name, line);
	status = elm__json_parse(where, text, length, &task.root, error);
	if (status)
		return status;
	status = read_task(&task, error);
	if (status)
		elm_error_prefix(error, "%s", where);
	if (!status && tasks->count == tasks->capacity) {
		size_t capacity = tasks->capacity ? tasks->capacity * 2 : 64;
		elm__task *items = elm__realloc_array(tasks->items, capacity, sizeof(*items));

		if (!items)
			status = elm_error_set(error, ELM_ERR_NO_MEMORY, "no memory for the tasks");
		else
			tasks->items = items;
		tasks->capacity = items ? capacity : tasks->capacity;
	}
	if (status)
		json_decref(task.root);
	else
		tasks->items[tasks->count++] = task;
	return status;
}

static bool is_blank(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
			return false;
	return true;
}

elm_status elm__tasks_parse(elm__tasks *tasks, const char *name, const char *text, size_t length,
			    elm_error *error)
{
	elm_status status = ELM_OK;
	size_t at = 0, line = 0;

	memset(tasks, 0, sizeof(*tasks));
	while (at < length && !status) {
		const char *end = memchr(text + at, '\n', length - at);
		size_t size = end ? (size_t)(end - text) - at : length - at;

		line++;
		if (!is_blank(text + at, size))
			status = add_task(tasks, name, line, text + at, size, error);
		at += size + 1;
	}
	if (!status && !tasks->count)
		status = elm_error_set(error, ELM_ERR_FORMAT, "%s: there are no tasks in it", name);
	if (status)
		elm__tasks_release(tasks);
	return status;
}

void elm__tasks_release(elm__tasks *tasks)
{
	for (size_t i = 0; i < tasks->count; i++)
		json_decref(tasks->items[i].root);
	elm__free(tasks->items);
	memset(tasks, 0, sizeof(*tasks));
}

/* ---- checking ---- */

static void strip(const char **text, size_t *length)
{
	while (*length && strchr(" \t\r\n", **text) && **text) {
		++*text;
		--*length;
	}
	while (*length && strchr(" \t\r\n", (*text)[*length - 1]) && (*text)[*length - 1])
		--*length;
}

static bool equals(const char *expected, const char *answer, size_t length)
{
	size_t size = strlen(expected);

	strip(&expected, &size);
	strip(&answer, &length);
	return size == length && !memcmp(expected, answer, size);
}

/* Takes off `before` and `after`, where both are there (`after` may be missing at the end). */
static bool unwrap(const char **text, size_t *length, const char *before, const char *after)
{
	size_t first = strlen(before), last = strlen(after);

	if (*length < first || memcmp(*text, before, first) != 0)
		return false;
	*text += first;
	*length -= first;
	if (*length >= last && !memcmp(*text + *length - last, after, last))
		*length -= last;
	return true;
}

static bool same_value(json_t *a, json_t *b)
{
	const char *key;
	json_t *value;
	size_t i;

	if (json_is_number(a) && json_is_number(b))
		return json_number_value(a) == json_number_value(b);
	if (json_is_object(a) && json_is_object(b)) {
		if (json_object_size(a) != json_object_size(b))
			return false;
		json_object_foreach(a, key, value)
		{
			json_t *other = json_object_get(b, key);

			if (!other || !same_value(value, other))
				return false;
		}
		return true;
	}
	if (json_is_array(a) && json_is_array(b)) {
		if (json_array_size(a) != json_array_size(b))
			return false;
		json_array_foreach(a, i, value)
		{
			if (!same_value(value, json_array_get(b, i)))
				return false;
		}
		return true;
	}
	return json_equal(a, b);
}

static bool check_json(json_t *expected, const char *answer, size_t length)
{
	json_t *value;
	bool same;

	strip(&answer, &length);
	if (!unwrap(&answer, &length, "<tool_call>", "</tool_call>") &&
	    !unwrap(&answer, &length, "```json", "```"))
		(void)unwrap(&answer, &length, "```", "```");
	value = json_loadb(answer, length, JSON_DECODE_ANY, NULL);
	same = value && same_value(expected, value);
	json_decref(value);
	return same;
}

/* The last number in a text, "-12.5e3"; a comma between digits groups them. */
static bool last_number(const char *text, size_t length, double *out)
{
	char number[LONGEST_NUMBER];
	bool found = false;

	for (size_t at = 0; at < length; at++) {
		size_t n = 0, end = at;

		if (text[at] < '0' || text[at] > '9')
			continue;
		if (at && text[at - 1] == '-')
			number[n++] = '-';
		for (; end < length && n < sizeof(number) - 1; end++) {
			bool digit = text[end] >= '0' && text[end] <= '9';
			bool followed =
				end + 1 < length && text[end + 1] >= '0' && text[end + 1] <= '9';

			if (text[end] == ',' && followed)
				continue;
			if (!digit && !(text[end] == '.' && followed))
				break;
			number[n++] = text[end];
		}
		number[n] = '\0';
		if (elm__parse_f64(number, -HUGE_VAL, HUGE_VAL, out))
			found = true;
		at = end;
	}
	return found;
}

static elm_status check_one(const elm__task *task, json_t *expected, const char *answer,
			    size_t length, bool *right, elm_error *error)
{
	double number;

	*right = false;
	switch (task->match) {
	case ELM__MATCH_EXACT:
		*right = equals(json_string_value(expected), answer, length);
		break;
	case ELM__MATCH_CONTAINS:
		*right = memmem(answer, length, json_string_value(expected),
				json_string_length(expected)) != NULL;
		break;
	case ELM__MATCH_REGEX:
		return try_regex(json_string_value(expected), answer, length, right, error);
	case ELM__MATCH_JSON:
		*right = check_json(expected, answer, length);
		break;
	case ELM__MATCH_NUMBER:
		*right = last_number(answer, length, &number) &&
			 fabs(number - json_number_value(expected)) <= task->tolerance;
		break;
	}
	return ELM_OK;
}

elm_status elm__task_check(const elm__task *task, const char *answer, size_t length, bool *right,
			   elm_error *error)
{
	json_t *expected;
	size_t i;

	*right = false;
	json_array_foreach(task->expected, i, expected)
	{
		elm_status status = check_one(task, expected, answer, length, right, error);

		if (status || *right)
			return status;
	}
	return ELM_OK;
}

#include "cli/dialog.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"

enum { MAX_FILE = 64 << 20 };

static elm_status no_memory(elm_error *error)
{
	return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for the conversation");
}

elm_status cli_dialog_init(cli_dialog *dialog, elm_error *error)
{
	dialog->messages = json_array();
	return dialog->messages ? ELM_OK : no_memory(error);
}

void cli_dialog_release(cli_dialog *dialog)
{
	json_decref(dialog->messages);
	dialog->messages = NULL;
}

static bool has_role(const json_t *message, const char *role)
{
	const char *own = json_string_value(json_object_get(message, "role"));

	return own && !strcmp(own, role);
}

/* Where the messages after the system message begin. */
static size_t first_turn(const cli_dialog *dialog)
{
	return has_role(json_array_get(dialog->messages, 0), "system");
}

const char *cli_dialog_system(const cli_dialog *dialog)
{
	if (!first_turn(dialog))
		return NULL;
	return json_string_value(json_object_get(json_array_get(dialog->messages, 0), "content"));
}

static elm_status make_message(const char *role, const char *text, size_t length, json_t **out,
			       elm_error *error)
{
	*out = NULL;
	if (!elm__utf8_valid(text, length))
		return elm_error_set(error, ELM_ERR_ARGUMENT, "the text is not valid UTF-8");
	*out = json_pack("{s:s, s:s%}", "role", role, "content", text, length);
	return *out ? ELM_OK : no_memory(error);
}

elm_status cli_dialog_set_system(cli_dialog *dialog, const char *text, elm_error *error)
{
	json_t *message = NULL;
	elm_status status = ELM_OK;

	if (text && *text)
		status = make_message("system", text, strlen(text), &message, error);
	if (status)
		return status;
	if (first_turn(dialog))
		json_array_remove(dialog->messages, 0);
	if (message && json_array_insert_new(dialog->messages, 0, message))
		return no_memory(error);
	return ELM_OK;
}

elm_status cli_dialog_add(cli_dialog *dialog, const char *role, const char *text, size_t length,
			  elm_error *error)
{
	json_t *message;
	elm_status status = make_message(role, text, length, &message, error);

	if (!status && json_array_append_new(dialog->messages, message))
		status = no_memory(error);
	return status;
}

void cli_dialog_remove_last(cli_dialog *dialog)
{
	json_array_remove(dialog->messages, json_array_size(dialog->messages) - 1);
}

size_t cli_dialog_count(const cli_dialog *dialog)
{
	return json_array_size(dialog->messages) - first_turn(dialog);
}

void cli_dialog_reset(cli_dialog *dialog)
{
	while (cli_dialog_count(dialog))
		cli_dialog_remove_last(dialog);
}

bool cli_dialog_drop_oldest(cli_dialog *dialog)
{
	size_t first = first_turn(dialog), next = first + 1, count;

	count = json_array_size(dialog->messages);
	while (next < count && !has_role(json_array_get(dialog->messages, next), "user"))
		next++;
	if (next >= count)
		return false;
	for (; next > first; next--)
		json_array_remove(dialog->messages, first);
	return true;
}

elm_status cli_dialog_save(const cli_dialog *dialog, const char *path, elm_error *error)
{
	json_t *root = json_pack("{s:O}", "messages", dialog->messages);
	char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
	elm_status status;

	json_decref(root);
	if (!text)
		return no_memory(error);
	status = elm__file_replace(path, text, strlen(text), error);
	free(text);
	return status;
}

static elm_status check_messages(const json_t *messages, const char *path, elm_error *error)
{
	static const char *const roles[] = { "system", "user", "assistant" };
	size_t index;
	json_t *message;

	if (!json_is_array(messages))
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "%s is not a saved conversation: it has no list \"messages\"",
				     path);
	json_array_foreach(messages, index, message)
	{
		bool known = false;

		for (size_t i = index ? 1 : 0; i < 3; i++) /* system only in front */
			known |= has_role(message, roles[i]);
		if (!known || !json_is_string(json_object_get(message, "content")))
			return elm_error_set(error, ELM_ERR_FORMAT,
					     "%s: message %zu lacks a role (system, only in front; "
					     "user; assistant) or its content is not a text",
					     path, index + 1);
	}
	return ELM_OK;
}

elm_status cli_dialog_load(cli_dialog *dialog, const char *path, elm_error *error)
{
	json_t *root, *messages;
	elm_status status = elm__json_read(path, MAX_FILE, &root, error);

	if (status)
		return status;
	messages = json_object_get(root, "messages");
	status = check_messages(messages, path, error);
	if (!status) {
		json_decref(dialog->messages);
		dialog->messages = json_incref(messages);
	}
	json_decref(root);
	return status;
}

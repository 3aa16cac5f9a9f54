/* dialog.h: the messages of a conversation: a system message or none, then turns. */
#ifndef ELM_CLI_DIALOG_H
#define ELM_CLI_DIALOG_H

#include <edgelm/status.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct cli_dialog {
	json_t *messages; /* [{"role", "content"}, ...] */
} cli_dialog;

ELM_NODISCARD elm_status cli_dialog_init(cli_dialog *dialog, elm_error *error);
void cli_dialog_release(cli_dialog *dialog);

/* The system message, NULL when there is none. */
const char *cli_dialog_system(const cli_dialog *dialog);
/* Sets it; NULL or "" removes it. Text that is not UTF-8 is ELM_ERR_ARGUMENT. */
ELM_NODISCARD elm_status cli_dialog_set_system(cli_dialog *dialog, const char *text,
					       elm_error *error);

/* Adds a message at the end. Text that is not UTF-8 is ELM_ERR_ARGUMENT. */
ELM_NODISCARD elm_status cli_dialog_add(cli_dialog *dialog, const char *role, const char *text,
					size_t length, elm_error *error);
void cli_dialog_remove_last(cli_dialog *dialog);

/* Messages, without the system message. */
size_t cli_dialog_count(const cli_dialog *dialog);
/* Removes everything except the system message. */
void cli_dialog_reset(cli_dialog *dialog);

/* Removes the oldest message of a user and all up to the next one. False when there is only one
 * such turn, which stays. */
bool cli_dialog_drop_oldest(cli_dialog *dialog);

/* Files are JSON: {"messages": [...]}. A failed load changes nothing. */
ELM_NODISCARD elm_status cli_dialog_save(const cli_dialog *dialog, const char *path,
					 elm_error *error);
ELM_NODISCARD elm_status cli_dialog_load(cli_dialog *dialog, const char *path, elm_error *error);

#endif

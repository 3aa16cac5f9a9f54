/* chat_format.h: which chat template the commands use that hold a conversation. */
#ifndef ELM_CLI_CHAT_FORMAT_H
#define ELM_CLI_CHAT_FORMAT_H

#include "engine/chat.h"

/*
 * `choice` is what --template says: the name of a built-in format, a file, or NULL for the model's
 * own; a model that has none gets the plain format and a notice on stderr. On failure the struct
 * needs no release.
 */
ELM_NODISCARD elm_status cli_open_chat_format(const elm_tokenizer *tokenizer, const char *choice,
					      elm__chat_format *format, elm_error *error);

#endif

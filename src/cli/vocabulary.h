/* vocabulary.h: what the commands share that need the vocabulary of a model and not its weights. */
#ifndef ELM_CLI_VOCABULARY_H
#define ELM_CLI_VOCABULARY_H

#include <edgelm/tokenizer.h>

#include "base/buffer.h"

/* The tokenizer of a model file; the file is closed again. */
ELM_NODISCARD elm_status cli_open_tokenizer(const char *path, elm_tokenizer **out,
					    elm_error *error);

/* What a command works on: `text` when it is not NULL, else the file, else standard input. */
ELM_NODISCARD elm_status cli_read_text(const char *text, const char *file, elm__buf *out,
				       elm_error *error);

#endif

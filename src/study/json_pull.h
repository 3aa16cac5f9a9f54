/*
 * json_pull.h: reads JSON piece by piece from memory, for files that are too big to build a tree
 * of. Needs no memory but that of the strings that the caller asks for, and stack for DEPTH levels.
 *
 *     if (elm__pull_object(&pull))
 *             while (elm__pull_key(&pull, &key))
 *                     if (strcmp(key.data, "title") == 0)
 *                             elm__pull_string(&pull, &title);
 *                     else
 *                             elm__pull_skip(&pull);
 *     status = elm__pull_end(&pull);
 *
 * The first thing that is wrong sets the status and the error (name, line, reason); from there on
 * every function returns false, so that loops end and nothing needs to be checked in between.
 */
#ifndef ELM_STUDY_JSON_PULL_H
#define ELM_STUDY_JSON_PULL_H

#include <edgelm/status.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

enum { ELM__PULL_DEPTH = 64 };

typedef struct elm__pull {
	const char *name, *text, *at, *end;
	bool more[ELM__PULL_DEPTH]; /* something came before at this level, so a comma must */
	unsigned depth;
	elm_status status;
	elm_error *error;
} elm__pull;

void elm__pull_init(elm__pull *pull, const char *name, const char *text, size_t length,
		    elm_error *error);

/* Enters an object, then goes to its next key, whose value has to be read or skipped; false at its
 * end, which is left. The key replaces what is in the buffer, which may be NULL. */
bool elm__pull_object(elm__pull *pull);
bool elm__pull_key(elm__pull *pull, elm__buf *key);

/* Enters an array, then goes to its next item; false at its end, which is left. */
bool elm__pull_array(elm__pull *pull);
bool elm__pull_item(elm__pull *pull);

/* Reads a string, which replaces what is in the buffer (NULL: it is only checked). */
bool elm__pull_string(elm__pull *pull, elm__buf *out);

/* Any value. */
bool elm__pull_skip(elm__pull *pull);

/* Sets the error, at the current line. Returns false. */
bool elm__pull_fail(elm__pull *pull, elm_status status, const char *format, ...) ELM_PRINTF(3, 4);

/* The status of all; the text must be at its end. */
ELM_NODISCARD elm_status elm__pull_end(elm__pull *pull);

#endif

/* row_json.h: rows of the tables as JSON objects, for the pipe to the worker and for --json. */
#ifndef ELM_STUDY_ROW_JSON_H
#define ELM_STUDY_ROW_JSON_H

#include <edgelm/status.h>
#include <jansson.h>

#include "base/arena.h"
#include "study/schema.h"

/* An object with the columns that are not NULL; NULL when memory runs out. Text that is not UTF-8
 * becomes printable. */
json_t *elm__row_json(elm__study_table table, const void *row);

/* The other way: columns that are absent stay NULL, others of the object are ignored. Texts are
 * copied into the arena. ELM_ERR_FORMAT for a column of another type. */
ELM_NODISCARD elm_status elm__row_parse(elm__study_table table, const json_t *object,
					elm__arena *arena, void *row, elm_error *error);

#endif

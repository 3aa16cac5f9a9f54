/*
 * json.h: what every user of jansson needs: parsing hostile text with a clear error, and fetching
 * typed, range-checked members. Objects are jansson's own (json_t); release them with json_decref.
 */
#ifndef ELM_BASE_JSON_H
#define ELM_BASE_JSON_H

#include <edgelm/status.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Parses text[0..length) as one JSON value of any kind. `name` (a path, "request body") begins the
 * error, which gives line and column. Duplicate keys, invalid UTF-8, and nesting deeper than
 * jansson's limit are refused. *out is a new reference, NULL on failure.
 */
ELM_NODISCARD elm_status elm__json_parse(const char *name, const char *text, size_t length,
					 json_t **out, elm_error *error);
/* The same from a file (or "-"), at most `limit` bytes. */
ELM_NODISCARD elm_status elm__json_read(const char *path, size_t limit, json_t **out,
					elm_error *error);

/* Writes a value to a file, indented, replacing it as a whole (file.h). NULL is an out-of-memory
 * error, so that what builds the value need not look. */
ELM_NODISCARD elm_status elm__json_replace(const char *path, const json_t *value, elm_error *error);

/*
 * Typed members of an object. An absent or null member leaves *out untouched and succeeds; a member
 * of another type or out of range is ELM_ERR_ARGUMENT and names the key. Strings are borrowed; one
 * with a NUL inside, which a C string would cut, is refused.
 */
ELM_NODISCARD elm_status elm__json_get_i64(const json_t *object, const char *key, int64_t low,
					   int64_t high, int64_t *out, elm_error *error);
ELM_NODISCARD elm_status elm__json_get_f64(const json_t *object, const char *key, double low,
					   double high, double *out, elm_error *error);
ELM_NODISCARD elm_status elm__json_get_bool(const json_t *object, const char *key, bool *out,
					    elm_error *error);
ELM_NODISCARD elm_status elm__json_get_string(const json_t *object, const char *key,
					      const char **out, elm_error *error);

/* "object", "array", "string", "integer", "real", "boolean", "null": for error texts. */
const char *elm__json_type_name(const json_t *value);

#endif

#include "base/json.h"

#include <string.h>

#include "base/buffer.h"
#include "base/file.h"

elm_status elm__json_parse(const char *name, const char *text, size_t length, json_t **out,
			   elm_error *error)
{
	json_error_t where;

	*out = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL,
			  &where);
	if (*out)
		return ELM_OK;
	if (json_error_code(&where) == json_error_out_of_memory)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", name);
	return elm_error_set(error, ELM_ERR_FORMAT, "%s: invalid JSON at line %d column %d: %s",
			     name, where.line, where.column, where.text);
}

elm_status elm__json_read(const char *path, size_t limit, json_t **out, elm_error *error)
{
	elm__buf text = ELM__BUF_INIT;
	elm_status status = elm__file_read(path, limit, &text, error);

	*out = NULL;
	if (status == ELM_OK)
		status = elm__json_parse(path, elm__buf_text(&text), text.length, out, error);
	elm__buf_release(&text);
	return status;
}

typedef struct dump_target {
	elm__writer writer;
	elm_status status;
	elm_error *error;
} dump_target;

static int dump_part(const char *text, size_t length, void *user)
{
	dump_target *target = user;

	if (target->status == ELM_OK)
		target->status = elm__writer_write(&target->writer, text, length, target->error);
	return target->status == ELM_OK ? 0 : -1;
}

elm_status elm__json_replace(const char *path, const json_t *value, elm_error *error)
{
	/* Nine digits tell any two floats apart. */
	const size_t flags = JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9);
	dump_target target = { .error = error };

	if (!value)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", path);
	target.status = elm__writer_open(&target.writer, path, error);
	if (target.status != ELM_OK)
		return target.status;
	if (json_dump_callback(value, dump_part, &target, flags) != 0 && target.status == ELM_OK)
		target.status = elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", path);
	if (target.status == ELM_OK)
		target.status = elm__writer_write(&target.writer, "\n", 1, error);
	if (target.status == ELM_OK)
		target.status = elm__writer_commit(&target.writer, error);
	elm__writer_close(&target.writer);
	return target.status;
}

const char *elm__json_type_name(const json_t *value)
{
	switch (value ? json_typeof(value) : JSON_NULL) {
	case JSON_OBJECT:
		return "object";
	case JSON_ARRAY:
		return "array";
	case JSON_STRING:
		return "string";
	case JSON_INTEGER:
		return "integer";
	case JSON_REAL:
		return "real";
	case JSON_TRUE:
	case JSON_FALSE:
		return "boolean";
	case JSON_NULL:
		break;
	}
	return "null";
}

static const json_t *member(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_null(value) ? NULL : value;
}

static elm_status wrong_type(const json_t *value, const char *key, const char *want,
			     elm_error *error)
{
	return elm_error_set(error, ELM_ERR_ARGUMENT, "\"%s\" must be %s, not %s", key, want,
			     elm__json_type_name(value));
}

elm_status elm__json_get_i64(const json_t *object, const char *key, int64_t low, int64_t high,
			     int64_t *out, elm_error *error)
{
	const json_t *value = member(object, key);
	int64_t number;

	if (!value)
		return ELM_OK;
	if (!json_is_integer(value))
		return wrong_type(value, key, "an integer", error);
	number = json_integer_value(value);
	if (number < low || number > high)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "\"%s\" is %lld; it must be between %lld and %lld", key,
				     (long long)number, (long long)low, (long long)high);
	*out = number;
	return ELM_OK;
}

elm_status elm__json_get_f64(const json_t *object, const char *key, double low, double high,
			     double *out, elm_error *error)
{
	const json_t *value = member(object, key);
	double number;

	if (!value)
		return ELM_OK;
	if (!json_is_number(value))
		return wrong_type(value, key, "a number", error);
	number = json_number_value(value);
	if (!(number >= low && number <= high))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "\"%s\" is %g; it must be between %g and %g", key, number, low,
				     high);
	*out = number;
	return ELM_OK;
}

elm_status elm__json_get_bool(const json_t *object, const char *key, bool *out, elm_error *error)
{
	const json_t *value = member(object, key);

	if (!value)
		return ELM_OK;
	if (!json_is_boolean(value))
		return wrong_type(value, key, "true or false", error);
	*out = json_is_true(value);
	return ELM_OK;
}

elm_status elm__json_get_string(const json_t *object, const char *key, const char **out,
				elm_error *error)
{
	const json_t *value = member(object, key);

	if (!value)
		return ELM_OK;
	if (!json_is_string(value))
		return wrong_type(value, key, "a string", error);
	if (strlen(json_string_value(value)) != json_string_length(value))
		return elm_error_set(error, ELM_ERR_ARGUMENT, "\"%s\" contains a NUL character",
				     key);
	*out = json_string_value(value);
	return ELM_OK;
}

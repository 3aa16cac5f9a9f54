#include "study/row_json.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/text.h"

static json_t *text_json(const char *text)
{
	char *shown;
	json_t *value;

	if (elm__utf8_valid(text, strlen(text)))
		return json_string(text);
	shown = elm__strdup(text);
	if (!shown)
		return NULL;
	elm__make_printable(shown);
	value = json_string(shown);
	elm__free(shown);
	return value;
}

json_t *elm__row_json(elm__study_table table, const void *row)
{
	const elm__table *t = &elm__tables[table];
	json_t *object = json_object();

	for (size_t i = 0; i < t->count && object; i++) {
		const char *field = (const char *)row + t->columns[i].offset;
		json_t *value;

		if (t->columns[i].kind == ELM__COLUMN_INT) {
			int64_t number = *(const int64_t *)field;

			if (number == ELM__STUDY_NONE)
				continue;
			value = json_integer(number);
		} else if (t->columns[i].kind == ELM__COLUMN_REAL) {
			if (!isfinite(*(const double *)field))
				continue;
			value = json_real(*(const double *)field);
		} else {
			if (!*(const char *const *)field)
				continue;
			value = text_json(*(const char *const *)field);
		}
		/* Takes the value over, also when it fails. */
		if (json_object_set_new(object, t->columns[i].name, value)) {
			json_decref(object);
			object = NULL;
		}
	}
	return object;
}

static elm_status parse_column(const elm__column *column, const json_t *object, elm__arena *arena,
			       char *field, elm_error *error)
{
	const char *text = NULL;
	elm_status status;

	if (column->kind == ELM__COLUMN_INT)
		return elm__json_get_i64(object, column->name, INT64_MIN + 1, INT64_MAX,
					 (int64_t *)field, error);
	if (column->kind == ELM__COLUMN_REAL)
		return elm__json_get_f64(object, column->name, -HUGE_VAL, HUGE_VAL, (double *)field,
					 error);
	status = elm__json_get_string(object, column->name, &text, error);
	if (status == ELM_OK && text) {
		*(const char **)field = elm__arena_strndup(arena, text, strlen(text));
		if (!*(const char **)field)
			status = elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	}
	return status;
}

elm_status elm__row_parse(elm__study_table table, const json_t *object, elm__arena *arena,
			  void *row, elm_error *error)
{
	const elm__table *t = &elm__tables[table];
	elm_status status = ELM_OK;

	elm__row_clear(table, row);
	if (!json_is_object(object))
		return elm_error_set(error, ELM_ERR_FORMAT, "a row of %s is not an object",
				     t->name);
	for (size_t i = 0; i < t->count && status == ELM_OK; i++)
		status = parse_column(&t->columns[i], object, arena,
				      (char *)row + t->columns[i].offset, error);
	return status;
}

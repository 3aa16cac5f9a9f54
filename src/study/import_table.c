/* import_table.c: sources that are tables: WikiQA (tabs between the fields, no quotes) and the
 * lines of Friends (CSV of RFC 4180). */
#include <string.h>
#include <strings.h>

#include "study/csv.h"
#include "study/import.h"

/* Reads a record, whose field number `column` is copied into `out`. */
static elm_status read_record(elm__csv *t, size_t column, elm__buf *out, elm_error *error)
{
	elm__field_end end = ELM__FIELD_MORE;

	elm__buf_clear(out);
	for (size_t i = 0; end == ELM__FIELD_MORE; i++) {
		end = elm__csv_field(t, error);
		if (end == ELM__FIELD_BAD)
			return ELM_ERR_FORMAT;
		if (i == column)
			elm__buf_append(out, elm__buf_text(&t->field), t->field.length);
		if (end == ELM__FIELD_LAST && i < column)
			return elm__csv_fail(t, error,
					     "the line has fewer fields than the first one");
	}
	out->failed |= t->field.failed;
	return elm__buf_status(out, error);
}

/* Reads the first record and finds a column. */
static elm_status find_column(elm__csv *t, const char *wanted, size_t *column, elm_error *error)
{
	elm__field_end end = ELM__FIELD_MORE;
	bool found = false;

	t->line = 1;
	for (size_t i = 0; end == ELM__FIELD_MORE; i++) {
		end = elm__csv_field(t, error);
		if (end == ELM__FIELD_BAD)
			return ELM_ERR_FORMAT;
		if (!found && strcasecmp(elm__buf_text(&t->field), wanted) == 0) {
			*column = i;
			found = true;
		}
	}
	if (t->field.failed)
		return elm__buf_status(&t->field, error);
	if (!found)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "%s:1: there is no column \"%s\" in the first line", t->name,
				     wanted);
	return ELM_OK;
}

/* Calls `each` with every value of a column. */
typedef elm_status use_value(elm__pool *pool, elm__buf *value, elm_error *error);

static elm_status read_table(elm__pool *pool, elm__csv *t, const char *column_name, use_value *each,
			     elm_error *error)
{
	elm__buf value = ELM__BUF_INIT;
	size_t column = 0;
	elm_status status = find_column(t, column_name, &column, error);

	while (status == ELM_OK && elm__csv_record(t)) {
		status = read_record(t, column, &value, error);
		if (status == ELM_OK)
			status = each(pool, &value, error);
	}
	elm__buf_release(&value);
	elm__buf_release(&t->field);
	return status;
}

/* Distinct before they are in lower case. */
static elm_status use_question(elm__pool *pool, elm__buf *question, elm_error *error)
{
	const char *text;

	elm__text_one_line(question);
	text = elm__pool_copy(pool, question);
	return elm__pool_add(pool, text, text, error);
}

elm_status elm__import_wikiqa(elm__pool *pool, const char *name, const char *text, size_t length,
			      elm_error *error)
{
	elm__csv t = { .name = name, .at = text, .end = text + length, .separator = '\t' };

	return read_table(pool, &t, "question", use_question, error);
}

/* The length is taken before characters are deleted. */
static elm_status use_line(elm__pool *pool, elm__buf *line, elm_error *error)
{
	size_t characters = elm__text_characters(elm__buf_text(line), line->length);
	const char *text;

	if (characters <= 80 || characters >= 150)
		return ELM_OK;
	elm__text_clean(line);
	text = elm__pool_copy(pool, line);
	return elm__pool_add(pool, text, text, error);
}

elm_status elm__import_friends(elm__pool *pool, const char *name, const char *text, size_t length,
			       elm_error *error)
{
	elm__csv t = {
		.name = name, .at = text, .end = text + length, .separator = ',', .quotes = true
	};

	return read_table(pool, &t, "text", use_line, error);
}

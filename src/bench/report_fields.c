/* report_fields.c: the formats that print all fields: CSV, SQL, JSON. */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "bench/fields.h"

static bool shown(const elm__bench_report *report, const elm__field *field)
{
	return !field->extra || (report->extras & field->extra);
}

static bool is_list(const elm__field *field)
{
	return field->kind == ELM__FIELD_NS || field->kind == ELM__FIELD_TS;
}

/* The value between quotes; a quote inside is doubled. All values are quoted, as llama-bench does:
 * SQL converts them to the type of the column. */
static void put_quoted(elm__buf *out, const elm__field *field, const elm__field_value *value,
		       char quote)
{
	elm__buf_putc(out, quote);
	if (field->kind == ELM__FIELD_TEXT)
		for (const char *c = value->text; *c; c++) {
			if (*c == quote)
				elm__buf_putc(out, quote);
			elm__buf_putc(out, *c);
		}
	else if (field->kind == ELM__FIELD_REAL)
		elm__buf_printf(out, "%.6f", value->real);
	else
		elm__buf_printf(out, "%" PRId64, value->integer);
	elm__buf_putc(out, quote);
}

/* The names, or after them a word for each kind, between separators. */
static void put_names(const elm__bench_report *report, elm__buf *out, const char *separator,
		      bool types)
{
	static const char *const words[] = { [ELM__FIELD_TEXT] = "TEXT",
					     [ELM__FIELD_INTEGER] = "INTEGER",
					     [ELM__FIELD_BOOLEAN] = "INTEGER",
					     [ELM__FIELD_REAL] = "REAL" };
	const char *before = "";

	for (size_t i = 0; i < ELM__FIELDS; i++) {
		const elm__field *f = &elm__fields[i];

		if (!shown(report, f) || is_list(f))
			continue;
		elm__buf_printf(out, "%s%s", before, f->name);
		if (types)
			elm__buf_printf(out, " %s", words[f->kind]);
		before = separator;
	}
}

static void put_values(const elm__bench_report *report, elm__buf *out, const elm__bench_row *row,
		       const char *separator, char quote, const char *absent)
{
	const char *before = "";
	elm__field_row fields;

	elm__fields_fill(&fields, report, row);
	for (size_t i = 0; i < ELM__FIELDS; i++) {
		const elm__field *f = &elm__fields[i];

		if (!shown(report, f) || is_list(f))
			continue;
		elm__buf_puts(out, before);
		if (fields.values[i].known)
			put_quoted(out, f, &fields.values[i], quote);
		else
			elm__buf_puts(out, absent);
		before = separator;
	}
}

void elm__report_csv_begin(const elm__bench_report *report, elm__buf *out)
{
	put_names(report, out, ",", false);
	elm__buf_putc(out, '\n');
}

void elm__report_csv_row(const elm__bench_report *report, elm__buf *out, const elm__bench_row *row)
{
	put_values(report, out, row, ",", '"', "");
	elm__buf_putc(out, '\n');
}

void elm__report_sql_begin(const elm__bench_report *report, elm__buf *out)
{
	elm__buf_puts(out, "CREATE TABLE IF NOT EXISTS llama_bench (\n  ");
	put_names(report, out, ",\n  ", true);
	elm__buf_puts(out, "\n);\n\n");
}

void elm__report_sql_row(const elm__bench_report *report, elm__buf *out, const elm__bench_row *row)
{
	elm__buf_puts(out, "INSERT INTO llama_bench (");
	put_names(report, out, ", ", false);
	elm__buf_puts(out, ") VALUES (");
	put_values(report, out, row, ", ", '\'', "NULL");
	elm__buf_puts(out, ");\n");
}

static json_t *json_list(const elm__field *field, const elm__bench_result *result)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < result->repetitions; i++)
		if (json_array_append_new(list,
					  field->kind == ELM__FIELD_NS ?
						  json_integer((json_int_t)result->total_ns[i]) :
						  json_real(elm__bench_rate(result, i)))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static json_t *json_value(const elm__field *field, const elm__field_value *value,
			  const elm__bench_result *result)
{
	if (!value->known)
		return json_null();
	switch (field->kind) {
	case ELM__FIELD_TEXT:
		return json_string(value->text);
	case ELM__FIELD_BOOLEAN:
		return json_boolean(value->integer);
	case ELM__FIELD_REAL:
		return json_real(value->real);
	case ELM__FIELD_INTEGER:
		return json_integer((json_int_t)value->integer);
	case ELM__FIELD_NS:
	case ELM__FIELD_TS:
		break;
	}
	return json_list(field, result);
}

void elm__report_json_row(const elm__bench_report *report, elm__buf *out, const elm__bench_row *row)
{
	json_t *object = json_object();
	elm__field_row fields;
	char *text = NULL;
	bool failed = !object;

	elm__fields_fill(&fields, report, row);
	for (size_t i = 0; i < ELM__FIELDS && !failed; i++)
		if (shown(report, &elm__fields[i]))
			failed = json_object_set_new(object, elm__fields[i].name,
						     json_value(&elm__fields[i], &fields.values[i],
								row->result)) != 0;
	if (!failed && row->result->error.status != ELM_OK)
		failed = json_object_set_new(object, "error",
					     json_string(row->result->error.text)) != 0;
	if (!failed)
		text = json_dumps(object,
				  JSON_REAL_PRECISION(10) | JSON_ENSURE_ASCII |
					  (report->format == ELM__BENCH_JSON ? JSON_INDENT(2) : 0));
	if (text)
		elm__buf_puts(out, text);
	else
		out->failed = true;
	free(text);
	json_decref(object);
}

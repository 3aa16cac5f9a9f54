/* store_read.c: rows out of a study, and its CSV files. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/file.h"
#include "study/store_internal.h"

enum { MAX_ROWS = 1 << 28, MAX_SELECTED = 16, CSV_CHUNK = 1 << 16 };

static const elm__column *find_column(const elm__table *table, const char *name)
{
	for (size_t i = 0; i < table->count; i++)
		if (!strcmp(table->columns[i].name, name))
			return &table->columns[i];
	return NULL;
}

/* "id" or "(trial_id, idx)": what stands behind PRIMARY KEY. */
static void order_by_key(elm__buf *sql, const elm__table *table)
{
	const char *key = strchr(table->constraints, '(') + 1;

	elm__buf_puts(sql, " ORDER BY ");
	elm__buf_append(sql, key, strcspn(key, ")"));
}

static elm_status select_rows(elm__store *store, const elm__table *table, const char *column,
			      int64_t value, sqlite3_stmt **out, elm_error *error)
{
	const elm__column *by = column ? find_column(table, column) : NULL;
	elm__buf sql = ELM__BUF_INIT;
	elm_status status;

	*out = NULL;
	if (column && (!by || by->kind != ELM__COLUMN_INT))
		return elm_error_set(error, ELM_ERR_INTERNAL, "%s has no column \"%s\" of integers",
				     table->name, column);
	elm__buf_puts(&sql, "SELECT ");
	for (size_t i = 0; i < table->count; i++)
		elm__buf_printf(&sql, "%s%s", i ? ", " : "", table->columns[i].name);
	elm__buf_printf(&sql, " FROM main.%s", table->name);
	if (by)
		elm__buf_printf(&sql, " WHERE %s = ?", by->name);
	order_by_key(&sql, table);
	status = elm__buf_status(&sql, error);
	if (status == ELM_OK &&
	    (sqlite3_prepare_v2(store->db, elm__buf_text(&sql), -1, out, NULL) != SQLITE_OK ||
	     (by && sqlite3_bind_int64(*out, 1, value) != SQLITE_OK)))
		status = elm__store_failed(store, "read it", error);
	elm__buf_release(&sql);
	return status;
}

/* --- rows --- */

static bool read_text(sqlite3_stmt *statement, int at, elm__arena *arena, const char **out)
{
	const char *text = (const char *)sqlite3_column_text(statement, at);

	*out = text ? elm__arena_strndup(arena, text, (size_t)sqlite3_column_bytes(statement, at)) :
		      NULL;
	return *out || sqlite3_column_type(statement, at) == SQLITE_NULL;
}

static bool read_row(sqlite3_stmt *statement, const elm__table *table, elm__arena *arena, char *row)
{
	bool whole = true;

	for (size_t i = 0; i < table->count; i++) {
		bool null = sqlite3_column_type(statement, (int)i) == SQLITE_NULL;
		char *field = row + table->columns[i].offset;

		if (table->columns[i].kind == ELM__COLUMN_INT)
			*(int64_t *)field =
				null ? ELM__STUDY_NONE : sqlite3_column_int64(statement, (int)i);
		else if (table->columns[i].kind == ELM__COLUMN_REAL)
			*(double *)field = null ? NAN : sqlite3_column_double(statement, (int)i);
		else
			whole &= read_text(statement, (int)i, arena, (const char **)field);
	}
	return whole;
}

static elm_status collect(elm__store *store, sqlite3_stmt *statement, const elm__table *table,
			  elm__rows *rows, elm_error *error)
{
	size_t capacity = 0;
	char *items;
	int code;

	while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
		if (rows->count == MAX_ROWS)
			return elm_error_set(error, ELM_ERR_LIMIT, "%s: more than %d rows in %s",
					     store->path, MAX_ROWS, table->name);
		if (rows->count == capacity) {
			capacity = capacity ? 2 * capacity : 64;
			items = elm__realloc_array(rows->items, capacity, table->row_size);
			if (!items)
				return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
			rows->items = items;
		}
		if (!read_row(statement, table, &rows->arena,
			      (char *)rows->items + rows->count * table->row_size))
			return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
		rows->count++;
	}
	if (code != SQLITE_DONE)
		return elm__store_failed(store, "read it", error);
	return ELM_OK;
}

elm_status elm__store_rows(elm__store *store, elm__study_table table, const char *column,
			   int64_t value, elm__rows *rows, elm_error *error)
{
	const elm__table *t = &elm__tables[table];
	sqlite3_stmt *statement;
	elm_status status;

	memset(rows, 0, sizeof(*rows));
	elm__arena_init(&rows->arena, 0);
	status = select_rows(store, t, column, value, &statement, error);
	if (status == ELM_OK)
		status = collect(store, statement, t, rows, error);
	sqlite3_finalize(statement);
	return status;
}

void elm__rows_release(elm__rows *rows)
{
	elm__free(rows->items);
	elm__arena_release(&rows->arena);
	memset(rows, 0, sizeof(*rows));
}

elm_status elm__store_select(elm__store *store, const char *sql, int64_t a, int64_t b,
			     elm__store_row *row, void *user, elm_error *error)
{
	double values[MAX_SELECTED];
	sqlite3_stmt *statement = NULL;
	elm_status status = ELM_OK;
	int code, count;

	if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) != SQLITE_OK)
		return elm__store_failed(store, "read it", error);
	/* A statement without these parameters does not mind. */
	(void)sqlite3_bind_int64(statement, 1, a);
	(void)sqlite3_bind_int64(statement, 2, b);
	count = sqlite3_column_count(statement);
	if (count > MAX_SELECTED)
		count = MAX_SELECTED;
	while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
		for (int i = 0; i < count; i++) {
			int type = sqlite3_column_type(statement, i);

			values[i] = type == SQLITE_INTEGER || type == SQLITE_FLOAT ?
					    sqlite3_column_double(statement, i) :
					    NAN;
		}
		if (!row(user, values, (size_t)count)) {
			code = SQLITE_DONE;
			break;
		}
	}
	if (code != SQLITE_DONE)
		status = elm__store_failed(store, "read it", error);
	sqlite3_finalize(statement);
	return status;
}

/* --- CSV --- */

static void csv_text(elm__buf *out, const char *text)
{
	if (!strpbrk(text, ",\"\r\n")) {
		elm__buf_puts(out, text);
		return;
	}
	elm__buf_putc(out, '"');
	for (; *text; text++) {
		if (*text == '"')
			elm__buf_putc(out, '"');
		elm__buf_putc(out, *text);
	}
	elm__buf_putc(out, '"');
}

static void csv_row(elm__buf *out, sqlite3_stmt *statement)
{
	int count = sqlite3_column_count(statement);

	for (int i = 0; i < count; i++) {
		const char *text = (const char *)sqlite3_column_text(statement, i);

		if (i)
			elm__buf_putc(out, ',');
		if (text)
			csv_text(out, text);
	}
	elm__buf_puts(out, "\r\n");
}

static elm_status flush(elm__buf *text, elm__writer *writer, size_t from, elm_error *error)
{
	elm_status status = elm__buf_status(text, error);

	if (status == ELM_OK && text->length > from) {
		status = elm__writer_write(writer, elm__buf_text(text), text->length, error);
		elm__buf_clear(text);
	}
	return status;
}

static elm_status write_csv(elm__store *store, sqlite3_stmt *statement, elm__writer *writer,
			    elm_error *error)
{
	elm_status status = ELM_OK;
	elm__buf text = ELM__BUF_INIT;
	int code = SQLITE_ROW;

	for (int i = 0; i < sqlite3_column_count(statement); i++)
		elm__buf_printf(&text, "%s%s", i ? "," : "", sqlite3_column_name(statement, i));
	elm__buf_puts(&text, "\r\n");
	while (status == ELM_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		csv_row(&text, statement);
		status = flush(&text, writer, CSV_CHUNK, error);
	}
	if (status == ELM_OK && code != SQLITE_DONE)
		status = elm__store_failed(store, "read it", error);
	if (status == ELM_OK)
		status = flush(&text, writer, 0, error);
	if (status == ELM_OK)
		status = elm__writer_commit(writer, error);
	elm__buf_release(&text);
	return status;
}

static elm_status export_table(elm__store *store, const elm__table *table, elm_error *error)
{
	char path[4096];
	elm__writer writer;
	sqlite3_stmt *statement;
	elm_status status;

	if (snprintf(path, sizeof(path), "%s/%s.csv", store->folder, table->name) >=
	    (int)sizeof(path))
		return elm_error_set(error, ELM_ERR_ARGUMENT, "%s: the name is too long",
				     store->folder);
	status = elm__writer_open(&writer, path, error);
	if (status)
		return status;
	status = select_rows(store, table, NULL, 0, &statement, error);
	if (status == ELM_OK)
		status = write_csv(store, statement, &writer, error);
	sqlite3_finalize(statement);
	elm__writer_close(&writer);
	return status;
}

elm_status elm__store_export(elm__store *store, elm_error *error)
{
	elm_status status = ELM_OK;

	for (size_t i = 0; i < ELM__TABLE_COUNT && status == ELM_OK; i++)
		status = export_table(store, &elm__tables[i], error);
	return status;
}

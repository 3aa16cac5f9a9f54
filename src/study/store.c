#include "study/store.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/folder.h"
#include "study/store_internal.h"

enum { BUSY_MS = 5000, PATH_BYTES = 4096, LONGEST_VALUE = 64 << 20 };

/* --- small things --- */

elm_status elm__store_failed(const elm__store *store, const char *what, elm_error *error)
{
	int code = store->db ? sqlite3_errcode(store->db) : SQLITE_NOMEM;
	elm_status status = ELM_ERR_IO;

	if (code == SQLITE_NOMEM)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", store->path);
	if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB || code == SQLITE_ERROR)
		status = ELM_ERR_FORMAT;
	if (code == SQLITE_TOOBIG)
		status = ELM_ERR_LIMIT;
	return elm_error_set(error, status, "%s: cannot %s: %s", store->path, what,
			     sqlite3_errmsg(store->db));
}

static elm_status execute(elm__store *store, const char *sql, const char *what, elm_error *error)
{
	if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return elm__store_failed(store, what, error);
	return ELM_OK;
}

static elm_status prepare(elm__store *store, const char *sql, sqlite3_stmt **out, elm_error *error)
{
	if (sqlite3_prepare_v2(store->db, sql, -1, out, NULL) != SQLITE_OK)
		return elm__store_failed(store, "read it", error);
	return ELM_OK;
}

static elm_status read_number(elm__store *store, const char *sql, int64_t *out, elm_error *error)
{
	sqlite3_stmt *statement;
	elm_status status = prepare(store, sql, &statement, error);

	if (status)
		return status;
	if (sqlite3_step(statement) == SQLITE_ROW)
		*out = sqlite3_column_int64(statement, 0);
	else
		status = elm__store_failed(store, "read it", error);
	sqlite3_finalize(statement);
	return status;
}

/* --- opening --- */

static bool database_path(const char *folder, char *out, size_t size)
{
	int length = snprintf(out, size, "%s/study.db", folder);

	return length > 0 && (size_t)length < size;
}

bool elm__store_exists(const char *folder)
{
	char path[PATH_BYTES];

	return database_path(folder, path, sizeof(path)) && access(path, F_OK) == 0;
}

/* One process writes a study; the kernel lets go of the lock however it ends. */
static elm_status lock_folder(elm__store *store, elm_error *error)
{
	store->lock = open(store->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store->lock < 0)
		return elm_error_set(error, ELM_ERR_IO, "%s: cannot open the folder: %s",
				     store->folder, strerror(errno));
	if (flock(store->lock, LOCK_EX | LOCK_NB) == 0)
		return ELM_OK;
	if (errno == EWOULDBLOCK)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "%s: another process is writing this study; wait for it, or "
				     "give another folder",
				     store->folder);
	return elm_error_set(error, ELM_ERR_IO, "%s: cannot lock the folder: %s", store->folder,
			     strerror(errno));
}

/* Statements of the file itself (views, triggers) must not do anything to us. */
static elm_status connect(elm__store *store, elm__store_mode mode, elm_error *error)
{
	int flags = mode == ELM__STORE_READ  ? SQLITE_OPEN_READONLY :
		    mode == ELM__STORE_WRITE ? SQLITE_OPEN_READWRITE :
					       SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;

	if (sqlite3_open_v2(store->path, &store->db, flags, NULL) != SQLITE_OK)
		return elm__store_failed(store, "open it", error);
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_limit(store->db, SQLITE_LIMIT_LENGTH, LONGEST_VALUE);
	sqlite3_busy_timeout(store->db, BUSY_MS);
	/* A commit then costs one write and no wait for the disk, which would be felt between
	 * trials; a power cut may take the last ones, never more. */
	if (mode != ELM__STORE_READ)
		return execute(store, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;",
			       "open it", error);
	return ELM_OK;
}

static void create_table(elm__buf *sql, const elm__table *table)
{
	static const char *const kinds[] = { "INTEGER", "REAL", "TEXT" };

	elm__buf_printf(sql, "CREATE TABLE %s (", table->name);
	for (size_t i = 0; i < table->count; i++)
		elm__buf_printf(sql, "%s %s, ", table->columns[i].name,
				kinds[table->columns[i].kind]);
	/* Only a table whose key is one integer gets new numbers by itself. */
	elm__buf_printf(sql, "%s)%s;\n", table->constraints,
			strcmp(table->columns[0].name, "id") ? " WITHOUT ROWID" : "");
}

/* What people ask for most, so that they need not join and divide. */
static const char views[] =
	"CREATE VIEW latency AS SELECT t.id, c.sweep, e.kind, q.category, q.idx, t.variant, "
	"t.repeat, t.status, t.stop, t.prompt_tokens, t.output_tokens, t.ttft_ns / 1e6 AS ttft_ms, "
	"(t.total_ns - t.ttft_ns) / 1e6 / (t.output_tokens - 1) AS tbt_ms, "
	"t.total_ns / 1e6 AS total_ms, t.wall_ns / 1e6 AS wall_ms, "
	"t.energy_j / t.output_tokens AS joules_per_token "
	"FROM trial t JOIN experiment e ON e.id = t.experiment_id JOIN config c ON c.id = "
	"e.config_id LEFT JOIN query q ON q.id = t.query_id WHERE t.warmup = 0;\n"
	"CREATE VIEW reading AS SELECT s.trial_id, m.name, s.at_ns / 1e9 AS at_s, s.value, m.unit "
	"FROM sample s JOIN metric m ON m.id = s.metric_id;\n";

static elm_status create_schema(elm__store *store, elm_error *error)
{
	elm__buf sql = ELM__BUF_INIT;
	elm_status status;

	elm__buf_printf(&sql, "BEGIN;\nPRAGMA application_id = %d;\nPRAGMA user_version = %d;\n",
			ELM__STUDY_APPLICATION, ELM__STUDY_VERSION);
	for (size_t i = 0; i < ELM__TABLE_COUNT; i++)
		create_table(&sql, &elm__tables[i]);
	elm__buf_puts(&sql, views);
	elm__buf_puts(&sql, "COMMIT;");
	status = elm__buf_status(&sql, error);
	if (status == ELM_OK)
		status = execute(store, elm__buf_text(&sql), "make the tables", error);
	elm__buf_release(&sql);
	return status;
}

static elm_status check_schema(elm__store *store, elm_error *error)
{
	int64_t application = 0, version = 0;
	elm_status status = read_number(store, "PRAGMA application_id", &application, error);

	if (status == ELM_OK)
		status = read_number(store, "PRAGMA user_version", &version, error);
	if (status)
		return status;
	if (application != ELM__STUDY_APPLICATION)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "%s: a database, but not that of a study", store->path);
	if (version != ELM__STUDY_VERSION)
		return elm_error_set(error, ELM_ERR_UNSUPPORTED,
				     "%s: written in version %lld of the tables, this program "
				     "knows version %d; use the program that made it",
				     store->path, (long long)version, ELM__STUDY_VERSION);
	return ELM_OK;
}

static elm_status set_paths(elm__store *store, const char *folder, elm_error *error)
{
	char path[PATH_BYTES];

	if (!*folder || !database_path(folder, path, sizeof(path)))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "the folder of the study has an empty or too long name");
	store->folder = elm__strdup(folder);
	store->path = elm__strdup(path);
	if (!store->folder || !store->path)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	return ELM_OK;
}

static elm_status open_store(elm__store *store, elm__store_mode mode, elm_error *error)
{
	bool exists = access(store->path, F_OK) == 0;
	elm_status status = ELM_OK;

	if (mode != ELM__STORE_CREATE && !exists)
		return elm_error_set(error, ELM_ERR_NOT_FOUND,
				     "%s: there is no study in this folder (no study.db)",
				     store->folder);
	if (mode == ELM__STORE_CREATE && exists)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "%s: there is a study in this folder already", store->folder);
	if (mode == ELM__STORE_CREATE)
		status = elm__folder_make(store->folder, 0777, error);
	if (status == ELM_OK && mode != ELM__STORE_READ)
		status = lock_folder(store, error);
	if (status == ELM_OK)
		status = connect(store, mode, error);
	if (status == ELM_OK)
		status = mode == ELM__STORE_CREATE ? create_schema(store, error) :
						     check_schema(store, error);
	return status;
}

elm_status elm__store_open(const char *folder, elm__store_mode mode, elm__store **out,
			   elm_error *error)
{
	elm__store *store = elm__calloc(1, sizeof(*store));
	elm_status status;

	*out = NULL;
	if (!store)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	store->lock = -1;
	status = set_paths(store, folder, error);
	if (status == ELM_OK)
		status = open_store(store, mode, error);
	if (status) {
		elm__store_close(store);
		return status;
	}
	*out = store;
	return ELM_OK;
}

void elm__store_close(elm__store *store)
{
	if (!store)
		return;
	for (size_t i = 0; i < ELM__TABLE_COUNT; i++)
		sqlite3_finalize(store->inserts[i]);
	/* One file again, that can be copied and put where nobody may write; unless somebody reads
	 * it just now. */
	if (store->db && store->lock >= 0) {
		elm__store_rollback(store);
		(void)sqlite3_exec(store->db, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
	}
	sqlite3_close(store->db);
	if (store->lock >= 0)
		close(store->lock);
	elm__free(store->folder);
	elm__free(store->path);
	elm__free(store);
}

const char *elm__store_folder(const elm__store *store)
{
	return store->folder;
}

/* --- writing --- */

elm_status elm__store_begin(elm__store *store, elm_error *error)
{
	return execute(store, "BEGIN IMMEDIATE", "write to it", error);
}

elm_status elm__store_commit(elm__store *store, elm_error *error)
{
	elm_status status = execute(store, "COMMIT", "write to it", error);

	if (status)
		elm__store_rollback(store);
	return status;
}

void elm__store_rollback(elm__store *store)
{
	/* After some failures SQLite has done it already. */
	if (!sqlite3_get_autocommit(store->db))
		(void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
}

static elm_status insert_statement(elm__store *store, elm__study_table table, sqlite3_stmt **out,
				   elm_error *error)
{
	const elm__table *t = &elm__tables[table];
	elm__buf sql = ELM__BUF_INIT;
	elm_status status;

	*out = store->inserts[table];
	if (*out)
		return ELM_OK;
	elm__buf_printf(&sql, "INSERT OR REPLACE INTO %s VALUES (?", t->name);
	for (size_t i = 1; i < t->count; i++)
		elm__buf_puts(&sql, ", ?");
	elm__buf_puts(&sql, ")");
	status = elm__buf_status(&sql, error);
	if (status == ELM_OK)
		status = prepare(store, elm__buf_text(&sql), &store->inserts[table], error);
	elm__buf_release(&sql);
	*out = store->inserts[table];
	return status;
}

static int bind(sqlite3_stmt *statement, int at, const elm__column *column, const void *row)
{
	const char *field = (const char *)row + column->offset;

	if (column->kind == ELM__COLUMN_INT && *(const int64_t *)field != ELM__STUDY_NONE)
		return sqlite3_bind_int64(statement, at, *(const int64_t *)field);
	if (column->kind == ELM__COLUMN_REAL && !isnan(*(const double *)field))
		return sqlite3_bind_double(statement, at, *(const double *)field);
	if (column->kind == ELM__COLUMN_TEXT && *(const char *const *)field)
		return sqlite3_bind_text(statement, at, *(const char *const *)field, -1,
					 SQLITE_STATIC);
	return sqlite3_bind_null(statement, at);
}

elm_status elm__store_put(elm__store *store, elm__study_table table, void *row, elm_error *error)
{
	const elm__table *t = &elm__tables[table];
	sqlite3_stmt *statement;
	elm_status status = insert_statement(store, table, &statement, error);
	int code = SQLITE_OK;

	if (status)
		return status;
	for (size_t i = 0; i < t->count && code == SQLITE_OK; i++)
		code = bind(statement, (int)i + 1, &t->columns[i], row);
	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code != SQLITE_DONE)
		status = elm__store_failed(store, "write to it", error);
	else if (!strcmp(t->columns[0].name, "id"))
		*(int64_t *)((char *)row + t->columns[0].offset) =
			sqlite3_last_insert_rowid(store->db);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return status;
}

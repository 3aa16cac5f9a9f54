/*
 * store.h: the folder of a study: study.db (SQLite, see schema.h and docs/FORMAT-STUDY.md) and
 * CSV files of the same tables.
 *
 * Results are written trial by trial, each with all that belongs to it in one transaction, so that
 * a study which is killed can go on where it stood. A file is as hostile as any other input: it may
 * be damaged, or made by somebody else.
 */
#ifndef ELM_STUDY_STORE_H
#define ELM_STUDY_STORE_H

#include <edgelm/status.h>
#include <stdbool.h>

#include "base/arena.h"
#include "study/schema.h"

typedef struct elm__store elm__store;

typedef enum elm__store_mode {
	ELM__STORE_READ, /* of a study that may be running */
	ELM__STORE_WRITE /* one that exists */,
	ELM__STORE_CREATE /* the folder is made; there is no study in it yet */
} elm__store_mode;

/*
 * Opens the study of a folder; on success *out is the caller's. ELM_ERR_NOT_FOUND where there is
 * none, ELM_ERR_ARGUMENT when CREATE finds one or another process writes it, ELM_ERR_FORMAT for a
 * file that is not a study or is damaged, ELM_ERR_UNSUPPORTED for one of another version.
 */
ELM_NODISCARD elm_status elm__store_open(const char *folder, elm__store_mode mode, elm__store **out,
					 elm_error *error);
void elm__store_close(elm__store *store); /* drops what was not committed; NULL allowed */
const char *elm__store_folder(const elm__store *store);

/* Whether there is a study in the folder. */
bool elm__store_exists(const char *folder);

/* --- writing --- */

ELM_NODISCARD elm_status elm__store_begin(elm__store *store, elm_error *error);
ELM_NODISCARD elm_status elm__store_commit(elm__store *store, elm_error *error);
void elm__store_rollback(elm__store *store);

/*
 * Writes a row, a struct of the table's type; one with the same primary key is replaced. An `id`
 * of ELM__STUDY_NONE is given a new number, which is stored in the row.
 */
ELM_NODISCARD elm_status elm__store_put(elm__store *store, elm__study_table table, void *row,
					elm_error *error);

/* --- reading --- */

/* Rows of one table, all owned by the arena. */
typedef struct elm__rows {
	void *items; /* an array of the table's row type; NULL when count is 0 */
	size_t count;
	elm__arena arena;
} elm__rows;

/*
 * The rows in the order of the primary key: all of them, or with `column` (of integers) those in
 * which it is `value`. *rows need not be initialised; release it also after a failure.
 *
 *     elm__rows rows;
 *     status = elm__store_rows(store, ELM__TABLE_trial, "experiment_id", 3, &rows, error);
 *     const elm__study_trial *trials = rows.items;
 *     ...
 *     elm__rows_release(&rows);
 */
ELM_NODISCARD elm_status elm__store_rows(elm__store *store, elm__study_table table,
					 const char *column, int64_t value, elm__rows *rows,
					 elm_error *error);
void elm__rows_release(elm__rows *rows);

/*
 * For what rows alone cannot say. Runs one statement; `row` is called for each row with its values
 * as numbers (NaN for NULL and for texts) and returns false to end. At most 16 columns. `a` and `b`
 * are bound to ?1 and ?2.
 */
typedef bool elm__store_row(void *user, const double *values, size_t count);
ELM_NODISCARD elm_status elm__store_select(elm__store *store, const char *sql, int64_t a, int64_t b,
					   elm__store_row *row, void *user, elm_error *error);

/* Writes one CSV file (RFC 4180, UTF-8, a header line, empty for NULL) per table into the folder of
 * the study, each atomically. */
ELM_NODISCARD elm_status elm__store_export(elm__store *store, elm_error *error);

#endif

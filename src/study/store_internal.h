/* store_internal.h: what the files that implement store.h share. */
#ifndef ELM_STUDY_STORE_INTERNAL_H
#define ELM_STUDY_STORE_INTERNAL_H

#include <sqlite3.h>

#include "study/store.h"

struct elm__store {
	char *folder, *path;
	sqlite3 *db;
	int lock;				 /* of a writer, on the folder; -1 for none */
	sqlite3_stmt *inserts[ELM__TABLE_COUNT]; /* made when first used */
};

/* The error of SQLite's last call as ours. */
elm_status elm__store_failed(const elm__store *store, const char *what, elm_error *error);

#endif

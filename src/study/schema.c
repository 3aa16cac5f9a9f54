#include "study/schema.h"

#include <math.h>

#define INT_(T, name, meaning) { #name, meaning, ELM__COLUMN_INT, offsetof(T, name) },
#define REAL_(T, name, meaning) { #name, meaning, ELM__COLUMN_REAL, offsetof(T, name) },
#define TEXT_(T, name, meaning) { #name, meaning, ELM__COLUMN_TEXT, offsetof(T, name) },

#define COLUMNS_(table, columns, constraints)                                                   \
	static const elm__column table##_columns[] = { columns(elm__study_##table, INT_, REAL_, \
							       TEXT_) };
ELM__STUDY_TABLES(COLUMNS_)

#define TABLE_(table, columns, constraints)     \
	{ #table, constraints, table##_columns, \
	  sizeof(table##_columns) / sizeof(table##_columns[0]), sizeof(elm__study_##table) },
const elm__table elm__tables[ELM__TABLE_COUNT] = { ELM__STUDY_TABLES(TABLE_) };

void elm__row_clear(elm__study_table table, void *row)
{
	const elm__table *t = &elm__tables[table];

	for (size_t i = 0; i < t->count; i++) {
		char *at = (char *)row + t->columns[i].offset;

		if (t->columns[i].kind == ELM__COLUMN_INT)
			*(int64_t *)at = ELM__STUDY_NONE;
		else if (t->columns[i].kind == ELM__COLUMN_REAL)
			*(double *)at = NAN;
		else
			*(const char **)at = NULL;
	}
}

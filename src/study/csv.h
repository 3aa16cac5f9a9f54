/* csv.h: reads tables field by field: CSV (RFC 4180), or with another separator and no quotes. */
#ifndef ELM_STUDY_CSV_H
#define ELM_STUDY_CSV_H

#include <edgelm/status.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

typedef struct elm__csv {
	const char *name, *at, *end;
	size_t line;	   /* of the record, from 1 */
	size_t lines_done; /* line ends before `at` */
	bool quotes;	   /* fields may be quoted, and then hold anything */
	char separator;
	elm__buf field;
} elm__csv;

typedef enum elm__field_end { ELM__FIELD_MORE, ELM__FIELD_LAST, ELM__FIELD_BAD } elm__field_end;

/* To the next record, over empty lines; false: there is none. */
bool elm__csv_record(elm__csv *csv);
/* Reads the next field of the record into csv->field; on ELM__FIELD_BAD the error is set. */
elm__field_end elm__csv_field(elm__csv *csv, elm_error *error);
/* Sets the error, at the line of the record. */
elm_status elm__csv_fail(const elm__csv *csv, elm_error *error, const char *reason);

#endif

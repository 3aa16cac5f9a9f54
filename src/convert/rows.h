/*
 * rows.h: tensors on their way from one file to another, a few rows at a time.
 *
 * Rows can change their order (see elm__row_order), their type, and have a number added. Never more
 * than a few rows are in memory, besides the pages of the source that the kernel keeps.
 */
#ifndef ELM_CONVERT_ROWS_H
#define ELM_CONVERT_ROWS_H

#include "convert/coded.h"

/*
 * Rotary embedding turns pairs of values of a head. Hugging Face keeps the first ones of all pairs
 * before the second ones, GGUF of the architecture llama keeps pairs together. So the rows of the
 * matrices that make queries and keys change places: of a head, row 2i + j in GGUF is row
 * j * rotated / 2 + i there. Rows beyond those rotated stay.
 */
typedef enum elm__row_order {
	ELM__ROWS_AS_THEY_ARE,
	ELM__ROWS_TO_PAIRS, /* from Hugging Face */
	ELM__ROWS_TO_HALVES /* to Hugging Face */
} elm__row_order;

typedef struct elm__row_job {
	const char *name, *path;  /* of the source, for errors */
	const void *data;	  /* rows of `source` type, one after the other, not aligned */
	const elm__coded *packed; /* or packed weights, then `data` is NULL */
	elm_type source, type;	  /* type: of what comes out */
	uint64_t rows, cols;
	elm__row_order order;
	uint32_t head, rotated; /* rows of a head */
	float shift;		/* added to each number */
} elm__row_job;

typedef elm_status elm__row_sink(void *user, const void *data, size_t size, elm_error *error);

/*
 * Passes all rows to the sink, which may end it by failing. ELM_ERR_FORMAT names the first weight
 * that is NaN or infinite, or too large for the type.
 */
ELM_NODISCARD elm_status elm__rows_transfer(const elm__row_job *job, elm__row_sink *sink,
					    void *user, elm_error *error);

/* Whether all numbers of a tensor are 0. */
ELM_NODISCARD elm_status elm__rows_all_zero(const elm__row_job *job, bool *zero, elm_error *error);

#endif

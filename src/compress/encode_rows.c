/* encode_rows.c: tensors to floats and back, on all members of a pool. */
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "compress/quantize.h"
#include "quant/quant.h"

enum { ROWS_PER_TICKET = 8 };

typedef struct job {
	elm__pool *pool;
	const elm_gguf_tensor *tensor;
	const elm__substitute *from;
	elm_type type;
	uint64_t first, rows;
	size_t cols, row_bytes, out_bytes;
	char *out;
	float *scratch; /* a row per member */
	atomic_int status;
	_Atomic uint64_t bad_row;
} job;

static void encode_member(void *user, unsigned index, unsigned count)
{
	job *j = user;
	float *row = j->scratch + index * j->cols;
	uint64_t ticket;

	(void)count;
	while ((ticket = elm__pool_next(j->pool)) * ROWS_PER_TICKET < j->rows)
		for (uint64_t i = ticket * ROWS_PER_TICKET;
		     i < (ticket + 1) * ROWS_PER_TICKET && i < j->rows; i++) {
			const float *weights = row;
			elm_status status = ELM_OK;

			if (atomic_load(&j->status))
				return;
			if (j->from->weights)
				weights = j->from->weights + (j->first + i) * j->cols;
			else
				status = elm__dequantize_row(j->tensor->type,
							     (const char *)j->tensor->data +
								     (j->first + i) * j->row_bytes,
							     row, j->cols);
			if (!status)
				status = elm__quantize_row(j->type, weights, j->from->importance,
							   j->out + i * j->out_bytes, j->cols);
			if (status) {
				atomic_store(&j->bad_row, j->first + i);
				atomic_store(&j->status, status);
				return;
			}
		}
}

static elm_status bad_weights(const job *j, elm_error *error)
{
	uint64_t row = atomic_load(&j->bad_row);
	const char *at = (const char *)j->tensor->data + row * j->row_bytes;
	size_t col = 0;

	if (elm__check_row(j->tensor->type, at, j->cols, &col))
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "tensor %s: weight %zu of row %llu is infinite or not a "
				     "number; the model is damaged",
				     j->tensor->name, col, (unsigned long long)row);
	return elm_error_set(error, ELM_ERR_FORMAT,
			     "tensor %s cannot become %s: row %llu or the importance of its "
			     "columns is infinite or not a number",
			     j->tensor->name, elm_type_get(j->type)->name, (unsigned long long)row);
}

elm_status elm__encode_rows(elm__pool *pool, const elm_gguf_tensor *tensor, elm_type type,
			    const elm__substitute *from, uint64_t first, uint64_t rows, void *out,
			    elm_error *error)
{
	uint64_t row_bytes;
	job j = {
		.pool = pool,
		.tensor = tensor,
		.from = from,
		.type = type,
		.first = first,
		.rows = rows,
		.cols = (size_t)tensor->dims[0],
		.row_bytes = (size_t)(tensor->bytes / (tensor->elements / tensor->dims[0])),
		.out = out,
	};
	elm_status status = elm_type_row_bytes(type, tensor->dims[0], &row_bytes);

	if (status)
		return elm_error_set(error, status, "tensor %s cannot have type %s", tensor->name,
				     elm_type_get(type)->name);
	j.out_bytes = (size_t)row_bytes;
	j.scratch = elm__realloc_array(NULL, elm__pool_count(pool), j.cols * sizeof(float));
	if (!j.scratch)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for rows of %s",
				     tensor->name);
	elm__pool_run(pool, encode_member, &j);
	elm__free(j.scratch);
	return atomic_load(&j.status) ? bad_weights(&j, error) : ELM_OK;
}

elm_status elm__decode_tensor_row(const elm_gguf_tensor *tensor, uint64_t row, float *out,
				  elm_error *error)
{
	uint64_t rows = tensor->elements / tensor->dims[0];
	size_t cols = (size_t)tensor->dims[0], col;
	const char *blocks = (const char *)tensor->data + row * (tensor->bytes / rows);

	if (elm__check_row(tensor->type, blocks, cols, &col) == ELM_ERR_FORMAT)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "tensor %s: weight %zu of row %llu is infinite or not a "
				     "number; the model is damaged",
				     tensor->name, col, (unsigned long long)row);
	if (elm__dequantize_row(tensor->type, blocks, out, cols))
		return elm_error_set(error, ELM_ERR_UNSUPPORTED,
				     "tensor %s has type %s, which weights cannot have",
				     tensor->name, elm_type_get(tensor->type)->name);
	return ELM_OK;
}

elm_status elm__decode_tensor(const elm_gguf_tensor *tensor, float *out, elm_error *error)
{
	uint64_t rows = tensor->elements / tensor->dims[0];
	elm_status status = ELM_OK;

	for (uint64_t i = 0; i < rows && !status; i++)
		status = elm__decode_tensor_row(tensor, i, out + i * tensor->dims[0], error);
	return status;
}

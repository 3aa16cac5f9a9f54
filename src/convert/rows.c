#include "convert/rows.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "quant/half.h"
#include "quant/quant.h"

enum { CHUNK_BYTES = 1 << 20, MAX_CHUNK_ROWS = 256, ALIGNMENT = 64 };

/* One transfer: buffers for a chunk of rows. */
typedef struct transfer {
	const elm__row_job *job;
	elm_error *error;
	size_t chunk_rows, cols, source_bytes, out_bytes; /* bytes of a row */
	uint64_t numbers[MAX_CHUNK_ROWS];		  /* of the rows in the source */
	uint8_t *raw;					  /* one row, aligned */
	uint8_t *codes;					  /* packed weights: of the chunk */
	uint8_t *out;					  /* of the chunk */
	float *values;					  /* one row */
} transfer;

static uint64_t source_row(const elm__row_job *job, uint64_t row)
{
	uint64_t half = job->rotated / 2, within;

	if (job->order == ELM__ROWS_AS_THEY_ARE)
		return row;
	within = row % job->head;
	if (within >= job->rotated)
		return row;
	row -= within;
	if (job->order == ELM__ROWS_TO_PAIRS)
		return row + within % 2 * half + within / 2;
	return row + within % half * 2 + within / half;
}

static elm_status no_memory(const transfer *t)
{
	return elm_error_set(t->error, ELM_ERR_NO_MEMORY, "%s: out of memory", t->job->path);
}

static elm_status prepare(transfer *t)
{
	const elm__row_job *job = t->job;
	uint64_t source = 0, out = 0;
	size_t codes = 0, total;

	if (elm_type_row_bytes(job->type, job->cols, &out) != ELM_OK ||
	    (!job->packed && elm_type_row_bytes(job->source, job->cols, &source) != ELM_OK) ||
	    job->cols > SIZE_MAX / sizeof(double) || out > SIZE_MAX || source > SIZE_MAX)
		return elm_error_set(t->error, ELM_ERR_UNSUPPORTED,
				     "%s: tensor %.200s with rows of %llu cannot become %s",
				     job->path, job->name, (unsigned long long)job->cols,
				     elm_type_get(job->type)->name);
	t->cols = (size_t)job->cols;
	t->source_bytes = (size_t)source;
	t->out_bytes = (size_t)out;
	t->chunk_rows = CHUNK_BYTES / (t->cols * sizeof(float) + 1) + 1;
	if (t->chunk_rows > MAX_CHUNK_ROWS)
		t->chunk_rows = MAX_CHUNK_ROWS;
	if ((job->packed && !elm__mul(t->cols, t->chunk_rows, &codes)) ||
	    !elm__mul(t->out_bytes, t->chunk_rows, &total))
		return no_memory(t);
	t->values = elm__malloc_aligned(ALIGNMENT, t->cols * sizeof(float));
	t->raw = elm__malloc_aligned(ALIGNMENT, t->source_bytes ? t->source_bytes : 1);
	t->codes = elm__malloc_aligned(ALIGNMENT, codes ? codes : 1);
	t->out = elm__malloc_aligned(ALIGNMENT, total);
	return t->values && t->raw && t->codes && t->out ? ELM_OK : no_memory(t);
}

static void release(transfer *t)
{
	elm__free_aligned(t->values);
	elm__free_aligned(t->raw);
	elm__free_aligned(t->codes);
	elm__free_aligned(t->out);
}

static elm_status refuse_weight(const transfer *t, uint64_t row, size_t col)
{
	double value = (double)t->values[col];
	const char *reason = "the model is damaged: take another copy, or save it again";

	if (isfinite(value))
		reason = "which F16 cannot hold: use --type bf16 or f32";
	return elm_error_set(t->error, ELM_ERR_FORMAT,
			     "%s: tensor %.200s: weight %zu of row %llu is %g, %s", t->job->path,
			     t->job->name, col, (unsigned long long)row, value, reason);
}

static elm_status check_values(const transfer *t, uint64_t row)
{
	bool limited = t->job->type == ELM_TYPE_F16;

	for (size_t c = 0; c < t->cols; c++)
		if (!isfinite(t->values[c]) || (limited && fabsf(t->values[c]) > ELM__F16_MAX))
			return refuse_weight(t, row, c);
	return ELM_OK;
}

/* One row of the source as floats. */
static elm_status decode(const transfer *t, uint64_t row, const uint8_t *codes)
{
	const elm__row_job *job = t->job;

	if (job->packed) {
		elm__coded_decode(job->packed, row, codes, t->values);
		return ELM_OK;
	}
	memcpy(t->raw, (const uint8_t *)job->data + row * t->source_bytes, t->source_bytes);
	if (job->source == ELM_TYPE_F64) {
		for (size_t c = 0; c < t->cols; c++)
			t->values[c] = (float)((const double *)(const void *)t->raw)[c];
		return ELM_OK;
	}
	if (elm__dequantize_row(job->source, t->raw, t->values, t->cols) == ELM_OK)
		return ELM_OK;
	return elm_error_set(t->error, ELM_ERR_UNSUPPORTED,
			     "%s: tensor %.200s has the type %s, which weights cannot have",
			     job->path, job->name, elm_type_get(job->source)->name);
}

static elm_status convert_row(const transfer *t, uint64_t row, const uint8_t *codes, uint8_t *out)
{
	const elm__row_job *job = t->job;
	elm_status status = decode(t, row, codes);
	elm_type native;

	if (status == ELM_OK && job->shift != 0)
		for (size_t c = 0; c < t->cols; c++)
			t->values[c] += job->shift;
	if (status == ELM_OK)
		status = check_values(t, row);
	if (status != ELM_OK)
		return status;
	if (!job->packed && job->source == job->type && job->shift == 0) {
		memcpy(out, t->raw, t->out_bytes);
		return ELM_OK;
	}
	if (job->packed && elm__coded_type(job->packed, &native) && native == job->type) {
		if (elm__coded_encode(job->packed, row, codes, job->type, out))
			return ELM_OK;
		return elm_error_set(t->error, ELM_ERR_FORMAT,
				     "%s: packed weights %.200s: a scale of row %llu is beyond the "
				     "range of F16; use --dequantize",
				     job->path, job->name, (unsigned long long)row);
	}
	status = elm__quantize_row(job->type, t->values, NULL, out, t->cols);
	if (status != ELM_OK)
		return elm_error_set(t->error, status, "%s: tensor %.200s cannot become %s",
				     job->path, job->name, elm_type_get(job->type)->name);
	return ELM_OK;
}

static elm_status convert_chunk(transfer *t, uint64_t first, size_t count)
{
	elm_status status = ELM_OK;

	for (size_t i = 0; i < count; i++)
		t->numbers[i] = source_row(t->job, first + i);
	if (t->job->packed)
		elm__coded_codes(t->job->packed, t->numbers, count, t->codes);
	for (size_t i = 0; i < count && status == ELM_OK; i++)
		status = convert_row(t, t->numbers[i], t->codes + i * t->cols,
				     t->out + i * t->out_bytes);
	return status;
}

elm_status elm__rows_transfer(const elm__row_job *job, elm__row_sink *sink, void *user,
			      elm_error *error)
{
	transfer t = { .job = job, .error = error };
	elm_status status = prepare(&t);

	for (uint64_t first = 0; first < job->rows && status == ELM_OK; first += t.chunk_rows) {
		uint64_t left = job->rows - first;
		size_t count = left < t.chunk_rows ? (size_t)left : t.chunk_rows;

		status = convert_chunk(&t, first, count);
		if (status == ELM_OK)
			status = sink(user, t.out, count * t.out_bytes, error);
	}
	release(&t);
	return status;
}

static elm_status find_nonzero(void *user, const void *data, size_t size, elm_error *error)
{
	const float *values = data;
	bool *zero = user;

	for (size_t i = 0; i < size / sizeof(*values); i++)
		if (values[i] != 0)
			*zero = false;
	return ELM_OK;
}

elm_status elm__rows_all_zero(const elm__row_job *job, bool *zero, elm_error *error)
{
	elm__row_job copy = *job;

	copy.type = ELM_TYPE_F32;
	*zero = true;
	return elm__rows_transfer(&copy, find_nonzero, zero, error);
}

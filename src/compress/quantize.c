#include "compress/quantize.h"

#include <string.h>

#include "base/alloc.h"
#include "gguf/forget.h"
#include "quant/quant.h"

enum { CHUNK_BYTES = 8 << 20, QUANTIZATION_VERSION = 2 };

typedef struct work {
	const elm__quant_plan *plan;
	const elm__quantize_options *options;
	elm_gguf_writer *writer;
	elm__substitute *substitutes; /* one per item */
	char *chunk;
	size_t chunk_bytes;
	uint64_t done;
} work;

static elm_status set_metadata(const work *w, elm_error *error)
{
	const elm_gguf *gguf = w->plan->gguf;
	const char *method = w->options->name;
	elm_status status = ELM_OK;

	for (size_t i = 0; i < elm_gguf_kv_count(gguf) && !status; i++)
		status = elm_gguf_writer_copy(w->writer, elm_gguf_kv_at(gguf, i), error);
	if (!status)
		status = elm_gguf_writer_set_u32(w->writer, "general.file_type",
						 w->plan->mix->file_type, error);
	if (!status)
		status = elm_gguf_writer_set_u32(w->writer, "general.quantization_version",
						 QUANTIZATION_VERSION, error);
	if (!status)
		status = elm_gguf_writer_set_string(w->writer, "edgelm.quantize.method", method,
						    strlen(method), error);
	return status;
}

static elm_status tell(work *w, uint64_t bytes, elm_error *error)
{
	const elm__quantize_options *o = w->options;

	w->done += bytes;
	if (o->progress && o->progress(o->user, w->done, w->plan->bytes))
		return elm_error_set(error, ELM_ERR_CANCELLED, "interrupted; nothing was written");
	return ELM_OK;
}

static elm_status write_blocks(work *w, const void *blocks, uint64_t bytes, elm_error *error)
{
	elm_status status = elm_gguf_writer_data(w->writer, blocks, (size_t)bytes, error);

	return status ? status : tell(w, bytes, error);
}

/* Encodes as many rows at a time as the chunk holds. */
static elm_status write_encoded(work *w, const elm__quant_item *item, const elm__substitute *from,
				elm_error *error)
{
	uint64_t rows = item->tensor->elements / item->tensor->dims[0];
	uint64_t row_bytes = item->bytes / rows, step = w->chunk_bytes / row_bytes;
	elm_status status = ELM_OK;

	for (uint64_t first = 0; first < rows && !status; first += step) {
		uint64_t n = rows - first < step ? rows - first : step;

		status = elm__encode_rows(w->options->pool, item->tensor, item->type, from, first,
					  n, w->chunk, error);
		if (!status)
			status = write_blocks(w, w->chunk, n * row_bytes, error);
	}
	/* What has been read is not needed again. */
	elm__gguf_forget(w->plan->gguf, item->tensor);
	return status;
}

static elm_status write_item(work *w, const elm__quant_item *item, const elm__substitute *from,
			     elm_error *error)
{
	const elm_gguf_tensor *t = item->tensor;
	size_t bad = 0;

	if (from->blocks)
		return write_blocks(w, from->blocks, item->bytes, error);
	if (item->type != t->type || from->weights)
		return write_encoded(w, item, from, error);
	if (elm__check_row(t->type, t->data, (size_t)t->elements, &bad) == ELM_ERR_FORMAT)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "tensor %s: weight %zu is infinite or not a number; the model "
				     "is damaged",
				     t->name, bad);
	return write_blocks(w, t->data, item->bytes, error);
}

static elm_status write_tensors(work *w, elm_error *error)
{
	const elm__quant_plan *plan = w->plan;
	const elm__method *method = w->options->method;
	elm_status status = ELM_OK;

	for (size_t i = 0; i < plan->count && !status; i++) {
		if (method && (!i || plan->items[i].layer != plan->items[i - 1].layer)) {
			memset(w->substitutes, 0, plan->count * sizeof(*w->substitutes));
			status = method->prepare(method->user, plan, plan->items[i].layer,
						 w->substitutes, error);
		}
		if (!status)
			status = write_item(w, &plan->items[i], &w->substitutes[i], error);
	}
	return status;
}

static elm_status take_memory(work *w, elm_error *error)
{
	w->chunk_bytes = CHUNK_BYTES;
	for (size_t i = 0; i < w->plan->count; i++) {
		const elm__quant_item *item = &w->plan->items[i];
		uint64_t row = item->bytes / (item->tensor->elements / item->tensor->dims[0]);

		if (row > w->chunk_bytes)
			w->chunk_bytes = (size_t)row;
	}
	w->chunk = elm__malloc(w->chunk_bytes);
	w->substitutes = elm__calloc(w->plan->count, sizeof(*w->substitutes));
	if (!w->chunk || !w->substitutes)
		return elm_error_set(error, ELM_ERR_NO_MEMORY,
				     "out of memory for rows of %zu bytes", w->chunk_bytes);
	return ELM_OK;
}

elm_status elm__quantize(const elm__quant_plan *plan, const char *path,
			 const elm__quantize_options *options, elm_error *error)
{
	work w = { .plan = plan, .options = options };
	elm_status status = take_memory(&w, error);

	if (!status)
		status = elm_gguf_writer_create(path, elm_gguf_alignment(plan->gguf), &w.writer,
						error);
	if (!status)
		status = set_metadata(&w, error);
	for (size_t i = 0; i < plan->count && !status; i++)
		status = elm_gguf_writer_add_tensor(w.writer, plan->items[i].tensor->name,
						    plan->items[i].type,
						    plan->items[i].tensor->n_dims,
						    plan->items[i].tensor->dims, error);
	if (!status)
		status = elm_gguf_writer_begin(w.writer, error);
	if (!status)
		status = write_tensors(&w, error);
	if (!status)
		status = elm_gguf_writer_finish(w.writer, error);
	elm_gguf_writer_free(w.writer);
	elm__free(w.chunk);
	elm__free(w.substitutes);
	return status;
}

elm_status elm__imatrix_prepare(void *calib, const elm__quant_plan *plan, uint32_t group,
				elm__substitute *out, elm_error *error)
{
	for (size_t i = 0; i < plan->count; i++) {
		const elm_gguf_tensor *t = plan->items[i].tensor;
		const elm__channels *c;
		elm__role role;

		if (plan->items[i].layer != group ||
		    !elm__role_of(plan->gguf, plan->hp, t->name, &role))
			continue;
		c = elm__calib_at(calib, role);
		if (t->dims[0] != c->cols)
			return elm_error_set(error, ELM_ERR_FORMAT,
					     "%s: tensor %s has rows of %llu weights; the metadata "
					     "ask for %zu",
					     elm_gguf_path(plan->gguf), t->name,
					     (unsigned long long)t->dims[0], c->cols);
		out[i].importance = c->count ? c->square : NULL;
	}
	return ELM_OK;
}

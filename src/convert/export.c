/* export.c: a GGUF model as a Hugging Face folder. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "convert/convert.h"
#include "convert/vocabulary.h"
#include "gguf/forget.h"

enum { MAX_NAME = 256 };

typedef struct exported {
	char name[MAX_NAME]; /* in the folder */
	const elm_gguf_tensor *tensor;
	elm__row_job job;
} exported;

typedef struct exporting {
	const char *folder;
	const elm_gguf *gguf;
	const elm__convert_options *options;
	elm__convert_result *result;
	elm_error *error;
	elm__facts facts;
	exported *items;
	size_t count, room;
	elm__st_writer writer;
	uint64_t done, total;
} exporting;

static elm_status no_memory(const exporting *x)
{
	return elm_error_set(x->error, ELM_ERR_NO_MEMORY, "%s: out of memory", x->folder);
}

static elm_type target_type(const exporting *x, const elm_gguf_tensor *t)
{
	if (t->n_dims == 1)
		return ELM_TYPE_F32;
	switch (x->options->target) {
	case ELM__TARGET_F32:
		return ELM_TYPE_F32;
	case ELM__TARGET_BF16:
		return ELM_TYPE_BF16;
	case ELM__TARGET_AUTO:
		if (t->type == ELM_TYPE_F32 || t->type == ELM_TYPE_BF16)
			return t->type;
		break;
	default:
		break;
	}
	return ELM_TYPE_F16;
}

/* One tensor, where the file has it. */
static elm_status plan(exporting *x, const elm__tensor_rule *rule, const char *gguf_name,
		       const char *file_name, bool bias)
{
	const elm_gguf_tensor *t = elm_gguf_tensor_find(x->gguf, gguf_name);
	uint64_t rows = bias ? 1 : elm__facts_side(&x->facts, rule->rows);
	uint64_t cols = elm__facts_side(&x->facts, bias ? rule->rows : rule->cols);
	exported *item;

	if (!t)
		return ELM_OK;
	if (t->dims[0] != cols || t->dims[1] != rows || t->elements != rows * cols)
		return elm_error_set(x->error, ELM_ERR_FORMAT,
				     "%s: tensor %s is %llu x %llu; the metadata ask for %llu x "
				     "%llu",
				     elm_gguf_path(x->gguf), gguf_name,
				     (unsigned long long)t->dims[0], (unsigned long long)t->dims[1],
				     (unsigned long long)cols, (unsigned long long)rows);
	item = &x->items[x->count++]; /* there is room for each tensor of the file */
	snprintf(item->name, sizeof(item->name), "%s", file_name);
	item->tensor = t;
	item->job = (elm__row_job){ .name = t->name,
				    .path = elm_gguf_path(x->gguf),
				    .data = t->data,
				    .source = t->type,
				    .type = target_type(x, t),
				    .rows = rows,
				    .cols = cols };
	if (rule->kind == ELM__KIND_NORM && x->facts.family->shifted_norms)
		item->job.shift = -1;
	if (x->facts.family->split_rotation &&
	    (rule->kind == ELM__KIND_QUERY || rule->kind == ELM__KIND_KEY)) {
		item->job.order = ELM__ROWS_TO_HALVES;
		item->job.head = elm__facts_head_dim(&x->facts);
		item->job.rotated = x->facts.rotated ? x->facts.rotated : item->job.head;
		if (bias) { /* each number is a row of its own */
			item->job.rows = cols;
			item->job.cols = 1;
		}
	}
	return ELM_OK;
}

static elm_status plan_rule(exporting *x, const elm__tensor_rule *rule, const char *prefix,
			    uint32_t layer)
{
	static const char *const suffixes[] = { "weight", "bias" };
	char gguf[MAX_NAME], file[MAX_NAME];
	elm_status status = ELM_OK;

	for (int i = 0; i < 2 && status == ELM_OK; i++) {
		if (rule->in_layer) {
			snprintf(gguf, sizeof(gguf), "blk.%u.%s.%s", layer, rule->gguf,
				 suffixes[i]);
			snprintf(file, sizeof(file), "%slayers.%u.%s.%s", prefix, layer, rule->file,
				 suffixes[i]);
		} else {
			snprintf(gguf, sizeof(gguf), "%s.%s", rule->gguf, suffixes[i]);
			snprintf(file, sizeof(file), "%s%s.%s", prefix, rule->file, suffixes[i]);
		}
		status = plan(x, rule, gguf, file, i == 1);
	}
	return status;
}

/* Every tensor must have found its place, except the lists that the configuration says. */
static elm_status refuse_leftovers(const exporting *x)
{
	for (size_t i = 0; i < elm_gguf_tensor_count(x->gguf); i++) {
		const elm_gguf_tensor *t = elm_gguf_tensor_at(x->gguf, i);
		size_t k = 0;

		if (!strncmp(t->name, "rope_f", 6))
			continue;
		while (k < x->count && x->items[k].tensor != t)
			k++;
		if (k == x->count)
			return elm_error_set(
				x->error, ELM_ERR_UNSUPPORTED,
				"%s: tensor %s has no place in a Hugging Face model of "
				"the family %s",
				elm_gguf_path(x->gguf), t->name, x->facts.family->model_type);
	}
	return ELM_OK;
}

static elm_status make_plan(exporting *x)
{
	const elm__family *family = x->facts.family;
	const elm__tensor_rule *rule;
	elm_status status = ELM_OK;

	x->items = elm__calloc(elm_gguf_tensor_count(x->gguf) + 1, sizeof(*x->items));
	if (!x->items)
		return no_memory(x);
	for (size_t i = 0; status == ELM_OK && (rule = elm__tensor_rule_at(family, i)); i++)
		if (!rule->in_layer)
			status = plan_rule(x, rule, "model.", 0);
	for (uint32_t layer = 0; layer < x->facts.layers && status == ELM_OK; layer++)
		for (size_t i = 0; status == ELM_OK && (rule = elm__tensor_rule_at(family, i)); i++)
			if (rule->in_layer)
				status = plan_rule(x, rule, "model.", layer);
	if (status == ELM_OK)
		status = plan_rule(x, &elm__output_rule, "", 0);
	return status == ELM_OK ? refuse_leftovers(x) : status;
}

static elm_status write_config(exporting *x)
{
	elm__buf path = ELM__BUF_INIT;
	json_t *config = elm__facts_to_config(&x->facts);
	const char *dtype = elm_type_get(x->result->type)->name;
	elm_status status;

	if (config && json_object_set_new(config, "torch_dtype",
					  json_string(*dtype == 'B'	    ? "bfloat16" :
						      !strcmp(dtype, "F16") ? "float16" :
									      "float32")) != 0) {
		json_decref(config);
		config = NULL;
	}
	elm__buf_printf(&path, "%s/config.json", x->folder);
	status = elm__buf_status(&path, x->error);
	if (status == ELM_OK)
		status = elm__json_replace(path.data, config, x->error);
	json_decref(config);
	elm__buf_release(&path);
	return status;
}

static elm_status write_rows(void *user, const void *data, size_t size, elm_error *error)
{
	exporting *x = user;

	x->done += size;
	if (x->options->progress && x->options->progress(x->options->user, x->done, x->total))
		return elm_error_set(error, ELM_ERR_CANCELLED, "interrupted");
	return elm__st_writer_data(&x->writer, data, size, error);
}

static void declare(exporting *x, const exported *item)
{
	/* The last one is contiguous here. */
	uint64_t dims[2] = { item->tensor->dims[1], item->tensor->dims[0] };
	bool vector = item->tensor->n_dims == 1;

	elm__st_writer_declare(&x->writer, item->name, item->job.type, vector ? 1 : 2,
			       vector ? dims + 1 : dims);
}

static elm_status write_weights(exporting *x)
{
	elm__buf path = ELM__BUF_INIT;
	elm_status status;

	elm__buf_printf(&path, "%s/model.safetensors", x->folder);
	status = elm__buf_status(&path, x->error);
	if (status == ELM_OK)
		status = elm__st_writer_open(&x->writer, path.data, x->error);
	elm__buf_release(&path);
	if (status != ELM_OK)
		return status;
	for (size_t i = 0; i < x->count; i++)
		declare(x, &x->items[i]);
	status = elm__st_writer_begin(&x->writer, x->error);
	for (size_t i = 0; i < x->count && status == ELM_OK; i++) {
		status = elm__rows_transfer(&x->items[i].job, write_rows, x, x->error);
		elm__gguf_forget(x->gguf, x->items[i].tensor);
	}
	if (status == ELM_OK)
		status = elm__st_writer_finish(&x->writer, x->error);
	elm__st_writer_close(&x->writer);
	return status;
}

static void take_stock(exporting *x)
{
	uint64_t most = 0;

	for (size_t i = 0; i < x->count; i++) {
		const elm_gguf_tensor *t = x->items[i].tensor;
		elm_type type = x->items[i].job.type;

		x->total += t->elements * elm_type_get(type)->block_bytes;
		x->result->parameters += t->elements;
		if (t->elements > most) {
			most = t->elements;
			x->result->type = type;
		}
	}
	x->result->arch = x->facts.family->arch;
	x->result->tensors = x->count;
	x->result->bytes = x->total;
}

/* Files of another model beside ours would be taken for parts of it. */
static elm_status make_folder(const exporting *x)
{
	const struct dirent *entry;
	bool empty = true;
	DIR *dir;

	if (mkdir(x->folder, 0777) == 0)
		return ELM_OK;
	dir = errno == EEXIST ? opendir(x->folder) : NULL;
	if (!dir)
		return elm_error_set(x->error, ELM_ERR_IO, "%s: cannot make the folder: %s",
				     x->folder, strerror(errno));
	while ((entry = readdir(dir)) != NULL)
		empty = empty && (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."));
	closedir(dir);
	if (empty)
		return ELM_OK;
	return elm_error_set(x->error, ELM_ERR_ARGUMENT,
			     "%s: the folder is not empty; give the name of a new one", x->folder);
}

/* The weights first: where a disk is full, nothing else is there yet. */
static elm_status write_folder(exporting *x, const elm__vocabulary *v)
{
	elm_status status = make_folder(x);

	if (status != ELM_OK)
		return status;
	status = write_weights(x);
	if (status == ELM_OK && !x->result->no_vocabulary)
		status = elm__vocabulary_write_folder(v, x->folder, x->error);
	if (status == ELM_OK)
		status = write_config(x);
	if (status != ELM_OK)
		(void)rmdir(x->folder); /* if it is empty */
	return status;
}

static elm_status run(exporting *x)
{
	elm_status status = elm__facts_from_gguf(&x->facts, x->gguf, x->error);
	elm__vocabulary v;

	elm__vocabulary_init(&v);
	if (status == ELM_OK)
		status = make_plan(x);
	if (status == ELM_OK) {
		take_stock(x);
		status = elm__vocabulary_from_gguf(&v, x->gguf, x->error);
		x->result->no_vocabulary = status == ELM_ERR_NOT_FOUND;
	}
	if (status == ELM_OK || x->result->no_vocabulary)
		status = write_folder(x, &v);
	elm__vocabulary_release(&v);
	return status;
}

elm_status elm__export(const char *model, const char *folder, const elm__convert_options *options,
		       elm__convert_result *result, elm_error *error)
{
	exporting x = { .folder = folder, .options = options, .result = result, .error = error };
	elm_gguf *gguf;
	elm_status status = elm_gguf_open(model, &gguf, error);

	memset(result, 0, sizeof(*result));
	if (status != ELM_OK)
		return status;
	x.gguf = gguf;
	status = run(&x);
	elm__free(x.items);
	elm__facts_release(&x.facts);
	elm_gguf_close(gguf);
	return status;
}

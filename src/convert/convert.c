#include "convert/convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "convert/vocabulary.h"

enum { MAX_CONFIG = 64 << 20 };

typedef struct conversion {
	const char *source;
	const elm__convert_options *options;
	elm__convert_result *result;
	elm_error *error;
	elm__safetensors st;
	elm__facts facts;
	elm__vocabulary vocabulary;
	elm__plan plan;
	elm__plan_options plan_options;
	elm_gguf_writer *writer;
	uint64_t done, total;
} conversion;

static char *path_in(const conversion *c, const char *name)
{
	elm__buf path = ELM__BUF_INIT;
	char *text;

	elm__buf_printf(&path, "%s/%s", c->source, name);
	text = elm__buf_detach(&path, NULL);
	if (!text)
		elm_error_set(c->error, ELM_ERR_NO_MEMORY, "%s: out of memory", c->source);
	return text;
}

/* The last part of a path, without what follows the length of `suffix`. */
static void name_from_path(const char *path, const char *suffix, char *out, size_t size)
{
	size_t length = strlen(path), begin, cut = strlen(suffix);

	while (length > 1 && path[length - 1] == '/')
		length--;
	for (begin = length; begin && path[begin - 1] != '/'; begin--)
		;
	if (length - begin > cut && !memcmp(path + length - cut, suffix, cut))
		length -= cut;
	snprintf(out, size, "%.*s", (int)(length - begin < size ? length - begin : size - 1),
		 path + begin);
}

static void set_name(conversion *c, const char *said)
{
	char *name = c->facts.name, *real;

	if (c->options->name)
		snprintf(name, sizeof(c->facts.name), "%s", c->options->name);
	else if (said && *said)
		name_from_path(said, "", name, sizeof(c->facts.name));
	if (*name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
		return;
	real = realpath(c->source, NULL); /* the folder may have been given as "." */
	name_from_path(real ? real : c->source, ".bin", name, sizeof(c->facts.name));
	free(real);
}

static elm_status read_config(conversion *c, json_t **root)
{
	char *path = path_in(c, "config.json");
	elm_status status;

	*root = NULL;
	if (!path)
		return ELM_ERR_NO_MEMORY;
	status = elm__json_read(path, MAX_CONFIG, root, c->error);
	if (status == ELM_OK)
		status = elm__facts_from_config(&c->facts, path, *root, c->error);
	elm__free(path);
	return status;
}

/* Quantisers write their settings into the configuration, older ones into a file of their own. */
static elm_status read_version(conversion *c, const json_t *config)
{
	const json_t *settings = elm__config_get(config, "quantization_config");
	char *path = path_in(c, "quantize_config.json");
	json_t *own = NULL;
	const char *format;
	elm_status status = ELM_OK;
	struct stat st;

	if (!path)
		return ELM_ERR_NO_MEMORY;
	if (!json_is_object(settings) && stat(path, &st) == 0)
		status = elm__json_read(path, MAX_CONFIG, &own, c->error);
	format = json_string_value(json_object_get(own ? own : settings, "checkpoint_format"));
	c->plan_options.version_2 = format && !strcmp(format, "gptq_v2");
	json_decref(own);
	elm__free(path);
	return status;
}

static elm_status read_folder(conversion *c)
{
	json_t *config;
	elm_status status = read_config(c, &config);

	if (status == ELM_OK) {
		set_name(c, json_string_value(json_object_get(config, "_name_or_path")));
		status = read_version(c, config);
	}
	if (status == ELM_OK)
		status = elm__safetensors_add_folder(&c->st, c->source, c->error);
	if (status == ELM_OK)
		status = elm__plan_make(&c->plan, &c->facts, &c->st, &c->plan_options, c->error);
	if (status == ELM_OK)
		status =
			elm__vocabulary_read_folder(&c->vocabulary, c->source, config,
						    c->facts.vocabulary, c->options->pre, c->error);
	json_decref(config);
	return status;
}

static elm_status read_tokenizer_bin(conversion *c)
{
	const char *given = c->options->tokenizer, *slash = strrchr(c->source, '/');
	elm__buf path = ELM__BUF_INIT;
	elm__map map = { 0 };
	elm_status status;

	if (given)
		elm__buf_puts(&path, given);
	else
		elm__buf_printf(&path, "%.*stokenizer.bin",
				slash ? (int)(slash + 1 - c->source) : 0, c->source);
	status = elm__buf_status(&path, c->error);
	if (status == ELM_OK)
		status = elm__map_open(&map, path.data, c->error);
	if (status == ELM_ERR_NOT_FOUND && !given)
		elm_error_prefix(c->error,
				 "the vocabulary of a .bin file stands in a tokenizer.bin, "
				 "which --tokenizer names");
	if (status == ELM_OK)
		status = elm__tokenizer_bin_read(&c->vocabulary, path.data, map.data, map.size,
						 c->facts.vocabulary, c->error);
	elm__map_release(&map);
	elm__buf_release(&path);
	return status;
}

static elm_status read_checkpoint(conversion *c)
{
	const elm__st_file *file;
	elm_status status = elm__safetensors_add_plain(&c->st, c->source, &file, c->error);

	if (status == ELM_OK)
		status = elm__llama2c_read(&c->st, &c->facts, file, c->error);
	c->plan_options.pairs_already = true;
	if (status == ELM_OK)
		status = elm__plan_make(&c->plan, &c->facts, &c->st, &c->plan_options, c->error);
	if (status == ELM_OK)
		status = read_tokenizer_bin(c);
	set_name(c, NULL);
	return status;
}

static elm_status read_source(conversion *c)
{
	struct stat st;

	if (stat(c->source, &st) < 0)
		return elm_error_set(c->error, ELM_ERR_NOT_FOUND,
				     "%s: there is no such file or folder", c->source);
	return S_ISDIR(st.st_mode) ? read_folder(c) : read_checkpoint(c);
}

/* ---- writing ---- */

/* The numbers that general.file_type has for files of mostly one type. */
static uint32_t file_type(elm_type type)
{
	switch (type) {
	case ELM_TYPE_F32:
		return 0;
	case ELM_TYPE_Q4_0:
		return 2;
	case ELM_TYPE_Q4_1:
		return 3;
	case ELM_TYPE_Q8_0:
		return 7;
	case ELM_TYPE_BF16:
		return 32;
	default:
		return 1;
	}
}

/* Sizes, and the type of most weights. */
static elm_status take_stock(conversion *c)
{
	uint64_t by_type[ELM_TYPE_LIMIT] = { 0 }, most = 0, bytes;

	for (size_t i = 0; i < c->plan.count; i++) {
		const elm__row_job *job = &c->plan.items[i].job;

		if (elm_type_row_bytes(job->type, job->cols, &bytes) != ELM_OK)
			return elm_error_set(c->error, ELM_ERR_UNSUPPORTED,
					     "%s: tensor %.200s with rows of %llu cannot become %s",
					     job->path, job->name, (unsigned long long)job->cols,
					     elm_type_get(job->type)->name);
		c->total += bytes * job->rows;
		c->result->parameters += job->rows * job->cols;
		by_type[job->type] += job->rows * job->cols;
	}
	for (int type = 0; type < ELM_TYPE_LIMIT; type++)
		if (by_type[type] > most) {
			most = by_type[type];
			c->result->type = (elm_type)type;
		}
	c->result->arch = c->facts.family->arch;
	c->result->tensors = c->plan.count;
	c->result->bytes = c->total;
	c->result->reordered = c->plan.reordered;
	c->result->ignored = c->plan.ignored;
	return ELM_OK;
}

static elm_status set_metadata(conversion *c)
{
	elm_status status = elm__facts_to_gguf(&c->facts, c->writer, c->error);

	if (status == ELM_OK)
		status = elm_gguf_writer_set_u32(c->writer, "general.file_type",
						 file_type(c->result->type), c->error);
	if (status == ELM_OK)
		status = elm_gguf_writer_set_u32(c->writer, "general.quantization_version", 2,
						 c->error);
	if (status == ELM_OK)
		status = elm__vocabulary_to_gguf(&c->vocabulary, c->writer, c->error);
	return status;
}

static elm_status declare(conversion *c, const elm__planned *item)
{
	uint64_t dims[2] = { item->job.cols, item->job.rows };

	if (item->vector)
		dims[0] *= dims[1];
	return elm_gguf_writer_add_tensor(c->writer, item->name, item->job.type,
					  item->vector ? 1 : 2, dims, c->error);
}

static elm_status write_rows(void *user, const void *data, size_t size, elm_error *error)
{
	conversion *c = user;

	c->done += size;
	if (c->options->progress && c->options->progress(c->options->user, c->done, c->total))
		return elm_error_set(error, ELM_ERR_CANCELLED, "interrupted");
	return elm_gguf_writer_data(c->writer, data, size, error);
}

static void forget(const elm__planned *item)
{
	if (item->tensor) {
		elm__map_forget(item->tensor->data, (size_t)item->tensor->bytes);
	} else if (item->job.packed) {
		elm__map_forget(item->packed.codes->data, (size_t)item->packed.codes->bytes);
		elm__map_forget(item->packed.scales->data, (size_t)item->packed.scales->bytes);
	}
}

static elm_status write_file(conversion *c, const char *output)
{
	elm_status status = elm_gguf_writer_create(output, 32, &c->writer, c->error);

	if (status == ELM_OK)
		status = set_metadata(c);
	for (size_t i = 0; i < c->plan.count && status == ELM_OK; i++)
		status = declare(c, &c->plan.items[i]);
	if (status == ELM_OK)
		status = elm_gguf_writer_begin(c->writer, c->error);
	for (size_t i = 0; i < c->plan.count && status == ELM_OK; i++) {
		status = elm__rows_transfer(&c->plan.items[i].job, write_rows, c, c->error);
		forget(&c->plan.items[i]);
	}
	if (status == ELM_OK)
		status = elm_gguf_writer_finish(c->writer, c->error);
	elm_gguf_writer_free(c->writer);
	return status;
}

elm_status elm__convert(const char *source, const char *output, const elm__convert_options *options,
			elm__convert_result *result, elm_error *error)
{
	conversion c = { .source = source, .options = options, .result = result, .error = error };
	elm_status status;

	memset(result, 0, sizeof(*result));
	elm__safetensors_init(&c.st);
	elm__vocabulary_init(&c.vocabulary);
	c.plan_options.target = options->target;
	c.plan_options.dequantize = options->dequantize;
	status = read_source(&c);
	if (status == ELM_OK)
		status = take_stock(&c);
	if (status == ELM_OK)
		status = write_file(&c, output);
	elm__plan_release(&c.plan);
	elm__vocabulary_release(&c.vocabulary);
	elm__facts_release(&c.facts);
	elm__safetensors_release(&c.st);
	return status;
}

#include <string.h>

#include "cli/display.h"
#include "cli/inspection.h"
#include "model/kv.h"

enum { JSON_ELEMENTS = 32 };

/* Appends to a list that may be NULL already; NULL from the first failure on. */
static json_t *appended(json_t *list, json_t *value)
{
	if (!json_array_append_new(list, value))
		return list;
	json_decref(list);
	return NULL;
}

static json_t *types_json(const cli_inspection *in)
{
	json_t *list = json_array();

	for (size_t i = 0; i < in->type_count; i++) {
		const cli_type_use *use = &in->types[i];

		list = appended(list, json_pack("{s:s, s:I, s:I, s:I, s:f}", "type",
						elm_type_get(use->type)->name, "tensors",
						(json_int_t)use->tensors, "elements",
						(json_int_t)use->elements, "bytes",
						(json_int_t)use->bytes, "bits_per_weight",
						cli_bits_per_weight(use->bytes, use->elements)));
	}
	return list;
}

static json_t *shape_json(const cli_inspection *in)
{
	json_t *object = json_object();

	for (size_t i = 0; i < in->shape_count && object; i++) {
		if (json_object_set_new(object, in->shape[i].key,
					json_integer(in->shape[i].value))) {
			json_decref(object);
			object = NULL;
		}
	}
	return object;
}

static json_t *memory_json(const cli_inspection *in)
{
	const elm_memory_estimate *m = &in->memory;

	if (!in->has_memory)
		return json_pack("{s:s}", "unavailable", in->no_memory.text);
	return json_pack("{s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:I}", "context",
			 (json_int_t)in->options.context, "batch", (json_int_t)in->options.batch,
			 "kv_type", elm__kv_type_name(in->options.kv_type), "weights",
			 (json_int_t)m->weights, "packed", (json_int_t)m->packed, "kv",
			 (json_int_t)m->kv, "scratch", (json_int_t)m->scratch, "total",
			 (json_int_t)m->total);
}

static json_t *files_json(const cli_inspection *in)
{
	json_t *list = json_array();

	for (size_t i = 0; i < elm_gguf_split_count(in->gguf); i++) {
		const char *path = elm_gguf_file_path(in->gguf, i);
		json_t *name = cli_json_string((elm_gguf_string){ path, strlen(path) });

		list = appended(list, in->hashes ? json_pack("{s:o, s:s}", "path", name, "sha256",
							     in->hashes[i]) :
						   json_pack("{s:o}", "path", name));
	}
	return list;
}

static json_t *tensors_json(const elm_gguf *gguf)
{
	json_t *list = json_array();

	for (size_t i = 0; i < elm_gguf_tensor_count(gguf); i++) {
		const elm_gguf_tensor *tensor = elm_gguf_tensor_at(gguf, i);
		json_t *dims = json_array();

		for (uint32_t d = 0; d < tensor->n_dims; d++)
			dims = appended(dims, json_integer((json_int_t)tensor->dims[d]));
		list = appended(
			list, json_pack("{s:s, s:s, s:o, s:I, s:i, s:I}", "name", tensor->name,
					"type", elm_type_get(tensor->type)->name, "shape", dims,
					"bytes", (json_int_t)tensor->bytes, "file",
					(int)tensor->split, "offset", (json_int_t)tensor->offset));
	}
	return list;
}

static json_t *metadata_json(const elm_gguf *gguf)
{
	json_t *object = json_object();
	elm__buf key = ELM__BUF_INIT;

	for (size_t i = 0; i < elm_gguf_kv_count(gguf) && object; i++) {
		const elm_gguf_kv *kv = elm_gguf_kv_at(gguf, i);

		elm__buf_clear(&key); /* keys are valid UTF-8 without NULs: others do not open */
		elm__buf_append(&key, kv->key.data, kv->key.length);
		if (key.failed || json_object_set_new(object, elm__buf_text(&key),
						      cli_json_value(kv, JSON_ELEMENTS))) {
			json_decref(object);
			object = NULL;
		}
	}
	elm__buf_release(&key);
	return object;
}

/* Puts a member into an object that may be NULL already; NULL from the first failure on. */
static json_t *with(json_t *object, const char *key, json_t *value)
{
	if (!json_object_set_new(object, key, value))
		return object;
	json_decref(object);
	return NULL;
}

json_t *cli_inspection_json(const cli_inspection *in, bool tensors, bool metadata)
{
	const elm_gguf *gguf = in->gguf;
	json_t *object = json_object();

	object = with(object, "architecture", json_string(in->architecture));
	object = with(object, "name", json_string(in->name));
	object = with(object, "gguf_version", json_integer(elm_gguf_version(gguf)));
	object = with(object, "alignment", json_integer(elm_gguf_alignment(gguf)));
	object = with(object, "file_bytes", json_integer((json_int_t)elm_gguf_file_bytes(gguf)));
	object = with(object, "files", files_json(in));
	object = with(object, "parameters", json_integer((json_int_t)in->elements));
	object =
		with(object, "tensor_count", json_integer((json_int_t)elm_gguf_tensor_count(gguf)));
	object = with(object, "tensor_bytes", json_integer((json_int_t)in->bytes));
	object = with(object, "bits_per_weight",
		      json_real(cli_bits_per_weight(in->bytes, in->elements)));
	object = with(object, "types", types_json(in));
	object = with(object, "shape", shape_json(in));
	object = with(object, "tokenizer", json_string(in->tokenizer));
	object = with(object, "vocabulary", json_integer((json_int_t)in->vocabulary));
	object = with(object, "memory", memory_json(in));
	if (tensors)
		object = with(object, "tensors", tensors_json(gguf));
	if (metadata)
		object = with(object, "metadata", metadata_json(gguf));
	return object;
}

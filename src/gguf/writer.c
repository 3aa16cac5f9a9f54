/*
 * writer.c: GGUF version 3, metadata first, tensor data streamed.
 *
 * Metadata is kept encoded, one buffer per entry, so that setting a key again replaces it in place.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "gguf/copy.h"
#include "gguf/internal.h"

/* A multiple of every alignment, so that rounding up to it cannot overflow. */
static const uint64_t max_data_bytes = (uint64_t)1 << 62;

typedef struct entry {
	char *key;
	elm__buf value; /* kind and payload, as in the file */
} entry;

typedef struct planned_tensor {
	char *name;
	elm_type type;
	uint32_t n_dims;
	uint64_t dims[ELM_GGUF_MAX_DIMS];
	uint64_t bytes, offset;
} planned_tensor;

typedef enum stage { STAGE_DECLARE, STAGE_DATA, STAGE_DONE, STAGE_FAILED } stage;

struct elm_gguf_writer {
	elm__writer file;
	stage stage;
	uint32_t alignment;
	entry *entries;
	size_t entry_count, entry_capacity;
	planned_tensor *tensors;
	size_t tensor_count, tensor_capacity;
	elm__gguf_index keys, names;
	uint64_t data_bytes; /* of the data section as planned, padding included */
	size_t current;	     /* the tensor whose data is awaited */
	uint64_t given;	     /* bytes of it that were given */
};

/* Every failure ends the life of the file, so that half a model can never be committed. */
static elm_status failed(elm_gguf_writer *writer, elm_status status)
{
	if (status != ELM_OK)
		writer->stage = STAGE_FAILED;
	return status;
}

static elm_status out_of_memory(elm_gguf_writer *writer, elm_error *error)
{
	return failed(writer, elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory",
					    writer->file.path));
}

static elm_status require(elm_gguf_writer *writer, stage wanted, const char *call, elm_error *error)
{
	static const char *const names[] = { "before begin", "after begin", "after finish",
					     "after a failure" };

	if (writer->stage == wanted)
		return ELM_OK;
	return failed(writer, elm_error_set(error, ELM_ERR_ARGUMENT, "%s: %s was called %s",
					    writer->file.path, call, names[writer->stage]));
}

elm_status elm_gguf_writer_create(const char *path, uint32_t alignment, elm_gguf_writer **out,
				  elm_error *error)
{
	elm_gguf_writer *writer;
	elm_status status;

	*out = NULL;
	if (alignment < ELM__GGUF_MIN_ALIGNMENT || alignment > ELM__GGUF_MAX_ALIGNMENT ||
	    (alignment & (alignment - 1)))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "%s: the alignment %u is not a power of two from %d to %d",
				     path, alignment, ELM__GGUF_MIN_ALIGNMENT,
				     ELM__GGUF_MAX_ALIGNMENT);
	writer = elm__calloc(1, sizeof(*writer));
	if (!writer)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", path);
	elm__gguf_index_init(&writer->keys);
	elm__gguf_index_init(&writer->names);
	writer->alignment = alignment;
	status = elm__writer_open(&writer->file, path, error);
	if (status != ELM_OK) {
		elm_gguf_writer_free(writer);
		return status;
	}
	*out = writer;
	return ELM_OK;
}

void elm_gguf_writer_free(elm_gguf_writer *writer)
{
	if (!writer)
		return;
	for (size_t i = 0; i < writer->entry_count; i++) {
		elm__free(writer->entries[i].key);
		elm__buf_release(&writer->entries[i].value);
	}
	for (size_t i = 0; i < writer->tensor_count; i++)
		elm__free(writer->tensors[i].name);
	elm__free(writer->entries);
	elm__free(writer->tensors);
	elm__gguf_index_release(&writer->keys);
	elm__gguf_index_release(&writer->names);
	elm__writer_close(&writer->file);
	elm__free(writer);
}

static void put_u32(elm__buf *out, uint32_t value)
{
	elm__buf_append(out, &value, sizeof(value));
}

static void put_u64(elm__buf *out, uint64_t value)
{
	elm__buf_append(out, &value, sizeof(value));
}

static void put_string(elm__buf *out, const char *data, size_t length)
{
	put_u64(out, length);
	elm__buf_append(out, data, length);
}

static void put_values(elm__buf *out, elm_gguf_kind kind, const void *values, size_t bytes)
{
	if (kind != ELM_GGUF_BOOL) {
		elm__buf_append(out, values, bytes);
		return;
	}
	for (size_t i = 0; i < bytes; i++)
		elm__buf_putc(out, ((const uint8_t *)values)[i] != 0);
}

/* What the reader would refuse must not be written. */
static bool good_name(const char *name, size_t limit)
{
	size_t length = strlen(name);

	if (!length || length > limit || !elm__utf8_valid(name, length))
		return false;
	for (; *name; name++)
		if ((unsigned char)*name < 0x20 || *name == 0x7f)
			return false;
	return true;
}

static entry *find_entry(elm_gguf_writer *writer, const char *key)
{
	size_t index = elm__gguf_index_find(&writer->keys, key, strlen(key));

	return index == ELM__GGUF_NONE ? NULL : &writer->entries[index];
}

static entry *add_entry(elm_gguf_writer *writer, const char *key)
{
	entry *grown = elm__gguf_grow(writer->entries, writer->entry_count, &writer->entry_capacity,
				      sizeof(*grown));
	entry *added;

	if (!grown)
		return NULL;
	writer->entries = grown;
	added = &grown[writer->entry_count];
	memset(added, 0, sizeof(*added));
	added->key = elm__strdup(key);
	if (!added->key)
		return NULL;
	if (!elm__gguf_index_add(&writer->keys, added->key, strlen(key), writer->entry_count)) {
		elm__free(added->key);
		return NULL;
	}
	writer->entry_count++;
	return added;
}

/* Files the encoded value under the key; takes over its memory either way. */
static elm_status store(elm_gguf_writer *writer, const char *key, elm__buf *value, elm_error *error)
{
	elm_status status = require(writer, STAGE_DECLARE, "setting metadata", error);
	entry *place = NULL;

	if (status == ELM_OK && !good_name(key, ELM__GGUF_MAX_KEY))
		status = failed(writer, elm_error_set(error, ELM_ERR_ARGUMENT,
						      "%s: the metadata key '%.100s' is empty, too "
						      "long or no plain text",
						      writer->file.path, key));
	if (status == ELM_OK && !strcmp(key, ELM__GGUF_ALIGNMENT_KEY))
		status = failed(writer, elm_error_set(error, ELM_ERR_ARGUMENT,
						      "%s: " ELM__GGUF_ALIGNMENT_KEY
						      " is set by elm_gguf_writer_create",
						      writer->file.path));
	if (status == ELM_OK) {
		place = value->failed ? NULL : find_entry(writer, key);
		if (!place && !value->failed)
			place = add_entry(writer, key);
		if (!place)
			status = out_of_memory(writer, error);
	}
	if (status != ELM_OK) {
		elm__buf_release(value);
		return status;
	}
	elm__buf_release(&place->value);
	place->value = *value;
	return ELM_OK;
}

static elm_status refuse_kind(elm_gguf_writer *writer, const char *key, elm_gguf_kind kind,
			      elm_error *error)
{
	return failed(writer, elm_error_set(error, ELM_ERR_ARGUMENT,
					    "%s: %.100s cannot be set from values of kind %s",
					    writer->file.path, key, elm_gguf_kind_name(kind)));
}

elm_status elm_gguf_writer_set(elm_gguf_writer *writer, const char *key, elm_gguf_kind kind,
			       const void *value, elm_error *error)
{
	size_t size = elm__gguf_kind_size(kind);
	elm__buf encoded = ELM__BUF_INIT;

	if (!size)
		return refuse_kind(writer, key, kind, error);
	put_u32(&encoded, kind);
	put_values(&encoded, kind, value, size);
	return store(writer, key, &encoded, error);
}

elm_status elm_gguf_writer_set_u32(elm_gguf_writer *writer, const char *key, uint32_t value,
				   elm_error *error)
{
	return elm_gguf_writer_set(writer, key, ELM_GGUF_U32, &value, error);
}

elm_status elm_gguf_writer_set_f32(elm_gguf_writer *writer, const char *key, float value,
				   elm_error *error)
{
	return elm_gguf_writer_set(writer, key, ELM_GGUF_F32, &value, error);
}

elm_status elm_gguf_writer_set_bool(elm_gguf_writer *writer, const char *key, bool value,
				    elm_error *error)
{
	uint8_t byte = value;

	return elm_gguf_writer_set(writer, key, ELM_GGUF_BOOL, &byte, error);
}

elm_status elm_gguf_writer_set_string(elm_gguf_writer *writer, const char *key, const char *data,
				      size_t length, elm_error *error)
{
	elm__buf encoded = ELM__BUF_INIT;

	put_u32(&encoded, ELM_GGUF_STRING);
	put_string(&encoded, data, length);
	return store(writer, key, &encoded, error);
}

elm_status elm_gguf_writer_set_array(elm_gguf_writer *writer, const char *key, elm_gguf_kind kind,
				     const void *values, uint64_t count, elm_error *error)
{
	size_t size = elm__gguf_kind_size(kind), bytes;
	elm__buf encoded = ELM__BUF_INIT;

	if (!size)
		return refuse_kind(writer, key, kind, error);
	put_u32(&encoded, ELM_GGUF_ARRAY);
	put_u32(&encoded, kind);
	put_u64(&encoded, count);
	if (count > SIZE_MAX || !elm__mul((size_t)count, size, &bytes))
		encoded.failed = true;
	else
		put_values(&encoded, kind, values, bytes);
	return store(writer, key, &encoded, error);
}

elm_status elm_gguf_writer_set_strings(elm_gguf_writer *writer, const char *key,
				       const elm_gguf_string *values, uint64_t count,
				       elm_error *error)
{
	elm__buf encoded = ELM__BUF_INIT;

	put_u32(&encoded, ELM_GGUF_ARRAY);
	put_u32(&encoded, ELM_GGUF_STRING);
	put_u64(&encoded, count);
	for (uint64_t i = 0; i < count && !encoded.failed; i++)
		put_string(&encoded, values[i].data, values[i].length);
	return store(writer, key, &encoded, error);
}

/* True for keys that describe a file and not the model in it. */
static bool describes_file(const char *key)
{
	return !strcmp(key, ELM__GGUF_ALIGNMENT_KEY) || !strcmp(key, ELM__GGUF_SPLIT_NO_KEY) ||
	       !strcmp(key, ELM__GGUF_SPLIT_COUNT_KEY) || !strcmp(key, ELM__GGUF_SPLIT_TENSORS_KEY);
}

elm_status elm__gguf_writer_copy_as(elm_gguf_writer *writer, const char *key, const elm_gguf_kv *kv,
				    elm_error *error)
{
	elm__buf encoded = ELM__BUF_INIT;

	put_u32(&encoded, kv->kind);
	if (kv->kind == ELM_GGUF_ARRAY) {
		put_u32(&encoded, kv->element_kind);
		put_u64(&encoded, kv->count);
	}
	elm__buf_append(&encoded, kv->payload, elm__gguf_payload_bytes(kv));
	return store(writer, key, &encoded, error);
}

elm_status elm_gguf_writer_copy(elm_gguf_writer *writer, const elm_gguf_kv *kv, elm_error *error)
{
	char *key = elm__strndup(kv->key.data, kv->key.length);
	elm_status status = ELM_OK;

	if (!key)
		return out_of_memory(writer, error);
	if (!describes_file(key))
		status = elm__gguf_writer_copy_as(writer, key, kv, error);
	elm__free(key);
	return status;
}

static elm_status refuse_tensor(elm_gguf_writer *writer, const char *name, const char *reason,
				elm_error *error)
{
	return failed(writer, elm_error_set(error, ELM_ERR_ARGUMENT, "%s: tensor '%.100s': %s",
					    writer->file.path, name, reason));
}

static uint64_t align_up(const elm_gguf_writer *writer, uint64_t value)
{
	return (value + writer->alignment - 1) & ~(uint64_t)(writer->alignment - 1);
}

static const char *plan_size(planned_tensor *tensor, const uint64_t *dims)
{
	uint64_t rows = 1;

	if (tensor->n_dims < 1 || tensor->n_dims > ELM_GGUF_MAX_DIMS)
		return "it must have 1 to 4 dimensions";
	for (uint32_t i = 0; i < tensor->n_dims; i++) {
		tensor->dims[i] = dims[i];
		if (!dims[i])
			return "a dimension is 0";
		if (i && __builtin_mul_overflow(rows, dims[i], &rows))
			return "it is too large";
	}
	if (elm_type_row_bytes(tensor->type, dims[0], &tensor->bytes) == ELM_ERR_ARGUMENT)
		return "the type is unknown or the row is not a multiple of its block";
	if (__builtin_mul_overflow(tensor->bytes, rows, &tensor->bytes) ||
	    tensor->bytes > max_data_bytes)
		return "it is too large";
	return NULL;
}

elm_status elm_gguf_writer_add_tensor(elm_gguf_writer *writer, const char *name, elm_type type,
				      uint32_t n_dims, const uint64_t *dims, elm_error *error)
{
	elm_status status = require(writer, STAGE_DECLARE, "adding a tensor", error);
	planned_tensor tensor = { .type = type, .n_dims = n_dims }, *grown;
	size_t length = strlen(name);
	const char *refusal;

	if (status != ELM_OK)
		return status;
	if (!good_name(name, ELM__GGUF_MAX_NAME))
		return refuse_tensor(writer, name, "its name is empty, too long or no plain text",
				     error);
	if (elm__gguf_index_find(&writer->names, name, length) != ELM__GGUF_NONE)
		return refuse_tensor(writer, name, "it was added already", error);
	refusal = plan_size(&tensor, dims);
	if (!refusal && tensor.bytes > max_data_bytes - writer->data_bytes)
		refusal = "with it the file is too large";
	if (refusal)
		return refuse_tensor(writer, name, refusal, error);
	tensor.offset = writer->data_bytes;
	grown = elm__gguf_grow(writer->tensors, writer->tensor_count, &writer->tensor_capacity,
			       sizeof(tensor));
	if (!grown)
		return out_of_memory(writer, error);
	writer->tensors = grown;
	tensor.name = elm__strdup(name);
	if (!tensor.name ||
	    !elm__gguf_index_add(&writer->names, tensor.name, length, writer->tensor_count)) {
		elm__free(tensor.name);
		return out_of_memory(writer, error);
	}
	writer->tensors[writer->tensor_count++] = tensor;
	writer->data_bytes = align_up(writer, tensor.offset + tensor.bytes);
	return ELM_OK;
}

static void put_header(elm__buf *out, const elm_gguf_writer *writer)
{
	bool say_alignment = writer->alignment != ELM__GGUF_DEFAULT_ALIGNMENT;

	elm__buf_append(out, "GGUF", 4);
	put_u32(out, ELM__GGUF_VERSION);
	put_u64(out, writer->tensor_count);
	put_u64(out, writer->entry_count + say_alignment);
	if (say_alignment) {
		put_string(out, ELM__GGUF_ALIGNMENT_KEY, strlen(ELM__GGUF_ALIGNMENT_KEY));
		put_u32(out, ELM_GGUF_U32);
		put_u32(out, writer->alignment);
	}
}

static void put_tensor(elm__buf *out, const planned_tensor *tensor)
{
	put_string(out, tensor->name, strlen(tensor->name));
	put_u32(out, tensor->n_dims);
	elm__buf_append(out, tensor->dims, tensor->n_dims * sizeof(tensor->dims[0]));
	put_u32(out, tensor->type);
	put_u64(out, tensor->offset);
}

/* Values go straight to the file: the vocabulary of a model has megabytes. */
static elm_status write_entry(elm_gguf_writer *writer, const entry *from, elm__buf *scratch,
			      elm_error *error)
{
	elm_status status;

	elm__buf_clear(scratch);
	put_string(scratch, from->key, strlen(from->key));
	status = elm__buf_status(scratch, error);
	if (status == ELM_OK)
		status = elm__writer_write(&writer->file, scratch->data, scratch->length, error);
	if (status == ELM_OK)
		status = elm__writer_write(&writer->file, from->value.data, from->value.length,
					   error);
	return status;
}

elm_status elm_gguf_writer_begin(elm_gguf_writer *writer, elm_error *error)
{
	elm_status status = require(writer, STAGE_DECLARE, "begin", error);
	elm__buf out = ELM__BUF_INIT;

	if (status != ELM_OK)
		return status;
	put_header(&out, writer);
	status = elm__buf_status(&out, error);
	if (status == ELM_OK)
		status = elm__writer_write(&writer->file, out.data, out.length, error);
	for (size_t i = 0; i < writer->entry_count && status == ELM_OK; i++)
		status = write_entry(writer, &writer->entries[i], &out, error);
	elm__buf_clear(&out);
	for (size_t i = 0; i < writer->tensor_count; i++)
		put_tensor(&out, &writer->tensors[i]);
	if (status == ELM_OK)
		status = elm__buf_status(&out, error);
	if (status == ELM_OK)
		status = elm__writer_write(&writer->file, out.data, out.length, error);
	elm__buf_release(&out);
	if (status == ELM_OK && writer->tensor_count)
		status = elm__writer_align(&writer->file, writer->alignment, error);
	writer->stage = STAGE_DATA;
	return failed(writer, status);
}

elm_status elm_gguf_writer_data(elm_gguf_writer *writer, const void *data, size_t size,
				elm_error *error)
{
	elm_status status = require(writer, STAGE_DATA, "giving data", error);
	const uint8_t *from = data;

	while (size && status == ELM_OK) {
		const planned_tensor *tensor = &writer->tensors[writer->current];
		uint64_t part = size;

		if (writer->current == writer->tensor_count)
			return failed(writer, elm_error_set(error, ELM_ERR_ARGUMENT,
							    "%s: %zu bytes of data too many",
							    writer->file.path, size));
		if (part > tensor->bytes - writer->given)
			part = tensor->bytes - writer->given;
		status = elm__writer_write(&writer->file, from, (size_t)part, error);
		from += part;
		size -= (size_t)part;
		writer->given += part;
		if (status == ELM_OK && writer->given == tensor->bytes) {
			status = elm__writer_align(&writer->file, writer->alignment, error);
			writer->current++;
			writer->given = 0;
		}
	}
	return failed(writer, status);
}

elm_status elm_gguf_writer_finish(elm_gguf_writer *writer, elm_error *error)
{
	elm_status status = require(writer, STAGE_DATA, "finish", error);

	if (status != ELM_OK)
		return status;
	if (writer->current < writer->tensor_count)
		return failed(
			writer,
			elm_error_set(error, ELM_ERR_ARGUMENT,
				      "%s: the data of tensor '%.100s' is incomplete, %llu of "
				      "%llu bytes were given",
				      writer->file.path, writer->tensors[writer->current].name,
				      (unsigned long long)writer->given,
				      (unsigned long long)writer->tensors[writer->current].bytes));
	writer->stage = STAGE_DONE;
	return failed(writer, elm__writer_commit(&writer->file, error));
}

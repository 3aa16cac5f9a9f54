#include "convert/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/text.h"

/* What the reference implementation allows; a real header has a few hundred bytes per tensor. */
static const uint64_t max_header = 100 * 1000 * 1000;
enum { HEADER_LENGTH = 8, MAX_TENSORS = 1 << 20, MAX_NAME = 512 };

static const elm__st_dtype dtypes[] = {
	{ "F32", 4, true, ELM_TYPE_F32 },
	{ "F16", 2, true, ELM_TYPE_F16 },
	{ "BF16", 2, true, ELM_TYPE_BF16 },
	{ "F64", 8, true, ELM_TYPE_F64 },
	{ "I64", 8, true, ELM_TYPE_I64 },
	{ "I32", 4, true, ELM_TYPE_I32 },
	{ "I16", 2, true, ELM_TYPE_I16 },
	{ "I8", 1, true, ELM_TYPE_I8 },
	{ "U8", 1 },
	{ "U16", 2 },
	{ "U32", 4 },
	{ "U64", 8 },
	{ "BOOL", 1 },
	{ "F8_E4M3", 1 },
	{ "F8_E5M2", 1 },
};

void elm__safetensors_init(elm__safetensors *st)
{
	memset(st, 0, sizeof(*st));
	elm__gguf_index_init(&st->names);
	elm__arena_init(&st->arena, 0);
}

void elm__safetensors_release(elm__safetensors *st)
{
	for (size_t i = 0; i < st->file_count; i++) {
		elm__map_release(&st->files[i].map);
		elm__free(st->files[i].path);
	}
	elm__free(st->files);
	elm__free(st->tensors);
	elm__gguf_index_release(&st->names);
	elm__arena_release(&st->arena);
	memset(st, 0, sizeof(*st));
}

const elm__st_tensor *elm__safetensors_find(const elm__safetensors *st, const char *name)
{
	size_t index = elm__gguf_index_find(&st->names, name, strlen(name));

	return index == ELM__GGUF_NONE ? NULL : &st->tensors[index];
}

const char *elm__safetensors_path(const elm__safetensors *st, const elm__st_tensor *tensor)
{
	return st->files[tensor->file].path;
}

/* One header on its way into the table. */
typedef struct header {
	elm__safetensors *st;
	const elm__st_file *file;
	uint64_t data_begin, data_bytes;
	elm_error *error;
} header;

static elm_status no_memory(const header *h)
{
	return elm_error_set(h->error, ELM_ERR_NO_MEMORY, "%s: out of memory", h->file->path);
}

static elm_status bad(const header *h, const char *name, const char *reason)
{
	return elm_error_set(h->error, ELM_ERR_FORMAT, "%s: tensor %.200s: %s", h->file->path, name,
			     reason);
}

static bool good_name(const char *name)
{
	size_t length = strlen(name);

	if (!length || length > MAX_NAME || !elm__utf8_valid(name, length))
		return false;
	for (; *name; name++)
		if ((unsigned char)*name < 0x20 || *name == 0x7f)
			return false;
	return true;
}

static bool read_u64(const json_t *value, uint64_t *out)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return false;
	*out = (uint64_t)json_integer_value(value);
	return true;
}

static elm_status read_dtype(const header *h, elm__st_tensor *t, const json_t *entry)
{
	const char *name = json_string_value(json_object_get(entry, "dtype"));

	if (!name)
		return bad(h, t->name, "it has no dtype");
	for (size_t i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++)
		if (!strcmp(name, dtypes[i].name)) {
			t->dtype = &dtypes[i];
			return ELM_OK;
		}
	return elm_error_set(h->error, ELM_ERR_UNSUPPORTED,
			     "%s: tensor %.200s has the type \"%.20s\", which is not known",
			     h->file->path, t->name, name);
}

static elm_status read_shape(const header *h, elm__st_tensor *t, const json_t *entry)
{
	const json_t *shape = json_object_get(entry, "shape");

	if (!json_is_array(shape) || json_array_size(shape) > ELM__ST_MAX_DIMS)
		return bad(h, t->name, "its shape is not a list of at most 8 sizes");
	t->n_dims = (uint32_t)json_array_size(shape);
	t->elements = 1;
	for (uint32_t i = 0; i < ELM__ST_MAX_DIMS; i++) {
		t->dims[i] = 1;
		if (i < t->n_dims && !read_u64(json_array_get(shape, i), &t->dims[i]))
			return bad(h, t->name, "a size in its shape is not a whole number");
		if (__builtin_mul_overflow(t->elements, t->dims[i], &t->elements))
			return bad(h, t->name, "its shape is too large");
	}
	if (__builtin_mul_overflow(t->elements, (uint64_t)t->dtype->bytes, &t->bytes))
		return bad(h, t->name, "its shape is too large");
	return ELM_OK;
}

static elm_status read_place(const header *h, elm__st_tensor *t, const json_t *entry)
{
	const json_t *offsets = json_object_get(entry, "data_offsets");
	uint64_t begin, end;

	if (!json_is_array(offsets) || json_array_size(offsets) != 2 ||
	    !read_u64(json_array_get(offsets, 0), &begin) ||
	    !read_u64(json_array_get(offsets, 1), &end))
		return bad(h, t->name, "data_offsets is not a pair of whole numbers");
	if (begin > end || end > h->data_bytes)
		return elm_error_set(h->error, ELM_ERR_FORMAT,
				     "%s: tensor %.200s: its data [%llu, %llu) does not lie within "
				     "the %llu bytes of data; the file is damaged or was not "
				     "downloaded completely",
				     h->file->path, t->name, (unsigned long long)begin,
				     (unsigned long long)end, (unsigned long long)h->data_bytes);
	if (end - begin != t->bytes)
		return elm_error_set(h->error, ELM_ERR_FORMAT,
				     "%s: tensor %.200s: it has %llu bytes of data where its shape "
				     "and type %s ask for %llu",
				     h->file->path, t->name, (unsigned long long)(end - begin),
				     t->dtype->name, (unsigned long long)t->bytes);
	t->offset = h->data_begin + begin;
	t->data = h->file->data + t->offset;
	return ELM_OK;
}

static elm_status read_tensor(header *h, const char *name, const json_t *entry)
{
	elm__safetensors *st = h->st;
	elm__st_tensor *t = &st->tensors[st->count];
	elm_status status;

	if (!good_name(name))
		return bad(h, name, "its name is empty, too long or no plain text");
	memset(t, 0, sizeof(*t));
	t->file = (uint32_t)(h->file - st->files);
	t->name = elm__arena_strndup(&st->arena, name, strlen(name));
	if (!t->name)
		return no_memory(h);
	if (!json_is_object(entry))
		return bad(h, name, "its entry in the header is not an object");
	if (elm__safetensors_find(st, name))
		return bad(h, name, "a tensor of this name was in another file already");
	status = read_dtype(h, t, entry);
	if (status == ELM_OK)
		status = read_shape(h, t, entry);
	if (status == ELM_OK)
		status = read_place(h, t, entry);
	if (status != ELM_OK)
		return status;
	if (!elm__gguf_index_add(&st->names, t->name, strlen(t->name), st->count))
		return no_memory(h);
	st->count++;
	return ELM_OK;
}

static int by_offset(const void *a, const void *b)
{
	const elm__st_tensor *const *x = a, *const *y = b;

	if ((*x)->offset != (*y)->offset)
		return (*x)->offset < (*y)->offset ? -1 : 1;
	return ((*x)->bytes > (*y)->bytes) - ((*x)->bytes < (*y)->bytes);
}

/* Bytes that belong to two tensors are a sign of a file that was made to harm, or of damage. */
static elm_status refuse_overlap(const header *h, size_t first)
{
	size_t count = h->st->count - first;
	const elm__st_tensor **order = elm__calloc(count ? count : 1, sizeof(*order));
	elm_status status = ELM_OK;

	if (!order)
		return no_memory(h);
	for (size_t i = 0; i < count; i++)
		order[i] = &h->st->tensors[first + i];
	qsort(order, count, sizeof(*order), by_offset);
	for (size_t i = 1; i < count && status == ELM_OK; i++)
		if (order[i - 1]->offset + order[i - 1]->bytes > order[i]->offset)
			status = elm_error_set(
				h->error, ELM_ERR_FORMAT,
				"%s: tensors %.150s and %.150s overlap at offset %llu",
				h->file->path, order[i - 1]->name, order[i]->name,
				(unsigned long long)order[i]->offset);
	elm__free(order);
	return status;
}

static elm_status read_entries(header *h, json_t *root)
{
	elm__safetensors *st = h->st;
	size_t first = st->count, room = json_object_size(root);
	elm_status status = ELM_OK;
	elm__st_tensor *grown;
	const char *name;
	json_t *entry;

	if (!json_is_object(root))
		return elm_error_set(h->error, ELM_ERR_FORMAT, "%s: its header is not an object",
				     h->file->path);
	if (room > MAX_TENSORS - first)
		return elm_error_set(h->error, ELM_ERR_LIMIT, "%s: more than %d tensors",
				     h->file->path, MAX_TENSORS);
	grown = elm__realloc_array(st->tensors, first + room + 1, sizeof(*grown));
	if (!grown)
		return no_memory(h);
	st->tensors = grown;
	json_object_foreach(root, name, entry) if (status == ELM_OK && strcmp(name, "__metadata__"))
		status = read_tensor(h, name, entry);
	return status == ELM_OK ? refuse_overlap(h, first) : status;
}

static elm_status read_header(elm__safetensors *st, const elm__st_file *file, elm_error *error)
{
	header h = { .st = st, .file = file, .error = error };
	uint64_t length;
	elm_status status;
	json_t *root;

	if (file->size < HEADER_LENGTH)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "%s: %zu bytes are too short for a safetensors file",
				     file->path, file->size);
	memcpy(&length, file->data, sizeof(length));
	if (length > max_header || length > file->size - HEADER_LENGTH)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "%s: its header of %llu bytes does not fit into the file; it "
				     "is no safetensors file, or was not downloaded completely",
				     file->path, (unsigned long long)length);
	h.data_begin = HEADER_LENGTH + length;
	h.data_bytes = file->size - h.data_begin;
	status = elm__json_parse(file->path, (const char *)file->data + HEADER_LENGTH,
				 (size_t)length, &root, error);
	if (status != ELM_OK)
		return status;
	status = read_entries(&h, root);
	json_decref(root);
	return status;
}

/* Adds a file with nothing in it. */
static elm_status add_file(elm__safetensors *st, const char *path, elm__st_file **out,
			   elm_error *error)
{
	elm__st_file *grown = elm__realloc_array(st->files, st->file_count + 1, sizeof(*st->files));

	*out = NULL;
	if (grown) {
		st->files = grown;
		*out = &grown[st->file_count];
		memset(*out, 0, sizeof(**out));
		(*out)->path = elm__strdup(path);
	}
	if (!grown || !(*out)->path)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", path);
	st->file_count++;
	return ELM_OK;
}

elm_status elm__safetensors_add_bytes(elm__safetensors *st, const char *path, const void *data,
				      size_t size, const elm__st_file **out, elm_error *error)
{
	elm__st_file *file;
	elm_status status = add_file(st, path, &file, error);

	*out = file;
	if (status != ELM_OK)
		return status;
	file->data = data;
	file->size = size;
	return ELM_OK;
}

elm_status elm__safetensors_add_memory(elm__safetensors *st, const char *path, const void *data,
				       size_t size, elm_error *error)
{
	const elm__st_file *file;
	elm_status status = elm__safetensors_add_bytes(st, path, data, size, &file, error);

	return status == ELM_OK ? read_header(st, file, error) : status;
}

elm_status elm__safetensors_add_plain(elm__safetensors *st, const char *path,
				      const elm__st_file **out, elm_error *error)
{
	elm__st_file *file;
	elm_status status = add_file(st, path, &file, error);

	*out = file;
	if (status == ELM_OK)
		status = elm__map_open(&file->map, path, error);
	if (status != ELM_OK)
		return status;
	file->data = file->map.data;
	file->size = file->map.size;
	return ELM_OK;
}

elm_status elm__safetensors_add_file(elm__safetensors *st, const char *path, elm_error *error)
{
	const elm__st_file *file;
	elm_status status = elm__safetensors_add_plain(st, path, &file, error);

	return status == ELM_OK ? read_header(st, file, error) : status;
}

elm_status elm__safetensors_add_view(elm__safetensors *st, const char *name, uint32_t n_dims,
				     const uint64_t *dims, uint64_t offset, elm_error *error)
{
	const elm__st_file *file = &st->files[st->file_count - 1];
	header h = { .st = st, .file = file, .error = error };
	elm__st_tensor t = { .n_dims = n_dims, .elements = 1, .offset = offset }, *grown;

	t.dtype = &dtypes[0];
	t.file = (uint32_t)(st->file_count - 1);
	for (uint32_t i = 0; i < ELM__ST_MAX_DIMS; i++) {
		t.dims[i] = i < n_dims ? dims[i] : 1;
		if (__builtin_mul_overflow(t.elements, t.dims[i], &t.elements))
			return bad(&h, name, "its shape is too large");
	}
	if (__builtin_mul_overflow(t.elements, (uint64_t)t.dtype->bytes, &t.bytes) ||
	    offset > file->size || t.bytes > file->size - offset)
		return bad(&h, name,
			   "its data does not lie in the file, which is damaged or cut off");
	t.data = file->data + offset;
	t.name = elm__arena_strndup(&st->arena, name, strlen(name));
	grown = elm__realloc_array(st->tensors, st->count + 1, sizeof(*grown));
	if (grown)
		st->tensors = grown;
	if (!grown || !t.name ||
	    !elm__gguf_index_add(&st->names, t.name, strlen(t.name), st->count))
		return no_memory(&h);
	st->tensors[st->count++] = t;
	return ELM_OK;
}

/* ---- writing ---- */

elm_status elm__st_writer_open(elm__st_writer *writer, const char *path, elm_error *error)
{
	elm_status status;

	memset(writer, 0, sizeof(*writer));
	status = elm__writer_open(&writer->file, path, error);
	if (status == ELM_OK)
		elm__buf_putc(&writer->header, '{');
	return status;
}

void elm__st_writer_declare(elm__st_writer *writer, const char *name, elm_type type,
			    uint32_t n_dims, const uint64_t *dims)
{
	const elm_type_info *info = elm_type_get(type);
	uint64_t elements = 1, begin = writer->bytes;

	/* Names are those of our own table: nothing in them needs an escape. */
	elm__buf_printf(&writer->header, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", begin ? "," : "",
			name, info->name);
	for (uint32_t i = 0; i < n_dims; i++) {
		elm__buf_printf(&writer->header, i ? ",%llu" : "%llu", (unsigned long long)dims[i]);
		elements *= dims[i];
	}
	writer->bytes += elements * info->block_bytes;
	elm__buf_printf(&writer->header, "],\"data_offsets\":[%llu,%llu]}",
			(unsigned long long)begin, (unsigned long long)writer->bytes);
}

elm_status elm__st_writer_begin(elm__st_writer *writer, elm_error *error)
{
	elm_status status;
	uint64_t length;

	elm__buf_putc(&writer->header, '}');
	while (writer->header.length % 8 && !writer->header.failed)
		elm__buf_putc(&writer->header, ' '); /* data begins aligned */
	status = elm__buf_status(&writer->header, error);
	if (status != ELM_OK)
		return status;
	length = writer->header.length;
	status = elm__writer_write(&writer->file, &length, sizeof(length), error);
	if (status == ELM_OK)
		status = elm__writer_write(&writer->file, writer->header.data,
					   writer->header.length, error);
	return status;
}

elm_status elm__st_writer_data(elm__st_writer *writer, const void *data, size_t size,
			       elm_error *error)
{
	writer->given += size;
	return elm__writer_write(&writer->file, data, size, error);
}

elm_status elm__st_writer_finish(elm__st_writer *writer, elm_error *error)
{
	if (writer->given != writer->bytes)
		return elm_error_set(error, ELM_ERR_INTERNAL,
				     "%s: %llu bytes of data were given, %llu declared",
				     writer->file.path, (unsigned long long)writer->given,
				     (unsigned long long)writer->bytes);
	return elm__writer_commit(&writer->file, error);
}

void elm__st_writer_close(elm__st_writer *writer)
{
	elm__writer_close(&writer->file);
	elm__buf_release(&writer->header);
}

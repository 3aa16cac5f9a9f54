/* access.c: opening, closing, look-up and typed values. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "gguf/forget.h"
#include "gguf/internal.h"

enum { FIRST_CAPACITY = 16 };

void *elm__gguf_grow(void *array, size_t count, size_t *capacity, size_t element_size)
{
	size_t wanted = FIRST_CAPACITY;
	void *grown;

	if (count < *capacity)
		return array;
	if (*capacity && !elm__mul(*capacity, 2, &wanted))
		return NULL;
	grown = elm__realloc_array(array, wanted, element_size);
	if (grown)
		*capacity = wanted;
	return grown;
}

elm_status elm__gguf_create(const char *path, elm_gguf **out, elm_error *error)
{
	elm_gguf *gguf = elm__calloc(1, sizeof(*gguf));

	*out = NULL;
	if (!gguf)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", path);
	elm__arena_init(&gguf->arena, 0);
	elm__gguf_index_init(&gguf->keys);
	elm__gguf_index_init(&gguf->names);
	gguf->path = elm__strdup(path);
	if (!gguf->path) {
		elm_gguf_close(gguf);
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", path);
	}
	*out = gguf;
	return ELM_OK;
}

void elm_gguf_close(elm_gguf *gguf)
{
	if (!gguf)
		return;
	for (size_t i = 0; i < gguf->part_count; i++)
		elm_gguf_close(gguf->parts[i]);
	elm__free(gguf->parts);
	elm__gguf_index_release(&gguf->keys);
	elm__gguf_index_release(&gguf->names);
	elm__arena_release(&gguf->arena);
	elm__free(gguf->kvs);
	elm__free(gguf->tensors);
	elm__map_release(&gguf->map);
	elm__free(gguf->path);
	elm__free(gguf);
}

elm_status elm__gguf_open_one(const char *path, elm_gguf **out, elm_error *error)
{
	elm_gguf *gguf;
	elm_status status = elm__gguf_create(path, &gguf, error);

	*out = NULL;
	if (status != ELM_OK)
		return status;
	status = elm__map_open(&gguf->map, path, error);
	if (status == ELM_OK) {
		gguf->data = gguf->map.data;
		gguf->size = gguf->map.size;
		status = elm__gguf_parse(gguf, error);
	}
	if (status != ELM_OK) {
		elm_gguf_close(gguf);
		return status;
	}
	*out = gguf;
	return ELM_OK;
}

elm_status elm_gguf_open(const char *path, elm_gguf **out, elm_error *error)
{
	elm_status status = elm__gguf_open_one(path, out, error);

	if (status != ELM_OK)
		return status;
	status = elm__gguf_join_splits(*out, error);
	if (status != ELM_OK) {
		elm_gguf_close(*out);
		*out = NULL;
	}
	return status;
}

elm_status elm_gguf_open_memory(const char *name, const void *data, size_t size, elm_gguf **out,
				elm_error *error)
{
	elm_gguf *gguf;
	elm_status status;

	*out = NULL;
	if ((uintptr_t)data % ELM__GGUF_MIN_ALIGNMENT)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "%s: the memory is not aligned to %d bytes", name,
				     ELM__GGUF_MIN_ALIGNMENT);
	status = elm__gguf_create(name, &gguf, error);
	if (status != ELM_OK)
		return status;
	gguf->data = data;
	gguf->size = size;
	status = elm__gguf_parse(gguf, error);
	if (status == ELM_OK && elm__gguf_is_split(gguf))
		status = elm_error_set(error, ELM_ERR_UNSUPPORTED,
				       "%s: a split model cannot be opened from memory", name);
	if (status != ELM_OK) {
		elm_gguf_close(gguf);
		return status;
	}
	*out = gguf;
	return ELM_OK;
}

void elm__gguf_forget(const elm_gguf *gguf, const elm_gguf_tensor *tensor)
{
	if (gguf->map.data)
		elm__map_forget(tensor->data, (size_t)tensor->bytes);
}

const char *elm_gguf_path(const elm_gguf *gguf)
{
	return gguf->path;
}

uint32_t elm_gguf_version(const elm_gguf *gguf)
{
	return gguf->version;
}

uint32_t elm_gguf_alignment(const elm_gguf *gguf)
{
	return gguf->alignment;
}

size_t elm_gguf_split_count(const elm_gguf *gguf)
{
	return 1 + gguf->part_count;
}

uint64_t elm_gguf_file_bytes(const elm_gguf *gguf)
{
	uint64_t bytes = gguf->size;

	for (size_t i = 0; i < gguf->part_count; i++)
		bytes += gguf->parts[i]->size;
	return bytes;
}

const char *elm_gguf_file_path(const elm_gguf *gguf, size_t index)
{
	return index ? gguf->parts[index - 1]->path : gguf->path;
}

size_t elm_gguf_kv_count(const elm_gguf *gguf)
{
	return gguf->kv_count;
}

const elm_gguf_kv *elm_gguf_kv_at(const elm_gguf *gguf, size_t index)
{
	return &gguf->kvs[index];
}

const elm_gguf_kv *elm_gguf_find(const elm_gguf *gguf, const char *key)
{
	size_t index = elm__gguf_index_find(&gguf->keys, key, strlen(key));

	return index == ELM__GGUF_NONE ? NULL : &gguf->kvs[index];
}

size_t elm_gguf_tensor_count(const elm_gguf *gguf)
{
	return gguf->tensor_count;
}

const elm_gguf_tensor *elm_gguf_tensor_at(const elm_gguf *gguf, size_t index)
{
	return &gguf->tensors[index];
}

const elm_gguf_tensor *elm_gguf_tensor_find(const elm_gguf *gguf, const char *name)
{
	size_t index = elm__gguf_index_find(&gguf->names, name, strlen(name));

	return index == ELM__GGUF_NONE ? NULL : &gguf->tensors[index];
}

/* name in print, bytes of a value */
static const struct {
	const char *name;
	size_t size;
} kinds[] = {
	[ELM_GGUF_U8] = { "u8", 1 },	     [ELM_GGUF_I8] = { "i8", 1 },
	[ELM_GGUF_U16] = { "u16", 2 },	     [ELM_GGUF_I16] = { "i16", 2 },
	[ELM_GGUF_U32] = { "u32", 4 },	     [ELM_GGUF_I32] = { "i32", 4 },
	[ELM_GGUF_F32] = { "f32", 4 },	     [ELM_GGUF_BOOL] = { "bool", 1 },
	[ELM_GGUF_STRING] = { "string", 0 }, [ELM_GGUF_ARRAY] = { "array", 0 },
	[ELM_GGUF_U64] = { "u64", 8 },	     [ELM_GGUF_I64] = { "i64", 8 },
	[ELM_GGUF_F64] = { "f64", 8 },
};

static bool known(elm_gguf_kind kind)
{
	return (size_t)kind < sizeof(kinds) / sizeof(kinds[0]);
}

const char *elm_gguf_kind_name(elm_gguf_kind kind)
{
	return known(kind) ? kinds[kind].name : "unknown";
}

size_t elm__gguf_kind_size(elm_gguf_kind kind)
{
	return known(kind) ? kinds[kind].size : 0;
}

static bool is_integer(elm_gguf_kind kind)
{
	return elm__gguf_kind_size(kind) && kind != ELM_GGUF_F32 && kind != ELM_GGUF_F64 &&
	       kind != ELM_GGUF_BOOL;
}

/* Values lie unaligned in the file. */
#define LOAD(type, kv, index) load_##type((kv)->payload + (index) * sizeof(type))
#define DEFINE_LOAD(type)                             \
	static type load_##type(const uint8_t *bytes) \
	{                                             \
		type value;                           \
                                                      \
		memcpy(&value, bytes, sizeof(value)); \
		return value;                         \
	}
DEFINE_LOAD(uint16_t)
DEFINE_LOAD(int16_t)
DEFINE_LOAD(uint32_t)
DEFINE_LOAD(int32_t)
DEFINE_LOAD(uint64_t)
DEFINE_LOAD(int64_t)
DEFINE_LOAD(float)
DEFINE_LOAD(double)

int64_t elm_gguf_i64_at(const elm_gguf_kv *kv, uint64_t index)
{
	uint64_t large;

	switch (kv->element_kind) {
	case ELM_GGUF_U8:
	case ELM_GGUF_BOOL:
		return kv->payload[index];
	case ELM_GGUF_I8:
		return (int8_t)kv->payload[index];
	case ELM_GGUF_U16:
		return LOAD(uint16_t, kv, index);
	case ELM_GGUF_I16:
		return LOAD(int16_t, kv, index);
	case ELM_GGUF_U32:
		return LOAD(uint32_t, kv, index);
	case ELM_GGUF_I32:
		return LOAD(int32_t, kv, index);
	case ELM_GGUF_U64:
		large = LOAD(uint64_t, kv, index);
		return large > INT64_MAX ? INT64_MAX : (int64_t)large;
	case ELM_GGUF_I64:
		return LOAD(int64_t, kv, index);
	default:
		return 0;
	}
}

double elm_gguf_f64_at(const elm_gguf_kv *kv, uint64_t index)
{
	switch (kv->element_kind) {
	case ELM_GGUF_F32:
		return LOAD(float, kv, index);
	case ELM_GGUF_F64:
		return LOAD(double, kv, index);
	case ELM_GGUF_U64:
		return (double)LOAD(uint64_t, kv, index);
	default:
		return (double)elm_gguf_i64_at(kv, index);
	}
}

elm_gguf_string elm_gguf_string_at(const elm_gguf_kv *kv, uint64_t index)
{
	elm_gguf_string string = { "", 0 };
	const uint8_t *at = kv->payload;

	if (kv->element_kind != ELM_GGUF_STRING)
		return string;
	if (kv->string_offsets)
		at += kv->string_offsets[index];
	string.length = (size_t)load_uint64_t(at);
	string.data = (const char *)at + sizeof(uint64_t);
	return string;
}

size_t elm__gguf_payload_bytes(const elm_gguf_kv *kv)
{
	elm_gguf_string last;

	if (kv->element_kind != ELM_GGUF_STRING)
		return (size_t)kv->count * elm__gguf_kind_size(kv->element_kind);
	if (!kv->count)
		return 0;
	last = elm_gguf_string_at(kv, kv->count - 1);
	return (size_t)((const uint8_t *)last.data - kv->payload) + last.length;
}

static elm_status find_entry(const elm_gguf *gguf, const char *key, const elm_gguf_kv **out,
			     elm_error *error)
{
	*out = elm_gguf_find(gguf, key);
	if (!*out)
		return elm_error_set(error, ELM_ERR_NOT_FOUND,
				     "%s: the metadata has no %s, which is needed", gguf->path,
				     key);
	return ELM_OK;
}

static elm_status wrong_kind(const elm_gguf *gguf, const elm_gguf_kv *kv, const char *key,
			     const char *wanted, elm_error *error)
{
	if (kv->kind == ELM_GGUF_ARRAY)
		return elm_error_set(error, ELM_ERR_FORMAT, "%s: %s is an array of %s, not %s",
				     gguf->path, key, elm_gguf_kind_name(kv->element_kind), wanted);
	return elm_error_set(error, ELM_ERR_FORMAT, "%s: %s is of kind %s, not %s", gguf->path, key,
			     elm_gguf_kind_name(kv->kind), wanted);
}

elm_status elm_gguf_get_u32(const elm_gguf *gguf, const char *key, uint32_t *out, elm_error *error)
{
	const elm_gguf_kv *kv;
	elm_status status = find_entry(gguf, key, &kv, error);
	int64_t value;

	if (status != ELM_OK)
		return status;
	if (!is_integer(kv->kind))
		return wrong_kind(gguf, kv, key, "an integer", error);
	value = elm_gguf_i64_at(kv, 0);
	if (value < 0 || value > UINT32_MAX)
		return elm_error_set(error, ELM_ERR_FORMAT, "%s: %s is %lld, not from 0 to %u",
				     gguf->path, key, (long long)value, UINT32_MAX);
	*out = (uint32_t)value;
	return ELM_OK;
}

elm_status elm_gguf_get_f32(const elm_gguf *gguf, const char *key, float *out, elm_error *error)
{
	const elm_gguf_kv *kv;
	elm_status status = find_entry(gguf, key, &kv, error);
	double value;

	if (status != ELM_OK)
		return status;
	if (kv->kind != ELM_GGUF_F32 && kv->kind != ELM_GGUF_F64 && !is_integer(kv->kind))
		return wrong_kind(gguf, kv, key, "a number", error);
	value = elm_gguf_f64_at(kv, 0);
	if (isfinite(value) && fabs(value) > FLT_MAX)
		return elm_error_set(error, ELM_ERR_FORMAT, "%s: %s is %g, too large for f32",
				     gguf->path, key, value);
	*out = (float)value;
	return ELM_OK;
}

elm_status elm_gguf_get_bool(const elm_gguf *gguf, const char *key, bool *out, elm_error *error)
{
	const elm_gguf_kv *kv;
	elm_status status = find_entry(gguf, key, &kv, error);

	if (status != ELM_OK)
		return status;
	if (kv->kind != ELM_GGUF_BOOL)
		return wrong_kind(gguf, kv, key, "a boolean", error);
	*out = kv->payload[0];
	return ELM_OK;
}

elm_status elm_gguf_get_string(const elm_gguf *gguf, const char *key, elm_gguf_string *out,
			       elm_error *error)
{
	const elm_gguf_kv *kv;
	elm_status status = find_entry(gguf, key, &kv, error);

	if (status != ELM_OK)
		return status;
	if (kv->kind != ELM_GGUF_STRING)
		return wrong_kind(gguf, kv, key, "a string", error);
	*out = elm_gguf_string_at(kv, 0);
	return ELM_OK;
}

elm_status elm_gguf_get_array(const elm_gguf *gguf, const char *key, elm_gguf_kind kind,
			      const elm_gguf_kv **out, elm_error *error)
{
	const elm_gguf_kv *kv;
	elm_status status = find_entry(gguf, key, &kv, error);
	char wanted[32];

	if (status != ELM_OK)
		return status;
	if (kv->kind != ELM_GGUF_ARRAY || kv->element_kind != kind) {
		snprintf(wanted, sizeof(wanted), "an array of %s", elm_gguf_kind_name(kind));
		return wrong_kind(gguf, kv, key, wanted, error);
	}
	*out = kv;
	return ELM_OK;
}

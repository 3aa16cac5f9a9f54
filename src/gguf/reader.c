/*
 * reader.c: one file, from its bytes to checked tables. docs/FORMAT-GGUF.md has the layout.
 *
 * Everything is read through a cursor that knows where the file ends and where in the file's
 * structure it stands, so that every refusal can say file, entry, name and byte. Tables grow as
 * entries are found to be there; a count in the file allocates nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "gguf/internal.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "GGUF values and tensors are used in place: this needs a little-endian processor"
#endif

enum {
	/* The least that an entry can take: lengths and a name of one byte included. */
	MIN_KV_BYTES = 8 + 1 + 4 + 1,
	MIN_TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8,
	SHOWN_NAME = 100
};

typedef struct cursor {
	elm_gguf *gguf;
	size_t at;
	const char *section; /* "header", "metadata entry", "tensor" */
	size_t index;	     /* in the section */
	uint64_t start;	     /* where the entry begins */
	const char *name;    /* of the entry, once it is known to be printable */
	size_t name_length;
	bool in_array; /* of strings: `element` is the one being read */
	uint64_t element;
	elm_error *error;
	elm_status status;
} cursor;

/* Writes "FILE: metadata entry 3 'general.name' at byte 120: " and the sentence; returns false. */
ELM_PRINTF(3, 4)
static bool fail(cursor *c, elm_status status, const char *format, ...)
{
	char name[SHOWN_NAME + sizeof(" ''")] = "";
	size_t shown = c->name_length < SHOWN_NAME ? c->name_length : SHOWN_NAME;
	va_list args;

	c->status = status;
	if (!c->error)
		return false;
	va_start(args, format);
	elm_error_setv(c->error, status, format, args);
	va_end(args);
	if (c->name) {
		name[0] = ' ';
		name[1] = '\'';
		memcpy(name + 2, c->name, shown);
		name[2 + shown] = '\'';
		name[3 + shown] = '\0';
	}
	if (!strcmp(c->section, "header"))
		elm_error_prefix(c->error, "%s: header", c->gguf->path);
	else
		elm_error_prefix(c->error, "%s: %s %zu%s at byte %llu", c->gguf->path, c->section,
				 c->index, name, (unsigned long long)c->start);
	return false;
}

static bool out_of_memory(cursor *c)
{
	return fail(c, ELM_ERR_NO_MEMORY, "out of memory");
}

static void enter(cursor *c, const char *section, size_t index)
{
	c->section = section;
	c->index = index;
	c->start = c->at;
	c->name = NULL;
	c->name_length = 0;
}

static size_t bytes_left(const cursor *c)
{
	return c->gguf->size - c->at;
}

/* The next `size` bytes, or NULL when the file ends before. */
static const uint8_t *take(cursor *c, const char *field, uint64_t size)
{
	const uint8_t *bytes;
	char element[48] = "";

	if (size > bytes_left(c)) {
		if (c->in_array)
			snprintf(element, sizeof(element), " %llu of the array",
				 (unsigned long long)c->element);
		fail(c, ELM_ERR_FORMAT,
		     "%s%s at byte %zu needs %llu bytes but only %zu are left; the file is cut off "
		     "or damaged, fetch it again",
		     field, element, c->at, (unsigned long long)size, bytes_left(c));
		return NULL;
	}
	bytes = c->gguf->data + c->at;
	c->at += (size_t)size;
	return bytes;
}

static bool take_u32(cursor *c, const char *field, uint32_t *out)
{
	const uint8_t *bytes = take(c, field, sizeof(*out));

	*out = 0;
	if (bytes)
		memcpy(out, bytes, sizeof(*out));
	return bytes;
}

static bool take_u64(cursor *c, const char *field, uint64_t *out)
{
	const uint8_t *bytes = take(c, field, sizeof(*out));

	*out = 0;
	if (bytes)
		memcpy(out, bytes, sizeof(*out));
	return bytes;
}

static bool take_string(cursor *c, const char *field, elm_gguf_string *out)
{
	uint64_t length;

	if (!take_u64(c, field, &length))
		return false;
	out->data = (const char *)take(c, field, length);
	out->length = (size_t)length;
	return out->data;
}

/* A key or a tensor name: it identifies, is printed and compared, so it must be plain text. */
static bool take_name(cursor *c, const char *field, size_t limit, elm_gguf_string *out)
{
	if (!take_string(c, field, out))
		return false;
	if (!out->length || out->length > limit)
		return fail(c, ELM_ERR_FORMAT, "the %s has %zu bytes, not 1 to %zu", field,
			    out->length, limit);
	if (!elm__utf8_valid(out->data, out->length))
		return fail(c, ELM_ERR_FORMAT, "the %s is not valid UTF-8", field);
	for (size_t i = 0; i < out->length; i++)
		if ((unsigned char)out->data[i] < 0x20 || out->data[i] == 0x7f)
			return fail(c, ELM_ERR_FORMAT, "the %s contains a control character",
				    field);
	c->name = out->data;
	c->name_length = out->length;
	return true;
}

static bool check_kind(cursor *c, const char *field, uint32_t kind)
{
	if (kind > ELM_GGUF_F64)
		return fail(c, ELM_ERR_FORMAT, "the %s is %u, which is none of GGUF's (0 to %d)",
			    field, kind, ELM_GGUF_F64);
	return true;
}

static bool check_bools(cursor *c, const uint8_t *values, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		if (values[i] > 1)
			return fail(c, ELM_ERR_FORMAT,
				    "boolean value %llu is %u, which is neither 0 nor 1",
				    (unsigned long long)i, values[i]);
	return true;
}

/* Two walks: the first only checks, so that the table is made for strings that exist. */
static bool take_string_array(cursor *c, elm_gguf_kv *kv)
{
	size_t begin = c->at;
	elm_gguf_string string;
	uint64_t *offsets;

	c->in_array = true;
	for (c->element = 0; c->element < kv->count; c->element++)
		if (!take_string(c, "string", &string))
			return false;
	c->in_array = false;
	offsets = elm__arena_calloc(&c->gguf->arena, (size_t)kv->count, sizeof(*offsets));
	if (!offsets)
		return out_of_memory(c);
	c->at = begin;
	for (uint64_t i = 0; i < kv->count; i++) {
		offsets[i] = c->at - begin;
		if (!take_string(c, "string", &string))
			return false;
	}
	kv->string_offsets = offsets;
	return true;
}

static bool take_array(cursor *c, elm_gguf_kv *kv)
{
	const uint8_t *bytes;
	size_t size;
	uint32_t kind;

	if (!take_u32(c, "array element kind", &kind) || !take_u64(c, "array length", &kv->count) ||
	    !check_kind(c, "array element kind", kind))
		return false;
	if (kind == ELM_GGUF_ARRAY)
		return fail(c, ELM_ERR_UNSUPPORTED, "arrays of arrays are not supported");
	kv->element_kind = (elm_gguf_kind)kind;
	kv->payload = c->gguf->data + c->at;
	size = kind == ELM_GGUF_STRING ? sizeof(uint64_t) : elm__gguf_kind_size(kv->element_kind);
	if (kv->count > bytes_left(c) / size)
		return fail(
			c, ELM_ERR_FORMAT,
			"an array of %llu elements cannot fit in the %zu bytes that are left in "
			"the file",
			(unsigned long long)kv->count, bytes_left(c));
	if (kind == ELM_GGUF_STRING)
		return take_string_array(c, kv);
	bytes = take(c, "array", kv->count * size);
	return bytes && (kind != ELM_GGUF_BOOL || check_bools(c, bytes, kv->count));
}

static bool take_value(cursor *c, elm_gguf_kv *kv)
{
	const uint8_t *bytes;
	elm_gguf_string string;
	uint32_t kind;

	if (!take_u32(c, "value kind", &kind) || !check_kind(c, "value kind", kind))
		return false;
	kv->kind = kv->element_kind = (elm_gguf_kind)kind;
	kv->count = 1;
	kv->payload = c->gguf->data + c->at;
	kv->string_offsets = NULL;
	if (kind == ELM_GGUF_ARRAY)
		return take_array(c, kv);
	if (kind == ELM_GGUF_STRING)
		return take_string(c, "string", &string);
	bytes = take(c, "value", elm__gguf_kind_size(kv->kind));
	return bytes && (kind != ELM_GGUF_BOOL || check_bools(c, bytes, 1));
}

static bool take_kv(cursor *c)
{
	elm_gguf *gguf = c->gguf;
	elm_gguf_kv kv, *grown;
	size_t first;

	if (!take_name(c, "key", ELM__GGUF_MAX_KEY, &kv.key))
		return false;
	first = elm__gguf_index_find(&gguf->keys, kv.key.data, kv.key.length);
	if (first != ELM__GGUF_NONE)
		return fail(c, ELM_ERR_FORMAT, "the key is already that of entry %zu", first);
	if (!take_value(c, &kv))
		return false;
	grown = elm__gguf_grow(gguf->kvs, gguf->kv_count, &gguf->kv_capacity, sizeof(kv));
	if (!grown)
		return out_of_memory(c);
	gguf->kvs = grown;
	if (!elm__gguf_index_add(&gguf->keys, kv.key.data, kv.key.length, gguf->kv_count))
		return out_of_memory(c);
	gguf->kvs[gguf->kv_count++] = kv;
	return true;
}

/* Types that exist in GGUF files but not here, so that the refusal can call them by name. */
static const char *foreign_type_name(uint32_t type)
{
	static const char *const names[] = {
		[4] = "Q4_2",	     [5] = "Q4_3",	  [9] = "Q8_1",	       [15] = "Q8_K",
		[16] = "IQ2_XXS",    [17] = "IQ2_XS",	  [18] = "IQ3_XXS",    [19] = "IQ1_S",
		[21] = "IQ3_S",	     [22] = "IQ2_S",	  [29] = "IQ1_M",      [31] = "Q4_0_4_4",
		[32] = "Q4_0_4_8",   [33] = "Q4_0_8_8",	  [34] = "TQ1_0",      [35] = "TQ2_0",
		[36] = "IQ4_NL_4_4", [37] = "IQ4_NL_4_8", [38] = "IQ4_NL_8_8", [39] = "MXFP4",
		[40] = "NVFP4",	     [41] = "Q1_0",	  [42] = "Q2_0"
	};

	return type < sizeof(names) / sizeof(names[0]) ? names[type] : NULL;
}

static bool take_shape(cursor *c, elm_gguf_tensor *tensor)
{
	if (!take_u32(c, "dimension count", &tensor->n_dims))
		return false;
	if (tensor->n_dims < 1 || tensor->n_dims > ELM_GGUF_MAX_DIMS)
		return fail(c, ELM_ERR_FORMAT, "it has %u dimensions, not 1 to %d", tensor->n_dims,
			    ELM_GGUF_MAX_DIMS);
	tensor->elements = 1;
	for (uint32_t i = 0; i < ELM_GGUF_MAX_DIMS; i++) {
		tensor->dims[i] = 1;
		if (i < tensor->n_dims && !take_u64(c, "dimension", &tensor->dims[i]))
			return false;
		if (!tensor->dims[i])
			return fail(c, ELM_ERR_FORMAT, "dimension %u is 0", i);
		if (__builtin_mul_overflow(tensor->elements, tensor->dims[i], &tensor->elements) ||
		    tensor->elements > INT64_MAX)
			return fail(c, ELM_ERR_FORMAT,
				    "dimension %u is %llu: the product of the "
				    "dimensions does not fit in 63 bits",
				    i, (unsigned long long)tensor->dims[i]);
	}
	return true;
}

static bool take_type(cursor *c, elm_gguf_tensor *tensor)
{
	const elm_type_info *info;
	uint32_t type;
	uint64_t row;

	if (!take_u32(c, "type", &type))
		return false;
	info = elm_type_get(type);
	if (!info && foreign_type_name(type))
		return fail(
			c, ELM_ERR_UNSUPPORTED,
			"its type %u (%s) is not supported; use a file with another quantisation",
			type, foreign_type_name(type));
	if (!info)
		return fail(c, ELM_ERR_UNSUPPORTED, "its type %u is not known", type);
	tensor->type = (elm_type)type;
	if (tensor->dims[0] % info->block_elements)
		return fail(c, ELM_ERR_FORMAT,
			    "its rows of %llu elements are not a multiple of the %u of a %s block",
			    (unsigned long long)tensor->dims[0], info->block_elements, info->name);
	if (elm_type_row_bytes(tensor->type, tensor->dims[0], &row) != ELM_OK ||
	    __builtin_mul_overflow(row, tensor->elements / tensor->dims[0], &tensor->bytes))
		return fail(c, ELM_ERR_FORMAT, "its size in bytes does not fit in 64 bits");
	return true;
}

static bool take_tensor(cursor *c)
{
	elm_gguf *gguf = c->gguf;
	elm_gguf_tensor tensor, *grown;
	elm_gguf_string name;
	size_t first;
	char *copy;

	memset(&tensor, 0, sizeof(tensor));
	if (!take_name(c, "name", ELM__GGUF_MAX_NAME, &name))
		return false;
	first = elm__gguf_index_find(&gguf->names, name.data, name.length);
	if (first != ELM__GGUF_NONE)
		return fail(c, ELM_ERR_FORMAT, "the name is already that of tensor %zu", first);
	if (!take_shape(c, &tensor) || !take_type(c, &tensor) ||
	    !take_u64(c, "data offset", &tensor.offset))
		return false;
	grown = elm__gguf_grow(gguf->tensors, gguf->tensor_count, &gguf->tensor_capacity,
			       sizeof(tensor));
	if (!grown)
		return out_of_memory(c);
	gguf->tensors = grown;
	copy = elm__arena_strndup(&gguf->arena, name.data, name.length);
	if (!copy || !elm__gguf_index_add(&gguf->names, copy, name.length, gguf->tensor_count))
		return out_of_memory(c);
	tensor.name = copy;
	gguf->tensors[gguf->tensor_count++] = tensor;
	return true;
}

typedef struct extent {
	uint64_t begin, end;
	size_t index;
} extent;

static int compare_extents(const void *left, const void *right)
{
	const extent *a = left, *b = right;

	return (a->begin > b->begin) - (a->begin < b->begin);
}

static void enter_data(cursor *c, size_t index, uint64_t start)
{
	enter(c, "data of tensor", index);
	c->start = start;
	c->name = c->gguf->tensors[index].name;
	c->name_length = strlen(c->name);
}

/* Sharing bytes could do no harm here, but no writer makes such a file: its offsets are wrong. */
static bool check_overlaps(cursor *c, extent *extents)
{
	size_t count = c->gguf->tensor_count;

	qsort(extents, count, sizeof(*extents), compare_extents);
	for (size_t i = 1; i < count; i++) {
		size_t before = extents[i - 1].index;

		if (extents[i].begin >= extents[i - 1].end)
			continue;
		enter_data(c, extents[i].index, extents[i].begin);
		return fail(c, ELM_ERR_FORMAT,
			    "it overlaps the data of tensor %zu '%.100s', which ends at byte %llu",
			    before, c->gguf->tensors[before].name,
			    (unsigned long long)extents[i - 1].end);
	}
	return true;
}

/* Turns the offset of a tensor, until here relative to `data_begin`, into a place in the file. */
static bool place_tensor(cursor *c, size_t index, uint64_t data_begin, extent *out)
{
	elm_gguf *gguf = c->gguf;
	elm_gguf_tensor *tensor = &gguf->tensors[index];
	uint64_t begin, end;

	if (__builtin_add_overflow(data_begin, tensor->offset, &begin))
		begin = UINT64_MAX;
	enter_data(c, index, begin);
	if (tensor->offset & (gguf->alignment - 1))
		return fail(c, ELM_ERR_FORMAT,
			    "its offset %llu is not a multiple of the alignment %u",
			    (unsigned long long)tensor->offset, gguf->alignment);
	if (__builtin_add_overflow(begin, tensor->bytes, &end) || end > gguf->size)
		return fail(c, ELM_ERR_FORMAT,
			    "its %llu bytes go past the end of the file (%zu bytes); the file is "
			    "cut off or damaged, fetch it again",
			    (unsigned long long)tensor->bytes, gguf->size);
	tensor->offset = begin;
	tensor->data = gguf->data + begin;
	*out = (extent){ begin, end, index };
	return true;
}

static bool place_tensors(cursor *c)
{
	elm_gguf *gguf = c->gguf;
	uint64_t mask = gguf->alignment - 1, data_begin = (c->at + mask) & ~mask;
	extent *extents;
	bool ok = true;

	if (!gguf->tensor_count)
		return true;
	extents = elm__calloc(gguf->tensor_count, sizeof(*extents));
	if (!extents)
		return out_of_memory(c);
	for (size_t i = 0; i < gguf->tensor_count && ok; i++)
		ok = place_tensor(c, i, data_begin, &extents[i]);
	ok = ok && check_overlaps(c, extents);
	elm__free(extents);
	return ok;
}

/* What people give us that is not GGUF, recognised by its first bytes. */
static const char *other_format(const uint8_t *data, size_t size)
{
	static const struct {
		const char *start, *what;
	} known[] = {
		{ "version https://git-lfs", "a Git LFS pointer; fetch the file itself" },
		{ "tjgg", "a GGML file from before GGUF; convert the original model again" },
		{ "lmgg", "a GGML file from before GGUF; convert the original model again" },
		{ "fmgg", "a GGML file from before GGUF; convert the original model again" },
		{ "PK\003\004", "a zip archive or a PyTorch checkpoint" },
		{ "<!DOCTYPE", "a web page; the download went wrong" },
		{ "<html", "a web page; the download went wrong" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t length = strlen(known[i].start);

		if (size >= length && !memcmp(data, known[i].start, length))
			return known[i].what;
	}
	return "no GGUF file, it does not begin with 'GGUF'";
}

static bool take_header(cursor *c, uint64_t *tensor_count, uint64_t *kv_count)
{
	elm_gguf *gguf = c->gguf;
	if (gguf->size && (gguf->size < 4 || memcmp(gguf->data, "GGUF", 4)))
		return fail(c, ELM_ERR_FORMAT, "this is %s", other_format(gguf->data, gguf->size));
	if (!take(c, "magic", 4) || !take_u32(c, "version", &gguf->version))
		return false;
	if (!(gguf->version & 0xffff) && gguf->version)
		return fail(
			c, ELM_ERR_UNSUPPORTED,
			"this is a big-endian GGUF file; convert the model again for little-endian "
			"machines");
	if (gguf->version < 2 || gguf->version > ELM__GGUF_VERSION)
		return fail(
			c, ELM_ERR_UNSUPPORTED,
			"GGUF version %u is not supported, only 2 and 3; convert the model again",
			gguf->version);
	if (!take_u64(c, "tensor count", tensor_count) || !take_u64(c, "metadata count", kv_count))
		return false;
	if (*tensor_count > bytes_left(c) / MIN_TENSOR_BYTES)
		return fail(c, ELM_ERR_FORMAT,
			    "a tensor count of %llu cannot fit in the %zu bytes that follow",
			    (unsigned long long)*tensor_count, bytes_left(c));
	if (*kv_count > bytes_left(c) / MIN_KV_BYTES)
		return fail(c, ELM_ERR_FORMAT,
			    "a metadata count of %llu cannot fit in the %zu bytes that follow",
			    (unsigned long long)*kv_count, bytes_left(c));
	return true;
}

static bool set_alignment(cursor *c)
{
	elm_gguf *gguf = c->gguf;
	uint32_t value = ELM__GGUF_DEFAULT_ALIGNMENT;

	if (elm_gguf_find(gguf, ELM__GGUF_ALIGNMENT_KEY)) {
		c->status = elm_gguf_get_u32(gguf, ELM__GGUF_ALIGNMENT_KEY, &value, c->error);
		if (c->status != ELM_OK)
			return false;
	}
	if (value < ELM__GGUF_MIN_ALIGNMENT || value > ELM__GGUF_MAX_ALIGNMENT ||
	    (value & (value - 1))) {
		c->status = elm_error_set(c->error, ELM_ERR_FORMAT,
					  "%s: " ELM__GGUF_ALIGNMENT_KEY
					  " is %u, not a power of two from %d to %d",
					  gguf->path, value, ELM__GGUF_MIN_ALIGNMENT,
					  ELM__GGUF_MAX_ALIGNMENT);
		return false;
	}
	gguf->alignment = value;
	return true;
}

static bool parse(cursor *c)
{
	uint64_t tensor_count = 0, kv_count = 0;

	enter(c, "header", 0);
	if (!take_header(c, &tensor_count, &kv_count))
		return false;
	for (size_t i = 0; i < kv_count; i++) {
		enter(c, "metadata entry", i);
		if (!take_kv(c))
			return false;
	}
	if (!set_alignment(c))
		return false;
	for (size_t i = 0; i < tensor_count; i++) {
		enter(c, "tensor", i);
		if (!take_tensor(c))
			return false;
	}
	return place_tensors(c);
}

elm_status elm__gguf_parse(elm_gguf *gguf, elm_error *error)
{
	cursor c = { .gguf = gguf, .error = error, .status = ELM_OK };

	return parse(&c) ? ELM_OK : c.status;
}

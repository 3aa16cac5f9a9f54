/* internal.h: what the files of src/gguf/ share. */
#ifndef ELM_GGUF_INTERNAL_H
#define ELM_GGUF_INTERNAL_H

#include <edgelm/gguf.h>

#include "base/arena.h"
#include "base/file.h"
#include "gguf/index.h"

enum {
	ELM__GGUF_VERSION = 3,
	ELM__GGUF_DEFAULT_ALIGNMENT = 32,
	/* Below 8, plain types could not be read in place. The upper bound only keeps sums small.
	 */
	ELM__GGUF_MIN_ALIGNMENT = 8,
	ELM__GGUF_MAX_ALIGNMENT = 1 << 24,
	ELM__GGUF_MAX_KEY = 65535,
	ELM__GGUF_MAX_NAME = 255
};

#define ELM__GGUF_ALIGNMENT_KEY "general.alignment"
#define ELM__GGUF_SPLIT_NO_KEY "split.no"
#define ELM__GGUF_SPLIT_COUNT_KEY "split.count"
#define ELM__GGUF_SPLIT_TENSORS_KEY "split.tensors.count"

struct elm_gguf {
	char *path;
	elm__map map;	     /* zero when the file was given in memory */
	const uint8_t *data; /* the file */
	size_t size;

	uint32_t version, alignment;
	elm_gguf_kv *kvs;
	size_t kv_count, kv_capacity;
	elm_gguf_tensor *tensors; /* of all files of a split model */
	size_t tensor_count, tensor_capacity;
	elm__gguf_index keys, names;
	elm__arena arena; /* tensor names, offsets of strings */

	/* The second and later files of a split model: they keep their mapping and their names. */
	elm_gguf **parts;
	size_t part_count;
};

/* Makes the empty model of a path; elm_gguf_close frees it. */
ELM_NODISCARD elm_status elm__gguf_create(const char *path, elm_gguf **out, elm_error *error);

/* Maps and parses one file, without looking for others. */
ELM_NODISCARD elm_status elm__gguf_open_one(const char *path, elm_gguf **out, elm_error *error);

/* Fills everything from data[0..size): reader.c. */
ELM_NODISCARD elm_status elm__gguf_parse(elm_gguf *gguf, elm_error *error);

/* True when the metadata says that the model has other files. */
bool elm__gguf_is_split(const elm_gguf *gguf);

/* Opens the other files that the split.* metadata of the first speaks of: split.c. */
ELM_NODISCARD elm_status elm__gguf_join_splits(elm_gguf *gguf, elm_error *error);

/* The array with room for one more than `count` elements, perhaps moved; NULL (and the array as it
 * was) when memory runs out. */
void *elm__gguf_grow(void *array, size_t count, size_t *capacity, size_t element_size);

/* Size of one value of a kind, 0 for strings, arrays and unknown kinds. */
size_t elm__gguf_kind_size(elm_gguf_kind kind);

/* Bytes that the payload of a checked entry takes in its file. */
size_t elm__gguf_payload_bytes(const elm_gguf_kv *kv);

#endif

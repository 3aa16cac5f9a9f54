/*
 * edgelm/gguf.h: GGUF model files, read without copying and written. docs/FORMAT-GGUF.md has the
 * format.
 *
 * A file is hostile until elm_gguf_open has returned ELM_OK; from then on every name, count, offset
 * and length that these functions return has been checked against the file, and tensor data of
 * `bytes` bytes is readable at `data`. The contents of tensors are not looked at.
 *
 * An elm_gguf is read-only after it is opened: any number of threads may use it.
 */
#ifndef EDGELM_GGUF_H
#define EDGELM_GGUF_H

#include <edgelm/types.h>

typedef struct elm_gguf elm_gguf;

enum { ELM_GGUF_MAX_DIMS = 4 };

/* The kinds of metadata values, numbered as in the file. */
typedef enum elm_gguf_kind {
	ELM_GGUF_U8 = 0,
	ELM_GGUF_I8 = 1,
	ELM_GGUF_U16 = 2,
	ELM_GGUF_I16 = 3,
	ELM_GGUF_U32 = 4,
	ELM_GGUF_I32 = 5,
	ELM_GGUF_F32 = 6,
	ELM_GGUF_BOOL = 7,
	ELM_GGUF_STRING = 8,
	ELM_GGUF_ARRAY = 9,
	ELM_GGUF_U64 = 10,
	ELM_GGUF_I64 = 11,
	ELM_GGUF_F64 = 12
} elm_gguf_kind;

/* Bytes inside the mapped file: not NUL-terminated, may hold NULs, not necessarily UTF-8. */
typedef struct elm_gguf_string {
	const char *data;
	size_t length;
} elm_gguf_string;

typedef struct elm_gguf_kv {
	elm_gguf_string key; /* not empty, at most 65535 bytes */
	elm_gguf_kind kind;
	elm_gguf_kind element_kind; /* of an array, else `kind`; no arrays of arrays are opened */
	uint64_t count;		    /* elements of an array, else 1 */
	/* private: use the getters below */
	const uint8_t *payload;
	const uint64_t *string_offsets; /* arrays of strings: where each begins, from payload */
} elm_gguf_kv;

typedef struct elm_gguf_tensor {
	const char *name; /* NUL-terminated UTF-8 without control characters, unique in the model */
	elm_type type;
	uint32_t n_dims;		  /* 1 to 4 */
	uint64_t dims[ELM_GGUF_MAX_DIMS]; /* dims[0] is contiguous (the row length); unused are 1 */
	uint64_t elements;		  /* product of dims */
	uint64_t bytes;
	const void *data; /* in the mapping; its offset in the file is a multiple of the alignment
			     (32 by default, at least 8) */
	uint16_t split;	  /* which file of a split model holds it */
	uint64_t offset;  /* of data, from the start of that file */
} elm_gguf_tensor;

ELM_BEGIN_DECLS

/*
 * Opens a model. Of a split model ("name-00001-of-00003.gguf") give the first file; the others are
 * found beside it. On success *out is the caller's (elm_gguf_close); on failure *out is NULL and
 * the error names file, field and reason.
 */
ELM_API ELM_NODISCARD elm_status elm_gguf_open(const char *path, elm_gguf **out, elm_error *error);

/* The same from memory (not split), which must stay unchanged until close and be aligned to 8
 * bytes. `name` is used in errors. */
ELM_API ELM_NODISCARD elm_status elm_gguf_open_memory(const char *name, const void *data,
						      size_t size, elm_gguf **out,
						      elm_error *error);
ELM_API void elm_gguf_close(elm_gguf *gguf); /* NULL allowed */

ELM_API const char *elm_gguf_path(const elm_gguf *gguf);
ELM_API uint32_t elm_gguf_version(const elm_gguf *gguf);    /* 2 or 3 */
ELM_API uint32_t elm_gguf_alignment(const elm_gguf *gguf);  /* of tensor data, in bytes */
ELM_API size_t elm_gguf_split_count(const elm_gguf *gguf);  /* files, 1 if not split */
ELM_API uint64_t elm_gguf_file_bytes(const elm_gguf *gguf); /* of all files */
/* The path of one file, index < split count; 0 is the one that was opened. */
ELM_API const char *elm_gguf_file_path(const elm_gguf *gguf, size_t index);

/* Metadata, in file order (of the first file, for a split model). */
ELM_API size_t elm_gguf_kv_count(const elm_gguf *gguf);
ELM_API const elm_gguf_kv *elm_gguf_kv_at(const elm_gguf *gguf, size_t index);
ELM_API const elm_gguf_kv *elm_gguf_find(const elm_gguf *gguf, const char *key); /* or NULL */

/* Tensors, in file order. Look-up by name takes constant time. */
ELM_API size_t elm_gguf_tensor_count(const elm_gguf *gguf);
ELM_API const elm_gguf_tensor *elm_gguf_tensor_at(const elm_gguf *gguf, size_t index);
ELM_API const elm_gguf_tensor *elm_gguf_tensor_find(const elm_gguf *gguf, const char *name);

/*
 * Values. The get_ functions convert between the integer kinds when the value fits, and between the
 * float kinds; from integer to float too. An absent key is ELM_ERR_NOT_FOUND, another kind or a
 * value out of range ELM_ERR_FORMAT; both write a sentence that names the file and the key.
 */
ELM_API ELM_NODISCARD elm_status elm_gguf_get_u32(const elm_gguf *gguf, const char *key,
						  uint32_t *out, elm_error *error);
ELM_API ELM_NODISCARD elm_status elm_gguf_get_f32(const elm_gguf *gguf, const char *key, float *out,
						  elm_error *error);
ELM_API ELM_NODISCARD elm_status elm_gguf_get_bool(const elm_gguf *gguf, const char *key, bool *out,
						   elm_error *error);
ELM_API ELM_NODISCARD elm_status elm_gguf_get_string(const elm_gguf *gguf, const char *key,
						     elm_gguf_string *out, elm_error *error);
/* An array whose elements are of `kind` exactly; *out is the entry, for the element getters. */
ELM_API ELM_NODISCARD elm_status elm_gguf_get_array(const elm_gguf *gguf, const char *key,
						    elm_gguf_kind kind, const elm_gguf_kv **out,
						    elm_error *error);

/* Elements: index < kv->count is the caller's duty; a scalar is element 0. Integers and booleans
 * convert to i64 (u64 values above INT64_MAX saturate) and f64, floats to f64; other kinds give 0.
 * A string element of another kind is empty. */
ELM_API int64_t elm_gguf_i64_at(const elm_gguf_kv *kv, uint64_t index);
ELM_API double elm_gguf_f64_at(const elm_gguf_kv *kv, uint64_t index);
ELM_API elm_gguf_string elm_gguf_string_at(const elm_gguf_kv *kv, uint64_t index);

/* "u32", "string", ... for printing; "unknown" for other values. */
ELM_API const char *elm_gguf_kind_name(elm_gguf_kind kind);

/*
 * Writing, version 3. The alignment is a power of two from 8 to 2^24, usually 32. Set all metadata,
 * then declare all tensors, then begin, then give the data of the tensors in the order of their
 * declaration, in as many pieces as you like, then finish. The file appears under its path only
 * when finish succeeds. Any call may report the first failure; after it only elm_gguf_writer_free
 * is useful.
 */
typedef struct elm_gguf_writer elm_gguf_writer;

ELM_API ELM_NODISCARD elm_status elm_gguf_writer_create(const char *path, uint32_t alignment,
							elm_gguf_writer **out, elm_error *error);
/* `kind` is not ARRAY or STRING; `value` points to one value of that kind (uint8_t for BOOL).
 * Setting a key again replaces it. */
ELM_API ELM_NODISCARD elm_status elm_gguf_writer_set(elm_gguf_writer *writer, const char *key,
						     elm_gguf_kind kind, const void *value,
						     elm_error *error);
ELM_API ELM_NODISCARD elm_status elm_gguf_writer_set_u32(elm_gguf_writer *writer, const char *key,
							 uint32_t value, elm_error *error);
ELM_API ELM_NODISCARD elm_status elm_gguf_writer_set_f32(elm_gguf_writer *writer, const char *key,
							 float value, elm_error *error);
ELM_API ELM_NODISCARD elm_status elm_gguf_writer_set_bool(elm_gguf_writer *writer, const char *key,
							  bool value, elm_error *error);
ELM_API ELM_NODISCARD elm_status elm_gguf_writer_set_string(elm_gguf_writer *writer,
							    const char *key, const char *data,
							    size_t length, elm_error *error);
ELM_API ELM_NODISCARD elm_status elm_gguf_writer_set_array(elm_gguf_writer *writer, const char *key,
							   elm_gguf_kind kind, const void *values,
							   uint64_t count, elm_error *error);
ELM_API ELM_NODISCARD elm_status elm_gguf_writer_set_strings(elm_gguf_writer *writer,
							     const char *key,
							     const elm_gguf_string *values,
							     uint64_t count, elm_error *error);
/* Copies an entry of an opened file, of any kind. Entries that describe that file and not the model
 * (general.alignment, split.*) are left out. */
ELM_API ELM_NODISCARD elm_status elm_gguf_writer_copy(elm_gguf_writer *writer,
						      const elm_gguf_kv *kv, elm_error *error);
ELM_API ELM_NODISCARD elm_status elm_gguf_writer_add_tensor(elm_gguf_writer *writer,
							    const char *name, elm_type type,
							    uint32_t n_dims, const uint64_t *dims,
							    elm_error *error);
ELM_API ELM_NODISCARD elm_status elm_gguf_writer_begin(elm_gguf_writer *writer, elm_error *error);
ELM_API ELM_NODISCARD elm_status elm_gguf_writer_data(elm_gguf_writer *writer, const void *data,
						      size_t size, elm_error *error);
ELM_API ELM_NODISCARD elm_status elm_gguf_writer_finish(elm_gguf_writer *writer, elm_error *error);
ELM_API void elm_gguf_writer_free(
	elm_gguf_writer *writer); /* NULL allowed; drops an unfinished file */

ELM_END_DECLS

#endif

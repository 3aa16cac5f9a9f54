/*
 * safetensors.h: files of tensors as Hugging Face keeps them, read through a mapping and written.
 *
 * A file is 8 bytes (the length N of the header, little-endian), N bytes of JSON, and the data. The
 * JSON maps each name to {"dtype", "shape", "data_offsets": [begin, end)}, offsets counted from the
 * end of the header; "__metadata__" is a map of texts that we do not need. Large models are several
 * files with an index beside them (model.safetensors.index.json).
 *
 * Files are hostile: a tensor that these functions return lies within its file, overlaps no other,
 * and has exactly the size that its shape and type ask for. Its data need not be aligned.
 */
#ifndef ELM_CONVERT_SAFETENSORS_H
#define ELM_CONVERT_SAFETENSORS_H

#include <edgelm/types.h>

#include "base/arena.h"
#include "base/file.h"
#include "gguf/index.h"

enum { ELM__ST_MAX_DIMS = 8 };

typedef struct elm__st_dtype {
	const char *name; /* "BF16" */
	uint8_t bytes;
	bool known;    /* `type` is the same in GGUF */
	elm_type type; /* where known */
} elm__st_dtype;

typedef struct elm__st_tensor {
	const char *name; /* NUL-terminated, printable UTF-8 */
	const elm__st_dtype *dtype;
	uint32_t n_dims;		 /* 0 for a single number */
	uint64_t dims[ELM__ST_MAX_DIMS]; /* the last one is contiguous; unused are 1 */
	uint64_t elements, bytes;
	const uint8_t *data;
	uint64_t offset; /* of data in the file */
	uint32_t file;
} elm__st_tensor;

typedef struct elm__st_file {
	char *path;
	elm__map map; /* zero when given in memory */
	const uint8_t *data;
	size_t size;
} elm__st_file;

/* Zero-initialise by elm__safetensors_init. */
typedef struct elm__safetensors {
	elm__st_file *files;
	size_t file_count;
	elm__st_tensor *tensors; /* of all files, in no order */
	size_t count;
	elm__gguf_index names;
	elm__arena arena; /* names */
} elm__safetensors;

void elm__safetensors_init(elm__safetensors *st);
void elm__safetensors_release(elm__safetensors *st);

/* Adds the tensors of one file, or of bytes that stay unchanged until release; `path` is for
 * errors. */
ELM_NODISCARD elm_status elm__safetensors_add_file(elm__safetensors *st, const char *path,
						   elm_error *error);
ELM_NODISCARD elm_status elm__safetensors_add_memory(elm__safetensors *st, const char *path,
						     const void *data, size_t size,
						     elm_error *error);

/* Adds model.safetensors of a folder, or the files of its index, or its only file of that kind. */
ELM_NODISCARD elm_status elm__safetensors_add_folder(elm__safetensors *st, const char *folder,
						     elm_error *error);

/* Adds a tensor of F32 that lies at `offset` of the last file: for formats without a header.
 * ELM_ERR_FORMAT when it does not lie in the file. */
ELM_NODISCARD elm_status elm__safetensors_add_view(elm__safetensors *st, const char *name,
						   uint32_t n_dims, const uint64_t *dims,
						   uint64_t offset, elm_error *error);
/* Adds a file, or bytes, without looking into it. */
ELM_NODISCARD elm_status elm__safetensors_add_plain(elm__safetensors *st, const char *path,
						    const elm__st_file **out, elm_error *error);
ELM_NODISCARD elm_status elm__safetensors_add_bytes(elm__safetensors *st, const char *path,
						    const void *data, size_t size,
						    const elm__st_file **out, elm_error *error);

/* NULL when there is none of that name. */
const elm__st_tensor *elm__safetensors_find(const elm__safetensors *st, const char *name);

/* The path of the file that holds a tensor. */
const char *elm__safetensors_path(const elm__safetensors *st, const elm__st_tensor *tensor);

/*
 * Writing: declare all tensors, begin, then give their data in the same order, then finish. The
 * file appears under its path only when finish succeeds; elm__st_writer_close ends it in any case.
 */
typedef struct elm__st_writer {
	elm__writer file;
	elm__buf header;
	uint64_t bytes; /* declared */
	uint64_t given;
} elm__st_writer;

ELM_NODISCARD elm_status elm__st_writer_open(elm__st_writer *writer, const char *path,
					     elm_error *error);
/* `type` is F32, F16 or BF16. */
void elm__st_writer_declare(elm__st_writer *writer, const char *name, elm_type type,
			    uint32_t n_dims, const uint64_t *dims);
ELM_NODISCARD elm_status elm__st_writer_begin(elm__st_writer *writer, elm_error *error);
ELM_NODISCARD elm_status elm__st_writer_data(elm__st_writer *writer, const void *data, size_t size,
					     elm_error *error);
ELM_NODISCARD elm_status elm__st_writer_finish(elm__st_writer *writer, elm_error *error);
void elm__st_writer_close(elm__st_writer *writer);

#endif

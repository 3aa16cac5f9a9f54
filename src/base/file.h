/*
 * file.h: reading, mapping and atomically replacing files. Every error names the path and the
 * reason.
 */
#ifndef ELM_BASE_FILE_H
#define ELM_BASE_FILE_H

#include <edgelm/status.h>
#include <stdint.h>

#include "base/buffer.h"

/* A whole file mapped read-only and shared with other processes. */
typedef struct elm__map {
	const uint8_t *data; /* NULL for an empty file */
	size_t size;
} elm__map;

/* Maps a regular file. On failure *map is zeroed. Released by elm__map_release. */
ELM_NODISCARD elm_status elm__map_open(elm__map *map, const char *path, elm_error *error);
void elm__map_release(elm__map *map);

/* Takes the whole pages of a mapped range out of this process, so that they do not count as its
 * memory. They stay readable: touching one brings it back from the page cache. */
void elm__map_forget(const void *data, size_t size);

/*
 * Appends all of a file (or of standard input, path "-") to `out`, at most `limit` bytes; a longer
 * one is ELM_ERR_LIMIT. Pipes are allowed.
 */
ELM_NODISCARD elm_status elm__file_read(const char *path, size_t limit, elm__buf *out,
					elm_error *error);

/*
 * Atomic replacement: writes go to a temporary file in the same folder; commit makes them durable
 * (fsync), renames over `path` and makes the rename durable (fsync of the folder). At any moment
 * `path` is wholly the old file or wholly the new one. The permissions of a file that is replaced
 * are kept; what is not a regular file is refused. Always end with elm__writer_close, which removes
 * what was not committed.
 */
typedef struct elm__writer {
	int fd; /* -1 when closed */
	uint64_t offset;
	char *path, *temporary;
	elm__buf pending;
	bool failed; /* once a write has failed, commit refuses */
} elm__writer;

ELM_NODISCARD elm_status elm__writer_open(elm__writer *writer, const char *path, elm_error *error);
ELM_NODISCARD elm_status elm__writer_write(elm__writer *writer, const void *data, size_t size,
					   elm_error *error);
/* Writes zeros up to the next multiple of `alignment` (a power of two). */
ELM_NODISCARD elm_status elm__writer_align(elm__writer *writer, size_t alignment, elm_error *error);
ELM_NODISCARD elm_status elm__writer_commit(elm__writer *writer, elm_error *error);
void elm__writer_close(elm__writer *writer);

/*
 * Working memory of `size` bytes (more than 0), zeroed, in a file beside `path` that has no name
 * any more: the kernel writes to disk what does not fit in memory, and nothing is left behind. The
 * room is taken at once, so that a full disk is an error here and not a crash later.
 */
ELM_NODISCARD elm_status elm__spill_open(const char *path, size_t size, void **out,
					 elm_error *error);
void elm__spill_close(void *data, size_t size); /* NULL allowed */

/* One call for small files. */
ELM_NODISCARD elm_status elm__file_replace(const char *path, const void *data, size_t size,
					   elm_error *error);

#endif

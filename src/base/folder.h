/*
 * folder.h: folders with files that are a cache: they may be deleted at any time, and are when
 * there are too many. Several processes may use one folder.
 */
#ifndef ELM_BASE_FOLDER_H
#define ELM_BASE_FOLDER_H

#include <edgelm/status.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Makes a folder and those above it, each with this mode (less the umask). One that exists is fine.
 */
ELM_NODISCARD elm_status elm__folder_make(const char *path, mode_t mode, elm_error *error);

/* Whether a file of this name belongs to the cache. */
typedef bool elm__folder_owns(const char *name);

typedef struct elm__folder_left {
	uint64_t bytes;
	uint64_t deleted; /* files */
} elm__folder_left;

/*
 * Deletes the files of the cache that were not used for longest until the rest has at most `limit`
 * bytes; `keep` (a path, may be NULL) stays. Temporary files that a process has left behind
 * (elm__writer, an hour old) are deleted too. A folder that does not exist is empty. `left` may be
 * NULL.
 */
ELM_NODISCARD elm_status elm__folder_prune(const char *folder, elm__folder_owns *owns,
					   uint64_t limit, const char *keep, elm__folder_left *left,
					   elm_error *error);

/* Marks a file as used now, unless it was in the last `resolution` seconds: flash memory wears. */
void elm__folder_note_use(const char *path, int64_t resolution);

#endif

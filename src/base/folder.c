#include "base/folder.h"

#include <dirent.h>
#include <edgelm/log.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"

enum { TEMPORARY_SUFFIX = 7 /* ".XXXXXX" */, ABANDONED_S = 3600 };

elm_status elm__folder_make(const char *folder, mode_t mode, elm_error *error)
{
	char *path = elm__strdup(folder);
	elm_status status = ELM_OK;

	if (!path)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", folder);
	for (char *slash = path + 1;; slash++) {
		char c = *slash;

		if (c != '/' && c != '\0')
			continue;
		*slash = '\0';
		if (mkdir(path, mode) && errno != EEXIST && c == '\0')
			status =
				elm_error_set(error, ELM_ERR_IO, "%s: cannot create the folder: %s",
					      path, strerror(errno));
		*slash = c;
		if (c == '\0')
			break;
	}
	elm__free(path);
	return status;
}

typedef struct cached {
	char *path;
	uint64_t bytes;
	struct timespec used;
} cached;

typedef struct listing {
	cached *files;
	size_t count;
} listing;

static int older_first(const void *a, const void *b)
{
	const cached *x = a, *y = b;

	if (x->used.tv_sec != y->used.tv_sec)
		return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
	return (x->used.tv_nsec > y->used.tv_nsec) - (x->used.tv_nsec < y->used.tv_nsec);
}

/* The name of a temporary file of one of ours. */
static bool is_temporary(const char *name, elm__folder_owns *owns)
{
	size_t length = strlen(name);
	char stem[256];

	if (length <= TEMPORARY_SUFFIX || length >= sizeof(stem) ||
	    name[length - TEMPORARY_SUFFIX] != '.')
		return false;
	memcpy(stem, name, length - TEMPORARY_SUFFIX);
	stem[length - TEMPORARY_SUFFIX] = '\0';
	return owns(stem);
}

/* Adds a file to the list, or deletes what was left behind. */
static elm_status look_at(listing *list, const char *folder, const char *name,
			  elm__folder_owns *owns, elm_error *error)
{
	bool own = owns(name);
	elm__buf path = ELM__BUF_INIT;
	elm_status status = ELM_OK;
	struct stat st;
	cached *grown;

	if (!own && !is_temporary(name, owns))
		return ELM_OK;
	elm__buf_printf(&path, "%s/%s", folder, name);
	grown = elm__realloc_array(list->files, list->count + 1, sizeof(*list->files));
	if (grown)
		list->files = grown;
	if (!grown || elm__buf_status(&path, NULL) != ELM_OK) {
		status = elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", folder);
	} else if (lstat(path.data, &st) || !S_ISREG(st.st_mode)) {
		/* gone, or not a file of ours after all */
	} else if (own) {
		grown[list->count] = (cached){ NULL, (uint64_t)st.st_size, st.st_mtim };
		grown[list->count++].path = elm__buf_detach(&path, NULL);
	} else if (time(NULL) - st.st_mtime > ABANDONED_S) {
		(void)unlink(path.data);
	}
	elm__buf_release(&path);
	return status;
}

static elm_status list_files(listing *list, const char *folder, elm__folder_owns *owns,
			     elm_error *error)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	elm_status status = ELM_OK;

	if (!dir)
		return errno == ENOENT ? ELM_OK :
					 elm_error_set(error, ELM_ERR_IO, "%s: cannot list: %s",
						       folder, strerror(errno));
	while (status == ELM_OK && (entry = readdir(dir)))
		status = look_at(list, folder, entry->d_name, owns, error);
	closedir(dir);
	return status;
}

elm_status elm__folder_prune(const char *folder, elm__folder_owns *owns, uint64_t limit,
			     const char *keep, elm__folder_left *left, elm_error *error)
{
	listing list = { NULL, 0 };
	elm__folder_left now = { 0, 0 };
	elm_status status = list_files(&list, folder, owns, error);

	for (size_t i = 0; i < list.count; i++)
		now.bytes += list.files[i].bytes;
	if (list.count)
		qsort(list.files, list.count, sizeof(*list.files), older_first);
	for (size_t i = 0; i < list.count && status == ELM_OK && now.bytes > limit; i++) {
		const char *path = list.files[i].path;

		if (keep && !strcmp(keep, path))
			continue;
		if (unlink(path) && errno != ENOENT) {
			status = elm_error_set(error, ELM_ERR_IO, "%s: cannot delete: %s", path,
					       strerror(errno));
			break;
		}
		elm_log(ELM_LOG_INFO, "%s: deleted to keep the cache within its limit", path);
		now.bytes -= list.files[i].bytes;
		now.deleted++;
	}
	if (left)
		*left = now;
	for (size_t i = 0; i < list.count; i++)
		elm__free(list.files[i].path);
	elm__free(list.files);
	return status;
}

void elm__folder_note_use(const char *path, int64_t resolution)
{
	struct stat st;

	/* Only the order of deletion depends on it. */
	if (!stat(path, &st) && time(NULL) - st.st_mtime > resolution)
		(void)utimensat(AT_FDCWD, path, NULL, 0);
}

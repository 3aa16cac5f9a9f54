#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

enum { WRITE_CHUNK = 1 << 18, READ_CHUNK = 1 << 16 };

static elm_status io_error(elm_error *error, const char *what, const char *path)
{
	elm_status status = errno == ENOENT ? ELM_ERR_NOT_FOUND :
			    errno == ENOMEM ? ELM_ERR_NO_MEMORY :
					      ELM_ERR_IO;

	return elm_error_set(error, status, "%s: cannot %s: %s", path, what, strerror(errno));
}

elm_status elm__map_open(elm__map *map, const char *path, elm_error *error)
{
	elm_status status = ELM_OK;
	struct stat st;
	void *data;
	int fd;

	memset(map, 0, sizeof(*map));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang us */
	if (fd < 0)
		return io_error(error, "open", path);
	if (fstat(fd, &st) < 0) {
		status = io_error(error, "read", path);
	} else if (!S_ISREG(st.st_mode)) {
		status = elm_error_set(error, ELM_ERR_ARGUMENT, "%s: not a regular file", path);
	} else if ((uint64_t)st.st_size > SIZE_MAX) {
		status =
			elm_error_set(error, ELM_ERR_LIMIT, "%s: too large for this machine", path);
	} else if (st.st_size > 0) {
		data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
		if (data == MAP_FAILED) {
			status = io_error(error, "map", path);
		} else {
			map->data = data;
			map->size = (size_t)st.st_size;
		}
	}
	close(fd);
	return status;
}

void elm__map_release(elm__map *map)
{
	if (map->data)
		munmap((void *)map->data, map->size);
	memset(map, 0, sizeof(*map));
}

void elm__map_forget(const void *data, size_t size)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t begin = ((uintptr_t)data + page - 1) & ~(page - 1);
	uintptr_t end = ((uintptr_t)data + size) & ~(page - 1);

	if (begin < end)
		(void)madvise((void *)begin, end - begin, MADV_DONTNEED);
}

elm_status elm__file_read(const char *path, size_t limit, elm__buf *out, elm_error *error)
{
	bool standard_input = !strcmp(path, "-");
	int fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	elm_status status = ELM_OK;
	const char *name = standard_input ? "standard input" : path;
	size_t total = 0;
	ssize_t got;

	if (fd < 0)
		return io_error(error, "open", path);
	for (;;) {
		if (!elm__buf_reserve(out, READ_CHUNK)) {
			status = elm__buf_status(out, error);
			break;
		}
		got = read(fd, out->data + out->length, READ_CHUNK);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			status = io_error(error, "read", name);
			break;
		}
		if (!got)
			break;
		out->length += (size_t)got;
		out->data[out->length] = '\0';
		total += (size_t)got;
		if (total > limit) {
			status = elm_error_set(error, ELM_ERR_LIMIT,
					       "%s: longer than the limit of %zu bytes", name,
					       limit);
			break;
		}
	}
	if (!standard_input)
		close(fd);
	return status;
}

/* Creates path.XXXXXX. Not mkostemp: that ignores the umask, which cannot be read without changing
 * it for all threads. */
static int create_beside(char *temporary, size_t length)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	uint64_t mix = elm__now_ns() ^ (uint64_t)getpid() << 32;
	int fd = -1;

	for (int attempt = 0; attempt < 1000; attempt++) {
		uint64_t rest;

		mix = mix * 6364136223846793005u + 1442695040888963407u;
		rest = mix >> 20;
		temporary[length] = '.';
		for (size_t i = 1; i <= 6; i++, rest /= 36)
			temporary[length + i] = digits[rest % 36];
		temporary[length + 7] = '\0';
		/* Readable too, so that it can be filled through a mapping. */
		fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (fd >= 0 || errno != EEXIST)
			break;
	}
	return fd;
}

elm_status elm__writer_open(elm__writer *writer, const char *path, elm_error *error)
{
	size_t length = strlen(path);
	elm_status status = ELM_OK;
	struct stat old;
	bool exists = stat(path, &old) == 0;

	memset(writer, 0, sizeof(*writer));
	writer->fd = -1;
	/* Renaming over /dev/null would do away with it. */
	if (exists && !S_ISREG(old.st_mode))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "%s: not a regular file, so it cannot be replaced", path);
	writer->path = elm__strdup(path);
	writer->temporary = elm__calloc(1, length + sizeof(".XXXXXX"));
	if (!writer->path || !writer->temporary) {
		elm__writer_close(writer);
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", path);
	}
	memcpy(writer->temporary, path, length);
	writer->fd = create_beside(writer->temporary, length);
	if (writer->fd < 0) {
		status = io_error(error, "create a file beside", path);
		writer->temporary[0] = '\0';
	} else if (exists && fchmod(writer->fd, old.st_mode & 0777) < 0) {
		status = io_error(error, "keep the mode of", path);
	}
	if (status != ELM_OK)
		elm__writer_close(writer);
	return status;
}

static elm_status write_all(elm__writer *writer, const char *data, size_t size, elm_error *error)
{
	while (size) {
		ssize_t done = write(writer->fd, data, size);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return io_error(error, "write", writer->path);
		data += done;
		size -= (size_t)done;
	}
	return ELM_OK;
}

static elm_status flush(elm__writer *writer, elm_error *error)
{
	elm_status status = elm__buf_status(&writer->pending, error);

	if (status == ELM_OK)
		status = write_all(writer, writer->pending.data, writer->pending.length, error);
	if (status == ELM_OK)
		elm__buf_clear(&writer->pending);
	return status;
}

static elm_status refuse_after_failure(const elm__writer *writer, elm_error *error)
{
	return elm_error_set(error, ELM_ERR_IO, "%s: an earlier write failed", writer->path);
}

elm_status elm__writer_write(elm__writer *writer, const void *data, size_t size, elm_error *error)
{
	elm_status status = ELM_OK;

	if (writer->failed)
		return refuse_after_failure(writer, error);
	if (size > WRITE_CHUNK - writer->pending.length)
		status = flush(writer, error);
	if (status == ELM_OK && size > WRITE_CHUNK)
		status = write_all(writer, data, size, error);
	else if (status == ELM_OK)
		elm__buf_append(&writer->pending, data, size);
	if (status == ELM_OK)
		status = elm__buf_status(&writer->pending, error);
	writer->failed = status != ELM_OK;
	writer->offset += size;
	return status;
}

elm_status elm__writer_align(elm__writer *writer, size_t alignment, elm_error *error)
{
	static const char zeros[256];
	size_t missing = (size_t)(-writer->offset & (alignment - 1)), part;
	elm_status status = ELM_OK;

	for (; missing && status == ELM_OK; missing -= part) {
		part = missing < sizeof(zeros) ? missing : sizeof(zeros);
		status = elm__writer_write(writer, zeros, part, error);
	}
	return status;
}

/* Without this a crash right after the rename could bring the old folder entry back. */
static elm_status sync_folder(const char *path, elm_error *error)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? elm__strndup(path, slash == path ? 1 : (size_t)(slash - path)) :
			       elm__strdup(".");
	elm_status status = ELM_OK;
	int fd;

	if (!folder)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", path);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Some file systems cannot sync a folder, and one may be written but not read; that is not
	 * a failure of ours. */
	if (fd < 0 ? errno != EACCES : fsync(fd) < 0 && errno != EINVAL && errno != ENOTSUP)
		status = io_error(error, "sync the folder of", path);
	if (fd >= 0)
		close(fd);
	elm__free(folder);
	return status;
}

elm_status elm__writer_commit(elm__writer *writer, elm_error *error)
{
	int fd = writer->fd;
	elm_status status;

	if (writer->failed)
		return refuse_after_failure(writer, error);
	writer->failed = true; /* until the end is reached */
	status = flush(writer, error);
	if (status != ELM_OK)
		return status;
	if (fsync(fd) < 0)
		return io_error(error, "sync", writer->path);
	writer->fd = -1;
	if (close(fd) < 0)
		return io_error(error, "close", writer->path);
	if (rename(writer->temporary, writer->path) < 0)
		return io_error(error, "replace", writer->path);
	writer->temporary[0] = '\0';
	writer->failed = false;
	return sync_folder(writer->path, error);
}

void elm__writer_close(elm__writer *writer)
{
	if (writer->fd >= 0)
		close(writer->fd);
	if (writer->temporary && writer->temporary[0])
		unlink(writer->temporary);
	elm__free(writer->temporary);
	elm__free(writer->path);
	elm__buf_release(&writer->pending);
	memset(writer, 0, sizeof(*writer));
	writer->fd = -1;
}

elm_status elm__file_replace(const char *path, const void *data, size_t size, elm_error *error)
{
	elm__writer writer;
	elm_status status = elm__writer_open(&writer, path, error);

	if (status != ELM_OK)
		return status;
	status = elm__writer_write(&writer, data, size, error);
	if (status == ELM_OK)
		status = elm__writer_commit(&writer, error);
	elm__writer_close(&writer);
	return status;
}

static elm_status map_room(int fd, const char *path, size_t size, void **out, elm_error *error)
{
	void *data;

	errno = size <= INT64_MAX ? posix_fallocate(fd, 0, (off_t)size) : EFBIG;
	if (errno)
		return io_error(error, "find room for working memory beside", path);
	data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED)
		return io_error(error, "map working memory beside", path);
	*out = data;
	return ELM_OK;
}

elm_status elm__spill_open(const char *path, size_t size, void **out, elm_error *error)
{
	size_t length = strlen(path);
	char *name = elm__calloc(1, length + sizeof(".XXXXXX"));
	elm_status status;
	int fd;

	*out = NULL;
	if (!name)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", path);
	memcpy(name, path, length);
	fd = create_beside(name, length);
	if (fd < 0) {
		status = io_error(error, "create a file beside", path);
	} else {
		unlink(name);
		status = map_room(fd, path, size, out, error);
		close(fd);
	}
	elm__free(name);
	return status;
}

void elm__spill_close(void *data, size_t size)
{
	if (data)
		munmap(data, size);
}

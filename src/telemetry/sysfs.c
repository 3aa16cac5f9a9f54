/* sysfs.c: small files of the kernel, below a root. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "telemetry/internal.h"

/* False when it does not fit. */
static bool join(char *out, size_t size, const char *root, const char *path)
{
	int length = snprintf(out, size, "%s%s", root, path);

	return length >= 0 && (size_t)length < size;
}

void elm__sys_path(char *out, size_t size, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(out, size, format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= size)
		out[0] = 0;
}

static sys_result result_of(int reason)
{
	switch (reason) {
	case ENOENT:
	case ENOTDIR:
	case ENODEV:
	case ENXIO:
		return SYS_ABSENT;
	case EACCES:
	case EPERM:
		return SYS_DENIED;
	case ESRCH:
		return SYS_GONE;
	default:
		return SYS_FAILED;
	}
}

void elm__file_close(sys_file *file)
{
	if (file->open)
		close(file->fd);
	file->open = false;
}

static sys_result open_file(const char *root, sys_file *file)
{
	char full[4096];

	if (file->open)
		return SYS_OK;
	if (!file->path[0] || !join(full, sizeof(full), root, file->path))
		return SYS_ABSENT;
	/* Opening must not wait for anybody, whatever lies there. */
	file->fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	file->open = file->fd >= 0;
	return file->open ? SYS_OK : result_of(errno);
}

sys_result elm__file_text(const sys_root *root, sys_file *file, char *out, size_t size)
{
	sys_result result = open_file(root->path, file);
	size_t length = 0;

	out[0] = '\0';
	if (result)
		return result;
	while (length < size - 1) {
		ssize_t got = pread(file->fd, out + length, size - 1 - length, (off_t)length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			result = result_of(errno);
		if (got <= 0)
			break;
		length += (size_t)got;
	}
	out[result ? 0 : length] = '\0';
	if (result || !root->keep)
		elm__file_close(file);
	return result;
}

/* Strict: what has more in it than a number is not understood. */
static sys_result parse_number(const char *text, int base, int64_t *out)
{
	char *end;
	long long value;

	errno = 0;
	value = strtoll(text, &end, base);
	if (end == text || errno || end[strspn(end, " \t\n")])
		return SYS_FAILED;
	*out = value;
	return SYS_OK;
}

sys_result elm__file_number(const sys_root *root, sys_file *file, int64_t *out)
{
	char text[SYS_TEXT];
	sys_result result = elm__file_text(root, file, text, sizeof(text));

	return result ? result : parse_number(text, 10, out);
}

sys_result elm__sys_line(const char *root, const char *path, char *out, size_t size)
{
	const sys_root once = { .path = root };
	sys_file file = { 0 };
	sys_result result;

	elm__sys_path(file.path, sizeof(file.path), "%s", path);
	result = elm__file_text(&once, &file, out, size);
	out[strcspn(out, "\n")] = '\0';
	return result;
}

sys_result elm__sys_number(const char *root, const char *path, int64_t *out)
{
	char text[SYS_TEXT];
	sys_result result = elm__sys_line(root, path, text, sizeof(text));

	return result ? result : parse_number(text, 10, out);
}

sys_result elm__sys_hex(const char *root, const char *path, int64_t *out)
{
	char text[SYS_TEXT];
	sys_result result = elm__sys_line(root, path, text, sizeof(text));

	return result ? result : parse_number(text, 16, out);
}

bool elm__sys_exists(const char *root, const char *path)
{
	char full[4096];

	if (!path[0] || !join(full, sizeof(full), root, path))
		return false;
	return !access(full, F_OK) || result_of(errno) == SYS_DENIED;
}

size_t elm__sys_list(const char *root, const char *folder, const char *prefix,
		     char (*out)[SYS_PATH], size_t room)
{
	char full[4096];
	const struct dirent *entry;
	size_t count = 0;
	DIR *dir;

	if (!join(full, sizeof(full), root, folder))
		return 0;
	dir = opendir(full);
	if (!dir)
		return 0;
	while ((entry = readdir(dir)) && count < room) {
		int length;

		if (entry->d_name[0] == '.' || strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
			continue;
		length = snprintf(out[count], SYS_PATH, "%s/%s", folder, entry->d_name);
		if (length < 0 || length >= SYS_PATH)
			continue;
		count++;
	}
	closedir(dir);
	qsort(out, count, SYS_PATH, (int (*)(const void *, const void *))strverscmp);
	return count;
}

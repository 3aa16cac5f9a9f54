/* sysfs.c: small files of the kernel, below a root. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "telemetry/internal.h"

elm__reading elm__measured(double value)
{
	return (elm__reading){ .measured = true, .value = value };
}

elm__reading elm__unmeasured(const char *reason)
{
	return (elm__reading){ .reason = reason };
}

elm__reading elm__sys_unmeasured(sys_result result)
{
	switch (result) {
	case SYS_ABSENT:
		return elm__unmeasured("the kernel has no file for it");
	case SYS_DENIED:
		return elm__unmeasured("only root may read it on this system");
	default:
		return elm__unmeasured("the sensor gives no value now");
	}
}

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

sys_result elm__sys_line(const char *root, const char *path, char *out, size_t size)
{
	char full[4096];
	ssize_t length;
	int reason, fd;

	out[0] = '\0';
	if (!join(full, sizeof(full), root, path))
		return SYS_ABSENT;
	/* Opening must not wait for anybody, whatever lies there. */
	fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return errno == EACCES || errno == EPERM ? SYS_DENIED : SYS_ABSENT;
	length = read(fd, out, size - 1);
	reason = errno;
	close(fd);
	if (length < 0)
		return reason == EACCES || reason == EPERM ? SYS_DENIED : SYS_FAILED;
	out[length] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return SYS_OK;
}

sys_result elm__sys_number(const char *root, const char *path, int64_t *out)
{
	char text[SYS_TEXT];
	sys_result result = elm__sys_line(root, path, text, sizeof(text));

	if (result)
		return result;
	return sscanf(text, "%" SCNd64, out) == 1 ? SYS_OK : SYS_FAILED;
}

elm__reading elm__sys_reading(const char *root, const char *path, double scale)
{
	int64_t value = 0;
	sys_result result = elm__sys_number(root, path, &value);

	return result ? elm__sys_unmeasured(result) : elm__measured((double)value * scale);
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

sensor *elm__sensor_add(sensor_list *list, const char *name, const char *folder, const char *file)
{
	sensor *added = &list->sensors[list->count];
	int length;

	if (list->count == ELM__DEVICE_SENSORS)
		return NULL;
	*added = (sensor){ .scale = 1 };
	length = snprintf(added->path, sizeof(added->path), "%s/%s", folder, file);
	if (length < 0 || (size_t)length >= sizeof(added->path))
		return NULL;
	snprintf(added->name, sizeof(added->name), "%s", name);
	elm__make_printable(added->name);
	list->count++;
	return added;
}

/* Watts from a counter of microjoules. */
static elm__reading read_energy(const char *root, sensor *s, double seconds)
{
	int64_t before = s->energy, now = 0;
	bool known = s->known;
	sys_result result = elm__sys_number(root, s->path, &now);

	s->known = !result;
	s->energy = now;
	if (result)
		return elm__sys_unmeasured(result);
	if (!known || seconds <= 0)
		return elm__unmeasured("a first look; it takes two");
	if (now < before && s->range <= before)
		return elm__unmeasured("the counter was started over");
	if (now < before)
		now += s->range;
	return elm__measured((double)(now - before) * 1e-6 / seconds);
}

elm__reading elm__sensor_read(const char *root, sensor *s, double seconds)
{
	elm__reading first, second;

	if (s->kind == SENSOR_ENERGY)
		return read_energy(root, s, seconds);
	first = elm__sys_reading(root, s->path, s->scale);
	if (s->kind == SENSOR_VALUE || !first.measured)
		return first;
	second = elm__sys_reading(root, s->second, 1);
	if (second.measured)
		second.value *= first.value;
	return second;
}

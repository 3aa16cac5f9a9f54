#include "base/process.h"

#include <stdio.h>
#include <string.h>

/* Finds the line "KEY NUMBER" of a file, or with an empty key the number that it begins with. */
static bool read_number(const char *sysroot, const char *path, const char *key, uint64_t *out)
{
	size_t length = strlen(key);
	char text[512];
	unsigned long long value;
	bool found = false;
	FILE *file;

	snprintf(text, sizeof(text), "%s%s", sysroot, path);
	file = fopen(text, "re");
	if (!file)
		return false;
	while (!found && fgets(text, sizeof(text), file))
		found = !strncmp(text, key, length) && sscanf(text + length, "%llu", &value) == 1;
	fclose(file);
	if (found)
		*out = value;
	return found;
}

bool elm__process_peak_memory(uint64_t *bytes)
{
	if (!read_number("", "/proc/self/status", "VmHWM:", bytes))
		return false;
	*bytes *= 1024;
	return true;
}

bool elm__process_reset_peak_memory(void)
{
	FILE *file = fopen("/proc/self/clear_refs", "we");
	bool done;

	if (!file)
		return false;
	done = fputs("5", file) >= 0;
	return fclose(file) == 0 && done;
}

typedef struct group_files {
	const char *limit, *used, *stat;
	const char *active, *inactive; /* cached files, in `stat` */
} group_files;

static const group_files versions[] = {
	{ "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current",
	  "/sys/fs/cgroup/memory.stat", "active_file ", "inactive_file " },
	{ "/sys/fs/cgroup/memory/memory.limit_in_bytes",
	  "/sys/fs/cgroup/memory/memory.usage_in_bytes", "/sys/fs/cgroup/memory/memory.stat",
	  "total_active_file ", "total_inactive_file " },
};

/* What the control group's limit leaves, in either version of control groups; UINT64_MAX without a
 * limit. */
static uint64_t group_available(const char *sysroot)
{
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		const group_files *f = &versions[i];
		uint64_t limit, used, active = 0, inactive = 0, cached;

		if (!read_number(sysroot, f->limit, "", &limit) ||
		    !read_number(sysroot, f->used, "", &used))
			continue;
		(void)read_number(sysroot, f->stat, f->active, &active);
		(void)read_number(sysroot, f->stat, f->inactive, &inactive);
		cached = active + inactive < used ? active + inactive : used;
		return limit > used - cached ? limit - (used - cached) : 0;
	}
	return UINT64_MAX;
}

bool elm__memory_available(const char *sysroot, uint64_t *bytes)
{
	uint64_t machine, group = group_available(sysroot);

	if (!read_number(sysroot, "/proc/meminfo", "MemAvailable:", &machine))
		return false;
	machine *= 1024;
	*bytes = machine < group ? machine : group;
	return true;
}

bool elm__memory_total(const char *sysroot, uint64_t *bytes)
{
	uint64_t limit;

	if (!read_number(sysroot, "/proc/meminfo", "MemTotal:", bytes))
		return false;
	*bytes *= 1024;
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		if (read_number(sysroot, versions[i].limit, "", &limit) && limit < *bytes)
			*bytes = limit;
	return true;
}

bool elm__memory_stall(const char *sysroot, double *some, double *all)
{
	char text[512];
	unsigned found = 0;
	FILE *file;

	snprintf(text, sizeof(text), "%s/proc/pressure/memory", sysroot);
	file = fopen(text, "re");
	if (!file)
		return false;
	while (fgets(text, sizeof(text), file)) {
		found |= sscanf(text, "some avg10=%lf", some) == 1;
		found |= (unsigned)(sscanf(text, "full avg10=%lf", all) == 1) << 1;
	}
	fclose(file);
	return found == 3;
}

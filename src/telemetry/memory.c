/* memory.c: memory of the machine and of this process. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/process.h"
#include "telemetry/internal.h"

/* Lines "KEY NUMBER ..." that are wanted of a file. */
typedef struct wanted {
	const char *key;
	elm__reading *out;
	double scale;
} wanted;

static void read_lines(const char *root, const char *path, const wanted *list, size_t count)
{
	char text[4096];
	FILE *file;

	for (size_t i = 0; i < count; i++)
		*list[i].out = elm__sys_unmeasured(SYS_ABSENT);
	snprintf(text, sizeof(text), "%s%s", root, path);
	file = fopen(text, "re");
	if (!file)
		return;
	while (fgets(text, sizeof(text), file))
		for (size_t i = 0; i < count; i++) {
			size_t length = strlen(list[i].key);
			uint64_t value;

			if (!strncmp(text, list[i].key, length) &&
			    sscanf(text + length, "%" SCNu64, &value) == 1)
				*list[i].out = elm__measured((double)value * list[i].scale);
		}
	fclose(file);
}

static elm__reading bytes_or_nothing(bool known, uint64_t bytes)
{
	return known ? elm__measured((double)bytes) : elm__sys_unmeasured(SYS_ABSENT);
}

static void read_machine(const char *root, elm__device_sample *out)
{
	elm__reading free = { 0 };
	const wanted lines[] = {
		{ "SwapTotal:", &out->swap_total, 1024 },
		{ "SwapFree:", &free, 1024 },
	};
	uint64_t bytes = 0;
	double some = 0, all = 0;
	bool known = elm__memory_total(root, &bytes);

	out->memory_total = bytes_or_nothing(known, bytes);
	known = elm__memory_available(root, &bytes);
	out->memory_available = bytes_or_nothing(known, bytes);
	read_lines(root, "/proc/meminfo", lines, 2);
	out->swap_used = free;
	if (free.measured && out->swap_total.measured)
		out->swap_used.value = out->swap_total.value - free.value;
	known = elm__memory_stall(root, &some, &all);
	out->memory_stall = known ? elm__measured(some) :
				    elm__unmeasured("the kernel keeps no account of pressure");
	out->memory_stall_all = known ? elm__measured(all) : out->memory_stall;
}

void elm__memory_read(const elm__device *device, elm__device_sample *out)
{
	const wanted lines[] = {
		{ "VmRSS:", &out->process_rss, 1024 },
		{ "RssAnon:", &out->process_anon, 1024 },
		{ "RssFile:", &out->process_file, 1024 },
		{ "RssShmem:", &out->process_shared, 1024 },
		{ "Threads:", &out->process_threads, 1 },
	};

	read_machine(device->root, out);
	read_lines(device->root, "/proc/self/status", lines, sizeof(lines) / sizeof(lines[0]));
}

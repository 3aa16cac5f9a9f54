#include "base/process.h"

#include <stdio.h>
#include <string.h>

bool elm__process_peak_memory(uint64_t *bytes)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	unsigned long long kib;
	bool found = false;

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file))
		found = sscanf(line, "VmHWM: %llu kB", &kib) == 1;
	fclose(file);
	if (found)
		*bytes = (uint64_t)kib * 1024;
	return found;
}

/* memory.c: memory of the machine. */
#include "base/process.h"
#include "telemetry/internal.h"

void elm__memory_read(elm__device *device, double seconds, elm__device_sample *out)
{
	elm__reading available, free;
	const wanted_line lines[] = {
		{ "MemTotal:", &out->memory_total, 1024 },
		{ "MemAvailable:", &available, 1024 },
		{ "SwapTotal:", &out->swap_total, 1024 },
		{ "SwapFree:", &free, 1024 },
	};
	sys_result result =
		elm__file_text(&device->root, &device->meminfo, device->text, sizeof(device->text));
	uint64_t bytes;

	elm__wanted_lines(result, device->text, lines, sizeof(lines) / sizeof(lines[0]));
	out->memory_available = available;
	/* The control group may allow less than there is; those who look often look for that once.
	 */
	if (!device->group_known && elm__memory_total(device->root.path, &bytes)) {
		device->group_limit = (double)bytes;
		device->group_known = device->root.keep;
	}
	if (out->memory_total.measured && device->group_limit < out->memory_total.value) {
		out->memory_total.value = device->group_limit;
		if (available.measured && elm__memory_available(device->root.path, &bytes))
			out->memory_available.value = (double)bytes;
	}
	out->swap_used = free;
	if (free.measured && out->swap_total.measured)
		out->swap_used.value = out->swap_total.value - free.value;
}

void elm__pressure_read(elm__device *device, double seconds, elm__device_sample *out)
{
	char line[SYS_TEXT];
	double some, all;
	sys_result result;

	if (elm__memory_stall(device->root.path, &some, &all)) {
		out->memory_stall = elm__measured(some);
		out->memory_stall_all = elm__measured(all);
		return;
	}
	result = elm__sys_line(device->root.path, "/proc/pressure/memory", line, sizeof(line));
	out->memory_stall = result == SYS_ABSENT ?
				    elm__unmeasured("the kernel keeps no account of pressure") :
				    elm__sys_unmeasured(result ? result : SYS_FAILED);
	out->memory_stall_all = out->memory_stall;
}

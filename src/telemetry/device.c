/* device.c: all readings of a device. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "telemetry/internal.h"

elm_status elm__device_open(const char *sysroot, elm__device **out, elm_error *error)
{
	elm__device *device = elm__calloc(1, sizeof(*device));

	*out = NULL;
	if (device)
		device->root.path = device->root_text = elm__strdup(sysroot);
	if (!device || !device->root.path) {
		elm__device_close(device);
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	}
	snprintf(device->cpu.stat.path, SYS_PATH, "/proc/stat");
	snprintf(device->meminfo.path, SYS_PATH, "/proc/meminfo");
	elm__device_watch(device, 0);
	elm__thermal_find(device->root.path, &device->temperatures);
	elm__power_find(device->root.path, &device->rails);
	elm__board_find(device->root.path, &device->board);
	elm__gpu_find(device);
	*out = device;
	return ELM_OK;
}

void elm__device_close(elm__device *device)
{
	if (!device)
		return;
	elm__device_watch(device, 0);
	elm__file_close(&device->cpu.stat);
	elm__file_close(&device->meminfo);
	elm__sensors_close(&device->temperatures);
	elm__sensors_close(&device->rails);
	elm__gpu_close(device);
	elm__free(device->root_text);
	elm__free(device);
}

void elm__device_keep_open(elm__device *device)
{
	device->root.keep = true;
}

static double seconds_since(uint64_t *last_ns, uint64_t now_ns)
{
	uint64_t before = *last_ns;

	*last_ns = now_ns;
	return before && now_ns > before ? elm__seconds_between(before, now_ns) : 0;
}

void elm__device_read_at(elm__device *device, unsigned groups, uint64_t now_ns,
			 elm__device_sample *out)
{
	/* In the order of the groups' bits. */
	static void (*const readers[ELM__READ_GROUPS])(elm__device *, double,
						       elm__device_sample *) = {
		elm__processor_read, elm__process_read, elm__pss_read,	 elm__memory_read,
		elm__pressure_read,  elm__thermal_read, elm__power_read, elm__clocks_read,
		elm__gpu_read,	     elm__board_read,
	};

	out->at_ns = now_ns;
	out->seconds = seconds_since(&device->last_ns, now_ns);
	for (unsigned i = 0; i < ELM__READ_GROUPS; i++)
		if (groups & 1U << i)
			readers[i](device, seconds_since(&device->group_ns[i], now_ns), out);
}

void elm__device_read(elm__device *device, unsigned groups, elm__device_sample *out)
{
	elm__device_read_at(device, groups, elm__now_ns(), out);
}

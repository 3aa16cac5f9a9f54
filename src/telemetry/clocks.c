/* clocks.c: how fast the cores run, and who decides. */
#include "telemetry/internal.h"

void elm__core_clock_read(const char *root, size_t core, elm__core_clock *out)
{
	char folder[SYS_PATH / 2], path[SYS_PATH], governor[SYS_TEXT];
	const struct {
		const char *file;
		elm__reading *out;
	} files[] = {
		{ "scaling_cur_freq", &out->now },
		{ "scaling_min_freq", &out->lowest },
		{ "scaling_max_freq", &out->highest },
	};

	elm__sys_path(folder, sizeof(folder), "/sys/devices/system/cpu/cpu%zu/cpufreq", core);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		elm__sys_path(path, sizeof(path), "%s/%s", folder, files[i].file);
		*files[i].out = elm__sys_reading(root, path, 1e3);
	}
	elm__sys_path(path, sizeof(path), "%s/scaling_governor", folder);
	(void)elm__sys_line(root, path, governor, sizeof(governor));
	elm__copy_name(out->governor, sizeof(out->governor), governor);
}

void elm__clocks_read(elm__device *device, double seconds, elm__device_sample *out)
{
	out->clock_count = device->board.clock_count;
	for (size_t i = 0; i < out->clock_count; i++)
		elm__core_clock_read(device->root.path, i, &out->clocks[i]);
	elm__throttle_read(device->root.path, &device->board, out);
}

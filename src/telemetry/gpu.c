/*
 * gpu.c: GPUs, from the kernel's files or from NVIDIA's library.
 *
 * Those of Jetson boards are devices of devfreq that the device tree calls gpu, or by the name of
 * the chip; they have the processor's memory, and what of it is theirs is in the tables of nvmap.
 * Those of AMD and Intel are cards of DRM. NVIDIA's cards are told by NVML.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "telemetry/internal.h"

static const char no_gpu[] = "the system shows no GPU";

static gpu_files *add_gpu(elm__device *device, const char *name)
{
	gpu_files *added = &device->gpus[device->gpu_count];

	if (device->gpu_count == ELM__DEVICE_GPUS)
		return NULL;
	*added = (gpu_files){ .load_scale = 1, .now_scale = 1 };
	elm__copy_name(added->name, sizeof(added->name), name);
	device->gpu_count++;
	return added;
}

static bool is_gpu(const char *name)
{
	static const char *const chips[] = { "gp10b", "gv11b", "ga10b", "gb10b" };

	for (size_t i = 0; i < sizeof(chips) / sizeof(chips[0]); i++)
		if (!strcmp(name, chips[i]))
			return true;
	return strstr(name, "gpu") != NULL;
}

static void find_devfreq(elm__device *device)
{
	const char *root = device->root.path;
	char found[ELM__DEVICE_SENSORS][SYS_PATH];
	size_t count = elm__sys_list(root, "/sys/class/devfreq", "", found, ELM__DEVICE_SENSORS);

	for (size_t i = 0; i < count; i++) {
		char path[SYS_PATH + 24], name[SYS_TEXT];
		gpu_files *added;

		elm__sys_path(path, sizeof(path), "%s/device/of_node/name", found[i]);
		if (elm__sys_line(root, path, name, sizeof(name)) || !is_gpu(name))
			continue;
		added = add_gpu(device, name);
		if (!added)
			return;
		elm__sys_path(added->load.path, SYS_PATH, "%s/device/load", found[i]);
		added->load_scale = 0.1;
		elm__sys_path(added->now.path, SYS_PATH, "%s/cur_freq", found[i]);
		elm__sys_path(added->lowest, SYS_PATH, "%s/min_freq", found[i]);
		elm__sys_path(added->highest, SYS_PATH, "%s/max_freq", found[i]);
		added->shares_memory = true;
	}
}

/* The driver of a card, from the line "DRIVER=amdgpu". */
static void card_name(const char *root, const char *card, char *out, size_t size)
{
	char path[SYS_PATH + 16], line[SYS_TEXT];

	elm__sys_path(path, sizeof(path), "%s/device/uevent", card);
	if (elm__sys_line(root, path, line, sizeof(line)) || strncmp(line, "DRIVER=", 7) != 0)
		snprintf(out, size, "%s", strrchr(card, '/') + 1);
	else
		snprintf(out, size, "%s", line + 7);
}

static bool is_there(const char *root, char *out, const char *folder, const char *file)
{
	elm__sys_path(out, SYS_PATH, "%s/%s", folder, file);
	if (elm__sys_exists(root, out))
		return true;
	out[0] = '\0';
	return false;
}

static void find_card(elm__device *device, const char *card)
{
	const char *root = device->root.path;
	gpu_files found = { .load_scale = 1, .now_scale = 1e6 }, *added;
	char name[SYS_TEXT], folder[SYS_PATH + 16], chips[1][SYS_PATH];
	bool amd = is_there(root, found.load.path, card, "device/gpu_busy_percent");
	bool intel = is_there(root, found.now.path, card, "gt_cur_freq_mhz");

	if (!amd && !intel)
		return;
	(void)is_there(root, found.lowest, card, "gt_min_freq_mhz");
	(void)is_there(root, found.highest, card, "gt_max_freq_mhz");
	(void)is_there(root, found.used.path, card, "device/mem_info_vram_used");
	(void)is_there(root, found.total, card, "device/mem_info_vram_total");
	elm__sys_path(folder, sizeof(folder), "%s/device/hwmon", card);
	if (amd && elm__sys_list(root, folder, "hwmon", chips, 1)) {
		found.now_scale = 1;
		(void)is_there(root, found.now.path, chips[0], "freq1_input");
	}
	card_name(root, card, name, sizeof(name));
	added = add_gpu(device, name);
	if (!added)
		return;
	memcpy(found.name, added->name, sizeof(found.name));
	*added = found;
}

void elm__gpu_find(elm__device *device)
{
	char cards[ELM__DEVICE_SENSORS][SYS_PATH];
	size_t count = elm__sys_list(device->root.path, "/sys/class/drm", "card", cards,
				     ELM__DEVICE_SENSORS);

	snprintf(device->nvmap.path, SYS_PATH, "/sys/kernel/debug/nvmap/iovmm/clients");
	find_devfreq(device);
	for (size_t i = 0; i < count; i++)
		if (!strchr(strrchr(cards[i], '/'), '-')) /* that would be a connector */
			find_card(device, cards[i]);
	if (!device->root.path[0])
		device->nvml = elm__nvml_open("libnvidia-ml.so.1");
}

void elm__gpu_close(elm__device *device)
{
	for (size_t i = 0; i < device->gpu_count; i++) {
		elm__file_close(&device->gpus[i].load);
		elm__file_close(&device->gpus[i].now);
		elm__file_close(&device->gpus[i].used);
	}
	elm__file_close(&device->nvmap);
	elm__nvml_close(device->nvml);
}

/* Lines "user gnome-shell 5767 8096K", and at the end "total 8096K". */
elm__reading elm__nvmap_size(sys_result result, const char *text, int64_t pid)
{
	double bytes = 0;
	bool total = false;

	if (result)
		return elm__sys_unmeasured(result);
	for (const char *line = text; *line; line += strspn(line, "\n")) {
		uint64_t size;
		int64_t owner;

		if (sscanf(line, "total %" SCNu64 "K", &size) == 1) {
			total = true;
			if (pid < 0)
				bytes = (double)size * 1024;
		} else if (pid >= 0 &&
			   sscanf(line, "%*s %*s %" SCNd64 " %" SCNu64 "K", &owner, &size) == 2 &&
			   owner == pid) {
			bytes += (double)size * 1024;
		}
		line += strcspn(line, "\n");
	}
	return total ? elm__measured(bytes) : elm__sys_unmeasured(SYS_FAILED);
}

void elm__gpu_range_read(const char *root, const gpu_files *g, elm__gpu *out)
{
	out->lowest = elm__sys_reading(root, g->lowest, g->now_scale);
	out->highest = elm__sys_reading(root, g->highest, g->now_scale);
}

static void read_gpu(elm__device *device, gpu_files *g, elm__gpu *out)
{
	const char *root = device->root.path;

	memcpy(out->name, g->name, sizeof(out->name));
	out->load = elm__file_reading(&device->root, &g->load, g->load_scale);
	out->now = elm__file_reading(&device->root, &g->now, g->now_scale);
	elm__gpu_range_read(root, g, out);
	out->memory_used = elm__file_reading(&device->root, &g->used, 1);
	out->memory_total = elm__sys_reading(root, g->total, 1);
	out->temperature = elm__unmeasured("see the temperatures of the device");
	out->power = elm__unmeasured("see the rails of the device");
}

/* Tables of all processes know this one by its number, which is another one in a recorded tree; 0:
 * it is not known. */
static int64_t watched(const elm__device *device)
{
	const int64_t most = 1 << 22; /* that Linux gives */
	const char *root = device->root.path;
	char text[SYS_TEXT], *end;
	int64_t pid;

	if (device->process.pid)
		return device->process.pid;
	if (!root[0])
		return getpid();
	(void)elm__sys_line(root, device->process.stat.path, text, sizeof(text));
	pid = strtoll(text, &end, 10);
	return *end == ' ' && pid <= most ? pid : 0;
}

/* Of Jetson boards. The kernel's account of memory has the sum, without being root. */
static void read_nvmap(elm__device *device, elm__device_sample *out)
{
	sys_result result =
		elm__file_text(&device->root, &device->nvmap, device->text, sizeof(device->text));
	elm__reading used = elm__nvmap_size(result, device->text, -1);
	const wanted_line line = { "NvMapMemUsed:", &used, 1024 };
	int64_t pid = watched(device);

	out->process_gpu_memory = pid > 0 ? elm__nvmap_size(result, device->text, pid) :
					    elm__sys_unmeasured(SYS_FAILED);
	if (!used.measured) {
		elm__reading denied = used;

		result = elm__file_text(&device->root, &device->meminfo, device->text,
					sizeof(device->text));
		elm__wanted_lines(result, device->text, &line, 1);
		used = used.measured ? used : denied;
	}
	for (size_t i = 0; i < device->gpu_count; i++) {
		if (!device->gpus[i].shares_memory)
			continue;
		out->gpus[i].memory_used = used;
		out->gpus[i].memory_total =
			elm__unmeasured("it has no memory of its own, but that of the processor");
	}
}

void elm__gpu_read(elm__device *device, double seconds, elm__device_sample *out)
{
	size_t count = device->gpu_count;
	size_t cards = elm__nvml_count(device->nvml, ELM__DEVICE_GPUS - count);
	bool shares = false;

	for (size_t i = 0; i < count; i++) {
		read_gpu(device, &device->gpus[i], &out->gpus[i]);
		shares |= device->gpus[i].shares_memory;
	}
	for (size_t i = 0; i < cards; i++)
		elm__nvml_read(device->nvml, i, &out->gpus[count + i]);
	out->gpu_count = count + cards;
	out->gpu_load = out->gpu_count ? out->gpus[0].load : elm__unmeasured(no_gpu);
	out->process_gpu_memory = elm__unmeasured(no_gpu);
	if (cards)
		out->process_gpu_memory = elm__nvml_process_memory(device->nvml, watched(device));
	else if (count)
		out->process_gpu_memory = elm__unmeasured("the driver does not tell it");
	if (shares)
		read_nvmap(device, out);
}

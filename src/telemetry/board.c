/*
 * board.c: what there is one of on a board: its name, its modes, its memory controller.
 *
 * Most of it is of Jetson boards. Files below /sys/kernel/debug are for root only. What they mean
 * is not documented; the readings follow jtop (jetson-stats), so that both show the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "telemetry/internal.h"

static const char debug_clocks[] = "/sys/kernel/debug/clk";

/* The first path of a list that ends with NULL that is there; "" when none is. */
static void choose(const char *root, const char *const *paths, char *out)
{
	out[0] = '\0';
	for (; *paths && !out[0]; paths++)
		if (elm__sys_exists(root, *paths))
			elm__sys_path(out, SYS_PATH, "%s", *paths);
}

static void find_model(const char *root, char *out, size_t size)
{
	static const char *const paths[] = { "/proc/device-tree/model",
					     "/sys/firmware/devicetree/base/model",
					     "/sys/class/dmi/id/product_name" };
	char model[SYS_TEXT] = "";

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]) && !model[0]; i++)
		(void)elm__sys_line(root, paths[i], model, sizeof(model));
	elm__copy_name(out, size, model);
}

static void find_emc(const char *root, board_files *board)
{
	static const char *const rates[] = { "/sys/kernel/debug/bpmp/debug/clk/emc/rate",
					     "/sys/class/devfreq/bwmgr/cur_freq",
					     "/sys/kernel/debug/clk/override.emc/clk_rate",
					     "/sys/kernel/debug/clk/emc/clk_rate", NULL };
	static const char *const highest[] = { "/sys/kernel/debug/bpmp/debug/clk/emc/max_rate",
					       "/sys/class/devfreq/bwmgr/max_freq",
					       "/sys/kernel/debug/tegra_bwmgr/emc_max_rate",
					       "/sys/kernel/debug/clk/emc/clk_max_rate", NULL };
	static const char *const activities[] = {
		"/sys/kernel/debug/cactmon/mc_all",
		"/sys/kernel/debug/bpmp/debug/actmon/mc_all_avg_activity",
		"/sys/kernel/actmon_avg_activity/mc_all", NULL
	};

	choose(root, rates, board->emc);
	choose(root, highest, board->emc_highest);
	choose(root, activities, board->emc_activity);
}

/* Whether a folder is there is not enough: debugfs of a desktop has clocks of other meanings. */
static bool is_jetson(const char *root)
{
	return elm__sys_exists(root, "/etc/nvpmodel.conf") ||
	       elm__sys_exists(root, "/etc/nv_tegra_release");
}

/* Units for video, sound, pictures and networks that are no part of the GPU. Names with a dot are
 * clocks inside of them. */
static void find_engines(const char *root, board_files *board)
{
	static const char *const names[] = { "ape",   "cvnas", "dla", "msenc", "nvdec", "nvenc",
					     "nvjpg", "ofa",   "pva", "se",    "vic" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char found[ELM__DEVICE_SENSORS][SYS_PATH];
		size_t count =
			elm__sys_list(root, debug_clocks, names[i], found, ELM__DEVICE_SENSORS);

		for (size_t j = 0; j < count; j++) {
			const char *rest = strrchr(found[j], '/') + 1 + strlen(names[i]);

			/* "se" begins many other words. */
			if (strchr(rest, '.') || (strlen(names[i]) == 2 && *rest) ||
			    board->engine_count == ELM__DEVICE_SENSORS)
				continue;
			memcpy(board->engines[board->engine_count++], found[j], SYS_PATH);
		}
	}
}

/* Cores that have a folder, whether they run or not; there may be gaps between their numbers. */
static size_t count_clocks(const char *root)
{
	enum { GAP = 16 };
	size_t count = 0;

	for (size_t i = 0; i < ELM__DEVICE_CORES && i < count + GAP; i++) {
		char path[SYS_PATH];

		elm__sys_path(path, sizeof(path), "/sys/devices/system/cpu/cpu%zu", i);
		if (elm__sys_exists(root, path))
			count = i + 1;
	}
	return count;
}

void elm__board_find(const char *root, board_files *board)
{
	find_model(root, board->model, sizeof(board->model));
	board->clock_count = count_clocks(root);
	board->jetson = is_jetson(root);
	if (board->jetson) {
		find_emc(root, board);
		find_engines(root, board);
	}
	elm__fan_find(root, board);
	elm__battery_find(root, board);
	elm__throttle_find(root, board);
}

const char *elm__device_model(const elm__device *device)
{
	return device->board.model;
}

static void read_uptime(const char *root, elm__device_sample *out)
{
	char text[SYS_TEXT];
	sys_result result = elm__sys_line(root, "/proc/uptime", text, sizeof(text));
	double seconds;

	if (!result && sscanf(text, "%lf", &seconds) != 1)
		result = SYS_FAILED;
	out->uptime = result ? elm__sys_unmeasured(result) : elm__measured(seconds);
}

static elm__reading read_or(const char *root, const char *path, elm__reading otherwise)
{
	return path[0] ? elm__sys_reading(root, path, 1) : otherwise;
}

/* Activity is counted in such units that dividing it by kHz gives percent. */
static void read_emc(const char *root, const board_files *board, elm__device_sample *out)
{
	elm__reading none = elm__unmeasured(board->jetson ? "the kernel has no file for it" :
							    "this is no Jetson board");

	out->emc = read_or(root, board->emc, none);
	out->emc_highest = read_or(root, board->emc_highest, none);
	out->emc_load = read_or(root, board->emc_activity, none);
	if (!out->emc_load.measured)
		return;
	if (!out->emc.measured)
		out->emc_load = out->emc;
	else if (out->emc.value <= 0)
		out->emc_load = elm__sys_unmeasured(SYS_FAILED);
	else
		out->emc_load.value /= out->emc.value * 1e-3;
}

/* "total  128K" at the end of a table of nvmap. */
static elm__reading read_total(elm__device *device, const char *path)
{
	sys_file file = { 0 };
	const sys_root once = { .path = device->root.path };
	sys_result result;

	elm__sys_path(file.path, sizeof(file.path), "%s", path);
	result = elm__file_text(&once, &file, device->text, sizeof(device->text));
	return elm__nvmap_size(result, device->text, -1);
}

static void read_iram(elm__device *device, elm__device_sample *out)
{
	int64_t size = 0;
	sys_result result =
		elm__sys_hex(device->root.path, "/sys/kernel/debug/nvmap/iram/size", &size);

	if (!device->board.jetson) {
		out->iram_used = out->iram_total = elm__unmeasured("this is no Jetson board");
		return;
	}
	out->iram_total = result ? elm__sys_unmeasured(result) : elm__measured((double)size);
	out->iram_used = read_total(device, "/sys/kernel/debug/nvmap/iram/clients");
}

static void read_engines(const char *root, const board_files *board, elm__device_sample *out)
{
	out->engine_count = board->engine_count;
	for (size_t i = 0; i < board->engine_count; i++) {
		elm__named_reading *to = &out->engines[i];
		char path[SYS_PATH + 24];
		sys_result result;
		int64_t users;

		elm__copy_name(to->name, sizeof(to->name), strrchr(board->engines[i], '/') + 1);
		elm__sys_path(path, sizeof(path), "%s/clk_rate", board->engines[i]);
		to->reading = elm__sys_reading(root, path, 1);
		elm__sys_path(path, sizeof(path), "%s/clk_enable_count", board->engines[i]);
		result = elm__sys_number(root, path, &users);
		if (to->reading.measured && result)
			to->reading = elm__sys_unmeasured(result);
		else if (to->reading.measured && users == 0)
			to->reading.value = 0;
	}
}

/* The name that "< POWER_MODEL ID=2 NAME=MODE_15W >" has for a number. */
static void find_mode_name(const char *text, int mode, char *out, size_t size)
{
	for (const char *at = text; (at = strstr(at, "POWER_MODEL ID=")); at++) {
		char name[ELM__SENSOR_NAME];
		int id;

		if (sscanf(at, "POWER_MODEL ID=%d NAME=%47s", &id, name) == 2 && id == mode) {
			elm__copy_name(out, size, name);
			return;
		}
	}
}

/* nvpmodel keeps what was chosen in a file, so that it need not be asked. */
static void read_mode(elm__device *device, elm__device_sample *out)
{
	const sys_root once = { .path = device->root.path };
	sys_file file = { .path = "/etc/nvpmodel.conf" };
	char text[SYS_TEXT];
	const char *at;
	sys_result result;
	int mode;

	out->power_mode_name[0] = '\0';
	if (!device->board.jetson) {
		out->power_mode = elm__unmeasured("this is no Jetson board");
		return;
	}
	result = elm__sys_line(once.path, "/var/lib/nvpmodel/status", text, sizeof(text));
	at = strstr(text, "pmode:");
	if (!result && (!at || sscanf(at, "pmode:%d", &mode) != 1 || mode < 0))
		result = SYS_FAILED;
	if (result) {
		out->power_mode = elm__sys_unmeasured(result);
		return;
	}
	out->power_mode = elm__measured(mode);
	if (!elm__file_text(&once, &file, device->text, sizeof(device->text)))
		find_mode_name(device->text, mode, out->power_mode_name,
			       sizeof(out->power_mode_name));
}

static bool is_held(const elm__reading *lowest, const elm__reading *highest)
{
	return lowest->measured && highest->measured && lowest->value == highest->value;
}

/* jetson_clocks leaves no trace but this: no clock has a choice any more. */
static void read_jetson_clocks(elm__device *device, elm__device_sample *out)
{
	elm__core_clock core;
	elm__gpu gpu;
	size_t seen = 0, held = 0;

	if (!device->board.jetson) {
		out->jetson_clocks = elm__unmeasured("this is no Jetson board");
		return;
	}
	for (size_t i = 0; i < device->board.clock_count; i++) {
		elm__core_clock_read(device->root.path, i, &core);
		seen += core.lowest.measured;
		held += is_held(&core.lowest, &core.highest);
	}
	for (size_t i = 0; i < device->gpu_count; i++) {
		elm__gpu_range_read(device->root.path, &device->gpus[i], &gpu);
		seen += gpu.lowest.measured;
		held += is_held(&gpu.lowest, &gpu.highest);
	}
	out->jetson_clocks = seen ? elm__measured(held == seen) : elm__sys_unmeasured(SYS_ABSENT);
}

void elm__board_read(elm__device *device, double seconds, elm__device_sample *out)
{
	const char *root = device->root.path;

	read_uptime(root, out);
	elm__fans_read(root, &device->board, out);
	read_emc(root, &device->board, out);
	read_iram(device, out);
	read_engines(root, &device->board, out);
	read_mode(device, out);
	read_jetson_clocks(device, out);
	elm__battery_read(root, &device->board, out);
}

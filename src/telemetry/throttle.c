/*
 * throttle.c: whether something slows the device down: heat, a weak supply, too much current.
 *
 * Raspberry Pi boards have a word of bits by their firmware; x86 cores count how often they were
 * throttled; the kernel's cooling devices slow processors and GPUs down by steps; current sensors
 * of Jetson boards have alarms, and a counter of over-current events.
 */
#include <stdio.h>
#include <string.h>

#include "telemetry/internal.h"

/* Bits of get_throttled; those from 16 on say that it was so since the start. */
static const struct {
	unsigned bit;
	const char *cause;
} firmware_bits[] = {
	{ 0, "under-voltage" },
	{ 1, "frequency capped" },
	{ 2, "throttled by the firmware" },
	{ 3, "soft temperature limit" },
};

/* Adds a path unless there is no room. */
static void add_path(char (*list)[SYS_PATH], size_t *count, const char *path)
{
	if (*count < ELM__DEVICE_SENSORS)
		elm__sys_path(list[(*count)++], SYS_PATH, "%s", path);
}

/* Those that slow something down; the others are fans and displays. */
static bool slows_down(const char *type)
{
	static const char *const parts[] = { "cpufreq", "devfreq", "Processor", "throttle" };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strstr(type, parts[i]))
			return true;
	return false;
}

static void find_coolers(const char *root, board_files *board)
{
	char found[4 * ELM__DEVICE_SENSORS][SYS_PATH], path[SYS_PATH + 8], type[SYS_TEXT];
	size_t count = elm__sys_list(root, "/sys/class/thermal", "cooling_device", found,
				     4 * ELM__DEVICE_SENSORS);

	for (size_t i = 0; i < count; i++) {
		elm__sys_path(path, sizeof(path), "%s/type", found[i]);
		if (!elm__sys_line(root, path, type, sizeof(type)) && slows_down(type))
			add_path(board->coolers, &board->cooler_count, found[i]);
	}
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), part = strlen(end);

	return length >= part && !strcmp(text + length - part, end);
}

/* Alarms of currents, and counters of over-current events. */
static void find_alarms(const char *root, const char *chip, board_files *board)
{
	char files[4 * ELM__DEVICE_SENSORS][SYS_PATH], path[SYS_PATH + 24], name[SYS_TEXT];
	size_t count = elm__sys_list(root, chip, "curr", files, 4 * ELM__DEVICE_SENSORS);

	for (size_t i = 0; i < count; i++)
		if (ends_with(files[i], "_alarm"))
			add_path(board->alarms, &board->alarm_count, files[i]);
	elm__sys_path(path, sizeof(path), "%s/name", chip);
	if (!elm__sys_line(root, path, name, sizeof(name)) && !strcmp(name, "rpi_volt")) {
		elm__sys_path(path, sizeof(path), "%s/in0_lcrit_alarm", chip);
		add_path(board->alarms, &board->alarm_count, path);
	}
	count = elm__sys_list(root, chip, "oc", files, 4 * ELM__DEVICE_SENSORS);
	for (size_t i = 0; i < count; i++)
		if (ends_with(files[i], "_event_cnt"))
			add_path(board->events, &board->event_count, files[i]);
}

/* "soc/soc:firmware", and on later boards "soc@107c000000/soc@107c000000:firmware". */
static void find_firmware(const char *root, char *out)
{
	char outer[8][SYS_PATH], inner[8][SYS_PATH];
	size_t count = elm__sys_list(root, "/sys/devices/platform", "soc", outer, 8);

	for (size_t i = 0; i < count; i++) {
		size_t found = elm__sys_list(root, outer[i], "soc", inner, 8);

		for (size_t j = 0; j < found; j++) {
			char path[SYS_PATH + 24];

			elm__sys_path(path, sizeof(path), "%s/get_throttled", inner[j]);
			if (!out[0] && elm__sys_exists(root, path))
				elm__sys_path(out, SYS_PATH, "%s", path);
		}
	}
}

void elm__throttle_find(const char *root, board_files *board)
{
	char found[ELM__DEVICE_SENSORS][SYS_PATH];
	size_t count = elm__sys_list(root, "/sys/class/hwmon", "hwmon", found, ELM__DEVICE_SENSORS);

	find_firmware(root, board->throttled);
	find_coolers(root, board);
	for (size_t i = 0; i < count; i++)
		find_alarms(root, found[i], board);
	/* Each core counts for itself. */
	for (size_t i = 0; i < board->clock_count; i++) {
		char path[SYS_PATH];

		elm__sys_path(path, sizeof(path),
			      "/sys/devices/system/cpu/cpu%zu/thermal_throttle/core_throttle_count",
			      i);
		if (elm__sys_exists(root, path))
			add_path(board->events, &board->event_count, path);
	}
}

/* Notes that a source was asked, and what it said. */
static void note(elm__device_sample *out, bool active, const char *cause)
{
	size_t length = strlen(out->throttle_causes);

	if (!out->throttled.measured)
		out->throttled = elm__measured(0);
	if (!active)
		return;
	out->throttled.value = 1;
	snprintf(out->throttle_causes + length, sizeof(out->throttle_causes) - length, "%s%s",
		 length ? ", " : "", cause);
}

static void read_firmware(const char *root, const char *path, elm__device_sample *out)
{
	int64_t bits;

	if (!path[0] || elm__sys_hex(root, path, &bits))
		return;
	for (size_t i = 0; i < sizeof(firmware_bits) / sizeof(firmware_bits[0]); i++)
		note(out, bits >> firmware_bits[i].bit & 1, firmware_bits[i].cause);
}

static void read_coolers(const char *root, const board_files *board, elm__device_sample *out)
{
	for (size_t i = 0; i < board->cooler_count; i++) {
		char path[SYS_PATH + 16], type[SYS_TEXT], cause[ELM__SENSOR_NAME];
		int64_t state;

		elm__sys_path(path, sizeof(path), "%s/cur_state", board->coolers[i]);
		if (elm__sys_number(root, path, &state))
			continue;
		elm__sys_path(path, sizeof(path), "%s/type", board->coolers[i]);
		(void)elm__sys_line(root, path, type, sizeof(type));
		elm__copy_name(cause, sizeof(cause), type);
		note(out, state > 0, cause);
	}
}

static void read_alarms(const char *root, const board_files *board, elm__device_sample *out)
{
	for (size_t i = 0; i < board->alarm_count; i++) {
		const char *file = strrchr(board->alarms[i], '/');
		int64_t state;

		if (!elm__sys_number(root, board->alarms[i], &state))
			note(out, state != 0,
			     file && file[1] == 'i' ? "under-voltage alarm" : "over-current alarm");
	}
}

void elm__throttle_read(const char *root, const board_files *board, elm__device_sample *out)
{
	elm__reading before = out->throttle_events;

	out->throttled = elm__unmeasured("the device does not tell; virtual machines cannot");
	out->throttle_events = elm__unmeasured("the device does not count it");
	out->throttle_causes[0] = '\0';
	for (size_t i = 0; i < board->event_count; i++) {
		int64_t count;

		if (elm__sys_number(root, board->events[i], &count))
			continue;
		if (!out->throttle_events.measured)
			out->throttle_events = elm__measured(0);
		out->throttle_events.value += (double)count;
	}
	if (out->throttle_events.measured)
		note(out, before.measured && out->throttle_events.value > before.value,
		     "throttled since the last look");
	read_firmware(root, board->throttled, out);
	read_coolers(root, board, out);
	read_alarms(root, board, out);
}

/*
 * power.c: power, from what the device has for it.
 *
 * Jetson boards measure their supply rails with INA3221 chips: on JetPack 4 an industrial-I/O
 * device that tells milliwatts, on JetPack 5 and later a hwmon chip that tells millivolts and
 * milliamperes. Intel and AMD processors count energy (RAPL). Other chips of hwmon tell microwatts.
 */
#include <stdio.h>
#include <string.h>

#include "telemetry/internal.h"

/* Rails that feed the whole board: Jetson Nano; TX2, Xavier NX, Orin Nano and NX. */
static const char *const inputs[] = { "POM_5V_IN", "VDD_IN" };

/* A rail of an INA3221, or NULL; a channel named NC is not connected. */
static sensor *add_rail(sensor_list *list, const char *name, const char *folder, const char *file)
{
	sensor *added = strcmp(name, "NC") ? elm__sensor_add(list, name, folder, file) : NULL;

	for (size_t i = 0; added && i < sizeof(inputs) / sizeof(inputs[0]); i++)
		if (!strcmp(name, inputs[i]))
			added->scope = ELM__POWER_BOARD;
	if (added && !added->scope)
		added->scope = ELM__POWER_RAILS;
	return added;
}

static void find_iio_rails(const char *root, const char *folder, sensor_list *list)
{
	for (int i = 0; i < 3; i++) {
		char file[SYS_PATH + 32], name[SYS_TEXT];
		sensor *added;

		elm__sys_path(file, sizeof(file), "%s/rail_name_%d", folder, i);
		if (elm__sys_line(root, file, name, sizeof(name)) || !name[0])
			continue;
		snprintf(file, sizeof(file), "in_power%d_input", i);
		added = add_rail(list, name, folder, file);
		if (added)
			added->scale = 1e-3;
	}
}

static void find_hwmon_rails(const char *root, const char *folder, sensor_list *list)
{
	for (int i = 1; i <= 3; i++) {
		char file[SYS_PATH + 32], name[SYS_TEXT];
		sensor *added;

		elm__sys_path(file, sizeof(file), "%s/in%d_label", folder, i);
		if (elm__sys_line(root, file, name, sizeof(name)) || !name[0])
			continue;
		snprintf(file, sizeof(file), "in%d_input", i);
		added = add_rail(list, name, folder, file);
		if (!added)
			continue;
		added->kind = SENSOR_PRODUCT;
		added->scale = 1e-6;
		elm__sys_path(added->second.path, sizeof(added->second.path), "%s/curr%d_input",
			      folder, i);
	}
}

enum { CHIPS = 8 };

/* Calls `find` for each folder `prefix`* of the chips that a driver has. */
static void each_chip(const char *root, const char *driver, const char *below, const char *prefix,
		      void (*find)(const char *, const char *, sensor_list *), sensor_list *list)
{
	char chips[4 * CHIPS][SYS_PATH], folders[CHIPS][SYS_PATH];
	size_t count = elm__sys_list(root, driver, "", chips, 4 * CHIPS);

	for (size_t i = 0; i < count; i++) {
		char folder[SYS_PATH + 16];
		size_t found;

		elm__sys_path(folder, sizeof(folder), "%s%s", chips[i], below);
		found = elm__sys_list(root, folder, prefix, folders, CHIPS);
		for (size_t j = 0; j < found; j++)
			find(root, folders[j], list);
	}
}

/* A domain of RAPL. Those inside a package are part of it, except memory; "psys" is the platform
 * with all of them. */
static void find_domain(const char *root, const char *folder, sensor_list *list)
{
	char file[SYS_PATH + 32], name[SYS_TEXT];
	int64_t range = 0;
	sensor *added;

	elm__sys_path(file, sizeof(file), "%s/name", folder);
	if (elm__sys_line(root, file, name, sizeof(name)) || !name[0])
		return;
	added = elm__sensor_add(list, name, folder, "energy_uj");
	if (!added)
		return;
	added->kind = SENSOR_ENERGY;
	elm__sys_path(file, sizeof(file), "%s/max_energy_range_uj", folder);
	if (!elm__sys_number(root, file, &range) && range > 0)
		added->range = range;
	if (!strcmp(name, "psys"))
		added->scope = ELM__POWER_BOARD;
	else if (!strncmp(name, "package", 7) || !strcmp(name, "dram"))
		added->scope = ELM__POWER_PROCESSOR;
}

static void find_rapl(const char *root, sensor_list *list)
{
	char domains[ELM__DEVICE_SENSORS][SYS_PATH];
	size_t count = elm__sys_list(root, "/sys/class/powercap", "intel-rapl:", domains,
				     ELM__DEVICE_SENSORS);

	for (size_t i = 0; i < count; i++)
		find_domain(root, domains[i], list);
}

/* Power inputs of a hwmon chip, in microwatts. */
static void find_powers(const char *root, const char *chip, sensor_list *list)
{
	char files[4 * ELM__DEVICE_SENSORS][SYS_PATH], path[SYS_PATH + 8], chip_name[SYS_TEXT];
	size_t count = elm__sys_list(root, chip, "power", files, 4 * ELM__DEVICE_SENSORS);

	elm__sys_path(path, sizeof(path), "%s/name", chip);
	(void)elm__sys_line(root, path, chip_name, sizeof(chip_name));
	for (size_t i = 0; i < count; i++) {
		const char *file = strrchr(files[i], '/') + 1, *rest = strchr(file, '_');
		char name[2 * SYS_TEXT];
		sensor *added;

		/* Some chips tell only the average. */
		if (!rest || (strcmp(rest, "_input") != 0 && strcmp(rest, "_average") != 0))
			continue;
		snprintf(name, sizeof(name), "%s %.*s", chip_name, (int)(rest - file), file);
		if (list->count && !strcmp(list->sensors[list->count - 1].name, name))
			continue;
		added = elm__sensor_add(list, name, chip, file);
		if (!added)
			continue;
		added->scale = 1e-6;
		added->scope = ELM__POWER_SENSORS;
	}
}

void elm__power_find(const char *root, sensor_list *list)
{
	char chips[ELM__DEVICE_SENSORS][SYS_PATH];
	size_t count;

	each_chip(root, "/sys/bus/i2c/drivers/ina3221x", "", "iio:device", find_iio_rails, list);
	each_chip(root, "/sys/bus/i2c/drivers/ina3221", "/hwmon", "hwmon", find_hwmon_rails, list);
	find_rapl(root, list);
	count = elm__sys_list(root, "/sys/class/hwmon", "hwmon", chips, ELM__DEVICE_SENSORS);
	for (size_t i = 0; i < count; i++)
		find_powers(root, chips[i], list);
}

const char *elm__power_scope_name(elm__power_scope scope)
{
	static const char *const names[] = {
		"", "board", "rails", "processor", "sensors", "battery"
	};

	return names[scope];
}

/* The total of the widest scope that has sensors. It is measured when all of them are: a sum
 * without some of its parts would look like less power. */
static void add_up(const sensor_list *list, elm__device_sample *out)
{
	elm__power_scope scope = ELM__POWER_NONE;

	for (size_t i = 0; i < list->count; i++) {
		elm__power_scope one = list->sensors[i].scope;

		if (one && (!scope || one < scope))
			scope = one;
	}
	out->power_scope = scope;
	if (!scope) {
		out->power = elm__unmeasured("neither power rails nor RAPL nor a power sensor of "
					     "hwmon is there; virtual machines have none");
		return;
	}
	out->power = elm__measured(0);
	for (size_t i = 0; i < list->count; i++) {
		if (list->sensors[i].scope != scope)
			continue;
		if (!out->rails[i].reading.measured) {
			out->power = out->rails[i].reading;
			return;
		}
		out->power.value += out->rails[i].reading.value;
		/* One input is the whole board, however many there are. */
		if (scope == ELM__POWER_BOARD)
			return;
	}
}

/* Counted by all sensors of the total, or by none. */
static elm__reading add_up_energy(const sensor_list *list, elm__power_scope scope)
{
	elm__reading sum = elm__unmeasured("the device has no counter of energy");

	for (size_t i = 0; i < list->count; i++) {
		const sensor *s = &list->sensors[i];

		if (s->scope != scope || s->kind != SENSOR_ENERGY)
			continue;
		if (!s->energy.measured)
			return s->energy;
		sum = elm__measured((sum.measured ? sum.value : 0) + s->energy.value);
		if (scope == ELM__POWER_BOARD)
			break;
	}
	return sum;
}

void elm__power_read(elm__device *device, double seconds, elm__device_sample *out)
{
	sensor_list *list = &device->rails;

	out->rail_count = list->count;
	for (size_t i = 0; i < list->count; i++) {
		memcpy(out->rails[i].name, list->sensors[i].name, sizeof(out->rails[i].name));
		out->rails[i].reading = elm__sensor_read(&device->root, &list->sensors[i], seconds);
	}
	add_up(list, out);
	out->energy = add_up_energy(list, out->power_scope);
	/* Not at a first look, which is all that a counter that can be read lacks. */
	if (!out->power.measured && !out->energy.measured)
		elm__battery_power_read(device->root.path, &device->board, out);
}

/* thermal.c: temperatures, from the kernel's thermal zones and from hwmon. */
#include <stdio.h>
#include <string.h>

#include "telemetry/internal.h"

/* In degrees Celsius; what is beyond is a sensor that is off. */
static const double coldest = -60, hottest = 200;

/* Of Jetson boards; it stands at 100 degrees for ever. */
static const char no_sensor[] = "PMIC-Die";

static void add(sensor_list *list, const char *name, const char *folder, const char *file)
{
	sensor *added = elm__sensor_add(list, name, folder, file);

	if (added)
		added->scale = 1e-3;
}

static void find_zones(const char *root, sensor_list *list)
{
	char zones[ELM__DEVICE_SENSORS][SYS_PATH];
	size_t count = elm__sys_list(root, "/sys/class/thermal", "thermal_zone", zones,
				     ELM__DEVICE_SENSORS);

	for (size_t i = 0; i < count; i++) {
		char file[SYS_PATH + 8], type[SYS_TEXT];

		elm__sys_path(file, sizeof(file), "%s/type", zones[i]);
		if (elm__sys_line(root, file, type, sizeof(type)) || !type[0])
			snprintf(type, sizeof(type), "%s", strrchr(zones[i], '/') + 1);
		if (strcmp(type, no_sensor) != 0)
			add(list, type, zones[i], "temp");
	}
}

/* A chip's name, and the label of its input where it has one. */
static void find_inputs(const char *root, const char *chip, sensor_list *list)
{
	char inputs[4 * ELM__DEVICE_SENSORS][SYS_PATH], file[SYS_PATH + 8], chip_name[SYS_TEXT];
	size_t count = elm__sys_list(root, chip, "temp", inputs, 4 * ELM__DEVICE_SENSORS);

	elm__sys_path(file, sizeof(file), "%s/name", chip);
	(void)elm__sys_line(root, file, chip_name, sizeof(chip_name));
	for (size_t i = 0; i < count; i++) {
		const char *input = strrchr(inputs[i], '/') + 1, *rest = strchr(input, '_');
		char label[SYS_TEXT], name[2 * SYS_TEXT];

		if (!rest || strcmp(rest, "_input") != 0)
			continue;
		elm__sys_path(file, sizeof(file), "%s/%.*s_label", chip, (int)(rest - input),
			      input);
		if (elm__sys_line(root, file, label, sizeof(label)) || !label[0])
			snprintf(label, sizeof(label), "%.*s", (int)(rest - input), input);
		snprintf(name, sizeof(name), "%s %s", chip_name, label);
		add(list, name, chip, input);
	}
}

void elm__thermal_find(const char *root, sensor_list *list)
{
	char chips[ELM__DEVICE_SENSORS][SYS_PATH];
	size_t count;

	find_zones(root, list);
	count = elm__sys_list(root, "/sys/class/hwmon", "hwmon", chips, ELM__DEVICE_SENSORS);
	for (size_t i = 0; i < count; i++)
		find_inputs(root, chips[i], list);
}

void elm__thermal_read(elm__device *device, double seconds, elm__device_sample *out)
{
	sensor_list *list = &device->temperatures;

	out->temperature = elm__unmeasured(
		list->count ? "no temperature sensor gives a value now" :
			      "the kernel shows no temperature sensor; virtual machines have none");
	out->hottest[0] = '\0';
	out->temperature_count = list->count;
	for (size_t i = 0; i < list->count; i++) {
		elm__named_reading *to = &out->temperatures[i];

		memcpy(to->name, list->sensors[i].name, sizeof(to->name));
		to->reading = elm__sensor_read(&device->root, &list->sensors[i], seconds);
		if (to->reading.measured &&
		    (to->reading.value < coldest || to->reading.value > hottest))
			to->reading = elm__unmeasured("the sensor is switched off");
		if (!to->reading.measured ||
		    (out->temperature.measured && out->temperature.value >= to->reading.value))
			continue;
		out->temperature = to->reading;
		memcpy(out->hottest, to->name, sizeof(out->hottest));
	}
}

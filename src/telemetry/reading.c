/* reading.c: readings, and the sensors that give them. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "telemetry/internal.h"

void elm__copy_name(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text);
	elm__make_printable(out);
}

elm__reading elm__measured(double value)
{
	if (!isfinite(value))
		return elm__sys_unmeasured(SYS_FAILED);
	return (elm__reading){ .measured = true, .value = value };
}

elm__reading elm__unmeasured(const char *reason)
{
	return (elm__reading){ .reason = reason };
}

elm__reading elm__first_look(void)
{
	return elm__unmeasured("a first look; it takes two");
}

elm__reading elm__sys_unmeasured(sys_result result)
{
	switch (result) {
	case SYS_ABSENT:
		return elm__unmeasured("the kernel has no file for it");
	case SYS_DENIED:
		return elm__unmeasured("only root may read it on this system");
	case SYS_GONE:
		return elm__unmeasured("the process has ended");
	default:
		return elm__unmeasured("the sensor gives no value now");
	}
}

void elm__wanted_lines(sys_result result, const char *text, const wanted_line *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		*list[i].out = elm__sys_unmeasured(result ? result : SYS_ABSENT);
	if (result)
		return;
	for (const char *line = text; *line; line += strspn(line, "\n")) {
		for (size_t i = 0; i < count; i++) {
			size_t length = strlen(list[i].key);
			uint64_t value;

			if (!strncmp(line, list[i].key, length) &&
			    sscanf(line + length, "%" SCNu64, &value) == 1)
				*list[i].out = elm__measured((double)value * list[i].scale);
		}
		line += strcspn(line, "\n");
	}
}

sensor *elm__sensor_add(sensor_list *list, const char *name, const char *folder, const char *file)
{
	sensor *added = &list->sensors[list->count];

	if (list->count == ELM__DEVICE_SENSORS)
		return NULL;
	*added = (sensor){ .scale = 1 };
	elm__sys_path(added->file.path, sizeof(added->file.path), "%s/%s", folder, file);
	if (!added->file.path[0])
		return NULL;
	elm__copy_name(added->name, sizeof(added->name), name);
	list->count++;
	return added;
}

/* Watts from a counter of microjoules. */
static elm__reading read_energy(const sys_root *root, sensor *s, double seconds)
{
	int64_t before = s->counter, now = 0;
	bool known = s->known;
	sys_result result = elm__file_number(root, &s->file, &now);
	double joules;

	s->known = !result && now >= 0;
	if (!s->known) {
		/* What was drawn until it can be read again is missing in the sum for good. */
		s->energy = elm__sys_unmeasured(result ? result : SYS_FAILED);
		return s->energy;
	}
	s->counter = now;
	if (!s->energy.reason && !s->energy.measured)
		s->energy = elm__measured(0);
	if (!known || seconds <= 0)
		return elm__first_look();
	if (now < before && s->range <= before) {
		s->energy = elm__unmeasured("the counter was started over");
		return s->energy;
	}
	joules = ((double)(now - before) + (now < before ? (double)s->range : 0)) * 1e-6;
	if (s->energy.measured)
		s->energy.value += joules;
	return elm__measured(joules / seconds);
}

elm__reading elm__sys_reading(const char *root, const char *path, double scale)
{
	int64_t value = 0;
	sys_result result = elm__sys_number(root, path, &value);

	return result ? elm__sys_unmeasured(result) : elm__measured((double)value * scale);
}

elm__reading elm__file_reading(const sys_root *root, sys_file *file, double scale)
{
	int64_t value = 0;
	sys_result result = elm__file_number(root, file, &value);

	return result ? elm__sys_unmeasured(result) : elm__measured((double)value * scale);
}

elm__reading elm__sensor_read(const sys_root *root, sensor *s, double seconds)
{
	elm__reading first, second;

	if (s->kind == SENSOR_ENERGY)
		return read_energy(root, s, seconds);
	first = elm__file_reading(root, &s->file, s->scale);
	if (s->kind == SENSOR_VALUE || !first.measured)
		return first;
	second = elm__file_reading(root, &s->second, 1);
	if (second.measured)
		second.value *= first.value;
	return second;
}

void elm__sensors_close(sensor_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		elm__file_close(&list->sensors[i].file);
		elm__file_close(&list->sensors[i].second);
	}
}

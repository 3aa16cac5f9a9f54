/* device.c: all readings of a device, and their form in JSON. */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "telemetry/internal.h"

elm_status elm__device_open(const char *sysroot, elm__device **out, elm_error *error)
{
	elm__device *device = elm__calloc(1, sizeof(*device));

	*out = NULL;
	if (device)
		device->root = elm__strdup(sysroot);
	if (!device || !device->root) {
		elm__device_close(device);
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	}
	elm__thermal_find(device->root, &device->temperatures);
	elm__power_find(device->root, &device->rails);
	*out = device;
	return ELM_OK;
}

void elm__device_close(elm__device *device)
{
	if (!device)
		return;
	elm__free(device->root);
	elm__free(device);
}

void elm__device_read_at(elm__device *device, uint64_t now_ns, elm__device_sample *out)
{
	memset(out, 0, sizeof(*out));
	out->at_ns = now_ns;
	if (device->last_ns && now_ns > device->last_ns)
		out->seconds = elm__seconds_between(device->last_ns, now_ns);
	device->last_ns = now_ns;
	elm__processor_read(device, out);
	elm__memory_read(device, out);
	elm__thermal_read(device, out);
	elm__power_read(device, out);
}

void elm__device_read(elm__device *device, elm__device_sample *out)
{
	elm__device_read_at(device, elm__now_ns(), out);
}

json_t *elm__reading_json(const elm__reading *reading, const char *unit)
{
	if (reading->measured)
		return json_pack("{s:f, s:s}", "value", reading->value, "unit", unit);
	return json_pack("{s:s, s:s}", "unmeasured", reading->reason, "unit", unit);
}

static json_t *named_json(const elm__named_reading *list, size_t count, const char *unit)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *item = elm__reading_json(&list[i].reading, unit);

		if (!item || json_object_set_new(item, "name", json_string(list[i].name)) ||
		    json_array_append(array, item)) {
			json_decref(item);
			json_decref(array);
			return NULL;
		}
		json_decref(item);
	}
	return array;
}

static json_t *cores_json(const elm__device_sample *sample)
{
	json_t *array = json_array();

	for (size_t i = 0; i < sample->core_count; i++)
		if (json_array_append_new(array, elm__reading_json(&sample->cores[i], "%"))) {
			json_decref(array);
			return NULL;
		}
	return array;
}

static json_t *process_json(const elm__device_sample *s)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "cpu",
			 elm__reading_json(&s->process_cpu, "%"), "threads",
			 elm__reading_json(&s->process_threads, "threads"), "rss",
			 elm__reading_json(&s->process_rss, "B"), "anonymous",
			 elm__reading_json(&s->process_anon, "B"), "file",
			 elm__reading_json(&s->process_file, "B"), "shared",
			 elm__reading_json(&s->process_shared, "B"));
}

static json_t *memory_json(const elm__device_sample *s)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "total",
			 elm__reading_json(&s->memory_total, "B"), "available",
			 elm__reading_json(&s->memory_available, "B"), "swap_total",
			 elm__reading_json(&s->swap_total, "B"), "swap_used",
			 elm__reading_json(&s->swap_used, "B"), "stall",
			 elm__reading_json(&s->memory_stall, "%"), "stall_all",
			 elm__reading_json(&s->memory_stall_all, "%"));
}

json_t *elm__device_json(const elm__device_sample *s)
{
	return json_pack("{s:f, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:s, s:o}", "seconds",
			 s->seconds, "cpu", elm__reading_json(&s->cpu, "%"), "cores", cores_json(s),
			 "memory", memory_json(s), "process", process_json(s), "temperature",
			 elm__reading_json(&s->temperature, "C"), "hottest", s->hottest,
			 "temperatures", named_json(s->temperatures, s->temperature_count, "C"),
			 "power", elm__reading_json(&s->power, "W"), "power_scope",
			 elm__power_scope_name(s->power_scope), "rails",
			 named_json(s->rails, s->rail_count, "W"));
}

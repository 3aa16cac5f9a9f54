/* json.c: readings as JSON. */
#include "telemetry/internal.h"

json_t *elm__reading_json(const elm__reading *reading, const char *unit)
{
	if (reading->measured)
		return json_pack("{s:f, s:s}", "value", reading->value, "unit", unit);
	return json_pack("{s:s, s:s}", "unmeasured",
			 reading->reason ? reading->reason : "it was not asked for", "unit", unit);
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
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "cpu",
			 elm__reading_json(&s->process_cpu, "%"), "time",
			 elm__reading_json(&s->process_time, "s"), "threads",
			 elm__reading_json(&s->process_threads, "threads"), "rss",
			 elm__reading_json(&s->process_rss, "B"), "anonymous",
			 elm__reading_json(&s->process_anon, "B"), "file",
			 elm__reading_json(&s->process_file, "B"), "shared",
			 elm__reading_json(&s->process_shared, "B"), "pss",
			 elm__reading_json(&s->process_pss, "B"));
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
	return json_pack("{s:f, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:s, s:o, s:o}", "seconds",
			 s->seconds, "cpu", elm__reading_json(&s->cpu, "%"), "cores", cores_json(s),
			 "memory", memory_json(s), "process", process_json(s), "temperature",
			 elm__reading_json(&s->temperature, "C"), "hottest", s->hottest,
			 "temperatures", named_json(s->temperatures, s->temperature_count, "C"),
			 "power", elm__reading_json(&s->power, "W"), "power_scope",
			 elm__power_scope_name(s->power_scope), "energy",
			 elm__reading_json(&s->energy, "J"), "rails",
			 named_json(s->rails, s->rail_count, "W"));
}

/* json.c: readings as JSON. */
#include "telemetry/internal.h"

json_t *elm__reading_json(const elm__reading *reading, const char *unit)
{
	if (reading->measured)
		return json_pack("{s:f, s:s}", "value", reading->value, "unit", unit);
	return json_pack("{s:s, s:s}", "unmeasured",
			 reading->reason ? reading->reason : "it was not asked for", "unit", unit);
}

/* A reading of a struct; tables of them end without a key. */
typedef struct field {
	const char *key, *unit;
	size_t offset;
} field;

#define FIELD(key, unit, S, member)            \
	{                                      \
		key, unit, offsetof(S, member) \
	}
#define DEVICE(key, unit, member) FIELD(key, unit, elm__device_sample, member)

static const field device_fields[] = { DEVICE("cpu", "%", cpu),
				       DEVICE("temperature", "C", temperature),
				       DEVICE("power", "W", power),
				       DEVICE("energy", "J", energy),
				       DEVICE("gpu", "%", gpu_load),
				       DEVICE("throttled", "1", throttled),
				       DEVICE("throttle_events", "1", throttle_events),
				       DEVICE("uptime", "s", uptime),
				       DEVICE("jetson_clocks", "1", jetson_clocks),
				       DEVICE("mains", "1", mains),
				       { 0 } };

static const field memory_fields[] = { DEVICE("total", "B", memory_total),
				       DEVICE("available", "B", memory_available),
				       DEVICE("swap_total", "B", swap_total),
				       DEVICE("swap_used", "B", swap_used),
				       DEVICE("stall", "%", memory_stall),
				       DEVICE("stall_all", "%", memory_stall_all),
				       { 0 } };

static const field process_fields[] = { DEVICE("cpu", "%", process_cpu),
					DEVICE("time", "s", process_time),
					DEVICE("threads", "threads", process_threads),
					DEVICE("rss", "B", process_rss),
					DEVICE("anonymous", "B", process_anon),
					DEVICE("file", "B", process_file),
					DEVICE("shared", "B", process_shared),
					DEVICE("pss", "B", process_pss),
					DEVICE("gpu_memory", "B", process_gpu_memory),
					{ 0 } };

static const field emc_fields[] = { DEVICE("now", "Hz", emc),
				    DEVICE("highest", "Hz", emc_highest),
				    DEVICE("load", "%", emc_load),
				    { 0 } };

static const field iram_fields[] = { DEVICE("used", "B", iram_used),
				     DEVICE("total", "B", iram_total),
				     { 0 } };

static const field battery_fields[] = { DEVICE("level", "%", battery),
					DEVICE("voltage", "V", battery_voltage),
					DEVICE("current", "A", battery_current),
					DEVICE("power", "W", battery_power),
					DEVICE("energy", "Wh", battery_energy),
					DEVICE("energy_full", "Wh", battery_energy_full),
					{ 0 } };

static const field clock_fields[] = { FIELD("now", "Hz", elm__core_clock, now),
				      FIELD("lowest", "Hz", elm__core_clock, lowest),
				      FIELD("highest", "Hz", elm__core_clock, highest),
				      { 0 } };

static const field gpu_fields[] = { FIELD("load", "%", elm__gpu, load),
				    FIELD("now", "Hz", elm__gpu, now),
				    FIELD("lowest", "Hz", elm__gpu, lowest),
				    FIELD("highest", "Hz", elm__gpu, highest),
				    FIELD("memory_used", "B", elm__gpu, memory_used),
				    FIELD("memory_total", "B", elm__gpu, memory_total),
				    FIELD("temperature", "C", elm__gpu, temperature),
				    FIELD("power", "W", elm__gpu, power),
				    { 0 } };

static const field fan_fields[] = { FIELD("duty", "%", elm__fan, duty),
				    FIELD("speed", "rpm", elm__fan, speed),
				    { 0 } };

/* Adds the readings of a struct to an object; on failure frees it and returns NULL. */
static json_t *add_fields(json_t *object, const void *base, const field *fields)
{
	for (; object && fields->key; fields++) {
		const char *at = (const char *)base + fields->offset;
		json_t *value =
			elm__reading_json((const elm__reading *)(const void *)at, fields->unit);

		if (json_object_set_new(object, fields->key, value)) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static json_t *fields_json(const void *base, const field *fields)
{
	return add_fields(json_object(), base, fields);
}

static json_t *add_text(json_t *object, const char *key, const char *text)
{
	if (object && json_object_set_new(object, key, json_string(text))) {
		json_decref(object);
		return NULL;
	}
	return object;
}

/* The next element of an array: frees both and returns false on failure. */
static bool append(json_t **array, json_t *value)
{
	if (*array && !json_array_append_new(*array, value))
		return true;
	json_decref(*array);
	*array = NULL;
	return false;
}

static json_t *named_json(const elm__named_reading *list, size_t count, const char *unit)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		if (!append(&array, add_text(elm__reading_json(&list[i].reading, unit), "name",
					     list[i].name)))
			break;
	return array;
}

static json_t *cores_json(const elm__device_sample *s)
{
	json_t *array = json_array();

	for (size_t i = 0; i < s->core_count; i++)
		if (!append(&array, elm__reading_json(&s->cores[i], "%")))
			break;
	return array;
}

static json_t *clocks_json(const elm__device_sample *s)
{
	json_t *array = json_array();

	for (size_t i = 0; i < s->clock_count; i++)
		if (!append(&array, add_text(fields_json(&s->clocks[i], clock_fields), "governor",
					     s->clocks[i].governor)))
			break;
	return array;
}

static json_t *gpus_json(const elm__device_sample *s)
{
	json_t *array = json_array();

	for (size_t i = 0; i < s->gpu_count; i++)
		if (!append(&array, add_text(fields_json(&s->gpus[i], gpu_fields), "name",
					     s->gpus[i].name)))
			break;
	return array;
}

static json_t *fans_json(const elm__device_sample *s)
{
	json_t *array = json_array();

	for (size_t i = 0; i < s->fan_count; i++)
		if (!append(&array, add_text(fields_json(&s->fans[i], fan_fields), "name",
					     s->fans[i].name)))
			break;
	return array;
}

/* Adds what is made of other parts. */
static json_t *add_parts(json_t *object, const elm__device_sample *s)
{
	const struct {
		const char *key;
		json_t *value;
	} parts[] = {
		{ "seconds", json_real(s->seconds) },
		{ "cores", cores_json(s) },
		{ "clocks", clocks_json(s) },
		{ "memory", fields_json(s, memory_fields) },
		{ "process", fields_json(s, process_fields) },
		{ "hottest", json_string(s->hottest) },
		{ "temperatures", named_json(s->temperatures, s->temperature_count, "C") },
		{ "power_scope", json_string(elm__power_scope_name(s->power_scope)) },
		{ "rails", named_json(s->rails, s->rail_count, "W") },
		{ "throttle_causes", json_string(s->throttle_causes) },
		{ "gpus", gpus_json(s) },
		{ "fans", fans_json(s) },
		{ "emc", fields_json(s, emc_fields) },
		{ "iram", fields_json(s, iram_fields) },
		{ "engines", named_json(s->engines, s->engine_count, "Hz") },
		{ "power_mode",
		  add_text(elm__reading_json(&s->power_mode, "1"), "name", s->power_mode_name) },
		{ "battery", add_text(fields_json(s, battery_fields), "state", s->battery_state) },
	};
	bool failed = !object;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		failed |= json_object_set_new(object, parts[i].key, parts[i].value) != 0;
	if (!failed)
		return object;
	json_decref(object);
	return NULL;
}

json_t *elm__device_json(const elm__device_sample *s)
{
	return add_parts(fields_json(s, device_fields), s);
}

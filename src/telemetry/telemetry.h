/*
 * telemetry.h: what the device and this process are doing: processor, memory, temperatures, power.
 *
 * Every value is measured, or says why it is not: a sensor that is missing must never look like
 * one that shows 0. All files are read below a root that the caller gives, so that recorded trees
 * of other devices can stand in for this one.
 */
#ifndef ELM_TELEMETRY_TELEMETRY_H
#define ELM_TELEMETRY_TELEMETRY_H

#include <edgelm/status.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct elm__reading {
	bool measured;
	double value;	    /* where measured */
	const char *reason; /* where not: a static text that follows "unmeasured: " */
} elm__reading;

enum { ELM__DEVICE_CORES = 256, ELM__DEVICE_SENSORS = 32, ELM__SENSOR_NAME = 48 };

typedef struct elm__named_reading {
	char name[ELM__SENSOR_NAME]; /* as the kernel has it, made printable */
	elm__reading reading;
} elm__named_reading;

/* What a total of power includes. */
typedef enum elm__power_scope {
	ELM__POWER_NONE = 0,
	ELM__POWER_BOARD,     /* the rail that feeds the whole board */
	ELM__POWER_RAILS,     /* the rails that are measured, which may not be all */
	ELM__POWER_PROCESSOR, /* the processor's packages, and memory where it is told */
	ELM__POWER_SENSORS    /* all power sensors of the kernel's hwmon */
} elm__power_scope;

typedef struct elm__device_sample {
	uint64_t at_ns; /* CLOCK_MONOTONIC */
	double seconds; /* since the sample before, which rates are averages over; 0: there was none
			 */

	elm__reading cpu; /* percent of all cores that were busy */
	size_t core_count;
	elm__reading cores[ELM__DEVICE_CORES]; /* percent, by the kernel's number */

	elm__reading memory_total, memory_available; /* bytes; of the control group if it is less */
	elm__reading swap_total, swap_used;	     /* bytes */
	/* Percent of the last ten seconds in which some processes, or all, waited for memory. */
	elm__reading memory_stall, memory_stall_all;

	elm__reading process_cpu;     /* percent of all cores, by this process */
	elm__reading process_threads; /* how many */
	/* Bytes that are resident, and of them private memory, mapped files and shared memory. */
	elm__reading process_rss, process_anon, process_file, process_shared;

	elm__reading temperature; /* degrees Celsius: the hottest of those below */
	char hottest[ELM__SENSOR_NAME];
	size_t temperature_count;
	elm__named_reading temperatures[ELM__DEVICE_SENSORS];

	elm__reading power; /* watts */
	elm__power_scope power_scope;
	size_t rail_count;
	elm__named_reading rails[ELM__DEVICE_SENSORS]; /* watts; some may be parts of others */
} elm__device_sample;

typedef struct elm__device elm__device;

/* Looks for the sensors below `sysroot` ("" for this machine). On success *out is the caller's. */
ELM_NODISCARD elm_status elm__device_open(const char *sysroot, elm__device **out, elm_error *error);
void elm__device_close(elm__device *device); /* NULL allowed */

/* Reads everything. One thread at a time. Rates need a sample before this one. */
void elm__device_read(elm__device *device, elm__device_sample *out);
/* The same at a time that the caller says, for tests. */
void elm__device_read_at(elm__device *device, uint64_t now_ns, elm__device_sample *out);

/* "board", ...; "" for ELM__POWER_NONE. */
const char *elm__power_scope_name(elm__power_scope scope);

/* {"value": 1.5, "unit": "W"} or {"unmeasured": "...", "unit": "W"}; NULL when memory runs out. */
json_t *elm__reading_json(const elm__reading *reading, const char *unit);
/* All of a sample, an object of such objects; NULL when memory runs out. */
json_t *elm__device_json(const elm__device_sample *sample);

#endif

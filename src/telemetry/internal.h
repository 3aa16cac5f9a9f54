/* internal.h: what the files of this layer share. */
#ifndef ELM_TELEMETRY_INTERNAL_H
#define ELM_TELEMETRY_INTERNAL_H

#include <edgelm/status.h>

#include "telemetry/telemetry.h"

enum { SYS_PATH = 256, SYS_TEXT = 128 };

/* How reading a file of the kernel went. */
typedef enum sys_result {
	SYS_OK = 0,
	SYS_ABSENT, /* there is no such file */
	SYS_DENIED, /* we may not read it */
	SYS_FAILED  /* it cannot be read now, or holds something else */
} sys_result;

/* Writes a path; one that is too long becomes empty, which no file is called. */
void elm__sys_path(char *out, size_t size, const char *format, ...) ELM_PRINTF(3, 4);

/* The first line of a file below `root`, without its end. */
sys_result elm__sys_line(const char *root, const char *path, char *out, size_t size);
/* The number that it begins with. */
sys_result elm__sys_number(const char *root, const char *path, int64_t *out);
/* The number times `scale` as a reading. */
elm__reading elm__sys_reading(const char *root, const char *path, double scale);

/* The entries of a folder whose names begin so, in the order of their numbers; at most `room`
 * paths. Returns how many. */
size_t elm__sys_list(const char *root, const char *folder, const char *prefix,
		     char (*out)[SYS_PATH], size_t room);

elm__reading elm__measured(double value);
elm__reading elm__unmeasured(const char *reason);
elm__reading elm__sys_unmeasured(sys_result result);

/* Ticks of a core since it started. */
typedef struct core_ticks {
	uint64_t busy, all;
	bool known;
} core_ticks;

typedef struct processor {
	core_ticks all, cores[ELM__DEVICE_CORES];
	size_t core_count;
	uint64_t process_ticks;
	bool process_known;
} processor;

/* Where a temperature or a power comes from. */
typedef enum sensor_kind {
	SENSOR_VALUE = 0, /* the number of a file, times scale */
	SENSOR_PRODUCT,	  /* of two files, times scale: volts and amperes */
	SENSOR_ENERGY	  /* what a counter of microjoules has gone up by, per second */
} sensor_kind;

typedef struct sensor {
	char name[ELM__SENSOR_NAME];
	sensor_kind kind;
	char path[SYS_PATH], second[SYS_PATH]; /* second: of SENSOR_PRODUCT */
	double scale;
	elm__power_scope scope; /* the total that it can be part of; ELM__POWER_NONE: of none */
	int64_t energy, range;	/* SENSOR_ENERGY: at the last look; where it wraps, 0: unknown */
	bool known;
} sensor;

typedef struct sensor_list {
	sensor sensors[ELM__DEVICE_SENSORS];
	size_t count;
} sensor_list;

struct elm__device {
	char *root;
	uint64_t last_ns; /* 0: never */
	processor cpu;
	sensor_list temperatures, rails;
};

/* A new sensor; NULL when there is no room, or its paths are too long. `name` is made printable. */
sensor *elm__sensor_add(sensor_list *list, const char *name, const char *folder, const char *file);
elm__reading elm__sensor_read(const char *root, sensor *sensor, double seconds);

void elm__thermal_find(const char *root, sensor_list *list);
void elm__power_find(const char *root, sensor_list *list);

void elm__processor_read(elm__device *device, elm__device_sample *out);
void elm__memory_read(const elm__device *device, elm__device_sample *out);
void elm__thermal_read(elm__device *device, elm__device_sample *out);
void elm__power_read(elm__device *device, elm__device_sample *out);

#endif

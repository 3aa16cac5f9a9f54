/* internal.h: what the files of this layer share. */
#ifndef ELM_TELEMETRY_INTERNAL_H
#define ELM_TELEMETRY_INTERNAL_H

#include <edgelm/status.h>
#include <time.h>

#include "telemetry/nvml.h"
#include "telemetry/telemetry.h"

enum { SYS_PATH = 256, SYS_TEXT = 128, SYS_FILE = 32768 };

/* How reading a file of the kernel went. */
typedef enum sys_result {
	SYS_OK = 0,
	SYS_ABSENT, /* there is no such file */
	SYS_DENIED, /* we may not read it */
	SYS_GONE,   /* it was of a process that has ended */
	SYS_FAILED  /* it cannot be read now, or holds something else */
} sys_result;

/* Writes a path; one that is too long becomes empty, which no file is called. */
void elm__sys_path(char *out, size_t size, const char *format, ...) ELM_PRINTF(3, 4);

/* The first line of a file below `root`, without its end. */
sys_result elm__sys_line(const char *root, const char *path, char *out, size_t size);
/* The number that is all of it. */
sys_result elm__sys_number(const char *root, const char *path, int64_t *out);

/* The same of a hexadecimal one, with or without "0x". */
sys_result elm__sys_hex(const char *root, const char *path, int64_t *out);
/* The number times `scale` as a reading. */
elm__reading elm__sys_reading(const char *root, const char *path, double scale);

/* The entries of a folder whose names begin so, in the order of their numbers; at most `room`
 * paths. Returns how many. */
size_t elm__sys_list(const char *root, const char *folder, const char *prefix,
		     char (*out)[SYS_PATH], size_t room);

/* A file that is read again and again. All zeros but the path is one that is not open. */
typedef struct sys_file {
	char path[SYS_PATH];
	bool open;
	int fd;
} sys_file;

/* Below what files lie, and whether they stay open after they are read. */
typedef struct sys_root {
	const char *path;
	bool keep;
} sys_root;

/* All of a file, at most size - 1 bytes of it. */
sys_result elm__file_text(const sys_root *root, sys_file *file, char *out, size_t size);
sys_result elm__file_number(const sys_root *root, sys_file *file, int64_t *out);
elm__reading elm__file_reading(const sys_root *root, sys_file *file, double scale);
void elm__file_close(sys_file *file);

elm__reading elm__measured(double value); /* unmeasured unless it is finite */
elm__reading elm__unmeasured(const char *reason);
elm__reading elm__sys_unmeasured(sys_result result);
elm__reading elm__first_look(void); /* of two that a rate takes */

/* Lines "KEY NUMBER ..." that are wanted of a file. */
typedef struct wanted_line {
	const char *key;
	elm__reading *out;
	double scale;
} wanted_line;

/* Finds them in a text that was read with `result`; what is not there is absent. */
void elm__wanted_lines(sys_result result, const char *text, const wanted_line *list, size_t count);

/* Ticks of a core since it started. */
typedef struct core_ticks {
	uint64_t busy, all;
	bool known;
} core_ticks;

typedef struct processor {
	sys_file stat;
	core_ticks all, cores[ELM__DEVICE_CORES];
	size_t core_count;
	elm__reading process_time; /* at the last look */
} processor;

typedef struct process {
	int64_t pid; /* 0: this one */
	sys_file stat, status, smaps;
} process;

/* Where a temperature or a power comes from. */
typedef enum sensor_kind {
	SENSOR_VALUE = 0, /* the number of a file, times scale */
	SENSOR_PRODUCT,	  /* of two files, times scale: volts and amperes */
	SENSOR_ENERGY	  /* what a counter of microjoules has gone up by, per second */
} sensor_kind;

typedef struct sensor {
	char name[ELM__SENSOR_NAME];
	sensor_kind kind;
	sys_file file, second; /* second: of SENSOR_PRODUCT */
	double scale;
	elm__power_scope scope; /* the total that it can be part of; ELM__POWER_NONE: of none */
	int64_t counter, range; /* SENSOR_ENERGY: at the last look; where it wraps, 0: unknown */
	bool known;
	elm__reading energy; /* SENSOR_ENERGY: joules since the first look */
} sensor;

typedef struct sensor_list {
	sensor sensors[ELM__DEVICE_SENSORS];
	size_t count;
} sensor_list;

/* A GPU that the kernel shows: files that are "" are not there. */
typedef struct gpu_files {
	char name[ELM__SENSOR_NAME];
	sys_file load, now, used;
	double load_scale, now_scale;		  /* to percent, to Hz */
	char lowest[SYS_PATH], highest[SYS_PATH]; /* scaled as `now` */
	char total[SYS_PATH];
	bool shares_memory; /* with the processor: what it uses is in the table of nvmap */
} gpu_files;

typedef struct fan_files {
	char name[ELM__SENSOR_NAME];
	char duty[SYS_PATH], speed[SYS_PATH];
} fan_files;

/* What is found once of the board. */
typedef struct board_files {
	char model[ELM__SENSOR_NAME];
	bool jetson;
	fan_files fans[ELM__DEVICE_FANS];
	size_t fan_count;
	char emc[SYS_PATH], emc_highest[SYS_PATH], emc_activity[SYS_PATH];
	char engines[ELM__DEVICE_SENSORS][SYS_PATH];
	size_t engine_count;
	char battery[SYS_PATH], mains[SYS_PATH];
	char throttled[SYS_PATH]; /* of the firmware of Raspberry Pi boards */
	char coolers[ELM__DEVICE_SENSORS][SYS_PATH];
	size_t cooler_count;
	char alarms[ELM__DEVICE_SENSORS][SYS_PATH], events[ELM__DEVICE_SENSORS][SYS_PATH];
	size_t alarm_count, event_count;
	size_t clock_count;
} board_files;

struct elm__device {
	char *root_text;
	sys_root root;
	uint64_t last_ns;		     /* 0: never */
	uint64_t group_ns[ELM__READ_GROUPS]; /* the same of each group */
	processor cpu;
	process process;
	sys_file meminfo;
	bool group_known;
	double group_limit; /* bytes that the control group allows */
	sensor_list temperatures, rails;
	gpu_files gpus[ELM__DEVICE_GPUS];
	size_t gpu_count;
	sys_file nvmap;
	elm__nvml *nvml; /* NULL: the library is not there */
	board_files board;
	char text[SYS_FILE]; /* the file that is being read */
};

/* A new sensor; NULL when there is no room, or its paths are too long. `name` is made printable. */
sensor *elm__sensor_add(sensor_list *list, const char *name, const char *folder, const char *file);
elm__reading elm__sensor_read(const sys_root *root, sensor *sensor, double seconds);
void elm__sensors_close(sensor_list *list);

void elm__thermal_find(const char *root, sensor_list *list);
void elm__power_find(const char *root, sensor_list *list);
void elm__gpu_find(elm__device *device);
void elm__gpu_close(elm__device *device);
void elm__fan_find(const char *root, board_files *board);
void elm__battery_find(const char *root, board_files *board);
void elm__throttle_find(const char *root, board_files *board);
void elm__board_find(const char *root, board_files *board);

/* Of each group; `seconds` since the last look at it, 0 at the first. */
void elm__processor_read(elm__device *device, double seconds, elm__device_sample *out);
void elm__process_read(elm__device *device, double seconds, elm__device_sample *out);
void elm__pss_read(elm__device *device, double seconds, elm__device_sample *out);
void elm__memory_read(elm__device *device, double seconds, elm__device_sample *out);
void elm__pressure_read(elm__device *device, double seconds, elm__device_sample *out);
void elm__thermal_read(elm__device *device, double seconds, elm__device_sample *out);
void elm__power_read(elm__device *device, double seconds, elm__device_sample *out);
void elm__clocks_read(elm__device *device, double seconds, elm__device_sample *out);
void elm__gpu_read(elm__device *device, double seconds, elm__device_sample *out);
void elm__board_read(elm__device *device, double seconds, elm__device_sample *out);

/* Parts of those. */
void elm__throttle_read(const char *root, const board_files *board, elm__device_sample *out);
void elm__fans_read(const char *root, const board_files *board, elm__device_sample *out);
void elm__battery_read(const char *root, const board_files *board, elm__device_sample *out);
/* The power of the whole device, where it runs on its battery. */
void elm__battery_power_read(const char *root, const board_files *board, elm__device_sample *out);

/* What a core's governor may choose between, and what it has chosen. */
void elm__core_clock_read(const char *root, size_t core, elm__core_clock *out);
/* The same of a GPU: `lowest` and `highest` of *out. */
void elm__gpu_range_read(const char *root, const gpu_files *gpu, elm__gpu *out);
/* The bytes that a table of nvmap, which was read with `result`, has for a process; for -1, of all.
 */
elm__reading elm__nvmap_size(sys_result result, const char *text, int64_t pid);

/* Copies at most as much as there is room for, made printable. */
void elm__copy_name(char *out, size_t size, const char *text);
/* Whether there is such a file or folder, or may be: what we may not look at counts as there. */
bool elm__sys_exists(const char *root, const char *path);

/* Seconds of processor time that the process has had. */
elm__reading elm__process_time(elm__device *device);

#endif

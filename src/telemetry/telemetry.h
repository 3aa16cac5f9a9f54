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
	double value; /* where measured */
	/* Where not: a static text that follows "unmeasured: "; NULL: it was never read. */
	const char *reason;
} elm__reading;

enum {
	ELM__DEVICE_CORES = 256,
	ELM__DEVICE_SENSORS = 32,
	ELM__DEVICE_GPUS = 8,
	ELM__DEVICE_FANS = 8,
	ELM__SENSOR_NAME = 48
};

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
	ELM__POWER_SENSORS,   /* all power sensors of the kernel's hwmon */
	ELM__POWER_BATTERY    /* the whole device, told by the battery that it runs on */
} elm__power_scope;

typedef struct elm__core_clock {
	elm__reading now, lowest, highest; /* Hz; what the governor may choose between */
	char governor[16];		   /* empty: not told */
} elm__core_clock;

typedef struct elm__gpu {
	char name[ELM__SENSOR_NAME];
	elm__reading load;			/* percent */
	elm__reading now, lowest, highest;	/* Hz */
	elm__reading memory_used, memory_total; /* bytes */
	elm__reading temperature, power;	/* degrees Celsius, watts */
} elm__gpu;

typedef struct elm__fan {
	char name[ELM__SENSOR_NAME];
	elm__reading duty;  /* percent of the time that it is driven */
	elm__reading speed; /* turns per minute */
} elm__fan;

/* What can be read without the rest. */
enum {
	ELM__READ_PROCESSOR = 1 << 0, /* how busy the cores are, and process_cpu */
	ELM__READ_PROCESS = 1 << 1,   /* the other readings of the process */
	ELM__READ_PSS = 1 << 2, /* process_pss: the kernel walks all pages of the process for it */
	ELM__READ_MEMORY = 1 << 3,
	ELM__READ_PRESSURE = 1 << 4,
	ELM__READ_TEMPERATURE = 1 << 5,
	ELM__READ_POWER = 1 << 6,
	ELM__READ_CLOCKS = 1 << 7, /* frequencies of the cores, throttling */
	ELM__READ_GPU = 1 << 8,
	ELM__READ_BOARD = 1 << 9, /* all the rest: fans, battery, memory controller, modes */
	ELM__READ_GROUPS = 10,	  /* how many there are */
	ELM__READ_ALL = (1 << ELM__READ_GROUPS) - 1
};

/* Zeroed, it is one of which nothing was read yet. */
typedef struct elm__device_sample {
	uint64_t at_ns; /* CLOCK_MONOTONIC */
	/* Since the look before; 0: there was none. A rate is an average over the time since the
	 * last look at its own group. */
	double seconds;

	elm__reading cpu; /* percent of all cores that were busy */
	size_t core_count;
	elm__reading cores[ELM__DEVICE_CORES]; /* percent, by the kernel's number */

	elm__reading memory_total, memory_available; /* bytes; of the control group if it is less */
	elm__reading swap_total, swap_used;	     /* bytes */
	/* Percent of the last ten seconds in which some processes, or all, waited for memory. */
	elm__reading memory_stall, memory_stall_all;

	/* Of this process, or of the one that elm__device_watch names. */
	elm__reading process_cpu;     /* percent of all cores */
	elm__reading process_time;    /* seconds of processor time since it started */
	elm__reading process_threads; /* how many */
	/* Bytes that are resident, and of them private memory, mapped files and shared memory. */
	elm__reading process_rss, process_anon, process_file, process_shared;
	/* Bytes that are resident, each page divided by the number of processes that have it. */
	elm__reading process_pss;
	elm__reading process_gpu_memory; /* bytes; read with the GPU */

	elm__reading temperature; /* degrees Celsius: the hottest of those below */
	char hottest[ELM__SENSOR_NAME];
	size_t temperature_count;
	elm__named_reading temperatures[ELM__DEVICE_SENSORS];

	elm__reading power; /* watts */
	elm__power_scope power_scope;
	/* Joules since the first look, of the same scope, where the device counts them itself; of
	 * others nobody knows what they drew between two looks. */
	elm__reading energy;
	size_t rail_count;
	elm__named_reading rails[ELM__DEVICE_SENSORS]; /* watts; some may be parts of others */

	size_t clock_count;
	elm__core_clock clocks[ELM__DEVICE_CORES]; /* by the kernel's number */
	elm__reading throttled;			   /* 1: something is slowed down now; 0: nothing */
	char throttle_causes[128];		   /* what says so, "a, b"; empty: nothing */
	elm__reading throttle_events;		   /* how often since the start of the system */

	size_t gpu_count;
	elm__gpu gpus[ELM__DEVICE_GPUS];
	elm__reading gpu_load; /* percent, of the first one; where there is none, the reason */

	elm__reading uptime; /* seconds */
	size_t fan_count;
	elm__fan fans[ELM__DEVICE_FANS];
	/* The memory controller of Jetson boards: Hz, Hz, percent of its bandwidth. */
	elm__reading emc, emc_highest, emc_load;
	elm__reading iram_used, iram_total; /* bytes of the chip's own memory (Jetson) */
	size_t engine_count;
	elm__named_reading engines[ELM__DEVICE_SENSORS]; /* Hz of fixed-function units; 0: off */
	elm__reading power_mode;			 /* number of the nvpmodel mode */
	char power_mode_name[ELM__SENSOR_NAME];
	elm__reading jetson_clocks; /* 1: all clocks are held at their highest */

	elm__reading battery;	/* percent */
	char battery_state[24]; /* "Discharging", as the kernel has it */
	elm__reading battery_voltage, battery_current, battery_power; /* V, A, W; no sign */
	elm__reading battery_energy, battery_energy_full;	      /* Wh */
	elm__reading mains;					      /* 1: connected */
} elm__device_sample;

typedef struct elm__device elm__device;

/* Looks for the sensors below `sysroot` ("" for this machine). On success *out is the caller's. */
ELM_NODISCARD elm_status elm__device_open(const char *sysroot, elm__device **out, elm_error *error);
void elm__device_close(elm__device *device); /* NULL allowed */

/* Makes readings of the process those of another one, by its number; 0 is this process. */
void elm__device_watch(elm__device *device, int64_t pid);

/* Keeps files open between looks, for those who look often. A sensor that is unplugged says so
 * all the same; one that is plugged in again at the same place may stay unmeasured. */
void elm__device_keep_open(elm__device *device);

/* What the device calls itself, "NVIDIA Orin Nano Developer Kit"; empty where it does not. */
const char *elm__device_model(const elm__device *device);

/* Reads some groups; what is of others stays as it is in *out, so that it must have been zeroed
 * once. One thread at a time. Rates need a look before this one. */
void elm__device_read(elm__device *device, unsigned groups, elm__device_sample *out);
/* The same at a time that the caller says, for tests. */
void elm__device_read_at(elm__device *device, unsigned groups, uint64_t now_ns,
			 elm__device_sample *out);

/* "board", ...; "" for ELM__POWER_NONE. */
const char *elm__power_scope_name(elm__power_scope scope);

/* {"value": 1.5, "unit": "W"} or {"unmeasured": "...", "unit": "W"}; NULL when memory runs out. */
json_t *elm__reading_json(const elm__reading *reading, const char *unit);
/* All of a sample, an object of such objects; NULL when memory runs out. */
json_t *elm__device_json(const elm__device_sample *sample);

#endif

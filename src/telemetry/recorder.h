/*
 * recorder.h: a thread that takes readings of the device at a fixed interval.
 *
 * How to use it:
 *
 *     elm__recorder_options options = { .sysroot = "", .interval_ns = 10000000, .rows = 60000 };
 *     elm__recorder *recorder;
 *     if (elm__recorder_create(&options, &recorder, error)) ...
 *     if (elm__recorder_start(recorder, error)) ...
 *     from = elm__now_ns();  ... the work that is watched ...  to = elm__now_ns();
 *     elm__recorder_stop(recorder);
 *     rss = elm__recorder_find(recorder, "process_rss");
 *     while ((count = elm__recorder_copy(recorder, &row, 256, times, values)))
 *             for (i = 0; i < count; i++, row++)
 *                     ... times[i], values[i * columns + rss], NaN: unmeasured ...
 *     elm__recorder_cost_of(recorder, &cost);
 *     elm__recorder_free(recorder);
 *
 * A row has a time of CLOCK_MONOTONIC, the clock of elm__now_ns, and one value per column, in the
 * order of elm__recorder_column_at. Rows lie in a ring that is as large at the start as at the end,
 * every page of it touched, so that recording does not grow the process that it watches; when it is
 * full the oldest rows go. Rows are taken at absolute times: one that comes late does not shift
 * those after it, and one that is missed is counted and not made up.
 *
 * What it costs is bounded. Files stay open. All groups of readings together have 0.6 percent of
 * one core; those that want more than a fair share of it are read less often, as is one whose
 * sensor makes us wait for more than a quarter of the time. Between two reads of a group its values
 * are repeated. How often that is, and how often a value changes of itself, is told with each
 * column, so that what a sensor measures once a second is not taken for hundred measurements:
 * see elm__recorder_state.
 *
 * Shares of processor time are read no more often than ten times a second, because the kernel
 * counts in ticks of up to ten milliseconds; process_time and energy are sums, whose difference
 * between two rows is exact. What has no counter of energy (Jetson boards) has its power summed
 * over time by whoever wants energy.
 */
#ifndef ELM_TELEMETRY_RECORDER_H
#define ELM_TELEMETRY_RECORDER_H

#include "telemetry/telemetry.h"

/* The clocks of a recorder, for tests. */
typedef struct elm__recorder_clocks {
	uint64_t (*now_ns)(void *user); /* monotonic */
	uint64_t (*cpu_ns)(void *user); /* processor time of this thread */
	void *user;
} elm__recorder_clocks;

enum {
	/* What a study of a workload needs. */
	ELM__READ_STUDY = ELM__READ_PROCESSOR | ELM__READ_PROCESS | ELM__READ_MEMORY |
			  ELM__READ_TEMPERATURE | ELM__READ_POWER | ELM__READ_CLOCKS | ELM__READ_GPU
};

typedef struct elm__recorder_options {
	const char *sysroot;  /* as in elm__device_open; NULL is "" */
	int64_t pid;	      /* whose readings those of the process are; 0: this process */
	unsigned groups;      /* of ELM__READ_; 0: ELM__READ_STUDY */
	uint64_t interval_ns; /* between rows: 1 ms to 1 hour */
	size_t rows;	      /* how many the ring has room for; at least 1 */
	const elm__recorder_clocks *clocks; /* NULL: the real ones */
} elm__recorder_options;

typedef struct elm__recorder elm__recorder;

/* Finds the sensors. On success *out is the caller's. ELM_ERR_ARGUMENT: an option is out of range;
 * ELM_ERR_LIMIT: the ring would be over 1 GiB. */
ELM_NODISCARD elm_status elm__recorder_create(const elm__recorder_options *options,
					      elm__recorder **out, elm_error *error);
void elm__recorder_free(elm__recorder *recorder); /* stops it; NULL allowed */

/* Starts the thread, which takes its first row at once; after a stop it goes on in the same ring.
 * Does nothing when it runs. */
ELM_NODISCARD elm_status elm__recorder_start(elm__recorder *recorder, elm_error *error);
/* Returns when the thread has ended, which waits for a read under way at most. */
void elm__recorder_stop(elm__recorder *recorder);

typedef struct elm__recorder_column {
	/* "cpu", "core_0", "process_rss", "temperature_CPU-therm"...; of the recorder. */
	char name[ELM__SENSOR_NAME + 16];
	const char *unit; /* "%", "B", "s", "C", "W", "J", "Hz", "rpm", "threads", "1" */
	unsigned group;	  /* of ELM__READ_ */
} elm__recorder_column;

size_t elm__recorder_columns(const elm__recorder *recorder);
/* Of index < elm__recorder_columns; the same for as long as the recorder is there. */
const elm__recorder_column *elm__recorder_column_at(const elm__recorder *recorder, size_t index);
/* The column of that name; elm__recorder_columns when there is none. */
size_t elm__recorder_find(const elm__recorder *recorder, const char *name);

/* What follows may be called from any thread, also while it records. */

/* The number of rows that were taken so far; the next one has this number. */
uint64_t elm__recorder_rows(elm__recorder *recorder);

/*
 * Copies at most `room` rows from number *from on: their times to at_ns[room], their values to
 * values[room * columns], row after row. Returns how many. Rows that the ring has lost are skipped,
 * and then *from is the number of the first row that was copied.
 */
size_t elm__recorder_copy(elm__recorder *recorder, uint64_t *from, size_t room, uint64_t *at_ns,
			  double *values);

/* How much a column is worth. */
typedef struct elm__recorder_state {
	uint64_t reads, unmeasured; /* how often its sensor was read, and of those in vain */
	const char *reason;	    /* of the last time in vain; NULL: none */
	double read_seconds;	    /* from one read to the next, on average; 0: unknown */
	/*
	 * What the sensor seems to need for a new value: of the times from one change to the next,
	 * that which a tenth are shorter than. A value that was the same for long may have been
	 * measured all the while, so that its long times say nothing; the short ones do. 0: it
	 * changed less than four times, so that nobody knows.
	 */
	double change_seconds;
} elm__recorder_state;

void elm__recorder_state_of(elm__recorder *recorder, size_t column, elm__recorder_state *out);

typedef struct elm__recorder_cost {
	uint64_t rows;
	uint64_t missed;     /* intervals in which no row could be taken in time */
	double seconds;	     /* for which it recorded */
	double cpu_seconds;  /* processor time of the thread in that time */
	double late_seconds; /* the most that a row was late */
} elm__recorder_cost;

void elm__recorder_cost_of(elm__recorder *recorder, elm__recorder_cost *out);

/* What the column "power" is of. Not while the recorder's thread runs. */
elm__power_scope elm__recorder_power_scope(const elm__recorder *recorder);

/* Takes one row now, in this thread, for tests and for those who have a rhythm of their own. Not
 * while the recorder's thread runs. */
void elm__recorder_step(elm__recorder *recorder);

#endif

/* recorder.c: readings at a fixed interval, in a thread. */
#include "telemetry/recorder.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/stats.h"

/* Of one core, for all groups together. */
static const double cpu_share = 0.006;
/* Of the time, for waiting for one group's sensors. */
static const double wait_share = 0.25;

/* However dear it is, each group is read now and then. */
static const double longest_ns = 60e9;

enum { GAPS = 64, GAPS_NEEDED = 3 };

static const uint64_t millisecond = 1000000, second = 1000000000;

/* By the groups' bits: not read more often than this, because nothing new can be there. Ticks of
 * the processor's account are up to 10 ms long; an average of ten seconds is new every two. */
static const uint64_t least_ns[ELM__READ_GROUPS] = { 100000000,	 0,	    500000000, 0,
						     1000000000, 100000000, 0 };

typedef struct schedule {
	uint64_t next_ns;
	double cpu_ns, wall_ns; /* what one read takes */
} schedule;

typedef struct column {
	elm__recorder_column info;
	const elm__reading *reading; /* in the recorder's sample */
	uint64_t reads, unmeasured, first_ns, last_ns;
	const char *reason;
	double value; /* at the last read; NaN: unmeasured */
	uint64_t changed_ns;
	size_t changes;
	float gaps[GAPS]; /* seconds from a change to the next, the latest of them */
} column;

struct elm__recorder {
	elm__recorder_options options;
	elm__recorder_clocks clocks;
	elm__device *device;
	elm__device_sample sample;
	schedule plans[ELM__READ_GROUPS];
	size_t group_count;

	size_t column_count;
	column *columns;
	uint64_t *times; /* of the ring */
	double *values;

	pthread_t thread;
	bool running;
	pthread_mutex_t lock; /* of what follows, of the ring, and of what changes in columns */
	pthread_cond_t wake;
	bool stop;
	uint64_t rows;
	elm__recorder_cost cost;
	uint64_t row_ns; /* the last row since it was started; 0: none */
};

static uint64_t real_now(void *user)
{
	return elm__now_ns();
}

static uint64_t real_cpu(void *user)
{
	struct timespec time = { 0 };

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (uint64_t)time.tv_sec * second + (uint64_t)time.tv_nsec;
}

static uint64_t now_of(const elm__recorder *r)
{
	return r->clocks.now_ns(r->clocks.user);
}

static uint64_t cpu_of(const elm__recorder *r)
{
	return r->clocks.cpu_ns(r->clocks.user);
}

#define READING(field) offsetof(elm__device_sample, field)

static const struct {
	const char *name, *unit;
	unsigned group;
	size_t offset;
} single[] = {
	{ "cpu", "%", ELM__READ_PROCESSOR, READING(cpu) },
	{ "process_cpu", "%", ELM__READ_PROCESSOR, READING(process_cpu) },
	{ "process_time", "s", ELM__READ_PROCESS, READING(process_time) },
	{ "process_threads", "threads", ELM__READ_PROCESS, READING(process_threads) },
	{ "process_rss", "B", ELM__READ_PROCESS, READING(process_rss) },
	{ "process_anonymous", "B", ELM__READ_PROCESS, READING(process_anon) },
	{ "process_file", "B", ELM__READ_PROCESS, READING(process_file) },
	{ "process_shared", "B", ELM__READ_PROCESS, READING(process_shared) },
	{ "process_pss", "B", ELM__READ_PSS, READING(process_pss) },
	{ "memory_total", "B", ELM__READ_MEMORY, READING(memory_total) },
	{ "memory_available", "B", ELM__READ_MEMORY, READING(memory_available) },
	{ "swap_used", "B", ELM__READ_MEMORY, READING(swap_used) },
	{ "memory_stall", "%", ELM__READ_PRESSURE, READING(memory_stall) },
	{ "memory_stall_all", "%", ELM__READ_PRESSURE, READING(memory_stall_all) },
	{ "temperature", "C", ELM__READ_TEMPERATURE, READING(temperature) },
	{ "power", "W", ELM__READ_POWER, READING(power) },
	{ "energy", "J", ELM__READ_POWER, READING(energy) },
	{ "throttled", "1", ELM__READ_CLOCKS, READING(throttled) },
	{ "throttle_events", "1", ELM__READ_CLOCKS, READING(throttle_events) },
	{ "gpu", "%", ELM__READ_GPU, READING(gpu_load) },
	{ "process_gpu_memory", "B", ELM__READ_GPU, READING(process_gpu_memory) },
	{ "emc", "Hz", ELM__READ_BOARD, READING(emc) },
	{ "emc_load", "%", ELM__READ_BOARD, READING(emc_load) },
	{ "battery", "%", ELM__READ_BOARD, READING(battery) },
	{ "battery_power", "W", ELM__READ_BOARD, READING(battery_power) },
};

/* Adds a column, or only counts it while there are none yet. */
static void add_column(elm__recorder *r, unsigned group, const char *prefix, const char *name,
		       const char *unit, const elm__reading *reading)
{
	column *c;

	if (!(r->options.groups & group))
		return;
	if (r->columns) {
		c = &r->columns[r->column_count];
		snprintf(c->info.name, sizeof(c->info.name), "%s%s", prefix, name);
		c->info.unit = unit;
		c->info.group = group;
		c->reading = reading;
		c->value = NAN;
	}
	r->column_count++;
}

/* One column per reading that there is after a first look. */
static void add_columns(elm__recorder *r)
{
	const elm__device_sample *s = &r->sample;

	r->column_count = 0;
	for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++)
		add_column(
			r, single[i].group, "", single[i].name, single[i].unit,
			(const elm__reading *)(const void *)((const char *)s + single[i].offset));
	for (size_t i = 0; i < s->core_count; i++) {
		char number[24];

		snprintf(number, sizeof(number), "%zu", i);
		add_column(r, ELM__READ_PROCESSOR, "core_", number, "%", &s->cores[i]);
	}
	for (size_t i = 0; i < s->clock_count; i++) {
		char number[32];

		snprintf(number, sizeof(number), "%zu_frequency", i);
		add_column(r, ELM__READ_CLOCKS, "core_", number, "Hz", &s->clocks[i].now);
	}
	for (size_t i = 0; i < s->gpu_count; i++) {
		add_column(r, ELM__READ_GPU, "gpu_frequency_", s->gpus[i].name, "Hz",
			   &s->gpus[i].now);
		add_column(r, ELM__READ_GPU, "gpu_memory_", s->gpus[i].name, "B",
			   &s->gpus[i].memory_used);
		add_column(r, ELM__READ_GPU, "gpu_power_", s->gpus[i].name, "W", &s->gpus[i].power);
	}
	for (size_t i = 0; i < s->fan_count; i++)
		add_column(r, ELM__READ_BOARD, "fan_", s->fans[i].name, "%", &s->fans[i].duty);
	for (size_t i = 0; i < s->temperature_count; i++)
		add_column(r, ELM__READ_TEMPERATURE, "temperature_", s->temperatures[i].name, "C",
			   &s->temperatures[i].reading);
	for (size_t i = 0; i < s->rail_count; i++)
		add_column(r, ELM__READ_POWER, "power_", s->rails[i].name, "W",
			   &s->rails[i].reading);
}

static elm_status allocate(elm__recorder *r, elm_error *error)
{
	const size_t limit = (size_t)1 << 30;
	size_t rows = r->options.rows, row_size, size;

	add_columns(r);
	row_size = (r->column_count + 1) * sizeof(double);
	if (!elm__mul(rows, row_size, &size) || size > limit)
		return elm_error_set(error, ELM_ERR_LIMIT,
				     "%zu rows of %zu readings do not fit into 1 GiB; record for a "
				     "shorter time or less often",
				     rows, r->column_count);
	r->columns = elm__calloc(r->column_count, sizeof(*r->columns));
	r->times = elm__malloc(rows * sizeof(*r->times));
	r->values = elm__malloc(rows * r->column_count * sizeof(*r->values));
	if (!r->columns || !r->times || !r->values)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	add_columns(r);
	/* So that the memory of the process does not grow while it is recorded. */
	memset(r->times, 0, rows * sizeof(*r->times));
	memset(r->values, 0, rows * r->column_count * sizeof(*r->values));
	return ELM_OK;
}

static elm_status check_options(const elm__recorder_options *o, elm_error *error)
{
	if (o->interval_ns < millisecond || o->interval_ns > 3600 * second)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "an interval between readings must be 1 ms to 1 hour");
	if (!o->rows || o->groups & ~(unsigned)ELM__READ_ALL || o->pid < 0)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "a recorder needs room for rows, known groups, and a number "
				     "of a process that is not negative");
	return ELM_OK;
}

static elm_status set_up(elm__recorder *r, const elm__recorder_options *options, elm_error *error)
{
	const elm__recorder_clocks real = { real_now, real_cpu, NULL };
	elm_status status;

	r->options = *options;
	r->clocks = options->clocks ? *options->clocks : real;
	if (!r->options.groups)
		r->options.groups = ELM__READ_STUDY;
	for (unsigned i = 0; i < ELM__READ_GROUPS; i++)
		r->group_count += r->options.groups >> i & 1;
	status = elm__device_open(options->sysroot ? options->sysroot : "", &r->device, error);
	if (status)
		return status;
	elm__device_keep_open(r->device);
	elm__device_watch(r->device, options->pid);
	/* Tells what there is, and is what the first rates are measured from. */
	elm__device_read_at(r->device, r->options.groups, now_of(r), &r->sample);
	return allocate(r, error);
}

elm_status elm__recorder_create(const elm__recorder_options *options, elm__recorder **out,
				elm_error *error)
{
	elm_status status = check_options(options, error);
	elm__recorder *r;
	pthread_condattr_t monotonic;

	*out = NULL;
	if (status)
		return status;
	r = elm__calloc(1, sizeof(*r));
	if (!r)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&r->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	status = set_up(r, options, error);
	if (status) {
		elm__recorder_free(r);
		return status;
	}
	*out = r;
	return ELM_OK;
}

void elm__recorder_free(elm__recorder *r)
{
	if (!r)
		return;
	elm__recorder_stop(r);
	pthread_cond_destroy(&r->wake);
	pthread_mutex_destroy(&r->lock);
	elm__device_close(r->device);
	elm__free(r->columns);
	elm__free(r->times);
	elm__free(r->values);
	elm__free(r);
}

/* Between two reads of a group where nothing costs anything. */
static double wanted_period(const elm__recorder *r, unsigned group)
{
	return fmax((double)r->options.interval_ns, (double)least_ns[group]);
}

/*
 * What part of one core each of those may have that want too much. Those that want less than an
 * equal share get it, and leave the rest to the others.
 */
static double fair_share(const elm__recorder *r)
{
	unsigned modest = 0, others = r->options.groups;
	double left = cpu_share, share = cpu_share;
	size_t count = r->group_count;
	bool changed = true;

	while (changed && count) {
		changed = false;
		share = left / (double)count;
		for (unsigned i = 0; i < ELM__READ_GROUPS; i++) {
			double want = r->plans[i].cpu_ns / wanted_period(r, i);

			if (!(others & ~modest & 1U << i) || want > share)
				continue;
			modest |= 1U << i;
			left -= want;
			count--;
			changed = true;
		}
	}
	return share;
}

/* When a group that was read now is read next. */
static void plan(elm__recorder *r, unsigned group, uint64_t now, double cpu, double wall)
{
	schedule *p = &r->plans[group];
	double period = wanted_period(r, group);

	p->cpu_ns = p->cpu_ns > 0 ? p->cpu_ns + (cpu - p->cpu_ns) / 8 : cpu;
	/* Being interrupted looks like waiting; it is not the sensor's fault. */
	p->wall_ns =
		p->wall_ns > 0 && wall > p->wall_ns ? p->wall_ns + (wall - p->wall_ns) / 8 : wall;
	if (p->cpu_ns > 0)
		period = fmax(period, fmin(p->cpu_ns / fair_share(r), longest_ns));
	period = fmax(period, p->wall_ns / wait_share);
	if (p->next_ns + (uint64_t)period < now)
		p->next_ns = now;
	p->next_ns += (uint64_t)period;
}

/* Reads the groups whose time has come; returns them. */
static unsigned read_due(elm__recorder *r, uint64_t now)
{
	unsigned due = 0;

	for (unsigned i = 0; i < ELM__READ_GROUPS; i++) {
		uint64_t cpu, start;

		if (!(r->options.groups & 1U << i) ||
		    now + r->options.interval_ns / 2 < r->plans[i].next_ns)
			continue;
		cpu = cpu_of(r);
		start = now_of(r);
		elm__device_read_at(r->device, 1U << i, now, &r->sample);
		plan(r, i, now, (double)(cpu_of(r) - cpu), (double)(now_of(r) - start));
		due |= 1U << i;
	}
	return due;
}

/* Of a column whose sensor was read now. */
static void note(column *c, uint64_t now)
{
	double before = c->value;

	c->last_ns = now;
	if (!c->reads++)
		c->first_ns = now;
	if (!c->reading->measured) {
		c->unmeasured++;
		c->reason = c->reading->reason;
		c->value = NAN;
		c->changed_ns = 0;
		return;
	}
	c->value = c->reading->value;
	if (isnan(before) || c->value == before)
		return;
	if (c->changed_ns)
		c->gaps[c->changes++ % GAPS] = (float)elm__seconds_between(c->changed_ns, now);
	c->changed_ns = now;
}

/* Takes a row. The processor time since `cpu` is what it costs; returns that of now. */
static uint64_t take_row(elm__recorder *r, uint64_t now, uint64_t cpu)
{
	unsigned due = read_due(r, now);
	size_t place;
	uint64_t end;

	pthread_mutex_lock(&r->lock);
	place = (size_t)(r->rows % r->options.rows);
	r->times[place] = now;
	for (size_t i = 0; i < r->column_count; i++) {
		column *c = &r->columns[i];

		if (due & c->info.group)
			note(c, now);
		r->values[place * r->column_count + i] = c->value;
	}
	r->rows++;
	if (r->row_ns)
		r->cost.seconds += elm__seconds_between(r->row_ns, now);
	r->row_ns = now;
	end = cpu_of(r);
	r->cost.cpu_seconds += (double)(end - cpu) * 1e-9;
	pthread_mutex_unlock(&r->lock);
	return end;
}

void elm__recorder_step(elm__recorder *r)
{
	take_row(r, now_of(r), cpu_of(r));
}

/* Waits until then; false when the recorder is to stop. Counts what is late and what is missed. */
static bool wait_until(elm__recorder *r, uint64_t *at)
{
	const uint64_t interval = r->options.interval_ns;
	uint64_t now;
	bool going;

	pthread_mutex_lock(&r->lock);
	now = now_of(r);
	if (now >= *at + interval) {
		uint64_t missed = (now - *at) / interval;

		r->cost.missed += missed;
		*at += missed * interval;
	}
	while (!r->stop && now < *at) {
		struct timespec when = { .tv_sec = (time_t)(*at / second),
					 .tv_nsec = (long)(*at % second) };

		pthread_cond_timedwait(&r->wake, &r->lock, &when);
		now = now_of(r);
	}
	going = !r->stop;
	if (going)
		r->cost.late_seconds = fmax(r->cost.late_seconds, elm__seconds_between(*at, now));
	pthread_mutex_unlock(&r->lock);
	return going;
}

static void *record(void *user)
{
	elm__recorder *r = user;
	uint64_t at = now_of(r), cpu = cpu_of(r);

	while (wait_until(r, &at)) {
		cpu = take_row(r, now_of(r), cpu);
		at += r->options.interval_ns;
	}
	return NULL;
}

elm_status elm__recorder_start(elm__recorder *r, elm_error *error)
{
	sigset_t all, before;
	int reason;

	if (r->running)
		return ELM_OK;
	r->stop = false;
	r->row_ns = 0;
	/* Signals are for the threads of the program. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	reason = pthread_create(&r->thread, NULL, record, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (reason)
		return elm_error_set(error, ELM_ERR_SYSTEM,
				     "cannot start a thread that records: %s", strerror(reason));
	r->running = true;
	return ELM_OK;
}

void elm__recorder_stop(elm__recorder *r)
{
	if (!r->running)
		return;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	r->running = false;
}

size_t elm__recorder_columns(const elm__recorder *r)
{
	return r->column_count;
}

const elm__recorder_column *elm__recorder_column_at(const elm__recorder *r, size_t index)
{
	return &r->columns[index].info;
}

size_t elm__recorder_find(const elm__recorder *r, const char *name)
{
	size_t i = 0;

	while (i < r->column_count && strcmp(r->columns[i].info.name, name) != 0)
		i++;
	return i;
}

uint64_t elm__recorder_rows(elm__recorder *r)
{
	uint64_t rows;

	pthread_mutex_lock(&r->lock);
	rows = r->rows;
	pthread_mutex_unlock(&r->lock);
	return rows;
}

size_t elm__recorder_copy(elm__recorder *r, uint64_t *from, size_t room, uint64_t *at_ns,
			  double *values)
{
	const size_t columns = r->column_count, ring = r->options.rows;
	size_t count = 0;

	pthread_mutex_lock(&r->lock);
	if (r->rows > ring && *from < r->rows - ring)
		*from = r->rows - ring;
	for (; count < room && *from + count < r->rows; count++) {
		size_t place = (size_t)((*from + count) % ring);

		at_ns[count] = r->times[place];
		memcpy(values + count * columns, r->values + place * columns,
		       columns * sizeof(*values));
	}
	pthread_mutex_unlock(&r->lock);
	return count;
}

void elm__recorder_state_of(elm__recorder *r, size_t index, elm__recorder_state *out)
{
	const column *c = &r->columns[index];
	double gaps[GAPS];
	size_t count;

	pthread_mutex_lock(&r->lock);
	*out = (elm__recorder_state){ .reads = c->reads,
				      .unmeasured = c->unmeasured,
				      .reason = c->reason };
	if (c->reads > 1)
		out->read_seconds =
			elm__seconds_between(c->first_ns, c->last_ns) / (double)(c->reads - 1);
	count = c->changes < GAPS ? c->changes : GAPS;
	for (size_t i = 0; i < count; i++)
		gaps[i] = c->gaps[i];
	pthread_mutex_unlock(&r->lock);
	if (count < GAPS_NEEDED)
		return;
	elm__sort_doubles(gaps, count);
	out->change_seconds = elm__quantile(gaps, count, 0.1);
}

void elm__recorder_cost_of(elm__recorder *r, elm__recorder_cost *out)
{
	pthread_mutex_lock(&r->lock);
	*out = r->cost;
	out->rows = r->rows;
	pthread_mutex_unlock(&r->lock);
}

elm__power_scope elm__recorder_power_scope(const elm__recorder *recorder)
{
	return recorder->sample.power_scope;
}

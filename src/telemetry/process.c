/* process.c: what one process takes: this one, or another that is named by its number. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "telemetry/internal.h"

void elm__device_watch(elm__device *device, int64_t pid)
{
	process *p = &device->process;
	char folder[64];

	elm__file_close(&p->stat);
	elm__file_close(&p->status);
	elm__file_close(&p->smaps);
	*p = (process){ .pid = pid };
	if (pid)
		snprintf(folder, sizeof(folder), "/proc/%" PRId64, pid);
	else
		snprintf(folder, sizeof(folder), "/proc/self");
	elm__sys_path(p->stat.path, sizeof(p->stat.path), "%s/stat", folder);
	elm__sys_path(p->status.path, sizeof(p->status.path), "%s/status", folder);
	elm__sys_path(p->smaps.path, sizeof(p->smaps.path), "%s/smaps_rollup", folder);
	device->cpu.process_time = (elm__reading){ 0 };
}

/* A file of /proc that is kept open is of that process for ever, also when its number has gone to
 * another one. */
static sys_result read_text(elm__device *device, sys_file *file)
{
	const sys_root root = { .path = device->root.path,
				.keep = device->root.keep || device->process.pid };

	return elm__file_text(&root, file, device->text, sizeof(device->text));
}

static elm__reading unmeasured(const elm__device *device, sys_result result)
{
	if (result == SYS_ABSENT && device->process.pid)
		return elm__unmeasured("there is no such process");
	return elm__sys_unmeasured(result);
}

/* The kernel's own clock of a process counts nanoseconds; its files count ticks. */
static bool read_clock(const elm__device *device, double *seconds)
{
	struct timespec time;
	clockid_t clock;

	if (device->root.path[0] || clock_getcpuclockid((pid_t)device->process.pid, &clock) ||
	    clock_gettime(clock, &time))
		return false;
	*seconds = (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
	return true;
}

/* User and system time, the 14th and 15th field; its name, the second, may contain anything. */
elm__reading elm__process_time(elm__device *device)
{
	sys_result result;
	const char *at;
	uint64_t user, kernel;
	double seconds;

	/* Of another one the file tells whether it is still the same. */
	if (!device->process.pid && read_clock(device, &seconds))
		return elm__measured(seconds);
	result = read_text(device, &device->process.stat);
	if (result)
		return unmeasured(device, result);
	if (read_clock(device, &seconds))
		return elm__measured(seconds);
	at = strrchr(device->text, ')');
	if (!at ||
	    sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64,
		   &user, &kernel) != 2)
		return elm__sys_unmeasured(SYS_FAILED);
	return elm__measured(((double)user + (double)kernel) / (double)sysconf(_SC_CLK_TCK));
}

void elm__process_read(elm__device *device, double seconds, elm__device_sample *out)
{
	const wanted_line lines[] = {
		{ "VmRSS:", &out->process_rss, 1024 },
		{ "RssAnon:", &out->process_anon, 1024 },
		{ "RssFile:", &out->process_file, 1024 },
		{ "RssShmem:", &out->process_shared, 1024 },
		{ "Threads:", &out->process_threads, 1 },
	};
	const size_t count = sizeof(lines) / sizeof(lines[0]);
	sys_result result;

	out->process_time = elm__process_time(device);
	result = read_text(device, &device->process.status);
	elm__wanted_lines(result, device->text, lines, count);
	for (size_t i = 0; result && i < count; i++)
		*lines[i].out = unmeasured(device, result);
}

void elm__pss_read(elm__device *device, double seconds, elm__device_sample *out)
{
	const wanted_line line = { "Pss:", &out->process_pss, 1024 };

	elm__wanted_lines(read_text(device, &device->process.smaps), device->text, &line, 1);
}

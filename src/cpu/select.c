/*
 * Which CPUs to compute on. Matrix products split their rows evenly, so a slow member holds all
 * others up at the barrier: hyper-thread siblings and efficiency cores cost more than they bring.
 */
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cpu/cpu.h"

/* Reads one number of a small file; false when the file is absent or begins otherwise. */
static bool read_number(const char *sysroot, const char *path, long *out)
{
	char full[512];
	FILE *file;
	bool ok;

	snprintf(full, sizeof(full), "%s%s", sysroot, path);
	file = fopen(full, "re");
	if (!file)
		return false;
	ok = fscanf(file, "%ld", out) == 1;
	fclose(file);
	return ok;
}

/* The speed class of a CPU: cpu_capacity (ARM, 1024 is the fastest) or its maximum frequency. */
static long speed(const char *sysroot, unsigned cpu)
{
	char path[128];
	long value;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/cpu_capacity", cpu);
	if (read_number(sysroot, path, &value))
		return value;
	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/cpufreq/cpuinfo_max_freq", cpu);
	return read_number(sysroot, path, &value) ? value : 0;
}

/* The lowest-numbered sibling stands for its core ("0,4" or "0-1" begin with it). */
static bool first_sibling(const char *sysroot, unsigned cpu)
{
	char path[128];
	long first;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list",
		 cpu);
	return !read_number(sysroot, path, &first) || first == (long)cpu;
}

/* CPUs' worth of time that the control group grants, 0 for no limit. */
static unsigned quota(const char *sysroot)
{
	char full[512], limit[32];
	long cfs_quota, period;
	FILE *file;

	snprintf(full, sizeof(full), "%s/sys/fs/cgroup/cpu.max", sysroot);
	file = fopen(full, "re");
	if (file) {
		bool ok = fscanf(file, "%31s %ld", limit, &period) == 2 &&
			  sscanf(limit, "%ld", &cfs_quota) == 1;

		fclose(file);
		if (!ok)
			return 0; /* "max" */
	} else if (!read_number(sysroot, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", &cfs_quota) ||
		   !read_number(sysroot, "/sys/fs/cgroup/cpu/cpu.cfs_period_us", &period)) {
		return 0;
	}
	if (cfs_quota <= 0 || period <= 0)
		return 0;
	return cfs_quota < period ? 1 : (unsigned)(cfs_quota / period);
}

unsigned elm__cpu_select(const char *sysroot, unsigned *cpus, unsigned max)
{
	unsigned n = 0, limit = quota(sysroot);
	long fastest = 0;
	cpu_set_t allowed;

	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		CPU_ZERO(&allowed);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed) && speed(sysroot, cpu) > fastest)
			fastest = speed(sysroot, cpu);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE && n < max; cpu++) {
		if (!CPU_ISSET(cpu, &allowed) || !first_sibling(sysroot, cpu))
			continue;
		/* Cores within a fifth of the fastest share work well; others are efficiency cores.
		 */
		if (speed(sysroot, cpu) * 5 < fastest * 4)
			continue;
		cpus[n++] = cpu;
	}
	if (!n) /* an odd sysroot or affinity: compute somewhere rather than nowhere */
		cpus[n++] = 0;
	return limit && limit < n ? limit : n;
}

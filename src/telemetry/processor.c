/* processor.c: how busy the cores are, and what part of it is ours. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "telemetry/internal.h"

static const char first_look[] = "a first look; it takes two";

/* "user nice system idle iowait irq softirq steal"; guests are part of user. */
static bool parse_ticks(const char *text, core_ticks *out)
{
	uint64_t t[8] = { 0 };
	int count = sscanf(text,
			   "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
			   " %" SCNu64 " %" SCNu64,
			   &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]);

	if (count < 4)
		return false;
	*out = (core_ticks){ .known = true };
	for (int i = 0; i < 8; i++)
		out->all += t[i];
	out->busy = out->all - t[3] - t[4];
	return true;
}

/* Waiting may be told less of than before, so that differences can be negative. */
static elm__reading busy_share(const core_ticks *before, const core_ticks *now)
{
	double all, busy;

	if (!now->known)
		return elm__unmeasured("the core is switched off");
	if (!before->known)
		return elm__unmeasured(first_look);
	if (now->all <= before->all)
		return elm__unmeasured("too soon after the last look");
	all = (double)(now->all - before->all);
	busy = now->busy > before->busy ? (double)(now->busy - before->busy) : 0;
	return elm__measured(busy < all ? 100 * busy / all : 100);
}

/* Puts the lines of /proc/stat into *now. */
static sys_result read_stat(const char *root, processor *now)
{
	char path[4096], line[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/proc/stat", root);
	file = fopen(path, "re");
	if (!file)
		return SYS_ABSENT;
	while (fgets(line, sizeof(line), file) && !strncmp(line, "cpu", 3)) {
		unsigned core;
		int at = 0;

		if (line[3] == ' ')
			(void)parse_ticks(line + 4, &now->all);
		else if (sscanf(line + 3, "%u %n", &core, &at) == 1 && at &&
			 core < ELM__DEVICE_CORES && parse_ticks(line + 3 + at, &now->cores[core]))
			now->core_count = core >= now->core_count ? core + 1 : now->core_count;
	}
	fclose(file);
	return now->all.known ? SYS_OK : SYS_FAILED;
}

/* User and system time of this process, the 14th and 15th field; its name, the second, may contain
 * anything. */
static bool read_process(const char *root, uint64_t *ticks)
{
	char text[1024];
	const char *at;
	uint64_t user, system;

	if (elm__sys_line(root, "/proc/self/stat", text, sizeof(text)))
		return false;
	at = strrchr(text, ')');
	if (!at ||
	    sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64,
		   &user, &system) != 2)
		return false;
	*ticks = user + system;
	return true;
}

static elm__reading process_share(const processor *before, const processor *now, double seconds)
{
	size_t cores = 0;
	double ticks;

	for (size_t i = 0; i < now->core_count; i++)
		cores += now->cores[i].known;
	if (!now->process_known || !cores)
		return elm__sys_unmeasured(SYS_FAILED);
	if (!before->process_known || seconds <= 0)
		return elm__unmeasured(first_look);
	ticks = now->process_ticks > before->process_ticks ?
			(double)(now->process_ticks - before->process_ticks) :
			0;
	return elm__measured(100 * ticks /
			     ((double)sysconf(_SC_CLK_TCK) * seconds * (double)cores));
}

void elm__processor_read(elm__device *device, elm__device_sample *out)
{
	processor *before = &device->cpu, now = { .core_count = before->core_count };
	sys_result result = read_stat(device->root, &now);

	now.process_known = read_process(device->root, &now.process_ticks);
	out->cpu = result ? elm__sys_unmeasured(result) : busy_share(&before->all, &now.all);
	out->core_count = now.core_count;
	for (size_t i = 0; i < now.core_count; i++)
		out->cores[i] = busy_share(&before->cores[i], &now.cores[i]);
	out->process_cpu = process_share(before, &now, out->seconds);
	*before = now;
}

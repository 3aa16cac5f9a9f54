/* processor.c: how busy the cores are, and what part of it is ours. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "telemetry/internal.h"

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
		return elm__first_look();
	if (now->all <= before->all)
		return elm__unmeasured("too soon after the last look");
	all = (double)(now->all - before->all);
	busy = now->busy > before->busy ? (double)(now->busy - before->busy) : 0;
	return elm__measured(busy < all ? 100 * busy / all : 100);
}

static void parse_line(const char *line, processor *now)
{
	unsigned core;
	int at = 0;

	if (line[3] == ' ')
		(void)parse_ticks(line + 4, &now->all);
	else if (sscanf(line + 3, "%u %n", &core, &at) == 1 && at && core < ELM__DEVICE_CORES &&
		 parse_ticks(line + 3 + at, &now->cores[core]))
		now->core_count = core >= now->core_count ? core + 1 : now->core_count;
}

/* Puts the lines of /proc/stat into *now. */
static sys_result read_stat(elm__device *device, processor *now)
{
	sys_result result = elm__file_text(&device->root, &device->cpu.stat, device->text,
					   sizeof(device->text));
	char *line = device->text, *end;

	/* A line that was cut off has no end. */
	while (!strncmp(line, "cpu", 3) && (end = strchr(line, '\n'))) {
		*end = '\0';
		parse_line(line, now);
		line = end + 1;
	}
	return result || now->all.known ? result : SYS_FAILED;
}

static elm__reading process_share(const processor *before, const processor *now, double seconds)
{
	const elm__reading *time = &now->process_time;
	size_t cores = 0;
	double used;

	for (size_t i = 0; i < now->core_count; i++)
		cores += now->cores[i].known;
	if (!time->measured)
		return *time;
	if (!cores)
		return elm__sys_unmeasured(SYS_FAILED);
	if (!before->process_time.measured || seconds <= 0)
		return elm__first_look();
	used = time->value - before->process_time.value;
	return elm__measured(used > 0 ? 100 * used / (seconds * (double)cores) : 0);
}

void elm__processor_read(elm__device *device, double seconds, elm__device_sample *out)
{
	const processor *before = &device->cpu;
	processor now = { .core_count = before->core_count };
	sys_result result = read_stat(device, &now);

	now.process_time = elm__process_time(device);
	now.stat = device->cpu.stat;
	out->cpu = result ? elm__sys_unmeasured(result) : busy_share(&before->all, &now.all);
	out->core_count = now.core_count;
	for (size_t i = 0; i < now.core_count; i++)
		out->cores[i] = busy_share(&before->cores[i], &now.cores[i]);
	out->process_cpu = process_share(before, &now, seconds);
	device->cpu = now;
}

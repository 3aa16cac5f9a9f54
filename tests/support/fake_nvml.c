/* fake_nvml.c: a library with the functions of NVML and two cards: one that tells everything, and
 * one that is like those of Tegra. */
#include <stdio.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

enum { SUCCESS = 0, NOT_SUPPORTED = 3, NO_PERMISSION = 4 };

typedef struct card {
	int tells;
} card;

typedef struct utilization {
	unsigned gpu, memory;
} utilization;

typedef struct memory {
	unsigned long long total, free, used;
} memory;

typedef struct running {
	unsigned pid;
	unsigned long long used;
	unsigned gpu_instance, compute_instance;
} running;

static card cards[] = { { 1 }, { 0 } };

EXPORT int nvmlInit_v2(void);
EXPORT int nvmlShutdown(void);
EXPORT int nvmlDeviceGetCount_v2(unsigned *count);
EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned index, card **out);
EXPORT int nvmlDeviceGetName(card *c, char *out, unsigned size);
EXPORT int nvmlDeviceGetUtilizationRates(card *c, utilization *out);
EXPORT int nvmlDeviceGetMemoryInfo(card *c, memory *out);
EXPORT int nvmlDeviceGetTemperature(card *c, int sensor, unsigned *out);
EXPORT int nvmlDeviceGetPowerUsage(card *c, unsigned *out);
EXPORT int nvmlDeviceGetClockInfo(card *c, int clock, unsigned *out);
EXPORT int nvmlDeviceGetMaxClockInfo(card *c, int clock, unsigned *out);
EXPORT int nvmlDeviceGetComputeRunningProcesses_v3(card *c, unsigned *count, running *out);

int nvmlInit_v2(void)
{
	return SUCCESS;
}

int nvmlShutdown(void)
{
	return SUCCESS;
}

int nvmlDeviceGetCount_v2(unsigned *count)
{
	*count = 2;
	return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, card **out)
{
	*out = &cards[index];
	return SUCCESS;
}

int nvmlDeviceGetName(card *c, char *out, unsigned size)
{
	snprintf(out, size, "%s", c->tells ? "NVIDIA Fake 1" : "");
	return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(card *c, utilization *out)
{
	if (!c->tells)
		return NOT_SUPPORTED;
	*out = (utilization){ .gpu = 37, .memory = 12 };
	return SUCCESS;
}

int nvmlDeviceGetMemoryInfo(card *c, memory *out)
{
	if (!c->tells)
		return NOT_SUPPORTED;
	*out = (memory){ .total = 8ULL << 30, .free = 5ULL << 30, .used = 3ULL << 30 };
	return SUCCESS;
}

static int number(const card *c, unsigned *out, unsigned value)
{
	if (!c->tells)
		return NOT_SUPPORTED;
	*out = value;
	return SUCCESS;
}

int nvmlDeviceGetTemperature(card *c, int sensor, unsigned *out)
{
	return number(c, out, sensor == 0 ? 61 : 0);
}

int nvmlDeviceGetPowerUsage(card *c, unsigned *out)
{
	return c->tells ? number(c, out, 123456) : NO_PERMISSION;
}

int nvmlDeviceGetClockInfo(card *c, int clock, unsigned *out)
{
	return number(c, out, clock == 1 ? 1395 : 0);
}

int nvmlDeviceGetMaxClockInfo(card *c, int clock, unsigned *out)
{
	return number(c, out, clock == 1 ? 1980 : 0);
}

int nvmlDeviceGetComputeRunningProcesses_v3(card *c, unsigned *count, running *out)
{
	if (!c->tells) {
		*count = 0;
		return SUCCESS;
	}
	if (*count < 2)
		return NOT_SUPPORTED;
	out[0] = (running){ .pid = 77, .used = 1000 };
	out[1] = (running){ .pid = 78, .used = ~0ULL };
	*count = 2;
	return SUCCESS;
}

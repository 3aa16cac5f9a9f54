/* nvml.c: the functions of NVML that are used, as NVIDIA's API reference has them. */
#include "telemetry/nvml.h"

#include <dlfcn.h>
#include <string.h>

#include "base/alloc.h"
#include "telemetry/internal.h"

/* nvmlReturn_t: of those that are told apart. */
enum { NVML_SUCCESS = 0, NVML_NOT_SUPPORTED = 3, NVML_NO_PERMISSION = 4 };
enum { NVML_CLOCK_SM = 1, NVML_TEMPERATURE_GPU = 0, NVML_NAME = 96 };
enum { PROCESSES = 64, CARDS = ELM__DEVICE_GPUS };

typedef void *nvml_device;

typedef struct nvml_utilization {
	unsigned gpu, memory; /* percent of the time in which something ran, or was accessed */
} nvml_utilization;

typedef struct nvml_memory {
	unsigned long long total, free, used;
} nvml_memory;

typedef struct nvml_process {
	unsigned pid;
	unsigned long long used; /* all bits set: not known */
	unsigned gpu_instance, compute_instance;
} nvml_process;

struct elm__nvml {
	void *library;
	size_t count;
	nvml_device devices[CARDS];
	int (*shutdown)(void);
	int (*name)(nvml_device, char *, unsigned);
	int (*utilization)(nvml_device, nvml_utilization *);
	int (*memory)(nvml_device, nvml_memory *);
	int (*temperature)(nvml_device, int, unsigned *);
	int (*power)(nvml_device, unsigned *);	    /* mW */
	int (*clock)(nvml_device, int, unsigned *); /* MHz */
	int (*highest_clock)(nvml_device, int, unsigned *);
	int (*processes)(nvml_device, unsigned *, nvml_process *);
};

/* ISO C has no way from an object's address to a function's; POSIX says that the bits are the same.
 */
static bool find(void *library, const char *name, void *function)
{
	void *address = dlsym(library, name);

	memcpy(function, &address, sizeof(address));
	return address != NULL;
}

static bool find_all(elm__nvml *n)
{
	return find(n->library, "nvmlShutdown", &n->shutdown) &&
	       find(n->library, "nvmlDeviceGetName", &n->name) &&
	       find(n->library, "nvmlDeviceGetUtilizationRates", &n->utilization) &&
	       find(n->library, "nvmlDeviceGetMemoryInfo", &n->memory) &&
	       find(n->library, "nvmlDeviceGetTemperature", &n->temperature) &&
	       find(n->library, "nvmlDeviceGetPowerUsage", &n->power) &&
	       find(n->library, "nvmlDeviceGetClockInfo", &n->clock) &&
	       find(n->library, "nvmlDeviceGetMaxClockInfo", &n->highest_clock) &&
	       find(n->library, "nvmlDeviceGetComputeRunningProcesses_v3", &n->processes);
}

static bool start(elm__nvml *n)
{
	int (*initialise)(void);
	int (*count)(unsigned *);
	int (*by_index)(unsigned, nvml_device *);
	unsigned found = 0;

	if (!find_all(n) || !find(n->library, "nvmlInit_v2", &initialise) ||
	    !find(n->library, "nvmlDeviceGetCount_v2", &count) ||
	    !find(n->library, "nvmlDeviceGetHandleByIndex_v2", &by_index) || initialise())
		return false;
	if (count(&found))
		found = 0;
	for (unsigned i = 0; i < found && n->count < CARDS; i++)
		if (!by_index(i, &n->devices[n->count]))
			n->count++;
	return true;
}

elm__nvml *elm__nvml_open(const char *library)
{
	elm__nvml *n = elm__calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->library = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	if (n->library && start(n))
		return n;
	if (n->library)
		dlclose(n->library);
	elm__free(n);
	return NULL;
}

void elm__nvml_close(elm__nvml *n)
{
	if (!n)
		return;
	n->shutdown();
	dlclose(n->library);
	elm__free(n);
}

size_t elm__nvml_count(const elm__nvml *n, size_t room)
{
	if (!n)
		return 0;
	return n->count < room ? n->count : room;
}

static elm__reading reading(int result, double value)
{
	switch (result) {
	case NVML_SUCCESS:
		return elm__measured(value);
	case NVML_NOT_SUPPORTED:
		return elm__unmeasured("the driver does not support it for this GPU");
	case NVML_NO_PERMISSION:
		return elm__sys_unmeasured(SYS_DENIED);
	default:
		return elm__sys_unmeasured(SYS_FAILED);
	}
}

void elm__nvml_read(const elm__nvml *n, size_t index, elm__gpu *out)
{
	nvml_device device = n->devices[index];
	nvml_utilization use = { 0 };
	nvml_memory memory = { 0 };
	char name[NVML_NAME] = "";
	unsigned value = 0;
	int result;

	if (n->name(device, name, sizeof(name)))
		name[0] = '\0';
	name[sizeof(name) - 1] = '\0';
	elm__copy_name(out->name, sizeof(out->name), name[0] ? name : "NVIDIA GPU");
	result = n->utilization(device, &use);
	out->load = reading(result, use.gpu);
	result = n->memory(device, &memory);
	out->memory_used = reading(result, (double)memory.used);
	out->memory_total = reading(result, (double)memory.total);
	result = n->temperature(device, NVML_TEMPERATURE_GPU, &value);
	out->temperature = reading(result, value);
	result = n->power(device, &value);
	out->power = reading(result, value * 1e-3);
	result = n->clock(device, NVML_CLOCK_SM, &value);
	out->now = reading(result, value * 1e6);
	result = n->highest_clock(device, NVML_CLOCK_SM, &value);
	out->highest = reading(result, value * 1e6);
	out->lowest = elm__unmeasured("the driver does not tell it");
}

/* Of one GPU. False when it is not told. */
static bool add_processes(const elm__nvml *n, nvml_device device, int64_t pid, double *bytes)
{
	nvml_process list[PROCESSES];
	unsigned count = PROCESSES;
	int result = n->processes(device, &count, list);

	if (result)
		return false;
	for (unsigned i = 0; i < count && i < PROCESSES; i++) {
		if (list[i].pid != (uint64_t)pid)
			continue;
		if (list[i].used == ~0ULL)
			return false;
		*bytes += (double)list[i].used;
	}
	return true;
}

elm__reading elm__nvml_process_memory(const elm__nvml *n, int64_t pid)
{
	double bytes = 0;

	for (size_t i = 0; i < n->count; i++)
		if (!add_processes(n, n->devices[i], pid, &bytes))
			return elm__unmeasured("the driver does not tell it");
	return elm__measured(bytes);
}

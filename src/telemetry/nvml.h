/*
 * nvml.h: NVIDIA's management library (NVML), which comes with the driver of its graphics cards.
 *
 * The library is loaded when it is there, and not needed to build or to run. On Tegra (Jetson) it
 * answers "not supported" to most questions; there the kernel's files are read instead.
 */
#ifndef ELM_TELEMETRY_NVML_H
#define ELM_TELEMETRY_NVML_H

#include "telemetry/telemetry.h"

typedef struct elm__nvml elm__nvml;

/* Loads the library ("libnvidia-ml.so.1"); NULL when it, its driver or memory is not there. */
elm__nvml *elm__nvml_open(const char *library);
void elm__nvml_close(elm__nvml *nvml); /* NULL allowed */

/* How many GPUs, at most `room`. NULL has none. */
size_t elm__nvml_count(const elm__nvml *nvml, size_t room);
/* Everything of one. */
void elm__nvml_read(const elm__nvml *nvml, size_t index, elm__gpu *out);
/* Bytes that a process has on all GPUs. */
elm__reading elm__nvml_process_memory(const elm__nvml *nvml, int64_t pid);

#endif

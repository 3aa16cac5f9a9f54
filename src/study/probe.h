/* probe.h: a second process with a fixed piece of work, which shows what is left of a device for
 * others while a model answers. */
#ifndef ELM_STUDY_PROBE_H
#define ELM_STUDY_PROBE_H

#include <edgelm/status.h>
#include <stddef.h>
#include <stdint.h>

typedef struct elm__probe_unit {
	uint64_t at_ns; /* CLOCK_MONOTONIC when it began */
	uint64_t duration_ns;
} elm__probe_unit;

typedef struct elm__probe {
	int64_t pid;
	int from; /* its pipe */
	void *memory;
} elm__probe;

/* Starts the process, which repeats the work (hashing 16 MiB) until it is stopped. */
ELM_NODISCARD elm_status elm__probe_start(elm__probe *probe, elm_error *error);

/* Ends it and stores what it has done, at most `room`; returns how many. */
size_t elm__probe_stop(elm__probe *probe, elm__probe_unit *units, size_t room);

#endif

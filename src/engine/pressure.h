/*
 * pressure.h: how short memory is, looked at once a second at most.
 *
 * Two signs: the memory that is available, against the reserve that is to stay so, and the share of
 * time in which processes wait for memory (pressure stall information), where the kernel says it.
 */
#ifndef ELM_ENGINE_PRESSURE_H
#define ELM_ENGINE_PRESSURE_H

#include <edgelm/scheduler.h>

typedef struct elm__pressure {
	const char *sysroot; /* the caller's */
	uint64_t reserve;    /* bytes; UINT64_MAX: never look */
	uint64_t looked_ns;
	elm_pressure level;
} elm__pressure;

/* `reserve` as elm_scheduler_options.memory_reserve. */
void elm__pressure_init(elm__pressure *pressure, const char *sysroot, uint64_t reserve);

/* Looks again when a second has passed. Rises at once, falls by one level at a time. True when it
 * has looked. */
bool elm__pressure_look(elm__pressure *pressure, uint64_t now_ns);

#endif

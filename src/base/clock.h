/* clock.h: monotonic time. */
#ifndef ELM_BASE_CLOCK_H
#define ELM_BASE_CLOCK_H

#include <stdint.h>

/* Nanoseconds of CLOCK_MONOTONIC; never goes back, meaningless between machines. */
uint64_t elm__now_ns(void);

static inline double elm__seconds_between(uint64_t from_ns, uint64_t to_ns)
{
	return (double)(to_ns - from_ns) * 1e-9;
}

#endif

/*
 * peaks.h: what the machine can do at best, measured: how fast threads together read memory, and
 * how many multiply-adds their registers alone keep going. A limit to hold results against.
 */
#ifndef ELM_CPU_PEAKS_H
#define ELM_CPU_PEAKS_H

#include <edgelm/status.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"

typedef struct elm__peaks {
	double read; /* bytes per second, from memory or from whichever cache holds that much */
	/* Operations per second, two for each multiply-add; 0 where the features have no such
	 * instruction, or the compiler did not know it. */
	double f32, int8, bf16;
} elm__peaks;

/*
 * Measures with all members of the pool, in about two seconds. `features` is a mask of cpu.h that
 * this machine has; `bytes` are taken for the measurement of reading, at least 4096 per member.
 * ELM_ERR_NO_MEMORY when they cannot be had.
 */
ELM_NODISCARD elm_status elm__peaks_measure(elm__pool *pool, uint32_t features, size_t bytes,
					    elm__peaks *out, elm_error *error);

#endif

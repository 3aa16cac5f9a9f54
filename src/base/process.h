/* process.h: the memory that this process uses, and may use. */
#ifndef ELM_BASE_PROCESS_H
#define ELM_BASE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The most memory that was ever resident, in bytes: VmHWM of /proc/self/status, which counts mapped
 * files that are in use. (ru_maxrss would also count the program that started us.) False where the
 * system does not say.
 */
bool elm__process_peak_memory(uint64_t *bytes);

/* Makes the peak what is resident now. False where the system does not let us. */
bool elm__process_reset_peak_memory(void);

/*
 * The bytes that can be taken before something is swapped out or ended: MemAvailable, or what the
 * memory limit of the control group leaves, if that is less. Cached files do not count as taken.
 * Reads below `sysroot` ("" for the real one). False where the system does not say.
 */
bool elm__memory_available(const char *sysroot, uint64_t *bytes);

/* All memory: MemTotal, or the limit of the control group, if that is less. */
bool elm__memory_total(const char *sysroot, uint64_t *bytes);

/*
 * Percent of the last ten seconds in which some processes, or all of them, waited for memory (the
 * kernel's pressure stall information). False where the kernel does not keep it.
 */
bool elm__memory_stall(const char *sysroot, double *some, double *all);

#endif

/* process.h: what this process uses. */
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

#endif

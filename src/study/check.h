/* check.h: figures of a trial that come from different places must agree. */
#ifndef ELM_STUDY_CHECK_H
#define ELM_STUDY_CHECK_H

#include <stdbool.h>

#include "study/subject.h"

/* False when something does not fit together, and then `why` is a sentence. */
bool elm__check_answer(const elm__answer *answer, char *why, size_t size);

/* Whether two readings of the resident memory of a process agree, in bytes: pages come and go
 * between them. */
bool elm__check_memory(double status, double smaps, char *why, size_t size);

/* "Rss" of /proc/PID/smaps_rollup in bytes; NaN where it cannot be read. */
double elm__smaps_rss(const char *sysroot, int64_t pid);

#endif

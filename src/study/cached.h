/* cached.h: the page cache of the system, for cold starts. */
#ifndef ELM_STUDY_CACHED_H
#define ELM_STUDY_CACHED_H

/* Asks the system to forget what it holds of a file. Pages that another process has mapped stay. */
void elm__cache_drop(const char *path);

/* The share of a file that is in the page cache, 0 to 1; NaN where that cannot be found out. */
double elm__cache_share(const char *path);

#endif

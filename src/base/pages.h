/*
 * pages.h: large zeroed memory straight from the kernel, in huge pages where it has them.
 *
 * Pages cost nothing until they are touched, which suits a cache that fills up slowly.
 */
#ifndef ELM_BASE_PAGES_H
#define ELM_BASE_PAGES_H

#include <stddef.h>

/* Page-aligned and zeroed; NULL when there is no room. Size 0 yields one page. */
void *elm__pages_alloc(size_t size);
void elm__pages_free(void *pages, size_t size); /* the same size; NULL allowed */

/* Gives the whole pages of a range back to the kernel; they read as zeros from then on. The bytes
 * before the first and after the last whole page stay as they are. */
void elm__pages_forget(void *range, size_t size);

#endif

/*
 * carve.h: one piece of memory cut into parts, for scratch space whose size has to be known before
 * it is taken: run the same layout twice, first without memory, to measure.
 */
#ifndef ELM_BASE_CARVE_H
#define ELM_BASE_CARVE_H

#include "base/alloc.h"

enum { ELM__CARVE_ALIGN = 64 };

typedef struct elm__carver {
	char *base; /* aligned to ELM__CARVE_ALIGN; NULL while only measuring */
	size_t used;
	bool overflow; /* the whole does not fit in size_t */
} elm__carver;

/* The next count * size bytes, aligned; NULL while measuring. */
static inline void *elm__carve(elm__carver *c, size_t count, size_t size)
{
	size_t bytes, end;
	void *at = c->base ? c->base + c->used : NULL;

	if (!elm__mul(count, size, &bytes) || !elm__add(bytes, ELM__CARVE_ALIGN - 1, &bytes) ||
	    !elm__add(c->used, bytes & ~(size_t)(ELM__CARVE_ALIGN - 1), &end)) {
		c->overflow = true;
		return NULL;
	}
	c->used = end;
	return at;
}

#endif

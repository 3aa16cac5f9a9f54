/*
 * edgelm/memory.h: where the library gets its memory from.
 *
 * Everything that the library allocates goes through one allocator, the C library's by default. A
 * program may replace it before the first other call, to count, to limit, or (as our own tests do)
 * to make any single allocation fail. Running out of memory is reported as ELM_ERR_NO_MEMORY.
 */
#ifndef EDGELM_MEMORY_H
#define EDGELM_MEMORY_H

#include <edgelm/status.h>
#include <stddef.h>

typedef struct elm_allocator {
	/* As malloc, realloc and free; must be thread-safe; sizes are never 0. */
	void *(*allocate)(void *user, size_t size);
	void *(*reallocate)(void *user, void *block, size_t size);
	void (*release)(void *user, void *block);
	void *user;
} elm_allocator;

ELM_BEGIN_DECLS

/* Copies *allocator; NULL restores the default. Not thread-safe: call it while nothing of the
 * library is in use, because a block must be released by the allocator that made it. */
ELM_API void elm_allocator_set(const elm_allocator *allocator);

/* Releases a block that a function of this library handed to the caller. NULL is allowed. */
ELM_API void elm_free(void *block);

ELM_END_DECLS

#endif

/*
 * alloc.h: checked allocation through the replaceable allocator of edgelm/memory.h.
 *
 * All of these return NULL when memory runs out or when a size computation would overflow; nothing
 * here ends the process. A size of zero yields a valid block of one byte, so NULL always means
 * failure.
 */
#ifndef ELM_BASE_ALLOC_H
#define ELM_BASE_ALLOC_H

#include <edgelm/memory.h>
#include <stdbool.h>
#include <stddef.h>

void *elm__malloc(size_t size);
void *elm__calloc(size_t count, size_t size); /* zeroed */
void *elm__realloc(void *block, size_t size);
void *elm__realloc_array(void *block, size_t count, size_t size);
void elm__free(void *block);
char *elm__strdup(const char *text);
char *elm__strndup(const char *text, size_t length); /* copies exactly length bytes, adds a NUL */

/* Memory aligned to `alignment` (a power of two, at least sizeof(void *)), for vectors and tiles.
 * Released by elm__free_aligned only. */
void *elm__malloc_aligned(size_t alignment, size_t size);
void elm__free_aligned(void *block);

/* *out = a * b or a + b; false when it does not fit in size_t. */
static inline bool elm__mul(size_t a, size_t b, size_t *out)
{
	return !__builtin_mul_overflow(a, b, out);
}

static inline bool elm__add(size_t a, size_t b, size_t *out)
{
	return !__builtin_add_overflow(a, b, out);
}

#endif

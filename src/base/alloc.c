#include "base/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void *default_allocate(void *user, size_t size)
{
	(void)user;
	return malloc(size);
}

static void *default_reallocate(void *user, void *block, size_t size)
{
	(void)user;
	return realloc(block, size);
}

static void default_release(void *user, void *block)
{
	(void)user;
	free(block);
}

#define DEFAULT_ALLOCATOR                                                   \
	{                                                                   \
		default_allocate, default_reallocate, default_release, NULL \
	}

/* The one process-wide setting of the library that is not const after start; see edgelm/memory.h.
 */
static elm_allocator allocator = DEFAULT_ALLOCATOR;

void elm_allocator_set(const elm_allocator *replacement)
{
	static const elm_allocator standard = DEFAULT_ALLOCATOR;

	allocator = replacement ? *replacement : standard;
}

void elm_free(void *block)
{
	elm__free(block);
}

void *elm__malloc(size_t size)
{
	return allocator.allocate(allocator.user, size ? size : 1);
}

void *elm__calloc(size_t count, size_t size)
{
	size_t total;
	void *block;

	if (!elm__mul(count, size, &total))
		return NULL;
	block = elm__malloc(total);
	if (block)
		memset(block, 0, total);
	return block;
}

void *elm__realloc(void *block, size_t size)
{
	if (!block)
		return elm__malloc(size);
	return allocator.reallocate(allocator.user, block, size ? size : 1);
}

void *elm__realloc_array(void *block, size_t count, size_t size)
{
	size_t total;

	return elm__mul(count, size, &total) ? elm__realloc(block, total) : NULL;
}

void elm__free(void *block)
{
	if (block)
		allocator.release(allocator.user, block);
}

char *elm__strndup(const char *text, size_t length)
{
	size_t total;
	char *copy;

	if (!elm__add(length, 1, &total))
		return NULL;
	copy = elm__malloc(total);
	if (copy) {
		if (length)
			memcpy(copy, text, length);
		copy[length] = '\0';
	}
	return copy;
}

char *elm__strdup(const char *text)
{
	return elm__strndup(text, strlen(text));
}

/* The block that the allocator returned is remembered in the word before the aligned address. */
void *elm__malloc_aligned(size_t alignment, size_t size)
{
	size_t total;
	char *block;
	uintptr_t aligned;

	if (!elm__add(size, alignment + sizeof(void *), &total))
		return NULL;
	block = elm__malloc(total);
	if (!block)
		return NULL;
	aligned = ((uintptr_t)block + sizeof(void *) + alignment - 1) & ~((uintptr_t)alignment - 1);
	memcpy((char *)aligned - sizeof(void *), &block, sizeof(block));
	return (void *)aligned;
}

void elm__free_aligned(void *block)
{
	void *original;

	if (!block)
		return;
	memcpy(&original, (char *)block - sizeof(void *), sizeof(original));
	elm__free(original);
}

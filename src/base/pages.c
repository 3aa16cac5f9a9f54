#include "base/pages.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

void *elm__pages_alloc(size_t size)
{
	void *pages = mmap(NULL, size ? size : 1, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		return NULL;
	(void)madvise(pages, size, MADV_HUGEPAGE); /* a hint: refusing it is no failure */
	return pages;
}

void elm__pages_free(void *pages, size_t size)
{
	if (pages)
		munmap(pages, size ? size : 1);
}

void elm__pages_forget(void *range, size_t size)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t begin = ((uintptr_t)range + page - 1) & ~(page - 1);
	uintptr_t end = ((uintptr_t)range + size) & ~(page - 1);

	if (begin < end)
		(void)madvise((void *)begin, end - begin, MADV_DONTNEED);
}

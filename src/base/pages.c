#include "base/pages.h"

#include <sys/mman.h>

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

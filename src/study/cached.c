#include "study/cached.h"

#include <fcntl.h>
#include <math.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

void elm__cache_drop(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	/* Only clean pages can be dropped, and a file that was just written has others. */
	(void)fdatasync(fd);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

double elm__cache_share(const char *path)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), pages, held = 0;
	unsigned char *present;
	double share = NAN;
	elm__map map;

	if (elm__map_open(&map, path, NULL))
		return NAN;
	pages = (map.size + page - 1) / page;
	present = elm__malloc(pages);
	if (present && pages && !mincore((void *)map.data, map.size, present)) {
		for (size_t i = 0; i < pages; i++)
			held += present[i] & 1;
		share = (double)held / (double)pages;
	}
	elm__free(present);
	elm__map_release(&map);
	return share;
}

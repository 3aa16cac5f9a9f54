/* Files of predictions: whatever opens must give every row as numbers that are no NaN. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "eval/base_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const elm__base_file *file)
{
	float *row = malloc(file->vocabulary * sizeof(float));

	for (uint32_t w = 0; w < file->windows; w++)
		for (uint32_t i = 0; i < elm__base_rows(file->window); i++) {
			elm__base_row(file, w, i, row);
			for (uint32_t k = 0; k < file->vocabulary; k++)
				if (!(row[k] <= 0))
					abort();
		}
	free(row);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("predictions", MFD_CLOEXEC);
	elm__base_file file;
	elm_error error = { 0 };
	char path[64];

	if (fd < 0 || (size && write(fd, data, size) != (ssize_t)size))
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (elm__base_open(&file, path, &error) == ELM_OK) {
		use(&file);
		elm__base_close(&file);
	} else if (!error.text[0]) {
		abort();
	}
	close(fd);
	return 0;
}

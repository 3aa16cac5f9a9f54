/* lines.h: JSON values through a pipe, one on each line. */
#ifndef ELM_STUDY_LINES_H
#define ELM_STUDY_LINES_H

#include <edgelm/status.h>
#include <jansson.h>

#include "base/buffer.h"

typedef struct elm__lines {
	int fd;
	const char *peer; /* who writes, for errors: "worker" */
	elm__buf bytes;	  /* read, and not given out yet */
	size_t line;	  /* of the line that was given out last, with its end */
} elm__lines;

/* Waits for the next line. ELM_ERR_NOT_FOUND when the other side has closed it, ELM_ERR_CANCELLED
 * when *cancel (may be NULL) became true, ELM_ERR_FORMAT for what is not JSON. */
ELM_NODISCARD elm_status elm__lines_read(elm__lines *lines, const volatile int *cancel,
					 json_t **out, elm_error *error);
void elm__lines_release(elm__lines *lines); /* does not close it */

/* Writes a value and releases it; NULL is an out-of-memory error. The caller ignores SIGPIPE. */
ELM_NODISCARD elm_status elm__lines_write(int fd, json_t *value, elm_error *error);

#endif

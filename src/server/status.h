/* status.h: looks at the device, shared by all who ask for /edgelm/status. */
#ifndef ELM_SERVER_STATUS_H
#define ELM_SERVER_STATUS_H

#include <edgelm/status.h>

typedef struct elm__status_watch elm__status_watch;

/* Takes the first look. `sysroot` as in elm__device_open. On success *out is the caller's. */
ELM_NODISCARD elm_status elm__status_watch_create(const char *sysroot, elm__status_watch **out,
						  elm_error *error);
void elm__status_watch_free(elm__status_watch *watch); /* NULL allowed */

#endif

/* status.h: looks at the device, shared by all who ask for /edgelm/status. */
#ifndef ELM_SERVER_STATUS_H
#define ELM_SERVER_STATUS_H

#include "telemetry/telemetry.h"

typedef struct elm__status_watch elm__status_watch;

/* Takes the first look. `sysroot` as in elm__device_open. On success *out is the caller's. */
ELM_NODISCARD elm_status elm__status_watch_create(const char *sysroot, elm__status_watch **out,
						  elm_error *error);
void elm__status_watch_free(elm__status_watch *watch); /* NULL allowed */

/* What the device draws; for metrics. */
typedef struct elm__status_power {
	elm__reading power;	  /* watts, lately */
	elm__reading energy;	  /* joules since the server was started, by counters of energy */
	elm__reading temperature; /* degrees Celsius, of the hottest sensor */
	const char *scope;	  /* of power and energy, see elm__power_scope_name */
} elm__status_power;
/* Looks again if the last look is too old. From any thread. */
void elm__status_watch_power(elm__status_watch *watch, elm__status_power *out);

#endif

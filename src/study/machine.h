/* machine.h: the device that a study runs on. */
#ifndef ELM_STUDY_MACHINE_H
#define ELM_STUDY_MACHINE_H

#include <edgelm/status.h>

#include "base/arena.h"
#include "study/schema.h"

/* Reads below `sysroot` ("" for this machine). What the system does not tell stays NULL. Texts are
 * owned by the arena. */
ELM_NODISCARD elm_status elm__machine_look(const char *sysroot, elm__arena *arena,
					   elm__study_machine *row, elm_error *error);

#endif

/* edgelm/version.h: the version of the library, at compile time and at run time. */
#ifndef EDGELM_VERSION_H
#define EDGELM_VERSION_H

#include <edgelm/status.h>

#define ELM_VERSION_MAJOR 0
#define ELM_VERSION_MINOR 1
#define ELM_VERSION_PATCH 0
#define ELM_VERSION_STRING "0.1.0"

ELM_BEGIN_DECLS

/* The version of the library that is running, for example "0.1.0". Static, never NULL. */
ELM_API const char *elm_version(void);

ELM_END_DECLS

#endif

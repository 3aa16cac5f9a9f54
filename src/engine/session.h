/* session.h: what the scheduler needs of a session beside its public interface. */
#ifndef ELM_ENGINE_SESSION_H
#define ELM_ENGINE_SESSION_H

#include <edgelm/session.h>

#include "engine/cache.h"

enum { ELM__DEFAULT_BATCH = 512 };

/* The cache of a session, to keep computed texts and find them again between two steps. */
elm__cache *elm__session_cache(elm_session *session);

#endif

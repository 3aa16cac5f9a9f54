/*
 * edgelm/log.h: messages for the operator, one line each, to stderr unless redirected.
 *
 * Logging never carries results and never replaces an error: a failing function says what is wrong
 * in its elm_error, and whoever handles that decides whether to log it.
 */
#ifndef EDGELM_LOG_H
#define EDGELM_LOG_H

#include <edgelm/status.h>

typedef enum elm_log_level {
	ELM_LOG_ERROR = 0,
	ELM_LOG_WARN = 1, /* the default: this and everything above it is written */
	ELM_LOG_INFO = 2,
	ELM_LOG_DEBUG = 3,
	ELM_LOG_SILENT = -1
} elm_log_level;

/* `line` has no newline and is valid only during the call; called from any thread. */
typedef void elm_log_sink(void *user, elm_log_level level, const char *line);

ELM_BEGIN_DECLS

/* Process-wide, thread-safe. */
ELM_API void elm_log_set_level(elm_log_level level);
ELM_API elm_log_level elm_log_get_level(void);

/* Redirects all messages; NULL restores stderr. Not thread-safe: call it before starting threads.
 */
ELM_API void elm_log_set_sink(elm_log_sink *sink, void *user);

ELM_API void elm_log(elm_log_level level, const char *format, ...) ELM_PRINTF(2, 3);

ELM_END_DECLS

#endif

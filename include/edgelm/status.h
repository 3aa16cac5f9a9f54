/*
 * edgelm/status.h: how functions report that they failed.
 *
 * A function that can fail returns elm_status: ELM_OK (0) or a negative code. Where a person will
 * read about it, the function also takes an elm_error that the caller owns; on failure it holds one
 * sentence: what went wrong, where, and what to do. The last parameter is always the error and it
 * may be NULL. On success the error is left as it was.
 */
#ifndef EDGELM_STATUS_H
#define EDGELM_STATUS_H

#include <stdarg.h>

#ifdef __cplusplus
#define ELM_BEGIN_DECLS extern "C" {
#define ELM_END_DECLS }
#else
#define ELM_BEGIN_DECLS
#define ELM_END_DECLS
#endif

#if defined(__GNUC__)
#define ELM_API __attribute__((visibility("default")))
#define ELM_NODISCARD __attribute__((warn_unused_result))
#define ELM_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define ELM_API
#define ELM_NODISCARD
#define ELM_PRINTF(fmt, args)
#endif

/* name, value, text */
#define ELM_STATUS_LIST(X)                                                 \
	X(ELM_OK, 0, "done")                                               \
	X(ELM_ERR_NO_MEMORY, -1, "out of memory")                          \
	X(ELM_ERR_IO, -2, "input or output failed")                        \
	X(ELM_ERR_NOT_FOUND, -3, "not found")                              \
	X(ELM_ERR_FORMAT, -4, "damaged or malformed data")                 \
	X(ELM_ERR_UNSUPPORTED, -5, "not supported")                        \
	X(ELM_ERR_ARGUMENT, -6, "invalid argument")                        \
	X(ELM_ERR_LIMIT, -7, "a limit was exceeded")                       \
	X(ELM_ERR_CANCELLED, -8, "cancelled")                              \
	X(ELM_ERR_FULL, -9, "no room left in the cache or the context")    \
	X(ELM_ERR_TEMPLATE, -10, "the chat template refused the messages") \
	X(ELM_ERR_SYSTEM, -11, "the operating system refused")             \
	X(ELM_ERR_INTERNAL, -12, "internal error, please report it")       \
	X(ELM_ERR_QUOTA, -13, "more than one's share is asked for")

typedef enum elm_status {
#define ELM_STATUS_ENUM_(name, value, text) name = value,
	ELM_STATUS_LIST(ELM_STATUS_ENUM_)
#undef ELM_STATUS_ENUM_
} elm_status;

/* Room for one sentence. Zero-initialise it; no release is needed. */
typedef struct elm_error {
	elm_status status;
	char text[500]; /* UTF-8, no newline at the end; empty when nothing failed */
} elm_error;

ELM_BEGIN_DECLS

/* A short English text for a status. Static, never NULL; unknown values give "unknown status". */
ELM_API const char *elm_status_text(elm_status status);

/*
 * Writes the sentence into `error` (may be NULL) and returns `status`, so that failing is one line:
 *     return elm_error_set(error, ELM_ERR_FORMAT, "%s: tensor count %llu is ...", path, n);
 * Text that does not fit is cut at a character boundary. Control characters in it, which may come
 * from a hostile file, are replaced by '?'.
 */
ELM_API elm_status elm_error_set(elm_error *error, elm_status status, const char *format, ...)
	ELM_PRINTF(3, 4);
ELM_API elm_status elm_error_setv(elm_error *error, elm_status status, const char *format,
				  va_list args) ELM_PRINTF(3, 0);

/* Puts "prefix: " before the sentence that is there already. Returns the status of `error`. */
ELM_API elm_status elm_error_prefix(elm_error *error, const char *format, ...) ELM_PRINTF(2, 3);

ELM_END_DECLS

#endif

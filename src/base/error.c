#include <edgelm/status.h>
#include <edgelm/version.h>

#include <stdio.h>
#include <string.h>

#include "base/text.h"

const char *elm_version(void)
{
	return ELM_VERSION_STRING;
}

const char *elm_status_text(elm_status status)
{
	switch (status) {
#define STATUS_CASE(name, value, text) \
	case name:                     \
		return text;
		ELM_STATUS_LIST(STATUS_CASE)
#undef STATUS_CASE
	}
	return "unknown status";
}

elm_status elm_error_setv(elm_error *error, elm_status status, const char *format, va_list args)
{
	if (error) {
		error->status = status;
		vsnprintf(error->text, sizeof(error->text), format, args);
		elm__make_printable(error->text);
	}
	return status;
}

elm_status elm_error_set(elm_error *error, elm_status status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	elm_error_setv(error, status, format, args);
	va_end(args);
	return status;
}

elm_status elm_error_prefix(elm_error *error, const char *format, ...)
{
	char rest[sizeof(error->text)];
	va_list args;
	int used;

	if (!error)
		return ELM_ERR_INTERNAL;
	memcpy(rest, error->text, sizeof(rest));
	va_start(args, format);
	used = vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	if (used >= 0 && (size_t)used < sizeof(error->text))
		snprintf(error->text + used, sizeof(error->text) - (size_t)used, ": %s", rest);
	elm__make_printable(error->text);
	return error->status;
}

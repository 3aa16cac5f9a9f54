#include <edgelm/log.h>

#include <stdatomic.h>
#include <stdio.h>

#include "base/text.h"

static _Atomic int current_level = ELM_LOG_WARN;
static elm_log_sink *current_sink;
static void *current_user;

void elm_log_set_level(elm_log_level level)
{
	atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

elm_log_level elm_log_get_level(void)
{
	return (elm_log_level)atomic_load_explicit(&current_level, memory_order_relaxed);
}

void elm_log_set_sink(elm_log_sink *sink, void *user)
{
	current_sink = sink;
	current_user = user;
}

void elm_log(elm_log_level level, const char *format, ...)
{
	static const char *const name[] = { "error", "warning", "info", "debug" };
	char line[1024];
	va_list args;

	if (level < ELM_LOG_ERROR || level > ELM_LOG_DEBUG || level > elm_log_get_level())
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	elm__make_printable(line);
	if (current_sink)
		current_sink(current_user, level, line);
	else
		fprintf(stderr, "edgelm: %s: %s\n", name[level],
			line); /* one call: lines do not mix */
}

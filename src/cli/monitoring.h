/* monitoring.h: the parts of `edgelm monitor`: what is looked at, the lines it becomes, and the
 * view on a terminal. */
#ifndef ELM_CLI_MONITORING_H
#define ELM_CLI_MONITORING_H

#include <jansson.h>

#include "cli/cli.h"

/* A device of this machine (or of a recorded tree), or a server with its device. */
typedef struct monitor_source monitor_source;

typedef struct monitor_options {
	const char *sysroot, *url, *key_file;
	int64_t pid;
} monitor_options;

/* On success *out is the caller's. */
ELM_NODISCARD elm_status monitor_source_open(const monitor_options *options, monitor_source **out,
					     elm_error *error);
void monitor_source_close(monitor_source *source); /* NULL allowed */

/*
 * A look: {"clock", "model", "process": whose readings those of the process are, "" for our own,
 * "device": as elm__device_json, "server": /edgelm/status without its device}; of a server that
 * does not answer {"clock", "trouble": a sentence}. NULL when memory runs out.
 */
json_t *monitor_look(monitor_source *source);

enum { MONITOR_TEXT = 160 };

/* A line of the view: a label, perhaps a bar, and what there is to say. */
typedef struct monitor_line {
	char label[24];
	char text[MONITOR_TEXT];
	double share; /* of the bar, 0 to 1; negative: no bar */
	bool alarm;
} monitor_line;

typedef struct monitor_lines {
	monitor_line *lines;
	size_t count, room;
	bool failed; /* memory ran out */
} monitor_lines;

/* The lines of a look; `before` is an earlier one, for rates, or NULL. */
void monitor_describe(const json_t *look, const json_t *before, monitor_lines *out);
void monitor_lines_release(monitor_lines *lines);

/* Shows looks on the terminal, one each `interval` seconds, until q or Ctrl-C. Returns the exit
 * code. */
int monitor_view(const cli_context *cli, monitor_source *source, double interval);

/* Waits for so long, or until Ctrl-C; false then. */
bool monitor_wait(double seconds, const volatile int *cancel);

#endif

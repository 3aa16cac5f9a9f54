/* monitor.c: what the device and a server are doing, now. */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "cli/commands.h"
#include "cli/monitoring.h"
#include "telemetry/recorder.h"

typedef struct settings {
	monitor_options source;
	double interval;
	int64_t count;
	bool once, csv;
} settings;
#define S settings

static const cli_option options[] = {
	{ "once", 0, CLI_FLAG(S, once), NULL, "look once, print, and end" },
	{ "csv", 0, CLI_FLAG(S, csv), NULL,
	  "print a row of all readings at each interval, and at the end what that cost" },
	{ "interval", 'i', CLI_REAL(S, interval), "SECONDS", "time from one look to the next",
	  .real_range = { 0.01, 3600 } },
	{ "count", 'n', CLI_INT(S, count), "N", "end after N looks (with --json, --csv)",
	  .default_text = "go on", .range = { 1, INT64_C(1) << 40 } },
	{ "pid", 'p', CLI_INT(S, source.pid), "PID", "show this process",
	  .default_text = "this program", .range = { 1, 1 << 22 } },
	{ "url", 0, CLI_TEXT(S, source.url), "URL",
	  "show a running edgelm server and its device, as in http://127.0.0.1:8080" },
	{ "api-key-file", 0, CLI_FILE(S, source.key_file), "FILE",
	  "its first line is the API key that the server asks for" },
	{ "sysroot", 0, CLI_FILE(S, source.sysroot), "DIR",
	  "read the files of the device below this folder: the recorded tree of another device" },
	{ 0 },
};

static const cli_group groups[] = { { "Options", options, 0 }, { 0 } };
static const settings defaults = { .interval = 1 };

bool monitor_wait(double seconds, const volatile int *cancel)
{
	uint64_t until = elm__now_ns() + (uint64_t)(seconds * 1e9);

	for (uint64_t now = elm__now_ns(); now < until && !*cancel; now = elm__now_ns()) {
		uint64_t left = (until - now) / 1000000 + 1;

		(void)poll(NULL, 0, left < 60000 ? (int)left : 60000);
	}
	return !*cancel;
}

/* Lines as plain text, with bars of 20 characters. */
static bool print_lines(const cli_context *cli, const monitor_lines *lines)
{
	static const char full[] = "||||||||||||||||||||", empty[] = "                    ";
	elm__buf out = ELM__BUF_INIT;
	elm_error error = { 0 };
	bool fine;

	for (size_t i = 0; i < lines->count; i++) {
		const monitor_line *line = &lines->lines[i];
		int filled = (int)lround(line->share * 20);

		elm__buf_printf(&out, "%-12s ", line->label);
		if (line->share >= 0)
			elm__buf_printf(&out, "[%.*s%.*s] ", filled, full, 20 - filled, empty);
		elm__buf_printf(&out, "%s\n", line->text);
	}
	if (lines->failed || elm__buf_status(&out, &error)) {
		elm__buf_release(&out);
		cli_fail(cli, "out of memory");
		return false;
	}
	fine = cli_write_text(cli, out.data, out.length);
	elm__buf_release(&out);
	return fine;
}

/* 1 when a server did not answer, else 0. */
static int trouble_of(const json_t *look)
{
	return json_object_get(look, "trouble") ? CLI_FAILED : CLI_DONE;
}

/* A look; the time since the source was opened is what rates are averages over. */
static int print_json_once(const cli_context *cli, monitor_source *source, double seconds)
{
	json_t *look;
	int trouble, code;

	if (!monitor_wait(seconds, cli_interrupt_watch()))
		return CLI_FAILED;
	look = monitor_look(source);
	trouble = trouble_of(look);
	code = cli_print_json(cli, look);
	return code ? code : trouble;
}

/* Two looks, of which the second one is shown. */
static int print_once(const cli_context *cli, monitor_source *source, double seconds)
{
	json_t *before = monitor_look(source);
	json_t *look = monitor_wait(seconds, cli_interrupt_watch()) ? monitor_look(source) : NULL;
	monitor_lines lines = { 0 };
	int code = CLI_FAILED;

	monitor_describe(look, before, &lines);
	if (look && print_lines(cli, &lines))
		code = trouble_of(look);
	json_decref(before);
	json_decref(look);
	monitor_lines_release(&lines);
	return code;
}

/* A look in each line, until Ctrl-C. */
static int print_json_lines(const cli_context *cli, monitor_source *source, const settings *s)
{
	const volatile int *cancel = cli_interrupt_watch();

	for (int64_t i = 0; (!s->count || i < s->count) && monitor_wait(s->interval, cancel); i++) {
		json_t *look = monitor_look(source);
		char *text = json_dumps(look, JSON_COMPACT);
		elm__buf line = ELM__BUF_INIT;
		bool fine;

		json_decref(look);
		if (text)
			elm__buf_printf(&line, "%s\n", text);
		free(text);
		fine = line.length && !line.failed;
		if (!fine)
			cli_fail(cli, "out of memory");
		fine = fine && cli_write_text(cli, line.data, line.length);
		elm__buf_release(&line);
		if (!fine)
			return CLI_FAILED;
	}
	return CLI_DONE;
}

/* A field of CSV (RFC 4180). */
static void put_field(elm__buf *out, const char *text)
{
	elm__buf_putc(out, '"');
	for (; *text; text++) {
		if (*text == '"')
			elm__buf_putc(out, '"');
		elm__buf_putc(out, *text);
	}
	elm__buf_putc(out, '"');
}

static bool put_header(const cli_context *cli, const elm__recorder *recorder)
{
	elm__buf out = ELM__BUF_INIT;
	bool fine;

	elm__buf_puts(&out, "seconds");
	for (size_t i = 0; i < elm__recorder_columns(recorder); i++) {
		const elm__recorder_column *column = elm__recorder_column_at(recorder, i);
		char name[sizeof(column->name) + 16];

		snprintf(name, sizeof(name), "%s (%s)", column->name, column->unit);
		elm__buf_putc(&out, ',');
		put_field(&out, name);
	}
	elm__buf_putc(&out, '\n');
	fine = !out.failed && cli_write_text(cli, out.data, out.length);
	elm__buf_release(&out);
	return fine;
}

typedef struct csv {
	const cli_context *cli;
	elm__recorder *recorder;
	uint64_t row, start_ns, most; /* the next row, the time of the first one, how many */
	double *values;
	elm__buf text;
} csv;

/* Prints the rows that are there. False when that fails. */
static bool put_rows(csv *c)
{
	enum { ROOM = 64 };
	const size_t columns = elm__recorder_columns(c->recorder);
	uint64_t times[ROOM];
	size_t count;

	while (c->row < c->most &&
	       (count = elm__recorder_copy(c->recorder, &c->row, ROOM, times, c->values))) {
		elm__buf_clear(&c->text);
		for (size_t i = 0; i < count && c->row < c->most; i++, c->row++) {
			if (!c->start_ns)
				c->start_ns = times[i];
			elm__buf_printf(&c->text, "%.4f",
					elm__seconds_between(c->start_ns, times[i]));
			for (size_t j = 0; j < columns; j++) {
				double value = c->values[i * columns + j];

				if (isnan(value)) /* unmeasured: an empty field */
					elm__buf_putc(&c->text, ',');
				else
					elm__buf_printf(&c->text, ",%.9g", value);
			}
			elm__buf_putc(&c->text, '\n');
		}
		if (c->text.failed || !cli_write_text(c->cli, c->text.data, c->text.length))
			return false;
	}
	return true;
}

/* What recording took, and which readings are slower than the rows. */
static void report(const csv *c, double interval)
{
	elm__recorder_cost cost;

	if (c->cli->quiet)
		return;
	elm__recorder_cost_of(c->recorder, &cost);
	fprintf(stderr, "%llu rows in %.1f s, %llu missed; recording took %.2f %% of one core\n",
		(unsigned long long)cost.rows, cost.seconds, (unsigned long long)cost.missed,
		cost.seconds > 0 ? 100 * cost.cpu_seconds / cost.seconds : 0);
	for (size_t i = 0; i < elm__recorder_columns(c->recorder); i++) {
		elm__recorder_state state;
		double slow;

		elm__recorder_state_of(c->recorder, i, &state);
		slow = fmax(state.read_seconds, state.change_seconds);
		if (state.unmeasured && state.unmeasured == state.reads)
			fprintf(stderr, "%s: unmeasured: %s\n",
				elm__recorder_column_at(c->recorder, i)->name, state.reason);
		else if (slow > 1.5 * interval)
			fprintf(stderr, "%s: a new value only every %.3g s\n",
				elm__recorder_column_at(c->recorder, i)->name, slow);
	}
}

static int record(csv *c, const settings *s)
{
	const volatile int *cancel = cli_interrupt_watch();
	elm_error error = { 0 };
	bool fine = put_header(c->cli, c->recorder);

	if (!fine || elm__recorder_start(c->recorder, &error))
		return fine ? cli_fail_error(c->cli, &error) : CLI_FAILED;
	while (fine && c->row < c->most && monitor_wait(fmin(fmax(s->interval, 0.05), 0.5), cancel))
		fine = put_rows(c);
	elm__recorder_stop(c->recorder);
	fine = fine && put_rows(c);
	if (fine)
		report(c, s->interval);
	return fine ? CLI_DONE : CLI_FAILED;
}

static int print_csv(const cli_context *cli, const settings *s)
{
	const elm__recorder_options how = { .sysroot = s->source.sysroot,
					    .pid = s->source.pid,
					    .groups = ELM__READ_ALL,
					    .interval_ns = (uint64_t)(s->interval * 1e9),
					    .rows = 4096 };
	csv c = { .cli = cli, .most = s->count ? (uint64_t)s->count : UINT64_MAX };
	elm_error error = { 0 };
	int code;

	if (elm__recorder_create(&how, &c.recorder, &error))
		return cli_fail_error(cli, &error);
	c.values = elm__calloc(64 * elm__recorder_columns(c.recorder), sizeof(*c.values));
	code = c.values ? record(&c, s) : cli_fail(cli, "out of memory");
	elm__free(c.values);
	elm__buf_release(&c.text);
	elm__recorder_free(c.recorder);
	return code;
}

static int run(cli_context *cli)
{
	const settings *s = cli->settings;
	monitor_source *source;
	elm_error error = { 0 };
	int code;

	if (s->source.url && (s->csv || s->source.pid || s->source.sysroot))
		return cli_usage(cli, "--url shows the device of the server; --csv, --pid and "
				      "--sysroot are for this one");
	if (s->source.key_file && !s->source.url)
		return cli_usage(cli, "--api-key-file needs --url");
	if (s->csv && cli->json)
		return cli_usage(cli, "--csv and --json exclude each other");
	if (s->csv)
		return print_csv(cli, s);
	if (monitor_source_open(&s->source, &source, &error))
		return cli_fail_error(cli, &error);
	if (cli->json && !s->once)
		code = print_json_lines(cli, source, s);
	else if (s->once || !isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		code = cli->json ? print_json_once(cli, source, fmin(s->interval, 0.5)) :
				   print_once(cli, source, fmin(s->interval, 0.5));
	else
		code = monitor_view(cli, source, s->interval);
	monitor_source_close(source);
	return code;
}

const cli_command cli_cmd_monitor = {
	.name = "monitor",
	.summary = "show what the device, and a server, are doing",
	.description =
		"On a terminal it shows processor, memory, GPU, temperatures, power and what else "
		"the device has, and draws it anew at each interval; q ends it. Elsewhere, or with "
		"--once, it prints the same once. --json prints a line of JSON per look, --csv a "
		"row per interval down to 10 ms.\n\n"
		"What is not measured says why; it is never shown as 0. docs/TELEMETRY.md tells "
		"where each reading comes from.",
	.examples = "edgelm monitor\n"
		    "edgelm monitor --once --json\n"
		    "edgelm monitor --url http://127.0.0.1:8080\n"
		    "edgelm monitor --csv --interval 0.01 --pid 1234 >run.csv\n",
	.groups = groups,
	.settings_size = sizeof(settings),
	.defaults = &defaults,
	.prints_json = true,
	.run = run,
};

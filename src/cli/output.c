/* output.c: how commands speak to people: errors, JSON, progress, Ctrl-C. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/tables.h"

/* Through elm_error, which makes hostile text printable. */
static void say(const cli_context *cli, const char *format, va_list args)
{
	elm_error error = { 0 };

	elm_error_setv(&error, ELM_ERR_ARGUMENT, format, args);
	fprintf(stderr, "%s: %s\n", cli->name, error.text);
}

int cli_fail(const cli_context *cli, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(cli, format, args);
	va_end(args);
	return CLI_FAILED;
}

int cli_fail_error(const cli_context *cli, const elm_error *error)
{
	return cli_fail(cli, "%s", error->text[0] ? error->text : elm_status_text(error->status));
}

int cli_usage(const cli_context *cli, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(cli, format, args);
	va_end(args);
	fprintf(stderr, "Try \"%s --help\".\n", cli->name);
	return CLI_USAGE;
}

/* Says why, and clears the mark on stdout so that it is not said again at exit. */
static int fail_output(const cli_context *cli)
{
	cli_fail(cli, "cannot write to standard output: %s", strerror(errno));
	clearerr(stdout);
	return CLI_FAILED;
}

int cli_print_text(const cli_context *cli, elm__buf *text)
{
	int code = CLI_DONE;

	if (text->failed)
		code = cli_fail(cli, "out of memory");
	else if (fwrite(elm__buf_text(text), 1, text->length, stdout) != text->length)
		code = fail_output(cli);
	elm__buf_release(text);
	return code;
}

int cli_print_json(const cli_context *cli, json_t *value)
{
	int code = CLI_DONE;

	if (!value || json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII) < 0)
		code = ferror(stdout) ? fail_output(cli) :
					cli_fail(cli, "out of memory for the JSON output");
	else
		putchar('\n');
	json_decref(value);
	return code;
}

bool cli_write_text(const cli_context *cli, const char *text, size_t length)
{
	/* stdio drops what it holds when a signal interrupts it. */
	if (fflush(stdout) != 0) {
		fail_output(cli);
		return false;
	}
	while (length) {
		ssize_t written = write(STDOUT_FILENO, text, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0) {
			fail_output(cli);
			return false;
		}
		text += written;
		length -= (size_t)written;
	}
	return true;
}

/* Set from a signal handler, so it has to be of static duration. */
static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
	(void)signal_number;
	interrupted = 1;
}

static void arm_interrupt(void)
{
	/* SA_RESETHAND: the second signal meets the default action and ends the program. Without
	 * SA_RESTART a waiting read returns, so that the flag is seen. */
	struct sigaction action = { .sa_handler = on_interrupt, .sa_flags = SA_RESETHAND };

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

const volatile int *cli_interrupt_watch(void)
{
	arm_interrupt();
	return &interrupted;
}

void cli_interrupt_reset(void)
{
	interrupted = 0;
	arm_interrupt();
}

enum { QUIET_NS = 2000000000, BETWEEN_NS = 200000000 };

void cli_progress_start(cli_progress *progress, const cli_context *cli, const char *what)
{
	progress->what = !cli->quiet && isatty(STDERR_FILENO) ? what : NULL;
	progress->start_ns = elm__now_ns();
	progress->shown_ns = 0;
}

void cli_progress_update(cli_progress *progress, uint64_t done, uint64_t total, const char *unit)
{
	uint64_t now;
	double elapsed;

	if (!progress->what)
		return;
	now = elm__now_ns();
	if (now - progress->start_ns < QUIET_NS || now - progress->shown_ns < BETWEEN_NS)
		return;
	progress->shown_ns = now;
	elapsed = elm__seconds_between(progress->start_ns, now);
	fprintf(stderr, "\r%s: %llu", progress->what, (unsigned long long)done);
	if (total)
		fprintf(stderr, " of %llu", (unsigned long long)total);
	fprintf(stderr, " %s", unit);
	if (total && done && done <= total)
		fprintf(stderr, ", about %.0f s left",
			elapsed * (double)(total - done) / (double)done);
	fputs("\033[K", stderr);
}

void cli_progress_end(cli_progress *progress)
{
	if (progress->what && progress->shown_ns)
		fputs("\r\033[K", stderr);
	progress->what = NULL;
}

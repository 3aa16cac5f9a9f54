#include "cli/stage.h"

#include <edgelm/log.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"

enum { WORDS_MAX = 64, OUTPUT_MAX = 64 << 20, POLL_MS = 200 };

/* The command as a person would type it. */
static void describe(const char *const *words, elm__buf *out)
{
	elm__buf_puts(out, "edgelm");
	for (size_t i = 0; words[i]; i++)
		elm__buf_printf(out, strchr(words[i], ' ') ? " \"%s\"" : " %s", words[i]);
}

/* Starts the stage with its standard output in a pipe. */
static elm_status start(const char *const *words, pid_t *pid, int *from, elm_error *error)
{
	/* posix_spawn wants pointers to what could be written; it writes nothing. */
	char *arguments[WORDS_MAX + 2] = { (char *)"edgelm" };
	posix_spawn_file_actions_t actions;
	int ends[2], code;

	for (size_t i = 0; words[i] && i < WORDS_MAX; i++)
		arguments[i + 1] = (char *)words[i];
	if (pipe2(ends, O_CLOEXEC))
		return elm_error_set(error, ELM_ERR_IO, "cannot make a pipe: %s", strerror(errno));
	code = posix_spawn_file_actions_init(&actions);
	if (!code) {
		code = posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
		if (!code)
			code = posix_spawn(pid, "/proc/self/exe", &actions, NULL, arguments,
					   environ);
		posix_spawn_file_actions_destroy(&actions);
	}
	close(ends[1]);
	*from = ends[0];
	if (!code)
		return ELM_OK;
	close(ends[0]);
	return elm_error_set(error, ELM_ERR_IO, "cannot start a stage: %s", strerror(code));
}

/* Reads all that the stage prints, and passes Ctrl-C on once. */
static elm_status read_output(pid_t pid, int from, elm__buf *out, elm_error *error)
{
	const volatile int *interrupted = cli_interrupt_watch();
	bool told = false;
	char chunk[4096];

	for (;;) {
		struct pollfd ready = { .fd = from, .events = POLLIN };
		ssize_t n;

		if (*interrupted && !told) {
			kill(pid, SIGTERM);
			told = true;
		}
		if (poll(&ready, 1, POLL_MS) <= 0)
			continue;
		n = read(from, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if (out->length < OUTPUT_MAX)
			elm__buf_append(out, chunk, (size_t)n);
	}
	return elm__buf_status(out, error);
}

static elm_status check_end(const char *const *words, int code, elm_error *error)
{
	elm__buf command = ELM__BUF_INIT;
	elm_status status = ELM_OK;

	if (*cli_interrupt_watch()) {
		status = elm_error_set(error, ELM_ERR_CANCELLED, "interrupted");
	} else if (!WIFEXITED(code) || WEXITSTATUS(code)) {
		describe(words, &command);
		status = elm_error_set(error, ELM_ERR_SYSTEM, "this stage has failed%s: %s",
				       WIFSIGNALED(code) ? " (ended by a signal)" : "",
				       elm__buf_text(&command));
	}
	elm__buf_release(&command);
	return status;
}

elm_status cli_stage_run(const char *const *words, json_t **result, elm_error *error)
{
	elm__buf output = ELM__BUF_INIT, command = ELM__BUF_INIT;
	elm_status status, read;
	int from = -1, code = 0;
	pid_t pid;

	if (result)
		*result = NULL;
	describe(words, &command);
	elm_log(ELM_LOG_INFO, "%s", elm__buf_text(&command));
	elm__buf_release(&command);
	status = start(words, &pid, &from, error);
	if (status)
		return status;
	read = read_output(pid, from, &output, error);
	close(from);
	while (waitpid(pid, &code, 0) < 0 && errno == EINTR)
		;
	status = check_end(words, code, error);
	if (!status)
		status = read;
	if (!status && result) {
		*result = json_loadb(elm__buf_text(&output), output.length, 0, NULL);
		if (!*result)
			status = elm_error_set(error, ELM_ERR_INTERNAL,
					       "edgelm %s has not printed JSON", words[0]);
	}
	elm__buf_release(&output);
	return status;
}

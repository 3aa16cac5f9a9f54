/* subject_engine.c: our engine, in a process that is asked over pipes. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "study/cached.h"
#include "study/lines.h"
#include "study/row_json.h"
#include "study/subject.h"

enum { PATIENCE_MS = 2000, COUNTS = 64 };

extern char **environ;

typedef struct engine {
	elm__subject subject;
	const char *const *command;
	const volatile int *cancel;
	int to;		 /* its standard input; -1: it does not run */
	elm__lines from; /* its standard output */
	json_t *files;	 /* that it maps */
} engine;

/* --- the process --- */

static bool has_ended(engine *e, int *how)
{
	return waitpid((pid_t)e->subject.pid, how, WNOHANG) != 0;
}

/* It ends with its input; one that does not is killed. */
static void stop_process(engine *e, int *how)
{
	*how = 0;
	if (e->to < 0)
		return;
	close(e->to);
	e->to = -1;
	for (int waited = 0; !has_ended(e, how); waited += 10) {
		if (waited >= PATIENCE_MS || (e->cancel && *e->cancel))
			kill((pid_t)e->subject.pid, SIGKILL);
		poll(NULL, 0, 10);
	}
	close(e->from.fd);
	elm__lines_release(&e->from);
	e->subject.pid = 0;
}

static elm_status spawn(engine *e, const int in[2], const int out[2], elm_error *error)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t defaults;
	pid_t pid;
	int failed;

	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	sigaddset(&defaults, SIGINT);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	/* A group of its own, so that Ctrl-C reaches us alone, who then end it. */
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	failed = posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
	if (!failed)
		failed = posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	if (!failed)
		failed = posix_spawn(&pid, e->command[0], &actions, &attributes,
				     (char *const *)e->command, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	if (failed)
		return elm_error_set(error, ELM_ERR_SYSTEM, "cannot start the worker %s: %s",
				     e->command[0], strerror(failed));
	e->subject.pid = pid;
	return ELM_OK;
}

static elm_status start_process(engine *e, elm_error *error)
{
	int in[2], out[2];
	elm_status status;

	if (pipe2(in, O_CLOEXEC))
		return elm_error_set(error, ELM_ERR_SYSTEM, "cannot make a pipe: %s",
				     strerror(errno));
	if (pipe2(out, O_CLOEXEC)) {
		close(in[0]);
		close(in[1]);
		return elm_error_set(error, ELM_ERR_SYSTEM, "cannot make a pipe: %s",
				     strerror(errno));
	}
	status = spawn(e, in, out, error);
	close(in[0]);
	close(out[1]);
	if (status) {
		close(in[1]);
		close(out[0]);
		return status;
	}
	e->to = in[1];
	e->from = (elm__lines){ .fd = out[0], .peer = "worker" };
	return ELM_OK;
}

/* The worker has closed the pipe: why? */
static elm_status explain_end(engine *e, elm_error *error)
{
	int how = 0;

	stop_process(e, &how);
	if (WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL)
		return elm_error_set(error, ELM_ERR_SYSTEM,
				     "the worker was killed, perhaps because memory ran out; try "
				     "a smaller context");
	if (WIFSIGNALED(how))
		return elm_error_set(error, ELM_ERR_SYSTEM, "the worker ended by signal %d (%s)",
				     WTERMSIG(how), strsignal(WTERMSIG(how)));
	return elm_error_set(error, ELM_ERR_SYSTEM,
			     "the worker ended with exit code %d; what it said stands above",
			     WEXITSTATUS(how));
}

static elm_status receive(engine *e, json_t **out, elm_error *error)
{
	elm_status status = elm__lines_read(&e->from, e->cancel, out, error);
	const char *wrong;

	if (status == ELM_ERR_NOT_FOUND)
		return explain_end(e, error);
	if (status)
		return status;
	wrong = json_string_value(json_object_get(*out, "error"));
	if (wrong) {
		status = elm_error_set(error, ELM_ERR_ARGUMENT, "%s", wrong);
		json_decref(*out);
		*out = NULL;
	}
	return status;
}

static elm_status exchange(engine *e, const char *what, const elm__ask *ask, json_t **out,
			   elm_error *error)
{
	json_t *body = elm__ask_json(ask);
	elm_status status;

	if (e->to < 0) {
		json_decref(body);
		return elm_error_set(error, ELM_ERR_SYSTEM, "the worker does not run");
	}
	status = elm__lines_write(e->to, body ? json_pack("{s:o}", what, body) : NULL, error);
	if (status == ELM_ERR_IO)
		return explain_end(e, error);
	return status ? status : receive(e, out, error);
}

/* --- what it is --- */

static elm_status take_facts(engine *e, const json_t *line, elm_error *error)
{
	const json_t *ready = json_object_get(line, "ready");
	elm__subject_facts *facts = &e->subject.facts;
	elm_status status;

	elm__arena_release(&facts->arena);
	status = elm__row_parse(ELM__TABLE_model, json_object_get(ready, "model"), &facts->arena,
				&facts->model, error);
	if (status == ELM_OK)
		status = elm__row_parse(ELM__TABLE_config, json_object_get(ready, "config"),
					&facts->arena, &facts->config, error);
	json_decref(e->files);
	e->files = json_incref(json_object_get(ready, "files"));
	return status;
}

static elm_status begin(engine *e, int64_t *load_ns, elm_error *error)
{
	uint64_t start = elm__now_ns();
	elm_status status = start_process(e, error);
	json_t *line;

	if (status == ELM_OK)
		status = receive(e, &line, error);
	if (status)
		return status;
	*load_ns = (int64_t)(elm__now_ns() - start);
	status = take_facts(e, line, error);
	json_decref(line);
	return status;
}

/* --- the calls --- */

static elm_status engine_restart(elm__subject *subject, double *cached, int64_t *load_ns,
				 elm_error *error)
{
	engine *e = (engine *)subject;
	double share, most = NAN;
	int how;

	stop_process(e, &how);
	for (size_t i = 0; cached && i < json_array_size(e->files); i++) {
		const char *path = json_string_value(json_array_get(e->files, i));

		elm__cache_drop(path);
		share = elm__cache_share(path);
		if (!(share <= most))
			most = share;
	}
	if (cached)
		*cached = most;
	return begin(e, load_ns, error);
}

static elm_status engine_ask(elm__subject *subject, const elm__ask *ask, elm__answers *answers,
			     elm_error *error)
{
	engine *e = (engine *)subject;
	uint64_t sent = elm__now_ns();
	json_t *line = NULL;
	elm_status status;

	memset(answers, 0, sizeof(*answers));
	status = exchange(e, "ask", ask, &line, error);
	if (status)
		return status;
	status = elm__answers_parse(line, answers, error);
	for (size_t i = 0; i < answers->count && status == ELM_OK; i++)
		answers->items[i].row.wall_ns = (int64_t)(elm__now_ns() - sent);
	json_decref(line);
	return status;
}

static elm_status engine_count(elm__subject *subject, const elm__prompt *prompt, uint32_t *tokens,
			       elm_error *error)
{
	elm__ask ask = { .prompt = *prompt, .max_tokens = 1, .streams = 1 };
	int64_t count = 0;
	json_t *line = NULL;
	elm_status status = exchange((engine *)subject, "count", &ask, &line, error);

	if (status)
		return status;
	status = elm__json_get_i64(line, "tokens", 1, UINT32_MAX, &count, error);
	*tokens = (uint32_t)count;
	json_decref(line);
	return status;
}

static void engine_free(elm__subject *subject)
{
	engine *e = (engine *)subject;
	int how;

	stop_process(e, &how);
	json_decref(e->files);
	elm__arena_release(&subject->facts.arena);
	elm__free(e);
}

elm_status elm__subject_engine(const char *const *command, const volatile int *cancel,
			       elm__subject **out, int64_t *load_ns, elm_error *error)
{
	static const elm__subject_kind kind = { engine_restart, engine_ask, engine_count,
						engine_free, COUNTS };
	engine *e = elm__calloc(1, sizeof(*e));
	elm_status status;

	*out = NULL;
	if (!e)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	e->subject.kind = &kind;
	e->command = command;
	e->cancel = cancel;
	e->to = -1;
	elm__arena_init(&e->subject.facts.arena, 0);
	status = begin(e, load_ns, error);
	if (status) {
		engine_free(&e->subject);
		return status;
	}
	*out = &e->subject;
	return ELM_OK;
}

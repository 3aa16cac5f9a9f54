/* serve.c: models for many clients, over HTTP. */
#include "cli/commands.h"

#include <edgelm/log.h>
#include <edgelm/scheduler.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/model_options.h"
#include "server/server.h"

typedef struct settings {
	const char *model, *host, *name, *chat_template;
	int64_t port;
	const char *key_file, *certificate, *certificate_key, *cors_origin, *access_log;
	int64_t connections, body_limit, idle_timeout, request_timeout;
	int64_t parallel, queue, tenant_queue, kv_memory;
	const char *prompt_cache;
	int64_t prompt_cache_size, prompt_cache_daily;
	double kv_memory_fraction, step_ms, timeout, drain;
	int scheduling, pooling, reasoning;
	bool metrics, slots, no_page, no_prefix_cache, embeddings;
	const char *sysroot;
	cli_list models;
	int64_t max_models;
	double idle_unload;
	cli_model_settings engine;
} settings;

static const char *const schedulings[] = { "continuous", "static", NULL };
/* In the order of elm_pooling. */
static const char *const poolings[] = { "auto", "mean", "cls", "last", "none", NULL };
enum { REASONING_NONE = 2 };
static const char *const reasonings[] = { "auto", "deepseek", "none", NULL };

#define S settings
static const cli_option arguments[] = {
	{ "MODEL", 0, CLI_FILE(S, model), NULL,
	  "a GGUF file, loaded at once; may be left out where --model names others" },
	{ 0 },
};

static const cli_option serve_options[] = {
	{ "host", 0, CLI_TEXT(S, host), "NAME", "name or address to listen at" },
	{ "port", 0, CLI_INT(S, port), "N", "port to listen at; 0 takes one that is free",
	  .range = { 0, 65535 } },
	{ "alias", 0, CLI_TEXT(S, name), "NAME", "name of the model, as clients see it",
	  .default_text = "the name of the file" },
	{ "template", 0, CLI_FILE(S, chat_template), "NAME",
	  "chat template instead of the model's: chatml, plain or a file",
	  .alias = "--chat-template" },
	{ "timeout", 0, CLI_REAL(S, timeout), "SECONDS",
	  "how long a request may take; its answer is cut off then. 0 is without end",
	  .real_range = { 0, 1e6 } },
	{ "embeddings", 0, CLI_FLAG(S, embeddings), NULL,
	  "answer /v1/embeddings and /embedding as well", .alias = "--embedding" },
	{ "pooling", 0, CLI_CHOICE(S, pooling), "HOW",
	  "what becomes of the vectors of a text's tokens: their mean, that of the first (cls) or "
	  "the last token, or one for each token (none); auto is what the model's file says, or "
	  "else mean. With one of the others --embeddings is not needed",
	  .choices = poolings },
	{ "reasoning-format", 0, CLI_CHOICE(S, reasoning), "HOW",
	  "what models think before they answer is told apart (auto, deepseek) or left in the text "
	  "(none)",
	  .choices = reasonings },
	{ "metrics", 0, CLI_FLAG(S, metrics), NULL, "answer /metrics, for Prometheus" },
	{ "slots", 0, CLI_FLAG(S, slots), NULL, "answer /slots: what is running" },
	{ "no-page", 0, CLI_FLAG(S, no_page), NULL, "do not serve the web page" },
	{ "access-log", 0, CLI_FILE(S, access_log), "FILE",
	  "append a line of JSON for each request, without its text",
	  .default_text = "standard error, or nowhere with --quiet" },
	{ "sysroot", 0, CLI_FILE(S, sysroot), "DIR",
	  "look for sensors and memory below this folder: a recorded tree of another device",
	  .default_text = "this machine's /proc and /sys" },
	{ "drain", 0, CLI_REAL(S, drain), "SECONDS",
	  "how long requests may go on after SIGTERM or Ctrl-C", .real_range = { 0, 86400 } },
	{ 0 },
};

static const cli_option several_options[] = {
	{ "model", 0, CLI_LIST(S, models), "NAME=FILE",
	  "another model, loaded by the first request that has NAME in its field \"model\"" },
	{ "idle-unload", 0, CLI_REAL(S, idle_unload), "SECONDS",
	  "unload a model that nobody has asked for in this time; the next request loads it again. "
	  "0 is never",
	  .real_range = { 0, 1e9 }, .alias = "--sleep-idle-seconds" },
	{ "max-models", 0, CLI_INT(S, max_models), "N",
	  "models that are loaded at once; the one that was not used for longest makes room",
	  .default_text = "as many as fit in memory", .range = { 1, 10000 },
	  .alias = "--models-max" },
	{ 0 },
};

static const cli_option scheduler_options[] = {
	{ "parallel", 0, CLI_INT(S, parallel), "N", "requests that run at once",
	  .range = { 1, 256 } },
	{ "queue", 0, CLI_INT(S, queue), "N", "requests that may wait", .range = { 1, 65536 } },
	{ "key-queue", 0, CLI_INT(S, tenant_queue), "N", "of them for one API key",
	  .default_text = "no limit", .range = { 1, 65536 } },
	{ "kv-memory", 0, CLI_SIZE(S, kv_memory), "SIZE", "memory of the KV cache",
	  .default_text = "room for --parallel requests of --ctx tokens, at most half of what is "
			  "available",
	  .range = { 1, INT64_MAX } },
	{ "kv-memory-fraction", 0, CLI_REAL(S, kv_memory_fraction), "X",
	  "the same as a fraction of the memory that is available",
	  .default_text = "see --kv-memory", .real_range = { 0.001, 1 } },
	{ "step-ms", 0, CLI_REAL(S, step_ms), "MS",
	  "a prompt may make a step that answers others no longer than this",
	  .default_text = "twice as long as without it", .real_range = { 0.1, 60000 } },
	{ "scheduling", 0, CLI_CHOICE(S, scheduling), "HOW",
	  "requests join at every step, or wait for a batch to end (to compare)",
	  .choices = schedulings },
	{ "no-prefix-cache", 0, CLI_FLAG(S, no_prefix_cache), NULL,
	  "do not keep computed prompts for requests that begin alike" },
	{ "prompt-cache", 0, CLI_FILE(S, prompt_cache), "DIR",
	  "keep computed prompts in this folder too, so that they survive a restart",
	  .default_text = "none" },
	{ "prompt-cache-size", 0, CLI_SIZE(S, prompt_cache_size), "SIZE",
	  "how much its files may take", .default_text = "4 GiB", .range = { 1, INT64_MAX } },
	{ "prompt-cache-daily-writes", 0, CLI_SIZE(S, prompt_cache_daily), "SIZE",
	  "how much may be written to it per day, because flash memory wears",
	  .default_text = "8 GiB", .range = { 1, INT64_MAX } },
	{ 0 },
};

static const cli_option access_options[] = {
	{ "api-key-file", 0, CLI_FILE(S, key_file), "FILE",
	  "only clients with a key from this file are served, see docs/SERVER.md" },
	{ "tls-certificate", 0, CLI_FILE(S, certificate), "FILE", "serve HTTPS with this (PEM)" },
	{ "tls-key", 0, CLI_FILE(S, certificate_key), "FILE", "its private key (PEM)" },
	{ "cors-origin", 0, CLI_TEXT(S, cors_origin), "ORIGIN",
	  "let web pages of this origin read answers; * is any", .default_text = "none" },
	{ "connections", 0, CLI_INT(S, connections), "N", "connections at once",
	  .range = { 1, 4096 } },
	{ "body-limit", 0, CLI_SIZE(S, body_limit), "SIZE", "size of a request",
	  .range = { 1024, 1 << 30 } },
	{ "idle-timeout", 0, CLI_INT(S, idle_timeout), "SECONDS",
	  "close a connection on which nothing moves for so long", .range = { 1, 86400 } },
	{ "request-timeout", 0, CLI_INT(S, request_timeout), "SECONDS",
	  "how long a client may take to send a request", .range = { 1, 86400 } },
	{ 0 },
};
#undef S

static const cli_group groups[] = {
	{ "Options", serve_options, 0 },
	{ "Several models", several_options, 0 },
	{ "Scheduling", scheduler_options, 0 },
	{ "Access", access_options, 0 },
	{ "Model", cli_model_options, offsetof(settings, engine) },
	{ 0 },
};
static const settings defaults = {
	.host = "127.0.0.1",
	.port = 8080,
	.connections = 256,
	.body_limit = 16 << 20,
	.idle_timeout = 30,
	.request_timeout = 60,
	.parallel = 8,
	.queue = 64,
	.drain = 30,
	.engine = CLI_MODEL_DEFAULTS,
};

#ifdef HAVE_SERVER

enum { MAX_PEM = 1 << 20, TICK_NS = 200000000 };

/* A server in progress. */
typedef struct service {
	cli_context *cli;
	const settings *s;
	elm__model_source *sources;
	size_t count;
	elm_sampler_options sampling;
	elm__http_keys keys;
	elm__buf certificate, certificate_key;
	FILE *log;
	char cache[4096]; /* folder of engine files, "" for none */
	elm__server *server;
} service;

static void write_log(void *user, const char *line)
{
	/* One call: lines do not mix. A log that cannot be written must not stop the service. */
	fprintf(user, "%s\n", line);
}

static elm_status open_log(service *v, elm_error *error)
{
	const char *path = v->s->access_log;

	if (!path) {
		v->log = v->cli->quiet ? NULL : stderr;
		return ELM_OK;
	}
	v->log = fopen(path, "ae");
	if (!v->log)
		return elm_error_set(error, ELM_ERR_IO, "%s: cannot write: %s", path,
				     strerror(errno));
	setvbuf(v->log, NULL, _IOLBF, 0);
	return ELM_OK;
}

static elm_status read_access(service *v, elm_error *error)
{
	const settings *s = v->s;
	elm_status status = ELM_OK;

	if (s->key_file)
		status = elm__http_keys_read(&v->keys, s->key_file, error);
	if (!status && s->certificate)
		status = elm__file_read(s->certificate, MAX_PEM, &v->certificate, error);
	if (!status && s->certificate_key)
		status = elm__file_read(s->certificate_key, MAX_PEM, &v->certificate_key, error);
	return status;
}

static bool wants_embeddings(const settings *s)
{
	return s->embeddings || s->pooling;
}

static elm_scheduler_options scheduler_settings(const settings *s)
{
	elm_scheduler_options options = elm_scheduler_defaults();

	options.session = cli_session_options(&s->engine);
	options.session.context = 0;
	options.session.max_sequences = (uint32_t)s->parallel;
	options.context = (uint32_t)s->engine.context;
	options.kv_memory = (uint64_t)s->kv_memory;
	options.kv_memory_fraction = s->kv_memory_fraction;
	options.scheduling = (elm_scheduling)s->scheduling;
	options.step_ms = s->step_ms;
	options.queue = (uint32_t)s->queue;
	options.tenant_queue = (uint32_t)s->tenant_queue;
	options.no_prefix_cache = s->no_prefix_cache;
	options.prompt_cache = s->prompt_cache;
	options.prompt_cache_size = (uint64_t)s->prompt_cache_size;
	options.prompt_cache_daily = (uint64_t)s->prompt_cache_daily;
	options.sysroot = s->sysroot;
	options.states = wants_embeddings(s);
	return options;
}

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The name becomes part of replies, log lines and metrics. */
static elm_status add_source(service *v, const char *name, size_t length, const char *path,
			     elm_error *error)
{
	char *copy = elm__strndup(name, length);
	size_t same = 0;

	if (!copy)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	v->sources[v->count++] = (elm__model_source){ copy, path };
	while (strcmp(v->sources[same].name, copy) != 0)
		same++;
	if (same < v->count - 1)
		return elm_error_set(error, ELM_ERR_ARGUMENT, "two models have the name \"%s\"",
				     copy);
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)copy[i] < 0x20 || copy[i] == 0x7f)
			length = 0;
	if (!length || !elm__utf8_valid(copy, length))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "the name of a model must be printable text");
	if (access(path, R_OK))
		return elm_error_set(error, ELM_ERR_IO, "%s: cannot read: %s", path,
				     strerror(errno));
	return ELM_OK;
}

/* MODEL first, then all of --model; a file without a name is called by that of the file. */
static elm_status list_sources(service *v, elm_error *error)
{
	const settings *s = v->s;
	elm_status status = ELM_OK;

	v->sources = elm__calloc(s->models.count + 1, sizeof(v->sources[0]));
	if (!v->sources)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	if (s->model) {
		const char *name = s->name ? s->name : file_name(s->model);

		status = add_source(v, name, strlen(name), s->model, error);
	}
	for (size_t i = 0; i < s->models.count && !status; i++) {
		const char *text = s->models.items[i], *equals = strchr(text, '=');
		const char *name = equals ? text : file_name(text);

		status = add_source(v, name, equals ? (size_t)(equals - text) : strlen(name),
				    equals ? equals + 1 : text, error);
	}
	return status;
}

static void release_sources(service *v)
{
	for (size_t i = 0; i < v->count; i++)
		elm__free((char *)v->sources[i].name);
	elm__free(v->sources);
}

static void say(void *user, const char *line)
{
	const service *v = user;

	if (!v->cli->quiet)
		fprintf(stderr, "%s\n", line);
}

static elm__load_options load_settings(service *v, const volatile int *interrupted)
{
	const settings *s = v->s;
	elm_error error = { 0 };
	elm__load_options options = {
		.opening = { .isa = s->engine.isa,
			     .engine_file = s->engine.engine_file,
			     .batch_invariant = s->engine.batch_invariant },
		.scheduling = scheduler_settings(s),
		.chat_template = s->chat_template,
		.cancel = interrupted,
		.say = say,
		.say_user = v,
	};

	if (s->engine.no_engine_cache)
		return options;
	if (!elm_engine_cache_default(v->cache, sizeof(v->cache), &error))
		options.opening.engine_cache = v->cache;
	else
		elm_log(ELM_LOG_INFO, "%s", error.text);
	return options;
}

static elm_status start(service *v, const volatile int *interrupted, elm_error *error)
{
	const settings *s = v->s;
	elm__server_options options = {
		.models = { .sources = v->sources,
			    .count = v->count,
			    .most = (size_t)s->max_models,
			    .idle_seconds = s->idle_unload,
			    .loading = load_settings(v, interrupted) },
		.preload = s->model != NULL,
		.sampling = &v->sampling,
		.embeddings = wants_embeddings(s),
		.pooling = (elm_pooling)s->pooling,
		.keep_thoughts = s->reasoning == REASONING_NONE,
		.metrics = s->metrics,
		.slots = s->slots,
		.no_page = s->no_page,
		.sysroot = s->sysroot,
		.timeout = s->timeout,
		.http = { .host = s->host,
			  .port = (uint16_t)s->port,
			  .connections = (uint32_t)s->connections,
			  .body_limit = (size_t)s->body_limit,
			  .idle_seconds = (uint32_t)s->idle_timeout,
			  .request_seconds = (uint32_t)s->request_timeout,
			  .certificate = v->certificate.data,
			  .certificate_key = v->certificate_key.data,
			  .cors_origin = s->cors_origin,
			  .keys = v->keys.count ? &v->keys : NULL },
		.log = v->log ? write_log : NULL,
		.log_user = v->log,
	};

	v->sampling = elm_sampler_defaults();
	return elm__server_start(&options, &v->server, error);
}

static void announce(const service *v)
{
	const elm__http_server *http = elm__server_http(v->server);
	bool v6 = strchr(v->s->host, ':') != NULL;

	if (!elm__http_server_is_local(http) && !v->keys.count)
		elm_log(ELM_LOG_WARN,
			"other machines can reach this server, and it asks for no key; give "
			"--api-key-file, or leave out --host");
	if (!v->cli->quiet)
		fprintf(stderr, "listening at http%s://%s%s%s:%u\n", v->s->certificate ? "s" : "",
			v6 ? "[" : "", v->s->host, v6 ? "]" : "", elm__http_server_port(http));
}

/* SIGHUP asks for a look at the files; from a terminal it means that the terminal is gone. */
static void take_hangups(sigset_t *hangup)
{
	sigemptyset(hangup);
	if (isatty(STDERR_FILENO))
		return;
	sigaddset(hangup, SIGHUP);
	pthread_sigmask(SIG_BLOCK, hangup, NULL);
}

static void serve_until_interrupted(const service *v, const volatile int *interrupted,
				    const sigset_t *hangup)
{
	const struct timespec tick = { .tv_nsec = TICK_NS };

	while (!*interrupted) {
		if (sigtimedwait(hangup, NULL, &tick) == SIGHUP)
			elm__server_reload(v->server);
		elm__http_server_sweep(elm__server_http(v->server));
	}
	if (!v->cli->quiet)
		fprintf(stderr, "stopping: new requests are refused\n");
	elm__server_drain(v->server, v->s->drain);
}

/*
 * Each connection has a thread, and the C library gives new threads heaps of their own, eight for
 * each core, which fill up slowly and stay. Two are as fast here: what threads allocate is small
 * beside what the engine computes for it.
 */
static void limit_heaps(void)
{
#ifdef __GLIBC__
	(void)mallopt(M_ARENA_MAX, 2);
#endif
}

static const char *check(const cli_context *cli)
{
	const settings *s = cli->settings;

	if (!s->certificate != !s->certificate_key)
		return "--tls-certificate and --tls-key need each other";
	if (!s->prompt_cache && (s->prompt_cache_size || s->prompt_cache_daily))
		return "a limit for the prompt cache needs --prompt-cache DIR";
	if (s->prompt_cache && s->no_prefix_cache)
		return "--prompt-cache needs what --no-prefix-cache turns off";
	if (s->kv_memory && cli_given(cli, "kv-memory-fraction"))
		return "give --kv-memory or --kv-memory-fraction, not both";
	if (!s->model && !s->models.count)
		return "which model? Give a file, or --model NAME=FILE";
	if (!s->model && s->name)
		return "--alias names MODEL, which is missing";
	if (s->engine.engine_file && s->models.count + (s->model != NULL) > 1)
		return "--engine is for a single model";
	return NULL;
}

static int run(cli_context *cli)
{
	const volatile int *interrupted = cli_interrupt_watch();
	service v = { .cli = cli, .s = cli->settings };
	const char *wrong = check(cli);
	elm_error error = { 0 };
	int code = CLI_DONE;
	sigset_t hangup;

	if (wrong)
		return cli_usage(cli, "%s", wrong);
	/* A client that goes while it is being written to is no reason to end. */
	signal(SIGPIPE, SIG_IGN);
	limit_heaps();
	take_hangups(&hangup); /* before there is any other thread */
	if (list_sources(&v, &error) || read_access(&v, &error) || open_log(&v, &error) ||
	    start(&v, interrupted, &error)) {
		code = cli_fail_error(cli, &error);
	} else {
		announce(&v);
		serve_until_interrupted(&v, interrupted, &hangup);
	}
	elm__server_stop(v.server);
	elm__http_keys_release(&v.keys);
	elm__buf_release(&v.certificate);
	elm__buf_release(&v.certificate_key);
	if (v.log && v.log != stderr)
		fclose(v.log);
	release_sources(&v);
	return code;
}

#else

static int run(cli_context *cli)
{
	return cli_fail(cli, "this program was built without libmicrohttpd, which the server "
			     "needs; install its development package and build again");
}

#endif

const cli_command cli_cmd_serve = {
	.name = "serve",
	.summary = "answer requests over HTTP, as OpenAI's API does",
	.description =
		"Serves models to many clients at once, with the endpoints of OpenAI's API and of "
		"llama-server: /v1/chat/completions, /v1/completions, /v1/responses, "
		"/v1/embeddings, /completion, /embedding, /v1/models, "
		"/tokenize, /detokenize, /apply-template, /props, /slots, /metrics, /health. "
		"docs/SERVER.md has them all. At its "
		"address it shows a web page with chat and a dashboard.\n\n"
		"With several models, a request chooses by its field \"model\", and gets the first "
		"one without it. A model is loaded by the first request for it, and again when its "
		"file has changed (put a new file in its place with mv, do not write into it); "
		"SIGHUP looks for that at once, unless the server was started from a terminal.\n\n"
		"Only this machine can reach it unless --host says otherwise. SIGTERM or Ctrl-C "
		"lets running requests end, and a second one ends the program at once.",
	.examples = "edgelm serve model.gguf\n"
		    "edgelm serve model.gguf --host 0.0.0.0 --api-key-file keys.txt --parallel 16\n"
		    "edgelm serve --model small=a.gguf --model large=b.gguf --idle-unload 600",
	.arguments = arguments,
	.groups = groups,
	.settings_size = sizeof(settings),
	.defaults = &defaults,
	.run = run,
};

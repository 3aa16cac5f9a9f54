/* serve.c: a model for many clients, over HTTP. */
#include "cli/commands.h"

#include <edgelm/log.h>
#include <edgelm/scheduler.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "cli/chat_format.h"
#include "cli/model_options.h"
#include "server/server.h"

typedef struct settings {
	const char *model, *host, *name, *chat_template;
	int64_t port;
	const char *key_file, *certificate, *certificate_key, *cors_origin, *access_log;
	int64_t connections, body_limit, idle_timeout, request_timeout;
	int64_t parallel, queue, tenant_queue, kv_memory;
	double kv_memory_fraction, step_ms, timeout, drain;
	int scheduling;
	bool metrics, slots, no_prefix_cache;
	cli_model_settings engine;
} settings;

static const char *const schedulings[] = { "continuous", "static", NULL };

#define S settings
static const cli_option arguments[] = {
	{ "MODEL", 0, CLI_FILE(S, model), NULL, "the GGUF file", .required = true },
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
	{ "metrics", 0, CLI_FLAG(S, metrics), NULL, "answer /metrics, for Prometheus" },
	{ "slots", 0, CLI_FLAG(S, slots), NULL, "answer /slots: what is running" },
	{ "access-log", 0, CLI_FILE(S, access_log), "FILE",
	  "append a line of JSON for each request, without its text",
	  .default_text = "standard error, or nowhere with --quiet" },
	{ "drain", 0, CLI_REAL(S, drain), "SECONDS",
	  "how long requests may go on after SIGTERM or Ctrl-C", .real_range = { 0, 86400 } },
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
	elm_model *model;
	elm__chat_format format;
	elm_sampler_options sampling;
	elm__http_keys keys;
	elm__buf certificate, certificate_key;
	FILE *log;
	elm_scheduler *scheduler;
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
	return options;
}

/* Says what will be taken, and refuses what is not there. */
static elm_status check_memory(const service *v, elm_scheduler_options *options, elm_error *error)
{
	elm_memory_estimate need;
	uint64_t available, own;
	char weights[32], kv[32], rest[32], text[32], there[32];
	elm_status status = elm_scheduler_estimate(v->model, options, &need, error);

	if (status)
		return status;
	own = need.packed + need.kv + need.scratch;
	if (!v->cli->quiet)
		fprintf(stderr,
			"memory: weights %s (mapped), KV cache %s (%u requests, %u tokens each at "
			"most), the rest %s\n",
			elm__format_bytes(need.weights, weights, sizeof(weights)),
			elm__format_bytes(need.kv, kv, sizeof(kv)), options->session.max_sequences,
			options->context,
			elm__format_bytes(need.packed + need.scratch, rest, sizeof(rest)));
	if (!elm__memory_available("", &available))
		return ELM_OK;
	elm__format_bytes(available, there, sizeof(there));
	if (own > available)
		return elm_error_set(error, ELM_ERR_NO_MEMORY,
				     "this needs %s beside the weights, and %s are available; make "
				     "--parallel, --ctx or --kv-memory smaller, or use --kv-type "
				     "q8_0",
				     elm__format_bytes(own, text, sizeof(text)), there);
	if (own + need.weights > available)
		elm_log(ELM_LOG_WARN,
			"weights and cache together need %s, and %s are available: parts of the "
			"model will be read from disk again and again",
			elm__format_bytes(own + need.weights, text, sizeof(text)), there);
	return ELM_OK;
}

static elm_status open_engine(service *v, elm_error *error)
{
	elm_scheduler_options options = scheduler_settings(v->s);
	elm_status status = cli_open_chat_format(elm_model_tokenizer(v->model), v->s->chat_template,
						 &v->format, error);

	if (!status)
		status = check_memory(v, &options, error);
	if (!status)
		status = elm_scheduler_create(v->model, &options, &v->scheduler, error);
	return status;
}

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static elm_status start(service *v, elm_error *error)
{
	const settings *s = v->s;
	const char *own = elm_tokenizer_chat_template(elm_model_tokenizer(v->model));
	elm__server_options options = {
		.scheduler = v->scheduler,
		.format = &v->format,
		.chat_template = !s->chat_template && own ? own : "",
		.name = s->name ? s->name : file_name(s->model),
		.path = s->model,
		.sampling = &v->sampling,
		.metrics = s->metrics,
		.slots = s->slots,
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

static void serve_until_interrupted(const service *v, const volatile int *interrupted)
{
	struct timespec tick = { .tv_nsec = TICK_NS };

	while (!*interrupted) {
		nanosleep(&tick, NULL);
		elm__http_server_sweep(elm__server_http(v->server));
	}
	if (!v->cli->quiet)
		fprintf(stderr, "stopping: new requests are refused\n");
	elm__server_drain(v->server, v->s->drain);
}

static int run(cli_context *cli)
{
	const volatile int *interrupted = cli_interrupt_watch();
	const settings *s = cli->settings;
	service v = { .cli = cli, .s = s };
	elm_error error = { 0 };
	int code = CLI_DONE;

	if (!s->certificate != !s->certificate_key)
		return cli_usage(cli, "--tls-certificate and --tls-key need each other");
	if (s->kv_memory && cli_given(cli, "kv-memory-fraction"))
		return cli_usage(cli, "give --kv-memory or --kv-memory-fraction, not both");
	/* A client that goes while it is being written to is no reason to end. */
	signal(SIGPIPE, SIG_IGN);
	if (read_access(&v, &error) || open_log(&v, &error))
		code = cli_fail_error(cli, &error);
	if (code == CLI_DONE) {
		v.model = cli_open_model(cli, s->model, &s->engine);
		code = v.model ? CLI_DONE : CLI_FAILED;
	}
	if (code == CLI_DONE && (open_engine(&v, &error) || start(&v, &error)))
		code = cli_fail_error(cli, &error);
	if (code == CLI_DONE) {
		announce(&v);
		serve_until_interrupted(&v, interrupted);
	}
	elm__server_stop(v.server);
	elm_scheduler_free(v.scheduler);
	elm__chat_format_release(&v.format);
	elm_model_close(v.model);
	elm__http_keys_release(&v.keys);
	elm__buf_release(&v.certificate);
	elm__buf_release(&v.certificate_key);
	if (v.log && v.log != stderr)
		fclose(v.log);
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
		"Serves a model to many clients at once, with the endpoints of OpenAI's API and of "
		"llama-server: /v1/chat/completions, /v1/completions, /completion, /v1/models, "
		"/tokenize, /detokenize, /apply-template, /props, /slots, /metrics, /health. "
		"docs/SERVER.md has them all.\n\n"
		"Only this machine can reach it unless --host says otherwise. SIGTERM or Ctrl-C "
		"lets running requests end, and a second one ends the program at once.",
	.examples = "edgelm serve model.gguf\n"
		    "edgelm serve model.gguf --host 0.0.0.0 --api-key-file keys.txt --parallel 16",
	.arguments = arguments,
	.groups = groups,
	.settings_size = sizeof(settings),
	.defaults = &defaults,
	.run = run,
};

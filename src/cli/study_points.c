#include "cli/study_points.h"

#include <edgelm/gguf.h>

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/hash.h"
#include "cpu/cpu.h"

enum { MAX_POINTS = 256, MAX_SWEEPS = 8, MAX_WORDS = 48, MAX_KEY_FILE = 4096 };

/* What can be swept, in the order of sweep_names. */
enum { SWEEP_THREADS, SWEEP_CTX, SWEEP_KV, SWEEP_ISA, SWEEP_BATCH, SWEEP_TYPE, SWEEP_COUNT };

static const char *const sweep_names[SWEEP_COUNT + 1] = { "threads", "ctx",  "kv", "isa",
							  "batch",   "type", NULL };
/* The options of the worker that they set; type is the model's file. */
static const char *const sweep_options[SWEEP_COUNT] = { "--threads", "--ctx",	  "--kv-type",
							"--isa",     "--streams", NULL };

typedef struct sweep {
	int kind;
	char **values;
	size_t count;
} sweep;

typedef struct maker {
	const cli_context *cli;
	const cli_study_settings *s;
	cli_study_points *points;
	sweep sweeps[MAX_SWEEPS];
	size_t sweep_count;
	const char *hashed; /* the last file, whose hash is in sha256 */
	const char *sha256;
	bool failed; /* out of memory */
} maker;

static char *keep(maker *m, const char *text)
{
	char *copy = elm__arena_strndup(&m->points->arena, text, strlen(text));

	m->failed |= !copy;
	return copy;
}

/* --- sweeps --- */

static int sweep_kind(const char *name, size_t length)
{
	for (int i = 0; i < SWEEP_COUNT; i++)
		if (strlen(sweep_names[i]) == length && !memcmp(sweep_names[i], name, length))
			return i;
	return -1;
}

/* Numbers are checked here, so that a mistake is found before hours of measuring. */
static bool is_value(int kind, const char *text)
{
	uint32_t mask;
	int64_t number;

	switch (kind) {
	case SWEEP_THREADS:
	case SWEEP_BATCH:
		return elm__parse_i64(text, 1, 256, &number);
	case SWEEP_CTX:
		return elm__parse_i64(text, 1, 1 << 28, &number);
	case SWEEP_KV:
		for (size_t i = 0; cli_kv_type_names[i]; i++)
			if (!strcmp(cli_kv_type_names[i], text))
				return true;
		return false;
	case SWEEP_ISA:
		return !elm__cpu_parse_tier(text, &mask, NULL);
	default:
		return *text != '\0';
	}
}

static int parse_values(maker *m, sweep *out, const char *given, const char *list)
{
	size_t room = 1;
	char *word, *rest, *copy = keep(m, list);

	for (const char *c = list; *c; c++)
		room += *c == ',';
	out->values = elm__arena_calloc(&m->points->arena, room, sizeof(*out->values));
	if (!copy || !out->values)
		return cli_fail(m->cli, "out of memory");
	for (word = strtok_r(copy, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		if (!is_value(out->kind, word))
			return cli_usage(m->cli, "--sweep %s: \"%s\" is not a value of %s", given,
					 word, sweep_names[out->kind]);
		out->values[out->count++] = word;
	}
	if (!out->count)
		return cli_usage(m->cli, "--sweep %s has no values", given);
	return CLI_DONE;
}

static int parse_sweep(maker *m, const char *given)
{
	const char *equals = strchr(given, '=');
	sweep *out = &m->sweeps[m->sweep_count];
	int kind = equals ? sweep_kind(given, (size_t)(equals - given)) : -1;

	if (equals && !strncmp(given, "power=", 6))
		return cli_fail(m->cli, "--sweep power is not supported: this program does not "
					"change the mode of the device; set it with nvpmodel and "
					"make a study for each mode");
	if (kind < 0)
		return cli_usage(m->cli,
				 "--sweep \"%s\": give threads, ctx, kv, isa, batch or type, an "
				 "equals sign and values with commas between them",
				 given);
	for (size_t i = 0; i < m->sweep_count; i++)
		if (m->sweeps[i].kind == kind)
			return cli_usage(m->cli, "--sweep %s was given twice", sweep_names[kind]);
	if (m->sweep_count == MAX_SWEEPS)
		return cli_usage(m->cli, "at most %d sweeps", MAX_SWEEPS);
	*out = (sweep){ .kind = kind };
	m->sweep_count++;
	return parse_values(m, out, given, equals + 1);
}

/* --- commands --- */

/* A command while it is put together. */
typedef struct words {
	const char *items[MAX_WORDS + 1];
	size_t count;
} words;

static void add_word(words *w, const char *word)
{
	if (w->count < MAX_WORDS)
		w->items[w->count++] = word;
}

static void add_integer(maker *m, words *w, const char *option, int64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	add_word(w, option);
	add_word(w, keep(m, text));
}

static void add_real(maker *m, words *w, const char *option, double value)
{
	char text[32];

	snprintf(text, sizeof(text), "%.9g", value);
	add_word(w, option);
	add_word(w, keep(m, text));
}

static bool is_swept(const maker *m, int kind)
{
	for (size_t i = 0; i < m->sweep_count; i++)
		if (m->sweeps[i].kind == kind)
			return true;
	return false;
}

static void add_engine(maker *m, words *w)
{
	const cli_model_settings *e = &m->s->engine;

	if (e->threads && !is_swept(m, SWEEP_THREADS))
		add_integer(m, w, "--threads", e->threads);
	if (e->context && !is_swept(m, SWEEP_CTX))
		add_integer(m, w, "--ctx", e->context);
	if (e->batch)
		add_integer(m, w, "--batch", e->batch);
	if (!is_swept(m, SWEEP_KV)) {
		add_word(w, "--kv-type");
		add_word(w, cli_kv_type_names[e->kv_type]);
	}
	if (e->isa && !is_swept(m, SWEEP_ISA)) {
		add_word(w, "--isa");
		add_word(w, e->isa);
	}
	if (!is_swept(m, SWEEP_BATCH))
		add_integer(m, w, "--streams", m->s->streams);
	if (e->engine_file) {
		add_word(w, "--engine");
		add_word(w, e->engine_file);
	}
	if (e->no_engine_cache)
		add_word(w, "--no-engine-cache");
	if (e->batch_invariant)
		add_word(w, "--batch-invariant");
	if (m->s->chat_template) {
		add_word(w, "--template");
		add_word(w, m->s->chat_template);
	}
}

static void add_sampling(maker *m, words *w)
{
	const cli_sampling_settings *s = &m->s->sampling;

	add_real(m, w, "--temp", s->temperature);
	add_integer(m, w, "--top-k", s->top_k);
	add_real(m, w, "--top-p", s->top_p);
	add_real(m, w, "--min-p", s->min_p);
	add_real(m, w, "--repeat-penalty", s->repeat_penalty);
	add_integer(m, w, "--penalty-window", s->penalty_window);
	add_integer(m, w, "--seed", s->seed);
}

static const char *const *worker_command(maker *m, const char *model, const size_t *at)
{
	words w = { .count = 0 };
	const char **out;

	add_word(&w, "/proc/self/exe");
	add_word(&w, "study");
	add_word(&w, "worker");
	add_word(&w, model);
	if (m->cli->quiet)
		add_word(&w, "--quiet");
	add_engine(m, &w);
	add_sampling(m, &w);
	for (size_t i = 0; i < m->sweep_count; i++)
		if (sweep_options[m->sweeps[i].kind]) {
			add_word(&w, sweep_options[m->sweeps[i].kind]);
			add_word(&w, m->sweeps[i].values[at[i]]);
		}
	out = elm__arena_calloc(&m->points->arena, w.count + 1, sizeof(*out));
	m->failed |= !out;
	if (out)
		memcpy(out, w.items, w.count * sizeof(*out));
	return out;
}

/* --- points --- */

/* What cannot be opened is found out before there is a folder with a study of it. */
static int hash_model(maker *m, const char *path)
{
	char sha256[CLI_SHA256_TEXT];
	elm_error error = { 0 };
	elm_status status;
	elm_gguf *gguf;

	if (m->hashed && !strcmp(m->hashed, path))
		return CLI_DONE;
	if (elm_gguf_open(path, &gguf, &error))
		return cli_fail_error(m->cli, &error);
	elm_gguf_close(gguf);
	status = cli_sha256_file(m->cli, path, sha256, &error);
	if (status && status != ELM_ERR_UNSUPPORTED)
		return cli_fail_error(m->cli, &error);
	m->hashed = path;
	m->sha256 = status ? NULL : keep(m, sha256);
	return CLI_DONE;
}

/* The point at these values of the sweeps. */
static int make_point(maker *m, const size_t *at)
{
	elm__study_point *point = &m->points->items[m->points->count];
	const char *model = m->s->model;
	elm__buf label = ELM__BUF_INIT;
	int64_t streams = m->s->streams;
	int code = CLI_DONE;

	for (size_t i = 0; i < m->sweep_count; i++) {
		const char *value = m->sweeps[i].values[at[i]];
		const char *name = strrchr(value, '/');

		if (m->sweeps[i].kind == SWEEP_TYPE)
			model = value;
		if (m->sweeps[i].kind == SWEEP_BATCH)
			(void)elm__parse_i64(value, 1, 256, &streams);
		elm__buf_printf(&label, "%s%s=%s", i ? " " : "", sweep_names[m->sweeps[i].kind],
				name ? name + 1 : value);
	}
	*point = (elm__study_point){ .sweep = keep(m, elm__buf_text(&label)),
				     .streams = (uint32_t)streams,
				     .ignore_eos = m->s->ignore_eos };
	elm__buf_release(&label);
	if (m->s->url) {
		point->server = &m->points->server;
		point->remote = !m->s->pid && !strstr(m->s->url, "//127.") &&
				!strstr(m->s->url, "//localhost") && !strstr(m->s->url, "//[::1]");
	} else {
		code = hash_model(m, model);
		point->worker = worker_command(m, model, at);
		point->sha256 = m->sha256;
	}
	m->points->count++;
	return code;
}

/* Counts through all combinations, the last sweep fastest. */
static bool next_combination(const maker *m, size_t *at)
{
	for (size_t i = m->sweep_count; i-- > 0;) {
		if (++at[i] < m->sweeps[i].count)
			return true;
		at[i] = 0;
	}
	return false;
}

static int read_key(maker *m, char **key)
{
	elm__buf text = ELM__BUF_INIT;
	elm_error error = { 0 };
	elm_status status = elm__file_read(m->s->key_file, MAX_KEY_FILE, &text, &error);

	if (status == ELM_OK)
		*key = elm__arena_strndup(&m->points->arena, elm__buf_text(&text),
					  strcspn(elm__buf_text(&text), "\r\n"));
	elm__buf_release(&text);
	return status ? cli_fail_error(m->cli, &error) : CLI_DONE;
}

static int fill_server(maker *m)
{
	const cli_sampling_settings *sampling = &m->s->sampling;
	char *key = NULL;
	int code = m->s->key_file ? read_key(m, &key) : CLI_DONE;

	m->points->server = (elm__server_options){ .url = m->s->url,
						   .model = m->s->served,
						   .key = key,
						   .pid = m->s->pid,
						   .temperature = sampling->temperature,
						   .top_p = sampling->top_p,
						   .min_p = sampling->min_p,
						   .repeat_penalty = sampling->repeat_penalty,
						   .top_k = sampling->top_k,
						   .penalty_window = sampling->penalty_window,
						   .timeout = m->s->timeout };
	return code;
}

int cli_study_points_make(const cli_context *cli, const cli_study_settings *s,
			  cli_study_points *points)
{
	maker m = { .cli = cli, .s = s, .points = points };
	size_t at[MAX_SWEEPS] = { 0 }, total = 1;
	int code = CLI_DONE;

	memset(points, 0, sizeof(*points));
	elm__arena_init(&points->arena, 0);
	for (size_t i = 0; i < s->sweeps.count && code == CLI_DONE; i++) {
		code = parse_sweep(&m, s->sweeps.items[i]);
		if (code == CLI_DONE && s->url && m.sweeps[i].kind != SWEEP_BATCH)
			code = cli_usage(cli,
					 "--sweep %s is for our engine; of a server only "
					 "batch can be swept",
					 sweep_names[m.sweeps[i].kind]);
		if (code == CLI_DONE)
			total *= m.sweeps[i].count;
		if (total > MAX_POINTS)
			code = cli_usage(cli, "the sweeps have more than %d points", MAX_POINTS);
	}
	if (code == CLI_DONE && s->url)
		code = fill_server(&m);
	if (code != CLI_DONE)
		return code;
	points->items = elm__arena_calloc(&points->arena, total, sizeof(*points->items));
	if (!points->items)
		return cli_fail(cli, "out of memory");
	do {
		code = make_point(&m, at);
	} while (code == CLI_DONE && next_combination(&m, at));
	return code == CLI_DONE && m.failed ? cli_fail(cli, "out of memory") : code;
}

void cli_study_points_release(cli_study_points *points)
{
	elm__arena_release(&points->arena);
	memset(points, 0, sizeof(*points));
}

/* --- settings --- */

/* Rows while they are collected. */
typedef struct collector {
	elm__arena *arena;
	elm__study_setting *rows;
	size_t count, room;
	bool failed;
} collector;

static void put(collector *c, const char *key, const char *format, ...) ELM_PRINTF(3, 4);

static void put(collector *c, const char *key, const char *format, ...)
{
	char value[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(value, sizeof(value), format, args);
	va_end(args);
	if (c->count == c->room) {
		c->failed = true;
		return;
	}
	c->rows[c->count].key = elm__arena_strndup(c->arena, key, strlen(key));
	c->rows[c->count].value = elm__arena_strndup(c->arena, value, strlen(value));
	c->failed |= !c->rows[c->count].key || !c->rows[c->count].value;
	c->count++;
}

static void put_points(collector *c, const cli_study_settings *s, const cli_study_points *points)
{
	for (size_t i = 0; i < points->count; i++) {
		const elm__study_point *p = &points->items[i];
		elm__buf line = ELM__BUF_INIT;
		char key[32];

		/* Behind the program and its sub-command: what decides. */
		for (size_t w = 4; p->worker && p->worker[w]; w++)
			if (strcmp(p->worker[w], "--quiet"))
				elm__buf_printf(&line, "%s%s", line.length ? " " : "",
						p->worker[w]);
		snprintf(key, sizeof(key), "point %zu", i + 1);
		put(c, key, "%s", p->worker ? elm__buf_text(&line) : p->sweep);
		snprintf(key, sizeof(key), "model %zu", i + 1);
		put(c, key, "%s",
		    p->sha256 ? p->sha256 :
		    p->worker ? p->worker[3] :
		    s->served ? s->served :
				"the first of the server");
		elm__buf_release(&line);
	}
}

elm_status cli_study_settings_rows(const cli_study_settings *s, const cli_study_points *points,
				   uint64_t workload, elm__arena *arena, elm__study_setting **rows,
				   size_t *count, elm_error *error)
{
	static const char *const orders[] = { "random", "category" };
	collector c = { .arena = arena, .room = 2 * points->count + 20 };

	c.rows = elm__arena_calloc(arena, c.room, sizeof(*c.rows));
	if (!c.rows)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	put(&c, "queries", "%016llx", (unsigned long long)workload);
	put(&c, "limit", "%lld", (long long)s->limit);
	put(&c, "experiments", "%s", s->experiments ? s->experiments : "all");
	put(&c, "repeats", "%lld", (long long)s->repeats);
	put(&c, "passes", "%lld", (long long)s->passes);
	put(&c, "order", "%s", orders[s->order]);
	put(&c, "form", "%s", elm__prompt_form_names[s->form]);
	put(&c, "faithful", "%s", s->faithful ? "yes" : "no");
	put(&c, "ignore-eos", "%s", s->ignore_eos ? "yes" : "no");
	put(&c, "seed", "%lld", (long long)s->sampling.seed);
	put(&c, "temperature", "%.9g", s->sampling.temperature);
	put(&c, "top-p", "%.9g", s->sampling.top_p);
	put(&c, "idle", "%.9g", s->idle);
	if (s->url)
		put(&c, "url", "%s", s->url);
	put_points(&c, s, points);
	*rows = c.rows;
	*count = c.count;
	return c.failed ? elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory") : ELM_OK;
}

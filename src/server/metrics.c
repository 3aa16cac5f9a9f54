/* metrics.c: figures for Prometheus, in its text format 0.0.4. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "server/internal.h"

static void head(elm__buf *out, const char *name, const char *type, const char *help)
{
	elm__buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* The figures of one model. */
typedef struct series {
	char *label; /* model="..."; NULL where there is only one model */
	elm__model_figures figures;
	bool loaded;
} series;

typedef struct report {
	elm__buf *out;
	series *all;
	size_t count;
} report;

/* NAME{LABEL,MORE}; either may be missing. */
static void put_name(elm__buf *out, const char *name, const char *suffix, const char *label,
		     const char *more)
{
	bool both = label && more;

	elm__buf_printf(out, "%s%s", name, suffix);
	if (label || more)
		elm__buf_printf(out, "{%s%s%s}", label ? label : "", both ? "," : "",
				more ? more : "");
	elm__buf_putc(out, ' ');
}

/* A metric with one value for each model; `value` is an expression of `s`, its statistics, and `m`,
 * all that is known of it. */
#define PUT(report, name, type, value, help)                                        \
	do {                                                                        \
		head((report)->out, name, type, help);                              \
		for (size_t i_ = 0; i_ < (report)->count; i_++) {                   \
			const series *m = &(report)->all[i_];                       \
			const elm_scheduler_stats *s = &m->figures.stats;           \
                                                                                    \
			(void)s;                                                    \
			put_name((report)->out, name, "", m->label, NULL);          \
			elm__buf_printf((report)->out, "%.17g\n", (double)(value)); \
		}                                                                   \
	} while (0)

static void put_buckets(elm__buf *out, const char *name, const char *label, const elm_histogram *h)
{
	uint64_t below = 0;
	char bound[40];

	for (int i = 0; i < ELM_HISTOGRAM_BOUNDS; i++) {
		below += h->buckets[i];
		snprintf(bound, sizeof(bound), "le=\"%g\"", h->bounds[i]);
		put_name(out, name, "_bucket", label, bound);
		elm__buf_printf(out, "%" PRIu64 "\n", below);
	}
	put_name(out, name, "_bucket", label, "le=\"+Inf\"");
	elm__buf_printf(out, "%" PRIu64 "\n", h->count);
	put_name(out, name, "_sum", label, NULL);
	elm__buf_printf(out, "%.17g\n", h->sum);
	put_name(out, name, "_count", label, NULL);
	elm__buf_printf(out, "%" PRIu64 "\n", h->count);
}

/* `offset` of an elm_histogram in elm_scheduler_stats. */
static void put_histogram(const report *r, const char *name, size_t offset, const char *help)
{
	head(r->out, name, "histogram", help);
	for (size_t i = 0; i < r->count; i++) {
		const char *stats = (const char *)&r->all[i].figures.stats;

		put_buckets(r->out, name, r->all[i].label, (const void *)(stats + offset));
	}
}

static double rate(double count, double seconds)
{
	return seconds > 0 ? count / seconds : 0;
}

static double computed(const elm_scheduler_stats *s)
{
	return (double)(s->prompt_tokens - s->reused_tokens);
}

static double prompt_time(const elm_scheduler_stats *s)
{
	return s->prompt_seconds + s->mixed_seconds;
}

static double decode_time(const elm_scheduler_stats *s)
{
	return s->decode_seconds + s->mixed_seconds;
}

/* The names of llama-server, for dashboards that know them. A step that computes both prompts and
 * answers counts for both times. There is no speculation among many requests, so its counters are
 * truly 0. */
static void put_llamacpp(const report *r)
{
	PUT(r, "llamacpp:prompt_tokens_total", "counter", computed(s),
	    "Prompt tokens that were computed");
	PUT(r, "llamacpp:prompt_tokens_cached_total", "counter", s->reused_tokens,
	    "Prompt tokens taken from the cache");
	PUT(r, "llamacpp:prompt_seconds_total", "counter", prompt_time(s),
	    "Time of steps that computed prompts");
	PUT(r, "llamacpp:tokens_predicted_total", "counter", s->generated_tokens,
	    "Tokens that were generated");
	PUT(r, "llamacpp:tokens_predicted_seconds_total", "counter", decode_time(s),
	    "Time of steps that generated tokens");
	PUT(r, "llamacpp:n_decode_total", "counter", s->steps, "Steps of the engine");
	PUT(r, "llamacpp:n_tokens_max", "counter", m->figures.longest,
	    "Tokens of the longest prompt with its answer");
	PUT(r, "llamacpp:spec_decode_num_draft_tokens_total", "counter", 0,
	    "Tokens that were guessed ahead");
	PUT(r, "llamacpp:spec_decode_num_accepted_tokens_total", "counter", 0,
	    "Guessed tokens that were right");
	PUT(r, "llamacpp:spec_decode_num_drafts_total", "counter", 0, "Guesses");
	PUT(r, "llamacpp:prompt_tokens_seconds", "gauge", rate(computed(s), prompt_time(s)),
	    "Prompt tokens computed per second, on average");
	PUT(r, "llamacpp:predicted_tokens_seconds", "gauge",
	    rate((double)s->generated_tokens, decode_time(s)),
	    "Tokens generated per second, on average");
	PUT(r, "llamacpp:requests_processing", "gauge", s->running, "Requests that run");
	PUT(r, "llamacpp:requests_deferred", "gauge", s->waiting, "Requests that wait");
	PUT(r, "llamacpp:n_busy_slots_per_decode", "gauge",
	    s->steps ? s->batch_size.sum / (double)s->steps : 0,
	    "Requests that got a token in a step, on average");
}

static void put_ends(elm__buf *out, const series *one)
{
	static const char name[] = "edgelm_requests_finished_total";
	const elm_scheduler_stats *s = &one->figures.stats;
	char reason[60];

	for (int i = ELM_FINISH_EOS; i < ELM_FINISH_COUNT; i++) {
		snprintf(reason, sizeof(reason), "reason=\"%s\"", elm_finish_name((elm_finish)i));
		put_name(out, name, "", one->label, reason);
		elm__buf_printf(out, "%" PRIu64 "\n", s->finished[i]);
	}
	put_name(out, name, "", one->label, "reason=\"error\"");
	elm__buf_printf(out, "%" PRIu64 "\n", s->failed);
}

static void put_requests(const report *r)
{
	PUT(r, "edgelm_requests_accepted_total", "counter", s->submitted,
	    "Requests that were accepted");
	PUT(r, "edgelm_requests_refused_total", "counter", s->refused,
	    "Requests refused because too many waited or memory was short");
	head(r->out, "edgelm_requests_finished_total", "counter", "Requests that ended, by reason");
	for (size_t i = 0; i < r->count; i++)
		put_ends(r->out, &r->all[i]);
	put_histogram(r, "edgelm_time_to_first_token_seconds", offsetof(elm_scheduler_stats, ttft),
		      "From the arrival of a request to its first text");
	put_histogram(r, "edgelm_time_between_tokens_seconds", offsetof(elm_scheduler_stats, tbt),
		      "From a token of a request to its next one");
	put_histogram(r, "edgelm_queue_seconds", offsetof(elm_scheduler_stats, queue_time),
		      "Time that requests waited");
	put_histogram(r, "edgelm_prompt_tokens", offsetof(elm_scheduler_stats, prompt_sizes),
		      "Tokens of prompts");
	put_histogram(r, "edgelm_answer_tokens", offsetof(elm_scheduler_stats, answer_sizes),
		      "Tokens of answers");
	put_histogram(r, "edgelm_step_seconds", offsetof(elm_scheduler_stats, step_time),
		      "Time of a step of the engine");
	put_histogram(r, "edgelm_batch_size", offsetof(elm_scheduler_stats, batch_size),
		      "Requests that got a token in a step");
}

static void put_prompt_cache(const report *r)
{
	PUT(r, "edgelm_prompt_cache_blocks_read_total", "counter", s->prompt_cache.blocks_read,
	    "Blocks of 32 tokens read from the prompt cache on disk");
	PUT(r, "edgelm_prompt_cache_blocks_written_total", "counter",
	    s->prompt_cache.blocks_written, "Blocks written to it");
	PUT(r, "edgelm_prompt_cache_read_bytes_total", "counter", s->prompt_cache.bytes_read,
	    "Bytes read from it");
	PUT(r, "edgelm_prompt_cache_written_bytes_total", "counter", s->prompt_cache.bytes_written,
	    "Bytes written to it");
	PUT(r, "edgelm_prompt_cache_damaged_total", "counter", s->prompt_cache.damaged,
	    "Files of it that were damaged or foreign, and were deleted");
	PUT(r, "edgelm_prompt_cache_deleted_total", "counter", s->prompt_cache.deleted,
	    "Files of it that made room for others");
	PUT(r, "edgelm_prompt_cache_skipped_total", "counter", s->prompt_cache.skipped,
	    "Blocks not written because of the day's limit or after a failure");
	PUT(r, "edgelm_prompt_cache_write_failures_total", "counter", s->prompt_cache.failed,
	    "Blocks that could not be written");
	PUT(r, "edgelm_prompt_cache_bytes", "gauge", s->prompt_cache.bytes,
	    "Size of its files, when last counted");
}

static void put_memory(const report *r)
{
	PUT(r, "edgelm_kv_bytes", "gauge", s->kv_bytes, "Size of the KV cache");
	PUT(r, "edgelm_kv_blocks", "gauge", s->kv_blocks, "Blocks of the KV cache");
	PUT(r, "edgelm_kv_blocks_used", "gauge", s->kv_blocks_used,
	    "Blocks that running requests use");
	PUT(r, "edgelm_kv_blocks_kept", "gauge", s->kv_blocks_kept,
	    "Blocks with computed prompts that nobody uses now");
	PUT(r, "edgelm_kv_evictions_total", "counter", s->evictions, "Kept blocks that made room");
	PUT(r, "edgelm_preemptions_total", "counter", s->preemptions,
	    "Requests that made room for others and were computed again");
	PUT(r, "edgelm_recomputed_tokens_total", "counter", s->recomputed_tokens,
	    "Tokens that were computed again");
	PUT(r, "edgelm_memory_pressure", "gauge", s->pressure,
	    "0 none, 1 prompts are not kept, 2 fewer requests run, 3 new ones are refused");
	PUT(r, "edgelm_model_loaded", "gauge", m->loaded, "Whether the model is loaded");
	PUT(r, "edgelm_model_loads_total", "counter", m->figures.loads,
	    "Times that the model was loaded");
	PUT(r, "edgelm_model_load_failures_total", "counter", m->figures.failures,
	    "Times that it could not be");
}

/* A reading of the device, if there is one. */
static void put_reading(elm__buf *out, const char *name, const char *type,
			const elm__reading *reading, const char *label, const char *help)
{
	if (!reading->measured)
		return;
	head(out, name, type, help);
	put_name(out, name, "", label, NULL);
	elm__buf_printf(out, "%.17g\n", reading->value);
}

static void put_device(elm__buf *out, elm__status_watch *watch)
{
	elm__status_power p;
	char scope[60];

	elm__status_watch_power(watch, &p);
	snprintf(scope, sizeof(scope), "scope=\"%s\"", p.scope);
	put_reading(out, "edgelm_power_watts", "gauge", &p.power, scope,
		    "Power that the scope draws");
	put_reading(out, "edgelm_energy_joules_total", "counter", &p.energy, scope,
		    "Energy that the scope has drawn since the server was started");
	put_reading(out, "edgelm_temperature_celsius", "gauge", &p.temperature, NULL,
		    "Temperature of the hottest sensor");
}

/* model="NAME" */
static char *make_label(const char *name)
{
	elm__buf label = ELM__BUF_INIT;

	elm__buf_puts(&label, "model=");
	elm__put_string(&label, name, strlen(name));
	if (label.failed)
		elm__buf_release(&label);
	return label.data; /* NULL when memory has run out */
}

/* False when memory runs out. */
static bool collect(elm__models *models, report *r)
{
	r->count = elm__models_count(models);
	r->all = elm__calloc(r->count, sizeof(r->all[0]));
	for (size_t i = 0; i < r->count && r->all; i++) {
		series *s = &r->all[i];

		elm__models_figures(models, i, &s->figures);
		s->loaded = elm__models_state(models, i) == ELM__MODEL_LOADED;
		if (r->count > 1)
			s->label = make_label(elm__models_source(models, i)->name);
		if (r->count > 1 && !s->label)
			return false;
	}
	return r->all != NULL;
}

void elm__serve_metrics(void *user, elm__http_exchange *exchange)
{
	elm__server *server = user;
	elm__buf out = ELM__BUF_INIT;
	report r = { .out = &out };

	if (!server->options.metrics) {
		elm__http_fail(exchange, 501, "not_supported_error",
			       "This server does not tell of its figures. Start it with "
			       "`--metrics`");
		return;
	}
	if (collect(server->models, &r)) {
		put_llamacpp(&r);
		put_requests(&r);
		put_prompt_cache(&r);
		put_memory(&r);
		put_device(&out, server->watch);
	} else {
		out.failed = true;
	}
	if (out.failed)
		elm__http_fail(exchange, 500, "server_error", "out of memory");
	else
		elm__http_reply(exchange, 200, "text/plain; version=0.0.4", out.data, out.length);
	for (size_t i = 0; i < r.count && r.all; i++)
		elm__free(r.all[i].label);
	elm__free(r.all);
	elm__buf_release(&out);
}

/* status.c: /edgelm/status, the figures of the server and its device for dashboards. */
#include "server/status.h"

#include <edgelm/version.h>

#include <pthread.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "server/internal.h"
#include "telemetry/telemetry.h"

/* Looks that come sooner after each other share one, so that rates have some time to be rates of,
 * and many dashboards cost no more than one. */
static const double shared_seconds = 0.5;

struct elm__status_watch {
	pthread_mutex_t lock;
	elm__device *device;
	elm__device_sample sample;
};

/* All but what costs by the size of the process. */
static const unsigned looked_at = ELM__READ_ALL & ~ELM__READ_PSS;

/* With the lock. */
static void look(elm__status_watch *watch)
{
	if (elm__seconds_between(watch->sample.at_ns, elm__now_ns()) > shared_seconds)
		elm__device_read(watch->device, looked_at, &watch->sample);
}

elm_status elm__status_watch_create(const char *sysroot, elm__status_watch **out, elm_error *error)
{
	elm__status_watch *watch = elm__calloc(1, sizeof(*watch));
	elm_status status;

	*out = NULL;
	if (!watch)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	status = elm__device_open(sysroot, &watch->device, error);
	if (status) {
		elm__free(watch);
		return status;
	}
	pthread_mutex_init(&watch->lock, NULL);
	elm__device_read(watch->device, looked_at, &watch->sample);
	*out = watch;
	return ELM_OK;
}

void elm__status_watch_free(elm__status_watch *watch)
{
	if (!watch)
		return;
	elm__device_close(watch->device);
	pthread_mutex_destroy(&watch->lock);
	elm__free(watch);
}

void elm__status_watch_power(elm__status_watch *watch, elm__status_power *out)
{
	pthread_mutex_lock(&watch->lock);
	look(watch);
	out->power = watch->sample.power;
	out->energy = watch->sample.energy;
	out->temperature = watch->sample.temperature;
	out->scope = elm__power_scope_name(watch->sample.power_scope);
	pthread_mutex_unlock(&watch->lock);
}

static json_t *device_json(elm__status_watch *watch)
{
	json_t *value;

	pthread_mutex_lock(&watch->lock);
	look(watch);
	value = elm__device_json(&watch->sample);
	pthread_mutex_unlock(&watch->lock);
	return value;
}

/* Counts of values up to each bound, and above all of them. */
static json_t *histogram_json(const elm_histogram *h)
{
	json_t *bounds = json_array(), *counts = json_array();
	bool failed = false;

	for (int i = 0; i < ELM_HISTOGRAM_BOUNDS; i++)
		failed |= json_array_append_new(bounds, json_real(h->bounds[i])) != 0;
	for (int i = 0; i <= ELM_HISTOGRAM_BOUNDS; i++)
		failed |=
			json_array_append_new(counts, json_integer((json_int_t)h->buckets[i])) != 0;
	if (failed) {
		json_decref(bounds);
		json_decref(counts);
		return NULL;
	}
	return json_pack("{s:I, s:f, s:o, s:o}", "count", (json_int_t)h->count, "sum", h->sum,
			 "bounds", bounds, "counts", counts);
}

static json_t *finished_json(const elm_scheduler_stats *s)
{
	json_t *value = json_pack("{s:I}", "error", (json_int_t)s->failed);

	for (int i = ELM_FINISH_EOS; i < ELM_FINISH_COUNT; i++)
		if (json_object_set_new(value, elm_finish_name((elm_finish)i),
					json_integer((json_int_t)s->finished[i]))) {
			json_decref(value);
			return NULL;
		}
	return value;
}

static json_t *requests_json(const elm_scheduler_stats *s)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "running",
			 (json_int_t)s->running, "waiting", (json_int_t)s->waiting, "room",
			 (json_int_t)s->max_sequences, "queue_room", (json_int_t)s->queue,
			 "accepted", (json_int_t)s->submitted, "refused", (json_int_t)s->refused,
			 "preemptions", (json_int_t)s->preemptions, "finished", finished_json(s));
}

static json_t *tokens_json(const elm_scheduler_stats *s)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "prompt", (json_int_t)s->prompt_tokens, "reused",
			 (json_int_t)s->reused_tokens, "generated", (json_int_t)s->generated_tokens,
			 "recomputed", (json_int_t)s->recomputed_tokens);
}

static json_t *kv_json(const elm_scheduler_stats *s)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "bytes", (json_int_t)s->kv_bytes, "blocks",
			 (json_int_t)s->kv_blocks, "used", (json_int_t)s->kv_blocks_used, "kept",
			 (json_int_t)s->kv_blocks_kept, "evictions", (json_int_t)s->evictions);
}

static const char *pressure_name(elm_pressure pressure)
{
	static const char *const names[] = { "none", "shrink", "fewer", "refuse" };

	return names[pressure];
}

/* What is known only of a loaded model; an empty object for others. */
static json_t *facts_json(const elm__loaded *loaded)
{
	const elm_model_info *info;

	if (!loaded)
		return json_object();
	info = elm_model_get_info(loaded->model);
	return json_pack("{s:s, s:I, s:I, s:I}", "architecture", info->architecture, "parameters",
			 (json_int_t)info->parameters, "weight_bytes",
			 (json_int_t)info->weight_bytes, "context",
			 (json_int_t)elm_scheduler_get_options(loaded->scheduler)->context);
}

static json_t *model_json(elm__server *server, size_t index)
{
	elm__loaded *loaded = elm__models_peek(server->models, index);
	elm__model_figures figures;
	const elm_scheduler_stats *s = &figures.stats;
	json_t *facts = facts_json(loaded), *value;

	elm__models_figures(server->models, index, &figures);
	value = json_pack("{s:s, s:s, s:O, s:o, s:o, s:o, s:s, s:o, s:o, s:o}", "name",
			  elm__models_source(server->models, index)->name, "state",
			  elm__model_state_name(elm__models_state(server->models, index)), "facts",
			  facts, "requests", requests_json(s), "tokens", tokens_json(s), "kv",
			  kv_json(s), "memory_pressure", pressure_name(s->pressure),
			  "time_to_first_token", histogram_json(&s->ttft), "time_between_tokens",
			  histogram_json(&s->tbt), "time_in_queue", histogram_json(&s->queue_time));
	json_decref(facts);
	elm__models_release(server->models, loaded, false);
	return value;
}

void elm__serve_status(void *user, elm__http_exchange *exchange)
{
	elm__server *server = user;
	json_t *models = json_array();
	uint64_t now = elm__now_ns();

	for (size_t i = 0; i < elm__models_count(server->models); i++)
		if (json_array_append_new(models, model_json(server, i))) {
			json_decref(models);
			models = NULL;
			break;
		}
	elm__http_reply_json(exchange, 200,
			     json_pack("{s:s, s:f, s:f, s:o, s:o}", "version", elm_version(),
				       "clock", (double)now * 1e-9, "uptime",
				       elm__seconds_between(server->started_ns, now), "models",
				       models, "device", device_json(server->watch)));
}

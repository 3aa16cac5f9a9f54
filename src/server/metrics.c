/* metrics.c: figures for Prometheus, in its text format 0.0.4. */
#include <inttypes.h>

#include "server/internal.h"

static void head(elm__buf *out, const char *name, const char *type, const char *help)
{
	elm__buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put(elm__buf *out, const char *name, const char *type, double value, const char *help)
{
	head(out, name, type, help);
	elm__buf_printf(out, "%s %.17g\n", name, value);
}

static void put_histogram(elm__buf *out, const char *name, const elm_histogram *h, const char *help)
{
	uint64_t below = 0;

	head(out, name, "histogram", help);
	for (int i = 0; i < ELM_HISTOGRAM_BOUNDS; i++) {
		below += h->buckets[i];
		elm__buf_printf(out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name, h->bounds[i],
				below);
	}
	elm__buf_printf(out,
			"%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %.17g\n%s_count %" PRIu64 "\n",
			name, h->count, name, h->sum, name, h->count);
}

static double rate(uint64_t count, double seconds)
{
	return seconds > 0 ? (double)count / seconds : 0;
}

/* The names of llama-server, for dashboards that know them. A step that computes both prompts and
 * answers counts for both times. There is no speculation among many requests, so its counters are
 * truly 0. */
static void put_llamacpp(elm__buf *out, elm__server *server, const elm_scheduler_stats *s)
{
	uint64_t computed = s->prompt_tokens - s->reused_tokens;
	double prompt = s->prompt_seconds + s->mixed_seconds;
	double decode = s->decode_seconds + s->mixed_seconds;

	put(out, "llamacpp:prompt_tokens_total", "counter", (double)computed,
	    "Prompt tokens that were computed");
	put(out, "llamacpp:prompt_tokens_cached_total", "counter", (double)s->reused_tokens,
	    "Prompt tokens taken from the cache");
	put(out, "llamacpp:prompt_seconds_total", "counter", prompt,
	    "Time of steps that computed prompts");
	put(out, "llamacpp:tokens_predicted_total", "counter", (double)s->generated_tokens,
	    "Tokens that were generated");
	put(out, "llamacpp:tokens_predicted_seconds_total", "counter", decode,
	    "Time of steps that generated tokens");
	put(out, "llamacpp:n_decode_total", "counter", (double)s->steps, "Steps of the engine");
	put(out, "llamacpp:n_tokens_max", "counter", (double)atomic_load(&server->longest),
	    "Tokens of the longest prompt with its answer");
	put(out, "llamacpp:spec_decode_num_draft_tokens_total", "counter", 0,
	    "Tokens that were guessed ahead");
	put(out, "llamacpp:spec_decode_num_accepted_tokens_total", "counter", 0,
	    "Guessed tokens that were right");
	put(out, "llamacpp:spec_decode_num_drafts_total", "counter", 0, "Guesses");
	put(out, "llamacpp:prompt_tokens_seconds", "gauge", rate(computed, prompt),
	    "Prompt tokens computed per second, on average");
	put(out, "llamacpp:predicted_tokens_seconds", "gauge", rate(s->generated_tokens, decode),
	    "Tokens generated per second, on average");
	put(out, "llamacpp:requests_processing", "gauge", s->running, "Requests that run");
	put(out, "llamacpp:requests_deferred", "gauge", s->waiting, "Requests that wait");
	put(out, "llamacpp:n_busy_slots_per_decode", "gauge",
	    s->steps ? s->batch_size.sum / (double)s->steps : 0,
	    "Requests that got a token in a step, on average");
}

static void put_finished(elm__buf *out, const elm_scheduler_stats *s)
{
	head(out, "edgelm_requests_finished_total", "counter", "Requests that ended, by reason");
	for (int i = ELM_FINISH_EOS; i < ELM_FINISH_COUNT; i++)
		elm__buf_printf(out, "edgelm_requests_finished_total{reason=\"%s\"} %" PRIu64 "\n",
				elm_finish_name((elm_finish)i), s->finished[i]);
	elm__buf_printf(out, "edgelm_requests_finished_total{reason=\"error\"} %" PRIu64 "\n",
			s->failed);
}

static void put_own(elm__buf *out, const elm_scheduler_stats *s)
{
	put(out, "edgelm_requests_accepted_total", "counter", (double)s->submitted,
	    "Requests that were accepted");
	put(out, "edgelm_requests_refused_total", "counter", (double)s->refused,
	    "Requests refused because too many waited or memory was short");
	put_finished(out, s);
	put_histogram(out, "edgelm_time_to_first_token_seconds", &s->ttft,
		      "From the arrival of a request to its first text");
	put_histogram(out, "edgelm_time_between_tokens_seconds", &s->tbt,
		      "From a token of a request to its next one");
	put_histogram(out, "edgelm_queue_seconds", &s->queue_time, "Time that requests waited");
	put_histogram(out, "edgelm_prompt_tokens", &s->prompt_sizes, "Tokens of prompts");
	put_histogram(out, "edgelm_answer_tokens", &s->answer_sizes, "Tokens of answers");
	put_histogram(out, "edgelm_step_seconds", &s->step_time, "Time of a step of the engine");
	put_histogram(out, "edgelm_batch_size", &s->batch_size,
		      "Requests that got a token in a step");
	put(out, "edgelm_kv_bytes", "gauge", (double)s->kv_bytes, "Size of the KV cache");
	put(out, "edgelm_kv_blocks", "gauge", s->kv_blocks, "Blocks of the KV cache");
	put(out, "edgelm_kv_blocks_used", "gauge", s->kv_blocks_used,
	    "Blocks that running requests use");
	put(out, "edgelm_kv_blocks_kept", "gauge", s->kv_blocks_kept,
	    "Blocks with computed prompts that nobody uses now");
	put(out, "edgelm_kv_evictions_total", "counter", (double)s->evictions,
	    "Kept blocks that made room");
	put(out, "edgelm_preemptions_total", "counter", (double)s->preemptions,
	    "Requests that made room for others and were computed again");
	put(out, "edgelm_recomputed_tokens_total", "counter", (double)s->recomputed_tokens,
	    "Tokens that were computed again");
	put(out, "edgelm_memory_pressure", "gauge", s->pressure,
	    "0 none, 1 prompts are not kept, 2 fewer requests run, 3 new ones are refused");
}

void elm__serve_metrics(void *user, elm__http_exchange *exchange)
{
	elm__server *server = user;
	elm__buf out = ELM__BUF_INIT;
	elm_scheduler_stats stats;

	if (!server->options.metrics) {
		elm__http_fail(exchange, 501, "not_supported_error",
			       "This server does not tell of its figures. Start it with "
			       "`--metrics`");
		return;
	}
	elm_scheduler_get_stats(server->options.scheduler, &stats);
	put_llamacpp(&out, server, &stats);
	put_own(&out, &stats);
	if (out.failed)
		elm__http_fail(exchange, 500, "server_error", "out of memory");
	else
		elm__http_reply(exchange, 200, "text/plain; version=0.0.4", out.data, out.length);
	elm__buf_release(&out);
}

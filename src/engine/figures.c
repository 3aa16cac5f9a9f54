#include "engine/figures.h"

#include <string.h>

/* Seconds: from a token on a fast machine to a long wait on a slow one. */
static const double seconds[ELM_HISTOGRAM_BOUNDS] = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
						      0.1,   0.15,   0.25,  0.5,  1,	 2.5,
						      5,     10,     30,    60 };
/* Tokens, or rows. */
static const double counts[ELM_HISTOGRAM_BOUNDS] = {
	1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768
};

static void empty(elm_histogram *h, const double *bounds)
{
	*h = (elm_histogram){ .bounds = bounds };
}

void elm__figures_init(elm_scheduler_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	empty(&stats->ttft, seconds);
	empty(&stats->tbt, seconds);
	empty(&stats->queue_time, seconds);
	empty(&stats->step_time, seconds);
	empty(&stats->prompt_sizes, counts);
	empty(&stats->answer_sizes, counts);
	empty(&stats->batch_size, counts);
}

void elm__histogram_add(elm_histogram *h, double value)
{
	size_t i = 0;

	while (i < ELM_HISTOGRAM_BOUNDS && value > h->bounds[i])
		i++;
	h->buckets[i]++;
	h->count++;
	h->sum += value;
}

static void join(elm_histogram *to, const elm_histogram *from)
{
	for (size_t i = 0; i <= ELM_HISTOGRAM_BOUNDS; i++)
		to->buckets[i] += from->buckets[i];
	to->count += from->count;
	to->sum += from->sum;
}

/* The folder is one, whoever has counted it. */
static void add_prompt_cache(elm_prompt_cache_stats *to, const elm_prompt_cache_stats *from)
{
	to->blocks_read += from->blocks_read;
	to->blocks_written += from->blocks_written;
	to->bytes_read += from->bytes_read;
	to->bytes_written += from->bytes_written;
	to->damaged += from->damaged;
	to->deleted += from->deleted;
	to->skipped += from->skipped;
	to->failed += from->failed;
	if (from->bytes > to->bytes)
		to->bytes = from->bytes;
}

void elm__figures_add(elm_scheduler_stats *to, const elm_scheduler_stats *from)
{
	to->waiting += from->waiting;
	to->running += from->running;
	to->max_sequences += from->max_sequences;
	to->queue += from->queue;
	to->submitted += from->submitted;
	to->refused += from->refused;
	for (int i = 0; i < ELM_FINISH_COUNT; i++)
		to->finished[i] += from->finished[i];
	to->failed += from->failed;
	to->prompt_tokens += from->prompt_tokens;
	to->reused_tokens += from->reused_tokens;
	to->generated_tokens += from->generated_tokens;
	to->recomputed_tokens += from->recomputed_tokens;
	to->preemptions += from->preemptions;
	to->steps += from->steps;
	to->prompt_seconds += from->prompt_seconds;
	to->decode_seconds += from->decode_seconds;
	to->mixed_seconds += from->mixed_seconds;
	to->kv_blocks += from->kv_blocks;
	to->kv_blocks_used += from->kv_blocks_used;
	to->kv_blocks_kept += from->kv_blocks_kept;
	to->kv_bytes += from->kv_bytes;
	to->evictions += from->evictions;
	add_prompt_cache(&to->prompt_cache, &from->prompt_cache);
	if (from->pressure > to->pressure)
		to->pressure = from->pressure;
	join(&to->ttft, &from->ttft);
	join(&to->tbt, &from->tbt);
	join(&to->queue_time, &from->queue_time);
	join(&to->prompt_sizes, &from->prompt_sizes);
	join(&to->answer_sizes, &from->answer_sizes);
	join(&to->step_time, &from->step_time);
	join(&to->batch_size, &from->batch_size);
}

void elm__figures_end(elm_scheduler_stats *stats)
{
	stats->waiting = stats->running = stats->max_sequences = stats->queue = 0;
	stats->kv_blocks = stats->kv_blocks_used = stats->kv_blocks_kept = 0;
	stats->kv_bytes = stats->prompt_cache.bytes = 0;
	stats->pressure = ELM_PRESSURE_NONE;
}

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

#include "study/results.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

const elm__measure_info elm__measures[ELM__MEASURE_COUNT] = {
	[ELM__MEASURE_PROMPT_TOKENS] = { "Prompt", "tokens", 1 },
	[ELM__MEASURE_OUTPUT_TOKENS] = { "Answer", "tokens", 1 },
	[ELM__MEASURE_TTFT] = { "TTFT", "ms", 1 },
	[ELM__MEASURE_TBT] = { "TBT", "ms", 2 },
	[ELM__MEASURE_TOTAL] = { "Total time", "s", 3 },
	[ELM__MEASURE_PREFILL] = { "Prefill", "tokens/s", 1 },
	[ELM__MEASURE_DECODE] = { "Decode", "tokens/s", 2 },
	[ELM__MEASURE_PEAK_RSS] = { "Peak memory of the process", "MiB", 1 },
	[ELM__MEASURE_CPU] = { "Processor time", "% of all cores", 1 },
	[ELM__MEASURE_POWER] = { "Power", "W", 2 },
	[ELM__MEASURE_ENERGY] = { "Energy", "J/token", 3 },
	[ELM__MEASURE_NET_ENERGY] = { "Energy above idle", "J/token", 3 },
};

elm_status elm__results_open(const char *folder, elm__results *out, elm_error *error)
{
	elm_status status;

	memset(out, 0, sizeof(*out));
	status = elm__store_open(folder, ELM__STORE_READ, &out->store, error);
	for (int t = 0; t < ELM__TABLE_COUNT && status == ELM_OK; t++)
		if (t != ELM__TABLE_token && t != ELM__TABLE_sample)
			status = elm__store_rows(out->store, (elm__study_table)t, NULL, 0,
						 &out->rows[t], error);
	if (status != ELM_OK)
		return status;
	out->config = out->rows[ELM__TABLE_config].items;
	out->machine = out->rows[ELM__TABLE_machine].items;
	for (size_t i = 0; out->config && i < out->rows[ELM__TABLE_model].count; i++) {
		const elm__study_model *model = out->rows[ELM__TABLE_model].items;

		if (model[i].id == out->config->model_id)
			out->model = &model[i];
	}
	return ELM_OK;
}

void elm__results_release(elm__results *results)
{
	for (int t = 0; t < ELM__TABLE_COUNT; t++)
		elm__rows_release(&results->rows[t]);
	elm__store_close(results->store);
	memset(results, 0, sizeof(*results));
}

static bool same(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

const elm__study_experiment *elm__results_experiment(const elm__results *results, int64_t config_id,
						     const char *kind)
{
	const elm__study_experiment *e = results->rows[ELM__TABLE_experiment].items;

	for (size_t i = 0; i < results->rows[ELM__TABLE_experiment].count; i++)
		if (e[i].config_id == config_id && same(e[i].kind, kind))
			return &e[i];
	return NULL;
}

const elm__study_query *elm__results_query(const elm__results *results, int64_t id)
{
	const elm__study_query *queries = results->rows[ELM__TABLE_query].items;
	size_t low = 0, high = results->rows[ELM__TABLE_query].count;

	while (low < high) { /* they come in the order of their ids */
		size_t middle = low + (high - low) / 2;

		if (queries[middle].id == id)
			return &queries[middle];
		if (queries[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const elm__study_metric *elm__results_metric(const elm__results *results, const char *name)
{
	const elm__study_metric *metrics = results->rows[ELM__TABLE_metric].items;

	for (size_t i = 0; i < results->rows[ELM__TABLE_metric].count; i++)
		if (same(metrics[i].name, name))
			return &metrics[i];
	return NULL;
}

/* a / b where both are there and b is positive. */
static double share(double a, double b)
{
	return b > 0 ? a / b : NAN;
}

static double decode_seconds(const elm__study_trial *t)
{
	return (elm__number(t->total_ns) - elm__number(t->ttft_ns)) * 1e-9;
}

double elm__measure_of(const elm__results *results, const elm__study_trial *t, elm__measure measure)
{
	double steps = elm__number(t->output_tokens) - 1;

	switch (measure) {
	case ELM__MEASURE_PROMPT_TOKENS:
		return elm__number(t->prompt_tokens);
	case ELM__MEASURE_OUTPUT_TOKENS:
		return elm__number(t->output_tokens);
	case ELM__MEASURE_TTFT:
		return elm__number(t->ttft_ns) * 1e-6;
	case ELM__MEASURE_TBT:
		return share(decode_seconds(t) * 1e3, steps);
	case ELM__MEASURE_TOTAL:
		return elm__number(t->total_ns) * 1e-9;
	case ELM__MEASURE_PREFILL:
		return share(elm__number(t->prompt_tokens), elm__number(t->prompt_ns) * 1e-9);
	case ELM__MEASURE_DECODE:
		return steps > 0 ? share(steps, decode_seconds(t)) : NAN;
	case ELM__MEASURE_PEAK_RSS:
		return elm__number(t->peak_rss_bytes) / (1 << 20);
	case ELM__MEASURE_CPU:
		return results->machine ? share(elm__number(t->process_cpu_ns) * 100,
						elm__number(t->wall_ns) *
							elm__number(results->machine->cores)) :
					  NAN;
	case ELM__MEASURE_POWER:
		return share(t->energy_j, elm__number(t->wall_ns) * 1e-9);
	case ELM__MEASURE_ENERGY:
		return share(t->energy_j, elm__number(t->output_tokens));
	case ELM__MEASURE_NET_ENERGY:
		return share(t->energy_j - t->idle_j, elm__number(t->output_tokens));
	case ELM__MEASURE_COUNT:
		break;
	}
	return NAN;
}

elm__category elm__results_category(const elm__results *results, const elm__study_trial *trial)
{
	const elm__study_query *query = elm__results_query(results, trial->query_id);

	return query && query->category ? elm__category_of(query->category) : ELM__CATEGORY_COUNT;
}

const elm__study_trial *elm__results_next(const elm__results *results,
					  const elm__trial_filter *filter, size_t *at)
{
	const elm__study_trial *trials = results->rows[ELM__TABLE_trial].items;

	while (*at < results->rows[ELM__TABLE_trial].count) {
		const elm__study_trial *t = &trials[(*at)++];

		if (t->experiment_id == filter->experiment_id && t->warmup == 0 &&
		    (same(t->status, "ok") || same(t->status, "truncated")) &&
		    (!filter->variant || same(t->variant, filter->variant)) &&
		    (filter->category == ELM__CATEGORY_COUNT ||
		     elm__results_category(results, t) == filter->category))
			return t;
	}
	return NULL;
}

elm_status elm__results_values(const elm__results *results, const elm__trial_filter *filter,
			       elm__measure measure, elm__values *out, elm_error *error)
{
	const elm__study_trial *trial;
	size_t at = 0;

	out->count = 0;
	out->items = elm__calloc(results->rows[ELM__TABLE_trial].count + 1, sizeof(*out->items));
	if (!out->items)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a report");
	while ((trial = elm__results_next(results, filter, &at))) {
		double value = elm__measure_of(results, trial, measure);

		if (isfinite(value))
			out->items[out->count++] = value;
	}
	return ELM_OK;
}

void elm__values_release(elm__values *values)
{
	elm__free(values->items);
	values->items = NULL;
	values->count = 0;
}

elm_status elm__results_median(const elm__results *results, const elm__trial_filter *filter,
			       elm__measure measure, elm__interval *out, elm_error *error)
{
	elm__values values;
	elm_status status = elm__results_values(results, filter, measure, &values, error);

	if (status == ELM_OK)
		status = elm__median_interval(values.items, values.count, 1, out, error);
	elm__values_release(&values);
	return status;
}

elm_status elm__results_mean(const elm__results *results, const elm__trial_filter *filter,
			     elm__measure measure, elm__interval *out, elm_error *error)
{
	elm__values values;
	elm_status status = elm__results_values(results, filter, measure, &values, error);

	if (status == ELM_OK)
		*out = elm__mean_interval(values.items, values.count);
	elm__values_release(&values);
	return status;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

size_t elm__results_variants(const elm__results *results, int64_t experiment_id, const char *prefix,
			     int64_t *out, size_t room)
{
	elm__trial_filter filter = { experiment_id, ELM__CATEGORY_COUNT, NULL };
	const elm__study_trial *trial;
	size_t count = 0, at = 0, length = strlen(prefix);

	while ((trial = elm__results_next(results, &filter, &at)) && count < room) {
		int64_t value;
		bool known = false;

		if (!trial->variant || strncmp(trial->variant, prefix, length) != 0 ||
		    !elm__parse_i64(trial->variant + length, 0, INT64_MAX, &value))
			continue;
		for (size_t i = 0; i < count; i++)
			known |= out[i] == value;
		if (!known)
			out[count++] = value;
	}
	qsort(out, count, sizeof(*out), by_value);
	return count;
}

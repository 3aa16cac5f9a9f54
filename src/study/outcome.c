#include "study/outcome.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

const char *const elm__outcome_names[ELM__OUTCOME_METRICS] = { "ttft", "tbt", "total",
							       "peak_memory", "energy_per_token" };
const char *const elm__outcome_units[ELM__OUTCOME_METRICS] = { "s", "s", "s", "B", "J" };

/* The tables that trials point to. */
typedef struct tables {
	elm__rows configs, experiments, queries;
} tables;

/* The row of a table of ids in ascending order. */
static const void *find_row(const elm__rows *rows, size_t row_size, int64_t id)
{
	size_t low = 0, high = rows->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const char *row = (const char *)rows->items + middle * row_size;
		int64_t at;

		memcpy(&at, row, sizeof(at)); /* id is the first column */
		if (at == id)
			return row;
		if (at < id)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static double scaled(int64_t value, double unit)
{
	return value == ELM__STUDY_NONE ? NAN : (double)value / unit;
}

static void fill_values(elm__outcome *r, const elm__study_trial *trial)
{
	bool spread = trial->ttft_ns != ELM__STUDY_NONE && trial->total_ns != ELM__STUDY_NONE &&
		      trial->output_tokens > 1;

	r->values[ELM__OUTCOME_TTFT] = scaled(trial->ttft_ns, 1e9);
	r->values[ELM__OUTCOME_TBT] = spread ? (double)(trial->total_ns - trial->ttft_ns) * 1e-9 /
						       (double)(trial->output_tokens - 1) :
					       NAN;
	r->values[ELM__OUTCOME_TOTAL] = scaled(trial->total_ns, 1e9);
	r->values[ELM__OUTCOME_MEMORY] = scaled(trial->peak_rss_bytes, 1);
	r->values[ELM__OUTCOME_ENERGY] =
		trial->output_tokens > 0 ? trial->energy_j / (double)trial->output_tokens : NAN;
	r->prompt = trial->prompt_tokens;
	r->output = trial->output_tokens;
}

/* False for what is no result, and for what damaged files hold. */
static bool fill_result(const tables *t, const elm__study_trial *trial, elm__outcome *r)
{
	const elm__study_experiment *e =
		find_row(&t->experiments, sizeof(*e), trial->experiment_id);
	const elm__study_query *q = find_row(&t->queries, sizeof(*q), trial->query_id);
	const elm__study_config *c = e ? find_row(&t->configs, sizeof(*c), e->config_id) : NULL;

	if (!e || !q || !c || trial->warmup != 0 || !trial->status || !e->kind || !q->category)
		return false;
	snprintf(r->sweep, sizeof(r->sweep), "%s", c->sweep ? c->sweep : "");
	snprintf(r->experiment, sizeof(r->experiment), "%s", e->kind);
	snprintf(r->category, sizeof(r->category), "%s", q->category);
	snprintf(r->variant, sizeof(r->variant), "%s", trial->variant ? trial->variant : "");
	r->idx = q->idx;
	r->answered = !strcmp(trial->status, "ok");
	fill_values(r, trial);
	return true;
}

static elm_status load_tables(elm__store *store, tables *t, elm_error *error)
{
	elm_status status = elm__store_rows(store, ELM__TABLE_config, NULL, 0, &t->configs, error);

	if (status == ELM_OK)
		status = elm__store_rows(store, ELM__TABLE_experiment, NULL, 0, &t->experiments,
					 error);
	if (status == ELM_OK)
		status = elm__store_rows(store, ELM__TABLE_query, NULL, 0, &t->queries, error);
	return status;
}

elm_status elm__outcomes_load(elm__store *store, elm__outcomes *out, elm_error *error)
{
	tables t = { 0 };
	elm__rows trials = { 0 };
	const elm__study_trial *rows;
	elm_status status = load_tables(store, &t, error);

	memset(out, 0, sizeof(*out));
	if (status == ELM_OK)
		status = elm__store_rows(store, ELM__TABLE_trial, NULL, 0, &trials, error);
	if (status == ELM_OK) {
		out->items = elm__calloc(trials.count, sizeof(*out->items));
		if (!out->items)
			status = elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	}
	rows = trials.items;
	for (size_t i = 0; i < trials.count && status == ELM_OK; i++)
		out->count += fill_result(&t, &rows[i], &out->items[out->count]);
	elm__rows_release(&trials);
	elm__rows_release(&t.configs);
	elm__rows_release(&t.experiments);
	elm__rows_release(&t.queries);
	return status;
}

void elm__outcomes_release(elm__outcomes *results)
{
	elm__free(results->items);
	memset(results, 0, sizeof(*results));
}

/* --- sums --- */

static int by_group(const void *a, const void *b)
{
	const elm__outcome *x = a, *y = b;
	int order = strcmp(x->sweep, y->sweep);

	if (!order)
		order = strcmp(x->experiment, y->experiment);
	if (!order)
		order = strcmp(x->category, y->category);
	return order ? order : strverscmp(x->variant, y->variant); /* n=50 before n=120 */
}

static double median_tokens(const elm__outcome *items, size_t count, bool prompt, double *scratch)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		int64_t tokens = prompt ? items[i].prompt : items[i].output;

		if (items[i].answered && tokens != ELM__STUDY_NONE)
			scratch[n++] = (double)tokens;
	}
	return n ? elm__summarize(scratch, n).p50 : NAN;
}

static void sum_up(elm__digest_row *row, double *scratch)
{
	const elm__outcome *items = row->first;

	for (size_t i = 0; i < row->asked; i++)
		row->answered += items[i].answered;
	row->prompt = median_tokens(items, row->asked, true, scratch);
	row->output = median_tokens(items, row->asked, false, scratch);
	for (size_t m = 0; m < ELM__OUTCOME_METRICS; m++) {
		size_t n = 0;

		for (size_t i = 0; i < row->asked; i++)
			if (items[i].answered && !isnan(items[i].values[m]))
				scratch[n++] = items[i].values[m];
		row->values[m] = elm__summarize(scratch, n);
	}
}

elm_status elm__outcomes_digest(elm__outcomes *results, elm__digest_row **rows, size_t *count,
				elm_error *error)
{
	double *scratch = elm__calloc(results->count, sizeof(*scratch));

	*count = 0;
	*rows = elm__calloc(results->count, sizeof(**rows)); /* at most */
	if (!scratch || !*rows) {
		elm__free(scratch);
		elm__free(*rows);
		*rows = NULL;
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	}
	qsort(results->items, results->count, sizeof(results->items[0]), by_group);
	for (size_t from = 0; from < results->count;) {
		elm__digest_row *row = &(*rows)[(*count)++];

		row->first = &results->items[from];
		while (from < results->count && !by_group(row->first, &results->items[from])) {
			row->asked++;
			from++;
		}
		sum_up(row, scratch);
	}
	elm__free(scratch);
	return ELM_OK;
}

elm_status elm__probe_summary(elm__store *store, const char *phase, elm__summary *out,
			      elm_error *error)
{
	elm__rows rows;
	elm_status status = elm__store_rows(store, ELM__TABLE_probe, NULL, 0, &rows, error);
	const elm__study_probe *units = rows.items;
	double *seconds = elm__calloc(rows.count, sizeof(*seconds));
	size_t n = 0;

	memset(out, 0, sizeof(*out));
	if (status == ELM_OK && !seconds)
		status = elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < rows.count && status == ELM_OK; i++)
		if (units[i].phase && !strcmp(units[i].phase, phase))
			seconds[n++] = (double)units[i].duration_ns * 1e-9;
	if (status == ELM_OK)
		*out = elm__summarize(seconds, n);
	elm__free(seconds);
	elm__rows_release(&rows);
	return status;
}

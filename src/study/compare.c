#include "study/compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { SEED = 1, FEWEST = 6 };

const char *const elm__compare_names[ELM__COMPARE_METRICS] = { "ttft", "tbt", "total",
							       "peak_memory", "energy_per_token" };
const char *const elm__compare_units[ELM__COMPARE_METRICS] = { "s", "s", "s", "B", "J" };

/* A query in one variant of one experiment; first one for each trial, then one for all repeats. */
typedef struct cell {
	char key[256]; /* experiment, category, and what else tells it apart */
	char experiment[24], category[24];
	double values[ELM__COMPARE_METRICS];
	int64_t prompt, output; /* tokens */
} cell;

typedef struct side {
	elm__store *store;
	elm__rows configs, experiments, queries;
	cell *cells;
	size_t count;
} side;

/* --- what a study has --- */

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

static double ratio_of(int64_t a, double b)
{
	return a == ELM__STUDY_NONE ? NAN : (double)a / b;
}

static void fill_values(cell *c, const elm__study_trial *trial)
{
	bool spread = trial->ttft_ns != ELM__STUDY_NONE && trial->total_ns != ELM__STUDY_NONE &&
		      trial->output_tokens > 1;

	c->values[ELM__COMPARE_TTFT] = ratio_of(trial->ttft_ns, 1e9);
	c->values[ELM__COMPARE_TBT] = spread ? (double)(trial->total_ns - trial->ttft_ns) * 1e-9 /
						       (double)(trial->output_tokens - 1) :
					       NAN;
	c->values[ELM__COMPARE_TOTAL] = ratio_of(trial->total_ns, 1e9);
	c->values[ELM__COMPARE_MEMORY] = ratio_of(trial->peak_rss_bytes, 1);
	c->values[ELM__COMPARE_ENERGY] =
		trial->output_tokens > 0 ? trial->energy_j / (double)trial->output_tokens : NAN;
	c->prompt = trial->prompt_tokens;
	c->output = trial->output_tokens;
}

/* False for what is no result: warm-ups, what was not answered, what damaged files hold. */
static bool fill_cell(const side *s, const elm__study_trial *trial, cell *c)
{
	const elm__study_experiment *e =
		find_row(&s->experiments, sizeof(*e), trial->experiment_id);
	const elm__study_query *q = find_row(&s->queries, sizeof(*q), trial->query_id);
	const elm__study_config *config =
		e ? find_row(&s->configs, sizeof(*config), e->config_id) : NULL;

	if (!e || !q || !config || trial->warmup != 0 || !trial->status ||
	    strcmp(trial->status, "ok") || !e->kind || !q->category)
		return false;
	snprintf(c->experiment, sizeof(c->experiment), "%s", e->kind);
	snprintf(c->category, sizeof(c->category), "%s", q->category);
	/* Two studies without a sweep are compared whatever they are of; the points of a sweep with
	 * those of the same name. */
	snprintf(c->key, sizeof(c->key), "%s\t%s\t%08lld\t%s\t%s", c->experiment, c->category,
		 (long long)q->idx, trial->variant ? trial->variant : "",
		 s->configs.count > 1 && config->sweep ? config->sweep : "");
	fill_values(c, trial);
	return true;
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const cell *)a)->key, ((const cell *)b)->key);
}

static double median_of(const cell *cells, size_t count, size_t metric, double *scratch)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		if (!isnan(cells[i].values[metric]))
			scratch[n++] = cells[i].values[metric];
	elm__sort_doubles(scratch, n);
	return n ? elm__quantile(scratch, n, 0.5) : NAN;
}

/* Repeats become one cell each. */
static elm_status reduce(side *s, elm_error *error)
{
	double *scratch = elm__calloc(s->count, sizeof(*scratch));
	size_t kept = 0;

	if (!scratch)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	for (size_t from = 0, to; from < s->count; from = to) {
		cell one = s->cells[from];

		for (to = from + 1; to < s->count && !by_key(&s->cells[from], &s->cells[to]); to++)
			;
		for (size_t m = 0; m < ELM__COMPARE_METRICS; m++)
			one.values[m] = median_of(s->cells + from, to - from, m, scratch);
		s->cells[kept++] = one;
	}
	s->count = kept;
	elm__free(scratch);
	return ELM_OK;
}

static elm_status load_cells(side *s, elm_error *error)
{
	elm__rows trials;
	elm_status status = elm__store_rows(s->store, ELM__TABLE_trial, NULL, 0, &trials, error);
	const elm__study_trial *rows = trials.items;

	if (status == ELM_OK) {
		s->cells = elm__calloc(trials.count, sizeof(*s->cells));
		if (!s->cells)
			status = elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	}
	for (size_t i = 0; i < trials.count && status == ELM_OK; i++)
		s->count += fill_cell(s, &rows[i], &s->cells[s->count]);
	elm__rows_release(&trials);
	if (status)
		return status;
	qsort(s->cells, s->count, sizeof(*s->cells), by_key);
	return reduce(s, error);
}

static elm_status load(side *s, elm__store *store, elm_error *error)
{
	elm_status status;

	s->store = store;
	status = elm__store_rows(store, ELM__TABLE_config, NULL, 0, &s->configs, error);
	if (status == ELM_OK)
		status = elm__store_rows(store, ELM__TABLE_experiment, NULL, 0, &s->experiments,
					 error);
	if (status == ELM_OK)
		status = elm__store_rows(store, ELM__TABLE_query, NULL, 0, &s->queries, error);
	return status ? status : load_cells(s, error);
}

static void release(side *s)
{
	elm__rows_release(&s->configs);
	elm__rows_release(&s->experiments);
	elm__rows_release(&s->queries);
	elm__free(s->cells);
}

/* --- pairs --- */

static elm_status same_queries(const side *a, const side *b, elm_error *error)
{
	const elm__study_query *p = a->queries.items, *q = b->queries.items;
	bool same = a->queries.count == b->queries.count;

	for (size_t i = 0; i < a->queries.count && same; i++)
		same = p[i].id == q[i].id && p[i].text && q[i].text &&
		       !strcmp(p[i].text, q[i].text);
	if (same)
		return ELM_OK;
	return elm_error_set(
		error, ELM_ERR_ARGUMENT,
		"the studies in %s and %s asked different queries, so there is nothing "
		"to pair",
		elm__store_folder(a->store), elm__store_folder(b->store));
}

/* Leaves in both only what both have, in the same order. */
static void keep_pairs(side *a, side *b, elm__comparison *out)
{
	size_t i = 0, j = 0, kept = 0;

	while (i < a->count && j < b->count) {
		int order = by_key(&a->cells[i], &b->cells[j]);

		if (order == 0) {
			a->cells[kept] = a->cells[i++];
			b->cells[kept++] = b->cells[j++];
		} else if (order < 0) {
			i++;
		} else {
			j++;
		}
	}
	out->only_a = a->count - kept;
	out->only_b = b->count - kept;
	a->count = b->count = kept;
}

static elm_status compare_metric(elm__compared *group, const cell *a, const cell *b, size_t metric,
				 double *x, double *y, elm_error *error)
{
	elm_status status;

	for (size_t i = 0; i < group->pairs; i++) {
		x[i] = a[i].values[metric];
		y[i] = b[i].values[metric];
	}
	status = elm__ratio_interval(x, y, group->pairs, SEED, &group->ratio[metric], error);
	/* Of fewer values all lie on one side of the true median in more than 5 of 100 cases. */
	if (group->ratio[metric].n < FEWEST)
		group->ratio[metric].low = group->ratio[metric].high = NAN;
	group->a[metric] = median_of(a, group->pairs, metric, x);
	group->b[metric] = median_of(b, group->pairs, metric, y);
	return status;
}

static elm_status compare_group(elm__compared *group, const cell *a, const cell *b, double *x,
				double *y, elm_error *error)
{
	elm_status status = ELM_OK;

	memcpy(group->experiment, a->experiment, sizeof(group->experiment));
	memcpy(group->category, a->category, sizeof(group->category));
	for (size_t i = 0; i < group->pairs; i++)
		group->same_length += a[i].prompt == b[i].prompt && a[i].output == b[i].output;
	for (size_t m = 0; m < ELM__COMPARE_METRICS && status == ELM_OK; m++)
		status = compare_metric(group, a, b, m, x, y, error);
	return status;
}

static elm_status compare_groups(const side *a, const side *b, elm__comparison *out,
				 elm_error *error)
{
	double *x = elm__calloc(a->count, sizeof(*x)), *y = elm__calloc(a->count, sizeof(*y));
	elm_status status = ELM_OK;

	out->groups = elm__calloc(a->count, sizeof(*out->groups)); /* at most */
	if (!x || !y || !out->groups)
		status = elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	for (size_t from = 0; from < a->count && status == ELM_OK;) {
		elm__compared *group = &out->groups[out->count];
		const cell *first = &a->cells[from];

		while (from + group->pairs < a->count &&
		       !strcmp(first[group->pairs].experiment, first->experiment) &&
		       !strcmp(first[group->pairs].category, first->category))
			group->pairs++;
		status = compare_group(group, first, &b->cells[from], x, y, error);
		from += group->pairs;
		out->count++;
	}
	elm__free(x);
	elm__free(y);
	return status;
}

elm_status elm__compare(elm__store *a, elm__store *b, elm__comparison *out, elm_error *error)
{
	side left = { 0 }, right = { 0 };
	elm_status status;

	memset(out, 0, sizeof(*out));
	status = load(&left, a, error);
	if (status == ELM_OK)
		status = load(&right, b, error);
	if (status == ELM_OK)
		status = same_queries(&left, &right, error);
	if (status == ELM_OK)
		keep_pairs(&left, &right, out);
	if (status == ELM_OK && !left.count)
		status =
			elm_error_set(error, ELM_ERR_ARGUMENT,
				      "the studies in %s and %s have no trial in common; see their "
				      "experiments and sweeps",
				      elm__store_folder(a), elm__store_folder(b));
	if (status == ELM_OK)
		status = compare_groups(&left, &right, out, error);
	release(&left);
	release(&right);
	return status;
}

void elm__comparison_release(elm__comparison *comparison)
{
	elm__free(comparison->groups);
	memset(comparison, 0, sizeof(*comparison));
}

#include "study/compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { SEED = 1, FEWEST = 6 };

/* A query in one variant of one experiment; first one for each trial, then one for all repeats. */
typedef struct cell {
	char key[256]; /* experiment, category, and what else tells it apart */
	const elm__outcome *result;
	double values[ELM__OUTCOME_METRICS];
} cell;

typedef struct side {
	elm__store *store;
	elm__rows queries;
	elm__outcomes results;
	cell *cells;
	size_t count;
} side;

/* --- what a study has --- */

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
	return n ? elm__summarize(scratch, n).p50 : NAN;
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
		for (size_t m = 0; m < ELM__OUTCOME_METRICS; m++)
			one.values[m] = median_of(s->cells + from, to - from, m, scratch);
		s->cells[kept++] = one;
	}
	s->count = kept;
	elm__free(scratch);
	return ELM_OK;
}

/* Two studies without a sweep are compared whatever they are of; the points of a sweep with those
 * of the same name. */
static bool has_sweep(const elm__outcomes *results)
{
	for (size_t i = 1; i < results->count; i++)
		if (strcmp(results->items[i].sweep, results->items[0].sweep))
			return true;
	return false;
}

static elm_status make_cells(side *s, elm_error *error)
{
	bool sweep = has_sweep(&s->results);

	s->cells = elm__calloc(s->results.count, sizeof(*s->cells));
	if (!s->cells)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < s->results.count; i++) {
		const elm__outcome *r = &s->results.items[i];
		cell *c = &s->cells[s->count];

		if (!r->answered)
			continue;
		s->count++;
		c->result = r;
		memcpy(c->values, r->values, sizeof(c->values));
		snprintf(c->key, sizeof(c->key), "%s\t%s\t%08lld\t%s\t%s", r->experiment,
			 r->category, (long long)r->idx, r->variant, sweep ? r->sweep : "");
	}
	qsort(s->cells, s->count, sizeof(*s->cells), by_key);
	return reduce(s, error);
}

static elm_status load(side *s, elm__store *store, elm_error *error)
{
	elm_status status;

	s->store = store;
	status = elm__store_rows(store, ELM__TABLE_query, NULL, 0, &s->queries, error);
	if (status == ELM_OK)
		status = elm__outcomes_load(store, &s->results, error);
	return status ? status : make_cells(s, error);
}

static void release(side *s)
{
	elm__rows_release(&s->queries);
	elm__outcomes_release(&s->results);
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

	memcpy(group->experiment, a->result->experiment, sizeof(group->experiment));
	memcpy(group->category, a->result->category, sizeof(group->category));
	for (size_t i = 0; i < group->pairs; i++)
		group->same_length += a[i].result->prompt == b[i].result->prompt &&
				      a[i].result->output == b[i].result->output;
	for (size_t m = 0; m < ELM__OUTCOME_METRICS && status == ELM_OK; m++)
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
		       !strcmp(first[group->pairs].result->experiment, first->result->experiment) &&
		       !strcmp(first[group->pairs].result->category, first->result->category))
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

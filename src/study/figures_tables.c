/* figures_tables.c: what each category is like, as medians and as means of its queries. */
#include <math.h>

#include "base/alloc.h"
#include "study/report.h"

static const elm__measure shown[] = {
	ELM__MEASURE_PROMPT_TOKENS, ELM__MEASURE_OUTPUT_TOKENS, ELM__MEASURE_TTFT,
	ELM__MEASURE_TBT,	    ELM__MEASURE_TOTAL,		ELM__MEASURE_DECODE,
	ELM__MEASURE_PEAK_RSS,	    ELM__MEASURE_CPU,		ELM__MEASURE_ENERGY,
};

enum { SHOWN = sizeof(shown) / sizeof(shown[0]) };

typedef struct table {
	const elm__report_source *s;
	elm__grid *grid;
	const elm__study_experiment *workload;
	bool mean;
} table;

static void put_titles(const table *t)
{
	elm__report *report = t->s->report;

	elm__grid_start(t->grid, SHOWN + 2);
	elm__grid_cell(report, t->grid, "Category");
	elm__grid_cell(report, t->grid, "n");
	for (int i = 0; i < SHOWN; i++)
		elm__grid_cell(report, t->grid, "%s, %s", elm__measures[shown[i]].title,
			       elm__measures[shown[i]].unit);
}

static size_t count_trials(const elm__results *results, const elm__trial_filter *filter)
{
	size_t at = 0, count = 0;

	while (elm__results_next(results, filter, &at))
		count++;
	return count;
}

static elm_status put_category(const table *t, elm__category category, elm_error *error)
{
	elm__report *report = t->s->report;
	elm__trial_filter filter = { t->workload->id, category, NULL };
	elm_status status = ELM_OK;

	elm__grid_cell(report, t->grid, "%s", elm__category_name(category));
	elm__grid_cell(report, t->grid, "%zu", count_trials(t->s->results, &filter));
	for (int i = 0; i < SHOWN && status == ELM_OK; i++) {
		elm__interval value;

		status = (t->mean ? elm__results_mean : elm__results_median)(
			t->s->results, &filter, shown[i], &value, error);
		if (status == ELM_OK)
			elm__grid_interval(report, t->grid, &value,
					   elm__measures[shown[i]].decimals);
	}
	return status;
}

static elm_status put_reference(const table *t, elm__category category, elm_error *error)
{
	elm__report *report = t->s->report;
	const elm__reference *reference = t->s->reference;
	double *values = elm__calloc(reference->count + 1, sizeof(*values));
	elm_status status = ELM_OK;

	if (!values)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a report");
	elm__grid_cell(report, t->grid, "%s, reference", elm__category_name(category));
	elm__grid_cell(report, t->grid, "%zu",
		       elm__reference_values(reference, category, ELM__MEASURE_TTFT, values));
	for (int i = 0; i < SHOWN && status == ELM_OK; i++) {
		size_t count = elm__reference_values(reference, category, shown[i], values);
		elm__interval value = { 0 };

		if (t->mean)
			value = elm__mean_interval(values, count);
		else
			status = elm__median_interval(values, count, 1, &value, error);
		if (status == ELM_OK)
			elm__grid_interval(report, t->grid, &value,
					   elm__measures[shown[i]].decimals);
	}
	elm__free(values);
	return status;
}

static elm_status put_all(const table *t, elm_error *error)
{
	elm_status status = ELM_OK;

	put_titles(t);
	for (elm__category c = 0; c < ELM__CATEGORY_COUNT && status == ELM_OK; c++)
		status = put_category(t, c, error);
	for (elm__category c = 0; t->s->reference && c < ELM__CATEGORY_COUNT && status == ELM_OK;
	     c++)
		status = put_reference(t, c, error);
	return status;
}

/* Values of the categories side by side, with their intervals. */
static elm_status add_panel(const elm__report_source *s, elm__figure *figure,
			    const elm__study_experiment *workload, elm__measure measure,
			    const char *y_label, elm_error *error)
{
	elm__panel *panel =
		elm__figure_panel(s->report, figure, elm__measures[measure].title, "", y_label);
	elm_status status = ELM_OK;

	for (elm__category c = 0; c < ELM__CATEGORY_COUNT && status == ELM_OK; c++) {
		elm__trial_filter filter = { workload->id, c, NULL };
		elm__series *series = elm__panel_series(s->report, panel, elm__category_name(c),
							(int)c, ELM__MARK_POINTS);
		elm__interval value;

		status = elm__results_median(s->results, &filter, measure, &value, error);
		if (status == ELM_OK)
			elm__series_interval(s->report, series, c, &value);
	}
	panel->x_names = elm__category_names;
	panel->x_count = ELM__CATEGORY_COUNT;
	return status;
}

/* Which category is answered first, and by how much. */
static elm_status compare_categories(const elm__report_source *s, elm__figure *figure,
				     const elm__study_experiment *workload, elm_error *error)
{
	elm__interval fast = { 0 }, slow = { 0 };
	elm__category fastest = 0, slowest = 0;
	double fast_tokens = 0, slow_tokens = 0;

	for (elm__category c = 0; c < ELM__CATEGORY_COUNT; c++) {
		elm__trial_filter filter = { workload->id, c, NULL };
		elm__interval ttft, tokens;
		elm_status status =
			elm__results_median(s->results, &filter, ELM__MEASURE_TTFT, &ttft, error);

		if (status == ELM_OK)
			status = elm__results_median(s->results, &filter,
						     ELM__MEASURE_PROMPT_TOKENS, &tokens, error);
		if (status != ELM_OK)
			return status;
		if (ttft.n && (!fast.n || ttft.value < fast.value)) {
			fast = ttft;
			fastest = c;
			fast_tokens = tokens.value;
		}
		if (ttft.n && (!slow.n || ttft.value > slow.value)) {
			slow = ttft;
			slowest = c;
			slow_tokens = tokens.value;
		}
	}
	if (!fast.n || fastest == slowest || !(fast.value > 0) || !(fast_tokens > 0))
		return ELM_OK;
	figure->message = elm__report_text(
		s->report,
		"The first token of %s queries takes %.1f times as long as that of %s ones (%s "
		"against %s, medians); their prompts have %.1f times as many tokens.",
		elm__category_name(slowest), slow.value / fast.value, elm__category_name(fastest),
		elm__report_ms(s->report, slow.value), elm__report_ms(s->report, fast.value),
		slow_tokens / fast_tokens);
	elm__report_find(s->report, "%s", figure->message);
	return ELM_OK;
}

elm_status elm__figures_tables(const elm__report_source *s, elm_error *error)
{
	const char *missing = elm__report_missing(s, "workload");
	elm__figure *medians = elm__report_figure(s->report, "medians", "1", "Medians by category");
	elm__figure *means = elm__report_figure(s->report, "means", "4", "Means by category");
	table t = { .s = s, .grid = &medians->grid };
	elm_status status;

	medians->missing = means->missing = missing;
	if (missing)
		return ELM_OK;
	t.workload = elm__results_experiment(s->results, s->results->config->id, "workload");
	medians->note = "Medians over queries, each counted once; in brackets and as whiskers the "
			"95 % interval (bootstrap). The study before counted a query once for each "
			"line of its log, so that long answers weighed more.";
	means->note = "Means over queries with 95 % intervals (Student's t).";
	status = add_panel(s, medians, t.workload, ELM__MEASURE_TTFT, "TTFT, ms", error);
	if (status == ELM_OK)
		status = add_panel(s, medians, t.workload, ELM__MEASURE_TBT, "TBT, ms", error);
	if (status == ELM_OK)
		status = put_all(&t, error);
	if (status == ELM_OK)
		status = compare_categories(s, medians, t.workload, error);
	t.grid = &means->grid;
	t.mean = true;
	return status == ELM_OK ? put_all(&t, error) : status;
}

/* figures_latency.c: how latencies are distributed, and what they depend on. */
#include <math.h>

#include "base/alloc.h"
#include "study/report.h"

/* The share of a category's queries that were at most so slow. */
static elm_status add_distribution(const elm__report_source *s, elm__figure *figure,
				   const elm__study_experiment *workload, elm__measure measure,
				   const char *title, const char *x_label, elm_error *error)
{
	elm__panel *panel = elm__figure_panel(s->report, figure, title, x_label, "% of queries");

	for (elm__category c = 0; c < ELM__CATEGORY_COUNT; c++) {
		elm__trial_filter filter = { workload->id, c, NULL };
		elm__series *series = elm__panel_series(s->report, panel, elm__category_name(c),
							(int)c, ELM__MARK_STEP);
		elm__values values;
		elm_status status =
			elm__results_values(s->results, &filter, measure, &values, error);

		if (status != ELM_OK)
			return status;
		elm__sort_doubles(values.items, values.count);
		if (values.count)
			elm__series_add(s->report, series, values.items[0], 0);
		for (size_t i = 0; i < values.count; i++)
			elm__series_add(s->report, series, values.items[i],
					100.0 * (double)(i + 1) / (double)values.count);
		elm__values_release(&values);
	}
	return ELM_OK;
}

/* p50, p95 and p99 of both latencies. */
static elm_status add_percentiles(const elm__report_source *s, elm__figure *figure,
				  const elm__study_experiment *workload, elm_error *error)
{
	static const elm__measure measures[] = { ELM__MEASURE_TTFT, ELM__MEASURE_TBT };
	static const char *const titles[] = { "Category", "n",		 "TTFT p50, ms", "p95",
					      "p99",	  "TBT p50, ms", "p95",		 "p99" };
	elm__grid *grid = &figure->grid;

	elm__grid_start(grid, sizeof(titles) / sizeof(titles[0]));
	for (size_t i = 0; i < grid->columns; i++)
		elm__grid_cell(s->report, grid, "%s", titles[i]);
	for (elm__category c = 0; c < ELM__CATEGORY_COUNT; c++) {
		elm__trial_filter filter = { workload->id, c, NULL };

		elm__grid_cell(s->report, grid, "%s", elm__category_name(c));
		for (int m = 0; m < 2; m++) {
			elm__values values;
			elm__summary summary;
			elm_status status = elm__results_values(s->results, &filter, measures[m],
								&values, error);

			if (status != ELM_OK)
				return status;
			summary = elm__summarize(values.items, values.count);
			elm__values_release(&values);
			if (!m)
				elm__grid_cell(s->report, grid, "%zu", summary.n);
			for (int p = 0; p < 3; p++)
				if (summary.n)
					elm__grid_cell(s->report, grid, "%.2f",
						       p == 0 ? summary.p50 :
						       p == 1 ? summary.p95 :
								summary.p99);
				else
					elm__grid_cell(s->report, grid, "unmeasured");
		}
	}
	return ELM_OK;
}

/* A point for each trial. */
static void scatter(const elm__report_source *s, elm__panel *panel,
		    const elm__study_experiment *workload, elm__measure x, elm__measure y)
{
	for (elm__category c = 0; c < ELM__CATEGORY_COUNT; c++) {
		elm__trial_filter filter = { workload->id, c, NULL };
		elm__series *series = elm__panel_series(s->report, panel, elm__category_name(c),
							(int)c, ELM__MARK_POINTS);
		const elm__study_trial *trial;
		size_t at = 0;

		while ((trial = elm__results_next(s->results, &filter, &at))) {
			double value = elm__measure_of(s->results, trial, y);

			if (isfinite(value))
				elm__series_add(s->report, series,
						elm__measure_of(s->results, trial, x), value);
		}
	}
}

static void scatter_reference(const elm__report_source *s, elm__panel *panel, elm__measure x,
			      elm__measure y)
{
	elm__series *series;

	if (!s->reference)
		return;
	series = elm__panel_series(s->report, panel, "reference", ELM__COLOUR_MUTED,
				   ELM__MARK_POINTS);
	for (size_t i = 0; i < s->reference->count; i++) {
		const double *values = s->reference->queries[i].values;

		if (isfinite(values[x]) && isfinite(values[y]))
			elm__series_add(s->report, series, values[x], values[y]);
	}
}

elm_status elm__figures_latency(const elm__report_source *s, elm_error *error)
{
	const char *missing = elm__report_missing(s, "workload");
	elm__figure *spread =
		elm__report_figure(s->report, "latency", "6", "How TTFT and TBT are distributed");
	elm__figure *total = elm__report_figure(s->report, "total-time", "7",
						"Total time against the length of the prompt");
	const elm__study_experiment *workload;
	elm__panel *panel;
	elm_status status;

	spread->missing = total->missing = missing;
	if (missing)
		return ELM_OK;
	workload = elm__results_experiment(s->results, s->results->config->id, "workload");
	status = add_distribution(s, spread, workload, ELM__MEASURE_TTFT, "Time to the first token",
				  "TTFT, ms", error);
	if (status == ELM_OK)
		status =
			add_distribution(s, spread, workload, ELM__MEASURE_TBT,
					 "Mean time between tokens of an answer", "TBT, ms", error);
	if (status == ELM_OK)
		status = add_percentiles(s, spread, workload, error);
	spread->note = "TTFT is from the arrival of the request to its first token with text; TBT "
		       "leaves that token out.";
	panel = elm__figure_panel(s->report, total, NULL, "prompt, tokens", "total time, s");
	scatter(s, panel, workload, ELM__MEASURE_PROMPT_TOKENS, ELM__MEASURE_TOTAL);
	if (s->reference) {
		panel = elm__figure_panel(s->report, total, "Reference", "prompt, tokens",
					  "total time, s");
		scatter_reference(s, panel, ELM__MEASURE_PROMPT_TOKENS, ELM__MEASURE_TOTAL);
	}
	total->note = "From the arrival of the request to its last token. Answers that the model "
		      "ended early lie below those of full length.";
	return status;
}

/* --- fits --- */

typedef struct fit {
	const char *what, *of; /* "TTFT", "prompt token" */
	elm__measure x, y;
	double *xs, *ys;
	elm__category *categories;
	size_t count;
	elm__regression line;
} fit;

/* Half of the answer is there, on average, while it is written. */
static double depth_of(const elm__results *results, const elm__study_trial *trial)
{
	return elm__measure_of(results, trial, ELM__MEASURE_PROMPT_TOKENS) +
	       elm__measure_of(results, trial, ELM__MEASURE_OUTPUT_TOKENS) / 2;
}

static elm_status collect(const elm__report_source *s, const elm__study_experiment *workload,
			  fit *f, elm_error *error)
{
	elm__trial_filter filter = { workload->id, ELM__CATEGORY_COUNT, NULL };
	size_t room = s->results->rows[ELM__TABLE_trial].count + 1, at = 0;
	const elm__study_trial *trial;

	f->xs = elm__calloc(room, sizeof(*f->xs));
	f->ys = elm__calloc(room, sizeof(*f->ys));
	f->categories = elm__calloc(room, sizeof(*f->categories));
	if (!f->xs || !f->ys || !f->categories)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a report");
	while ((trial = elm__results_next(s->results, &filter, &at))) {
		double x = f->y == ELM__MEASURE_TBT ? depth_of(s->results, trial) :
						      elm__measure_of(s->results, trial, f->x);
		double y = elm__measure_of(s->results, trial, f->y);

		if (!isfinite(x) || !isfinite(y))
			continue;
		f->xs[f->count] = x;
		f->ys[f->count] = y;
		f->categories[f->count++] = elm__results_category(s->results, trial);
	}
	return ELM_OK;
}

/* How much of what the line leaves unexplained is due to the category, of 1. */
static double share_of_category(const fit *f)
{
	double all = 0, between = 0;

	for (elm__category c = 0; c < ELM__CATEGORY_COUNT; c++) {
		double sum = 0;
		size_t count = 0;

		for (size_t i = 0; i < f->count; i++)
			if (f->categories[i] == c) {
				double rest =
					f->ys[i] - f->line.intercept - f->line.slope * f->xs[i];

				sum += rest;
				all += rest * rest;
				count++;
			}
		between += count ? sum * sum / (double)count : 0;
	}
	return all > 0 ? between / all : 0;
}

static const char *verdict(const elm__report_source *s, const fit *f)
{
	double share = share_of_category(f);

	if (f->line.r2 >= 0.95)
		return "Tokens alone explain these times; no other difference between the "
		       "categories is needed.";
	if (share < 0.1)
		return elm__report_text(
			s->report,
			"The rest is scatter within the categories, not a difference "
			"between them, which makes %.0f %% of it.",
			100 * share);
	return elm__report_text(s->report, "%s; the category explains %.0f %% of the rest.",
				f->line.r2 >= 0.8 ? "Tokens explain most of these times" :
						    "Tokens alone do not explain these times",
				100 * share);
}

static void draw_fit(const elm__report_source *s, elm__figure *figure, const fit *f,
		     const char *x_label, const char *y_label)
{
	elm__panel *panel = elm__figure_panel(s->report, figure, f->what, x_label, y_label);
	elm__series *line;
	double high = 0;

	for (elm__category c = 0; c < ELM__CATEGORY_COUNT; c++) {
		elm__series *series = elm__panel_series(s->report, panel, elm__category_name(c),
							(int)c, ELM__MARK_POINTS);

		for (size_t i = 0; i < f->count; i++)
			if (f->categories[i] == c) {
				elm__series_add(s->report, series, f->xs[i], f->ys[i]);
				high = fmax(high, f->xs[i]);
			}
	}
	line = elm__panel_series(s->report, panel, "fit", ELM__COLOUR_FIRST, ELM__MARK_LINE);
	line->dashed = true;
	elm__series_add(s->report, line, 0, f->line.intercept);
	elm__series_add(s->report, line, high, f->line.intercept + f->line.slope * high);
}

static void put_fit(const elm__report_source *s, elm__grid *grid, const char *what,
		    const elm__regression *line)
{
	elm__interval a = line->intercept_interval, b = line->slope_interval;

	elm__grid_cell(s->report, grid, "%s", what);
	elm__grid_cell(s->report, grid, "%zu", line->n);
	elm__grid_interval(s->report, grid, &a, 3);
	elm__grid_interval(s->report, grid, &b, 5);
	elm__grid_cell(s->report, grid, "%.4f", line->r2);
}

static elm_status put_reference_fit(const elm__report_source *s, elm__grid *grid, const fit *f,
				    elm_error *error)
{
	size_t count = 0, room = s->reference->count + 1;
	double *xs = elm__calloc(room, sizeof(*xs)), *ys = elm__calloc(room, sizeof(*ys));
	elm__regression line;

	for (size_t i = 0; xs && ys && i < s->reference->count; i++) {
		const double *v = s->reference->queries[i].values;
		double x = v[ELM__MEASURE_PROMPT_TOKENS];

		x += f->y == ELM__MEASURE_TBT ? v[ELM__MEASURE_OUTPUT_TOKENS] / 2 : 0;
		if (isfinite(x) && isfinite(v[f->y])) {
			xs[count] = x;
			ys[count++] = v[f->y];
		}
	}
	if (xs && ys && elm__regress(xs, ys, count, &line))
		put_fit(s, grid, elm__report_text(s->report, "%s, reference", f->what), &line);
	elm__free(xs);
	elm__free(ys);
	return xs && ys ? ELM_OK :
			  elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a report");
}

static elm_status add_fit(const elm__report_source *s, elm__figure *figure,
			  const elm__study_experiment *workload, fit *f, const char *x_label,
			  const char *y_label, elm_error *error)
{
	elm_status status = collect(s, workload, f, error);

	if (status == ELM_OK && elm__regress(f->xs, f->ys, f->count, &f->line)) {
		draw_fit(s, figure, f, x_label, y_label);
		put_fit(s, &figure->grid, f->what, &f->line);
		elm__report_find(s->report,
				 "%s = %.2f ms %c %.4f ms for each %s: R\u00b2 = %.3f over %zu "
				 "answers. %s",
				 f->what, f->line.intercept, f->line.slope < 0 ? '-' : '+',
				 fabs(f->line.slope), f->of, f->line.r2, f->count, verdict(s, f));
		if (s->reference)
			status = put_reference_fit(s, &figure->grid, f, error);
	}
	elm__free(f->xs);
	elm__free(f->ys);
	elm__free(f->categories);
	return status;
}

elm_status elm__figures_fit(const elm__report_source *s, elm_error *error)
{
	static const char *const titles[] = { "Time", "n", "at 0 tokens, ms", "for each token, ms",
					      "R\u00b2" };
	elm__figure *figure = elm__report_figure(s->report, "fit", NULL,
						 "Whether tokens alone explain the times");
	fit ttft = { .what = "TTFT",
		     .of = "token of the prompt",
		     .x = ELM__MEASURE_PROMPT_TOKENS,
		     .y = ELM__MEASURE_TTFT };
	fit tbt = { .what = "TBT", .of = "token of depth", .y = ELM__MEASURE_TBT };
	const elm__study_experiment *workload;
	elm_status status;

	figure->missing = elm__report_missing(s, "workload");
	if (figure->missing)
		return ELM_OK;
	workload = elm__results_experiment(s->results, s->results->config->id, "workload");
	elm__grid_start(&figure->grid, sizeof(titles) / sizeof(titles[0]));
	for (size_t i = 0; i < figure->grid.columns; i++)
		elm__grid_cell(s->report, &figure->grid, "%s", titles[i]);
	status = add_fit(s, figure, workload, &ttft, "prompt, tokens", "TTFT, ms", error);
	if (status == ELM_OK)
		status = add_fit(s, figure, workload, &tbt,
				 "depth: prompt and half of the answer, tokens", "TBT, ms", error);
	figure->note = "Lines by least squares through all answers of all categories, with 95 % "
		       "intervals.";
	if (!elm__figure_has_points(figure))
		figure->missing = "there are fewer than two answers of different length";
	return status;
}

/* figures_effects.c: what else changes the figures: the recorder itself, a cold start, a second
 * process, and what was swept. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "study/report.h"

/* --- the recorder --- */

/* Pairs of the same query and repeat, with and without the recorder. */
static elm_status pair_up(const elm__report_source *s, int64_t experiment, elm__category category,
			  elm__measure measure, elm__interval *out, elm_error *error)
{
	elm__trial_filter with = { experiment, category, "recorder=on" },
			  without = { experiment, category, "recorder=off" };
	size_t room = s->results->rows[ELM__TABLE_trial].count + 1, at = 0, count = 0;
	double *a = elm__calloc(room, sizeof(*a)), *b = elm__calloc(room, sizeof(*b));
	const elm__study_trial *on, *off;
	elm_status status = ELM_OK;

	if (!a || !b)
		status = elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a report");
	while (status == ELM_OK && (off = elm__results_next(s->results, &without, &at))) {
		size_t other = 0;

		while ((on = elm__results_next(s->results, &with, &other)))
			if (on->query_id == off->query_id && on->repeat == off->repeat) {
				a[count] = elm__measure_of(s->results, off, measure);
				b[count++] = elm__measure_of(s->results, on, measure);
				break;
			}
	}
	if (status == ELM_OK)
		status = elm__ratio_interval(a, b, count, 1, out, error);
	elm__free(a);
	elm__free(b);
	return status;
}

static elm_status add_observer(const elm__report_source *s, elm_error *error)
{
	static const elm__measure measures[] = { ELM__MEASURE_TTFT, ELM__MEASURE_TBT };
	static const int colours[] = { ELM__COLOUR_FIRST, ELM__COLOUR_SECOND };
	elm__figure *figure =
		elm__report_figure(s->report, "recorder", NULL, "What the recorder itself costs");
	const elm__study_experiment *median;
	elm__interval all;
	elm__panel *panel;
	elm_status status;

	figure->missing = elm__report_missing(s, "median");
	if (figure->missing)
		return ELM_OK;
	median = elm__results_experiment(s->results, s->results->config->id, "median");
	panel = elm__figure_panel(s->report, figure, NULL, "", "with / without recorder");
	panel->x_names = elm__category_names;
	panel->x_count = ELM__CATEGORY_COUNT;
	panel->y_from_zero = false;
	for (int m = 0; m < 2; m++) {
		elm__series *series =
			elm__panel_series(s->report, panel, elm__measures[measures[m]].title,
					  colours[m], ELM__MARK_POINTS);

		for (elm__category c = 0; c < ELM__CATEGORY_COUNT; c++) {
			elm__interval ratio;

			status = pair_up(s, median->id, c, measures[m], &ratio, error);
			if (status != ELM_OK)
				return status;
			elm__series_interval(s->report, series, c + (m - 0.5) * 0.16, &ratio);
		}
	}
	figure->note = elm__report_text(
		s->report,
		"The same query with a sample every %.0f ms and without; medians of the ratios of "
		"pairs, with 95 %% intervals. In the study before, reading made decode 26 to 68 %% "
		"slower. The axis does not begin at 0.",
		(double)median->interval_ns * 1e-6);
	if (!elm__figure_has_points(figure)) {
		figure->missing = "the study has no pairs with and without the recorder";
		return ELM_OK;
	}
	status = pair_up(s, median->id, ELM__CATEGORY_COUNT, ELM__MEASURE_TBT, &all, error);
	if (status == ELM_OK && all.n) {
		figure->message = elm__report_text(
			s->report,
			"Recording changes the time between tokens by %+.2f %% (%zu pairs%s).",
			100 * (all.value - 1), all.n,
			isfinite(all.low) ?
				elm__report_text(s->report, ", 95 %% interval %+.2f to %+.2f %%",
						 100 * (all.low - 1), 100 * (all.high - 1)) :
				"");
		elm__report_find(s->report, "%s", figure->message);
	}
	return status;
}

/* --- cold starts --- */

/* Milliseconds to the first token, with what came before it. */
static elm_status cold_ttft(const elm__report_source *s, const elm__trial_filter *filter,
			    elm__interval *out, elm_error *error)
{
	size_t room = s->results->rows[ELM__TABLE_trial].count + 1, at = 0, count = 0;
	double *values = elm__calloc(room, sizeof(*values));
	const elm__study_trial *trial;
	elm_status status;

	if (!values)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a report");
	while ((trial = elm__results_next(s->results, filter, &at)))
		if (trial->load_ns != ELM__STUDY_NONE && trial->ttft_ns != ELM__STUDY_NONE)
			values[count++] = (double)(trial->load_ns + trial->ttft_ns) * 1e-6;
	status = elm__median_interval(values, count, 1, out, error);
	elm__free(values);
	return status;
}

static elm_status add_cold(const elm__report_source *s, elm_error *error)
{
	static const char *const names[] = { "model loaded", "new process",
					     "new process, empty page cache" };
	static const char *const variants[] = { NULL, "cache=warm", "cache=cold" };
	elm__figure *figure =
		elm__report_figure(s->report, "cold", NULL, "The first token after a cold start");
	const elm__study_experiment *cold, *workload;
	elm__interval values[3] = { { 0 }, { 0 }, { 0 } };
	elm__panel *panel;
	elm__series *series;
	elm_status status = ELM_OK;

	figure->missing = elm__report_missing(s, "cold");
	if (figure->missing)
		return ELM_OK;
	cold = elm__results_experiment(s->results, s->results->config->id, "cold");
	workload = elm__results_experiment(s->results, s->results->config->id, "workload");
	panel = elm__figure_panel(s->report, figure, NULL, "", "TTFT with loading, ms");
	panel->x_names = names;
	panel->x_count = 3;
	series = elm__panel_series(s->report, panel, "median", ELM__COLOUR_FIRST, ELM__MARK_POINTS);
	for (int i = 0; i < 3 && status == ELM_OK; i++) {
		elm__trial_filter filter = { i	      ? cold->id :
					     workload ? workload->id :
							-1,
					     ELM__CATEGORY_COUNT, variants[i] };

		status = i ? cold_ttft(s, &filter, &values[i], error) :
			     elm__results_median(s->results, &filter, ELM__MEASURE_TTFT, &values[i],
						 error);
		if (status == ELM_OK)
			elm__series_interval(s->report, series, i, &values[i]);
	}
	figure->note = "Medians over the categories with 95 % intervals. A new process has to load "
		       "the model first; with an empty page cache, from the disk.";
	if (!elm__figure_has_points(figure))
		figure->missing = "no answer of this experiment has ended well";
	else if (values[1].n && values[2].n) {
		figure->message = elm__report_text(
			s->report,
			"A new process has its first token after %s, with an empty page cache "
			"after %s.",
			elm__report_ms(s->report, values[1].value),
			elm__report_ms(s->report, values[2].value));
		elm__report_find(s->report, "%s", figure->message);
	}
	return status;
}

/* --- a second process --- */

static elm_status add_probe(const elm__report_source *s, elm_error *error)
{
	static const char *const names[] = { "alone", "beside the model" };
	elm__figure *figure = elm__report_figure(
		s->report, "probe", NULL, "Whether the device stays usable beside the model");
	const elm__study_probe *probes = s->results->rows[ELM__TABLE_probe].items;
	size_t count = s->results->rows[ELM__TABLE_probe].count;
	double *values = elm__calloc(count + 1, sizeof(*values));
	elm__interval both[2] = { { 0 }, { 0 } };
	elm__panel *panel = elm__figure_panel(s->report, figure, NULL, "",
					      "time for a small piece of work, ms");
	elm__series *series =
		elm__panel_series(s->report, panel, "median", ELM__COLOUR_FIRST, ELM__MARK_POINTS);
	elm_status status =
		values ? ELM_OK :
			 elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a report");

	panel->x_names = names;
	panel->x_count = 2;
	for (int p = 0; p < 2 && status == ELM_OK; p++) {
		size_t found = 0;

		for (size_t i = 0; i < count; i++)
			if (s->results->config && probes[i].config_id == s->results->config->id &&
			    probes[i].phase && (strcmp(probes[i].phase, "alone") == 0) == (p == 0))
				values[found++] = elm__number(probes[i].duration_ns) * 1e-6;
		status = elm__median_interval(values, found, 1, &both[p], error);
		if (status == ELM_OK)
			elm__series_interval(s->report, series, p, &both[p]);
	}
	elm__free(values);
	figure->note = "A second process does the same small piece of work again and again, first "
		       "alone, then while the model answers. Medians with 95 % intervals.";
	if (!elm__figure_has_points(figure)) {
		figure->missing = elm__report_missing(s, "probe");
		figure->missing = figure->missing ? figure->missing : "the probe has not run";
	} else if (both[0].n && both[1].n && both[0].value > 0) {
		figure->message = elm__report_text(
			s->report,
			"Beside the model, a second process takes %.2f times as long as alone.",
			both[1].value / both[0].value);
		elm__report_find(s->report, "%s", figure->message);
	}
	return status;
}

/* --- sweeps --- */

static elm_status put_config(const elm__report_source *s, elm__grid *grid,
			     const elm__study_config *config, elm_error *error)
{
	static const elm__measure measures[] = { ELM__MEASURE_TTFT, ELM__MEASURE_TBT,
						 ELM__MEASURE_DECODE, ELM__MEASURE_PEAK_RSS,
						 ELM__MEASURE_ENERGY };
	const elm__study_experiment *workload =
		elm__results_experiment(s->results, config->id, "workload");
	elm__trial_filter filter = { workload ? workload->id : -1, ELM__CATEGORY_COUNT, NULL };

	elm__grid_cell(s->report, grid, "%s",
		       config->sweep && config->sweep[0] ? config->sweep : "base");
	for (size_t m = 0; m < sizeof(measures) / sizeof(measures[0]); m++) {
		elm__interval value;
		elm_status status =
			elm__results_median(s->results, &filter, measures[m], &value, error);

		if (status != ELM_OK)
			return status;
		if (!m)
			elm__grid_cell(s->report, grid, "%zu", value.n);
		elm__grid_interval(s->report, grid, &value, elm__measures[measures[m]].decimals);
	}
	return ELM_OK;
}

static elm_status add_sweeps(const elm__report_source *s, elm_error *error)
{
	static const char *const titles[] = { "Configuration",	  "n",
					      "TTFT, ms",	  "TBT, ms",
					      "Decode, tokens/s", "Peak memory, MiB",
					      "Energy, J/token" };
	const elm__study_config *configs = s->results->rows[ELM__TABLE_config].items;
	size_t count = s->results->rows[ELM__TABLE_config].count;
	elm__figure *figure;
	elm_status status = ELM_OK;

	if (count < 2)
		return ELM_OK;
	figure = elm__report_figure(s->report, "sweeps", NULL, "Other configurations");
	figure->note = "Medians over the queries of the workload, with 95 % intervals.";
	elm__grid_start(&figure->grid, sizeof(titles) / sizeof(titles[0]));
	for (size_t i = 0; i < figure->grid.columns; i++)
		elm__grid_cell(s->report, &figure->grid, "%s", titles[i]);
	for (size_t i = 0; i < count && status == ELM_OK; i++)
		status = put_config(s, &figure->grid, &configs[i], error);
	return status;
}

elm_status elm__figures_effects(const elm__report_source *s, elm_error *error)
{
	elm_status status = add_observer(s, error);

	if (status == ELM_OK)
		status = add_cold(s, error);
	if (status == ELM_OK)
		status = add_probe(s, error);
	return status == ELM_OK ? add_sweeps(s, error) : status;
}

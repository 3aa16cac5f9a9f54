/* figures_cost.c: what an answer costs: cache, memory traffic, operations, energy. */
#include <math.h>
#include <string.h>

#include "study/report.h"

/* --- keys and values --- */

static void put_row(const elm__report_source *s, elm__grid *grid, const char *what, double mib,
		    const char *how)
{
	elm__grid_cell(s->report, grid, "%s", what);
	if (isfinite(mib))
		elm__grid_cell(s->report, grid, "%.2f", mib);
	else
		elm__grid_cell(s->report, grid, "unmeasured");
	elm__grid_cell(s->report, grid, "%s", how);
}

static void add_kv(const elm__report_source *s)
{
	elm__figure *figure = elm__report_figure(s->report, "kv", NULL,
						 "The cache of keys and values, true and measured");
	const elm__study_config *config = s->results->config;
	const elm__study_model *model = s->results->model;
	double mib = 1.0 / (1 << 20), context, size, measured, ignoring;
	elm__series *series;
	elm__panel *panel;

	if (!config || !model || model->kv_token_bytes == ELM__STUDY_NONE ||
	    config->context == ELM__STUDY_NONE) {
		figure->missing = "the heads of the model or the context are not known: a server "
				  "does not say them";
		return;
	}
	context = elm__number(config->context);
	size = elm__number(model->kv_token_bytes) * context * mib;
	ignoring = elm__number(model->kv_token_bytes_mha) * context * mib;
	measured = elm__number(config->kv_bytes) * mib;
	panel = elm__figure_panel(s->report, figure, NULL, "context, tokens",
				  "keys and values, MiB");
	series = elm__panel_series(s->report, panel, "true size (grouped heads, f16)",
				   ELM__COLOUR_FIRST, ELM__MARK_LINE);
	elm__series_add(s->report, series, 0, 0);
	elm__series_add(s->report, series, context, size);
	if (isfinite(ignoring)) {
		series = elm__panel_series(s->report, panel, "as if every head had its own",
					   ELM__COLOUR_MUTED, ELM__MARK_LINE);
		series->dashed = true;
		elm__series_add(s->report, series, 0, 0);
		elm__series_add(s->report, series, context, ignoring);
	}
	series = elm__panel_series(s->report, panel,
				   elm__report_text(s->report, "the engine's cache (%s)",
						    config->kv_type ? config->kv_type : "?"),
				   ELM__COLOUR_SECOND, ELM__MARK_POINTS);
	elm__series_add(s->report, series, context, measured);
	elm__grid_start(&figure->grid, 3);
	elm__grid_cell(s->report, &figure->grid, "Size");
	elm__grid_cell(s->report, &figure->grid, "MiB");
	elm__grid_cell(s->report, &figure->grid, "How");
	put_row(s, &figure->grid, "true size", size,
		elm__report_text(s->report,
				 "2 x %.0f layers x %.0f heads of keys and values x %.0f x 2 bytes "
				 "x %.0f tokens",
				 elm__number(model->layers), elm__number(model->kv_heads),
				 elm__number(model->head_dim), context));
	put_row(s, &figure->grid, "ignoring that heads share them", ignoring,
		elm__report_text(s->report, "%.0f heads instead of %.0f", elm__number(model->heads),
				 elm__number(model->kv_heads)));
	put_row(s, &figure->grid, "the engine's cache", measured, "counted by the engine");
	if (isfinite(measured) && isfinite(ignoring) && size > 0) {
		figure->message = elm__report_text(
			s->report,
			"Keys and values of %.0f tokens need %.2f MiB in f16; the engine holds "
			"%.2f MiB (%s). A formula that ignores shared heads would say %.2f MiB, "
			"%.0f times as much.",
			context, size, measured, config->kv_type ? config->kv_type : "?", ignoring,
			ignoring / size);
		elm__report_find(s->report, "%s", figure->message);
	}
}

/* --- how near to the limits of the machine --- */

static void roof(const elm__report_source *s, elm__panel *panel, double limit)
{
	elm__series *series;
	double low = INFINITY, high = -INFINITY;

	for (const elm__series *i = panel->series; i; i = i->next)
		for (size_t p = 0; p < i->count; p++) {
			low = fmin(low, i->points[p].x);
			high = fmax(high, i->points[p].x);
		}
	if (!(limit > 0) || !(low <= high))
		return;
	series = elm__panel_series(s->report, panel, "limit of the machine", ELM__COLOUR_MUTED,
				   ELM__MARK_LINE);
	series->dashed = true;
	elm__series_add(s->report, series, low, limit);
	elm__series_add(s->report, series, high, limit);
}

/* Bytes that one token reads while it is generated: every weight once, and what is cached. */
static double decode_bytes(const elm__results *r, const elm__study_trial *trial)
{
	double depth = elm__number(trial->prompt_tokens) + elm__number(trial->output_tokens) / 2;
	double cached = elm__number(r->config->kv_bytes) / elm__number(r->config->context);

	return elm__number(r->model->weight_bytes) +
	       (isfinite(cached) ? cached : elm__number(r->model->kv_token_bytes)) * depth;
}

static elm_status say_bandwidth(const elm__report_source *s, elm__figure *figure, double sum,
				size_t count)
{
	double mean = count ? sum / (double)count : NAN, limit = s->options->read_bytes_per_second;

	if (!isfinite(mean))
		return ELM_OK;
	if (limit > 0)
		figure->message = elm__report_text(
			s->report,
			"While it generates, the engine reads %.2f GB/s on average, %.0f %% of "
			"what this machine's memory gives (%.2f GB/s).",
			mean * 1e-9, 100 * mean / limit, limit * 1e-9);
	else
		figure->message = elm__report_text(
			s->report,
			"While it generates, the engine reads %.2f GB/s on average; what the "
			"memory could give is unmeasured.",
			mean * 1e-9);
	elm__report_find(s->report, "%s", figure->message);
	return ELM_OK;
}

static elm_status add_roofline(const elm__report_source *s, elm_error *error)
{
	elm__figure *figure = elm__report_figure(s->report, "roofline", NULL,
						 "How near to the limits of the machine");
	const elm__results *r = s->results;
	const elm__study_experiment *workload;
	elm__panel *decode, *prefill;
	double sum = 0;
	size_t count = 0;

	(void)error;
	figure->missing = elm__report_missing(s, "workload");
	if (!figure->missing && (!r->model || r->model->weight_bytes == ELM__STUDY_NONE))
		figure->missing = "the size of the weights is not known: a server does not say it";
	if (figure->missing)
		return ELM_OK;
	workload = elm__results_experiment(r, r->config->id, "workload");
	decode = elm__figure_panel(s->report, figure, "Decode: memory that is read",
				   "depth: prompt and half of the answer, tokens", "GB/s");
	prefill = elm__figure_panel(s->report, figure, "Prefill: operations", "prompt, tokens",
				    "10\u2079 operations/s");
	for (elm__category c = 0; c < ELM__CATEGORY_COUNT; c++) {
		elm__trial_filter filter = { workload->id, c, NULL };
		elm__series *read = elm__panel_series(s->report, decode, elm__category_name(c),
						      (int)c, ELM__MARK_POINTS);
		elm__series *work = elm__panel_series(s->report, prefill, elm__category_name(c),
						      (int)c, ELM__MARK_POINTS);
		const elm__study_trial *trial;
		size_t at = 0;

		while ((trial = elm__results_next(r, &filter, &at))) {
			double tbt = elm__measure_of(r, trial, ELM__MEASURE_TBT) * 1e-3;
			double speed = elm__measure_of(r, trial, ELM__MEASURE_PREFILL);
			double bytes = decode_bytes(r, trial) / tbt;

			if (isfinite(bytes)) {
				elm__series_add(s->report, read,
						elm__number(trial->prompt_tokens) +
							elm__number(trial->output_tokens) / 2,
						bytes * 1e-9);
				sum += bytes;
				count++;
			}
			if (isfinite(speed))
				elm__series_add(s->report, work, elm__number(trial->prompt_tokens),
						2 * elm__number(r->model->parameters) * speed *
							1e-9);
		}
	}
	roof(s, decode, s->options->read_bytes_per_second * 1e-9);
	roof(s, prefill, s->options->operations_per_second * 1e-9);
	figure->note = elm__report_text(
		s->report,
		"Decode: every weight once and the cache up to the depth, divided by TBT. Prefill: "
		"two operations for each weight and token, divided by the time for the prompt. %s",
		s->options->peaks_note ? s->options->peaks_note :
					 "The limits of the machine are unmeasured; `edgelm study "
					 "report --roofline MODEL` measures them where it runs.");
	if (!elm__figure_has_points(figure))
		figure->missing = "no answer has more than one token";
	return say_bandwidth(s, figure, sum, count);
}

/* --- energy --- */

static const char *energy_reason(const elm__report_source *s)
{
	const elm__study_trial *trials = s->results->rows[ELM__TABLE_trial].items;

	for (size_t i = 0; i < s->results->rows[ELM__TABLE_trial].count; i++)
		if (isnan(trials[i].energy_j) && trials[i].energy_note)
			return elm__report_text(s->report, "energy is unmeasured: %s",
						trials[i].energy_note);
	return "energy is unmeasured: this machine has no sensor of power";
}

static const char *energy_scope(const elm__report_source *s, int64_t experiment)
{
	elm__trial_filter filter = { experiment, ELM__CATEGORY_COUNT, NULL };
	const elm__study_trial *trial;
	size_t at = 0;

	while ((trial = elm__results_next(s->results, &filter, &at)))
		if (isfinite(trial->energy_j) && trial->energy_scope)
			return trial->energy_scope;
	return "unknown";
}

static elm_status add_energy_panel(const elm__report_source *s, elm__figure *figure,
				   int64_t experiment, elm_error *error)
{
	static const elm__measure measures[] = { ELM__MEASURE_ENERGY, ELM__MEASURE_NET_ENERGY };
	static const int colours[] = { ELM__COLOUR_FIRST, ELM__COLOUR_SECOND };
	static const char *const labels[] = { "all of the device", "above the idle device" };
	elm__panel *panel =
		elm__figure_panel(s->report, figure, NULL, "", "joules per token of answer");

	panel->x_names = elm__category_names;
	panel->x_count = ELM__CATEGORY_COUNT;
	for (int m = 0; m < 2; m++) {
		elm__series *series = elm__panel_series(s->report, panel, labels[m], colours[m],
							ELM__MARK_POINTS);

		for (elm__category c = 0; c < ELM__CATEGORY_COUNT; c++) {
			elm__trial_filter filter = { experiment, c, NULL };
			elm__interval value;
			elm_status status = elm__results_median(s->results, &filter, measures[m],
								&value, error);

			if (status != ELM_OK)
				return status;
			elm__series_interval(s->report, series, c + (m - 0.5) * 0.16, &value);
		}
	}
	return ELM_OK;
}

static elm_status add_energy(const elm__report_source *s, elm_error *error)
{
	elm__figure *figure =
		elm__report_figure(s->report, "energy", NULL, "Energy for each token");
	const elm__study_experiment *workload;
	elm__trial_filter filter = { .category = ELM__CATEGORY_COUNT };
	elm__interval energy, power;
	elm_status status;

	figure->missing = elm__report_missing(s, "workload");
	if (figure->missing)
		return ELM_OK;
	workload = elm__results_experiment(s->results, s->results->config->id, "workload");
	filter.experiment_id = workload->id;
	status = elm__results_median(s->results, &filter, ELM__MEASURE_ENERGY, &energy, error);
	if (status == ELM_OK)
		status =
			elm__results_median(s->results, &filter, ELM__MEASURE_POWER, &power, error);
	if (status == ELM_OK && !energy.n) {
		figure->missing = energy_reason(s);
		elm__report_find(s->report, "No joules: %s.", figure->missing);
		return ELM_OK;
	}
	if (status == ELM_OK)
		status = add_energy_panel(s, figure, workload->id, error);
	if (status != ELM_OK)
		return status;
	figure->note = elm__report_text(s->report,
					"Power over the time of the whole request, medians with "
					"95 %% intervals. Scope of the power: %s.",
					energy_scope(s, workload->id));
	figure->message = elm__report_text(s->report,
					   "A token of answer costs %.2f J (median), with the "
					   "prompt that led to it; the power "
					   "is %.2f W meanwhile.",
					   energy.value, power.value);
	elm__report_find(s->report, "%s", figure->message);
	return ELM_OK;
}

elm_status elm__figures_cost(const elm__report_source *s, elm_error *error)
{
	elm_status status;

	add_kv(s);
	status = add_roofline(s, error);
	return status == ELM_OK ? add_energy(s, error) : status;
}

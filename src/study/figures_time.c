/* figures_time.c: what was sampled, over time. */
#include <math.h>

#include "study/report.h"

enum { POINTS_SHOWN = 1600 };

/* A metric as a series. */
typedef struct sampled {
	const elm__report_source *s;
	elm__series *series;
	double zero_ns, x_factor, y_factor;
} sampled;

static bool add_sample(void *user, const double *values, size_t count)
{
	sampled *m = user;

	(void)count;
	elm__series_add(m->s->report, m->series, (values[0] - m->zero_ns) * m->x_factor,
			values[1] * m->y_factor);
	return !m->s->report->failed;
}

/* Where a metric is, and in which form it is shown. */
typedef struct curve {
	const char *metric, *label;
	int colour;
	double factor;
} curve;

/* Adds the samples of an experiment's trials, or of one trial. False: there are none. */
static elm_status add_curve(const elm__report_source *s, elm__panel *panel, const curve *c,
			    bool one_trial, int64_t id, double zero_ns, double x_factor,
			    elm_error *error)
{
	static const char *const all =
		"SELECT s.at_ns, s.value FROM sample s JOIN trial t ON t.id = s.trial_id "
		"WHERE t.experiment_id = ?1 AND s.metric_id = ?2 AND t.warmup = 0 ORDER BY s.at_ns";
	static const char *const one = "SELECT at_ns, value FROM sample WHERE trial_id = ?1 AND "
				       "metric_id = ?2 ORDER BY at_ns";
	const elm__study_metric *metric = elm__results_metric(s->results, c->metric);
	sampled m = { s, NULL, zero_ns, x_factor, c->factor };
	elm_status status;

	if (!metric || metric->reason)
		return ELM_OK;
	m.series = elm__panel_series(s->report, panel, c->label, c->colour, ELM__MARK_STEP);
	status = elm__store_select(s->results->store, one_trial ? one : all, id, metric->id,
				   add_sample, &m, error);
	elm__series_thin(s->report, m.series, POINTS_SHOWN);
	return status;
}

/* "GPU load: unmeasured (no GPU found)." for a note, or "". */
static const char *why_not(const elm__report_source *s, const char *metric, const char *what)
{
	const elm__study_metric *m = elm__results_metric(s->results, metric);

	if (m && !m->reason)
		return "";
	return elm__report_text(s->report, " %s: unmeasured (%s).", what,
				m ? m->reason : "this machine has no such sensor");
}

typedef struct over_time {
	const char *id, *number, *title;
	const char *panel_titles[2], *y_labels[2];
	curve curves[2][3];		       /* of the two panels */
	const char *optional, *optional_title; /* a metric that many machines lack */
	const char *note;
} over_time;

static const over_time workload_figures[] = {
	{ "memory",
	  "2",
	  "Memory during the workload",
	  { "Memory of the process", "Memory of the device" },
	  { "MiB", "MiB" },
	  { { { "process_rss", "resident (RSS)", ELM__COLOUR_FIRST, 1.0 / (1 << 20) },
	      { "process_file", "of files: the mapped model", ELM__COLOUR_MUTED, 1.0 / (1 << 20) },
	      { "process_anonymous", "its own: cache and buffers", ELM__COLOUR_SECOND,
		1.0 / (1 << 20) } },
	    { { "memory_available", "available to processes", ELM__COLOUR_FIRST, 1.0 / (1 << 20) },
	      { "process_gpu_memory", "of the process on the GPU", ELM__COLOUR_SECOND,
		1.0 / (1 << 20) },
	      { NULL } } },
	  "process_gpu_memory",
	  "GPU memory",
	  "Pages of the mapped model are in memory once for all processes and can be dropped; what "
	  "the process has for itself cannot." },
	{ "load",
	  "5",
	  "Processor and GPU during the workload",
	  { "Processor", "GPU" },
	  { "% of all cores", "%" },
	  { { { "cpu", "device", ELM__COLOUR_MUTED, 1 },
	      { "process_cpu", "process", ELM__COLOUR_FIRST, 1 },
	      { NULL } },
	    { { "gpu", "device", ELM__COLOUR_SECOND, 1 }, { NULL }, { NULL } } },
	  "gpu",
	  "GPU load",
	  "Differences between two readings, not averages since the start of a process." },
};

static elm_status add_over_time(const elm__report_source *s, const over_time *f,
				const elm__study_experiment *workload, elm_error *error)
{
	elm__figure *figure = elm__report_figure(s->report, f->id, f->number, f->title);
	elm_status status = ELM_OK;

	figure->missing = elm__report_missing(s, "workload");
	for (int p = 0; p < 2 && !figure->missing && status == ELM_OK; p++) {
		bool any = false;

		for (int i = 0; i < 3 && f->curves[p][i].metric; i++) {
			const elm__study_metric *m =
				elm__results_metric(s->results, f->curves[p][i].metric);

			any |= m && !m->reason;
		}
		if (any) {
			elm__panel *panel =
				elm__figure_panel(s->report, figure, f->panel_titles[p],
						  "time of the study, minutes", f->y_labels[p]);

			for (int i = 0; i < 3 && f->curves[p][i].metric && status == ELM_OK; i++)
				status = add_curve(s, panel, &f->curves[p][i], false, workload->id,
						   0, 1e-9 / 60, error);
		}
	}
	figure->note =
		elm__report_text(s->report,
				 "%s Long curves are shown by the extremes of each stretch.%s",
				 f->note, why_not(s, f->optional, f->optional_title));
	if (!figure->missing && !elm__figure_has_points(figure))
		figure->missing = "nothing was sampled in this experiment";
	return status;
}

/* The most memory that each answer took. */
static void add_zoom(const elm__report_source *s, const elm__study_experiment *workload)
{
	elm__figure *figure = elm__report_figure(s->report, "memory-zoom", "3",
						 "Peak memory of each answer, enlarged");
	elm__panel *panel;

	figure->missing = elm__report_missing(s, "workload");
	if (figure->missing)
		return;
	panel = elm__figure_panel(s->report, figure, NULL, "time of the study, minutes",
				  "peak resident memory, MiB");
	panel->y_from_zero = false;
	for (elm__category c = 0; c < ELM__CATEGORY_COUNT; c++) {
		elm__trial_filter filter = { workload->id, c, NULL };
		elm__series *series = elm__panel_series(s->report, panel, elm__category_name(c),
							(int)c, ELM__MARK_POINTS);
		const elm__study_trial *trial;
		size_t at = 0;

		while ((trial = elm__results_next(s->results, &filter, &at))) {
			double peak = elm__measure_of(s->results, trial, ELM__MEASURE_PEAK_RSS);

			if (isfinite(peak) && trial->start_ns != ELM__STUDY_NONE)
				elm__series_add(s->report, series,
						(double)trial->start_ns * 1e-9 / 60, peak);
		}
	}
	figure->note = "The kernel's own peak (VmHWM), reset before each query. The axis does not "
		       "begin at 0.";
	if (!elm__figure_has_points(figure))
		figure->missing = "the peak memory of the process is unmeasured";
}

/* The last trial of a category's median query that was recorded. */
static const elm__study_trial *last_recorded(const elm__report_source *s,
					     const elm__study_experiment *median, elm__category c)
{
	elm__trial_filter filter = { median->id, c, NULL };
	const elm__study_trial *trial, *last = NULL;
	size_t at = 0;

	while ((trial = elm__results_next(s->results, &filter, &at)))
		if (trial->recorded == 1)
			last = trial;
	return last;
}

/* A panel of a metric with a curve for each category. */
static elm_status add_median_panel(const elm__report_source *s, elm__figure *figure,
				   const elm__study_experiment *median, const char *title,
				   const char *y_label, const char *metric, double factor,
				   elm_error *error)
{
	const elm__study_metric *m = elm__results_metric(s->results, metric);
	elm__panel *panel;
	elm_status status = ELM_OK;

	if (!m || m->reason)
		return ELM_OK;
	panel = elm__figure_panel(s->report, figure, title, "since the request, s", y_label);
	for (elm__category c = 0; c < ELM__CATEGORY_COUNT && status == ELM_OK; c++) {
		const elm__study_trial *trial = last_recorded(s, median, c);
		curve one = { metric, elm__category_name(c), (int)c, factor };

		if (trial && trial->start_ns != ELM__STUDY_NONE)
			status = add_curve(s, panel, &one, true, trial->id, (double)trial->start_ns,
					   1e-9, error);
	}
	return status;
}

static const char *rate_note(const elm__report_source *s, const elm__study_experiment *median,
			     const char *metric)
{
	const elm__study_metric *m = elm__results_metric(s->results, metric);
	const elm__study_rate *rates = s->results->rows[ELM__TABLE_rate].items;

	for (size_t i = 0; m && i < s->results->rows[ELM__TABLE_rate].count; i++)
		if (rates[i].experiment_id == median->id && rates[i].metric_id == m->id &&
		    rates[i].update_ns != ELM__STUDY_NONE)
			return elm__report_text(s->report,
						" %s has a new value about every %.0f ms.", metric,
						(double)rates[i].update_ns * 1e-6);
	return "";
}

static elm_status add_median_runs(const elm__report_source *s, elm_error *error)
{
	elm__figure *load = elm__report_figure(s->report, "median-load", "8",
					       "Processor and GPU during the median queries");
	elm__figure *memory = elm__report_figure(s->report, "median-memory", "9",
						 "Memory during the median queries");
	const elm__study_experiment *median;
	elm_status status;

	load->missing = memory->missing = elm__report_missing(s, "median");
	if (load->missing)
		return ELM_OK;
	median = elm__results_experiment(s->results, s->results->config->id, "median");
	status = add_median_panel(s, load, median, "Processor time of the process",
				  "% of all cores", "process_cpu", 1, error);
	if (status == ELM_OK)
		status = add_median_panel(s, load, median, "GPU", "%", "gpu", 1, error);
	if (status == ELM_OK)
		status = add_median_panel(s, memory, median, "Resident memory of the process",
					  "MiB", "process_rss", 1.0 / (1 << 20), error);
	if (status == ELM_OK)
		status = add_median_panel(s, memory, median, "Its own memory (anonymous)", "MiB",
					  "process_anonymous", 1.0 / (1 << 20), error);
	load->note = elm__report_text(s->report, "One run each, asked to sample every %.0f ms.%s%s",
				      (double)median->interval_ns * 1e-6,
				      rate_note(s, median, "process_cpu"),
				      why_not(s, "gpu", "GPU load"));
	memory->note = elm__report_text(s->report, "The same runs.%s",
					rate_note(s, median, "process_rss"));
	if (!elm__figure_has_points(load))
		load->missing = "processor time was not sampled in this experiment";
	if (!elm__figure_has_points(memory))
		memory->missing = "memory was not sampled in this experiment";
	return status;
}

elm_status elm__figures_time(const elm__report_source *s, elm_error *error)
{
	const elm__study_experiment *workload =
		s->results->config ?
			elm__results_experiment(s->results, s->results->config->id, "workload") :
			NULL;
	elm_status status = add_over_time(s, &workload_figures[0], workload, error);

	if (status == ELM_OK) {
		add_zoom(s, workload);
		status = add_over_time(s, &workload_figures[1], workload, error);
	}
	return status == ELM_OK ? add_median_runs(s, error) : status;
}

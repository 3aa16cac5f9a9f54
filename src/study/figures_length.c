/* figures_length.c: how latencies and memory change with the length of answer and prompt, and
 * whether anything but length does. */
#include <math.h>

#include "base/alloc.h"
#include "study/report.h"

/* An experiment that varies one number. */
typedef struct varied {
	const char *id, *number, *title;
	const char *kind, *prefix; /* of the variant */
	const char *x_label, *note;
} varied;

static const varied output_length = {
	"output-length",
	"10",
	"The same prompt, answers of several lengths",
	"output-length",
	"n=",
	"answer, tokens",
	"One prompt; answers may not end early. Medians of the repeats with 95 % intervals.",
};
static const varied prompt_length = {
	"prompt-length",
	"11",
	"Prompts of several lengths, the same length of answer",
	"prompt-length",
	"p=",
	"prompt, tokens",
	"Answers have equal lengths. Medians of the repeats with 95 % intervals.",
};

enum { VARIANTS = 32 };

static const elm__measure panels[] = { ELM__MEASURE_TTFT, ELM__MEASURE_TBT, ELM__MEASURE_PEAK_RSS };

static elm_status measure_variant(const elm__report_source *s, int64_t experiment, const varied *v,
				  int64_t value, elm__measure measure, elm__interval *out,
				  elm_error *error)
{
	elm__trial_filter filter = { experiment, ELM__CATEGORY_COUNT,
				     elm__report_text(s->report, "%s%lld", v->prefix,
						      (long long)value) };

	return elm__results_median(s->results, &filter, measure, out, error);
}

/* Peak memory that grows by less than a percent over all lengths does not depend on them. */
static void say_memory(const elm__report_source *s, elm__figure *figure, const varied *v,
		       const elm__series *memory)
{
	double low = INFINITY, high = 0, first, last;

	if (memory->count < 2)
		return;
	for (size_t i = 0; i < memory->count; i++) {
		low = fmin(low, memory->points[i].y);
		high = fmax(high, memory->points[i].y);
	}
	first = memory->points[0].x;
	last = memory->points[memory->count - 1].x;
	if (high - low < low * 0.01)
		figure->message = elm__report_text(
			s->report,
			"Between %.0f and %.0f tokens of %s the peak memory of the process stays "
			"within %.1f MiB (%.2f %%): what a session needs is taken before it "
			"begins.",
			first, last, v->prefix[0] == 'n' ? "answer" : "prompt", high - low,
			100 * (high - low) / low);
	else
		figure->message = elm__report_text(
			s->report,
			"Between %.0f and %.0f tokens of %s the peak memory of the process moves "
			"by %.1f MiB (%.1f %%).",
			first, last, v->prefix[0] == 'n' ? "answer" : "prompt", high - low,
			100 * (high - low) / low);
	elm__report_find(s->report, "%s", figure->message);
}

static elm_status add_varied(const elm__report_source *s, const varied *v, elm_error *error)
{
	elm__figure *figure = elm__report_figure(s->report, v->id, v->number, v->title);
	const elm__study_experiment *experiment;
	int64_t values[VARIANTS];
	size_t count;

	figure->missing = elm__report_missing(s, v->kind);
	if (figure->missing)
		return ELM_OK;
	experiment = elm__results_experiment(s->results, s->results->config->id, v->kind);
	count = elm__results_variants(s->results, experiment->id, v->prefix, values, VARIANTS);
	figure->note = v->note;
	for (size_t p = 0; p < sizeof(panels) / sizeof(panels[0]); p++) {
		const elm__measure_info *info = &elm__measures[panels[p]];
		elm__panel *panel = elm__figure_panel(
			s->report, figure, info->title, v->x_label,
			elm__report_text(s->report, "%s, %s",
					 panels[p] == ELM__MEASURE_PEAK_RSS ? "peak" : info->title,
					 info->unit));
		elm__series *line = elm__panel_series(s->report, panel, info->title,
						      ELM__COLOUR_FIRST, ELM__MARK_POINTS);

		for (size_t i = 0; i < count; i++) {
			elm__interval value;
			elm_status status = measure_variant(s, experiment->id, v, values[i],
							    panels[p], &value, error);

			if (status != ELM_OK)
				return status;
			elm__series_interval(s->report, line, (double)values[i], &value);
		}
		if (panels[p] == ELM__MEASURE_PEAK_RSS)
			say_memory(s, figure, v, line);
	}
	if (!elm__figure_has_points(figure))
		figure->missing = "no answer of this experiment has ended well";
	return ELM_OK;
}

/* The ratio of the means of two groups; its interval by the delta method, on logarithms. */
static elm__interval mean_ratio(const elm__values *a, const elm__values *b)
{
	elm__interval x = elm__mean_interval(a->items, a->count),
		      y = elm__mean_interval(b->items, b->count);
	elm__interval ratio = {
		.n = x.n < y.n ? x.n : y.n, .value = y.value / x.value, .low = NAN, .high = NAN
	};

	if (!ratio.n)
		ratio.value = NAN;
	if (isfinite(x.high) && isfinite(y.high)) {
		double spread =
			exp(hypot((x.high - x.value) / x.value, (y.high - y.value) / y.value));

		ratio.low = ratio.value / spread;
		ratio.high = ratio.value * spread;
	}
	return ratio;
}

static const elm__measure compared[] = { ELM__MEASURE_PROMPT_TOKENS, ELM__MEASURE_OUTPUT_TOKENS,
					 ELM__MEASURE_TTFT, ELM__MEASURE_TBT, ELM__MEASURE_TOTAL };

static elm_status put_comparison(const elm__report_source *s, elm__figure *figure,
				 const elm__study_experiment *experiment, elm_error *error)
{
	static const char *const titles[] = { "Measure", "n", "contextual", "task-oriented",
					      "task-oriented / contextual" };
	elm__trial_filter filters[2] = { { experiment->id, ELM__CATEGORY_CONTEXTUAL, NULL },
					 { experiment->id, ELM__CATEGORY_TASK_ORIENTED, NULL } };

	elm__grid_start(&figure->grid, sizeof(titles) / sizeof(titles[0]));
	for (size_t i = 0; i < figure->grid.columns; i++)
		elm__grid_cell(s->report, &figure->grid, "%s", titles[i]);
	for (size_t m = 0; m < sizeof(compared) / sizeof(compared[0]); m++) {
		const elm__measure_info *info = &elm__measures[compared[m]];
		elm__values values[2] = { { 0 }, { 0 } };
		elm__interval both[2], ratio;
		elm_status status = ELM_OK;

		for (int i = 0; i < 2 && status == ELM_OK; i++)
			status = elm__results_values(s->results, &filters[i], compared[m],
						     &values[i], error);
		if (status == ELM_OK) {
			for (int i = 0; i < 2; i++)
				both[i] = elm__mean_interval(values[i].items, values[i].count);
			ratio = mean_ratio(&values[0], &values[1]);
			elm__grid_cell(s->report, &figure->grid, "%s, %s", info->title, info->unit);
			elm__grid_cell(s->report, &figure->grid, "%zu and %zu", both[0].n,
				       both[1].n);
			for (int i = 0; i < 2; i++)
				elm__grid_interval(s->report, &figure->grid, &both[i],
						   info->decimals);
			elm__grid_interval(s->report, &figure->grid, &ratio, 3);
		}
		if (status == ELM_OK && compared[m] == ELM__MEASURE_TOTAL && ratio.n &&
		    isfinite(ratio.value)) {
			figure->message = elm__report_text(
				s->report,
				"With prompts and answers of equal length, task-oriented queries "
				"take %.3f times as long as contextual ones%s: %s.",
				ratio.value,
				isfinite(ratio.low) ?
					elm__report_text(s->report,
							 " (95 %% interval %.3f to %.3f)",
							 ratio.low, ratio.high) :
					"",
				!isfinite(ratio.low) ?
					"a single measurement says nothing of chance" :
				ratio.low <= 1 && ratio.high >= 1 ?
					"no difference that chance would not make" :
				fabs(ratio.value - 1) < 0.02 ?
					"a difference, but one of less than 2 %" :
					"the kind of query makes a difference here");
			elm__report_find(s->report, "%s", figure->message);
		}
		elm__values_release(&values[0]);
		elm__values_release(&values[1]);
		if (status != ELM_OK)
			return status;
	}
	return ELM_OK;
}

static elm_status add_equal(const elm__report_source *s, elm_error *error)
{
	elm__figure *figure = elm__report_figure(s->report, "equal-prompt", "12",
						 "Two categories at equal prompt and equal answer");
	const elm__study_experiment *experiment;
	elm__panel *panel;

	figure->missing = elm__report_missing(s, "equal-prompt");
	if (figure->missing)
		return ELM_OK;
	experiment = elm__results_experiment(s->results, s->results->config->id, "equal-prompt");
	panel = elm__figure_panel(s->report, figure, NULL, "prompt, tokens", "total time, s");
	for (elm__category c = 0; c < ELM__CATEGORY_COUNT; c++) {
		elm__trial_filter filter = { experiment->id, c, NULL };
		elm__series *series = NULL;
		const elm__study_trial *trial;
		size_t at = 0;

		while ((trial = elm__results_next(s->results, &filter, &at))) {
			if (!series)
				series = elm__panel_series(s->report, panel, elm__category_name(c),
							   (int)c, ELM__MARK_POINTS);
			elm__series_add(s->report, series,
					elm__measure_of(s->results, trial,
							ELM__MEASURE_PROMPT_TOKENS),
					elm__measure_of(s->results, trial, ELM__MEASURE_TOTAL));
		}
	}
	panel->y_from_zero = false;
	figure->note =
		"Each point is an answer; the table has means with 95 % intervals. The study "
		"before compared 372 with 334 tokens of prompt and 50 with 34 of answer. The "
		"axis does not begin at 0.";
	if (!elm__figure_has_points(figure)) {
		figure->missing = "no answer of this experiment has ended well";
		return ELM_OK;
	}
	return put_comparison(s, figure, experiment, error);
}

elm_status elm__figures_length(const elm__report_source *s, elm_error *error)
{
	elm_status status = add_varied(s, &output_length, error);

	if (status == ELM_OK)
		status = add_varied(s, &prompt_length, error);
	return status == ELM_OK ? add_equal(s, error) : status;
}

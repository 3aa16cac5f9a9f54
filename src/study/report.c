/* report.c: from the folder of a study to files. */
#include "study/report.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/folder.h"
#include "study/plot.h"

const char *elm__report_ms(elm__report *report, double milliseconds)
{
	if (milliseconds >= 10000)
		return elm__report_text(report, "%.1f s", milliseconds * 1e-3);
	if (milliseconds >= 1000)
		return elm__report_text(report, "%.2f s", milliseconds * 1e-3);
	return elm__report_text(report, milliseconds >= 100 ? "%.0f ms" : "%.1f ms", milliseconds);
}

const char *elm__report_missing(const elm__report_source *s, const char *kind)
{
	const elm__results *r = s->results;
	const elm__study_experiment *experiment =
		r->config ? elm__results_experiment(r, r->config->id, kind) : NULL;
	elm__trial_filter filter = { .category = ELM__CATEGORY_COUNT };
	size_t at = 0;

	if (!experiment)
		return elm__report_text(s->report, "the study has no experiment \"%s\"", kind);
	filter.experiment_id = experiment->id;
	if (elm__results_next(r, &filter, &at))
		return NULL;
	if (experiment->note && experiment->note[0])
		return elm__report_text(s->report, "the experiment \"%s\" was left out: %s", kind,
					experiment->note);
	return elm__report_text(s->report,
				"the experiment \"%s\" has no answer yet; `edgelm study run` with "
				"the same options goes on with it",
				kind);
}

/* What became of the requests. */
typedef struct outcome {
	size_t ok, truncated, rejected, failed;
} outcome;

static outcome count_trials(const elm__results *r)
{
	const elm__study_trial *trials = r->rows[ELM__TABLE_trial].items;
	outcome o = { 0 };

	for (size_t i = 0; i < r->rows[ELM__TABLE_trial].count; i++) {
		const char *status = trials[i].status ? trials[i].status : "";

		if (trials[i].warmup == 1)
			continue;
		o.ok += strcmp(status, "ok") == 0;
		o.truncated += strcmp(status, "truncated") == 0;
		o.rejected += strcmp(status, "rejected") == 0;
		o.failed += strcmp(status, "failed") == 0;
	}
	return o;
}

elm_status elm__report_counts(const elm__report_source *s, elm_error *error)
{
	const elm__results *r = s->results;
	outcome o = count_trials(r);
	const elm__study_event *events = r->rows[ELM__TABLE_event].items;
	const elm__study_experiment *e = r->rows[ELM__TABLE_experiment].items;
	size_t throttled = 0, unfinished = 0;

	(void)error;
	for (size_t i = 0; i < r->rows[ELM__TABLE_event].count; i++)
		throttled += events[i].kind && strcmp(events[i].kind, "throttled") == 0;
	for (size_t i = 0; i < r->rows[ELM__TABLE_experiment].count; i++)
		unfinished += e[i].state && strcmp(e[i].state, "done") != 0 &&
			      strcmp(e[i].state, "skipped") != 0;
	if (unfinished)
		elm__report_find(s->report,
				 "The study is not finished: %zu of %zu experiments are not done. "
				 "What follows is what there is.",
				 unfinished, r->rows[ELM__TABLE_experiment].count);
	elm__report_find(s->report, "%zu requests were measured: %zu ended well%s%s%s.",
			 o.ok + o.truncated + o.rejected + o.failed, o.ok,
			 o.truncated ?
				 elm__report_text(s->report, ", %zu were cut off by a full context",
						  o.truncated) :
				 "",
			 o.rejected ? elm__report_text(s->report,
						       ", %zu were rejected because their prompt "
						       "does not fit",
						       o.rejected) :
				      "",
			 o.failed ? elm__report_text(s->report, ", %zu failed", o.failed) : "");
	if (throttled)
		elm__report_find(s->report, "The device was throttled %zu times; see the appendix.",
				 throttled);
	return ELM_OK;
}

typedef elm_status part(const elm__report_source *s, elm_error *error);

static elm_status build(const elm__report_source *s, elm_error *error)
{
	static part *const parts[] = {
		elm__report_counts, elm__figures_tables, elm__figures_latency, elm__figures_fit,
		elm__figures_time,  elm__figures_length, elm__figures_cost,    elm__figures_effects,
	};
	elm_status status = ELM_OK;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && status == ELM_OK; i++)
		status = parts[i](s, error);
	if (status == ELM_OK && s->report->failed)
		status = elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a report");
	return status;
}

static elm_status write_image(const elm__figure *figure, const char *folder, elm_error *error)
{
	enum { SCALE = 2, HEAD = 44 };
	elm__buf bytes = ELM__BUF_INIT, path = ELM__BUF_INIT;
	double height = HEAD, top = HEAD;
	elm__png *png = NULL;
	elm_status status;

	for (const elm__panel *p = figure->panels; p; p = p->next)
		height += elm__plot_height(p);
	status = elm__png_create(ELM__PLOT_WIDTH, height, SCALE, &png, error);
	if (status == ELM_OK) {
		elm__canvas *canvas = elm__png_canvas(png);

		canvas->text(canvas, 16, 28, figure->title, ELM__ANCHOR_START, 17, ELM__INK_TEXT,
			     true, false);
		for (const elm__panel *p = figure->panels; p; p = p->next) {
			elm__plot_panel(canvas, p, top);
			top += elm__plot_height(p);
		}
		status = elm__png_encode(png, &bytes, error);
	}
	elm__buf_printf(&path, "%s/%s.png", folder, figure->id);
	if (status == ELM_OK)
		status = elm__buf_status(&path, error);
	if (status == ELM_OK)
		status = elm__file_replace(path.data, bytes.data, bytes.length, error);
	elm__png_free(png);
	elm__buf_release(&bytes);
	elm__buf_release(&path);
	return status;
}

static elm_status write_files(const elm__report_source *s, const char *page, const char *images,
			      elm__report_result *result, elm_error *error)
{
	elm__buf html = ELM__BUF_INIT;
	elm_status status = elm__report_page(s, &html, error);

	if (status == ELM_OK)
		status = elm__file_replace(page, html.data, html.length, error);
	elm__buf_release(&html);
	if (status == ELM_OK && images)
		status = elm__folder_make(images, 0777, error);
	for (const elm__figure *f = s->report->figures; f && status == ELM_OK; f = f->next) {
		bool drawn = !f->missing && elm__figure_has_points(f);

		result->figures += !f->missing;
		result->missing += f->missing != NULL;
		if (images && drawn) {
			status = write_image(f, images, error);
			result->images++;
		}
	}
	for (const elm__sentence *f = s->report->findings; f; f = f->next)
		result->findings++;
	return status;
}

elm_status elm__report_write(const char *folder, const char *page, const char *images,
			     const elm__report_options *options, elm__report_result *result,
			     elm_error *error)
{
	elm__results results;
	elm__reference reference = { 0 };
	elm__report report;
	elm__report_source source = { .results = &results, .options = options, .report = &report };
	elm_status status;

	memset(result, 0, sizeof(*result));
	elm__report_init(&report);
	status = elm__results_open(folder, &results, error);
	if (status == ELM_OK && images && !elm__png_available()) {
		elm__png *none;

		status = elm__png_create(1, 1, 1, &none, error);
	}
	if (status == ELM_OK && options->reference) {
		status = elm__reference_read(options->reference, &reference, error);
		source.reference = &reference;
	}
	if (status == ELM_OK)
		status = build(&source, error);
	if (status == ELM_OK)
		status = write_files(&source, page, images, result, error);
	elm__reference_release(&reference);
	elm__results_release(&results);
	elm__report_release(&report);
	return status;
}

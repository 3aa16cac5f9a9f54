/*
 * report.h: what a study means: figures, findings and an appendix, computed from its database and
 * written as one HTML page that needs nothing else, and as PNG images.
 */
#ifndef ELM_STUDY_REPORT_H
#define ELM_STUDY_REPORT_H

#include "study/figure.h"
#include "study/reference.h"
#include "study/results.h"

typedef struct elm__report_options {
	const char *reference; /* folder with per_query.csv of another study; NULL: none */
	/* What the machine could do at best, measured by whoever asks; 0: not measured. */
	double read_bytes_per_second, operations_per_second;
	const char *peaks_note; /* of what these are */
} elm__report_options;

/* What the parts of a report are made from. */
typedef struct elm__report_source {
	const elm__results *results;
	const elm__reference *reference; /* NULL: none */
	const elm__report_options *options;
	elm__report *report;
} elm__report_source;

/* Each adds figures; a figure that cannot be drawn says why. */
elm_status elm__figures_tables(const elm__report_source *s, elm_error *error);
elm_status elm__figures_time(const elm__report_source *s, elm_error *error);
elm_status elm__figures_latency(const elm__report_source *s, elm_error *error);
elm_status elm__figures_fit(const elm__report_source *s, elm_error *error);
elm_status elm__figures_length(const elm__report_source *s, elm_error *error);
elm_status elm__figures_cost(const elm__report_source *s, elm_error *error);
elm_status elm__figures_effects(const elm__report_source *s, elm_error *error);
/* The sentences that are about no single figure. */
elm_status elm__report_counts(const elm__report_source *s, elm_error *error);

/* Why an experiment has nothing to show, for a figure. */
const char *elm__report_missing(const elm__report_source *s, const char *kind);
/* "12.3 ms" of a number with unit, at a sensible precision. */
const char *elm__report_ms(elm__report *report, double milliseconds);

/* Appends the page. */
ELM_NODISCARD elm_status elm__report_page(const elm__report_source *s, elm__buf *out,
					  elm_error *error);
/* The appendix of it. */
void elm__report_appendix(const elm__report_source *s, elm__buf *out);
void elm__html_grid(elm__buf *out, const elm__grid *grid, const char *caption);

typedef struct elm__report_result {
	size_t figures, missing; /* that are drawn; that cannot be */
	size_t images;
	size_t findings;
} elm__report_result;

/* Reads the study of a folder and writes the page to a file, and with `images` one PNG for each
 * figure into that folder. */
ELM_NODISCARD elm_status elm__report_write(const char *folder, const char *page, const char *images,
					   const elm__report_options *options,
					   elm__report_result *result, elm_error *error);

#endif

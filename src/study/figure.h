/*
 * figure.h: what a report shows, before anybody decides how: figures of panels of series, each with
 * the table behind it. The HTML page, its SVG, the interactive charts and the PNG files are all
 * made from this.
 *
 * Building never reports failure by itself: memory that runs out sets `failed`, everything later
 * does nothing, and the caller asks once. All of it lives in the arena of the report.
 */
#ifndef ELM_STUDY_FIGURE_H
#define ELM_STUDY_FIGURE_H

#include <edgelm/status.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "study/stats.h"

typedef enum elm__mark {
	ELM__MARK_LINE,	 /* from point to point */
	ELM__MARK_STEP,	 /* holds until the next point */
	ELM__MARK_POINTS /* with whiskers from low to high where there are any */
} elm__mark;

/* Colours of series: the categories come first, in the order of elm__category. */
enum {
	ELM__COLOUR_FIRST = 5, /* the first that is of no category */
	ELM__COLOUR_SECOND,
	ELM__COLOUR_MUTED, /* what stands there for comparison */
	ELM__COLOUR_COUNT
};

typedef struct elm__point {
	double x, y;	  /* y may be NaN: a gap */
	double low, high; /* NaN: none */
} elm__point;

typedef struct elm__series {
	const char *label;
	int colour;
	elm__mark mark;
	bool dashed;
	elm__point *points;
	size_t count, room;
	struct elm__series *next;
} elm__series;

typedef struct elm__panel {
	const char *title;   /* may be NULL */
	const char *x_label; /* with unit, as all labels */
	const char *y_label;
	const char *const *x_names; /* of x = 0, 1, 2, ...; NULL: x is a number */
	size_t x_count;
	bool y_from_zero;
	elm__series *series, *last;
	struct elm__panel *next;
} elm__panel;

typedef struct elm__grid {
	const char **cells; /* row by row; the first row has the titles */
	size_t columns, count, room;
} elm__grid;

typedef struct elm__figure {
	const char *id;	    /* of the element, and the file name of the picture */
	const char *number; /* "1": of the original study; NULL: has none there */
	const char *title;
	const char *note;    /* what was measured, n, what whiskers are; may be NULL */
	const char *message; /* what the figure says, computed; may be NULL */
	const char *missing; /* why there is nothing to show; NULL: there is */
	elm__panel *panels, *last;
	elm__grid grid; /* shown in any case; 0 columns: made of the series, behind them */
	struct elm__figure *next;
} elm__figure;

typedef struct elm__sentence {
	const char *text;
	struct elm__sentence *next;
} elm__sentence;

typedef struct elm__report {
	elm__arena arena;
	bool failed;
	elm__figure *figures, *last;
	elm__sentence *findings, *last_finding;
	/* What builders write to once memory has run out; never shown. */
	elm__figure spare_figure;
	elm__panel spare_panel;
	elm__series spare_series;
} elm__report;

void elm__report_init(elm__report *report);
void elm__report_release(elm__report *report);

/* Text in the arena of the report; "" when memory has run out. */
const char *elm__report_text(elm__report *report, const char *format, ...) ELM_PRINTF(2, 3);
void elm__report_find(elm__report *report, const char *format, ...) ELM_PRINTF(2, 3);

/* These never return NULL: once memory has run out, it is a spare that is not shown. */
elm__figure *elm__report_figure(elm__report *report, const char *id, const char *number,
				const char *title);
elm__panel *elm__figure_panel(elm__report *report, elm__figure *figure, const char *title,
			      const char *x_label, const char *y_label);
elm__series *elm__panel_series(elm__report *report, elm__panel *panel, const char *label,
			       int colour, elm__mark mark);
void elm__series_add(elm__report *report, elm__series *series, double x, double y);
/* Of an interval whose value is NaN, nothing is added. */
void elm__series_interval(elm__report *report, elm__series *series, double x,
			  const elm__interval *interval);

/* Cells are added row by row, the titles first. */
void elm__grid_start(elm__grid *grid, size_t columns);
void elm__grid_cell(elm__report *report, elm__grid *grid, const char *format, ...) ELM_PRINTF(3, 4);
/* "12.3 (11.8 to 12.9)"; "unmeasured" for NaN. */
void elm__grid_interval(elm__report *report, elm__grid *grid, const elm__interval *interval,
			int decimals);

/* Whether a figure has a point that can be drawn. */
bool elm__figure_has_points(const elm__figure *figure);

/* Replaces long series by at most `limit` points that keep the extremes of each stretch. */
void elm__series_thin(elm__report *report, elm__series *series, size_t limit);

#endif

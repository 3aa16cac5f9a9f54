#include "study/figure.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void elm__report_init(elm__report *report)
{
	memset(report, 0, sizeof(*report));
	elm__arena_init(&report->arena, 0);
}

void elm__report_release(elm__report *report)
{
	elm__arena_release(&report->arena);
	memset(report, 0, sizeof(*report));
}

static void *take(elm__report *report, size_t size)
{
	void *memory = report->failed ? NULL : elm__arena_calloc(&report->arena, 1, size);

	report->failed |= memory == NULL;
	return memory;
}

static const char *text_of(elm__report *report, const char *format, va_list args)
{
	va_list again;
	int length;
	char *text;

	va_copy(again, args);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	text = length < 0 ? NULL : take(report, (size_t)length + 1);
	if (!text)
		return "";
	vsnprintf(text, (size_t)length + 1, format, args);
	return text;
}

const char *elm__report_text(elm__report *report, const char *format, ...)
{
	const char *text;
	va_list args;

	va_start(args, format);
	text = text_of(report, format, args);
	va_end(args);
	return text;
}

void elm__report_find(elm__report *report, const char *format, ...)
{
	elm__sentence *sentence = take(report, sizeof(*sentence));
	va_list args;

	if (!sentence)
		return;
	va_start(args, format);
	sentence->text = text_of(report, format, args);
	va_end(args);
	if (report->last_finding)
		report->last_finding->next = sentence;
	else
		report->findings = sentence;
	report->last_finding = sentence;
}

elm__figure *elm__report_figure(elm__report *report, const char *id, const char *number,
				const char *title)
{
	elm__figure *figure = take(report, sizeof(*figure));

	if (!figure)
		return &report->spare_figure;
	figure->id = id;
	figure->number = number;
	figure->title = title;
	if (report->last)
		report->last->next = figure;
	else
		report->figures = figure;
	report->last = figure;
	return figure;
}

elm__panel *elm__figure_panel(elm__report *report, elm__figure *figure, const char *title,
			      const char *x_label, const char *y_label)
{
	elm__panel *panel = take(report, sizeof(*panel));

	if (!panel)
		return &report->spare_panel;
	panel->title = title;
	panel->x_label = x_label;
	panel->y_label = y_label;
	panel->y_from_zero = true;
	if (figure->last)
		figure->last->next = panel;
	else
		figure->panels = panel;
	figure->last = panel;
	return panel;
}

elm__series *elm__panel_series(elm__report *report, elm__panel *panel, const char *label,
			       int colour, elm__mark mark)
{
	elm__series *series = take(report, sizeof(*series));

	if (!series)
		return &report->spare_series;
	series->label = label;
	series->colour = colour;
	series->mark = mark;
	if (panel->last)
		panel->last->next = series;
	else
		panel->series = series;
	panel->last = series;
	return series;
}

static void add_point(elm__report *report, elm__series *series, elm__point point)
{
	if (series->count == series->room) {
		size_t room = series->room ? series->room * 2 : 16;
		elm__point *points = take(report, room * sizeof(*points));

		if (!points)
			return;
		if (series->count)
			memcpy(points, series->points, series->count * sizeof(*points));
		series->points = points;
		series->room = room;
	}
	series->points[series->count++] = point;
}

void elm__series_add(elm__report *report, elm__series *series, double x, double y)
{
	if (!report->failed && isfinite(x))
		add_point(report, series, (elm__point){ x, isfinite(y) ? y : NAN, NAN, NAN });
}

void elm__series_interval(elm__report *report, elm__series *series, double x,
			  const elm__interval *interval)
{
	if (!report->failed && interval->n && isfinite(interval->value))
		add_point(report, series,
			  (elm__point){ x, interval->value, interval->low, interval->high });
}

void elm__grid_start(elm__grid *grid, size_t columns)
{
	memset(grid, 0, sizeof(*grid));
	grid->columns = columns;
}

static void add_cell(elm__report *report, elm__grid *grid, const char *text)
{
	size_t used = grid->count;

	if (report->failed)
		return;
	if (used == grid->room) {
		size_t room = grid->room ? grid->room * 2 : 64;
		const char **cells = take(report, room * sizeof(*cells));

		if (!cells)
			return;
		if (used)
			memcpy(cells, grid->cells, used * sizeof(*cells));
		grid->cells = cells;
		grid->room = room;
	}
	grid->cells[grid->count++] = text;
}

void elm__grid_cell(elm__report *report, elm__grid *grid, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_cell(report, grid, text_of(report, format, args));
	va_end(args);
}

void elm__grid_interval(elm__report *report, elm__grid *grid, const elm__interval *interval,
			int decimals)
{
	if (!interval->n || !isfinite(interval->value))
		elm__grid_cell(report, grid, "unmeasured");
	else if (isfinite(interval->low) && isfinite(interval->high))
		elm__grid_cell(report, grid, "%.*f (%.*f to %.*f)", decimals, interval->value,
			       decimals, interval->low, decimals, interval->high);
	else
		elm__grid_cell(report, grid, "%.*f", decimals, interval->value);
}

bool elm__figure_has_points(const elm__figure *figure)
{
	for (const elm__panel *panel = figure->panels; panel; panel = panel->next)
		for (const elm__series *s = panel->series; s; s = s->next)
			for (size_t i = 0; i < s->count; i++)
				if (isfinite(s->points[i].y))
					return true;
	return false;
}

/* The smallest and the largest of a stretch, in their order. */
static void keep_extremes(elm__report *report, const elm__point *points, size_t count,
			  elm__series *out)
{
	size_t low = 0, high = 0;

	for (size_t i = 1; i < count; i++) {
		low = !(points[low].y <= points[i].y) ? i : low;
		high = !(points[high].y >= points[i].y) ? i : high;
	}
	add_point(report, out, points[low < high ? low : high]);
	if (low != high)
		add_point(report, out, points[low < high ? high : low]);
}

void elm__series_thin(elm__report *report, elm__series *series, size_t limit)
{
	elm__series thin = *series;
	size_t stretches = limit / 2;

	if (series->count <= limit || !stretches)
		return;
	thin.points = NULL;
	thin.count = thin.room = 0;
	for (size_t i = 0; i < stretches; i++) {
		size_t from = series->count * i / stretches;
		size_t to = series->count * (i + 1) / stretches;

		keep_extremes(report, series->points + from, to - from, &thin);
	}
	*series = thin;
}

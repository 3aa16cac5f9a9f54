#include "study/plot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LEFT = 64, RIGHT = 16, BELOW = 48, LEGEND = 22, TITLE = 22, FONT = 12 };

/* One axis: values from low to high are drawn from pixel `from` to pixel `to`. */
typedef struct scale {
	double low, high, step;
	double from, to;
} scale;

static double at(const scale *s, double value)
{
	return s->from + (s->to - s->from) * (value - s->low) / (s->high - s->low);
}

/* 1, 2 or 5 times a power of ten, so that the span has about `parts` of it. */
static double round_step(double span, int parts)
{
	double rough = span / parts, power = pow(10, floor(log10(rough)));
	double lead = rough / power;

	return power * (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10);
}

static void widen(scale *s, double value)
{
	if (!isfinite(value))
		return;
	s->low = fmin(s->low, value);
	s->high = fmax(s->high, value);
}

/* Limits at whole steps. */
static void settle(scale *s, int parts)
{
	if (!(s->low <= s->high)) {
		s->low = 0;
		s->high = 1;
	}
	if (s->high - s->low < 1e-9 * fmax(fabs(s->high), 1e-9)) {
		double room = fmax(fabs(s->high) * 0.05, 1e-9);

		s->low -= s->low > 0 || s->low < 0 ? room : 0;
		s->high += room;
	}
	s->step = round_step(s->high - s->low, parts);
	s->low = floor(s->low / s->step + 1e-9) * s->step;
	s->high = ceil(s->high / s->step - 1e-9) * s->step;
}

static void measure(const elm__panel *panel, scale *x, scale *y)
{
	x->low = y->low = INFINITY;
	x->high = y->high = -INFINITY;
	for (const elm__series *s = panel->series; s; s = s->next)
		for (size_t i = 0; i < s->count; i++) {
			if (!isfinite(s->points[i].y))
				continue;
			widen(x, s->points[i].x);
			widen(y, s->points[i].y);
			widen(y, s->points[i].low);
			widen(y, s->points[i].high);
		}
	if (panel->y_from_zero)
		widen(y, 0);
	settle(y, 5);
	if (panel->x_names) {
		x->low = -0.5;
		x->high = (double)panel->x_count - 0.5;
		x->step = 1;
	} else {
		settle(x, 8);
	}
}

static void tick_text(char *out, size_t size, double value, double step)
{
	int decimals = step < 1 ? (int)ceil(-log10(step) - 1e-9) : 0;

	snprintf(out, size, "%.*f", decimals < 6 ? decimals : 6,
		 fabs(value) < step * 1e-6 ? 0 : value);
}

static void draw_axes(elm__canvas *c, const elm__panel *panel, const scale *x, const scale *y)
{
	double base[4] = { x->from, y->from, x->to, y->from };
	char text[40];

	for (int i = 0; i <= (int)((y->high - y->low) / y->step + 0.5); i++) {
		double value = y->low + i * y->step, pixel = at(y, value);
		double line[4] = { x->from, pixel, x->to, pixel };

		c->line(c, line, 2, ELM__INK_GRID, 1, false);
		tick_text(text, sizeof(text), value, y->step);
		c->text(c, x->from - 8, pixel + 4, text, ELM__ANCHOR_END, FONT, ELM__INK_FAINT,
			false, false);
	}
	c->line(c, base, 2, ELM__INK_FAINT, 1, false);
	if (panel->x_names)
		for (size_t i = 0; i < panel->x_count; i++)
			c->text(c, at(x, (double)i), y->from + 18, panel->x_names[i],
				ELM__ANCHOR_MIDDLE, FONT, ELM__INK_FAINT, false, false);
	else
		for (int i = 0; i <= (int)((x->high - x->low) / x->step + 0.5); i++) {
			double value = x->low + i * x->step, pixel = at(x, value);
			double tick[4] = { pixel, y->from, pixel, y->from + 4 };

			c->line(c, tick, 2, ELM__INK_FAINT, 1, false);
			tick_text(text, sizeof(text), value, x->step);
			c->text(c, pixel, y->from + 18, text, ELM__ANCHOR_MIDDLE, FONT,
				ELM__INK_FAINT, false, false);
		}
	c->text(c, (x->from + x->to) / 2, y->from + 38, panel->x_label, ELM__ANCHOR_MIDDLE, FONT,
		ELM__INK_TEXT, false, false);
	c->text(c, 15, (y->from + y->to) / 2, panel->y_label, ELM__ANCHOR_MIDDLE, FONT,
		ELM__INK_TEXT, false, true);
}

static void draw_line(elm__canvas *c, const elm__series *s, const scale *x, const scale *y)
{
	enum { CHUNK = 256 };
	double xy[2 * CHUNK];
	size_t used = 0;

	for (size_t i = 0; i < s->count; i++) {
		double px = at(x, s->points[i].x), py = at(y, s->points[i].y);

		if (!isfinite(py) || used + 2 > CHUNK) {
			if (used > 1)
				c->line(c, xy, used, s->colour, 1.75, s->dashed);
			/* Goes on from where it ended, unless there is a gap. */
			if (isfinite(py) && used) {
				xy[0] = xy[2 * used - 2];
				xy[1] = xy[2 * used - 1];
			}
			used = isfinite(py) && used ? 1 : 0;
		}
		if (!isfinite(py))
			continue;
		if (s->mark == ELM__MARK_STEP && used) {
			xy[2 * used] = px;
			xy[2 * used + 1] = xy[2 * used - 1];
			used++;
		}
		xy[2 * used] = px;
		xy[2 * used + 1] = py;
		used++;
	}
	if (used > 1)
		c->line(c, xy, used, s->colour, 1.75, s->dashed);
	else if (used)
		c->mark(c, xy[0], xy[1], 2, s->colour);
}

static void draw_points(elm__canvas *c, const elm__series *s, const scale *x, const scale *y)
{
	double radius = s->count > 60 ? 2.4 : 4;

	for (size_t i = 0; i < s->count; i++) {
		const elm__point *p = &s->points[i];
		double px = at(x, p->x);

		if (!isfinite(p->y))
			continue;
		if (isfinite(p->low) && isfinite(p->high)) {
			double stem[4] = { px, at(y, p->low), px, at(y, p->high) };
			double foot[4] = { px - 5, stem[1], px + 5, stem[1] };
			double head[4] = { px - 5, stem[3], px + 5, stem[3] };

			c->line(c, stem, 2, s->colour, 1.25, false);
			c->line(c, foot, 2, s->colour, 1.25, false);
			c->line(c, head, 2, s->colour, 1.25, false);
		}
		c->mark(c, px, at(y, p->y), radius, s->colour);
	}
}

/* Pixels of a text, roughly. */
static double text_width(const char *text, double size)
{
	return (double)strlen(text) * size * 0.55;
}

/* Lines that the legend takes; draws it where there is a canvas. */
static int legend(elm__canvas *c, const elm__panel *panel, double top)
{
	double x = LEFT, y = top + LEGEND - 8;
	int lines = 1;

	if (!panel->series || !panel->series->next)
		return 0;
	for (const elm__series *s = panel->series; s; s = s->next) {
		double width = 26 + text_width(s->label, FONT) + 16;

		if (x > LEFT && x + width > ELM__PLOT_WIDTH - RIGHT) {
			x = LEFT;
			y += LEGEND;
			lines++;
		}
		if (c && s->mark == ELM__MARK_POINTS)
			c->mark(c, x + 9, y - 4, 4, s->colour);
		if (c && s->mark != ELM__MARK_POINTS) {
			double line[4] = { x, y - 4, x + 18, y - 4 };

			c->line(c, line, 2, s->colour, 2.5, s->dashed);
		}
		if (c)
			c->text(c, x + 26, y, s->label, ELM__ANCHOR_START, FONT, ELM__INK_TEXT,
				false, false);
		x += width;
	}
	return lines;
}

double elm__plot_height(const elm__panel *panel)
{
	return ELM__PLOT_PANEL_HEIGHT + LEGEND * legend(NULL, panel, 0) +
	       (panel->title ? TITLE : 0);
}

void elm__plot_panel(elm__canvas *c, const elm__panel *panel, double top)
{
	double bottom = top + elm__plot_height(panel);
	scale x = { .from = LEFT, .to = ELM__PLOT_WIDTH - RIGHT }, y = { .from = bottom - BELOW };

	if (panel->title) {
		c->text(c, LEFT, top + TITLE - 8, panel->title, ELM__ANCHOR_START, FONT + 1,
			ELM__INK_TEXT, true, false);
		top += TITLE;
	}
	y.to = top + LEGEND * legend(c, panel, top) + 10;
	measure(panel, &x, &y);
	draw_axes(c, panel, &x, &y);
	for (const elm__series *s = panel->series; s; s = s->next)
		if (s->mark == ELM__MARK_POINTS)
			draw_points(c, s, &x, &y);
		else
			draw_line(c, s, &x, &y);
}

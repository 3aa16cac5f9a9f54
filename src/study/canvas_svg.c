#include <string.h>

#include "base/text.h"
#include "study/canvas.h"

size_t elm__mark_form(int ink, double xy[16])
{
	static const struct {
		size_t corners;
		double xy[16];
	} forms[] = {
		{ 0, { 0 } },
		{ 4, { -0.9, -0.9, 0.9, -0.9, 0.9, 0.9, -0.9, 0.9 } }, /* square */
		{ 3, { 0, -1.2, 1.1, 0.8, -1.1, 0.8 } },	       /* triangle */
		{ 4, { 0, -1.3, 1.3, 0, 0, 1.3, -1.3, 0 } },	       /* diamond */
		{ 3, { 0, 1.2, 1.1, -0.8, -1.1, -0.8 } },	       /* triangle on its tip */
		{ 0, { 0 } },
		{ 4, { 0, -1.3, 1.3, 0, 0, 1.3, -1.3, 0 } },
		{ 0, { 0 } },
	};

	memcpy(xy, forms[ink].xy, sizeof(forms[ink].xy));
	return forms[ink].corners;
}

void elm__html_text(elm__buf *out, const char *text)
{
	size_t length = strlen(text), step;
	uint32_t point = 0;

	for (size_t i = 0; i < length; i += step) {
		step = elm__utf8_decode(text + i, length - i, &point);
		if (!step || point < ' ' || (point >= 0x7f && point < 0xa0)) {
			step = step ? step : 1;
			elm__buf_putc(out, point == '\n' || point == '\t' ? ' ' : '?');
			continue;
		}
		switch (text[i]) {
		case '<':
			elm__buf_puts(out, "&lt;");
			break;
		case '>':
			elm__buf_puts(out, "&gt;");
			break;
		case '&':
			elm__buf_puts(out, "&amp;");
			break;
		case '"':
			elm__buf_puts(out, "&quot;");
			break;
		case '\'':
			elm__buf_puts(out, "&#39;");
			break;
		default:
			elm__buf_append(out, text + i, step);
		}
	}
}

static elm__buf *out_of(elm__canvas *canvas)
{
	return ((elm__svg *)(void *)canvas)->out;
}

static void svg_line(elm__canvas *canvas, const double *xy, size_t points, int ink, double width,
		     bool dashed)
{
	elm__buf *out = out_of(canvas);

	elm__buf_printf(out, "<polyline class=\"i%d%s\" stroke-width=\"%g\" points=\"", ink,
			dashed ? " dashed" : "", width);
	for (size_t i = 0; i < points; i++)
		elm__buf_printf(out, "%s%.1f,%.1f", i ? " " : "", xy[2 * i], xy[2 * i + 1]);
	elm__buf_puts(out, "\"/>\n");
}

static void svg_mark(elm__canvas *canvas, double x, double y, double radius, int ink)
{
	elm__buf *out = out_of(canvas);
	double form[16];
	size_t corners = elm__mark_form(ink, form);

	if (!corners) {
		elm__buf_printf(out, "<circle class=\"f%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"%g\"/>\n",
				ink, x, y, radius);
		return;
	}
	elm__buf_printf(out, "<polygon class=\"f%d\" points=\"", ink);
	for (size_t i = 0; i < corners; i++)
		elm__buf_printf(out, "%s%.1f,%.1f", i ? " " : "", x + radius * form[2 * i],
				y + radius * form[2 * i + 1]);
	elm__buf_puts(out, "\"/>\n");
}

static void svg_text(elm__canvas *canvas, double x, double y, const char *text, elm__anchor anchor,
		     double size, int ink, bool bold, bool up)
{
	static const char *const anchors[] = { "start", "middle", "end" };
	elm__buf *out = out_of(canvas);

	elm__buf_printf(out,
			"<text class=\"f%d%s\" font-size=\"%g\" text-anchor=\"%s\" x=\"%.1f\" "
			"y=\"%.1f\"",
			ink, bold ? " bold" : "", size, anchors[anchor], x, y);
	if (up)
		elm__buf_printf(out, " transform=\"rotate(-90 %.1f %.1f)\"", x, y);
	elm__buf_putc(out, '>');
	elm__html_text(out, text);
	elm__buf_puts(out, "</text>\n");
}

void elm__svg_init(elm__svg *svg, elm__buf *out)
{
	svg->canvas = (elm__canvas){ svg_line, svg_mark, svg_text };
	svg->out = out;
}

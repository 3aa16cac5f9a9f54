/* canvas_png.c: charts as images, by Cairo. */
#include "study/canvas.h"

#ifdef HAVE_CAIRO

#include <cairo.h>

#include "base/alloc.h"

struct elm__png {
	elm__canvas canvas;
	cairo_surface_t *surface;
	cairo_t *cairo;
};

bool elm__png_available(void)
{
	return true;
}

/* Those of the page on white. */
static const double colours[ELM__INK_COUNT][3] = {
	{ 0.13, 0.47, 0.71 }, { 0.72, 0.25, 0.35 }, { 0.65, 0.48, 0.06 }, { 0.07, 0.50, 0.33 },
	{ 0.33, 0.24, 0.66 }, { 0.16, 0.36, 0.42 }, { 0.78, 0.42, 0.10 }, { 0.55, 0.54, 0.51 },
	{ 0.14, 0.13, 0.12 }, { 0.41, 0.40, 0.37 }, { 0.88, 0.87, 0.84 },
};

static cairo_t *pen(elm__canvas *canvas, int ink)
{
	cairo_t *cairo = ((elm__png *)(void *)canvas)->cairo;

	cairo_new_path(cairo);
	cairo_set_source_rgb(cairo, colours[ink][0], colours[ink][1], colours[ink][2]);
	return cairo;
}

static void png_line(elm__canvas *canvas, const double *xy, size_t points, int ink, double width,
		     bool dashed)
{
	static const double dashes[] = { 5, 4 };
	cairo_t *cairo = pen(canvas, ink);

	cairo_set_line_width(cairo, width);
	cairo_set_dash(cairo, dashes, dashed ? 2 : 0, 0);
	for (size_t i = 0; i < points; i++)
		cairo_line_to(cairo, xy[2 * i], xy[2 * i + 1]);
	cairo_stroke(cairo);
}

static void png_mark(elm__canvas *canvas, double x, double y, double radius, int ink)
{
	enum { TURN_TENTHS = 63 }; /* a little more than a whole turn */
	cairo_t *cairo = pen(canvas, ink);
	double form[16];
	size_t corners = elm__mark_form(ink, form);

	if (!corners)
		cairo_arc(cairo, x, y, radius, 0, TURN_TENTHS / 10.0);
	for (size_t i = 0; i < corners; i++)
		cairo_line_to(cairo, x + radius * form[2 * i], y + radius * form[2 * i + 1]);
	cairo_fill(cairo);
}

static void png_text(elm__canvas *canvas, double x, double y, const char *text, elm__anchor anchor,
		     double size, int ink, bool bold, bool up)
{
	cairo_t *cairo = pen(canvas, ink);
	cairo_text_extents_t extents;

	cairo_select_font_face(cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
			       bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
	cairo_set_font_size(cairo, size);
	cairo_text_extents(cairo, text, &extents);
	cairo_save(cairo);
	cairo_translate(cairo, x, y);
	if (up)
		cairo_rotate(cairo, -1.57079632679489662);
	cairo_move_to(cairo, -extents.x_advance * anchor / 2, 0);
	cairo_show_text(cairo, text);
	cairo_restore(cairo);
}

static elm_status check(const elm__png *png, elm_error *error)
{
	cairo_status_t status = cairo_status(png->cairo);

	if (status == CAIRO_STATUS_SUCCESS)
		return ELM_OK;
	return elm_error_set(
		error, status == CAIRO_STATUS_NO_MEMORY ? ELM_ERR_NO_MEMORY : ELM_ERR_INTERNAL,
		"cannot draw: %s", cairo_status_to_string(status));
}

elm_status elm__png_create(double width, double height, double scale, elm__png **out,
			   elm_error *error)
{
	elm__png *png = elm__calloc(1, sizeof(*png));
	elm_status status;

	if (!png)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for an image");
	png->canvas = (elm__canvas){ png_line, png_mark, png_text };
	png->surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)(width * scale),
						  (int)(height * scale));
	png->cairo = cairo_create(png->surface);
	cairo_scale(png->cairo, scale, scale);
	cairo_set_source_rgb(png->cairo, 1, 1, 1);
	cairo_paint(png->cairo);
	cairo_set_line_join(png->cairo, CAIRO_LINE_JOIN_ROUND);
	status = check(png, error);
	if (status != ELM_OK) {
		elm__png_free(png);
		return status;
	}
	*out = png;
	return ELM_OK;
}

elm__canvas *elm__png_canvas(elm__png *png)
{
	return &png->canvas;
}

static cairo_status_t append(void *user, const unsigned char *data, unsigned int length)
{
	elm__buf_append(user, data, length);
	return CAIRO_STATUS_SUCCESS;
}

elm_status elm__png_encode(elm__png *png, elm__buf *out, elm_error *error)
{
	elm_status status = check(png, error);

	if (status != ELM_OK)
		return status;
	if (cairo_surface_write_to_png_stream(png->surface, append, out) != CAIRO_STATUS_SUCCESS)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for an image");
	return elm__buf_status(out, error);
}

void elm__png_free(elm__png *png)
{
	if (!png)
		return;
	cairo_destroy(png->cairo);
	cairo_surface_destroy(png->surface);
	elm__free(png);
}

#else

bool elm__png_available(void)
{
	return false;
}

elm_status elm__png_create(double width, double height, double scale, elm__png **out,
			   elm_error *error)
{
	return elm_error_set(
		error, ELM_ERR_UNSUPPORTED,
		"this program was built without Cairo, which draws images; install its "
		"development package and build again, or leave --png out");
}

elm__canvas *elm__png_canvas(elm__png *png)
{
	return NULL;
}

elm_status elm__png_encode(elm__png *png, elm__buf *out, elm_error *error)
{
	return elm_error_set(error, ELM_ERR_UNSUPPORTED, "built without Cairo");
}

void elm__png_free(elm__png *png)
{
}

#endif

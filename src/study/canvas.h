/* canvas.h: the few things that a chart is drawn with, on SVG or on a PNG image. Lengths are in
 * pixels, y goes down. */
#ifndef ELM_STUDY_CANVAS_H
#define ELM_STUDY_CANVAS_H

#include <edgelm/status.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "study/figure.h"

/* Colours: those of series, then these. */
enum {
	ELM__INK_TEXT = ELM__COLOUR_COUNT,
	ELM__INK_FAINT, /* text that matters less */
	ELM__INK_GRID,
	ELM__INK_COUNT
};

typedef enum elm__anchor { ELM__ANCHOR_START, ELM__ANCHOR_MIDDLE, ELM__ANCHOR_END } elm__anchor;

typedef struct elm__canvas elm__canvas;
struct elm__canvas {
	void (*line)(elm__canvas *canvas, const double *xy, size_t points, int ink, double width,
		     bool dashed);
	/* A mark whose form depends on the ink, so that nobody needs to see colours. */
	void (*mark)(elm__canvas *canvas, double x, double y, double radius, int ink);
	/* Text on a base line; `up` turns it by a quarter to the left. */
	void (*text)(elm__canvas *canvas, double x, double y, const char *text, elm__anchor anchor,
		     double size, int ink, bool bold, bool up);
};

/* The corners of a mark's form around 0, 0 for a radius of 1, at most 8; 0: a circle. */
size_t elm__mark_form(int ink, double xy[16]);

typedef struct elm__svg {
	elm__canvas canvas;
	elm__buf *out;
} elm__svg;

/* Draws to SVG elements whose colours are classes (i0, i1, ...), for the style sheet to say. */
void elm__svg_init(elm__svg *svg, elm__buf *out);

/* Appends text for HTML, SVG and their attributes; control characters become '?'. */
void elm__html_text(elm__buf *out, const char *text);

/* A PNG image on white paper. Only where elm__png_available. */
typedef struct elm__png elm__png;

bool elm__png_available(void);
ELM_NODISCARD elm_status elm__png_create(double width, double height, double scale, elm__png **out,
					 elm_error *error);
elm__canvas *elm__png_canvas(elm__png *png);
/* Appends the bytes of the file. */
ELM_NODISCARD elm_status elm__png_encode(elm__png *png, elm__buf *out, elm_error *error);
void elm__png_free(elm__png *png); /* NULL allowed */

#endif

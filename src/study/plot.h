/* plot.h: draws the panels of a figure. */
#ifndef ELM_STUDY_PLOT_H
#define ELM_STUDY_PLOT_H

#include "study/canvas.h"

enum { ELM__PLOT_WIDTH = 760, ELM__PLOT_PANEL_HEIGHT = 300 };

/* Pixels that a panel needs; draws it with its upper edge at `top`. */
double elm__plot_height(const elm__panel *panel);
void elm__plot_panel(elm__canvas *canvas, const elm__panel *panel, double top);

#endif

/* figures.h: counting values by size. */
#ifndef ELM_ENGINE_FIGURES_H
#define ELM_ENGINE_FIGURES_H

#include <edgelm/scheduler.h>

/* Empties all histograms and gives them their bounds. */
void elm__figures_init(elm_scheduler_stats *stats);

/* Adds counts, sums and what is "now"; the pressure is the higher one. */
void elm__figures_add(elm_scheduler_stats *to, const elm_scheduler_stats *from);
/* Of a scheduler that is gone: nothing is "now" any more. */
void elm__figures_end(elm_scheduler_stats *stats);

void elm__histogram_add(elm_histogram *histogram, double value);

#endif

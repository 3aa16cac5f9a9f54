/* stats.h: what is said about a set of measurements. */
#ifndef ELM_BASE_STATS_H
#define ELM_BASE_STATS_H

#include <stddef.h>

typedef struct elm__summary {
	size_t n; /* 0: all the others are 0 and mean nothing */
	double mean, minimum, maximum;
	double p50, p95, p99;
} elm__summary;

/* Sorts the values, smallest first; none may be NaN. Needs no memory. */
void elm__sort_doubles(double *values, size_t count);

/*
 * The q-quantile (0 <= q <= 1) of sorted values by linear interpolation between the two nearest
 * ranks: value number q * (count - 1), counted from 0. 0 when there are none.
 */
double elm__quantile(const double *sorted, size_t count, double q);

/* Sorts the values and describes them. */
elm__summary elm__summarize(double *values, size_t count);

#endif

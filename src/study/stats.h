/* stats.h: what a study says about its measurements, with how sure it is. */
#ifndef ELM_STUDY_STATS_H
#define ELM_STUDY_STATS_H

#include <edgelm/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/stats.h"

/* A value and the interval that covers the true one in 95 of 100 studies. */
typedef struct elm__interval {
	size_t n;	  /* 0: the rest is NaN */
	double value;	  /* NaN where n is 0 */
	double low, high; /* NaN where n is below 2: one value says nothing of its spread */
} elm__interval;

/* The 0.975-quantile of Student's t with `freedom` degrees (at least 1), within 0.001. */
double elm__t_975(size_t freedom);

/* The mean, with Student's t: right for values that spread like a bell, and for many. */
elm__interval elm__mean_interval(const double *values, size_t count);

/*
 * The median, with the percentile bootstrap (Efron, 1979): 2000 resamples, whose random numbers
 * come from `seed`, so that the same values always give the same interval.
 */
ELM_NODISCARD elm_status elm__median_interval(const double *values, size_t count, uint64_t seed,
					      elm__interval *out, elm_error *error);

/* A line: y = intercept + slope * x, by least squares. */
typedef struct elm__regression {
	size_t n;
	double intercept, slope;
	double r2; /* share of the variance of y that the line explains; 1 where y does not vary */
	elm__interval intercept_interval, slope_interval; /* NaN limits where n is below 3 */
} elm__regression;

/* False, and all of *line NaN, where there are fewer than two different x. */
bool elm__regress(const double *x, const double *y, size_t count, elm__regression *line);

/*
 * Two measurements of the same things, pair by pair: the median of b / a. Pairs in which one is
 * not a positive number are left out; `n` of the result says how many counted.
 */
ELM_NODISCARD elm_status elm__ratio_interval(const double *a, const double *b, size_t count,
					     uint64_t seed, elm__interval *out, elm_error *error);

#endif

#include "study/stats.h"

#include <math.h>

#include "base/alloc.h"
#include "base/random.h"

enum { RESAMPLES = 2000 };

static const elm__interval nothing = { 0, NAN, NAN, NAN };

double elm__t_975(size_t freedom)
{
	/* Few degrees are far from the normal distribution, so they are tabulated (Fisher and
	 * Yates, 1938); for more the expansion of Cornish and Fisher (1938) is exact enough. */
	static const double few[] = { 12.7062, 4.3027, 3.1824, 2.7764, 2.5706,
				      2.4469,  2.3646, 2.3060, 2.2622, 2.2281 };
	const double z = 1.959963985, z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;
	double n = (double)freedom;

	if (freedom < 1)
		return NAN;
	if (freedom <= sizeof(few) / sizeof(few[0]))
		return few[freedom - 1];
	return z + (z3 + z) / (4 * n) + (5 * z5 + 16 * z3 + 3 * z) / (96 * n * n) +
	       (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * n * n * n);
}

elm__interval elm__mean_interval(const double *values, size_t count)
{
	elm__interval out = nothing;
	double mean = 0, squares = 0, half;

	if (!count)
		return out;
	for (size_t i = 0; i < count; i++)
		mean += values[i] / (double)count;
	for (size_t i = 0; i < count; i++)
		squares += (values[i] - mean) * (values[i] - mean);
	out.n = count;
	out.value = mean;
	if (count < 2)
		return out;
	half = elm__t_975(count - 1) * sqrt(squares / (double)(count - 1) / (double)count);
	out.low = mean - half;
	out.high = mean + half;
	return out;
}

/* Sorts the values. */
static double median(double *values, size_t count)
{
	elm__sort_doubles(values, count);
	return elm__quantile(values, count, 0.5);
}

elm_status elm__median_interval(const double *values, size_t count, uint64_t seed,
				elm__interval *out, elm_error *error)
{
	elm__random random;
	double *sample, *medians;

	*out = nothing;
	if (!count)
		return ELM_OK;
	sample = elm__realloc_array(NULL, count, sizeof(*sample));
	medians = elm__realloc_array(NULL, RESAMPLES, sizeof(*medians));
	if (!sample || !medians) {
		elm__free(sample);
		elm__free(medians);
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	}
	for (size_t i = 0; i < count; i++)
		sample[i] = values[i];
	out->n = count;
	out->value = median(sample, count);
	elm__random_seed(&random, seed);
	for (size_t r = 0; r < RESAMPLES && count > 1; r++) {
		for (size_t i = 0; i < count; i++)
			sample[i] = values[(size_t)(elm__random_unit(&random) * (double)count)];
		medians[r] = median(sample, count);
	}
	if (count > 1) {
		elm__sort_doubles(medians, RESAMPLES);
		out->low = elm__quantile(medians, RESAMPLES, 0.025);
		out->high = elm__quantile(medians, RESAMPLES, 0.975);
	}
	elm__free(sample);
	elm__free(medians);
	return ELM_OK;
}

static elm__interval around(double value, double error, size_t n)
{
	double half = n > 2 ? elm__t_975(n - 2) * error : NAN;

	return (elm__interval){ n, value, value - half, value + half };
}

bool elm__regress(const double *x, const double *y, size_t count, elm__regression *line)
{
	double n = (double)count, mx = 0, my = 0, xx = 0, xy = 0, yy = 0, rest = 0, spread;

	*line = (elm__regression){ 0, NAN, NAN, NAN, nothing, nothing };
	for (size_t i = 0; i < count; i++) {
		mx += x[i] / n;
		my += y[i] / n;
	}
	for (size_t i = 0; i < count; i++) {
		xx += (x[i] - mx) * (x[i] - mx);
		xy += (x[i] - mx) * (y[i] - my);
		yy += (y[i] - my) * (y[i] - my);
	}
	if (count < 2 || !(xx > 0))
		return false;
	line->n = count;
	line->slope = xy / xx;
	line->intercept = my - line->slope * mx;
	for (size_t i = 0; i < count; i++) {
		double off = y[i] - line->intercept - line->slope * x[i];

		rest += off * off;
	}
	line->r2 = yy > 0 ? 1 - rest / yy : 1;
	spread = count > 2 ? sqrt(rest / (n - 2)) : NAN;
	line->slope_interval = around(line->slope, spread / sqrt(xx), count);
	line->intercept_interval =
		around(line->intercept, spread * sqrt(1 / n + mx * mx / xx), count);
	return true;
}

elm_status elm__ratio_interval(const double *a, const double *b, size_t count, uint64_t seed,
			       elm__interval *out, elm_error *error)
{
	double *ratios = elm__realloc_array(NULL, count, sizeof(*ratios));
	elm_status status;
	size_t n = 0;

	*out = nothing;
	if (!ratios)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++)
		if (a[i] > 0 && b[i] > 0)
			ratios[n++] = b[i] / a[i];
	status = elm__median_interval(ratios, n, seed, out, error);
	elm__free(ratios);
	return status;
}

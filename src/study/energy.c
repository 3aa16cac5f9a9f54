#include "study/energy.h"

#include <math.h>

#include "base/clock.h"

/* The value at a time, on the line between its neighbours; NaN outside. */
static double value_at(const uint64_t *at_ns, const double *values, size_t count, uint64_t when)
{
	for (size_t i = 0; i + 1 < count; i++)
		if (at_ns[i] <= when && when <= at_ns[i + 1]) {
			double part = at_ns[i + 1] > at_ns[i] ?
					      (double)(when - at_ns[i]) /
						      (double)(at_ns[i + 1] - at_ns[i]) :
					      0;

			return values[i] + part * (values[i + 1] - values[i]);
		}
	return NAN;
}

double elm__energy_of_power(const uint64_t *at_ns, const double *watts, size_t count, uint64_t from,
			    uint64_t to)
{
	double joules = 0, before = value_at(at_ns, watts, count, from);
	double last = value_at(at_ns, watts, count, to);
	uint64_t time = from;

	for (size_t i = 0; i < count; i++) {
		if (at_ns[i] <= from || at_ns[i] >= to)
			continue;
		joules += elm__seconds_between(time, at_ns[i]) * (before + watts[i]) / 2;
		before = watts[i];
		time = at_ns[i];
	}
	return joules + elm__seconds_between(time, to) * (before + last) / 2;
}

double elm__energy_of_counter(const uint64_t *at_ns, const double *joules, size_t count,
			      uint64_t from, uint64_t to)
{
	return value_at(at_ns, joules, count, to) - value_at(at_ns, joules, count, from);
}

/* energy.h: joules from what a recorder has seen. */
#ifndef ELM_STUDY_ENERGY_H
#define ELM_STUDY_ENERGY_H

#include <stddef.h>
#include <stdint.h>

/*
 * The joules from `from` to `to`, times and limits in nanoseconds of one clock, in ascending order.
 * Between two readings power changes evenly (trapezoids). NaN where the readings do not reach from
 * before `from` to after `to`, or one of those that count is NaN.
 */
double elm__energy_of_power(const uint64_t *at_ns, const double *watts, size_t count, uint64_t from,
			    uint64_t to);

/* The same from a counter of joules, which goes up evenly between two readings. */
double elm__energy_of_counter(const uint64_t *at_ns, const double *joules, size_t count,
			      uint64_t from, uint64_t to);

#endif

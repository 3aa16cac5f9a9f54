#include "engine/pace.h"

#include <string.h>

/* A first slice is small enough to do no harm and large enough to learn from. A look at the normal
 * time every so many steps costs prompts 2 %. */
enum { FIRST_SLICE = 16, LOOK_EVERY = 48 };

/* Of the normal time, prompts may add this much. The rest is for what cannot be
 * foreseen. */
static const double share = 0.75;
/* When an answer alone takes longer than the target, prompts still get this much of its time. */
static const double least_share = 0.1;

bool elm__pace_init(elm__pace *pace, double target, uint32_t max_rows, elm__arena *arena)
{
	memset(pace, 0, sizeof(*pace));
	pace->target = target;
	pace->max_rows = max_rows;
	pace->normal = elm__arena_calloc(arena, (size_t)max_rows + 1, sizeof(double));
	return pace->normal != NULL;
}

/* The normal time of the nearest number of rows that has been seen, fewer rather than more. */
static double normal_time(const elm__pace *pace, uint32_t rows)
{
	for (uint32_t i = rows; i > 0; i--)
		if (pace->normal[i] > 0)
			return pace->normal[i];
	for (uint32_t i = rows + 1; i <= pace->max_rows; i++)
		if (pace->normal[i] > 0)
			return pace->normal[i];
	return 0;
}

/* The size class of a slice: the smallest k with rows <= 2^k. */
static unsigned size_of(uint32_t rows)
{
	unsigned k = 0;

	while (k + 1 < ELM__PACE_SIZES && (uint32_t)1 << k < rows)
		k++;
	return k;
}

/* The largest slice whose known cost stays within `seconds`; the size after the largest that was
 * tried costs as much per row, as far as anybody knows. */
static uint32_t rows_within(const elm__pace *pace, double seconds)
{
	double row = 0;
	uint32_t best = 1;
	bool tried = false;

	for (unsigned k = 0; k < ELM__PACE_SIZES; k++) {
		uint32_t most = (uint32_t)1 << k;
		bool known = pace->row[k] > 0;

		if (!known && !tried)
			continue;
		if (known)
			row = pace->row[k];
		if (seconds < row * most)
			most = (uint32_t)(seconds / row);
		if (most > best && size_of(most) == k)
			best = most;
		if (!known)
			break;
		tried = true;
	}
	return tried ? best : FIRST_SLICE;
}

uint32_t elm__pace_slice(const elm__pace *pace, uint32_t decode_rows, uint32_t limit)
{
	double normal = normal_time(pace, decode_rows), spare;
	uint32_t rows;

	if (normal <= 0 || pace->mixed >= LOOK_EVERY)
		return 0;
	spare = pace->target > 0 ? pace->target - normal : normal * share;
	if (spare < normal * least_share)
		spare = normal * least_share;
	rows = rows_within(pace, spare);
	return rows < limit ? rows : limit;
}

/* Follows slower times faster than quicker ones; what is far off is taken for an accident, in
 * which something else had the processor. */
static void follow(double *value, double seen)
{
	if (*value <= 0)
		*value = seen;
	else if (seen > 2 * *value)
		*value *= 1.5;
	else
		*value += (seen - *value) * (seen > *value ? 0.5 : 0.125);
}

void elm__pace_learn(elm__pace *pace, uint32_t decode_rows, uint32_t prompt_rows, double seconds)
{
	double normal, added;
	unsigned size = size_of(prompt_rows);

	if (!decode_rows)
		return;
	if (!prompt_rows) {
		follow(&pace->normal[decode_rows], seconds);
		pace->mixed = 0;
		return;
	}
	pace->mixed++;
	normal = normal_time(pace, decode_rows);
	if (normal <= 0)
		return;
	added = seconds - normal;
	if (added < normal * 0.01)
		added = normal * 0.01;
	follow(&pace->row[size], added / prompt_rows);
	/* Larger sizes that seem too dear get another chance some day. */
	for (unsigned k = size + 1; k < ELM__PACE_SIZES; k++)
		pace->row[k] *= 0.998;
}

/*
 * reference.h: the numbers of another study, for comparison: a folder with per_query.csv, a row for
 * each query with at least the columns category, prompt_tokens, output_tokens, ttft_ms, tbt_ms and
 * total_ms. Others that are used where they are: rss_peak_mib, cpu_inst_mean_pct, power_mean_mw,
 * wall_ms, prompt_tps, gen_tps.
 */
#ifndef ELM_STUDY_REFERENCE_H
#define ELM_STUDY_REFERENCE_H

#include "study/results.h"

typedef struct elm__reference_query {
	elm__category category;
	double values[ELM__MEASURE_COUNT]; /* NaN: not there */
} elm__reference_query;

typedef struct elm__reference {
	elm__reference_query *queries;
	size_t count;
} elm__reference;

/* Malformed files are refused with line and reason. Release also after a failure. */
ELM_NODISCARD elm_status elm__reference_read(const char *folder, elm__reference *out,
					     elm_error *error);
ELM_NODISCARD elm_status elm__reference_parse(const char *name, const char *text, size_t length,
					      elm__reference *out, elm_error *error);
void elm__reference_release(elm__reference *reference);

/* The values of a measure; `out` has room for all queries. Returns how many. */
size_t elm__reference_values(const elm__reference *reference, elm__category category,
			     elm__measure measure, double *out);

#endif

/*
 * compare.h: two studies that asked the same queries, pair by pair.
 *
 * A pair is one query of one experiment in one variant, asked in both; repeats are reduced to their
 * median first. What is told is the median of the ratios of pairs, with its interval: that of the
 * means would be ruled by the longest queries.
 */
#ifndef ELM_STUDY_COMPARE_H
#define ELM_STUDY_COMPARE_H

#include "study/outcome.h"

/* The pairs of one category in one experiment. */
typedef struct elm__compared {
	char experiment[24], category[24];
	size_t pairs;
	size_t same_length; /* of them with equally long prompts and answers */
	double a[ELM__OUTCOME_METRICS], b[ELM__OUTCOME_METRICS]; /* medians; NaN: unmeasured */
	elm__interval ratio[ELM__OUTCOME_METRICS];		 /* b / a; n = 0 where unmeasured;
						    no limits below 6 pairs */
} elm__compared;

typedef struct elm__comparison {
	elm__compared *groups; /* by experiment, then category */
	size_t count;
	size_t only_a, only_b; /* queries without a partner */
} elm__comparison;

/* ELM_ERR_ARGUMENT when they asked different queries or have no pair. Release it also after a
 * failure. */
ELM_NODISCARD elm_status elm__compare(elm__store *a, elm__store *b, elm__comparison *out,
				      elm_error *error);
void elm__comparison_release(elm__comparison *comparison);

#endif

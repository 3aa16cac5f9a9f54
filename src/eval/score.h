/* score.h: what can be said of many right and wrong answers. */
#ifndef ELM_EVAL_SCORE_H
#define ELM_EVAL_SCORE_H

#include <stddef.h>

typedef struct elm__proportion {
	double value;	  /* right / count */
	double low, high; /* 95 % confidence interval of Wilson, 1927 */
	double error;	  /* standard error: half of that interval, over 1.96 */
} elm__proportion;

/* count is at least 1 */
elm__proportion elm__proportion_of(size_t right, size_t count);

typedef struct elm__auroc {
	double value; /* probability that a random positive is above a random negative; of equals,
			 half */
	double error; /* standard error of Hanley and McNeil, 1982 */
} elm__auroc;

/* At least one of each; none may be NaN. Both arrays are sorted. */
elm__auroc elm__auroc_of(double *positive, size_t positives, double *negative, size_t negatives);

#endif

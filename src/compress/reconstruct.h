/*
 * reconstruct.h: columns of a matrix go, and the others take over what they did.
 *
 * With x the inputs of the matrix, K the columns that stay, P those that go, and H the sum of x x^T
 * over the calibration, the weights that stay become
 *
 *	W_K + W_P H[P,K] (H[K,K] + d I)^-1
 *
 * which minimises the squared error of the outputs plus d times the squared change of the weights.
 * So what goes is replaced by its linear prediction from what stays.
 */
#ifndef ELM_COMPRESS_RECONSTRUCT_H
#define ELM_COMPRESS_RECONSTRUCT_H

#include "base/pool.h"
#include "compress/channels.h"

typedef struct elm__reconstruction {
	double bare;  /* squared error of the outputs, summed over the calibration, when columns are
			 only left out */
	double error; /* the same with the weights that are returned */
	bool solved;  /* false: H[K,K] cannot be inverted, and columns are only left out */
} elm__reconstruction;

/*
 * `weights` is rows x c->cols, c has products, `kept` lists n_kept of the columns (1 <= n_kept) in
 * ascending order; `out` gets rows x n_kept weights. The result does not depend on the number of
 * threads. ELM_ERR_NO_MEMORY is all that can fail.
 */
ELM_NODISCARD elm_status elm__reconstruct(elm__pool *pool, const elm__channels *c,
					  const float *weights, size_t rows, const uint32_t *kept,
					  size_t n_kept, float *out, elm__reconstruction *result,
					  elm_error *error);

#endif

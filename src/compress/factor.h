/* factor.h: the factor of an inverse Hessian that GPTQ feeds errors back with. */
#ifndef ELM_COMPRESS_FACTOR_H
#define ELM_COMPRESS_FACTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/pool.h"

/* The sum of n products in double, four sums at a time: the order depends on nothing but n. */
double elm__exact_dot(const float *a, const float *b, size_t n);

/*
 * From a symmetric matrix H (n x n) the upper triangular U with (H + d I)^-1 = U^T U, where d is
 * `damping` times the mean of the diagonal; a column that has never been anything but zero counts
 * as 1 on the diagonal. `scratch` and `u` have room for n x n floats; below the diagonal u is not
 * set. False when the matrix is not positive definite, even so.
 *
 * H = R R^T with R upper triangular is the Cholesky factorisation from the last row on; U is the
 * inverse of R, so no inverse of H is formed.
 */
bool elm__inverse_factor(elm__pool *pool, const float *h, size_t n, double damping, float *scratch,
			 float *u);

/* The same with as little damping as it takes: 1 %, then twice as much each time. False when less
 * than 100 % does not do. */
bool elm__inverse_factor_damped(elm__pool *pool, const float *h, size_t n, float *scratch,
				float *u);

#endif

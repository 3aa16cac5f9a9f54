/*
 * channels.h: what is known of the inputs of a matrix product, channel by channel.
 *
 * Sums over all input vectors x seen so far. From the sum of squares follows how much an error of a
 * weight matters (importance); from the products x x^T, the Hessian of the squared error of a
 * linear layer up to a factor, how errors of different weights of a row make up for each other.
 */
#ifndef ELM_COMPRESS_CHANNELS_H
#define ELM_COMPRESS_CHANNELS_H

#include <edgelm/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compress/multiplier.h"

typedef struct elm__channels {
	size_t cols;
	uint64_t count;	  /* vectors */
	float *square;	  /* sum of x[i]^2 */
	float *sum;	  /* of x[i]; NULL where not known */
	float *magnitude; /* sum of |x[i]|; NULL where not known */
	float *products;  /* cols x cols, sum of x[i] x[j]; NULL where not known */
} elm__channels;

/*
 * Adds `rows` vectors, `stride` floats apart, of which this member, `index` of `count_members`,
 * does its share; member 0 counts them. The order of additions does not depend on the number of
 * members. Of the products, those right of and on the diagonal are made.
 */
void elm__channels_add(elm__channels *channels, const elm__multiplier *multiplier, const float *x,
		       size_t stride, size_t rows, unsigned index, unsigned count_members);

/*
 * What errors of weights do to outputs: for `rows` rows e of cols errors each, g = H e with H the
 * products, and errors[row] = e^T H e, the squared error summed over all vectors. Where products
 * are not known the squares stand for them, as if channels were uncorrelated.
 */
void elm__channels_weigh(const elm__channels *channels, const elm__multiplier *multiplier,
			 unsigned member, const float *e, size_t rows, float *g, double *errors);

/* Copies the upper triangle of the products to the lower. */
void elm__channels_mirror(elm__channels *channels);

/* Clears all sums. */
void elm__channels_clear(elm__channels *channels);

#endif

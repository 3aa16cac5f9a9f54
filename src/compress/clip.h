/*
 * clip.h: rounding to the nearest with the scales that are best for the outputs of a product.
 *
 * A smaller scale clips the largest weights of a block and rounds the others more finely. What that
 * does to the outputs depends on the inputs of all weights of a row together: with e the error of a
 * row and H the sum of x x^T over inputs x, the squared error of the outputs is e^T H e. Each
 * sub-block in turn takes of its possible scales the one for which that is least while all others
 * stay as they are, until none changes.
 */
#ifndef ELM_COMPRESS_CLIP_H
#define ELM_COMPRESS_CLIP_H

#include <edgelm/types.h>

#include "base/pool.h"
#include "compress/channels.h"

typedef struct elm__clip_result {
	double error;	/* of the outputs, squared and summed over what calibrated it */
	double rounded; /* the same with the scales that elm__quantize_row finds */
} elm__clip_result;

/*
 * Encodes `rows` x c->cols weights into blocks of `type`, which has scales (quant/scales.h). Of
 * `c` the squares and products are used. ELM_ERR_ARGUMENT for a weight or square that is no number.
 */
ELM_NODISCARD elm_status elm__clip_encode(elm__pool *pool, const elm__multiplier *multiplier,
					  elm_type type, const float *weights, size_t rows,
					  const elm__channels *c, void *blocks,
					  elm__clip_result *result, elm_error *error);

#endif

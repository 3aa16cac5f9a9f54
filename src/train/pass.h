/*
 * pass.h: forward and backward through a model, over a batch of pieces of text packed one behind
 * the other.
 *
 * Everything is in floats. All threads of the pool walk through the layers together. Nothing that
 * is computed depends on how many there are: sums run over fixed chunks of rows in a fixed order.
 * What backward needs of attention is computed again from queries, keys and the logarithm of the
 * sum of each row, block by block, so that memory grows with the rows and not with their squares.
 */
#ifndef ELM_TRAIN_PASS_H
#define ELM_TRAIN_PASS_H

#include <edgelm/tokenizer.h>

#include "base/pool.h"
#include "train/params.h"

/* Rows that see each other: a row sees those before it in its piece. Positions count from 0. */
typedef struct elm__piece {
	uint32_t first, rows;
} elm__piece;

/*
 * What a teacher says about the rows of a batch, at a temperature: the `count` most likely tokens
 * of each row, most likely first, with the logarithms of their probabilities. The rest of the
 * probability counts as one more outcome.
 */
typedef struct elm__lesson {
	uint32_t count;
	const uint32_t *tokens;	  /* rows x count */
	const float *likelihoods; /* likewise: log p */
	float temperature;
	float share; /* of the loss, the cross entropy has the rest */
} elm__lesson;

typedef struct elm__train_batch {
	uint32_t rows, pieces;
	const elm_token *tokens;
	const elm_token *targets; /* ELM_TOKEN_NONE: this row's prediction does not count */
	const elm__piece *piece;
	const elm__lesson *lesson; /* NULL: only the targets count */
	float weight;		   /* of one target in the gradient: 1 / targets of the step */
} elm__train_batch;

typedef struct elm__train_loss {
	double total;	      /* what is minimised, summed over the targets, in nats */
	double cross_entropy; /* the same as total where there is no lesson */
	uint64_t targets;
} elm__train_loss;

typedef struct elm__pass_limits {
	uint32_t rows;	  /* of a batch */
	uint32_t context; /* rows of a piece */
	bool bf16;	  /* products with weights may round what they multiply to bfloat16 */
} elm__pass_limits;

typedef struct elm__pass elm__pass;

/* Takes all memory. Params, rope, kernels and pool stay the caller's and must outlive it. */
ELM_NODISCARD elm_status elm__pass_create(const elm__params *params, const elm__rope *rope,
					  const elm__kernels *kernels, elm__pool *pool,
					  const elm__pass_limits *limits, elm__pass **out,
					  elm_error *error);
void elm__pass_free(elm__pass *pass); /* NULL allowed */

/* Bytes that a pass of these limits takes; 0 when they do not fit in size_t. */
size_t elm__pass_bytes(const elm__params *params, const elm__kernels *kernels, unsigned threads,
		       const elm__pass_limits *limits);

/* Adds the loss of a batch (within the limits, at least one row) to *loss and its derivatives to
 * `gradient`, which is laid out as the weights; gradient NULL only measures. */
void elm__pass_run(elm__pass *pass, const elm__train_batch *batch, const float *weights,
		   float *gradient, elm__train_loss *loss);

#endif

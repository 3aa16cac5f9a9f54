/*
 * forward.h: the forward pass over a batch of rows from any sequences.
 *
 * All threads of the pool walk through the layers together; between two steps that depend on each
 * other stands a barrier. Nothing is allocated: the caller gives one piece of memory, whose size
 * elm__forward_bytes tells beforehand.
 */
#ifndef ELM_MODEL_FORWARD_H
#define ELM_MODEL_FORWARD_H

#include "base/pool.h"
#include "model/core.h"
#include "model/kv.h"
#include "model/rope.h"

/* Consecutive rows of a sequence that attend together: one tile, or where all threads have enough
 * to do, several. */
enum { ELM__QUERY_TILE = 32, ELM__QUERY_TILES = 4 };

typedef struct elm__row {
	elm_token token;
	uint32_t position;
	uint32_t sequence;
	bool logits;		/* wanted for this row */
	bool state;		/* or its state */
	const uint32_t *blocks; /* cache blocks of its sequence, the one of `position` included */
} elm__row;

typedef struct elm__forward_limits {
	uint32_t batch;	  /* rows of a pass */
	uint32_t context; /* longest sequence */
	uint32_t threads;
} elm__forward_limits;

typedef struct elm__forward elm__forward;

/* Bytes that elm__forward_init wants, aligned to ELM__KERNEL_ALIGN; 0 when they do not fit in
 * size_t. */
size_t elm__forward_bytes(const elm_model *model, const elm__forward_limits *limits);

/* Lays a pass out in `memory`. The model, the pool and *kv stay the caller's and must outlive it.
 */
elm__forward *elm__forward_init(void *memory, const elm_model *model, const elm__kv *kv,
				elm__pool *pool, const elm__forward_limits *limits);

/*
 * Computes n rows (1 <= n <= batch). Keys and values go to the cache; the logits of the rows that
 * want them go to `logits`, `vocabulary` floats each, in row order; the states of those that want
 * them, `width` floats each, what the output matrix would have been given, go to `states` in the
 * same way. Cannot fail.
 */
void elm__forward_run(elm__forward *f, const elm__row *rows, uint32_t n, float *logits,
		      float *states);

/* What the products of a model read: those of one kind share their inputs. */
typedef enum elm__input {
	ELM__INPUT_ATTENTION, /* q, k and v: the normed residual stream */
	ELM__INPUT_OUT,	      /* the output of attention */
	ELM__INPUT_FFN,	      /* gate and up */
	ELM__INPUT_DOWN,      /* the activated hidden units */
	ELM__INPUTS
} elm__input;

/*
 * Sees the inputs of each product of a layer: `x` is rows x cols floats, rows `stride` floats
 * apart, unchanged until all members have returned. Every member of the pool calls it, `index` of
 * `count`, so that they can share the work; it must not use the pool itself.
 */
typedef struct elm__observer {
	void (*see)(void *user, elm__input input, const float *x, size_t stride, size_t rows,
		    size_t cols, unsigned index, unsigned count);
	void *user;
} elm__observer;

/*
 * Computes one layer only: `residual`, n rows of `width` floats, holds the residual stream before
 * the layer, or gets the embeddings first when the layer is 0, and is left with the stream after
 * it. All rows go through the whole layer and no logits are made. `observer` may be NULL.
 */
void elm__forward_layer(elm__forward *f, const elm__row *rows, uint32_t n, uint32_t layer,
			float *residual, const elm__observer *observer);

#endif

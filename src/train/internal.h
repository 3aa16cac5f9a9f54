/* internal.h: what the files of a pass share. */
#ifndef ELM_TRAIN_INTERNAL_H
#define ELM_TRAIN_INTERNAL_H

#include "base/carve.h"
#include "train/pass.h"

enum {
	ELM__CHUNK_ROWS = 32, /* rows whose derivatives of vectors are summed before all others */
	ELM__QUERY_ROWS = 64  /* rows that attend together */
};

/* What forward keeps of a layer for backward. */
typedef struct elm__kept {
	float *x;	 /* width: what enters the layer */
	float *qkv;	 /* queries, keys, values: after bias, norm and rotation */
	float *raw;	 /* queries and keys before their norm, where there is one */
	float *attended; /* heads x head_dim */
	float *lse;	 /* heads: logarithm of the sum of exponentials of the scaled scores */
	float *middle;	 /* width: after attention */
	float *gate_up;	 /* gates, then ups */
} elm__kept;

typedef struct elm__pass_thread {
	void *gemm;
	float *scores, *slopes; /* QUERY_ROWS x context */
	float *row;		/* vocabulary: what the student says at the temperature */
} elm__pass_thread;

struct elm__pass {
	const elm__params *params;
	const elm__hparams *hp;
	const elm__kernels *k;
	elm__pool *pool;
	elm__pass_limits limits;
	void *memory;
	uint32_t pairs;		     /* of rotations */
	float *cosine, *sine, *back; /* context x pairs; back = -sine */
	uint32_t *position;	     /* of each row */

	elm__kept *kept; /* one per layer */
	float *last;	 /* width: what leaves the last layer */
	float *normed;	 /* width */
	float *attention_normed;
	float *activated; /* ffn */
	float *slope[3];  /* width: derivatives with respect to the residual stream */
	float *slope_normed, *slope_activated, *slope_gate_up, *slope_attended, *slope_qkv;
	/* Derivatives of vectors, summed over a chunk of rows each: of a norm; of a norm, the
	 * biases and the norms of queries and keys. */
	float *partial_ffn, *partial_attention;
	size_t partial_floats; /* of a chunk in partial_attention */

	/* The loss. */
	uint32_t *selected; /* rows with a target */
	float *hidden, *slope_hidden, *logits;
	double *row_loss, *row_entropy;
	uint32_t n_selected, loss_rows; /* rows of logits at once */
	elm__pass_thread *threads;

	/* The batch at hand. */
	const elm__train_batch *batch;
	const float *w;
	float *g; /* NULL: no backward */
};

typedef struct elm__pass_member {
	elm__pass *p;
	unsigned index, count;
	size_t begin, end; /* its rows, whole chunks */
	elm__pass_thread *own;
} elm__pass_member;

static inline uint32_t elm__qkv_floats(const elm__hparams *hp, uint32_t layer)
{
	const elm__layer_shape *s = &hp->shapes[layer];

	return (s->heads + 2 * s->kv_heads) * hp->head_dim;
}

static inline void elm__pass_barrier(const elm__pass_member *me)
{
	elm__pool_barrier(me->p->pool);
}

/* y = x w^T for rows of this member (or added): w is outputs x inputs. */
void elm__pass_multiply(const elm__pass_member *me, const float *x, size_t inputs, const float *w,
			float *y, size_t outputs, bool add);
/* dx = dy w for rows of this member. */
void elm__pass_multiply_back(const elm__pass_member *me, const float *dy, size_t outputs,
			     const float *w, float *dx, size_t inputs);
/* dw += dy^T x over `rows` rows: this member's share of the rows of dw. */
void elm__pass_gather(const elm__pass_member *me, const float *dy, size_t outputs, const float *x,
		      size_t inputs, size_t rows, float *dw);

/* out += the sums over all chunks of columns [offset, offset + n) of a row of `partial` per chunk:
 * this member's share of the columns. */
void elm__pass_reduce(const elm__pass_member *me, const float *partial, size_t stride,
		      size_t offset, size_t n, float *out);

/* Rotates a head by the position of a row, or back. */
void elm__pass_rotate(const elm__pass *p, float *head, size_t row, bool back);

/* Attention and its derivatives, a piece and key head at a time; members take tickets. */
void elm__pass_attend(const elm__pass_member *me, uint32_t layer);
void elm__pass_attend_back(const elm__pass_member *me, uint32_t layer);

/* Losses of the selected rows and, with a gradient, the derivatives with respect to p->last in
 * `slope` (this member's rows), to the output matrix and to the last norm. Begins and ends with a
 * barrier. */
void elm__pass_loss(const elm__pass_member *me, float *slope);

void elm__pass_backward(const elm__pass_member *me);

#endif

/* forward_state.h: what a pass works in, shared by forward.c, which computes, and forward_memory.c,
 * which gives it its memory. */
#ifndef ELM_MODEL_FORWARD_STATE_H
#define ELM_MODEL_FORWARD_STATE_H

#include <stdatomic.h>

#include "model/forward.h"

/* Rows that go through a step together, and the most in a tile of any form of inputs. */
enum { ELM__ROW_UNIT = 16 };

/* Where there are fewer tiles and key heads than would keep all members busy, long contexts are
 * shared out: up to this many parts per member in all, of at least so many blocks each. */
enum { ELM__PARTS_EACH = 4, ELM__PART_BLOCKS = 8 };

/*
 * Floats from row to row where products of n outputs write: whole lines of the caches, and an odd
 * number of them. Products fill blocks of many rows by few columns, and with rows a power of two
 * apart the lines of such a block would all fall in the same few sets of the caches.
 */
static inline size_t elm__padded(size_t n)
{
	return (n + 15) / 16 * 16 | 16;
}

/* Rows that attend together: consecutive positions of one sequence. */
typedef struct elm__forward_tile {
	uint32_t row, rows;
} elm__forward_tile;

typedef struct elm__forward_thread {
	void *matmul, *attention;
	const void **keys, **values; /* one entry per cache block of the longest sequence */
} elm__forward_thread;

struct elm__forward {
	const elm_model *model;
	const elm__hparams *hp;
	const elm__kernels *k;
	const elm__kv *kv;
	elm__pool *pool;
	elm__rope rope;

	/* Activations, row after row. What products write has rows of elm__padded length. */
	float *x;	    /* the residual stream, width */
	float *normed;	    /* width */
	float *query;	    /* heads x head_dim, padded */
	float *key, *value; /* kv_heads x head_dim, padded */
	float *attended;    /* heads x head_dim */
	float *gate, *up;   /* ffn, padded */
	float *projected;   /* width, padded */
	float *cosine[ELM__ROPE_KINDS], *sine[ELM__ROPE_KINDS];
	void *forms; /* memory for the forms of the inputs of the product at hand */
	elm__forward_tile *tiles;
	elm__forward_thread *threads;
	/* Of contexts that are shared out: what each part gave, part_rows rows, and for each tile
	 * and key head how many parts have been computed. */
	float *parts, *part_lse;
	size_t part_rows;
	atomic_uint *parts_done;

	/* The pass at hand. */
	const elm__row *rows;
	float *logits, *states;
	uint32_t n, n_tiles, n_logits, n_states;
	size_t unit;	 /* rows that are shared out together */
	float *residual; /* of a pass through one layer, else NULL */
	uint32_t layer;
	const elm__observer *observer;
};

#endif

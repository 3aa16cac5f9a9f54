/* state.h: the parts of a trainer that its files share. */
#ifndef ELM_TRAIN_STATE_H
#define ELM_TRAIN_STATE_H

#include "train/trainer.h"

struct elm__trainer {
	elm__arena arena; /* hyperparameters, layout and what of a file is bound */
	elm__train_options options;
	const elm_gguf *file; /* metadata are copied from it */
	bool from_shape;      /* then only its vocabulary */
	elm__hparams hparams;
	elm__weights bound; /* tensors of the file; empty where there is a shape */
	elm__params params;
	elm__rope rope;
	elm__kernels kernels;
	elm__pool *pool;
	elm__pass *pass;
	elm__optimizer optimizer;
	elm__schedule schedule;
	elm__feed feed;
	uint64_t corpus_hash, rows_done;
	float *weights, *gradient; /* aligned */

	elm__teaching teaching; /* count 0: none */
	uint32_t *taught_tokens;
	float *likelihoods;

	/* The windows of a step, and one pass of it. */
	elm__window *windows;
	elm_token *tokens, *targets;
	elm__piece *pieces;
};

/* Everything that decides what the next losses are, as text that a person can compare. */
void elm__trainer_settings(const elm__trainer *trainer, char *out, size_t size);

/* Packs windows [first, n) of a list into one batch, as many as fit; returns the first that did
 * not. */
size_t elm__trainer_pack(elm__trainer *trainer, const elm__corpus *corpus,
			 const elm__window *windows, size_t first, size_t n,
			 elm__train_batch *batch);

#endif

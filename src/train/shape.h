/* shape.h: what a model that is trained from scratch looks like. */
#ifndef ELM_TRAIN_SHAPE_H
#define ELM_TRAIN_SHAPE_H

#include "base/arena.h"
#include "model/hparams.h"

typedef struct elm__shape {
	const elm__arch *arch;
	int64_t vocabulary; /* 0: that of the tokenizer */
	int64_t width, layers, heads;
	int64_t kv_heads; /* 0: as many as heads */
	int64_t head_dim; /* 0: width / heads */
	int64_t ffn;	  /* 0: 8/3 of the width, rounded up to a multiple of 32 */
	int64_t context;
	int64_t tied; /* 1: the embedding is the output matrix too */
	double norm_epsilon, rope_base;
} elm__shape;

/* llama, 6 layers of width 192, 6 heads, a context of 256, tied. */
elm__shape elm__shape_defaults(void);

/*
 * Changes what `text` says: "width=256,layers=8,arch=qwen2", or the path of a JSON file that holds
 * an object with these keys. ELM_ERR_ARGUMENT names a key or value that is wrong. *shape keeps what
 * was set before a failure.
 */
ELM_NODISCARD elm_status elm__shape_parse(elm__shape *shape, const char *text, elm_error *error);

/* The keys that elm__shape_parse knows, with commas between. Static. */
const char *elm__shape_keys(void);

/* Fills in what is 0, checks that the numbers fit together, and says them as *hp, whose arrays are
 * in the arena. `vocabulary` is what the tokenizer has. */
ELM_NODISCARD elm_status elm__shape_apply(const elm__shape *shape, uint32_t vocabulary,
					  elm__hparams *hp, elm__arena *arena, elm_error *error);

#endif

/*
 * mix.h: which tensor gets which type. A mix is named by its main type, and gives the tensors that
 * suffer most a better one; the rules are those of files that go by the same name elsewhere.
 */
#ifndef ELM_COMPRESS_MIX_H
#define ELM_COMPRESS_MIX_H

#include <edgelm/gguf.h>

typedef struct elm__mix {
	const char *name;   /* "Q4_K_M" */
	elm_type type;	    /* of most matrices */
	uint32_t file_type; /* general.file_type */
} elm__mix;

/* What the rules look at. */
typedef struct elm__mix_model {
	uint32_t layers;
	uint32_t heads_per_kv; /* query heads that share a key head */
	bool tied;	       /* the embedding is the output matrix too */
	bool calibrated;       /* importance is known */
} elm__mix_model;

/* By name, case ignored; NULL when there is none. */
const elm__mix *elm__mix_find(const char *name);

/* All of them, in order of size; `index` from 0, NULL past the last. */
const elm__mix *elm__mix_at(size_t index);

/* True for F32, F16, BF16 and the quantised types. */
bool elm__mix_is_weight_type(elm_type type);

/* Whether quantising touches the tensor: matrices of weights, no norms and no vectors. */
bool elm__mix_covers(const elm_gguf_tensor *tensor);

/* The type for a tensor that is covered, by its name; its rows may not fit it. */
elm_type elm__mix_choose(const elm__mix *mix, const elm__mix_model *model, const char *tensor);

/* `type` where rows of `cols` weights can have it, else the next best that they can have. */
elm_type elm__mix_fit(elm_type type, uint64_t cols);

#endif

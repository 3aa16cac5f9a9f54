/*
 * prune.h: a model file with fewer query heads, key heads, neurons or layers.
 *
 * Every part gets a score (the more, the more it matters), a plan says which parts stay, and the
 * file is written with the rows and columns of the others left out. All layers lose alike, those
 * that are protected nothing; docs/COMPRESSION.md has the reasons.
 */
#ifndef ELM_COMPRESS_PRUNE_H
#define ELM_COMPRESS_PRUNE_H

#include "compress/calib.h"
#include "compress/calibrate.h"
#include "compress/reconstruct.h"
#include "model/units.h"

/* --- scores --- */

typedef enum elm__prune_score {
	ELM__SCORE_MAGNITUDE, /* squares of all weights of a part */
	ELM__SCORE_WANDA,     /* mean magnitude of a column, times the length of its inputs */
	ELM__SCORE_FLAP	      /* squares of a column, times the variance of its inputs */
} elm__prune_score;

/* Scores of all parts; elm__taylor_scores (train/taylor.h) has others. `calib` may be NULL for
 * magnitudes. `progress` (or NULL) is called with layers. */
ELM_NODISCARD elm_status elm__prune_find_scores(elm__prune_score score, const elm_gguf *gguf,
						const elm__hparams *hp, const elm__calib *calib,
						elm__compress_progress *progress, void *user,
						elm__units *units, elm_error *error);

/* changes[layer] = mean over a text of 1 - the cosine between what enters a layer and what leaves
 * it. Takes all of the walk, which stands at its beginning. */
ELM_NODISCARD elm_status elm__prune_layer_changes(elm__walk *walk, elm__compress_progress *progress,
						  void *user, double *changes, elm_error *error);

/* --- the plan --- */

typedef enum elm__prune_attention {
	ELM__PRUNE_NO_HEADS,
	ELM__PRUNE_HEADS, /* as many query heads from each group that shares a key head */
	ELM__PRUNE_GROUPS /* key heads with all their query heads */
} elm__prune_attention;

typedef struct elm__prune_goal {
	double sparsity; /* share of the weights of all layers that go, with `layers`; below 1 */
	elm__prune_attention attention;
	uint32_t multiple; /* of the neurons that stay; 0: what suits their number */
	uint32_t layers;   /* that go as a whole */
	uint32_t protect_first, protect_last; /* layers that stay as they are */
} elm__prune_goal;

/* What stays of a layer. The lists ascend and lie in the arena of the plan. */
typedef struct elm__pruned_layer {
	uint32_t from; /* its number in the model */
	uint32_t heads, kv_heads, neurons;
	uint32_t *head, *kv_head, *neuron;
	double heads_lost, neurons_lost; /* shares of the scores of the layer's heads and neurons */
} elm__pruned_layer;

typedef struct elm__prune_plan {
	const elm_gguf *gguf;
	const elm__hparams *hp;
	elm__pruned_layer *layers;
	uint32_t count;
	bool uniform; /* all layers have the same widths */
} elm__prune_plan;

/* Which layers to leave alone where the user does not say: of 32, the first four and the last two;
 * none where layers of different widths would keep llama.cpp from loading the file. */
void elm__prune_protection(const elm__hparams *hp, uint32_t *first, uint32_t *last);

/* Of what number of neurons a multiple stays where the goal does not say. */
uint32_t elm__prune_multiple(uint32_t neurons);

/* Whether llama.cpp loads this architecture with other numbers of heads. */
bool elm__prune_heads_are_free(const elm__arch *arch);

/* The architecture that a file with such layers is written as: llama becomes deci where they
 * differ. */
const elm__arch *elm__prune_arch(const elm__prune_plan *plan);

/*
 * `changes` may be NULL where no layers go. ELM_ERR_ARGUMENT for a goal that cannot be reached,
 * with what can; ELM_ERR_UNSUPPORTED for an architecture that cannot lose such parts. The plan lies
 * in the arena and needs no release; gguf and hp must outlive it.
 */
ELM_NODISCARD elm_status elm__prune_plan_make(elm__prune_plan *plan, const elm_gguf *gguf,
					      const elm__hparams *hp, const elm__prune_goal *goal,
					      const elm__units *units, const double *changes,
					      elm__arena *arena, elm_error *error);

/* --- the file --- */

/* What became of the two matrices that lose columns; zeros where they are as they were. */
typedef struct elm__prune_repair {
	elm__reconstruction out, down;
} elm__prune_repair;

typedef struct elm__prune_options {
	const char *score;	 /* its name, for the metadata */
	const elm__calib *calib; /* with products; NULL: columns are only left out */
	elm_type type;		 /* of matrices: F32, F16 or BF16 */
	bool keep_type;		 /* or what they have, F16 where that is quantised */
	elm__pool *pool;
	elm__compress_progress *progress; /* with bytes; or NULL */
	void *user;
} elm__prune_options;

/* Sums over the tensors of the model, and of what becomes of it. */
typedef struct elm__prune_sizes {
	uint64_t weights, layer_weights, bytes;
} elm__prune_sizes;

ELM_NODISCARD elm_status elm__prune_measure(const elm__prune_plan *plan,
					    const elm__prune_options *options,
					    elm__prune_sizes *before, elm__prune_sizes *after,
					    elm_error *error);

/* `repairs` has room for plan->count entries. Weights that are NaN or infinite are ELM_ERR_FORMAT
 * and named. */
ELM_NODISCARD elm_status elm__prune(const elm__prune_plan *plan, const char *path,
				    const elm__prune_options *options, elm__prune_repair *repairs,
				    elm_error *error);

#endif

/*
 * budget.h: which way of making a model smaller to try next, until one meets a goal.
 *
 * Quantising costs least, so it comes first: the largest mixes that fit. Where none fits, or what
 * fits is not good enough, parts are pruned for the sake of a better mix, more and more as long as
 * that helps; then the best pruned model is distilled. The planner only decides. Whoever asks makes
 * each recipe, measures it, and says what came of it.
 */
#ifndef ELM_COMPRESS_BUDGET_H
#define ELM_COMPRESS_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compress/quantize.h"

enum { ELM__BUDGET_MIXES = 24, ELM__BUDGET_TRIALS = 16 };

typedef struct elm__budget_goal {
	uint64_t file_bytes, memory_bytes; /* at most; 0: any */
	double max_divergence;		   /* nats per token; 0: any */
	bool prune, distill;		   /* whether these may be used */
} elm__budget_goal;

/* How a model is made: pruned (sparsity above 0), then perhaps distilled, then quantised. */
typedef struct elm__recipe {
	double sparsity; /* share of the weights of all layers that goes */
	bool distilled;
	const elm__mix *mix;
} elm__recipe;

/* One that was made. */
typedef struct elm__trial {
	elm__recipe recipe;
	uint64_t file_bytes, memory_bytes;
	double divergence, divergence_error, perplexity, same_top, tokens_per_second;
	bool fits; /* set by elm__budget_add */
} elm__trial;

/* Tensors in one mix. */
typedef struct elm__mix_size {
	const elm__mix *mix;
	uint64_t fixed, layers; /* bytes of what belongs to no layer, and to layers */
	/* Of layers, if they had the types that pruning lets them have: fewer neurons are shorter
	 * rows, which some types do not divide. */
	uint64_t pruned;
} elm__mix_size;

typedef struct elm__budget {
	elm__budget_goal goal;
	elm__mix_size mixes[ELM__BUDGET_MIXES]; /* the largest first, no two of the same size */
	size_t n_mixes;
	uint64_t metadata; /* bytes of a file that are not tensors */
	uint64_t working;  /* memory for cache and activations */
	elm__trial trials[ELM__BUDGET_TRIALS];
	size_t n_trials;
} elm__budget;

/*
 * Sets the goal and finds out what each mix would take; only those are considered that make the
 * model smaller. `working` is the memory that running it takes beside the weights.
 */
ELM_NODISCARD elm_status elm__budget_init(elm__budget *budget, const elm__budget_goal *goal,
					  const elm_gguf *gguf, const elm__hparams *hp,
					  uint64_t working, elm_error *error);

/* What a recipe is expected to take. */
uint64_t elm__budget_file_bytes(const elm__budget *budget, const elm__recipe *recipe);
uint64_t elm__budget_memory(const elm__budget *budget, uint64_t file_bytes);

/* The next recipe to make and measure; false when the goal is met or nothing is left to try. */
bool elm__budget_next(const elm__budget *budget, elm__recipe *next);

/* What came of it; at most ELM__BUDGET_TRIALS, which next never exceeds. */
void elm__budget_add(elm__budget *budget, const elm__trial *trial);

/* The trial with the least divergence of those that fit; NULL when none does. */
const elm__trial *elm__budget_best(const elm__budget *budget);

/* Whether the best meets all of the goal. */
bool elm__budget_met(const elm__budget *budget);

/* The smallest file that any recipe would give. */
uint64_t elm__budget_smallest(const elm__budget *budget);

/* "pruned 20 %, distilled, Q4_K_M" */
const char *elm__recipe_text(const elm__recipe *recipe, char *out, size_t size);

#endif

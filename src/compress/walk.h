/*
 * walk.h: a text walks through a model one layer at a time.
 *
 * The text is cut into windows of the same length, each a text of its own, as for perplexity
 * (eval/perplexity.h). The residual streams of all windows are kept; a step takes one window
 * through the layer at hand. So what a layer sees can be looked at, and its weights be changed, for
 * the whole text before the next layer is reached, with the memory of one layer.
 */
#ifndef ELM_COMPRESS_WALK_H
#define ELM_COMPRESS_WALK_H

#include <edgelm/model.h>

#include "base/arena.h"
#include "base/pool.h"
#include "compress/multiplier.h"
#include "model/forward.h"

typedef struct elm__walk_options {
	uint32_t window;      /* tokens, 2 to 65536 */
	uint32_t max_windows; /* 0: all of the text */
	uint32_t threads;     /* 0: one per core that is worth using */
	uint64_t memory;      /* bytes; streams that take more go to a file beside `beside` */
	const char *beside;
} elm__walk_options;

typedef struct elm__walk {
	elm_model *model;
	elm__pool *pool;
	elm__multiplier multiplier; /* for its members */
	uint32_t windows, window;
	uint32_t layer;	   /* the layer at hand */
	uint32_t done;	   /* windows that have passed it */
	float *states;	   /* windows x window x width: the residual streams */
	elm_token *tokens; /* windows x window */
	/* private */
	elm__arena arena;
	elm__kv kv;
	elm__forward *forward;
	elm__row *rows;
	float *copy; /* of one window's stream */
	void *scratch;
	size_t kv_bytes, states_bytes;
	bool spilled;
} elm__walk;

/*
 * Begins at layer 0. The model's matrices may be exchanged between steps. ELM_ERR_ARGUMENT when
 * the text has less than one window. Released by elm__walk_release, which is not needed after a
 * failure.
 */
ELM_NODISCARD elm_status elm__walk_init(elm__walk *walk, elm_model *model, const elm_token *tokens,
					size_t count, const elm__walk_options *options,
					elm_error *error);
void elm__walk_release(elm__walk *walk);

/* Takes the next window through the layer; after the last one the next layer is at hand, where
 * there is one. `observer` may be NULL. */
void elm__walk_step(elm__walk *walk, const elm__observer *observer);

/* Shows what a window makes the layer see; the window stays before the layer. */
void elm__walk_look(elm__walk *walk, uint32_t window, const elm__observer *observer);

static inline float *elm__walk_state(const elm__walk *walk, uint32_t window)
{
	return walk->states +
	       (size_t)window * walk->window * elm_model_get_info(walk->model)->width;
}

#endif

/*
 * units.h: the parts of a layer that a smaller model can do without, with a number for each: query
 * heads, pairs of key and value heads, and neurons of the feed-forward block.
 */
#ifndef ELM_MODEL_UNITS_H
#define ELM_MODEL_UNITS_H

#include "model/hparams.h"

typedef struct elm__units {
	float *heads, *kv_heads, *neurons; /* as many as the shape of the layer says */
} elm__units;

/* All zero, one per layer, in the arena; NULL when memory runs out. */
elm__units *elm__units_create(const elm__hparams *hp, elm__arena *arena);

#endif

/* taylor.h: how much the parts of a model matter, by the derivatives of its loss. */
#ifndef ELM_TRAIN_TAYLOR_H
#define ELM_TRAIN_TAYLOR_H

#include "model/units.h"
#include "train/trainer.h"

typedef struct elm__taylor_options {
	uint32_t windows; /* of the text, at most; 0: all */
	/* Called with windows; returning true ends the work with ELM_ERR_CANCELLED. May be NULL. */
	bool (*progress)(void *user, uint64_t done, uint64_t total);
	void *user;
} elm__taylor_options;

/*
 * The score of a part is the sum of |weight x derivative| over the rows and columns that go with
 * it, the first order of what the loss would change by (Ma et al., "LLM-Pruner", 2023), summed over
 * batches of the text, which is read once and in order. The trainer's state of training is not
 * touched.
 */
ELM_NODISCARD elm_status elm__taylor_scores(elm__trainer *trainer, const elm__corpus *corpus,
					    const elm__taylor_options *options, elm__units *units,
					    elm_error *error);

#endif

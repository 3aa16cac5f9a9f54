/*
 * plain_model.h: the loss of a model in double precision, written as plainly as possible and
 * sharing no arithmetic with the library, for tests of training.
 */
#ifndef ELM_TESTS_PLAIN_MODEL_H
#define ELM_TESTS_PLAIN_MODEL_H

#include "train/pass.h"

/* The loss of a batch as elm__pass_run sums it up, `weights` laid out as params says. */
double plain_loss(const elm__params *params, const elm__train_batch *batch, const double *weights);

#endif

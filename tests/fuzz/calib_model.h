/* calib_model.h: the model that files of calibration are read for. */
#ifndef ELM_TESTS_CALIB_MODEL_H
#define ELM_TESTS_CALIB_MODEL_H

#include "base/arena.h"
#include "model/hparams.h"

/* Opened; ends the program when that fails. It lives until the end of the program. */
elm_gguf *calib_model(elm__arena *arena, elm__hparams *hp);

#endif

/* core.h: an opened model, as the layers below the public API see it. */
#ifndef ELM_MODEL_CORE_H
#define ELM_MODEL_CORE_H

#include <edgelm/model.h>

#include "base/file.h"
#include "model/pack.h"
#include "model/weights.h"

struct elm_model {
	elm_gguf *gguf;
	elm_tokenizer *tokenizer;
	elm__arena arena; /* lives as long as the model */
	elm__hparams hparams;
	elm__weights weights;
	elm__kernels kernels;
	elm_model_info info;
	elm__map engine;     /* the mapped engine file, or */
	elm__pack_plan plan; /* what of the weights is packed, and where */
	uint64_t engine_key;
	bool engine_built;
	const char *engine_path; /* of it, in the arena */
	void *packed;		 /* packed weights in private memory */
	size_t packed_bytes;	 /* of that memory */
};

#endif

/* roles.h: which tensors of a model file are weights of products, and what they multiply. */
#ifndef ELM_COMPRESS_ROLES_H
#define ELM_COMPRESS_ROLES_H

#include <edgelm/gguf.h>

#include "model/forward.h"

enum { ELM__READERS_MAX = 4, ELM__TENSOR_NAME_MAX = 96 };

/* A tensor's place. Layer `hp->layers` has one input, numbered 0: that of the output product. */
typedef struct elm__role {
	uint32_t layer;
	elm__input input;
} elm__role;

/* "blk.17.rest": the number, and where the rest begins; NULL for other names. */
const char *elm__role_split(const char *tensor, uint32_t *layer);

/* "blk.3.attn_q.weight" and the like; the output matrix too, which is the embedding in a model
 * that has no other. False for tensors that multiply nothing. */
bool elm__role_of(const elm_gguf *gguf, const elm__hparams *hp, const char *tensor,
		  elm__role *role);

/* The tensors of `gguf` that read an input, in a fixed order. Returns how many, 0 to
 * ELM__READERS_MAX. */
size_t elm__role_readers(const elm_gguf *gguf, const elm__hparams *hp, elm__role role,
			 const elm_gguf_tensor *readers[ELM__READERS_MAX]);

#endif

/*
 * edgelm/model.h: a language model, opened from a GGUF file and ready to compute with.
 *
 * A model is read-only after it is opened and may be shared by any number of sessions and threads.
 * Its weights are mapped from the file: they cost page cache, not private memory, unless they are
 * packed.
 */
#ifndef EDGELM_MODEL_H
#define EDGELM_MODEL_H

#include <edgelm/gguf.h>
#include <edgelm/tokenizer.h>

typedef struct elm_model elm_model;

/* The shape of a model, as the file's metadata gives it. */
typedef struct elm_model_info {
	const char *architecture; /* "llama", "qwen2", ... */
	const char *name;	  /* general.name, "" where absent; printable UTF-8 */
	uint32_t vocabulary;	  /* rows of the logits */
	uint32_t width;		  /* embedding length */
	uint32_t layers;
	uint32_t heads;	    /* query heads; the largest, where layers differ */
	uint32_t kv_heads;  /* key/value heads */
	uint32_t head_dim;  /* of queries and keys */
	uint32_t ffn_width; /* feed-forward length */
	uint32_t trained_context;
	uint64_t parameters;   /* elements of all tensors */
	uint64_t weight_bytes; /* of all tensors */
} elm_model_info;

typedef struct elm_model_options {
	const char *isa; /* a tier of `--isa`, NULL or "native" for the best that the machine has */
} elm_model_options;

ELM_BEGIN_DECLS

/*
 * Opens a model. `options` NULL means the defaults. An architecture, tensor type or setting that is
 * not supported is ELM_ERR_UNSUPPORTED by name; a tensor that is missing or has the wrong shape is
 * ELM_ERR_FORMAT and named. On success *out is the caller's (elm_model_close).
 */
ELM_API ELM_NODISCARD elm_status elm_model_open(const char *path, const elm_model_options *options,
						elm_model **out, elm_error *error);
/* Only after all its sessions are gone. NULL allowed. */
ELM_API void elm_model_close(elm_model *model);

/* All owned by the model. */
ELM_API const elm_model_info *elm_model_get_info(const elm_model *model);
ELM_API const elm_tokenizer *elm_model_tokenizer(const elm_model *model);
ELM_API const elm_gguf *elm_model_gguf(const elm_model *model);
ELM_API const char *elm_model_isa(const elm_model *model); /* the tier in use */

ELM_END_DECLS

#endif

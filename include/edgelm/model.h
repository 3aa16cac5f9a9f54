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

/*
 * Most weight types compute fastest when their rows are rearranged for the processor. That is done
 * when a model is opened for the first time, and kept in an engine file that later opens map in no
 * time (see docs/FORMAT-ENGINE.md). One that lies beside the model is used first, then that of the
 * cache folder, where it is made if need be. With neither folder nor file given, or on a full disk,
 * the weights are rearranged in private memory.
 *
 * `progress` is called from the calling thread while weights are rearranged, with bytes; returning
 * true ends the open with ELM_ERR_CANCELLED.
 */
typedef struct elm_model_options {
	const char *isa; /* a tier of `--isa`, NULL or "native" for the best that the machine has */
	const char *engine_file;     /* this engine file and no other, made if need be; or NULL */
	const char *engine_cache;    /* folder of engine files, created if need be; NULL: none */
	uint64_t engine_cache_limit; /* bytes that the folder may hold; 0: 16 GiB */
	/* What a sequence is told does not depend on what else is computed in the same steps, nor
	 * on how a prompt is cut up, to the last bit. Costs speed where few rows are computed, see
	 * docs/SCHEDULER.md; ELM_ERR_UNSUPPORTED where the instructions in use cannot. */
	bool batch_invariant;
	bool (*progress)(void *user, uint64_t done, uint64_t total);
	void *progress_user;
} elm_model_options;

ELM_BEGIN_DECLS

/*
 * Opens a model. `options` NULL means the defaults. An architecture, tensor type or setting that is
 * not supported is ELM_ERR_UNSUPPORTED by name; a tensor that is missing or has the wrong shape is
 * ELM_ERR_FORMAT and named. On success *out is the caller's (elm_model_close).
 */
ELM_API ELM_NODISCARD elm_status elm_model_open(const char *path, const elm_model_options *options,
						elm_model **out, elm_error *error);
/* The same from an opened file, which the model owns from here on: it is closed with it, and also
 * when this fails. */
ELM_API ELM_NODISCARD elm_status elm_model_open_gguf(elm_gguf *gguf,
						     const elm_model_options *options,
						     elm_model **out, elm_error *error);
/* Only after all its sessions are gone. NULL allowed. */
ELM_API void elm_model_close(elm_model *model);

/* All owned by the model. */
ELM_API const elm_model_info *elm_model_get_info(const elm_model *model);
ELM_API const elm_tokenizer *elm_model_tokenizer(const elm_model *model);
ELM_API const elm_gguf *elm_model_gguf(const elm_model *model);
ELM_API const char *elm_model_isa(const elm_model *model); /* the tier in use */
/* The engine file that is mapped, NULL when there is none. */
ELM_API const char *elm_model_engine_path(const elm_model *model);
/* True when opening the model has written that file. */
ELM_API bool elm_model_engine_built(const elm_model *model);
/* Compares the whole engine file with its checksums. ELM_ERR_NOT_FOUND when none is mapped,
 * ELM_ERR_FORMAT when it is damaged. */
ELM_API ELM_NODISCARD elm_status elm_model_engine_verify(const elm_model *model, elm_error *error);

/*
 * The folder that programs use for engine files unless told otherwise: $EDGELM_CACHE, or
 * $XDG_CACHE_HOME/edgelm, or ~/.cache/edgelm. ELM_ERR_NOT_FOUND when none of these is set,
 * ELM_ERR_LIMIT when `size` is too small.
 */
ELM_API ELM_NODISCARD elm_status elm_engine_cache_default(char *out, size_t size, elm_error *error);

/* Deletes the engine files of a folder that were used longest ago until at most `limit` bytes are
 * left; `keep` (may be NULL) is spared. *left, if not NULL, is what remains. A missing folder holds
 * 0 bytes. */
ELM_API ELM_NODISCARD elm_status elm_engine_cache_prune(const char *folder, uint64_t limit,
							const char *keep, uint64_t *left,
							elm_error *error);

ELM_END_DECLS

#endif

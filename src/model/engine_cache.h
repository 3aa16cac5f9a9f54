/* engine_cache.h: getting a model's weights packed, from a folder of engine files where there is
 * one. */
#ifndef ELM_MODEL_ENGINE_CACHE_H
#define ELM_MODEL_ENGINE_CACHE_H

#include "model/core.h"
#include "model/pack.h"

/* Packs or maps the weights of a model that is otherwise ready. `options` may be NULL. */
ELM_NODISCARD elm_status elm__model_pack(elm_model *model, const elm_model_options *options,
					 elm_error *error);

/* The path of a model's engine file in a folder: "name-key-r16u-v1.elm", into the arena. */
ELM_NODISCARD elm_status elm__engine_path(const elm_gguf *gguf, const char *folder,
					  const elm__pack_plan *plan, uint64_t key,
					  elm__arena *arena, const char **path, elm_error *error);

#endif

/*
 * engine_file.h: packed weights in a file that all processes of a machine map.
 * docs/FORMAT-ENGINE.md describes it.
 *
 * The file is a cache: it can be deleted at any time, and one that is not exactly what this program
 * would write for this model is rebuilt. Its name carries a key made of the model's tensors and of
 * the packing, so that models, tiers and versions do not meet.
 */
#ifndef ELM_MODEL_ENGINE_FILE_H
#define ELM_MODEL_ENGINE_FILE_H

#include "base/file.h"
#include "model/pack.h"

enum { ELM__ENGINE_VERSION = 1 };

/* What makes a model's weights this model's, cheaply: names, types, shapes and samples of the
 * contents of all tensors, the sizes and the modification time of the file. */
uint64_t elm__engine_key(const elm_gguf *gguf);

/*
 * Maps the engine file `path` for this plan and key. ELM_ERR_NOT_FOUND when there is none,
 * ELM_ERR_FORMAT when it is stale or damaged (the error says how).
 */
ELM_NODISCARD elm_status elm__engine_open(const char *path, const elm__pack_plan *plan,
					  uint64_t key, elm__map *map, const void **region,
					  elm_error *error);

/* Packs the model into `path`, atomically. ELM_ERR_IO when the disk is full: nothing is left
 * behind. */
ELM_NODISCARD elm_status elm__engine_write(const char *path, const elm__pack_plan *plan,
					   uint64_t key, elm__pack_progress *progress, void *user,
					   elm_error *error);

/* Compares the contents with the checksums in the header. ELM_ERR_FORMAT names the first matrix. */
ELM_NODISCARD elm_status elm__engine_verify(const char *path, const elm__pack_plan *plan,
					    uint64_t key, elm_error *error);

#endif

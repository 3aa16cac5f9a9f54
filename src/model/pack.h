/*
 * pack.h: weights in the order that this machine's kernels read them.
 *
 * The plan says where each matrix goes in one region of memory; the region is private memory or a
 * file that every process of this machine maps (engine_file.h). Embeddings are also kept as they
 * are in the GGUF file, because they are looked up by row.
 */
#ifndef ELM_MODEL_PACK_H
#define ELM_MODEL_PACK_H

#include "kernel/packed.h"
#include "model/weights.h"

typedef struct elm__pack_entry {
	elm__matrix *matrix; /* points into the weights; still as in GGUF until elm__pack_bind */
	size_t offset;	     /* in the region, a multiple of ELM__PACK_ALIGN */
	size_t group_bytes;
	uint32_t first_group; /* groups of all entries are numbered through */
} elm__pack_entry;

enum { ELM__PACK_ALIGN = 4096 };

typedef struct elm__pack_plan {
	elm__packing packing;
	elm__pack_entry *entries;
	uint32_t count, groups;
	size_t bytes; /* of the region, 0 when nothing is packed */
} elm__pack_plan;

/* Plans which matrices are packed for these kernels. The plan lives in the arena. */
ELM_NODISCARD elm_status elm__pack_plan_make(elm__pack_plan *plan, elm__weights *weights,
					     const elm__hparams *hp, const elm__kernels *kernels,
					     elm__arena *arena, elm_error *error);

/*
 * Packs everything into `region` with the cores that are worth using. `progress` (may be NULL) is
 * called from the calling thread with bytes; when it returns true, the rest is left
 * undone and ELM_ERR_CANCELLED returned.
 */
typedef bool elm__pack_progress(void *user, uint64_t done, uint64_t total);
ELM_NODISCARD elm_status elm__pack_fill(const elm__pack_plan *plan, void *region,
					elm__pack_progress *progress, void *user, elm_error *error);

/* Makes the planned matrices point into the filled region. */
void elm__pack_bind(const elm__pack_plan *plan, const void *region);

#endif

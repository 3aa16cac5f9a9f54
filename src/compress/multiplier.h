/* multiplier.h: products of matrices for the members of a pool, each with scratch of its own. */
#ifndef ELM_COMPRESS_MULTIPLIER_H
#define ELM_COMPRESS_MULTIPLIER_H

#include "base/alloc.h"
#include "kernel/kernel.h"

typedef struct elm__multiplier {
	const elm__kernels *kernels;
	char *scratch; /* `bytes` for each member */
	size_t bytes;
} elm__multiplier;

/* `kernels` must outlive it. On failure nothing needs release. */
static inline elm_status elm__multiplier_init(elm__multiplier *m, const elm__kernels *kernels,
					      unsigned members, elm_error *error)
{
	*m = (elm__multiplier){ .kernels = kernels,
				.bytes = (kernels->gemm_scratch() + 64) & ~(size_t)63 };
	m->scratch = elm__malloc_aligned(64, members * m->bytes);
	if (m->scratch)
		return ELM_OK;
	return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for products");
}

static inline void elm__multiplier_release(elm__multiplier *m)
{
	elm__free_aligned(m->scratch);
	*m = (elm__multiplier){ .kernels = NULL };
}

static inline void elm__multiply(const elm__multiplier *m, unsigned member, const elm__gemm *g)
{
	m->kernels->gemm(g, m->scratch + member * m->bytes);
}

#endif

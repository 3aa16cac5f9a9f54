#include "model/pack.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/pool.h"
#include "cpu/cpu.h"

/* The matrices of a layer, then (layer == layers) of the rest; NULL past the last. */
static elm__matrix *matrix_at(elm__weights *w, uint32_t layer, uint32_t layers, uint32_t i)
{
	if (layer == layers)
		return i == 0 ? &w->output : NULL;
	elm__layer *l = &w->layers[layer];
	elm__matrix *all[] = { &l->q, &l->k, &l->v, &l->out, &l->gate, &l->up, &l->down };

	return i < sizeof(all) / sizeof(all[0]) ? all[i] : NULL;
}

static bool add_entry(elm__pack_plan *plan, elm__matrix *m, uint32_t interleave)
{
	elm__pack_entry *e = &plan->entries[plan->count];
	uint32_t groups = (m->rows + interleave - 1) / interleave;
	size_t bytes, end;

	e->matrix = m;
	e->offset = plan->bytes;
	e->group_bytes = elm__packed_group_bytes(m->type, m->cols, interleave);
	e->first_group = plan->groups;
	if (!elm__mul(e->group_bytes, groups, &bytes) || !elm__add(plan->bytes, bytes, &end) ||
	    !elm__add(end, ELM__PACK_ALIGN - 1, &end) || plan->groups > UINT32_MAX - groups)
		return false;
	plan->bytes = end & ~(size_t)(ELM__PACK_ALIGN - 1);
	plan->groups += groups;
	plan->count++;
	return true;
}

elm_status elm__pack_plan_make(elm__pack_plan *plan, elm__weights *weights, const elm__hparams *hp,
			       const elm__kernels *kernels, elm__arena *arena, elm_error *error)
{
	memset(plan, 0, sizeof(*plan));
	plan->packing.interleave = kernels->interleave;
	plan->packing.offset_q8 = kernels->offset_q8;
	if (!kernels->interleave)
		return ELM_OK;
	plan->entries =
		elm__arena_calloc(arena, (size_t)hp->layers * 7 + 1, sizeof(elm__pack_entry));
	if (!plan->entries)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for %u layers",
				     hp->layers);
	for (uint32_t layer = 0; layer <= hp->layers; layer++) {
		elm__matrix *m;

		for (uint32_t i = 0; (m = matrix_at(weights, layer, hp->layers, i)); i++)
			if (kernels->packs(m->type) && !add_entry(plan, m, kernels->interleave))
				return elm_error_set(
					error, ELM_ERR_LIMIT,
					"the packed weights do not fit in the address space");
	}
	return ELM_OK;
}

typedef struct fill {
	const elm__pack_plan *plan;
	char *region;
	elm__pool *pool;
	elm__pack_progress *progress;
	void *user;
	atomic_bool cancelled;
} fill;

enum { GROUPS_PER_TICKET = 16 };

static void fill_member(void *user, unsigned index, unsigned count)
{
	fill *f = user;
	const elm__pack_plan *plan = f->plan;
	uint32_t e = 0;

	for (;;) {
		size_t group = elm__pool_next(f->pool) * GROUPS_PER_TICKET;
		size_t end = group + GROUPS_PER_TICKET;

		if (group >= plan->groups || atomic_load(&f->cancelled))
			return;
		if (!index && f->progress &&
		    f->progress(f->user, plan->bytes / plan->groups * group, plan->bytes))
			atomic_store(&f->cancelled, true);
		for (; group < end && group < plan->groups; group++) {
			const elm__pack_entry *entry;
			size_t local;

			while (e + 1 < plan->count && group >= plan->entries[e + 1].first_group)
				e++;
			entry = &plan->entries[e];
			local = group - entry->first_group;
			elm__pack_group(entry->matrix, plan->packing,
					(uint32_t)(local * plan->packing.interleave),
					f->region + entry->offset + local * entry->group_bytes);
		}
	}
}

elm_status elm__pack_fill(const elm__pack_plan *plan, void *region, elm__pack_progress *progress,
			  void *user, elm_error *error)
{
	unsigned cpus[ELM__POOL_MAX], count = elm__cpu_select("", cpus, ELM__POOL_MAX);
	fill f = { .plan = plan, .region = region, .progress = progress, .user = user };
	elm_status status;

	/* Asked once before the start: the calling thread may come too late for a ticket of its
	 * own. */
	if (progress && progress(user, 0, plan->bytes))
		return elm_error_set(error, ELM_ERR_CANCELLED, "cancelled while packing weights");
	status = elm__pool_create(count, NULL, &f.pool, error);
	if (status != ELM_OK)
		return status;
	atomic_init(&f.cancelled, false);
	elm__pool_run(f.pool, fill_member, &f);
	elm__pool_free(f.pool);
	if (atomic_load(&f.cancelled))
		return elm_error_set(error, ELM_ERR_CANCELLED, "cancelled while packing weights");
	return ELM_OK;
}

void elm__pack_bind(const elm__pack_plan *plan, const void *region)
{
	for (uint32_t i = 0; i < plan->count; i++) {
		const elm__pack_entry *e = &plan->entries[i];

		e->matrix->interleave = plan->packing.interleave;
		e->matrix->group_bytes = e->group_bytes;
		e->matrix->data = (const char *)region + e->offset;
	}
}

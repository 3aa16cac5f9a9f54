/*
 * pool.h: a team of threads that runs one function at a time, together.
 *
 * The caller's thread is member 0; the pool owns count - 1 workers. elm__pool_run makes every
 * member call the function and returns when all have come back. Inside, members synchronise with
 * elm__pool_barrier and share out work with elm__pool_next. Waiting (for a run, at a barrier, for
 * the last member) spins for a short time and then sleeps in the kernel, so an idle pool uses no
 * CPU.
 *
 * One run at a time; a function that is running must not start another on the same pool.
 */
#ifndef ELM_BASE_POOL_H
#define ELM_BASE_POOL_H

#include <edgelm/status.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct elm__pool elm__pool;
typedef void elm__pool_fn(void *user, unsigned index, unsigned count);

enum { ELM__POOL_MAX = 256 };

/*
 * Starts count - 1 workers (1 <= count <= ELM__POOL_MAX). With `cpus`, member i is pinned to CPU
 * cpus[i], except member 0, whose thread belongs to the caller; NULL leaves placement to the
 * kernel. A CPU that cannot be had is not an error: that worker runs unpinned.
 */
ELM_NODISCARD elm_status elm__pool_create(unsigned count, const unsigned *cpus, elm__pool **out,
					  elm_error *error);
void elm__pool_free(elm__pool *pool); /* NULL allowed */

unsigned elm__pool_count(const elm__pool *pool);

void elm__pool_run(elm__pool *pool, elm__pool_fn *function, void *user);

/*
 * For members, inside a run: returns when all have arrived. It also resets the ticket counter of
 * elm__pool_next to 0, before anyone is let go. A pool of one returns at once.
 */
void elm__pool_barrier(elm__pool *pool);

/* The next ticket: 0, 1, 2, ... each handed out once between two barriers (and from the start of a
 * run). Members loop until it is past their last chunk. */
size_t elm__pool_next(elm__pool *pool);

/* The part [*begin, *end) of `items` that falls to member `index` of `count`, in whole units. */
static inline void elm__pool_share(size_t items, size_t unit, unsigned index, unsigned count,
				   size_t *begin, size_t *end)
{
	size_t units = (items + unit - 1) / unit;

	*begin = units * index / count * unit;
	*end = units * (index + 1) / count * unit;
	if (*end > items)
		*end = items;
}

#endif

#include "base/pool.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

/* Long enough to bridge the sampling between two tokens, short enough not to be seen in a CPU
 * graph. */
enum { SPIN_NS = 100000, SPINS_PER_LOOK = 64, CACHE_LINE = 64 };

/* A word that threads wait on: they sleep while it still has the value they saw. */
typedef struct {
	_Alignas(CACHE_LINE) atomic_uint value;
	atomic_uint sleepers;
} event;

typedef struct {
	elm__pool *pool;
	pthread_t thread;
	unsigned index;
	int cpu; /* -1 for any */
} worker;

struct elm__pool {
	event generation; /* a change starts a run */
	event phase;	  /* a change opens the barrier */
	event finished;	  /* a change says that the last worker has returned */
	_Alignas(CACHE_LINE) atomic_uint arrived;
	_Alignas(CACHE_LINE) atomic_uint running; /* workers still inside the function */
	_Alignas(CACHE_LINE) atomic_size_t ticket;
	elm__pool_fn *function; /* NULL in a run that ends the workers */
	void *user;
	unsigned count, started;
	worker workers[];
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static void event_wait(event *e, unsigned seen)
{
	uint64_t start = elm__now_ns();

	do {
		for (int i = 0; i < SPINS_PER_LOOK; i++) {
			if (atomic_load_explicit(&e->value, memory_order_acquire) != seen)
				return;
			relax();
		}
	} while (elm__now_ns() - start < SPIN_NS);

	/* Sequentially consistent, with event_signal: either the signaller sees a sleeper, or the
	 * kernel sees the new value and does not let this thread sleep. */
	atomic_fetch_add(&e->sleepers, 1);
	while (atomic_load(&e->value) == seen)
		syscall(SYS_futex, &e->value, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
	atomic_fetch_sub(&e->sleepers, 1);
}

static void event_signal(event *e)
{
	atomic_fetch_add(&e->value, 1);
	if (atomic_load(&e->sleepers))
		syscall(SYS_futex, &e->value, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void pin_this_thread(int cpu)
{
	cpu_set_t set;

	if (cpu < 0 || cpu >= CPU_SETSIZE)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	(void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void *worker_main(void *argument)
{
	worker *self = argument;
	elm__pool *pool = self->pool;
	unsigned seen = 0;
	bool more = true;

	pin_this_thread(self->cpu);
	while (more) {
		event_wait(&pool->generation, seen);
		seen++;
		more = pool->function != NULL;
		if (more)
			pool->function(pool->user, self->index, pool->count);
		if (atomic_fetch_sub(&pool->running, 1) == 1)
			event_signal(&pool->finished);
	}
	return NULL;
}

static void start_run(elm__pool *pool, elm__pool_fn *function, void *user)
{
	pool->function = function;
	pool->user = user;
	atomic_store(&pool->ticket, 0);
	atomic_store(&pool->arrived, 0);
	atomic_store(&pool->running, pool->started);
	event_signal(&pool->generation);
}

elm_status elm__pool_create(unsigned count, const unsigned *cpus, elm__pool **out, elm_error *error)
{
	size_t size = sizeof(elm__pool) + (count ? count - 1 : 0) * sizeof(worker);
	elm__pool *pool;

	*out = NULL;
	if (count < 1 || count > ELM__POOL_MAX)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "%u threads: the number must be between 1 and %d", count,
				     ELM__POOL_MAX);
	pool = elm__malloc_aligned(CACHE_LINE, size);
	if (!pool)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for %u threads",
				     count);
	memset(pool, 0, size);
	pool->count = count;
	for (unsigned i = 0; i + 1 < count; i++) {
		worker *w = &pool->workers[i];
		int rc;

		w->pool = pool;
		w->index = i + 1;
		w->cpu = cpus ? (int)cpus[i + 1] : -1;
		rc = pthread_create(&w->thread, NULL, worker_main, w);
		if (rc) {
			elm__pool_free(pool);
			return elm_error_set(error, ELM_ERR_SYSTEM,
					     "cannot start thread %u of %u: %s; ask for fewer",
					     i + 2, count, strerror(rc));
		}
		pool->started++;
	}
	*out = pool;
	return ELM_OK;
}

void elm__pool_free(elm__pool *pool)
{
	if (!pool)
		return;
	if (pool->started)
		start_run(pool, NULL, NULL);
	for (unsigned i = 0; i < pool->started; i++)
		pthread_join(pool->workers[i].thread, NULL);
	elm__free_aligned(pool);
}

unsigned elm__pool_count(const elm__pool *pool)
{
	return pool->count;
}

void elm__pool_run(elm__pool *pool, elm__pool_fn *function, void *user)
{
	unsigned seen = atomic_load(&pool->finished.value);

	start_run(pool, function, user);
	function(user, 0, pool->count);
	if (pool->started)
		event_wait(&pool->finished, seen);
}

void elm__pool_barrier(elm__pool *pool)
{
	unsigned phase;

	if (pool->count == 1) {
		atomic_store_explicit(&pool->ticket, 0, memory_order_relaxed);
		return;
	}
	phase = atomic_load(&pool->phase.value);
	if (atomic_fetch_add(&pool->arrived, 1) + 1 < pool->count) {
		event_wait(&pool->phase, phase);
		return;
	}
	atomic_store(&pool->arrived, 0);
	atomic_store(&pool->ticket, 0);
	event_signal(&pool->phase);
}

size_t elm__pool_next(elm__pool *pool)
{
	return atomic_fetch_add_explicit(&pool->ticket, 1, memory_order_relaxed);
}

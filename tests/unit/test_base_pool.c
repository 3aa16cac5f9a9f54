/* The thread pool: every member runs, barriers hold, tickets are unique, idleness is free. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/pool.h"
#include "support.h"

enum { MEMBERS = 5, RUNS = 50, PHASES = 10, TICKETS = 97 };

static elm__pool *create(unsigned count)
{
	elm__pool *pool;

	assert_int_equal(elm__pool_create(count, NULL, &pool, NULL), ELM_OK);
	assert_int_equal(elm__pool_count(pool), count);
	return pool;
}

struct work {
	elm__pool *pool;
	unsigned calls[MEMBERS]; /* plain: a missing barrier is a race that TSan sees */
	unsigned taken[TICKETS];
	atomic_uint wrong;
};

static void count_calls(void *user, unsigned index, unsigned count)
{
	struct work *work = user;

	work->calls[index] += count;
}

static void every_member_runs_once(void **state)
{
	for (unsigned count = 1; count <= MEMBERS; count++) {
		struct work work = { .pool = create(count) };

		for (int run = 0; run < RUNS; run++)
			elm__pool_run(work.pool, count_calls, &work);
		for (unsigned i = 0; i < MEMBERS; i++)
			assert_int_equal(work.calls[i], i < count ? RUNS * count : 0);
		elm__pool_free(work.pool);
	}
}

/* Between two barriers each member writes its own cell; after one, all must see all cells. */
static void cross_barriers(void *user, unsigned index, unsigned count)
{
	struct work *work = user;

	for (unsigned phase = 1; phase <= PHASES; phase++) {
		work->calls[index] = phase;
		elm__pool_barrier(work->pool);
		for (unsigned i = 0; i < count; i++)
			if (work->calls[i] != phase)
				atomic_fetch_add(&work->wrong, 1);
		elm__pool_barrier(work->pool);
	}
}

static void barriers_hold(void **state)
{
	for (unsigned count = 1; count <= MEMBERS; count++) {
		struct work work = { .pool = create(count) };

		for (int run = 0; run < RUNS; run++)
			elm__pool_run(work.pool, cross_barriers, &work);
		assert_int_equal(atomic_load(&work.wrong), 0);
		elm__pool_free(work.pool);
	}
}

static void take_tickets(void *user, unsigned index, unsigned count)
{
	struct work *work = user;
	size_t ticket;

	for (int phase = 0; phase < 3; phase++) {
		while ((ticket = elm__pool_next(work->pool)) < TICKETS)
			work->taken[ticket]++;
		elm__pool_barrier(work->pool);
	}
}

static void tickets_are_given_out_once(void **state)
{
	for (unsigned count = 1; count <= MEMBERS; count++) {
		struct work work = { .pool = create(count) };

		for (int run = 0; run < RUNS; run++)
			elm__pool_run(work.pool, take_tickets, &work);
		for (size_t i = 0; i < TICKETS; i++)
			assert_int_equal(work.taken[i], 3 * RUNS);
		elm__pool_free(work.pool);
	}
}

static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* A pool that spun would take 300 ms of each of the cores. */
static void an_idle_pool_uses_no_cpu(void **state)
{
	struct timespec settle = { 0, 50000000 }, idle = { 0, 300000000 };
	struct work work = { .pool = create(MEMBERS) };
	double before;

	elm__pool_run(work.pool, count_calls, &work);
	nanosleep(&settle, NULL);
	before = cpu_seconds();
	nanosleep(&idle, NULL);
	assert_true(cpu_seconds() - before < 0.01);
	elm__pool_run(work.pool, count_calls, &work); /* and it wakes up */
	assert_int_equal(work.calls[MEMBERS - 1], 2 * MEMBERS);
	elm__pool_free(work.pool);
}

static void cpus_that_do_not_exist_are_no_error(void **state)
{
	static const unsigned cpus[MEMBERS] = { 0, 0, 1, 5000, 900 };
	struct work work = { 0 };

	assert_int_equal(elm__pool_create(MEMBERS, cpus, &work.pool, NULL), ELM_OK);
	elm__pool_run(work.pool, count_calls, &work);
	assert_int_equal(work.calls[MEMBERS - 1], MEMBERS);
	elm__pool_free(work.pool);
}

static void bad_counts_are_refused(void **state)
{
	elm_error error = { 0 };
	elm__pool *pool;

	assert_int_equal(elm__pool_create(0, NULL, &pool, &error), ELM_ERR_ARGUMENT);
	assert_null(pool);
	assert_int_equal(elm__pool_create(ELM__POOL_MAX + 1, NULL, &pool, &error),
			 ELM_ERR_ARGUMENT);
	assert_string_equal(error.text, "257 threads: the number must be between 1 and 256");
	elm__pool_free(NULL);
}

static elm_status create_and_free(void *user, elm_error *error)
{
	elm__pool *pool;
	elm_status status = elm__pool_create(2, NULL, &pool, error);

	elm__pool_free(pool);
	return status;
}

static void each_allocation_may_fail(void **state)
{
	assert_int_equal(fail_each_allocation(create_and_free, NULL), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_member_runs_once),
		cmocka_unit_test(barriers_hold),
		cmocka_unit_test(tickets_are_given_out_once),
		cmocka_unit_test(an_idle_pool_uses_no_cpu),
		cmocka_unit_test(cpus_that_do_not_exist_are_no_error),
		cmocka_unit_test(bad_counts_are_refused),
		cmocka_unit_test(each_allocation_may_fail),
	};

	return cmocka_run_group_tests_name("base_pool", tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <cmocka.h>
#include <edgelm/memory.h>

#include "support.h"

enum { MAX_FAILURES = 100000 };

/* The test allocator is C's own with a counter, so blocks may outlive the counting. */
static atomic_size_t countdown, live;
static atomic_bool failed;

/* True once, when the countdown is through. */
static bool due(void)
{
	if (atomic_fetch_sub(&countdown, 1))
		return false;
	atomic_store(&failed, true);
	return true;
}

static void *count_allocate(void *user, size_t size)
{
	void *block = due() ? NULL : malloc(size);

	if (block)
		atomic_fetch_add(&live, 1);
	return block;
}

static void *count_reallocate(void *user, void *block, size_t size)
{
	return due() ? NULL : realloc(block, size);
}

static void count_release(void *user, void *block)
{
	atomic_fetch_sub(&live, 1);
	free(block);
}

void fail_after(size_t n)
{
	static const elm_allocator counting = { count_allocate, count_reallocate, count_release,
						NULL };

	atomic_store(&countdown, n);
	atomic_store(&live, 0);
	atomic_store(&failed, false);
	elm_allocator_set(&counting);
}

void fail_never(void)
{
	fail_after(SIZE_MAX);
}

bool fail_happened(void)
{
	return atomic_load(&failed);
}

size_t live_blocks(void)
{
	return atomic_load(&live);
}

void fail_off(void)
{
	elm_allocator_set(NULL);
}

size_t fail_each_allocation(elm_status (*body)(void *user, elm_error *error), void *user)
{
	for (size_t n = 0; n < MAX_FAILURES; n++) {
		elm_error error = { 0 };
		elm_status status;
		size_t left;
		bool met;

		fail_after(n);
		status = body(user, &error);
		left = live_blocks();
		met = fail_happened();
		fail_off();
		if (left)
			fail_msg("%zu blocks are left after allocation %zu failed", left, n);
		if (status != ELM_OK && (!met || status != ELM_ERR_NO_MEMORY || !error.text[0]))
			fail_msg("allocation %zu failed: status %d, '%s'", n, status, error.text);
		if (!met) {
			assert_true(n > 0);
			return n;
		}
	}
	fail_msg("more than %d allocations", MAX_FAILURES);
	return 0;
}

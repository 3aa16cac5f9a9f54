/* Allocation, buffers and arenas: limits, overflow, and every allocation failing in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buffer.h"
#include <cmocka.h>

#include <string.h>

#include "support.h"

static void sizes_that_overflow_are_refused(void **state)
{
	assert_null(elm__calloc(SIZE_MAX / 2, 3));
	assert_null(elm__realloc_array(NULL, SIZE_MAX / 2, 3));
	assert_null(elm__malloc_aligned(64, SIZE_MAX - 8));
	assert_null(elm__strndup("", SIZE_MAX));
}

static void zero_bytes_are_a_block(void **state)
{
	void *block = elm__malloc(0);

	assert_non_null(block);
	block = elm__realloc(block, 0);
	assert_non_null(block);
	elm__free(block);
	elm__free(NULL);
	elm__free_aligned(NULL);
}

static void alignment_holds(void **state)
{
	for (size_t alignment = sizeof(void *); alignment <= 4096; alignment *= 2)
		for (size_t size = 0; size < 130; size += 43) {
			char *block = elm__malloc_aligned(alignment, size);

			assert_non_null(block);
			assert_int_equal((uintptr_t)block % alignment, 0);
			memset(block, 0xa5, size);
			elm__free_aligned(block);
		}
}

static void buffer_grows_and_keeps_its_nul(void **state)
{
	elm__buf buf = ELM__BUF_INIT;

	assert_string_equal(elm__buf_text(&buf), "");
	for (int i = 0; i < 1000; i++) {
		elm__buf_printf(&buf, "%d,", i);
		assert_int_equal(buf.data[buf.length], '\0');
		assert_true(buf.length < buf.capacity);
	}
	assert_int_equal(buf.length, 10 * 2 + 90 * 3 + 900 * 4);
	elm__buf_consume(&buf, buf.length - 4);
	assert_string_equal(elm__buf_text(&buf), "999,");
	elm__buf_consume(&buf, 4);
	elm__buf_consume(&buf, 0);
	assert_string_equal(elm__buf_text(&buf), "");
	elm__buf_append(&buf, "a\0b", 3);
	assert_int_equal(buf.length, 3);
	assert_int_equal(elm__buf_status(&buf, NULL), ELM_OK);
	elm__buf_release(&buf);
	assert_null(buf.data);
}

static void buffer_failure_sticks_until_cleared(void **state)
{
	elm__buf buf = ELM__BUF_INIT;
	elm_error error = { 0 };

	elm__buf_puts(&buf, "kept");
	assert_false(elm__buf_reserve(&buf, SIZE_MAX - 2));
	elm__buf_puts(&buf, "ignored");
	assert_string_equal(elm__buf_text(&buf), "kept");
	assert_int_equal(elm__buf_status(&buf, &error), ELM_ERR_NO_MEMORY);
	assert_string_equal(error.text, "out of memory after 4 bytes of text");
	elm__buf_clear(&buf);
	elm__buf_putc(&buf, 'x');
	assert_string_equal(elm__buf_text(&buf), "x");
	elm__buf_release(&buf);
}

static void buffer_can_be_detached(void **state)
{
	elm__buf buf = ELM__BUF_INIT;
	size_t length = 9;
	char *text = elm__buf_detach(&buf, &length);

	assert_string_equal(text, ""); /* never NULL without a failure */
	assert_int_equal(length, 0);
	elm__free(text);
	elm__buf_puts(&buf, "abc");
	text = elm__buf_detach(&buf, NULL);
	assert_string_equal(text, "abc");
	assert_int_equal(buf.length, 0);
	elm__free(text);
}

static void arena_blocks_do_not_overlap(void **state)
{
	enum { COUNT = 500 };
	elm__arena arena;
	unsigned char *block[COUNT];

	elm__arena_init(&arena, 0);
	for (size_t i = 0; i < COUNT; i++) {
		size_t size = i * 37 % 1021 + (i % 100 == 0 ? 100000 : 0);

		block[i] = elm__arena_alloc(&arena, size);
		assert_non_null(block[i]);
		assert_int_equal((uintptr_t)block[i] % 16, 0);
		memset(block[i], (int)(i & 0xff), size);
	}
	for (size_t i = 0; i < COUNT; i++) {
		size_t size = i * 37 % 1021 + (i % 100 == 0 ? 100000 : 0);

		for (size_t j = 0; j < size; j++)
			assert_int_equal(block[i][j], i & 0xff);
	}
	elm__arena_release(&arena);
	assert_string_equal(elm__arena_strndup(&arena, "abcdef", 3), "abc");
	elm__arena_release(&arena);
}

static void arena_keeps_its_limit(void **state)
{
	elm__arena arena;
	size_t got = 0;

	elm__arena_init(&arena, 10000);
	assert_null(elm__arena_alloc(&arena, 10001));
	assert_null(elm__arena_alloc(&arena, SIZE_MAX));
	assert_null(elm__arena_calloc(&arena, SIZE_MAX / 2, 3));
	assert_null(elm__arena_strndup(&arena, "", SIZE_MAX));
	while (elm__arena_alloc(&arena, 100))
		got++;
	assert_int_equal(got, 10000 / 112);
	assert_true(arena.used <= 10000);
	elm__arena_release(&arena);
}

static elm_status build_text(void *user, elm_error *error)
{
	elm__buf buf = ELM__BUF_INIT;
	elm_status status;

	for (int i = 0; i < 300; i++)
		elm__buf_printf(&buf, "%d", i);
	status = elm__buf_status(&buf, error);
	elm__buf_release(&buf);
	return status;
}

static elm_status fill_arena(void *user, elm_error *error)
{
	elm__arena arena;
	elm_status status = ELM_OK;

	elm__arena_init(&arena, 0);
	for (int i = 0; i < 30 && status == ELM_OK; i++)
		if (!elm__arena_calloc(&arena, 10, 100))
			status = elm_error_set(error, ELM_ERR_NO_MEMORY, "no room for %d", i);
	elm__arena_release(&arena);
	return status;
}

static void each_allocation_may_fail(void **state)
{
	assert_true(fail_each_allocation(build_text, NULL) >= 4);
	assert_true(fail_each_allocation(fill_arena, NULL) >= 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_that_overflow_are_refused),
		cmocka_unit_test(zero_bytes_are_a_block),
		cmocka_unit_test(alignment_holds),
		cmocka_unit_test(buffer_grows_and_keeps_its_nul),
		cmocka_unit_test(buffer_failure_sticks_until_cleared),
		cmocka_unit_test(buffer_can_be_detached),
		cmocka_unit_test(arena_blocks_do_not_overlap),
		cmocka_unit_test(arena_keeps_its_limit),
		cmocka_unit_test(each_allocation_may_fail),
	};

	return cmocka_run_group_tests_name("base_alloc", tests, NULL, NULL);
}

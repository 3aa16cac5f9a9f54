/* Conversion from inside: running out of memory anywhere, and the facts of configurations. What
 * files become is tested from outside, in tests/cli/. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/process.h"
#include "convert/convert.h"
#include "convert_cases.h"
#include "support.h"
#include "tiny_model.h"

static elm_status ignore(void *user, const void *data, size_t size, elm_error *error)
{
	return ELM_OK;
}

static elm_status append(void *user, const void *data, size_t size, elm_error *error)
{
	elm__buf_append(user, data, size);
	return elm__buf_status(user, error);
}

static elm__facts read_config(const char *text)
{
	elm_error error = { 0 };
	elm__facts facts;
	json_t *root;

	assert_int_equal(elm__json_parse("config", text, strlen(text), &root, &error), ELM_OK);
	assert_int_equal(elm__facts_from_config(&facts, "config", root, &error), ELM_OK);
	json_decref(root);
	return facts;
}

/* The seeds of the fuzzers are worth nothing if they are refused at once. */
static void all_cases_are_accepted(void **state)
{
	const elm__plan_options options = { .target = ELM__TARGET_AUTO };

	for (size_t i = 0; i < convert_config_count; i++) {
		elm__facts facts = read_config(convert_configs[i]);

		assert_int_equal(facts.width, 32);
		elm__facts_release(&facts);
	}
	for (int coded = 0; coded < 2; coded++) {
		elm__facts facts = read_config(convert_config);
		elm__buf file = ELM__BUF_INIT;
		elm_error error = { 0 };
		elm__safetensors st;
		elm__plan plan;

		convert_model_file(coded, &file);
		elm__safetensors_init(&st);
		assert_int_equal(elm__safetensors_add_memory(&st, "case", file.data, file.length,
							     &error),
				 ELM_OK);
		assert_int_equal(elm__plan_make(&plan, &facts, &st, &options, &error), ELM_OK);
		assert_int_equal(plan.reordered, coded);
		for (size_t i = 0; i < plan.count; i++)
			assert_int_equal(elm__rows_transfer(&plan.items[i].job, ignore, NULL,
							    &error),
					 ELM_OK);
		elm__plan_release(&plan);
		elm__safetensors_release(&st);
		elm__facts_release(&facts);
		elm__buf_release(&file);
	}
}

static void rotations_of_both_directions_undo_each_other(void **state)
{
	static const float rows[12] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 };
	static const float want[12] = { 0, 2, 1, 3, 4, 5, 6, 8, 7, 9, 10, 11 };
	elm__row_job job = { .name = "rows",
			     .path = "test",
			     .data = rows,
			     .source = ELM_TYPE_F32,
			     .type = ELM_TYPE_F32,
			     .rows = 12,
			     .cols = 1,
			     .order = ELM__ROWS_TO_PAIRS,
			     .head = 6,
			     .rotated = 4 };
	elm_error error = { 0 };
	elm__buf pairs = ELM__BUF_INIT, halves = ELM__BUF_INIT;

	assert_int_equal(elm__rows_transfer(&job, append, &pairs, &error), ELM_OK);
	assert_memory_equal(pairs.data, want, sizeof(want));
	job.data = pairs.data;
	job.order = ELM__ROWS_TO_HALVES;
	assert_int_equal(elm__rows_transfer(&job, append, &halves, &error), ELM_OK);
	assert_memory_equal(halves.data, rows, sizeof(rows));
	elm__buf_release(&pairs);
	elm__buf_release(&halves);
}

/* One round trip, with what each run leaves removed. */
typedef struct trip {
	char model[512], folder[512], again[512];
} trip;

static void remove_folder(const char *folder)
{
	static const char *const names[] = { "model.safetensors", "config.json", "tokenizer.model",
					     "tokenizer_config.json" };
	char path[600];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(folder);
}

static elm_status export_once(void *user, elm_error *error)
{
	const elm__convert_options options = { .target = ELM__TARGET_AUTO };
	elm__convert_result result;
	const trip *t = user;

	remove_folder(t->folder);
	return elm__export(t->model, t->folder, &options, &result, error);
}

static elm_status convert_once(void *user, elm_error *error)
{
	const elm__convert_options options = { .target = ELM__TARGET_AUTO };
	elm__convert_result result;
	const trip *t = user;

	return elm__convert(t->folder, t->again, &options, &result, error);
}

/* Packed weights: found, planned and read. */
static elm_status read_coded(void *user, elm_error *error)
{
	const elm__plan_options options = { .target = ELM__TARGET_F16 };
	elm__facts facts = read_config(convert_config);
	const elm__buf *file = user;
	elm__safetensors st;
	elm_status status;
	elm__plan plan;

	elm__safetensors_init(&st);
	status = elm__safetensors_add_memory(&st, "case", file->data, file->length, error);
	if (status == ELM_OK)
		status = elm__plan_make(&plan, &facts, &st, &options, error);
	if (status == ELM_OK) {
		for (size_t i = 0; i < plan.count && status == ELM_OK; i++)
			status = elm__rows_transfer(&plan.items[i].job, ignore, NULL, error);
		elm__plan_release(&plan);
	}
	elm__safetensors_release(&st);
	elm__facts_release(&facts);
	return status;
}

static void memory_may_end_while_packed_weights_are_read(void **state)
{
	elm__buf file = ELM__BUF_INIT;

	convert_model_file(true, &file);
	assert_true(fail_each_allocation(read_coded, &file) > 10);
	elm__buf_release(&file);
}

static void memory_may_end_anywhere(void **state)
{
	tiny_model tiny = { .layers = 1, .width = 16, .ffn = 16, .heads = 2, .kv_heads = 1 };
	elm__convert_options options = { .target = ELM__TARGET_AUTO };
	elm__convert_result result;
	elm_error error = { 0 };
	elm_gguf *before, *after;
	trip t;

	snprintf(t.model, sizeof(t.model), "%s", temp_path("small.gguf"));
	snprintf(t.folder, sizeof(t.folder), "%s", temp_path("exported"));
	snprintf(t.again, sizeof(t.again), "%s", temp_path("again.gguf"));
	tiny_model_write(&tiny, t.model);
	assert_true(fail_each_allocation(export_once, &t) > 10);
	assert_true(fail_each_allocation(convert_once, &t) > 10);
	assert_int_equal(elm__convert(t.folder, t.again, &options, &result, &error), ELM_OK);
	assert_int_equal(elm_gguf_open(t.model, &before, &error), ELM_OK);
	assert_int_equal(elm_gguf_open(t.again, &after, &error), ELM_OK);
	assert_int_equal(elm_gguf_tensor_count(before), elm_gguf_tensor_count(after));
	for (size_t i = 0; i < elm_gguf_tensor_count(before); i++) {
		const elm_gguf_tensor *a = elm_gguf_tensor_at(before, i);
		const elm_gguf_tensor *b = elm_gguf_tensor_find(after, a->name);

		assert_non_null(b);
		assert_int_equal(a->bytes, b->bytes);
		assert_memory_equal(a->data, b->data, a->bytes);
	}
	elm_gguf_close(before);
	elm_gguf_close(after);
	remove_folder(t.folder);
}

/* The pages of a tensor are given back when it is done, so that those of one tensor are the most
 * that count. */
static void pages_of_the_source_are_given_back(void **state)
{
	enum { LAYERS = 4, MATRIX = 4 << 20 }; /* four such matrices and more in each layer */
	char path[512], model[512];
	tiny_model tiny = {
		.layers = LAYERS, .width = 1024, .ffn = 1024, .heads = 64, .kv_heads = 2
	};
	elm__convert_options options = { .target = ELM__TARGET_AUTO };
	elm__convert_result result;
	elm_error error = { 0 };
	uint64_t before, after;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	print_message("skipped: sanitizers keep memory that was given back\n");
	skip();
#endif
	snprintf(model, sizeof(model), "%s", temp_path("wide.gguf"));
	snprintf(path, sizeof(path), "%s", temp_path("wide"));
	tiny_model_write(&tiny, model);
	assert_int_equal(elm__export(model, path, &options, &result, &error), ELM_OK);
	if (!elm__process_reset_peak_memory() || !elm__process_peak_memory(&before)) {
		print_message("skipped: the system does not tell the peak of memory\n");
	} else {
		assert_int_equal(elm__convert(path, model, &options, &result, &error), ELM_OK);
		assert_true(result.bytes > (uint64_t)LAYERS * 4 * MATRIX);
		assert_true(elm__process_peak_memory(&after));
		assert_in_range(after - before, 0, 5 * MATRIX);
	}
	remove_folder(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_cases_are_accepted),
		cmocka_unit_test(rotations_of_both_directions_undo_each_other),
		cmocka_unit_test(memory_may_end_anywhere),
		cmocka_unit_test(memory_may_end_while_packed_weights_are_read),
		cmocka_unit_test(pages_of_the_source_are_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

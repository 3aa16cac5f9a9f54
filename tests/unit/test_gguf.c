/* Reading GGUF: hand-made bytes, values, look-up, damage, golden files. test_gguf_write.c has the
 * writer and split files. */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <edgelm/gguf.h>

#include "base/alloc.h"
#include "bytes.h"
#include "gguf/index.h"
#include "gguf_cases.h"
#include "support.h"

/* A block of exactly that size, so that a sanitizer sees reads past its end. */
static void *exact_copy(const char *data, size_t size)
{
	void *copy = elm__malloc(size);

	assert_non_null(copy);
	if (size)
		memcpy(copy, data, size);
	return copy;
}

static elm_gguf *open_text(elm__buf *bytes, const char *text)
{
	elm_error error = { 0 };
	elm_gguf *gguf;

	bytes_from_text(bytes, text);
	if (elm_gguf_open_memory("text", bytes->data, bytes->length, &gguf, &error) != ELM_OK)
		fail_msg("%s", error.text);
	return gguf;
}

static const gguf_case *find_case(const char *name)
{
	for (size_t i = 0; i < gguf_case_count; i++)
		if (!strcmp(gguf_cases[i].name, name))
			return &gguf_cases[i];
	fail_msg("no case %s", name);
	return NULL;
}

static void test_cases(void **state)
{
	for (size_t i = 0; i < gguf_case_count; i++) {
		const gguf_case *c = &gguf_cases[i];
		elm__buf bytes = ELM__BUF_INIT;
		elm_error error = { 0 };
		elm_gguf *gguf;
		elm_status status;
		void *copy;

		bytes_from_text(&bytes, c->bytes);
		copy = exact_copy(bytes.data, bytes.length);
		status = elm_gguf_open_memory("dir/file", copy, bytes.length, &gguf, &error);
		if (status != c->status)
			fail_msg("%s: status %d, not %d: %s", c->name, status, c->status,
				 error.text);
		if (status == ELM_OK) {
			gguf_walk(gguf);
		} else {
			assert_null(gguf);
			assert_contains(error.text, "dir/file: ");
			assert_contains(error.text, c->where);
			assert_contains(error.text, c->what);
			/* Errors are optional. */
			assert_int_equal(elm_gguf_open_memory("f", copy, bytes.length, &gguf, NULL),
					 c->status);
		}
		elm_gguf_close(gguf);
		elm__free(copy);
		elm__buf_release(&bytes);
	}
}

/* Cut anywhere, a good file must be refused or, where only padding is gone, open. */
static void test_truncation(void **state)
{
	static const char *const names[] = { "every-kind", "arrays", "tensors", "alignment-8" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		elm__buf bytes = ELM__BUF_INIT;

		bytes_from_text(&bytes, find_case(names[i])->bytes);
		for (size_t size = 0; size < bytes.length; size++) {
			void *copy = exact_copy(bytes.data, size);
			elm_gguf *gguf;

			assert_int_equal(elm_gguf_open_memory("f", copy, size, &gguf, NULL),
					 ELM_ERR_FORMAT);
			elm__free(copy);
		}
		elm__buf_release(&bytes);
	}
}

/* Every byte set to some values: whatever still opens must be safe to read. */
static void test_damage(void **state)
{
	static const uint8_t values[] = { 0x00, 0x01, 0x07, 0x08, 0x09, 0x20, 0x7f, 0x80, 0xff };
	size_t opened = 0, refused = 0;

	for (size_t i = 0; i < gguf_case_count; i++) {
		elm__buf bytes = ELM__BUF_INIT;

		bytes_from_text(&bytes, gguf_cases[i].bytes);
		for (size_t at = 0; at < bytes.length && at < 300; at++) {
			char kept = bytes.data[at];

			for (size_t v = 0; v < sizeof(values); v++) {
				elm_error error = { 0 };
				elm_gguf *gguf;

				bytes.data[at] = (char)values[v];
				if (elm_gguf_open_memory("f", bytes.data, bytes.length, &gguf,
							 &error) == ELM_OK) {
					gguf_walk(gguf);
					opened++;
				} else {
					assert_true(error.text[0]);
					refused++;
				}
				elm_gguf_close(gguf);
			}
			bytes.data[at] = kept;
		}
		elm__buf_release(&bytes);
	}
	assert_true(opened > 1000 && refused > 10000);
}

static void test_values(void **state)
{
	elm__buf bytes = ELM__BUF_INIT;
	elm_gguf *gguf = open_text(&bytes, find_case("every-kind")->bytes);
	static const struct {
		const char *key;
		int64_t integer;
		double number;
	} expected[] = {
		{ "u8", 200, 200 },
		{ "i8", -100, -100 },
		{ "u16", 60000, 60000 },
		{ "i16", -30000, -30000 },
		{ "u32", 4000000000, 4000000000 },
		{ "i32", -2000000000, -2000000000 },
		{ "f32", 0, 1.5 },
		{ "bool", 1, 1 },
		{ "string", 0, 0 },
		{ "u64", INT64_MAX, 18e18 },
		{ "i64", -9000000000000000000, -9e18 },
		{ "f64", 0, -1.5 },
	};

	assert_int_equal(elm_gguf_kv_count(gguf), 12);
	assert_int_equal(elm_gguf_version(gguf), 3);
	assert_int_equal(elm_gguf_alignment(gguf), 32);
	assert_int_equal(elm_gguf_split_count(gguf), 1);
	assert_int_equal(elm_gguf_file_bytes(gguf), bytes.length);
	assert_string_equal(elm_gguf_path(gguf), "text");
	for (size_t i = 0; i < 12; i++) {
		const elm_gguf_kv *kv = elm_gguf_find(gguf, expected[i].key);

		assert_ptr_equal(kv, elm_gguf_kv_at(gguf, i));
		assert_string_equal(elm_gguf_kind_name(kv->kind), expected[i].key);
		assert_int_equal(kv->count, 1);
		assert_int_equal(elm_gguf_i64_at(kv, 0), expected[i].integer);
		assert_true(elm_gguf_f64_at(kv, 0) == expected[i].number);
		assert_int_equal(elm_gguf_string_at(kv, 0).length, i == 8 ? 4 : 0);
	}
	assert_memory_equal(elm_gguf_string_at(elm_gguf_find(gguf, "string"), 0).data, "text", 4);
	assert_null(elm_gguf_find(gguf, "absent"));
	assert_null(elm_gguf_find(gguf, ""));
	assert_string_equal(elm_gguf_kind_name(ELM_GGUF_ARRAY), "array");
	assert_string_equal(elm_gguf_kind_name((elm_gguf_kind)13), "unknown");
	elm_gguf_close(gguf);
	elm__buf_release(&bytes);
}

static void expect_u32(const elm_gguf *gguf, const char *key, elm_status wanted, uint32_t value)
{
	elm_error error = { 0 };
	uint32_t got = 12345;

	assert_int_equal(elm_gguf_get_u32(gguf, key, &got, &error), wanted);
	assert_int_equal(got, wanted == ELM_OK ? value : 12345);
	if (wanted != ELM_OK) {
		assert_contains(error.text, "text: ");
		assert_contains(error.text, key);
	}
}

static void expect_f32(const elm_gguf *gguf, const char *key, elm_status wanted, float value)
{
	elm_error error = { 0 };
	float got = 12345;

	assert_int_equal(elm_gguf_get_f32(gguf, key, &got, &error), wanted);
	assert_true(got == (wanted == ELM_OK ? value : 12345));
	if (wanted != ELM_OK)
		assert_contains(error.text, key);
}

static void test_getters(void **state)
{
	elm__buf bytes = ELM__BUF_INIT;
	elm_gguf *gguf =
		open_text(&bytes, "r:GGUF 4:3 8:0 8:15 k:0:u8 1:200 k:1:i8 1:-1 "
				  "k:5:i32 4:7 k:4:u32 4:4294967295 k:10:u64 8:4294967296 "
				  "k:11:i64 8:4294967295 k:6:f32 x:0000c03f k:7:bool 1:1 "
				  "k:8:string s:text k:12:f64 x:000000000000f8bf "
				  "k:12:huge x:ffffffffffffef7f k:12:inf x:000000000000f07f "
				  "k:9:array 4:4 8:2 4:1 4:2 k:9:strings 4:8 8:1 s:a "
				  "k:7:false 1:0");
	const elm_gguf_kv *array;
	elm_error error = { 0 };
	elm_gguf_string string;
	bool flag = false;

	expect_u32(gguf, "u8", ELM_OK, 200);
	expect_u32(gguf, "i32", ELM_OK, 7);
	expect_u32(gguf, "u32", ELM_OK, UINT32_MAX);
	expect_u32(gguf, "i64", ELM_OK, UINT32_MAX);
	expect_u32(gguf, "i8", ELM_ERR_FORMAT, 0);
	expect_u32(gguf, "u64", ELM_ERR_FORMAT, 0);
	expect_u32(gguf, "f32", ELM_ERR_FORMAT, 0);
	expect_u32(gguf, "bool", ELM_ERR_FORMAT, 0);
	expect_u32(gguf, "string", ELM_ERR_FORMAT, 0);
	expect_u32(gguf, "array", ELM_ERR_FORMAT, 0);
	expect_u32(gguf, "absent", ELM_ERR_NOT_FOUND, 0);

	expect_f32(gguf, "f32", ELM_OK, 1.5f);
	expect_f32(gguf, "f64", ELM_OK, -1.5f);
	expect_f32(gguf, "i8", ELM_OK, -1);
	expect_f32(gguf, "inf", ELM_OK, INFINITY);
	expect_f32(gguf, "huge", ELM_ERR_FORMAT, 0);
	expect_f32(gguf, "bool", ELM_ERR_FORMAT, 0);
	expect_f32(gguf, "string", ELM_ERR_FORMAT, 0);
	expect_f32(gguf, "absent", ELM_ERR_NOT_FOUND, 0);

	assert_int_equal(elm_gguf_get_bool(gguf, "bool", &flag, &error), ELM_OK);
	assert_true(flag);
	assert_int_equal(elm_gguf_get_bool(gguf, "false", &flag, &error), ELM_OK);
	assert_false(flag);
	assert_int_equal(elm_gguf_get_bool(gguf, "u8", &flag, &error), ELM_ERR_FORMAT);
	assert_string_equal(error.text, "text: u8 is of kind u8, not a boolean");
	assert_int_equal(elm_gguf_get_bool(gguf, "absent", &flag, &error), ELM_ERR_NOT_FOUND);

	assert_int_equal(elm_gguf_get_string(gguf, "string", &string, &error), ELM_OK);
	assert_int_equal(string.length, 4);
	assert_int_equal(elm_gguf_get_string(gguf, "strings", &string, &error), ELM_ERR_FORMAT);
	assert_string_equal(error.text, "text: strings is an array of string, not a string");
	assert_int_equal(elm_gguf_get_string(gguf, "absent", &string, &error), ELM_ERR_NOT_FOUND);

	assert_int_equal(elm_gguf_get_array(gguf, "array", ELM_GGUF_U32, &array, &error), ELM_OK);
	assert_int_equal(array->count, 2);
	assert_int_equal(elm_gguf_i64_at(array, 1), 2);
	assert_int_equal(elm_gguf_get_array(gguf, "array", ELM_GGUF_I32, &array, &error),
			 ELM_ERR_FORMAT);
	assert_string_equal(error.text, "text: array is an array of u32, not an array of i32");
	assert_int_equal(elm_gguf_get_array(gguf, "u32", ELM_GGUF_U32, &array, &error),
			 ELM_ERR_FORMAT);
	assert_int_equal(elm_gguf_get_array(gguf, "absent", ELM_GGUF_U32, &array, &error),
			 ELM_ERR_NOT_FOUND);
	elm_gguf_close(gguf);
	elm__buf_release(&bytes);
}

static void test_tensors(void **state)
{
	elm__buf bytes = ELM__BUF_INIT;
	elm_gguf *gguf = open_text(&bytes, find_case("block-types")->bytes);
	const elm_gguf_tensor *q4 = elm_gguf_tensor_at(gguf, 0), *q6 = elm_gguf_tensor_at(gguf, 1);

	assert_int_equal(elm_gguf_tensor_count(gguf), 2);
	assert_ptr_equal(elm_gguf_tensor_find(gguf, "q4"), q4);
	assert_ptr_equal(elm_gguf_tensor_find(gguf, "q6"), q6);
	assert_null(elm_gguf_tensor_find(gguf, "q"));
	assert_int_equal(q4->type, ELM_TYPE_Q4_0);
	assert_int_equal(q4->n_dims, 2);
	assert_int_equal(q4->dims[0], 64);
	assert_int_equal(q4->dims[1], 3);
	assert_int_equal(q4->dims[2], 1);
	assert_int_equal(q4->dims[3], 1);
	assert_int_equal(q4->elements, 192);
	assert_int_equal(q4->bytes, 108);
	assert_int_equal(q4->offset % 32, 0);
	assert_ptr_equal(q4->data, bytes.data + q4->offset);
	assert_int_equal(q6->bytes, 210);
	assert_int_equal(q6->offset, q4->offset + 128);
	assert_int_equal(q4->split, 0);
	elm_gguf_close(gguf);
	elm__buf_release(&bytes);
}

static void test_opening(void **state)
{
	static const _Alignas(8) char bytes[32] = "GGUF\003";
	elm_error error = { 0 };
	elm_gguf *gguf;

	assert_int_equal(elm_gguf_open_memory("odd", bytes + 4, 28, &gguf, &error),
			 ELM_ERR_ARGUMENT);
	assert_null(gguf);
	assert_int_equal(elm_gguf_open("/nonexistent/model.gguf", &gguf, &error),
			 ELM_ERR_NOT_FOUND);
	assert_null(gguf);
	assert_contains(error.text, "/nonexistent/model.gguf: cannot open");
	assert_int_equal(elm_gguf_open("/", &gguf, &error), ELM_ERR_ARGUMENT);
	assert_contains(error.text, "not a regular file");
	elm_gguf_close(NULL);
}

static void test_index(void **state)
{
	enum { NAMES = 5000, NAME_SIZE = 24 };
	static char names[NAMES][NAME_SIZE];
	elm__gguf_index index;

	elm__gguf_index_init(&index);
	assert_true(elm__gguf_index_find(&index, "x", 1) == ELM__GGUF_NONE);
	for (size_t i = 0; i < NAMES; i++) {
		size_t length = (size_t)snprintf(names[i], NAME_SIZE, "blk.%zu.%.*s", i,
						 (int)(i % 12), "abcdefghijkl");

		assert_true(elm__gguf_index_find(&index, names[i], length) == ELM__GGUF_NONE);
		assert_true(elm__gguf_index_add(&index, names[i], length, i));
	}
	for (size_t i = 0; i < NAMES; i++) {
		assert_true(elm__gguf_index_find(&index, names[i], strlen(names[i])) == i);
		assert_true(elm__gguf_index_find(&index, names[i], strlen(names[i]) - 1) != i);
	}
	elm__gguf_index_release(&index);
}

static elm_status open_and_close(void *user, elm_error *error)
{
	const elm__buf *bytes = user;
	elm_gguf *gguf;
	elm_status status = elm_gguf_open_memory("text", bytes->data, bytes->length, &gguf, error);

	elm_gguf_close(gguf);
	return status;
}

static void test_no_memory(void **state)
{
	static const char *const names[] = { "every-kind", "arrays", "tensors" };
	elm__buf bytes = ELM__BUF_INIT;
	char key[40];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		elm__buf_clear(&bytes);
		bytes_from_text(&bytes, find_case(names[i])->bytes);
		fail_each_allocation(open_and_close, &bytes);
	}
	/* Enough entries to make every table grow. */
	elm__buf_clear(&bytes);
	bytes_from_text(&bytes, "r:GGUF 4:3 8:100 8:100");
	for (int i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "k:4:key-%d 4:0", i);
		bytes_from_text(&bytes, key);
	}
	for (int i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "t:%d:tensor-%d", i * 32, i);
		bytes_from_text(&bytes, key);
	}
	bytes_from_text(&bytes, "a:32 z:3200");
	assert_true(fail_each_allocation(open_and_close, &bytes) > 12);
	elm__buf_release(&bytes);
}

static void check_golden(const char *path)
{
	elm_error error = { 0 };
	elm_gguf_string architecture;
	elm_gguf *gguf;

	if (elm_gguf_open(path, &gguf, &error) != ELM_OK)
		fail_msg("%s", error.text);
	assert_int_equal(elm_gguf_version(gguf), 3);
	assert_int_equal(elm_gguf_get_string(gguf, "general.architecture", &architecture, &error),
			 ELM_OK);
	gguf_walk(gguf);
	for (size_t i = 0; i < elm_gguf_tensor_count(gguf); i++) {
		const elm_gguf_tensor *tensor = elm_gguf_tensor_at(gguf, i);

		assert_ptr_equal(elm_gguf_tensor_find(gguf, tensor->name), tensor);
		assert_int_equal((uintptr_t)tensor->data % 32, 0);
	}
	elm_gguf_close(gguf);
}

static void test_golden(void **state)
{
	size_t models = golden_each("models", ".gguf", check_golden);
	size_t vocabularies = golden_each("tokenizer", ".gguf", check_golden);

	if (!models && !vocabularies)
		skip();
	assert_true(models > 0 && vocabularies > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),	  cmocka_unit_test(test_truncation),
		cmocka_unit_test(test_damage),	  cmocka_unit_test(test_values),
		cmocka_unit_test(test_getters),	  cmocka_unit_test(test_tensors),
		cmocka_unit_test(test_opening),	  cmocka_unit_test(test_index),
		cmocka_unit_test(test_no_memory), cmocka_unit_test(test_golden),
	};

	return cmocka_run_group_tests_name("gguf", tests, NULL, NULL);
}

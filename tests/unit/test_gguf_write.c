/* Writing GGUF and reading it back: values, tensors, misuse, split files, golden files. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>
#include <edgelm/gguf.h>

#include "base/file.h"
#include "gguf/forget.h"
#include "gguf_cases.h"
#include "support.h"

static void must(elm_status status, const elm_error *error)
{
	if (status != ELM_OK)
		fail_msg("status %d: %s", status, error->text);
}

static elm_gguf *open_file(const char *path)
{
	elm_error error = { 0 };
	elm_gguf *gguf;

	must(elm_gguf_open(path, &gguf, &error), &error);
	return gguf;
}

static void expect_refusal(const char *path, elm_status wanted, const char *part)
{
	elm_error error = { 0 };
	elm_gguf *gguf;

	assert_int_equal(elm_gguf_open(path, &gguf, &error), wanted);
	assert_null(gguf);
	assert_contains(error.text, part);
}

static void assert_same_kv(const elm_gguf_kv *a, const elm_gguf_kv *b)
{
	assert_int_equal(a->key.length, b->key.length);
	assert_memory_equal(a->key.data, b->key.data, a->key.length);
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->element_kind, b->element_kind);
	assert_int_equal(a->count, b->count);
	for (uint64_t i = 0; i < a->count; i++) {
		elm_gguf_string x = elm_gguf_string_at(a, i), y = elm_gguf_string_at(b, i);
		double left = elm_gguf_f64_at(a, i), right = elm_gguf_f64_at(b, i);

		assert_int_equal(elm_gguf_i64_at(a, i), elm_gguf_i64_at(b, i));
		assert_memory_equal(&left, &right, sizeof(left));
		assert_int_equal(x.length, y.length);
		assert_memory_equal(x.data, y.data, x.length);
	}
}

/* Every kind, as one value and as arrays of none and of three; then the same by copying. */
static elm_status write_every_kind(const char *path, elm_error *error)
{
	static const uint64_t values[3] = { 0x0101010101010101, 0, 0x4142434445464748 };
	static const uint8_t flags[3] = { 1, 0, 7 };
	static const elm_gguf_string strings[3] = { { "one", 3 }, { "", 0 }, { "a\0b\xff", 4 } };
	elm_gguf_writer *writer;
	elm_status status = elm_gguf_writer_create(path, 32, &writer, error);
	char key[32];

	for (int kind = ELM_GGUF_U8; kind <= ELM_GGUF_F64 && status == ELM_OK; kind++) {
		const void *data = kind == ELM_GGUF_BOOL ? (const void *)flags : values;

		if (kind == ELM_GGUF_STRING || kind == ELM_GGUF_ARRAY)
			continue;
		snprintf(key, sizeof(key), "value.%d", kind);
		status = elm_gguf_writer_set(writer, key, (elm_gguf_kind)kind, data, error);
		snprintf(key, sizeof(key), "array.%d", kind);
		if (status == ELM_OK)
			status = elm_gguf_writer_set_array(writer, key, (elm_gguf_kind)kind, data,
							   3, error);
		snprintf(key, sizeof(key), "empty.%d", kind);
		if (status == ELM_OK)
			status = elm_gguf_writer_set_array(writer, key, (elm_gguf_kind)kind, NULL,
							   0, error);
	}
	if (status == ELM_OK)
		status = elm_gguf_writer_set_string(writer, "string", "x\0y", 3, error);
	if (status == ELM_OK)
		status = elm_gguf_writer_set_string(writer, "string.empty", "", 0, error);
	if (status == ELM_OK)
		status = elm_gguf_writer_set_strings(writer, "strings", strings, 3, error);
	if (status == ELM_OK)
		status = elm_gguf_writer_set_strings(writer, "strings.none", NULL, 0, error);
	if (status == ELM_OK)
		status = elm_gguf_writer_begin(writer, error);
	if (status == ELM_OK)
		status = elm_gguf_writer_finish(writer, error);
	elm_gguf_writer_free(writer);
	return status;
}

static void test_every_kind(void **state)
{
	const char *path = temp_path("kinds.gguf"), *copy_path = temp_path("copy.gguf");
	elm_gguf_writer *writer;
	elm_error error = { 0 };
	elm_gguf *gguf, *copy;
	const elm_gguf_kv *kv;

	must(write_every_kind(path, &error), &error);
	gguf = open_file(path);
	assert_int_equal(elm_gguf_kv_count(gguf), 11 * 3 + 4);
	assert_int_equal(elm_gguf_i64_at(elm_gguf_find(gguf, "value.0"), 0), 1);
	assert_int_equal(elm_gguf_i64_at(elm_gguf_find(gguf, "value.10"), 0), 0x0101010101010101);
	assert_int_equal(elm_gguf_i64_at(elm_gguf_find(gguf, "array.2"), 1), 0x0101);
	assert_int_equal(elm_gguf_i64_at(elm_gguf_find(gguf, "array.11"), 2), 0x4142434445464748);
	assert_int_equal(elm_gguf_i64_at(elm_gguf_find(gguf, "array.7"), 2), 1);
	assert_int_equal(elm_gguf_find(gguf, "empty.12")->count, 0);
	kv = elm_gguf_find(gguf, "strings");
	assert_int_equal(elm_gguf_string_at(kv, 1).length, 0);
	assert_int_equal(elm_gguf_string_at(kv, 2).length, 4);
	assert_memory_equal(elm_gguf_string_at(kv, 2).data, "a\0b\xff", 4);

	must(elm_gguf_writer_create(copy_path, 32, &writer, &error), &error);
	for (size_t i = 0; i < elm_gguf_kv_count(gguf); i++)
		must(elm_gguf_writer_copy(writer, elm_gguf_kv_at(gguf, i), &error), &error);
	must(elm_gguf_writer_begin(writer, &error), &error);
	must(elm_gguf_writer_finish(writer, &error), &error);
	elm_gguf_writer_free(writer);
	copy = open_file(copy_path);
	assert_int_equal(elm_gguf_kv_count(copy), elm_gguf_kv_count(gguf));
	for (size_t i = 0; i < elm_gguf_kv_count(gguf); i++)
		assert_same_kv(elm_gguf_kv_at(gguf, i), elm_gguf_kv_at(copy, i));
	elm_gguf_close(copy);
	elm_gguf_close(gguf);
}

static void test_replace(void **state)
{
	const char *path = temp_path("replace.gguf");
	elm_gguf_writer *writer;
	elm_error error = { 0 };
	elm_gguf_string text;
	elm_gguf *gguf;
	uint32_t number;
	float real;
	bool flag;

	must(elm_gguf_writer_create(path, 32, &writer, &error), &error);
	must(elm_gguf_writer_set_u32(writer, "a", 1, &error), &error);
	must(elm_gguf_writer_set_f32(writer, "b", 0.5f, &error), &error);
	must(elm_gguf_writer_set_string(writer, "a", "text", 4, &error), &error);
	must(elm_gguf_writer_set_bool(writer, "c", true, &error), &error);
	must(elm_gguf_writer_set_u32(writer, "d", 4, &error), &error);
	must(elm_gguf_writer_begin(writer, &error), &error);
	must(elm_gguf_writer_finish(writer, &error), &error);
	elm_gguf_writer_free(writer);
	gguf = open_file(path);
	assert_int_equal(elm_gguf_kv_count(gguf), 4);
	must(elm_gguf_get_string(gguf, "a", &text, &error), &error);
	assert_memory_equal(text.data, "text", 4);
	assert_ptr_equal(elm_gguf_find(gguf, "a"), elm_gguf_kv_at(gguf, 0));
	must(elm_gguf_get_f32(gguf, "b", &real, &error), &error);
	assert_true(real == 0.5f);
	must(elm_gguf_get_bool(gguf, "c", &flag, &error), &error);
	assert_true(flag);
	must(elm_gguf_get_u32(gguf, "d", &number, &error), &error);
	assert_int_equal(number, 4);
	elm_gguf_close(gguf);
}

/* One tensor of every type, with 1 to 4 dimensions, under an alignment, data in odd pieces. */
static elm_status write_every_type(const char *path, uint32_t alignment, elm_error *error)
{
	static const uint64_t dims[4] = { 256, 3, 2, 2 };
	uint8_t piece[1000];
	elm_gguf_writer *writer;
	uint64_t bytes, total = 0;
	uint32_t n_dims = 0;
	elm_status status = elm_gguf_writer_create(path, alignment, &writer, error);

	for (uint32_t type = 0; type < ELM_TYPE_LIMIT && status == ELM_OK; type++) {
		if (!elm_type_get(type))
			continue;
		n_dims = n_dims % 4 + 1;
		status = elm_gguf_writer_add_tensor(writer, elm_type_get(type)->name,
						    (elm_type)type, n_dims, dims, error);
		if (status == ELM_OK)
			status = elm_type_row_bytes((elm_type)type, dims[0], &bytes);
		for (uint32_t i = 1; i < n_dims; i++)
			bytes *= dims[i];
		total += bytes;
	}
	if (status == ELM_OK)
		status = elm_gguf_writer_begin(writer, error);
	for (uint64_t at = 0; at < total && status == ELM_OK;) {
		size_t size = total - at < sizeof(piece) ? (size_t)(total - at) : sizeof(piece);

		for (size_t i = 0; i < size; i++)
			piece[i] = (uint8_t)((at + i) * 7);
		status = elm_gguf_writer_data(writer, piece, size, error);
		at += size;
	}
	if (status == ELM_OK)
		status = elm_gguf_writer_finish(writer, error);
	elm_gguf_writer_free(writer);
	return status;
}

static void test_every_type(void **state)
{
	static const uint32_t alignments[] = { 8, 32, 4096 };
	const char *path = temp_path("types.gguf");

	for (size_t a = 0; a < 3; a++) {
		elm_error error = { 0 };
		uint64_t at = 0;
		elm_gguf *gguf;

		must(write_every_type(path, alignments[a], &error), &error);
		gguf = open_file(path);
		assert_int_equal(elm_gguf_alignment(gguf), alignments[a]);
		assert_int_equal(elm_gguf_tensor_count(gguf), 20);
		for (size_t i = 0; i < elm_gguf_tensor_count(gguf); i++) {
			const elm_gguf_tensor *tensor = elm_gguf_tensor_at(gguf, i);
			const uint8_t *data = tensor->data;

			assert_string_equal(tensor->name, elm_type_get(tensor->type)->name);
			assert_int_equal(tensor->n_dims, i % 4 + 1);
			assert_int_equal(tensor->offset % alignments[a], 0);
			for (uint64_t b = 0; b < tensor->bytes; b++, at++)
				if (data[b] != (uint8_t)(at * 7))
					fail_msg("%s: byte %llu", tensor->name,
						 (unsigned long long)b);
		}
		assert_int_equal(elm_gguf_file_bytes(gguf) % alignments[a], 0);
		elm_gguf_close(gguf);
	}
}

/* What is forgotten can be read again, from a file and from memory. */
static void test_forget(void **state)
{
	const char *path = temp_path("types.gguf");
	elm_error error = { 0 };
	elm__buf bytes = { 0 };

	must(write_every_type(path, 4096, &error), &error);
	must(elm__file_read(path, 1 << 20, &bytes, &error), &error);
	for (int memory = 0; memory < 2; memory++) {
		uint64_t at = 0;
		elm_gguf *gguf;

		if (memory)
			must(elm_gguf_open_memory("memory", bytes.data, bytes.length, &gguf,
						  &error),
			     &error);
		else
			gguf = open_file(path);
		for (size_t i = 0; i < elm_gguf_tensor_count(gguf); i++)
			elm__gguf_forget(gguf, elm_gguf_tensor_at(gguf, i));
		for (size_t i = 0; i < elm_gguf_tensor_count(gguf); i++) {
			const elm_gguf_tensor *tensor = elm_gguf_tensor_at(gguf, i);
			const uint8_t *data = tensor->data;

			for (uint64_t b = 0; b < tensor->bytes; b++, at++)
				assert_int_equal(data[b], (uint8_t)(at * 7));
		}
		elm_gguf_close(gguf);
	}
	elm__buf_release(&bytes);
}

typedef elm_status step(elm_gguf_writer *writer, elm_error *error);

static elm_status add(elm_gguf_writer *writer, const char *name, elm_type type, uint32_t n_dims,
		      uint64_t first, uint64_t second, elm_error *error)
{
	uint64_t dims[4] = { first, second, 1, 1 };

	return elm_gguf_writer_add_tensor(writer, name, type, n_dims, dims, error);
}

static elm_status add_one(elm_gguf_writer *writer, elm_error *error)
{
	return add(writer, "one", ELM_TYPE_F32, 1, 4, 0, error);
}

static elm_status no_key(elm_gguf_writer *writer, elm_error *error)
{
	return elm_gguf_writer_set_u32(writer, "", 1, error);
}

static elm_status bad_key(elm_gguf_writer *writer, elm_error *error)
{
	return elm_gguf_writer_set_u32(writer, "a\nb", 1, error);
}

static elm_status alignment_key(elm_gguf_writer *writer, elm_error *error)
{
	return elm_gguf_writer_set_u32(writer, "general.alignment", 64, error);
}

static elm_status string_by_kind(elm_gguf_writer *writer, elm_error *error)
{
	return elm_gguf_writer_set(writer, "key", ELM_GGUF_STRING, "text", error);
}

static elm_status array_of_arrays(elm_gguf_writer *writer, elm_error *error)
{
	return elm_gguf_writer_set_array(writer, "key", ELM_GGUF_ARRAY, NULL, 0, error);
}

static elm_status same_name(elm_gguf_writer *writer, elm_error *error)
{
	elm_status status = add_one(writer, error);

	return status == ELM_OK ? add_one(writer, error) : status;
}

static elm_status bad_name(elm_gguf_writer *writer, elm_error *error)
{
	return add(writer, "\xff", ELM_TYPE_F32, 1, 4, 0, error);
}

static elm_status no_dims(elm_gguf_writer *writer, elm_error *error)
{
	return add(writer, "one", ELM_TYPE_F32, 0, 4, 0, error);
}

static elm_status dim_0(elm_gguf_writer *writer, elm_error *error)
{
	return add(writer, "one", ELM_TYPE_F32, 2, 4, 0, error);
}

static elm_status half_block(elm_gguf_writer *writer, elm_error *error)
{
	return add(writer, "one", ELM_TYPE_Q4_K, 1, 128, 0, error);
}

static elm_status unknown_type(elm_gguf_writer *writer, elm_error *error)
{
	return add(writer, "one", (elm_type)63, 1, 128, 0, error);
}

static elm_status too_large(elm_gguf_writer *writer, elm_error *error)
{
	return add(writer, "one", ELM_TYPE_F32, 2, (uint64_t)1 << 40, (uint64_t)1 << 30, error);
}

static elm_status sum_too_large(elm_gguf_writer *writer, elm_error *error)
{
	elm_status status = add(writer, "one", ELM_TYPE_I8, 1, (uint64_t)1 << 62, 0, error);

	return status == ELM_OK ? add(writer, "two", ELM_TYPE_I8, 1, 64, 0, error) : status;
}

static elm_status data_first(elm_gguf_writer *writer, elm_error *error)
{
	return elm_gguf_writer_data(writer, "x", 1, error);
}

static elm_status finish_first(elm_gguf_writer *writer, elm_error *error)
{
	return elm_gguf_writer_finish(writer, error);
}

static elm_status set_late(elm_gguf_writer *writer, elm_error *error)
{
	elm_status status = elm_gguf_writer_begin(writer, error);

	return status == ELM_OK ? elm_gguf_writer_set_u32(writer, "key", 1, error) : status;
}

static elm_status begin_twice(elm_gguf_writer *writer, elm_error *error)
{
	elm_status status = elm_gguf_writer_begin(writer, error);

	return status == ELM_OK ? elm_gguf_writer_begin(writer, error) : status;
}

static elm_status too_much_data(elm_gguf_writer *writer, elm_error *error)
{
	elm_status status = add_one(writer, error);

	if (status == ELM_OK)
		status = elm_gguf_writer_begin(writer, error);
	return status == ELM_OK ? elm_gguf_writer_data(writer, "12345678901234567", 17, error) :
				  status;
}

static elm_status too_little_data(elm_gguf_writer *writer, elm_error *error)
{
	elm_status status = add_one(writer, error);

	if (status == ELM_OK)
		status = elm_gguf_writer_begin(writer, error);
	if (status == ELM_OK)
		status = elm_gguf_writer_data(writer, "123456789012345", 15, error);
	return status == ELM_OK ? elm_gguf_writer_finish(writer, error) : status;
}

static void test_misuse(void **state)
{
	static const struct {
		step *run;
		const char *part;
	} cases[] = {
		{ no_key, "metadata key" },
		{ bad_key, "metadata key" },
		{ alignment_key, "general.alignment is set by" },
		{ string_by_kind, "kind string" },
		{ array_of_arrays, "kind array" },
		{ same_name, "'one': it was added already" },
		{ bad_name, "no plain text" },
		{ no_dims, "1 to 4 dimensions" },
		{ dim_0, "a dimension is 0" },
		{ half_block, "multiple of its block" },
		{ unknown_type, "type is unknown" },
		{ too_large, "too large" },
		{ sum_too_large, "'two': with it the file is too large" },
		{ data_first, "before begin" },
		{ finish_first, "before begin" },
		{ set_late, "after begin" },
		{ begin_twice, "after begin" },
		{ too_much_data, "1 bytes of data too many" },
		{ too_little_data, "15 of 16 bytes were given" },
	};
	const char *path = temp_path("misuse.gguf");
	elm_gguf_writer *writer;
	elm_error error = { 0 };
	size_t files = temp_files();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		must(elm_gguf_writer_create(path, 32, &writer, &error), &error);
		assert_int_equal(cases[i].run(writer, &error), ELM_ERR_ARGUMENT);
		assert_contains(error.text, cases[i].part);
		/* It stays failed, and leaves no file. */
		assert_int_equal(elm_gguf_writer_begin(writer, &error), ELM_ERR_ARGUMENT);
		assert_contains(error.text, "after a failure");
		elm_gguf_writer_free(writer);
		assert_int_equal(access(path, F_OK), -1);
		assert_int_equal(temp_files(), files);
	}
	assert_int_equal(elm_gguf_writer_create(path, 24, &writer, &error), ELM_ERR_ARGUMENT);
	assert_null(writer);
	assert_contains(error.text, "alignment 24");
	assert_int_equal(elm_gguf_writer_create("/nonexistent/x.gguf", 32, &writer, &error),
			 ELM_ERR_NOT_FOUND);
	assert_null(writer);
	elm_gguf_writer_free(NULL);
}

/* A limit on the size of files stands for a full disk. */
static void test_full_disk(void **state)
{
	const char *path = temp_path("full.gguf");
	struct rlimit old, small;
	elm_error error = { 0 };
	size_t files = temp_files();
	elm_status status;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 4096;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	status = write_every_type(path, 4096, &error);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(status, ELM_ERR_IO);
	assert_contains(error.text, "full.gguf: cannot write");
	assert_int_equal(temp_files(), files);
}

/* A file of a split model: `tensors` names separated by blanks, each 4 F32 of value `number`. */
static void write_part(const char *path, int number, int count, int total, const char *tensors)
{
	uint16_t no = (uint16_t)number, of = (uint16_t)count;
	float data[4] = { (float)number, 1, 2, 3 };
	elm_error error = { 0 };
	elm_gguf_writer *writer;
	char name[32];
	int begun = 0;

	must(elm_gguf_writer_create(path, 32, &writer, &error), &error);
	if (!number)
		must(elm_gguf_writer_set_string(writer, "general.name", "split", 5, &error),
		     &error);
	must(elm_gguf_writer_set(writer, "split.no", ELM_GGUF_U16, &no, &error), &error);
	must(elm_gguf_writer_set(writer, "split.count", ELM_GGUF_U16, &of, &error), &error);
	must(elm_gguf_writer_set(writer, "split.tensors.count", ELM_GGUF_I32, &total, &error),
	     &error);
	for (int used = 0; sscanf(tensors, "%31s%n", name, &used) == 1; tensors += used, begun++)
		must(add(writer, name, ELM_TYPE_F32, 1, 4, 0, &error), &error);
	must(elm_gguf_writer_begin(writer, &error), &error);
	while (begun--)
		must(elm_gguf_writer_data(writer, data, sizeof(data), &error), &error);
	must(elm_gguf_writer_finish(writer, &error), &error);
	elm_gguf_writer_free(writer);
}

static void test_split(void **state)
{
	const char *first = temp_path("m-00001-of-00003.gguf");
	const char *second = temp_path("m-00002-of-00003.gguf");
	const char *third = temp_path("m-00003-of-00003.gguf");
	const elm_gguf_tensor *tensor;
	elm_error error = { 0 };
	elm_gguf *gguf;

	write_part(first, 0, 3, 4, "a");
	write_part(second, 1, 3, 4, "b c");
	write_part(third, 2, 3, 4, "d");
	gguf = open_file(first);
	assert_int_equal(elm_gguf_split_count(gguf), 3);
	assert_int_equal(elm_gguf_tensor_count(gguf), 4);
	assert_int_equal(elm_gguf_kv_count(gguf), 4);
	tensor = elm_gguf_tensor_find(gguf, "c");
	assert_ptr_equal(tensor, elm_gguf_tensor_at(gguf, 2));
	assert_int_equal(tensor->split, 1);
	assert_true(*(const float *)tensor->data == 1);
	assert_true(*(const float *)elm_gguf_tensor_find(gguf, "d")->data == 2);
	assert_true(*(const float *)elm_gguf_tensor_find(gguf, "a")->data == 0);
	assert_true(elm_gguf_file_bytes(gguf) > 3 * 100);
	assert_string_equal(elm_gguf_file_path(gguf, 0), first);
	assert_string_equal(elm_gguf_file_path(gguf, 2), third);
	gguf_walk(gguf);
	elm_gguf_close(gguf);

	expect_refusal(second, ELM_ERR_ARGUMENT,
		       "file 2 of the 3 of a split model; give the first");
	write_part(third, 2, 4, 4, "d");
	expect_refusal(first, ELM_ERR_FORMAT, "it says that it is file 3 of 4");
	write_part(third, 1, 3, 4, "d");
	expect_refusal(first, ELM_ERR_FORMAT, "it says that it is file 2 of 3");
	write_part(third, 3, 3, 4, "d");
	expect_refusal(first, ELM_ERR_FORMAT, "split.no 3 and split.count 3 cannot be");
	write_part(third, 2, 3, 4, "a");
	expect_refusal(first, ELM_ERR_FORMAT, "tensor 0 'a' is in an earlier file");
	write_part(third, 2, 3, 4, "d e");
	expect_refusal(first, ELM_ERR_FORMAT,
		       "split.tensors.count is 4 but the files hold 5 tensors");
	assert_int_equal(unlink(third), 0);
	expect_refusal(first, ELM_ERR_NOT_FOUND, "file 3 of a split model: ");
	expect_refusal(first, ELM_ERR_NOT_FOUND, "m-00003-of-00003.gguf: cannot open");
	must(write_every_type(third, 32, &error), &error);
	expect_refusal(first, ELM_ERR_NOT_FOUND,
		       "m-00003-of-00003.gguf: the metadata has no split");

	assert_int_equal(rename(first, temp_path("m.gguf")), 0);
	expect_refusal(temp_path("m.gguf"), ELM_ERR_ARGUMENT, "must end in -00001-of-00003.gguf");
	write_part(temp_path("one.gguf"), 0, 1, 1, "a");
	gguf = open_file(temp_path("one.gguf"));
	assert_int_equal(elm_gguf_split_count(gguf), 1);
	elm_gguf_close(gguf);
}

static elm_status open_path(void *user, elm_error *error)
{
	elm_gguf *gguf;
	elm_status status = elm_gguf_open(user, &gguf, error);

	elm_gguf_close(gguf);
	return status;
}

static elm_status write_kinds_to(void *user, elm_error *error)
{
	return write_every_kind(user, error);
}

static elm_status write_types_to(void *user, elm_error *error)
{
	return write_every_type(user, 64, error);
}

static elm_status copy_to(void *user, elm_error *error)
{
	elm_gguf **from = user;
	elm_gguf_writer *writer;
	elm_status status = elm_gguf_writer_create(temp_path("no-memory.gguf"), 32, &writer, error);

	for (size_t i = 0; i < elm_gguf_kv_count(*from) && status == ELM_OK; i++)
		status = elm_gguf_writer_copy(writer, elm_gguf_kv_at(*from, i), error);
	elm_gguf_writer_free(writer);
	return status;
}

static void test_no_memory(void **state)
{
	char path[256];
	size_t files;
	elm_gguf *gguf;

	snprintf(path, sizeof(path), "%s", temp_path("no-memory.gguf"));
	assert_true(fail_each_allocation(write_types_to, path) > 30);
	assert_true(fail_each_allocation(open_path, path) > 5);
	assert_true(fail_each_allocation(write_kinds_to, path) > 50);
	files = temp_files();
	gguf = open_file(path);
	assert_true(fail_each_allocation(copy_to, &gguf) > 50);
	elm_gguf_close(gguf);
	assert_int_equal(temp_files(), files);

	snprintf(path, sizeof(path), "%s", temp_path("n-00001-of-00002.gguf"));
	write_part(path, 0, 2, 3, "a b");
	write_part(temp_path("n-00002-of-00002.gguf"), 1, 2, 3, "c");
	assert_true(fail_each_allocation(open_path, path) > 10);
}

/* Our writer makes of a golden file the same bytes again. */
static void rewrite_golden(const char *path)
{
	const char *copy_path = temp_path("golden.gguf");
	elm__buf original = ELM__BUF_INIT, copy = ELM__BUF_INIT;
	elm_gguf *gguf = open_file(path);
	elm_gguf_writer *writer;
	elm_error error = { 0 };

	must(elm_gguf_writer_create(copy_path, elm_gguf_alignment(gguf), &writer, &error), &error);
	for (size_t i = 0; i < elm_gguf_kv_count(gguf); i++)
		must(elm_gguf_writer_copy(writer, elm_gguf_kv_at(gguf, i), &error), &error);
	for (size_t i = 0; i < elm_gguf_tensor_count(gguf); i++) {
		const elm_gguf_tensor *tensor = elm_gguf_tensor_at(gguf, i);

		must(elm_gguf_writer_add_tensor(writer, tensor->name, tensor->type, tensor->n_dims,
						tensor->dims, &error),
		     &error);
	}
	must(elm_gguf_writer_begin(writer, &error), &error);
	for (size_t i = 0; i < elm_gguf_tensor_count(gguf); i++) {
		const elm_gguf_tensor *tensor = elm_gguf_tensor_at(gguf, i);

		must(elm_gguf_writer_data(writer, tensor->data, (size_t)tensor->bytes, &error),
		     &error);
	}
	must(elm_gguf_writer_finish(writer, &error), &error);
	elm_gguf_writer_free(writer);
	elm_gguf_close(gguf);

	read_whole(path, &original);
	read_whole(copy_path, &copy);
	if (original.length != copy.length || memcmp(original.data, copy.data, copy.length))
		fail_msg("%s: the rewritten file differs (%zu bytes, %zu)", path, original.length,
			 copy.length);
	elm__buf_release(&original);
	elm__buf_release(&copy);
}

static void test_golden(void **state)
{
	if (!golden_each("models", ".gguf", rewrite_golden))
		skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind), cmocka_unit_test(test_replace),
		cmocka_unit_test(test_every_type), cmocka_unit_test(test_forget),
		cmocka_unit_test(test_misuse),	   cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_split),	   cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_golden),
	};

	return cmocka_run_group_tests_name("gguf_write", tests, NULL, NULL);
}

/* Packed weights in memory and in files: the same bytes, and nothing damaged or stale is used. */
#include <edgelm/log.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "model/core.h"
#include "model/engine_cache.h"
#include "model/engine_file.h"
#include "quant/quant.h"
#include "support.h"
#include "tiny_model.h"

/* A model of mixed types and its plan, for an imaginary tier that packs all it can. */
typedef struct fixture {
	elm_model *model;
	elm__arena arena;
	elm__pack_plan plan;
	uint64_t key;
	char path[512];
} fixture;

static void mix_types(tiny_tensor *t, void *user)
{
	static const elm_type types[] = { ELM_TYPE_Q8_0, ELM_TYPE_Q4_0, ELM_TYPE_Q5_1 };
	unsigned *count = user;

	if (t->rows && strcmp(t->name, "blk.0.attn_q.weight"))
		t->type = types[(*count)++ % 3];
}

static fixture *set_up(uint32_t interleave)
{
	fixture *f = calloc(1, sizeof(*f));
	elm_model_options options = { .isa = "scalar" };
	unsigned count = 0;
	tiny_model tiny = { .tensor = mix_types, .user = &count, .kv_heads = 1 };
	elm__kernels kernels;
	elm_error error = { 0 };

	tiny_model_write(&tiny, temp_path("mixed.gguf"));
	if (elm_model_open(temp_path("mixed.gguf"), &options, &f->model, &error) != ELM_OK)
		fail_msg("%s", error.text);
	elm__arena_init(&f->arena, 0);
	elm__kernels_init(&kernels, 0);
	kernels.interleave = interleave;
	kernels.packs = elm__packable;
	assert_int_equal(elm__pack_plan_make(&f->plan, &f->model->weights, &f->model->hparams,
					     &kernels, &f->arena, NULL),
			 ELM_OK);
	f->key = elm__engine_key(f->model->gguf);
	snprintf(f->path, sizeof(f->path), "%s", temp_path("test.elm"));
	return f;
}

static void tear_down(fixture *f)
{
	unlink(f->path);
	elm_model_close(f->model);
	elm__arena_release(&f->arena);
	free(f);
}

static void write_engine(const fixture *f)
{
	elm_error error = { 0 };

	if (elm__engine_write(f->path, &f->plan, f->key, NULL, NULL, &error) != ELM_OK)
		fail_msg("%s", error.text);
}

static void test_plan(void **state)
{
	fixture *f = set_up(16);

	/* All matrices of two layers and the output, but for the one that is F32. */
	assert_int_equal(f->plan.count, 2 * 7 + 1 - 1);
	for (uint32_t i = 0; i < f->plan.count; i++)
		assert_int_equal(f->plan.entries[i].offset % ELM__PACK_ALIGN, 0);
	tear_down(f);
}

static void test_packed_rows_are_the_rows(void **state)
{
	static const uint32_t interleaves[] = { 4, 8, 16 };

	for (size_t n = 0; n < 3; n++) {
		fixture *f = set_up(interleaves[n]);
		char *region = elm__malloc_aligned(64, f->plan.bytes);
		float expected[256], found[256];

		assert_int_equal(elm__pack_fill(&f->plan, region, NULL, NULL, NULL), ELM_OK);
		for (uint32_t i = 0; i < f->plan.count; i++) {
			const elm__pack_entry *e = &f->plan.entries[i];
			const elm__matrix *m = e->matrix;

			for (uint32_t r = 0; r < m->rows; r++) {
				const char *row = (const char *)m->data + r * m->row_bytes;
				uint32_t group = r / interleaves[n];

				assert_int_equal(elm__dequantize_row(m->type, row, expected,
								     m->cols),
						 ELM_OK);
				elm__packed_decode(m->type, f->plan.packing,
						   region + e->offset + group * e->group_bytes,
						   m->cols, r % interleaves[n], found);
				assert_memory_equal(expected, found, m->cols * sizeof(float));
			}
		}
		elm__free_aligned(region);
		tear_down(f);
	}
}

static void test_file_holds_what_memory_holds(void **state)
{
	fixture *f = set_up(8);
	char *memory = elm__calloc(1, f->plan.bytes);
	const void *region;
	elm__map map;

	write_engine(f);
	assert_int_equal(elm__pack_fill(&f->plan, memory, NULL, NULL, NULL), ELM_OK);
	assert_int_equal(elm__engine_open(f->path, &f->plan, f->key, &map, &region, NULL), ELM_OK);
	for (uint32_t i = 0; i < f->plan.count; i++) {
		const elm__pack_entry *e = &f->plan.entries[i];
		size_t bytes = (e->matrix->rows + 7) / 8 * e->group_bytes;

		assert_memory_equal((const char *)region + e->offset, memory + e->offset, bytes);
	}
	elm__map_release(&map);
	assert_int_equal(elm__engine_verify(f->path, &f->plan, f->key, NULL), ELM_OK);
	elm__free(memory);
	tear_down(f);
}

/* --- damage --- */

static void expect_unusable(const fixture *f, uint64_t key, elm_status status, const char *what)
{
	elm_error error = { 0 };
	const void *region;
	elm__map map;

	assert_int_equal(elm__engine_open(f->path, &f->plan, key, &map, &region, &error), status);
	assert_null(map.data);
	assert_contains(error.text, "test.elm");
	assert_contains(error.text, what);
}

static void poke(const char *path, long at, unsigned char flip)
{
	FILE *file = fopen(path, "r+b");
	int c;

	assert_non_null(file);
	assert_int_equal(fseek(file, at, SEEK_SET), 0);
	c = fgetc(file);
	assert_int_equal(fseek(file, at, SEEK_SET), 0);
	assert_true(fputc(c ^ flip, file) != EOF);
	fclose(file);
}

static void test_every_byte_of_the_header_counts(void **state)
{
	fixture *f = set_up(16);
	long used = 64 + (long)f->plan.count * 40;

	write_engine(f);
	for (long at = 0; at < used; at++) {
		poke(f->path, at, 0x10);
		expect_unusable(f, f->key, ELM_ERR_FORMAT, "not usable");
		poke(f->path, at, 0x10);
	}
	tear_down(f);
}

static void test_stale_and_cut_files(void **state)
{
	fixture *f = set_up(16);
	struct stat st;

	expect_unusable(f, f->key, ELM_ERR_NOT_FOUND, "No such file");
	write_engine(f);
	expect_unusable(f, f->key + 1, ELM_ERR_FORMAT, "another model");
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(truncate(f->path, st.st_size - 1), 0);
	expect_unusable(f, f->key, ELM_ERR_FORMAT, "size");
	assert_int_equal(truncate(f->path, 0), 0);
	expect_unusable(f, f->key, ELM_ERR_FORMAT, "size");
	tear_down(f);
}

static void test_verify_finds_damage(void **state)
{
	fixture *f = set_up(16);
	elm_error error = { 0 };

	write_engine(f);
	poke(f->path, (long)(4096 + f->plan.entries[3].offset + 5), 1);
	assert_int_equal(elm__engine_verify(f->path, &f->plan, f->key, &error), ELM_ERR_FORMAT);
	assert_contains(error.text, "matrix 3 of");
	tear_down(f);
}

/* --- writing --- */

static bool stop_at_once(void *user, uint64_t done, uint64_t total)
{
	return true;
}

static void test_cancelled_write_leaves_nothing(void **state)
{
	fixture *f = set_up(16);
	size_t before = temp_files();

	assert_int_equal(elm__engine_write(f->path, &f->plan, f->key, stop_at_once, NULL, NULL),
			 ELM_ERR_CANCELLED);
	assert_int_equal(temp_files(), before);
	tear_down(f);
}

static void test_full_disk_leaves_nothing(void **state)
{
	fixture *f = set_up(16);
	size_t before = temp_files();
	struct rlimit old, limit;
	elm_error error = { 0 };
	elm_status status;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = old;
	limit.rlim_cur = 10000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	status = elm__engine_write(f->path, &f->plan, f->key, NULL, NULL, &error);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(status, ELM_ERR_IO);
	assert_contains(error.text, "cannot set");
	assert_int_equal(temp_files(), before);
	tear_down(f);
}

/* --- the key and the folder --- */

static void test_key_follows_the_weights(void **state)
{
	tiny_model tiny = { .seed = 1 };
	uint64_t keys[3];

	for (int i = 0; i < 3; i++) {
		elm_gguf *gguf;

		tiny.seed = i == 2 ? 1 : (uint64_t)i + 1;
		tiny.ffn = i == 2 ? 128 : 96;
		tiny_model_write(&tiny, temp_path("key.gguf"));
		assert_int_equal(elm_gguf_open(temp_path("key.gguf"), &gguf, NULL), ELM_OK);
		keys[i] = elm__engine_key(gguf);
		assert_int_equal(elm__engine_key(gguf), keys[i]);
		elm_gguf_close(gguf);
	}
	assert_true(keys[0] != keys[1] && keys[0] != keys[2] && keys[1] != keys[2]);
}

static void make_file(const char *folder, const char *name, size_t bytes, time_t age)
{
	char path[600];
	struct timespec times[2] = { { 0 }, { 0 } };
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "wb");
	assert_non_null(file);
	for (size_t i = 0; i < bytes; i++)
		fputc(0, file);
	fclose(file);
	times[0].tv_sec = times[1].tv_sec = time(NULL) - age;
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static bool exists(const char *folder, const char *name)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return !access(path, F_OK);
}

static void test_prune_drops_the_oldest(void **state)
{
	char folder[512], keep[600];
	uint64_t left;

	snprintf(folder, sizeof(folder), "%s", temp_path("cache"));
	assert_int_equal(mkdir(folder, 0777), 0);
	make_file(folder, "old.elm", 100, 300);
	make_file(folder, "middle.elm", 100, 200);
	make_file(folder, "new.elm", 100, 100);
	make_file(folder, "other.txt", 1000, 900);
	snprintf(keep, sizeof(keep), "%s/old.elm", folder);
	assert_int_equal(elm_engine_cache_prune(folder, 250, keep, &left, NULL), ELM_OK);
	assert_int_equal(left, 200);
	assert_true(exists(folder, "old.elm") && exists(folder, "new.elm"));
	assert_false(exists(folder, "middle.elm"));
	assert_int_equal(elm_engine_cache_prune(folder, 0, NULL, &left, NULL), ELM_OK);
	assert_int_equal(left, 0);
	assert_true(exists(folder, "other.txt"));
	unlink(strcat(folder, "/other.txt"));
	folder[strlen(folder) - strlen("/other.txt")] = '\0';
	rmdir(folder);
	assert_int_equal(elm_engine_cache_prune(folder, 0, NULL, &left, NULL), ELM_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_packed_rows_are_the_rows),
		cmocka_unit_test(test_file_holds_what_memory_holds),
		cmocka_unit_test(test_every_byte_of_the_header_counts),
		cmocka_unit_test(test_stale_and_cut_files),
		cmocka_unit_test(test_verify_finds_damage),
		cmocka_unit_test(test_cancelled_write_leaves_nothing),
		cmocka_unit_test(test_full_disk_leaves_nothing),
		cmocka_unit_test(test_key_follows_the_weights),
		cmocka_unit_test(test_prune_drops_the_oldest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

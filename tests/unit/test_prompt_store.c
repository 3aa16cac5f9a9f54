/* Computed prompts on disk: found again, never wrong, within their limits, whoever else writes. */
#include <dirent.h>
#include <edgelm/log.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "answers.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "engine/prompt_store.h"
#include "support.h"

enum { BLOCK = 1000, TOKENS = 320, FILE_BYTES = 64 + 4 * 32 + BLOCK };

static elm_token tokens[TOKENS];

static int set_up(void **state)
{
	for (int i = 0; i < TOKENS; i++)
		tokens[i] = i * 31 % 1000 - 1;
	return 0;
}

static elm__prompt_store *open_store(const char *folder, uint64_t limit, uint64_t daily)
{
	elm__prompt_store_options options = { folder, limit, daily, 77, BLOCK };
	elm__prompt_store *store;
	elm_error error = { 0 };

	if (elm__prompt_store_open(&options, &store, &error))
		fail_msg("%s", error.text);
	return store;
}

static elm__prompt_part part_of(uint64_t scope, uint32_t blocks)
{
	return (elm__prompt_part){ scope, tokens, blocks * 32 };
}

static const uint8_t *block_of(uint64_t scope, uint32_t number)
{
	static _Thread_local uint8_t block[BLOCK];

	for (size_t i = 0; i < BLOCK; i++)
		block[i] = (uint8_t)(i * 7 + number * 13 + scope);
	return block;
}

static void put(elm__prompt_store *store, uint64_t scope, uint32_t number)
{
	elm__prompt_part part = part_of(scope, number);

	assert_true(elm__prompt_store_put(store, &part, block_of(scope, number)));
	elm__prompt_store_settle(store);
}

static bool get(elm__prompt_store *store, uint64_t scope, uint32_t number)
{
	elm__prompt_part part = part_of(scope, number);
	uint8_t block[BLOCK] = { 0 };
	bool has = elm__prompt_store_has(store, &part);
	bool got = elm__prompt_store_get(store, &part, block);

	assert_true(has || !got);
	if (got)
		assert_memory_equal(block, block_of(scope, number), BLOCK);
	return got;
}

static elm_prompt_cache_stats stats_of(elm__prompt_store *store)
{
	elm_prompt_cache_stats stats;

	elm__prompt_store_get_stats(store, &stats);
	return stats;
}

static bool is_block(const char *name)
{
	return strlen(name) == 19 && !strcmp(name + 16, ".kv");
}

/* The path of the only block in a folder. */
static const char *only_file(const char *folder)
{
	static char path[600];
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	int found = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (is_block(entry->d_name)) {
			snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
			found++;
		}
	closedir(dir);
	assert_int_equal(found, 1);
	return path;
}

static void test_found_again(void **state)
{
	const char *folder = temp_path("again/and/again");
	elm__prompt_store *store = open_store(folder, 1 << 20, 1 << 20);
	elm_prompt_cache_stats stats;
	struct stat st;

	assert_false(get(store, 5, 1));
	for (uint32_t i = 1; i <= 10; i++)
		put(store, 5, i);
	elm__prompt_store_close(store);

	folder = temp_path("again/and/again");
	assert_int_equal(stat(folder, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	store = open_store(folder, 1 << 20, 1 << 20);
	for (uint32_t i = 1; i <= 10; i++)
		assert_true(get(store, 5, i));
	assert_false(get(store, 6, 1));
	elm__prompt_store_settle(store);
	stats = stats_of(store);
	assert_int_equal(stats.blocks_read, 10);
	assert_int_equal(stats.damaged, 0);
	put(store, 5, 3); /* is there: not written again */
	assert_int_equal(stats_of(store).blocks_written, 0);
	elm__prompt_store_close(store);
}

/* Another model, and blocks of another size, do not find them. */
static void test_other_models(void **state)
{
	elm__prompt_store_options other = { temp_path("model"), 1 << 20, 1 << 20, 78, BLOCK };
	elm__prompt_store *store = open_store(other.folder, 1 << 20, 1 << 20);

	put(store, 0, 1);
	elm__prompt_store_close(store);
	assert_int_equal(elm__prompt_store_open(&other, &store, NULL), ELM_OK);
	assert_false(get(store, 0, 1));
	assert_int_equal(stats_of(store).damaged, 0);
	elm__prompt_store_close(store);
	elm_log_set_level(ELM_LOG_ERROR);
	other.model = 77;
	other.block_bytes = BLOCK / 2;
	assert_int_equal(elm__prompt_store_open(&other, &store, NULL), ELM_OK);
	assert_false(get(store, 0, 1));
	assert_int_equal(stats_of(store).damaged, 1); /* the same text, and not what it should be */
	elm_log_set_level(ELM_LOG_WARN);
	elm__prompt_store_close(store);
}

static void overwrite(const char *path, const uint8_t *bytes, size_t size)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void test_damage(void **state)
{
	elm__prompt_store *store = open_store(temp_path("damage"), 1 << 20, 1 << 20);
	elm__buf whole = ELM__BUF_INIT;
	uint64_t damaged = 0;
	char path[600];

	elm_log_set_level(ELM_LOG_ERROR);
	put(store, 9, 1);
	snprintf(path, sizeof(path), "%s", only_file(temp_path("damage")));
	read_whole(path, &whole);
	assert_int_equal(whole.length, FILE_BYTES);
	for (size_t at = 0; at < FILE_BYTES; at += at < 200 ? 1 : 37) {
		whole.data[at] ^= 1 << at % 8;
		overwrite(path, (uint8_t *)whole.data, FILE_BYTES);
		whole.data[at] ^= 1 << at % 8;
		assert_false(get(store, 9, 1));
		assert_int_equal(access(path, F_OK), -1);
		assert_int_equal(stats_of(store).damaged, ++damaged);
	}
	for (size_t size = 0; size < FILE_BYTES; size += 61) {
		overwrite(path, (uint8_t *)whole.data, size);
		assert_false(get(store, 9, 1));
		assert_int_equal(access(path, F_OK), -1);
	}
	elm__buf_putc(&whole, 0);
	overwrite(path, (uint8_t *)whole.data, FILE_BYTES + 1);
	assert_false(get(store, 9, 1));
	overwrite(path, (uint8_t *)whole.data, FILE_BYTES);
	assert_true(get(store, 9, 1));

	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_false(get(store, 9, 1));
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_false(get(store, 9, 1)); /* and does not wait for a writer */
	put(store, 9, 1);
	assert_true(get(store, 9, 1));
	elm_log_set_level(ELM_LOG_WARN);
	elm__buf_release(&whole);
	elm__prompt_store_close(store);
}

/* A file as it would be for another text, under the name of ours. */
static void test_foreign(void **state)
{
	elm__prompt_store *store = open_store(temp_path("foreign"), 1 << 20, 1 << 20);
	elm__buf other = ELM__BUF_INIT;
	char path[600];

	elm_log_set_level(ELM_LOG_ERROR);
	put(store, 1, 1);
	snprintf(path, sizeof(path), "%s", only_file(temp_path("foreign")));
	read_whole(path, &other);
	assert_int_equal(unlink(path), 0);
	put(store, 2, 1);
	overwrite(only_file(temp_path("foreign")), (uint8_t *)other.data, other.length);
	assert_false(get(store, 2, 1));
	assert_int_equal(stats_of(store).damaged, 1);
	elm_log_set_level(ELM_LOG_WARN);
	elm__buf_release(&other);
	elm__prompt_store_close(store);
}

/* The size of all blocks in a folder. */
static uint64_t folder_bytes(const char *folder)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	uint64_t bytes = 0;
	struct stat st;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (is_block(entry->d_name) && !fstatat(dirfd(dir), entry->d_name, &st, 0))
			bytes += (uint64_t)st.st_size;
	closedir(dir);
	return bytes;
}

static void test_limit_of_size(void **state)
{
	const uint64_t limit = (uint64_t)20 * FILE_BYTES;
	elm__prompt_store *store = open_store(temp_path("limit"), limit, 1 << 20);
	const struct timespec old[2] = { { 1000000, 0 }, { 1000000, 0 } };

	write_below(temp_path("limit"), "/0123456789abcdef.kv.abc123", "left behind by a crash");
	write_below(temp_path("limit"), "/notes.txt", "not ours");
	utimensat(AT_FDCWD, temp_path("limit/0123456789abcdef.kv.abc123"), old, 0);
	utimensat(AT_FDCWD, temp_path("limit/notes.txt"), old, 0);
	put(store, 100, 1);
	utimensat(AT_FDCWD, only_file(temp_path("limit")), old, 0);
	for (uint32_t i = 0; i < 50; i++) {
		put(store, i, 1);
		assert_true(folder_bytes(temp_path("limit")) <= limit);
	}
	assert_false(get(store, 100, 1)); /* was unused for longest */
	assert_true(get(store, 49, 1));
	assert_true(stats_of(store).deleted >= 30);
	assert_int_equal(access(temp_path("limit/0123456789abcdef.kv.abc123"), F_OK), -1);
	assert_int_equal(access(temp_path("limit/notes.txt"), F_OK), 0);
	elm__prompt_store_close(store);

	store = open_store(temp_path("limit"), 10, 1 << 20); /* nothing fits */
	put(store, 300, 1);
	assert_int_equal(stats_of(store).skipped, 1);
	elm__prompt_store_close(store);
}

static void test_limit_per_day(void **state)
{
	const uint64_t daily = (uint64_t)3 * FILE_BYTES;
	elm__prompt_store *store = open_store(temp_path("daily"), 1 << 20, daily);
	uint8_t ledger[32] = "ELMPROMP";

	for (uint32_t i = 0; i < 4; i++)
		put(store, i, 1);
	assert_int_equal(stats_of(store).blocks_written, 3);
	assert_int_equal(stats_of(store).skipped, 1);
	elm__prompt_store_close(store);

	store = open_store(temp_path("daily"), 1 << 20, daily); /* a restart does not reset it */
	put(store, 4, 1);
	assert_int_equal(stats_of(store).skipped, 1);
	/* Yesterday's count does not matter. */
	elm__put64(ledger + 8, (uint64_t)time(NULL) / 86400 - 1);
	elm__put64(ledger + 16, daily);
	elm__put64(ledger + 24, elm__hash64(ledger, 24, 0));
	overwrite(temp_path("daily/written"), ledger, sizeof(ledger));
	put(store, 4, 1);
	assert_true(get(store, 4, 1));
	/* A damaged one counts as none. */
	overwrite(temp_path("daily/written"), ledger, 17);
	put(store, 5, 1);
	assert_true(get(store, 5, 1));
	elm__prompt_store_close(store);
}

enum { SHARED = 40 };

static void *use_shared(void *user)
{
	const char *folder = user;
	elm__prompt_store_options options = { folder, (uint64_t)10 * FILE_BYTES, 1 << 20, 77,
					      BLOCK };
	elm__prompt_store *store;
	size_t wrong = 0;

	if (elm__prompt_store_open(&options, &store, NULL))
		return (void *)1;
	for (uint32_t i = 0; i < 4 * SHARED; i++) {
		elm__prompt_part part = part_of(i % SHARED, 1 + i % 3);
		uint8_t block[BLOCK];

		if (elm__prompt_store_get(store, &part, block))
			wrong += memcmp(block, block_of(i % SHARED, 1 + i % 3), BLOCK) != 0;
		else
			(void)elm__prompt_store_put(store, &part, block_of(i % SHARED, 1 + i % 3));
	}
	elm__prompt_store_settle(store);
	wrong += (size_t)stats_of(store).damaged + (size_t)stats_of(store).failed;
	elm__prompt_store_close(store);
	return (void *)wrong;
}

/* Two stores do not know of each other, as two processes do not. */
static void test_a_shared_folder(void **state)
{
	char folder[600];
	pthread_t threads[3];
	void *wrong;

	snprintf(folder, sizeof(folder), "%s", temp_path("shared"));
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_shared, folder), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pthread_join(threads[i], &wrong), 0);
		assert_int_equal((size_t)wrong, 0);
	}
}

static void test_a_folder_that_is_none(void **state)
{
	elm__prompt_store_options options = { temp_path("file"), 1, 1, 1, 1 };
	elm__prompt_store *store;
	elm_error error = { 0 };

	write_below(temp_path(""), "file", "x");
	options.folder = temp_path("file/below");
	assert_int_equal(elm__prompt_store_open(&options, &store, &error), ELM_ERR_IO);
	assert_contains(error.text, "file/below");
	assert_null(store);
}

static elm_status open_and_close(void *user, elm_error *error)
{
	elm__prompt_store_options options = { temp_path("memory"), 1 << 20, 1 << 20, 1, BLOCK };
	elm__prompt_store *store;
	elm_status status = elm__prompt_store_open(&options, &store, error);

	if (!status) {
		elm__prompt_part part = part_of(0, 1);
		uint8_t block[BLOCK];

		/* Out of memory, these do nothing. */
		(void)elm__prompt_store_put(store, &part, block_of(0, 1));
		elm__prompt_store_settle(store);
		(void)elm__prompt_store_has(store, &part);
		(void)elm__prompt_store_get(store, &part, block);
	}
	elm__prompt_store_close(store);
	return status;
}

static void test_out_of_memory(void **state)
{
	elm_log_set_level(ELM_LOG_ERROR);
	assert_true(fail_each_allocation(open_and_close, NULL) >= 5);
	elm_log_set_level(ELM_LOG_WARN);
}

/* --- the scheduler --- */

static elm_scheduler_options disk_options(void)
{
	elm_scheduler_options options = answers_options();

	options.prompt_cache = temp_path("scheduler");
	return options;
}

static void ask(elm_scheduler *s, answer *a, unsigned seed, uint64_t scope, bool not_on_disk)
{
	elm_sampler_options greedy = answers_greedy();
	elm_request request = { .prompt = answers_prompt(seed),
				.prompt_count = 200,
				.max_tokens = 20,
				.sampling = &greedy,
				.ignore_eos = true,
				.cache_scope = scope,
				.not_on_disk = not_on_disk };

	answers_submit(s, &request, a);
}

static void test_prompts_survive(void **state)
{
	static answer first, again, others[8];
	elm_model *model = answers_model(3);
	elm_scheduler *s = answers_start(model, disk_options());

	ask(s, &first, 1, 0, false);
	answer_wait(&first);
	assert_int_equal(first.stats.prompt_reused, 0);
	assert_int_equal(first.status, ELM_OK);
	elm_scheduler_free(s);

	s = answers_start(model, disk_options());
	ask(s, &again, 1, 0, false);
	answer_wait(&again);
	assert_int_equal(again.stats.prompt_reused, 192); /* 6 blocks of 32 */
	assert_int_equal(again.count, first.count);
	assert_memory_equal(again.tokens, first.tokens, first.count * sizeof(elm_token));
	assert_int_equal(answers_stats(s).prompt_cache.blocks_read, 6);
	assert_int_equal(answers_stats(s).reused_tokens, 192);
	elm_scheduler_free(s);

	/* Not for another scope, or who does not want it. Many at once, while one is answered. */
	s = answers_start(model, disk_options());
	for (int i = 0; i < 8; i++)
		ask(s, &others[i], 1 + (unsigned)(i > 5), (uint64_t)(i == 0), i == 1);
	for (int i = 0; i < 8; i++)
		answer_wait(&others[i]);
	assert_int_equal(others[0].stats.prompt_reused, 0);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(others[i].count, first.count);
		assert_memory_equal(others[i].tokens, first.tokens,
				    first.count * sizeof(elm_token));
	}
	elm_scheduler_free(s);
	for (int i = 0; i < 8; i++)
		answer_clear(&others[i]);
	answer_clear(&first);
	answer_clear(&again);
	elm_model_close(model);
}

/* Another type of cache has other blocks. */
static void test_other_caches(void **state)
{
	static answer a;
	elm_model *model = answers_model(3);
	elm_scheduler_options options = disk_options();
	elm_scheduler *s;

	for (int i = 0; i < 2; i++) {
		options.session.kv_type = ELM_TYPE_IQ4_NL;
		s = answers_start(model, options);
		ask(s, &a, 1, 0, false);
		answer_wait(&a);
		assert_int_equal(a.stats.prompt_reused, i ? 192 : 0);
		answer_clear(&a);
		elm_scheduler_free(s);
	}
	elm_model_close(model);
	model = answers_model(4);
	s = answers_start(model, options);
	ask(s, &a, 1, 0, false);
	answer_wait(&a);
	assert_int_equal(a.stats.prompt_reused, 0);
	answer_clear(&a);
	elm_scheduler_free(s);
	elm_model_close(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found_again),
		cmocka_unit_test(test_other_models),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_limit_of_size),
		cmocka_unit_test(test_limit_per_day),
		cmocka_unit_test(test_a_shared_folder),
		cmocka_unit_test(test_a_folder_that_is_none),
		cmocka_unit_test(test_out_of_memory),
		cmocka_unit_test(test_prompts_survive),
		cmocka_unit_test(test_other_caches),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}

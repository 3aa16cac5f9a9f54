/* Mapping, reading and atomically replacing files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "support.h"

static void put(const char *path, const char *text)
{
	assert_int_equal(elm__file_replace(path, text, strlen(text), NULL), ELM_OK);
}

static void assert_holds(const char *path, const char *text)
{
	elm__buf got = ELM__BUF_INIT;

	assert_int_equal(elm__file_read(path, 1 << 20, &got, NULL), ELM_OK);
	assert_string_equal(elm__buf_text(&got), text);
	elm__buf_release(&got);
}

static void maps(void **state)
{
	const char *path = temp_path("mapped");
	elm_error error = { 0 };
	elm__map map;

	put(path, "some bytes");
	assert_int_equal(elm__map_open(&map, path, &error), ELM_OK);
	assert_int_equal(map.size, 10);
	assert_memory_equal(map.data, "some bytes", 10);
	elm__map_release(&map);
	assert_null(map.data);

	put(path, "");
	assert_int_equal(elm__map_open(&map, path, &error), ELM_OK);
	assert_int_equal(map.size, 0);
	elm__map_release(&map);
}

static void what_cannot_be_mapped_is_named(void **state)
{
	const char *missing = temp_path("missing"), *fifo = temp_path("fifo");
	elm_error error = { 0 };
	elm__map map;

	assert_int_equal(elm__map_open(&map, missing, &error), ELM_ERR_NOT_FOUND);
	assert_contains(error.text, "missing: cannot open: No such file");
	assert_int_equal(elm__map_open(&map, "/", &error), ELM_ERR_ARGUMENT);
	assert_string_equal(error.text, "/: not a regular file");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(elm__map_open(&map, fifo, &error), ELM_ERR_ARGUMENT);
	assert_null(map.data);
	unlink(fifo);
}

static void reads_up_to_the_limit(void **state)
{
	const char *path = temp_path("read");
	elm__buf got = ELM__BUF_INIT;
	elm_error error = { 0 };

	put(path, "12345");
	assert_int_equal(elm__file_read(path, 5, &got, &error), ELM_OK);
	assert_int_equal(elm__file_read(path, 5, &got, &error), ELM_OK); /* appends */
	assert_string_equal(elm__buf_text(&got), "1234512345");
	assert_int_equal(elm__file_read(path, 4, &got, &error), ELM_ERR_LIMIT);
	assert_contains(error.text, "longer than the limit of 4 bytes");
	assert_int_equal(elm__file_read("/", 4, &got, &error), ELM_ERR_IO);
	assert_contains(error.text, "directory");
	elm__buf_release(&got);
}

static void writes_in_pieces_and_aligns(void **state)
{
	enum { PIECE = 5000, PIECES = 200 };
	const char *path = temp_path("pieces");
	elm__writer writer;
	char piece[PIECE];
	elm__map map;

	assert_int_equal(elm__writer_open(&writer, path, NULL), ELM_OK);
	for (int i = 0; i < PIECES; i++) {
		memset(piece, i, sizeof(piece));
		assert_int_equal(elm__writer_write(&writer, piece, sizeof(piece), NULL), ELM_OK);
	}
	assert_int_equal(writer.offset, PIECE * PIECES);
	assert_int_equal(elm__writer_align(&writer, 4096, NULL), ELM_OK);
	assert_int_equal(writer.offset, 1003520);
	assert_int_equal(elm__writer_align(&writer, 4096, NULL), ELM_OK);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(elm__writer_commit(&writer, NULL), ELM_OK);
	elm__writer_close(&writer);

	assert_int_equal(elm__map_open(&map, path, NULL), ELM_OK);
	assert_int_equal(map.size, 1003520);
	for (size_t i = 0; i < map.size; i++)
		assert_int_equal(map.data[i], i < PIECE * PIECES ? i / PIECE : 0);
	elm__map_release(&map);
}

static void an_abandoned_write_leaves_no_trace(void **state)
{
	const char *path = temp_path("abandoned");
	elm__writer writer;
	size_t before;

	put(path, "old");
	before = temp_files();
	assert_int_equal(elm__writer_open(&writer, path, NULL), ELM_OK);
	assert_int_equal(elm__writer_write(&writer, "new", 3, NULL), ELM_OK);
	assert_int_equal(temp_files(), before + 1);
	elm__writer_close(&writer);
	assert_int_equal(temp_files(), before);
	assert_holds(path, "old");
}

/* In a child whose files may not grow beyond 64 KiB: what a full disk looks like. */
static int replace_on_a_full_disk(const char *path)
{
	static char big[1 << 20];
	struct rlimit limit = { 1 << 16, 1 << 16 };
	elm_error error = { 0 };
	elm__writer writer;

	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
		return 10;
	if (elm__file_replace(path, big, sizeof(big), &error) != ELM_ERR_IO)
		return 11;
	if (!strstr(error.text, "cannot write: File too large"))
		return 12;
	/* A caller that goes on after a failed write must not get a file with a hole. */
	if (elm__writer_open(&writer, path, &error) != ELM_OK)
		return 13;
	if (elm__writer_write(&writer, big, sizeof(big), &error) != ELM_ERR_IO ||
	    elm__writer_write(&writer, "x", 1, &error) != ELM_ERR_IO ||
	    elm__writer_commit(&writer, &error) != ELM_ERR_IO)
		return 14;
	elm__writer_close(&writer);
	return 0;
}

static void a_full_disk_leaves_the_old_file(void **state)
{
	const char *path = temp_path("full");
	size_t before;
	int status;
	pid_t child;

	put(path, "old");
	before = temp_files();
	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (!child)
		_exit(replace_on_a_full_disk(path));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_holds(path, "old");
	assert_int_equal(temp_files(), before);
}

static void replacing_keeps_permissions(void **state)
{
	const char *path = temp_path("secret");
	struct stat st;
	mode_t mask = umask(027);

	put(path, "first");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(chmod(path, 0600), 0);
	put(path, "second");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	umask(mask);
}

static void only_regular_files_are_replaced(void **state)
{
	const char *fifo = temp_path("target");
	elm_error error = { 0 };

	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(elm__file_replace(fifo, "x", 1, &error), ELM_ERR_ARGUMENT);
	assert_contains(error.text, "not a regular file, so it cannot be replaced");
	unlink(fifo);
	assert_int_equal(elm__file_replace(temp_path("no/folder"), "x", 1, &error),
			 ELM_ERR_NOT_FOUND);
	assert_contains(error.text, "cannot create a file beside");
}

static elm_status replace_and_read(void *user, elm_error *error)
{
	elm__buf got = ELM__BUF_INIT;
	elm_status status = elm__file_replace(user, "text", 4, error);

	if (status == ELM_OK)
		status = elm__file_read(user, 100, &got, error);
	elm__buf_release(&got);
	return status;
}

static void each_allocation_may_fail(void **state)
{
	const char *path = temp_path("allocation");
	size_t before = temp_files();

	assert_true(fail_each_allocation(replace_and_read, (void *)path) >= 4);
	assert_int_equal(temp_files(), before + 1);
	assert_holds(path, "text");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps),
		cmocka_unit_test(what_cannot_be_mapped_is_named),
		cmocka_unit_test(reads_up_to_the_limit),
		cmocka_unit_test(writes_in_pieces_and_aligns),
		cmocka_unit_test(an_abandoned_write_leaves_no_trace),
		cmocka_unit_test(a_full_disk_leaves_the_old_file),
		cmocka_unit_test(replacing_keeps_permissions),
		cmocka_unit_test(only_regular_files_are_replaced),
		cmocka_unit_test(each_allocation_may_fail),
	};

	return cmocka_run_group_tests_name("base_file", tests, NULL, NULL);
}

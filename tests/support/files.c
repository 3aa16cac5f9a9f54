#include <dirent.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "support.h"

enum { PATHS = 8, PATH_SIZE = 1024, WHOLE_LIMIT = 1 << 28 };

static char folder[64];

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
	return remove(path);
}

static void remove_folder(void)
{
	nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *temp_path(const char *name)
{
	static char paths[PATHS][PATH_SIZE];
	static unsigned next;
	char *path = paths[next++ % PATHS];

	if (!folder[0]) {
		snprintf(folder, sizeof(folder), "/tmp/edgelm-test-XXXXXX");
		if (!mkdtemp(folder)) {
			folder[0] = '\0';
			fail_msg("cannot make a temporary folder");
		}
		atexit(remove_folder);
	}
	snprintf(path, PATH_SIZE, "%s/%s", folder, name);
	return path;
}

size_t temp_files(void)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	size_t count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

void write_below(const char *root, const char *path, const char *text)
{
	char full[2 * PATH_SIZE];
	FILE *file;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *at = full + strlen(root) + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		mkdir(full, 0777);
		*at = '/';
	}
	file = fopen(full, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

const char *golden_path(const char *name)
{
	static char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s/%s", GOLDEN_FOLDER, name);
	if (access(path, R_OK)) {
		print_message("shared/golden/%s is absent: what needs it is skipped\n", name);
		return NULL;
	}
	return path;
}

static int by_name(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

size_t golden_each(const char *name, const char *ending, void (*each)(const char *path))
{
	const char *base = golden_path(name);
	DIR *dir = base ? opendir(base) : NULL;
	char **names = NULL, path[PATH_SIZE];
	const struct dirent *entry;
	size_t count = 0;

	while (dir && (entry = readdir(dir))) {
		size_t length = strlen(entry->d_name), end = strlen(ending);

		if (length < end || strcmp(entry->d_name + length - end, ending))
			continue;
		names = realloc(names, (count + 1) * sizeof(*names));
		assert_non_null(names);
		names[count++] = strdup(entry->d_name);
	}
	if (dir)
		closedir(dir);
	if (count)
		qsort(names, count, sizeof(*names), by_name);
	for (size_t i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/%s/%s", GOLDEN_FOLDER, name, names[i]);
		free(names[i]);
		each(path);
	}
	free(names);
	return count;
}

void read_whole(const char *path, elm__buf *out)
{
	elm_error error = { 0 };

	if (elm__file_read(path, WHOLE_LIMIT, out, &error) != ELM_OK)
		fail_msg("%s", error.text);
}

void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' does not contain '%s'", text, part);
}

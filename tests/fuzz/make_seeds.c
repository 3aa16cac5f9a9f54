/* make_seeds FOLDER: writes a folder of seeds for every fuzz target. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "seeds.h"

static const char *folder;

void seed_fail(const char *message)
{
	fprintf(stderr, "make_seeds: %s\n", message);
	exit(1);
}

static void make_folder(const char *path)
{
	if (mkdir(path, 0777) && errno != EEXIST)
		seed_fail(path);
}

const char *seed_path(const char *corpus, const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", folder, corpus);
	make_folder(path);
	snprintf(path, sizeof(path), "%s/%s/%s", folder, corpus, name);
	return path;
}

void seed_write(const char *corpus, const char *name, const void *data, size_t size)
{
	elm_error error = { 0 };

	if (elm__file_replace(seed_path(corpus, name), data, size, &error) != ELM_OK)
		seed_fail(error.text);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		seed_fail("give the folder to write to");
	folder = argv[1];
	make_folder(folder);
	seeds_convert();
	seeds_calib();
	seeds_completion();
	seeds_predictions();
	seeds_gguf();
	seeds_grammar();
	seeds_import();
	seeds_model();
	seeds_jinja();
	seeds_negotiate();
	seeds_prompt();
	seeds_request();
	seeds_sse();
	seeds_tasks();
	seeds_telemetry();
	seeds_tokenizer();
	seeds_training();
	return 0;
}

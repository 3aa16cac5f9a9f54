/* The input is a file of the prompt cache on disk, under the name of a text that is looked for. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <edgelm/log.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "engine/prompt_store.h"
#include "seeds.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/edgelm-fuzz-XXXXXX", file[400];
static elm__prompt_store *store;

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "does not hold: %s\n", what);
	abort();
}

static void clean_up(void)
{
	char path[400];

	elm__prompt_store_close(store);
	unlink(file);
	snprintf(path, sizeof(path), "%s/written", folder);
	unlink(path);
	rmdir(folder);
}

/* Makes the store, and has it write one file to learn its name. */
static void set_up(const elm__prompt_part *part)
{
	elm__prompt_store_options options = { folder, 1 << 20, 1 << 20, PROMPT_SEED_MODEL,
					      PROMPT_SEED_BLOCK };
	static const uint8_t block[PROMPT_SEED_BLOCK];
	const struct dirent *entry;
	DIR *dir;

	elm_log_set_level(ELM_LOG_ERROR);
	require(mkdtemp(folder) != NULL, "a folder can be made");
	require(!elm__prompt_store_open(&options, &store, NULL), "a store can be opened");
	require(elm__prompt_store_put(store, part, block), "a block can be put");
	elm__prompt_store_settle(store);
	dir = opendir(folder);
	while (dir && (entry = readdir(dir)))
		if (strstr(entry->d_name, ".kv"))
			snprintf(file, sizeof(file), "%s/%s", folder, entry->d_name);
	closedir(dir);
	require(file[0] != '\0', "a file was written");
	atexit(clean_up);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	elm_token tokens[PROMPT_SEED_TOKENS];
	elm__prompt_part part = { PROMPT_SEED_SCOPE, tokens, PROMPT_SEED_TOKENS };
	uint8_t block[PROMPT_SEED_BLOCK];
	FILE *out;

	for (int i = 0; i < PROMPT_SEED_TOKENS; i++)
		tokens[i] = i;
	if (!store)
		set_up(&part);
	out = fopen(file, "wb");
	require(out && fwrite(data, 1, size, out) == size && !fclose(out), "the file is written");
	if (elm__prompt_store_get(store, &part, block)) {
		require(size == 64 + 4 * PROMPT_SEED_TOKENS + PROMPT_SEED_BLOCK, "its size");
		require(elm__get64(data + 40) == elm__hash64(block, sizeof(block), 0), "its hash");
		require(!memcmp(block, data + size - sizeof(block), sizeof(block)), "its contents");
	} else {
		require(access(file, F_OK) != 0, "what is wrong is deleted");
	}
	return 0;
}

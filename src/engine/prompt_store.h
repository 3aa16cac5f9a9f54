/*
 * prompt_store.h: computed blocks of texts on disk, so that prompts survive a restart.
 *
 * One file per cache block in one folder, named by a hash of the text up to the end of the block;
 * see docs/FORMAT-PROMPT-CACHE.md. The folder is its own index: files appear whole (rename), are
 * never changed, and may be deleted at any time, so processes can share it. What is read is
 * compared with the whole text and a hash of the contents; a file that is not as it must be is
 * deleted and counted.
 *
 * elm__prompt_store_put copies a block for a thread of the store, which writes it; reading is done
 * by the caller's thread.
 */
#ifndef ELM_ENGINE_PROMPT_STORE_H
#define ELM_ENGINE_PROMPT_STORE_H

#include <edgelm/scheduler.h>

enum { ELM__PROMPT_STORE_VERSION = 1 };

typedef struct elm__prompt_store elm__prompt_store;

typedef struct elm__prompt_store_options {
	const char *folder;
	uint64_t limit; /* bytes of all files in the folder */
	uint64_t daily; /* bytes written per day (UTC) by all processes that share the folder */
	uint64_t model; /* a hash of all that contents depend on beside the text */
	size_t block_bytes;
} elm__prompt_store_options;

/* A block of a text: tokens[0 .. count), of which it holds the last 32. */
typedef struct elm__prompt_part {
	uint64_t scope;
	const elm_token *tokens;
	uint32_t count; /* a multiple of 32 */
} elm__prompt_part;

/* Makes the folder where it is missing (for its owner only) and starts the thread. The options are
 * copied. */
ELM_NODISCARD elm_status elm__prompt_store_open(const elm__prompt_store_options *options,
						elm__prompt_store **out, elm_error *error);
/* Writes what is left in the queue. NULL allowed. */
void elm__prompt_store_close(elm__prompt_store *store);

/* Copies a block to be written. False when the queue has no room for it now. */
bool elm__prompt_store_put(elm__prompt_store *store, const elm__prompt_part *part,
			   const void *block);

/* Whether there is a file for it, which may still turn out to be damaged. */
bool elm__prompt_store_has(elm__prompt_store *store, const elm__prompt_part *part);

/* Fills `block`; false, and its contents are undefined, when there is nothing usable. */
bool elm__prompt_store_get(elm__prompt_store *store, const elm__prompt_part *part, void *block);

/* Waits until everything that was put has been written, or not. For tests. */
void elm__prompt_store_settle(elm__prompt_store *store);

void elm__prompt_store_get_stats(elm__prompt_store *store, elm_prompt_cache_stats *out);

#endif

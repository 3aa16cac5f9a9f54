/*
 * support.h: what tests of every layer share. Failures inside it fail the running cmocka test,
 * except where a function says that it returns NULL.
 */
#ifndef ELM_TESTS_SUPPORT_H
#define ELM_TESTS_SUPPORT_H

#include <edgelm/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/*
 * Allocations of the library. fail_after(n) counts them from here on and makes the n-th one fail,
 * once (0 is the next one); fail_never counts only. live_blocks says how many blocks that were
 * allocated since counting began are not released. fail_off returns to the default allocator.
 */
void fail_after(size_t n);
void fail_never(void);
bool fail_happened(void);
size_t live_blocks(void);
void fail_off(void);

/*
 * Runs body again and again, with its first, second, ... allocation failing, until a run meets no
 * failure, which must succeed. Each run must release all that it allocates, and report
 * ELM_ERR_NO_MEMORY with a sentence unless it succeeded in spite of the failure. Returns the number
 * of failures tried, at least 1.
 */
size_t fail_each_allocation(elm_status (*body)(void *user, elm_error *error), void *user);

/* A path in a folder that is made at the first call and removed, with all in it, at exit. The text
 * is valid until the eighth call from now. */
const char *temp_path(const char *name);
/* The number of files in that folder. */
size_t temp_files(void);

/* The path of golden data ("models/x.gguf"), valid until the next call; NULL where it is absent,
 * and then it prints what is skipped. */
const char *golden_path(const char *name);

/* All files of a golden folder whose names end so, sorted; calls `each` with the full path.
 * Returns how many; 0 (printed) where golden data is absent. */
size_t golden_each(const char *folder, const char *ending, void (*each)(const char *path));

/* Appends a whole file. */
void read_whole(const char *path, elm__buf *out);

/* Writes a file below a folder, with the folders that its path needs. */
void write_below(const char *root, const char *path, const char *text);

/* Fails unless `text` contains `part`, showing both. */
void assert_contains(const char *text, const char *part);

#endif

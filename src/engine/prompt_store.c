/*
 * A file, all numbers little-endian:
 *
 *   0   8  magic "ELMPROMP"
 *   8   4  version
 *  12   4  number of tokens, n
 *  16   8  hash of what the block depends on beside the text
 *  24   8  scope
 *  32   8  bytes of the block
 *  40   8  hash of the block
 *  48  16  0
 *  64 4 n  the tokens of the text up to the end of the block
 *          the block; the file ends with it
 *
 * Everything but the hash of the block is known to whoever looks for it, so a file is checked by
 * making the beginning that it should have and comparing: nothing in it is believed.
 */
#include "engine/prompt_store.h"

#include <edgelm/log.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/hash.h"
#include "kernel/kernel.h"

enum {
	HEADER = 64,
	AT_BLOCK_HASH = 40,
	NAME_DIGITS = 16,
	USE_RESOLUTION_S = 3600, /* of when a file was used last */
	PAUSE_S = 60,		 /* after a write that failed */
	DAY_S = 86400,
	LEDGER = 32 /* bytes of the file that counts what is written per day */
};

static const char magic[] = "ELMPROMP", suffix[] = ".kv", ledger_name[] = "written";
static const size_t queue_bytes = (size_t)32 << 20;

/* A block that waits to be written. */
typedef struct job {
	struct job *next;
	size_t bytes; /* of the contents of its file */
	char name[NAME_DIGITS + sizeof(suffix)];
	uint8_t contents[];
} job;

struct elm__prompt_store {
	elm__prompt_store_options options;
	char *folder;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;	/* there is something to write, or no more to come */
	pthread_cond_t settled; /* nothing is left to write */

	/* under the lock */
	job *first, **last;
	size_t queued; /* bytes, those being written included */
	bool quitting;
	elm_prompt_cache_stats stats;

	/* of the thread */
	uint64_t unlisted; /* bytes written since the folder was last listed */
	uint64_t pause_ns; /* do not write before this */
};

/* --- one file --- */

static size_t head_bytes(const elm__prompt_part *part)
{
	return HEADER + (size_t)part->count * sizeof(uint32_t);
}

static void make_head(const elm__prompt_store *store, const elm__prompt_part *part,
		      uint64_t block_hash, uint8_t *out)
{
	memset(out, 0, HEADER);
	memcpy(out, magic, 8);
	elm__put32(out + 8, ELM__PROMPT_STORE_VERSION);
	elm__put32(out + 12, part->count);
	elm__put64(out + 16, store->options.model);
	elm__put64(out + 24, part->scope);
	elm__put64(out + 32, store->options.block_bytes);
	elm__put64(out + AT_BLOCK_HASH, block_hash);
	for (uint32_t i = 0; i < part->count; i++)
		elm__put32(out + HEADER + (size_t)4 * i, (uint32_t)part->tokens[i]);
}

/* The hash that names a file only finds candidates. */
static void make_name(const elm__prompt_store *store, const elm__prompt_part *part,
		      char name[NAME_DIGITS + sizeof(suffix)])
{
	uint64_t place[3] = { store->options.model, part->scope, part->count };
	uint64_t hash = elm__hash64(place, sizeof(place), ELM__PROMPT_STORE_VERSION);

	hash = elm__hash64(part->tokens, part->count * sizeof(*part->tokens), hash);
	snprintf(name, NAME_DIGITS + sizeof(suffix), "%016" PRIx64 "%s", hash, suffix);
}

static bool is_block_name(const char *name)
{
	return strspn(name, "0123456789abcdef") == NAME_DIGITS &&
	       !strcmp(name + NAME_DIGITS, suffix);
}

/* For elm__free; NULL when out of memory. */
static char *path_of(const elm__prompt_store *store, const char *name)
{
	elm__buf path = ELM__BUF_INIT;

	elm__buf_printf(&path, "%s/%s", store->folder, name);
	return elm__buf_detach(&path, NULL);
}

/* False at the end of the file and on errors. */
static bool read_all(int fd, void *to, size_t bytes)
{
	char *at = to;

	while (bytes) {
		ssize_t got = read(fd, at, bytes);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		at += got;
		bytes -= (size_t)got;
	}
	return true;
}

typedef enum verdict {
	FOUND,
	ABSENT,
	DAMAGED, /* or something else under this name */
} verdict;

/* Reads an open file. `head` has room for twice the beginning of such a file. */
static verdict read_block(const elm__prompt_store *store, int fd, const elm__prompt_part *part,
			  uint8_t *head, void *block)
{
	size_t bytes = head_bytes(part), size = store->options.block_bytes;
	uint8_t *wanted = head + bytes;
	uint64_t hash;
	struct stat st;

	if (fstat(fd, &st))
		return ABSENT;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != bytes + size ||
	    !read_all(fd, head, bytes))
		return DAMAGED;
	hash = elm__get64(head + AT_BLOCK_HASH);
	make_head(store, part, hash, wanted);
	if (memcmp(head, wanted, bytes) != 0 || !read_all(fd, block, size) ||
	    elm__hash64(block, size, 0) != hash)
		return DAMAGED;
	return FOUND;
}

/* --- reading --- */

bool elm__prompt_store_has(elm__prompt_store *store, const elm__prompt_part *part)
{
	char name[NAME_DIGITS + sizeof(suffix)], *path;
	bool there;

	make_name(store, part, name);
	path = path_of(store, name);
	there = path && !access(path, R_OK);
	elm__free(path);
	return there;
}

static verdict get(elm__prompt_store *store, const elm__prompt_part *part, const char *path,
		   void *block)
{
	/* Not waiting for the other end of a pipe that somebody has put there. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint8_t *head;
	verdict found;

	if (fd < 0)
		return ABSENT;
	head = elm__malloc(2 * head_bytes(part));
	found = head ? read_block(store, fd, part, head, block) : ABSENT;
	elm__free(head);
	close(fd);
	return found;
}

bool elm__prompt_store_get(elm__prompt_store *store, const elm__prompt_part *part, void *block)
{
	char name[NAME_DIGITS + sizeof(suffix)], *path;
	verdict found = ABSENT;

	make_name(store, part, name);
	path = path_of(store, name);
	if (path)
		found = get(store, part, path, block);
	if (found == FOUND)
		elm__folder_note_use(path, USE_RESOLUTION_S);
	if (found == DAMAGED && !unlink(path))
		elm_log(ELM_LOG_WARN, "%s: damaged or not ours; deleted", path);
	pthread_mutex_lock(&store->lock);
	if (found == FOUND) {
		store->stats.blocks_read++;
		store->stats.bytes_read += head_bytes(part) + store->options.block_bytes;
	}
	store->stats.damaged += found == DAMAGED;
	pthread_mutex_unlock(&store->lock);
	elm__free(path);
	return found == FOUND;
}

/* --- limits --- */

/*
 * Counts bytes to be written to the day's, in a file that all processes share:
 *
 *   0  8  magic   8  8  day since 1970   16  8  bytes   24  8  hash of bytes 0..23
 *
 * One that is damaged counts as none. False when the day's limit is reached.
 */
static bool charge(const elm__prompt_store *store, uint64_t bytes)
{
	uint64_t day = (uint64_t)time(NULL) / DAY_S, written = 0;
	char *path = path_of(store, ledger_name);
	int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
	uint8_t entry[LEDGER];
	bool fine = false;

	elm__free(path);
	if (fd < 0)
		return false;
	if (!flock(fd, LOCK_EX)) {
		if (pread(fd, entry, LEDGER, 0) == LEDGER && !memcmp(entry, magic, 8) &&
		    elm__get64(entry + 24) == elm__hash64(entry, 24, 0) &&
		    elm__get64(entry + 8) == day)
			written = elm__get64(entry + 16);
		if (written <= store->options.daily && bytes <= store->options.daily - written) {
			memcpy(entry, magic, 8);
			elm__put64(entry + 8, day);
			elm__put64(entry + 16, written + bytes);
			elm__put64(entry + 24, elm__hash64(entry, 24, 0));
			fine = pwrite(fd, entry, LEDGER, 0) == LEDGER;
		}
	}
	close(fd);
	return fine;
}

/* Lists the folder again, and deletes so that `bytes` more fit. A tenth of the limit more, so that
 * this is not to be done for every file. */
static elm_status make_room(elm__prompt_store *store, uint64_t bytes, elm_error *error)
{
	uint64_t limit = store->options.limit, most;
	elm__folder_left left = { 0, 0 };
	elm_status status;

	status = elm__folder_prune(store->folder, is_block_name, UINT64_MAX, NULL, &left, error);
	if (!status && left.bytes > limit - bytes) {
		most = limit - limit / 10;
		most = most > bytes ? most - bytes : 0;
		status = elm__folder_prune(store->folder, is_block_name, most, NULL, &left, error);
	}
	store->unlisted = 0;
	pthread_mutex_lock(&store->lock);
	store->stats.bytes = left.bytes;
	store->stats.deleted += left.deleted;
	pthread_mutex_unlock(&store->lock);
	return status;
}

/* --- writing --- */

static elm_status write_file(const char *path, const job *j, elm_error *error)
{
	elm__writer writer;
	elm_status status = elm__writer_open(&writer, path, error);

	if (status)
		return status;
	if (fchmod(writer.fd, 0600)) /* it is what somebody has said */
		status = elm_error_set(error, ELM_ERR_IO, "%s: cannot be kept private: %s", path,
				       strerror(errno));
	if (!status)
		status = elm__writer_write(&writer, j->contents, j->bytes, error);
	if (!status)
		status = elm__writer_commit(&writer, error);
	elm__writer_close(&writer);
	return status;
}

/* Other processes write too, so the folder is listed from time to time. */
static elm_status write_within_limits(elm__prompt_store *store, const char *path, const job *j,
				      bool *written, elm_error *error)
{
	elm_status status = ELM_OK;

	*written = false;
	if (!access(path, F_OK)) {
		elm__folder_note_use(path, USE_RESOLUTION_S);
		return ELM_OK;
	}
	if (j->bytes > store->options.limit || !charge(store, j->bytes)) {
		pthread_mutex_lock(&store->lock);
		store->stats.skipped++;
		pthread_mutex_unlock(&store->lock);
		return ELM_OK;
	}
	if (store->stats.bytes + j->bytes > store->options.limit ||
	    store->unlisted > store->options.limit / 16)
		status = make_room(store, j->bytes, error);
	if (!status)
		status = write_file(path, j, error);
	*written = !status;
	return status;
}

/* Without the lock. Nobody waits for the result: failing is said once a minute at most. */
static void write_job(elm__prompt_store *store, const job *j)
{
	elm_error error = { 0 };
	bool written = false;
	elm_status status = ELM_ERR_NO_MEMORY;
	char *path;

	if (elm__now_ns() < store->pause_ns) {
		pthread_mutex_lock(&store->lock);
		store->stats.skipped++;
		pthread_mutex_unlock(&store->lock);
		return;
	}
	path = path_of(store, j->name);
	if (path)
		status = write_within_limits(store, path, j, &written, &error);
	if (status) {
		elm_log(ELM_LOG_WARN, "the prompt cache is not written for a minute: %s",
			error.text);
		store->pause_ns = elm__now_ns() + (uint64_t)PAUSE_S * 1000000000;
	}
	pthread_mutex_lock(&store->lock);
	store->stats.failed += status != ELM_OK;
	if (written) {
		store->unlisted += j->bytes;
		store->stats.bytes += j->bytes;
		store->stats.blocks_written++;
		store->stats.bytes_written += j->bytes;
	}
	pthread_mutex_unlock(&store->lock);
	elm__free(path);
}

static void *write_all_jobs(void *user)
{
	elm__prompt_store *store = user;
	elm_error error = { 0 };

	if (make_room(store, 0, &error))
		elm_log(ELM_LOG_WARN, "the prompt cache: %s", error.text);
	pthread_mutex_lock(&store->lock);
	for (;;) {
		job *j = store->first;

		if (!j) {
			if (store->quitting)
				break;
			pthread_cond_wait(&store->wake, &store->lock);
			continue;
		}
		store->first = j->next;
		if (!store->first)
			store->last = &store->first;
		pthread_mutex_unlock(&store->lock);
		write_job(store, j);
		pthread_mutex_lock(&store->lock);
		store->queued -= j->bytes;
		elm__free(j);
		if (!store->queued)
			pthread_cond_broadcast(&store->settled);
	}
	pthread_mutex_unlock(&store->lock);
	return NULL;
}

bool elm__prompt_store_put(elm__prompt_store *store, const elm__prompt_part *part,
			   const void *block)
{
	size_t head = head_bytes(part), bytes = head + store->options.block_bytes;
	bool room;
	job *j;

	pthread_mutex_lock(&store->lock);
	room = !store->queued || store->queued + bytes <= queue_bytes;
	pthread_mutex_unlock(&store->lock);
	j = room ? elm__malloc(sizeof(*j) + bytes) : NULL;
	if (!j)
		return false;
	j->next = NULL;
	j->bytes = bytes;
	make_name(store, part, j->name);
	make_head(store, part, elm__hash64(block, store->options.block_bytes, 0), j->contents);
	memcpy(j->contents + head, block, store->options.block_bytes);
	pthread_mutex_lock(&store->lock);
	*store->last = j;
	store->last = &j->next;
	store->queued += bytes;
	pthread_cond_signal(&store->wake);
	pthread_mutex_unlock(&store->lock);
	return true;
}

void elm__prompt_store_settle(elm__prompt_store *store)
{
	pthread_mutex_lock(&store->lock);
	while (store->queued)
		pthread_cond_wait(&store->settled, &store->lock);
	pthread_mutex_unlock(&store->lock);
}

void elm__prompt_store_get_stats(elm__prompt_store *store, elm_prompt_cache_stats *out)
{
	pthread_mutex_lock(&store->lock);
	*out = store->stats;
	pthread_mutex_unlock(&store->lock);
}

/* --- life --- */

/* Signals are for the threads of the program, not for ours. */
static int start(elm__prompt_store *store)
{
	sigset_t all, before;
	int rc = pthread_mutex_init(&store->lock, NULL);

	if (rc)
		return rc;
	rc = pthread_cond_init(&store->wake, NULL);
	if (rc)
		goto no_wake;
	rc = pthread_cond_init(&store->settled, NULL);
	if (rc)
		goto no_settled;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&store->thread, NULL, write_all_jobs, store);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!rc)
		return 0;
	pthread_cond_destroy(&store->settled);
no_settled:
	pthread_cond_destroy(&store->wake);
no_wake:
	pthread_mutex_destroy(&store->lock);
	return rc;
}

elm_status elm__prompt_store_open(const elm__prompt_store_options *options, elm__prompt_store **out,
				  elm_error *error)
{
	elm__prompt_store *store = elm__calloc(1, sizeof(*store));
	elm_status status;
	int rc;

	*out = NULL;
	if (!store)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a prompt cache");
	store->options = *options;
	store->last = &store->first;
	store->folder = elm__strdup(options->folder);
	if (!store->folder)
		status =
			elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a prompt cache");
	else
		status = elm__folder_make(store->folder, 0700, error);
	if (!status && access(store->folder, R_OK | W_OK | X_OK))
		status = elm_error_set(error, ELM_ERR_IO, "%s: cannot be used as a folder: %s",
				       store->folder, strerror(errno));
	if (!status) {
		rc = start(store);
		if (rc)
			status = elm_error_set(error, ELM_ERR_SYSTEM,
					       "cannot start a thread for the prompt cache: %s",
					       strerror(rc));
	}
	if (status) {
		elm__free(store->folder);
		elm__free(store);
		return status;
	}
	*out = store;
	return ELM_OK;
}

void elm__prompt_store_close(elm__prompt_store *store)
{
	if (!store)
		return;
	pthread_mutex_lock(&store->lock);
	store->quitting = true;
	pthread_cond_signal(&store->wake);
	pthread_mutex_unlock(&store->lock);
	pthread_join(store->thread, NULL);
	pthread_cond_destroy(&store->settled);
	pthread_cond_destroy(&store->wake);
	pthread_mutex_destroy(&store->lock);
	elm__free(store->folder);
	elm__free(store);
}

/*
 * An engine file, all numbers little-endian:
 *
 *   0   8  magic "ELMENGIN"
 *   8   4  version
 *  12   4  interleave
 *  16   4  flags: 1 Q8_0 is stored as x + 128
 *  20   4  number of matrices
 *  24   8  key of the model
 *  32   8  offset of the packed region, a multiple of 4096
 *  40   8  bytes of the packed region; the file ends with it
 *  48   8  hash of the table
 *  56   8  hash of bytes 0..55
 *  64      table: per matrix 40 bytes: u32 type, rows, cols, 0; u64 offset in the region, bytes,
 * hash
 *
 * Everything but the hashes follows from the model and the plan, so a file is checked by making the
 * header that it should have and comparing.
 */
#include "model/engine_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "gguf/forget.h"

enum { HEADER = 64, ENTRY = 40, AT_TABLE_HASH = 48, AT_HEADER_HASH = 56, ENTRY_HASH = 32 };
enum { SAMPLES = 16, SAMPLE_BYTES = 64 };

static uint64_t hash_number(uint64_t value, uint64_t seed)
{
	uint8_t bytes[8];

	elm__put64(bytes, value);
	return elm__hash64(bytes, sizeof(bytes), seed);
}

static uint64_t hash_samples(const elm_gguf *gguf, const elm_gguf_tensor *t, uint64_t seed)
{
	uint64_t step = t->bytes / SAMPLES;

	if (t->bytes <= (uint64_t)SAMPLES * SAMPLE_BYTES)
		return elm__hash64(t->data, (size_t)t->bytes, seed);
	for (uint64_t i = 0; i < SAMPLES; i++)
		seed = elm__hash64((const char *)t->data + i * step, SAMPLE_BYTES, seed);
	seed = elm__hash64((const char *)t->data + t->bytes - SAMPLE_BYTES, SAMPLE_BYTES, seed);
	/* The kernel maps many pages around each one touched: without this, sampling would leave
	 * most of the model in this process. */
	elm__gguf_forget(gguf, t);
	return seed;
}

uint64_t elm__engine_key(const elm_gguf *gguf)
{
	uint64_t key = hash_number(elm_gguf_file_bytes(gguf), ELM__ENGINE_VERSION);
	struct stat st;

	if (!stat(elm_gguf_path(gguf), &st)) {
		key = hash_number((uint64_t)st.st_mtim.tv_sec, key);
		key = hash_number((uint64_t)st.st_mtim.tv_nsec, key);
	}
	for (size_t i = 0; i < elm_gguf_tensor_count(gguf); i++) {
		const elm_gguf_tensor *t = elm_gguf_tensor_at(gguf, i);

		key = elm__hash64(t->name, strlen(t->name), key);
		key = hash_number((uint64_t)t->type, key);
		for (int d = 0; d < ELM_GGUF_MAX_DIMS; d++)
			key = hash_number(t->dims[d], key);
		key = hash_samples(gguf, t, key);
	}
	return key;
}

static size_t header_bytes(const elm__pack_plan *plan)
{
	size_t bytes = HEADER + (size_t)plan->count * ENTRY;

	return (bytes + ELM__PACK_ALIGN - 1) & ~(size_t)(ELM__PACK_ALIGN - 1);
}

static size_t entry_bytes(const elm__pack_plan *plan, const elm__pack_entry *e)
{
	uint32_t r = plan->packing.interleave;

	return (e->matrix->rows + r - 1) / r * e->group_bytes;
}

/* The header and table as they must be, hashes zero. elm__free. */
static uint8_t *expected_header(const elm__pack_plan *plan, uint64_t key)
{
	uint8_t *h = elm__calloc(1, header_bytes(plan));

	if (!h)
		return NULL;
	memcpy(h, "ELMENGIN", 8);
	elm__put32(h + 8, ELM__ENGINE_VERSION);
	elm__put32(h + 12, plan->packing.interleave);
	elm__put32(h + 16, plan->packing.offset_q8);
	elm__put32(h + 20, plan->count);
	elm__put64(h + 24, key);
	elm__put64(h + 32, header_bytes(plan));
	elm__put64(h + 40, plan->bytes);
	for (uint32_t i = 0; i < plan->count; i++) {
		const elm__pack_entry *e = &plan->entries[i];
		uint8_t *at = h + HEADER + (size_t)i * ENTRY;

		elm__put32(at, (uint32_t)e->matrix->type);
		elm__put32(at + 4, e->matrix->rows);
		elm__put32(at + 8, e->matrix->cols);
		elm__put64(at + 16, e->offset);
		elm__put64(at + 24, entry_bytes(plan, e));
	}
	return h;
}

static uint64_t table_hash(const elm__pack_plan *plan, const uint8_t *header)
{
	return elm__hash64(header + HEADER, (size_t)plan->count * ENTRY, 0);
}

/* Compares a file's header with the one it should have, hashes of contents aside. */
static const char *find_difference(const elm__pack_plan *plan, const uint8_t *found,
				   const uint8_t *expected)
{
	if (memcmp(found, expected, 8))
		return "it is not an engine file";
	if (memcmp(found + 8, expected + 8, 4))
		return "it was written by another version";
	if (elm__get64(found + AT_HEADER_HASH) != elm__hash64(found, AT_HEADER_HASH, 0))
		return "its header is damaged";
	if (memcmp(found, expected, AT_TABLE_HASH))
		return "it belongs to another model or instruction set";
	if (elm__get64(found + AT_TABLE_HASH) != table_hash(plan, found))
		return "its table is damaged";
	for (uint32_t i = 0; i < plan->count; i++) {
		size_t at = HEADER + (size_t)i * ENTRY;

		if (memcmp(found + at, expected + at, ENTRY_HASH))
			return "its table belongs to another model";
	}
	return NULL;
}

elm_status elm__engine_open(const char *path, const elm__pack_plan *plan, uint64_t key,
			    elm__map *map, const void **region, elm_error *error)
{
	size_t header = header_bytes(plan);
	const char *difference = NULL;
	elm_status status = elm__map_open(map, path, error);
	uint8_t *expected;

	if (status != ELM_OK)
		return status;
	expected = expected_header(plan, key);
	if (!expected) {
		status = elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", path);
	} else {
		if (map->size != header + plan->bytes)
			difference = "its size is not what the model asks for";
		else
			difference = find_difference(plan, map->data, expected);
		if (difference)
			status = elm_error_set(error, ELM_ERR_FORMAT, "%s: not usable: %s", path,
					       difference);
	}
	elm__free(expected);
	if (status != ELM_OK)
		elm__map_release(map);
	else
		*region = map->data + header;
	return status;
}

static void seal(const elm__pack_plan *plan, uint8_t *header, const uint8_t *region)
{
	for (uint32_t i = 0; i < plan->count; i++) {
		const elm__pack_entry *e = &plan->entries[i];

		elm__put64(header + HEADER + (size_t)i * ENTRY + ENTRY_HASH,
			   elm__hash64(region + e->offset, entry_bytes(plan, e), 0));
	}
	elm__put64(header + AT_TABLE_HASH, table_hash(plan, header));
	elm__put64(header + AT_HEADER_HASH, elm__hash64(header, AT_HEADER_HASH, 0));
}

/* Packs into the open file through a shared mapping: no copy, and other threads fill it in
 * parallel. */
static elm_status fill_file(int fd, const char *path, const elm__pack_plan *plan, uint8_t *header,
			    elm__pack_progress *progress, void *user, elm_error *error)
{
	size_t size = header_bytes(plan) + plan->bytes;
	elm_status status;
	uint8_t *map;
	int rc;

	/* Without room set aside, a full disk would be a SIGBUS in the middle of packing. */
	rc = posix_fallocate(fd, 0, (off_t)size);
	if (rc)
		return elm_error_set(error, ELM_ERR_IO, "%s: cannot set %zu MiB aside: %s", path,
				     size >> 20, strerror(rc));
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return elm_error_set(error, ELM_ERR_IO, "%s: cannot map: %s", path,
				     strerror(errno));
	status = elm__pack_fill(plan, map + header_bytes(plan), progress, user, error);
	if (status == ELM_OK) {
		seal(plan, header, map + header_bytes(plan));
		memcpy(map, header, header_bytes(plan));
	}
	munmap(map, size);
	return status;
}

elm_status elm__engine_write(const char *path, const elm__pack_plan *plan, uint64_t key,
			     elm__pack_progress *progress, void *user, elm_error *error)
{
	uint8_t *header = expected_header(plan, key);
	elm_status status;
	elm__writer writer;

	if (!header)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", path);
	status = elm__writer_open(&writer, path, error);
	if (status == ELM_OK) {
		status = fill_file(writer.fd, path, plan, header, progress, user, error);
		if (status == ELM_OK)
			status = elm__writer_commit(&writer, error);
		elm__writer_close(&writer);
	}
	elm__free(header);
	return status;
}

elm_status elm__engine_verify(const char *path, const elm__pack_plan *plan, uint64_t key,
			      elm_error *error)
{
	const void *region;
	elm__map map;
	elm_status status = elm__engine_open(path, plan, key, &map, &region, error);

	for (uint32_t i = 0; i < plan->count && status == ELM_OK; i++) {
		const elm__pack_entry *e = &plan->entries[i];
		uint64_t stored = elm__get64(map.data + HEADER + (size_t)i * ENTRY + ENTRY_HASH);

		if (elm__hash64((const char *)region + e->offset, entry_bytes(plan, e), 0) !=
		    stored)
			status = elm_error_set(
				error, ELM_ERR_FORMAT,
				"%s: matrix %u of %u is damaged; delete the file, it will "
				"be built again",
				path, i, plan->count);
	}
	if (map.data)
		elm__map_release(&map);
	return status;
}

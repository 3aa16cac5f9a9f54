/*
 * The GGUF reader: whatever opens must be safe to read in full, look-up must find what is listed,
 * and memory must stay in proportion to the file, however large its counts are.
 */
#include <edgelm/gguf.h>
#include <edgelm/memory.h>
#include <stdlib.h>
#include <string.h>

#include "gguf_cases.h"

/* Tables may grow to twice what is used and are hashed; see src/gguf/. */
enum { MEMORY_BASE = 1 << 15, MEMORY_PER_BYTE = 40, ALLOCATION_HEADER = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct budget {
	size_t used, limit;
};

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void *budget_allocate(void *user, size_t size)
{
	struct budget *budget = user;
	uint8_t *block = malloc(size + ALLOCATION_HEADER);

	budget->used += size;
	check(budget->used <= budget->limit);
	memcpy(block, &size, sizeof(size));
	return block + ALLOCATION_HEADER;
}

static void budget_release(void *user, void *block)
{
	uint8_t *start = (uint8_t *)block - ALLOCATION_HEADER;
	struct budget *budget = user;
	size_t size;

	memcpy(&size, start, sizeof(size));
	budget->used -= size;
	free(start);
}

static void *budget_reallocate(void *user, void *block, size_t size)
{
	void *grown = budget_allocate(user, size);
	size_t old;

	memcpy(&old, (uint8_t *)block - ALLOCATION_HEADER, sizeof(old));
	memcpy(grown, block, old < size ? old : size);
	budget_release(user, block);
	return grown;
}

static void check_model(const elm_gguf *gguf, const uint8_t *data, size_t size)
{
	gguf_walk(gguf);
	for (size_t i = 0; i < elm_gguf_kv_count(gguf); i++) {
		const elm_gguf_kv *kv = elm_gguf_kv_at(gguf, i);
		uint32_t number;
		float real;

		check(kv->count <= size);
		if (kv->key.length < 64) {
			char key[64] = "";

			memcpy(key, kv->key.data, kv->key.length);
			check(elm_gguf_find(gguf, key) == kv);
			check(elm_gguf_get_u32(gguf, key, &number, NULL) != ELM_ERR_NOT_FOUND);
			check(elm_gguf_get_f32(gguf, key, &real, NULL) != ELM_ERR_NOT_FOUND);
		}
	}
	for (size_t i = 0; i < elm_gguf_tensor_count(gguf); i++) {
		const elm_gguf_tensor *tensor = elm_gguf_tensor_at(gguf, i);

		check(elm_gguf_tensor_find(gguf, tensor->name) == tensor);
		check((const uint8_t *)tensor->data == data + tensor->offset);
		check(tensor->bytes > 0 && tensor->bytes <= size - tensor->offset);
		check(tensor->offset % elm_gguf_alignment(gguf) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct budget budget = { 0, MEMORY_BASE + MEMORY_PER_BYTE * size };
	elm_allocator allocator = { budget_allocate, budget_reallocate, budget_release, &budget };
	uint8_t *copy = malloc(size ? size : 1); /* aligned, which libFuzzer's block need not be */
	elm_error error = { 0 };
	elm_gguf *gguf;

	if (size)
		memcpy(copy, data, size);
	elm_allocator_set(&allocator);
	if (elm_gguf_open_memory("fuzz", copy, size, &gguf, &error) == ELM_OK)
		check_model(gguf, copy, size);
	else
		check(!gguf && error.text[0]);
	elm_gguf_close(gguf);
	check(budget.used == 0);
	elm_allocator_set(NULL);
	free(copy);
	return 0;
}

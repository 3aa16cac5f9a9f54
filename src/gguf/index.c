#include "gguf/index.h"

#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/clock.h"

struct elm__gguf_slot {
	const char *name; /* NULL: free */
	size_t length, number;
};

enum { FIRST_SLOTS = 64 };

void elm__gguf_index_init(elm__gguf_index *index)
{
	memset(index, 0, sizeof(*index));
	/* Early at boot there may be no random bytes yet; the clock is still hard to foresee. */
	if (getrandom(index->key, sizeof(index->key), GRND_NONBLOCK) != sizeof(index->key)) {
		index->key[0] = elm__now_ns();
		index->key[1] = (uintptr_t)index;
	}
}

void elm__gguf_index_release(elm__gguf_index *index)
{
	elm__free(index->slots);
	memset(index, 0, sizeof(*index));
}

static uint64_t rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 (Aumasson and Bernstein, 2012). Stored nowhere, so byte order does not matter. */
static uint64_t hash(const uint64_t key[2], const char *name, size_t length)
{
	uint64_t v[4] = { key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
			  key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573 };
	uint64_t word, last = (uint64_t)length << 56;
	size_t at = 0;

	for (; length - at >= sizeof(word); at += sizeof(word)) {
		memcpy(&word, name + at, sizeof(word));
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	for (unsigned shift = 0; at < length; at++, shift += 8)
		last |= (uint64_t)(unsigned char)name[at] << shift;
	v[3] ^= last;
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The slot that holds the name, or the free one where it belongs. */
static struct elm__gguf_slot *locate(const elm__gguf_index *index, const char *name, size_t length)
{
	size_t at = (size_t)hash(index->key, name, length) & index->mask;
	struct elm__gguf_slot *slot = &index->slots[at];

	while (slot->name && (slot->length != length || memcmp(slot->name, name, length))) {
		at = (at + 1) & index->mask;
		slot = &index->slots[at];
	}
	return slot;
}

size_t elm__gguf_index_find(const elm__gguf_index *index, const char *name, size_t length)
{
	const struct elm__gguf_slot *slot;

	if (!index->slots)
		return ELM__GGUF_NONE;
	slot = locate(index, name, length);
	return slot->name ? slot->number : ELM__GGUF_NONE;
}

static bool grow(elm__gguf_index *index)
{
	size_t old_slots = index->slots ? index->mask + 1 : 0, slots = FIRST_SLOTS;
	struct elm__gguf_slot *old = index->slots;

	if (old_slots && !elm__mul(old_slots, 2, &slots))
		return false;
	index->slots = elm__calloc(slots, sizeof(*index->slots));
	if (!index->slots) {
		index->slots = old;
		return false;
	}
	index->mask = slots - 1;
	for (size_t i = 0; i < old_slots; i++)
		if (old[i].name)
			*locate(index, old[i].name, old[i].length) = old[i];
	elm__free(old);
	return true;
}

bool elm__gguf_index_add(elm__gguf_index *index, const char *name, size_t length, size_t number)
{
	struct elm__gguf_slot *slot;

	if ((!index->slots || index->count > index->mask / 2) && !grow(index))
		return false;
	slot = locate(index, name, length);
	slot->name = name;
	slot->length = length;
	slot->number = number;
	index->count++;
	return true;
}

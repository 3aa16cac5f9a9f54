#include "engine/history.h"

#include <string.h>

#include "base/alloc.h"

enum { FIRST_CAPACITY = 256 };

/* Multiplicative hashing: the upper bits of the product are the well-mixed ones. */
static size_t home_of(const elm__history *history, elm_token token)
{
	uint64_t mixed = (uint64_t)(uint32_t)token * UINT64_C(0x9e3779b97f4a7c15);

	return (size_t)(mixed >> 32) & (history->capacity - 1);
}

/* The entry of a token, or the free one where it belongs. */
static elm__history_entry *find(const elm__history *history, elm_token token)
{
	size_t at = home_of(history, token);

	while (history->table[at].token != token && history->table[at].token != ELM_TOKEN_NONE)
		at = (at + 1) & (history->capacity - 1);
	return &history->table[at];
}

static void empty_table(elm__history *history)
{
	for (size_t i = 0; i < history->capacity; i++)
		history->table[i] = (elm__history_entry){ ELM_TOKEN_NONE, 0 };
	history->different = 0;
}

elm_status elm__history_init(elm__history *history, size_t window, elm_error *error)
{
	bool unlimited = window == SIZE_MAX;

	memset(history, 0, sizeof(*history));
	history->window = window;
	history->capacity = FIRST_CAPACITY;
	while (!unlimited && history->capacity / 2 <= window)
		history->capacity *= 2;
	history->table = elm__realloc_array(NULL, history->capacity, sizeof(history->table[0]));
	if (!unlimited)
		history->ring = elm__realloc_array(NULL, window, sizeof(history->ring[0]));
	if (!history->table || (!unlimited && !history->ring)) {
		elm__history_release(history);
		return elm_error_set(error, ELM_ERR_NO_MEMORY,
				     "out of memory for the history of the penalties");
	}
	empty_table(history);
	return ELM_OK;
}

void elm__history_release(elm__history *history)
{
	elm__free(history->ring);
	elm__free(history->table);
	memset(history, 0, sizeof(*history));
}

void elm__history_clear(elm__history *history)
{
	history->used = 0;
	history->next = 0;
	empty_table(history);
}

static elm_status grow(elm__history *history, elm_error *error)
{
	elm__history larger = *history;

	larger.capacity *= 2;
	larger.table = elm__realloc_array(NULL, larger.capacity, sizeof(larger.table[0]));
	if (!larger.table)
		return elm_error_set(error, ELM_ERR_NO_MEMORY,
				     "out of memory for the history of the penalties");
	empty_table(&larger);
	for (size_t i = 0; i < history->capacity; i++)
		if (history->table[i].token != ELM_TOKEN_NONE)
			*find(&larger, history->table[i].token) = history->table[i];
	larger.different = history->different;
	elm__free(history->table);
	*history = larger;
	return ELM_OK;
}

static void forget(elm__history *history, elm_token token)
{
	elm__history_entry *entry = find(history, token);
	size_t mask = history->capacity - 1, hole, at;

	if (--entry->count > 0)
		return;
	/* Close the gap: an entry behind it moves up unless its home lies after the hole. */
	hole = (size_t)(entry - history->table);
	for (at = (hole + 1) & mask; history->table[at].token != ELM_TOKEN_NONE;
	     at = (at + 1) & mask) {
		size_t home = home_of(history, history->table[at].token);

		if (((at - home) & mask) >= ((at - hole) & mask)) {
			history->table[hole] = history->table[at];
			hole = at;
		}
	}
	history->table[hole] = (elm__history_entry){ ELM_TOKEN_NONE, 0 };
	history->different--;
}

elm_status elm__history_push(elm__history *history, elm_token token, elm_error *error)
{
	elm__history_entry *entry;
	elm_status status;

	if (history->ring && history->used == history->window)
		forget(history, history->ring[history->next]);
	entry = find(history, token);
	if (entry->token == ELM_TOKEN_NONE) {
		if ((history->different + 1) * 2 >= history->capacity) {
			status = grow(history, error);
			if (status)
				return status;
			entry = find(history, token);
		}
		entry->token = token;
		history->different++;
	}
	if (entry->count < UINT32_MAX)
		entry->count++;
	if (history->ring) {
		history->ring[history->next] = token;
		history->next = history->next + 1 == history->window ? 0 : history->next + 1;
		history->used += history->used < history->window;
	}
	return ELM_OK;
}

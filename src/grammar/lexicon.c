#include "grammar/lexicon.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tokenizer/vocab.h"

typedef struct entry {
	uint64_t head; /* the first bytes as a number, which mostly decides the order */
	const char *bytes;
	uint32_t length, token;
} entry;

/*
 * The bytes of a token that constrained text may be made of; none for control tokens. Where
 * detokenising takes spaces away, tokens of which the text depends on their neighbours
 * (user-defined ones, and a byte token that is a space) are left out: others spell the same.
 */
static elm_gguf_string text_of(const elm_tokenizer *t, elm_token token)
{
	elm_gguf_string piece = elm_token_piece(t, token, false), none = { "", 0 };
	elm_token_kind kind = elm_tokenizer_kind(t, token);

	if (elm_tokenizer_is_eog(t, token) || kind == ELM_TOKEN_UNUSED)
		return none;
	if (t->add_space && (kind == ELM_TOKEN_USER_DEFINED ||
			     (kind == ELM_TOKEN_BYTE && piece.length == 1 && *piece.data == ' ')))
		return none;
	return piece;
}

static int by_bytes(const void *a, const void *b)
{
	const entry *x = a, *y = b;
	int order;

	if (x->head != y->head)
		return x->head < y->head ? -1 : 1;
	order = memcmp(x->bytes, y->bytes, x->length < y->length ? x->length : y->length);
	if (order)
		return order;
	if (x->length != y->length)
		return x->length < y->length ? -1 : 1;
	return x->token < y->token ? -1 : 1;
}

/* Eight bytes, with zeros for those that are missing, which come first in the order as well. */
static uint64_t head_of(const char *bytes, uint32_t length)
{
	uint64_t head = 0;

	for (uint32_t i = 0; i < 8; i++)
		head = head << 8 | (i < length ? (uint8_t)bytes[i] : 0);
	return head;
}

static uint32_t common(const entry *a, const entry *b)
{
	uint32_t most = a->length < b->length ? a->length : b->length, n = 0;

	while (n < most && a->bytes[n] == b->bytes[n])
		n++;
	return n;
}

/* The tree of entries in order. A first pass (`tree` NULL) counts its nodes. */
static uint32_t plant(const entry *entries, uint32_t count, elm__branch *tree, uint32_t *path)
{
	uint32_t nodes = 0, depth = 0; /* path[d]: the node at depth d + 1 of the entry before */

	for (uint32_t i = 0; i < count; i++) {
		uint32_t shared = i ? common(&entries[i - 1], &entries[i]) : 0;

		for (; tree && depth > shared; depth--)
			tree[path[depth - 1]].skip = nodes;
		for (depth = shared; depth < entries[i].length; depth++, nodes++) {
			if (!tree)
				continue;
			path[depth] = nodes;
			/* A node above the end has no token: its rank is that of the one below. */
			tree[nodes] = (elm__branch){ .rank = i,
						     .depth = (uint16_t)(depth + 1),
						     .byte = (uint8_t)entries[i].bytes[depth] };
		}
	}
	if (tree) {
		while (depth)
			tree[path[--depth]].skip = nodes;
		tree[nodes] = (elm__branch){ .skip = nodes, .rank = count };
	}
	return nodes;
}

/* Copies of the bytes, by token. */
static elm_status copy_bytes(elm_lexicon *lexicon, const elm_tokenizer *t)
{
	size_t total = 0;

	for (uint32_t i = 0; i < lexicon->size; i++)
		total += text_of(t, (elm_token)i).length;
	if (total > UINT32_MAX)
		return ELM_ERR_LIMIT;
	lexicon->offsets = elm__realloc_array(NULL, (size_t)lexicon->size + 1, sizeof(uint32_t));
	lexicon->bytes = elm__malloc(total);
	lexicon->order = elm__realloc_array(NULL, lexicon->size, sizeof(uint32_t));
	if (!lexicon->offsets || !lexicon->bytes || !lexicon->order)
		return ELM_ERR_NO_MEMORY;
	total = 0;
	for (uint32_t i = 0; i < lexicon->size; i++) {
		elm_gguf_string piece = text_of(t, (elm_token)i);

		lexicon->offsets[i] = (uint32_t)total;
		memcpy(lexicon->bytes + total, piece.data, piece.length);
		total += piece.length;
		if (piece.length)
			lexicon->order[lexicon->order_count++] = i;
		if (piece.length > lexicon->longest)
			lexicon->longest = (uint32_t)piece.length;
		lexicon->end_count += elm_tokenizer_is_eog(t, (elm_token)i);
	}
	lexicon->offsets[lexicon->size] = (uint32_t)total;
	return ELM_OK;
}

static elm_status find_ends(elm_lexicon *lexicon, const elm_tokenizer *t)
{
	uint32_t count = 0;

	lexicon->ends = elm__realloc_array(NULL, lexicon->end_count, sizeof(uint32_t));
	if (!lexicon->ends)
		return ELM_ERR_NO_MEMORY;
	for (uint32_t i = 0; i < lexicon->size; i++)
		if (elm_tokenizer_is_eog(t, (elm_token)i))
			lexicon->ends[count++] = i;
	return ELM_OK;
}

static elm_status build_tree(elm_lexicon *lexicon)
{
	uint32_t count = lexicon->order_count;
	entry *entries = elm__realloc_array(NULL, count, sizeof(*entries));
	uint32_t *path = elm__realloc_array(NULL, lexicon->longest, sizeof(*path));
	elm_status status = entries && path ? ELM_OK : ELM_ERR_NO_MEMORY;

	for (uint32_t i = 0; i < count && !status; i++) {
		entries[i].token = lexicon->order[i];
		entries[i].bytes =
			elm__lexicon_bytes(lexicon, lexicon->order[i], &entries[i].length);
		entries[i].head = head_of(entries[i].bytes, entries[i].length);
	}
	if (!status) {
		if (count)
			qsort(entries, count, sizeof(*entries), by_bytes);
		for (uint32_t i = 0; i < count; i++)
			lexicon->order[i] = entries[i].token;
		lexicon->tree_count = plant(entries, count, NULL, NULL);
		lexicon->tree = elm__realloc_array(NULL, (size_t)lexicon->tree_count + 1,
						   sizeof(elm__branch));
		if (lexicon->tree)
			(void)plant(entries, count, lexicon->tree, path);
		else
			status = ELM_ERR_NO_MEMORY;
	}
	elm__free(entries);
	elm__free(path);
	return status;
}

elm_status elm_lexicon_create(const elm_tokenizer *tokenizer, elm_lexicon **out, elm_error *error)
{
	elm_lexicon *lexicon = elm__calloc(1, sizeof(*lexicon));
	elm_status status = lexicon ? ELM_OK : ELM_ERR_NO_MEMORY;

	*out = NULL;
	if (!status) {
		atomic_init(&lexicon->references, 1);
		lexicon->size = (uint32_t)elm_tokenizer_size(tokenizer);
		lexicon->drops_space = tokenizer->add_space;
		status = copy_bytes(lexicon, tokenizer);
	}
	if (!status)
		status = find_ends(lexicon, tokenizer);
	if (!status)
		status = build_tree(lexicon);
	if (status) {
		elm_lexicon_free(lexicon);
		return elm_error_set(error, status,
				     status == ELM_ERR_LIMIT ?
					     "the tokens of the vocabulary have more than 4 GiB" :
					     "out of memory for the tokens of a grammar");
	}
	*out = lexicon;
	return ELM_OK;
}

elm_lexicon *elm__lexicon_retain(elm_lexicon *lexicon)
{
	atomic_fetch_add(&lexicon->references, 1);
	return lexicon;
}

void elm_lexicon_free(elm_lexicon *lexicon)
{
	if (!lexicon || atomic_fetch_sub(&lexicon->references, 1) != 1)
		return;
	elm__free(lexicon->tree);
	elm__free(lexicon->order);
	elm__free(lexicon->offsets);
	elm__free(lexicon->bytes);
	elm__free(lexicon->ends);
	elm__free(lexicon);
}

#include "tokenizer/vocab.h"

#include <edgelm/log.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/text.h"
#include "tokenizer/bytes.h"

/* U+2581, which stands for a space in SentencePiece vocabularies. */
#define SPACE_MARK "\xe2\x96\x81"
enum { SPACE_MARK_LENGTH = 3 };

static bool text_is(elm_gguf_string text, const char *expected)
{
	return text.length == strlen(expected) && !memcmp(text.data, expected, text.length);
}

/* ---- what the file says ---- */

/* The arrays of the file, checked to have an entry for each token. */
typedef struct vocab_source {
	const elm_gguf *gguf;
	const elm_gguf_kv *tokens, *kinds, *scores, *merges; /* kinds may be NULL */
} vocab_source;

static elm_status check_length(const vocab_source *source, const char *key, const elm_gguf_kv *kv,
			       elm_error *error)
{
	if (kv->kind != ELM_GGUF_ARRAY || kv->element_kind == ELM_GGUF_STRING)
		return elm_error_set(error, ELM_ERR_FORMAT, "%s: %s is not an array of numbers",
				     elm_gguf_path(source->gguf), key);
	if (kv->count < source->tokens->count)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "%s: %s has %llu entries for %llu tokens",
				     elm_gguf_path(source->gguf), key,
				     (unsigned long long)kv->count,
				     (unsigned long long)source->tokens->count);
	return ELM_OK;
}

static elm_status read_type(elm_tokenizer *t, const elm_gguf *gguf, elm_error *error)
{
	static const char *const not_supported[] = { "bert", "t5", "rwkv", "plamo2" };
	const char *path = elm_gguf_path(gguf);
	elm_gguf_string model;
	elm_status status;
	size_t i;

	if (!elm_gguf_find(gguf, "tokenizer.ggml.model"))
		return elm_error_set(error, ELM_ERR_NOT_FOUND,
				     "%s has no vocabulary (tokenizer.ggml.model is missing)",
				     path);
	status = elm_gguf_get_string(gguf, "tokenizer.ggml.model", &model, error);
	if (status)
		return status;
	if (text_is(model, "llama")) {
		t->type = ELM__VOCAB_SPM;
		return ELM_OK;
	}
	if (text_is(model, "gpt2")) {
		t->type = ELM__VOCAB_BPE;
		return ELM_OK;
	}
	if (text_is(model, "no_vocab") || text_is(model, "none"))
		return elm_error_set(error, ELM_ERR_NOT_FOUND,
				     "%s has no vocabulary (tokenizer.ggml.model is \"%.*s\")",
				     path, (int)model.length, model.data);
	for (i = 0; i < sizeof(not_supported) / sizeof(not_supported[0]); i++)
		if (text_is(model, not_supported[i]))
			break;
	return elm_error_set(
		error, ELM_ERR_UNSUPPORTED,
		"%s: tokenizer.ggml.model: %s vocabulary \"%.*s\" is not supported; "
		"llama (SentencePiece) and gpt2 (byte-level BPE) are",
		path, i < sizeof(not_supported) / sizeof(not_supported[0]) ? "the" : "the unknown",
		model.length < 64 ? (int)model.length : 64, model.data);
}

static elm_status read_source(vocab_source *source, const elm_tokenizer *t, elm_error *error)
{
	const elm_gguf *gguf = source->gguf;
	elm_status status = elm_gguf_get_array(gguf, "tokenizer.ggml.tokens", ELM_GGUF_STRING,
					       &source->tokens, error);

	if (status)
		return status;
	if (!source->tokens->count || source->tokens->count > ELM__MAX_TOKENS)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "%s: tokenizer.ggml.tokens has %llu entries, not 1 to %d",
				     elm_gguf_path(gguf), (unsigned long long)source->tokens->count,
				     ELM__MAX_TOKENS);
	source->kinds = elm_gguf_find(gguf, "tokenizer.ggml.token_type");
	if (source->kinds) {
		status = check_length(source, "tokenizer.ggml.token_type", source->kinds, error);
		if (status)
			return status;
	}
	if (t->type == ELM__VOCAB_BPE) {
		status = elm_gguf_get_array(gguf, "tokenizer.ggml.merges", ELM_GGUF_STRING,
					    &source->merges, error);
		if (!status && source->merges->count > ELM__MAX_MERGES)
			status = elm_error_set(error, ELM_ERR_FORMAT,
					       "%s: tokenizer.ggml.merges has more than %d entries",
					       elm_gguf_path(gguf), ELM__MAX_MERGES);
		return status;
	}
	source->scores = elm_gguf_find(gguf, "tokenizer.ggml.scores");
	if (!source->scores)
		return elm_error_set(error, ELM_ERR_NOT_FOUND,
				     "%s: tokenizer.ggml.scores is missing", elm_gguf_path(gguf));
	return check_length(source, "tokenizer.ggml.scores", source->scores, error);
}

/* A number that names a token; what is out of range means "none" and keeps the default, as files
 * in the wild store -1 there. */
static elm_status read_id(const elm_tokenizer *t, const elm_gguf *gguf, const char *key,
			  elm_token *id, elm_error *error)
{
	const elm_gguf_kv *kv = elm_gguf_find(gguf, key);
	int64_t value;

	if (!kv)
		return ELM_OK;
	if (kv->kind == ELM_GGUF_STRING || kv->kind == ELM_GGUF_ARRAY || kv->kind == ELM_GGUF_F32 ||
	    kv->kind == ELM_GGUF_F64 || kv->kind == ELM_GGUF_BOOL)
		return elm_error_set(error, ELM_ERR_FORMAT, "%s: %s is not the number of a token",
				     elm_gguf_path(gguf), key);
	value = elm_gguf_i64_at(kv, 0);
	if (value >= 0 && value < (int64_t)t->count)
		*id = (elm_token)value;
	return ELM_OK;
}

static elm_status read_flag(const elm_gguf *gguf, const char *key, bool *flag, elm_error *error)
{
	return elm_gguf_find(gguf, key) ? elm_gguf_get_bool(gguf, key, flag, error) : ELM_OK;
}

/* ---- tokens ---- */

/* Texts by which a token that ends a generation is known, whatever the file says about it. Those
 * that could be ordinary text count only where the file calls the token a control token. */
static bool ends_generation(elm_gguf_string text, elm_token_kind kind)
{
	static const char *const certain[] = {
		"<|im_end|>",
		"<|eot_id|>",
		"<|end|>",
		"<|endoftext|>",
		"<|eom_id|>",
		"<end_of_turn>",
		"<|end_of_text|>",
		"<end_of_utterance>",
		"<|fim_pad|>",
		"<|repo_name|>",
		"<|file_sep|>",
		"_<EOT>",
		"<\xef\xbd\x9c"
		"end" SPACE_MARK "of" SPACE_MARK "sentence\xef\xbd\x9c>",
	};
	static const char *const control_only[] = { "<EOT>",   "[EOT]",	  "[EOS]",     "<eos>",
						    "<|EOT|>", "<turn|>", "<fim_pad>", "<|eos|>" };
	size_t i;

	if (!text.length || (*text.data != '<' && *text.data != '[' && *text.data != '_'))
		return false;
	for (i = 0; i < sizeof(certain) / sizeof(certain[0]); i++)
		if (text_is(text, certain[i]))
			return true;
	if (kind != ELM_TOKEN_CONTROL)
		return false;
	for (i = 0; i < sizeof(control_only) / sizeof(control_only[0]); i++)
		if (text_is(text, control_only[i]))
			return true;
	return false;
}

static elm_token_kind kind_at(const vocab_source *source, uint32_t i)
{
	int64_t kind = source->kinds ? elm_gguf_i64_at(source->kinds, i) : ELM_TOKEN_NORMAL;

	return kind >= ELM_TOKEN_NORMAL && kind <= ELM_TOKEN_BYTE ? (elm_token_kind)kind :
								    ELM_TOKEN_NORMAL;
}

/* Copies with every U+2581 as a space; returns the new length. */
static size_t unmark_spaces(const char *text, size_t length, char *out)
{
	size_t at = 0, count = 0;

	while (at < length) {
		if (length - at >= SPACE_MARK_LENGTH &&
		    !memcmp(text + at, SPACE_MARK, SPACE_MARK_LENGTH)) {
			out[count++] = ' ';
			at += SPACE_MARK_LENGTH;
		} else {
			out[count++] = text[at++];
		}
	}
	return count;
}

/*
 * Writes the bytes that a token stands for to out and returns their number. *mergeable: merging
 * text can make this token. Special tokens cannot be made so: that would let text reach them
 * without the caller's leave.
 */
static size_t make_piece(const elm_tokenizer *t, elm_gguf_string text, elm_token_kind kind,
			 char *out, bool *mergeable)
{
	size_t length = text.length;
	int byte;

	*mergeable = kind == ELM_TOKEN_NORMAL || kind == ELM_TOKEN_UNUSED;
	if (*mergeable && t->type == ELM__VOCAB_SPM)
		return unmark_spaces(text.data, text.length, out);
	if (*mergeable) {
		*mergeable = elm__bytes_decode(text.data, text.length, out, &length);
		if (*mergeable)
			return length;
		length = text.length;
	}
	byte = kind == ELM_TOKEN_BYTE ? elm__bytes_fallback(text.data, text.length) : -1;
	if (byte >= 0) {
		out[0] = (char)byte;
		return 1;
	}
	memcpy(out, text.data, length);
	return length;
}

static elm_status insert_text(elm_tokenizer *t, elm_token token, uint64_t hash, elm_error *error)
{
	enum { LONGEST_PROBE = 1024 };
	elm__token *entry = &t->tokens[token];
	const char *piece = elm__piece(t, token);
	uint32_t at = (uint32_t)hash, tag = (uint32_t)(hash >> 32), probe;

	for (probe = 0; probe < LONGEST_PROBE; probe++, at++) {
		elm__text_slot *slot = &t->texts.slots[at & t->texts.mask];
		elm_token other = (elm_token)slot->token_1 - 1;

		if (other == ELM_TOKEN_NONE) {
			slot->tag = tag;
			slot->token_1 = (uint32_t)token + 1;
			return ELM_OK;
		}
		if (slot->tag == tag && t->tokens[other].length == entry->length &&
		    !memcmp(elm__piece(t, other), piece, entry->length)) {
			/* Of equal texts the first token stays. */
			entry->flags &= (uint8_t)~ELM__TOKEN_MERGEABLE;
			return ELM_OK;
		}
	}
	return elm_error_set(error, ELM_ERR_FORMAT, "the tokens are made to collide in a table");
}

/* Makes the mergeable tokens known by their text. The table is larger than caches, so the place of
 * a token is asked for some tokens ahead. */
static elm_status index_texts(elm_tokenizer *t, elm_error *error)
{
	enum { AHEAD = 16 };
	uint64_t hashes[AHEAD];
	elm_status status = elm__text_table_init(&t->texts, &t->arena, t->count, error);
	uint32_t i;

	for (i = 0; i < t->count + AHEAD && !status; i++) {
		uint64_t *hash = &hashes[i % AHEAD];

		if (i >= AHEAD && t->tokens[i - AHEAD].flags & ELM__TOKEN_MERGEABLE)
			status = insert_text(t, (elm_token)(i - AHEAD), *hash, error);
		if (i < t->count && t->tokens[i].flags & ELM__TOKEN_MERGEABLE) {
			*hash = elm__hash_bytes(elm__piece(t, (elm_token)i), t->tokens[i].length);
			__builtin_prefetch(&t->texts.slots[(uint32_t)*hash & t->texts.mask], 1);
		}
	}
	return status;
}

static elm_status allocate_tokens(elm_tokenizer *t, const vocab_source *source, elm_error *error)
{
	uint64_t total = 0;
	uint32_t i;

	t->count = (uint32_t)source->tokens->count;
	for (i = 0; i < t->count; i++) {
		elm_gguf_string text = elm_gguf_string_at(source->tokens, i);

		if (text.length > ELM__MAX_PIECE)
			return elm_error_set(error, ELM_ERR_FORMAT,
					     "token %u has %zu bytes, more than %d", i, text.length,
					     ELM__MAX_PIECE);
		total += text.length;
	}
	if (total > UINT32_MAX)
		return elm_error_set(error, ELM_ERR_LIMIT, "the tokens have more than 4 GiB");
	t->tokens = elm__arena_calloc(&t->arena, t->count, sizeof(*t->tokens));
	t->pieces = elm__arena_alloc(&t->arena, (size_t)total);
	if (source->scores)
		t->priority = elm__arena_calloc(&t->arena, t->count, sizeof(*t->priority));
	if (!t->tokens || !t->pieces || (source->scores && !t->priority))
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "no memory for %u tokens", t->count);
	return ELM_OK;
}

/* Scores in an order in which the best is the lowest number; never the one that means "no pair". */
static uint32_t priority_of(float score)
{
	uint32_t bits;

	if (score != score)
		return UINT32_MAX - 1;
	score += 0.0f; /* -0 is 0 */
	memcpy(&bits, &score, sizeof(bits));
	return bits & 0x80000000u ? bits : 0x7fffffffu - bits;
}

static bool has_inner_space(const char *piece, size_t length)
{
	size_t i;

	for (i = 1; i < length; i++)
		if (piece[i] == ' ' && piece[i - 1] != ' ')
			return true;
	return false;
}

static elm_status read_tokens(elm_tokenizer *t, const vocab_source *source, elm_error *error)
{
	uint32_t i, offset = 0;
	bool mergeable;
	elm_status status = allocate_tokens(t, source, error);

	t->words_separable = true;
	if (status)
		return status;
	for (i = 0; i < t->count; i++) {
		elm_gguf_string text = elm_gguf_string_at(source->tokens, i);
		elm_token_kind kind = kind_at(source, i);
		elm__token *token = &t->tokens[i];
		size_t length;

		if (ends_generation(text, kind)) {
			kind = ELM_TOKEN_CONTROL;
			token->flags = ELM__TOKEN_EOG;
		}
		length = make_piece(t, text, kind, t->pieces + offset, &mergeable);
		token->kind = (uint8_t)kind;
		token->offset = offset;
		token->length = (uint16_t)length;
		if (length > t->longest)
			t->longest = (uint32_t)length;
		if (t->priority)
			t->priority[i] = priority_of((float)elm_gguf_f64_at(source->scores, i));
		if (mergeable && length) {
			if (has_inner_space(t->pieces + offset, length))
				t->words_separable = false;
			if (length > t->longest_mergeable)
				t->longest_mergeable = (uint32_t)length;
			token->flags |= ELM__TOKEN_MERGEABLE;
		}
		offset += (uint32_t)length;
	}
	return index_texts(t, error);
}

/* Which token spells each byte: "<0x0A>" in SPM, the letter of the byte alphabet in BPE. */
static void find_byte_tokens(elm_tokenizer *t, const vocab_source *source)
{
	uint32_t i;
	int byte;

	for (byte = 0; byte < 256; byte++) {
		char text = (char)byte;

		t->byte_token[byte] =
			t->type == ELM__VOCAB_BPE ? elm__vocab_find(t, &text, 1) : ELM_TOKEN_NONE;
	}
	for (i = 0; i < t->count; i++) {
		elm_gguf_string text = elm_gguf_string_at(source->tokens, i);
		size_t length;
		char value[2];

		if (t->tokens[i].kind == ELM_TOKEN_CONTROL || text.length > 6)
			continue;
		byte = -1;
		if (t->tokens[i].kind == ELM_TOKEN_BYTE || !source->kinds)
			byte = elm__bytes_fallback(text.data, text.length);
		else if (t->type == ELM__VOCAB_BPE && text.length <= 2 && text.length &&
			 elm__bytes_decode(text.data, text.length, value, &length) && length == 1)
			byte = (unsigned char)
				value[0]; /* some files call rare bytes user-defined */
		if (byte >= 0 && t->byte_token[byte] == ELM_TOKEN_NONE)
			t->byte_token[byte] = (elm_token)i;
	}
}

/* ---- merges ---- */

/*
 * What a merge makes is usually the token after what the last one made; looking there first saves a
 * search of the table.
 */
static elm_token find_merged(const elm_tokenizer *t, const char *text, size_t length,
			     elm_token last)
{
	elm_token next = last + 1;

	if ((uint32_t)next < t->count && t->tokens[next].flags & ELM__TOKEN_MERGEABLE &&
	    t->tokens[next].length == length && !memcmp(elm__piece(t, next), text, length))
		return next;
	return elm__vocab_find(t, text, length);
}

/* A merge on its way into the table. */
typedef struct merge_entry {
	size_t begin, left_length, right_length; /* in the decoded texts */
	uint64_t left_hash, right_hash;
	uint32_t rank;
	elm_token left, right, merged;
} merge_entry;

/*
 * Reading merges waits for memory more than for anything else, as each looks up three places in
 * tables that no cache holds. So they go in batches, step by step, and each step asks for the
 * memory of the next one.
 */
enum { MERGE_BATCH = 32 };

typedef struct merge_batch {
	merge_entry entries[MERGE_BATCH];
	size_t count;
	elm__buf text; /* decoded: left and right of each, one after the other */
} merge_batch;

/* Splits "left right" and decodes both; false when it is no such pair. */
static bool add_merge(merge_batch *batch, const elm_tokenizer *t, elm_gguf_string pair,
		      uint32_t rank)
{
	const char *space = pair.length ? memchr(pair.data + 1, ' ', pair.length - 1) : NULL;
	size_t first = space ? (size_t)(space - pair.data) : 0;
	merge_entry *m = &batch->entries[batch->count];
	char *out;

	if (!space || !elm__buf_reserve(&batch->text, pair.length))
		return false;
	m->begin = batch->text.length;
	m->rank = rank;
	out = batch->text.data + m->begin;
	if (!elm__bytes_decode(pair.data, first, out, &m->left_length) ||
	    !elm__bytes_decode(space + 1, pair.length - first - 1, out + m->left_length,
			       &m->right_length))
		return false;
	m->left_hash = elm__hash_bytes(out, m->left_length);
	m->right_hash = elm__hash_bytes(out + m->left_length, m->right_length);
	__builtin_prefetch(&t->texts.slots[(uint32_t)m->left_hash & t->texts.mask]);
	__builtin_prefetch(&t->texts.slots[(uint32_t)m->right_hash & t->texts.mask]);
	batch->text.length += m->left_length + m->right_length;
	batch->count++;
	return true;
}

static void prefetch_token(const elm_tokenizer *t, uint64_t hash)
{
	uint32_t token_1 = t->texts.slots[(uint32_t)hash & t->texts.mask].token_1;

	if (token_1)
		__builtin_prefetch(&t->tokens[token_1 - 1]);
}

/* Puts the batch into the table and empties it; adds to *ignored. */
static elm_status flush_merges(elm_tokenizer *t, merge_batch *batch, elm_token *last,
			       uint32_t *ignored, elm_error *error)
{
	elm_status status = ELM_OK;
	size_t i;

	for (i = 0; i < batch->count; i++) {
		prefetch_token(t, batch->entries[i].left_hash);
		prefetch_token(t, batch->entries[i].right_hash);
	}
	for (i = 0; i < batch->count; i++) {
		merge_entry *m = &batch->entries[i];
		const char *text = batch->text.data + m->begin;

		m->merged = ELM_TOKEN_NONE;
		m->left = elm__vocab_find_hashed(t, text, m->left_length, m->left_hash);
		m->right = elm__vocab_find_hashed(t, text + m->left_length, m->right_length,
						  m->right_hash);
		if (m->left != ELM_TOKEN_NONE && m->right != ELM_TOKEN_NONE)
			m->merged = find_merged(t, text, m->left_length + m->right_length, *last);
		if (m->merged == ELM_TOKEN_NONE) {
			++*ignored;
			continue;
		}
		*last = m->merged;
		elm__pair_prefetch(&t->pairs, m->left, m->right);
	}
	for (i = 0; i < batch->count && !status; i++) {
		const merge_entry *m = &batch->entries[i];

		if (m->merged != ELM_TOKEN_NONE)
			status = elm__pair_insert(&t->pairs, m->left, m->right, m->rank, m->merged,
						  error);
	}
	batch->count = 0;
	elm__buf_clear(&batch->text);
	return status;
}

static elm_status read_merges(elm_tokenizer *t, const vocab_source *source, elm_error *error)
{
	uint32_t count = (uint32_t)source->merges->count, rank, ignored = 0;
	elm_token last = ELM_TOKEN_NONE;
	merge_batch batch = { .count = 0 };
	elm_status status = elm__pair_table_init(&t->pairs, &t->arena, count, error);

	for (rank = 0; rank < count && !status; rank++) {
		if (!add_merge(&batch, t, elm_gguf_string_at(source->merges, rank), rank)) {
			status = elm__buf_status(&batch.text, error);
			ignored++;
		}
		if (batch.count == MERGE_BATCH && !status)
			status = flush_merges(t, &batch, &last, &ignored, error);
	}
	if (!status)
		status = flush_merges(t, &batch, &last, &ignored, error);
	elm__buf_release(&batch.text);
	if (ignored && !status)
		elm_log(ELM_LOG_WARN,
			"%s: %u of %u merges speak of tokens that are not in the vocabulary; they "
			"are "
			"ignored",
			elm_gguf_path(source->gguf), ignored, count);
	return status;
}

/* ---- special tokens ---- */

static elm_status read_special_ids(elm_tokenizer *t, const elm_gguf *gguf, elm_error *error)
{
	static const char *const ending[] = {
		"tokenizer.ggml.eot_token_id",	   "tokenizer.ggml.eom_token_id",
		"tokenizer.ggml.fim_pad_token_id", "tokenizer.ggml.fim_rep_token_id",
		"tokenizer.ggml.fim_sep_token_id",
	};
	elm_status status;
	size_t i;

	t->bos = t->eos = t->unknown = ELM_TOKEN_NONE;
	if (t->type == ELM__VOCAB_SPM && t->count > 2) {
		t->unknown = 0;
		t->bos = 1;
		t->eos = 2;
	}
	status = read_id(t, gguf, "tokenizer.ggml.bos_token_id", &t->bos, error);
	if (!status)
		status = read_id(t, gguf, "tokenizer.ggml.eos_token_id", &t->eos, error);
	if (!status)
		status = read_id(t, gguf, "tokenizer.ggml.unknown_token_id", &t->unknown, error);
	for (i = 0; i < sizeof(ending) / sizeof(ending[0]) && !status; i++) {
		elm_token token = ELM_TOKEN_NONE;

		status = read_id(t, gguf, ending[i], &token, error);
		if (token != ELM_TOKEN_NONE)
			t->tokens[token].flags |= ELM__TOKEN_EOG;
	}
	if (t->eos != ELM_TOKEN_NONE)
		t->tokens[t->eos].flags |= ELM__TOKEN_EOG;
	return status;
}

static elm_status read_rules(elm_tokenizer *t, const elm_gguf *gguf, elm_error *error)
{
	elm_status status;

	t->add_bos = t->type == ELM__VOCAB_SPM || t->splitter.add_bos;
	t->add_space = t->type == ELM__VOCAB_SPM;
	t->whole_words = t->splitter.whole_words;
	status = read_flag(gguf, "tokenizer.ggml.add_bos_token", &t->add_bos, error);
	if (!status)
		status = read_flag(gguf, "tokenizer.ggml.add_eos_token", &t->add_eos, error);
	if (!status && t->type == ELM__VOCAB_SPM)
		status = read_flag(gguf, "tokenizer.ggml.add_space_prefix", &t->add_space, error);
	if (!status && t->type == ELM__VOCAB_SPM)
		status = read_flag(gguf, "tokenizer.ggml.remove_extra_whitespaces",
				   &t->squeeze_spaces, error);
	t->add_bos = t->add_bos && t->bos != ELM_TOKEN_NONE;
	t->add_eos = t->add_eos && t->eos != ELM_TOKEN_NONE;
	return status;
}

/* The vocabulary of Phi-3 drops white space behind its special tokens, except three of them; GGUF
 * files do not say so. Phi-4 models of the same architecture have BPE and do not. */
static bool drops_space_after(const elm_tokenizer *t, elm_gguf_string architecture,
			      elm_gguf_string text)
{
	return t->type == ELM__VOCAB_SPM && text_is(architecture, "phi3") &&
	       !text_is(text, "<unk>") && !text_is(text, "<s>") && !text_is(text, "<|endoftext|>");
}

static elm_status collect_specials(elm_tokenizer *t, const elm_gguf *gguf, elm_error *error)
{
	elm_gguf_string architecture = { NULL, 0 };
	const elm_gguf_kv *kv = elm_gguf_find(gguf, "general.architecture");
	elm__special *all, *user;
	uint32_t i, all_count = 0, user_count = 0;

	if (kv && kv->kind == ELM_GGUF_STRING)
		architecture = elm_gguf_string_at(kv, 0);
	for (i = 0; i < t->count; i++) {
		elm_token_kind kind = t->tokens[i].kind;

		if (!t->tokens[i].length)
			continue;
		user_count += kind == ELM_TOKEN_USER_DEFINED;
		all_count += kind == ELM_TOKEN_USER_DEFINED || kind == ELM_TOKEN_CONTROL ||
			     kind == ELM_TOKEN_UNKNOWN;
	}
	all = elm__arena_calloc(&t->arena, all_count, sizeof(*all));
	user = elm__arena_calloc(&t->arena, user_count, sizeof(*user));
	if (!all || !user)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "no memory for %u special tokens",
				     all_count);
	all_count = user_count = 0;
	for (i = 0; i < t->count; i++) {
		elm_token_kind kind = t->tokens[i].kind;
		elm__special special = { elm__piece(t, (elm_token)i), t->tokens[i].length,
					 (elm_token)i };
		elm_gguf_string text = { special.text, special.length };

		if (!special.length || (kind != ELM_TOKEN_USER_DEFINED &&
					kind != ELM_TOKEN_CONTROL && kind != ELM_TOKEN_UNKNOWN))
			continue;
		all[all_count++] = special;
		if (kind == ELM_TOKEN_USER_DEFINED)
			user[user_count++] = special;
		if (drops_space_after(t, architecture, text))
			t->tokens[i].flags |= ELM__TOKEN_RSTRIP;
	}
	elm__specials_init(&t->specials, all, all_count);
	elm__specials_init(&t->user_defined, user, user_count);
	return ELM_OK;
}

static elm_status read_chat_template(elm_tokenizer *t, const elm_gguf *gguf, elm_error *error)
{
	elm_gguf_string text;
	elm_status status;

	if (!elm_gguf_find(gguf, "tokenizer.chat_template"))
		return ELM_OK;
	status = elm_gguf_get_string(gguf, "tokenizer.chat_template", &text, error);
	if (status)
		return status;
	t->chat_template = elm__arena_strndup(&t->arena, text.data, text.length);
	if (!t->chat_template)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "no memory for the chat template");
	return ELM_OK;
}

static elm_status read_pre_tokenizer(elm_tokenizer *t, const elm_gguf *gguf, elm_error *error)
{
	elm_gguf_string name = { "default", 7 };
	elm_status status = ELM_OK;

	if (elm_gguf_find(gguf, "tokenizer.ggml.pre"))
		status = elm_gguf_get_string(gguf, "tokenizer.ggml.pre", &name, error);
	else
		elm_log(ELM_LOG_WARN,
			"%s does not name its pre-tokenizer (tokenizer.ggml.pre); the default may "
			"split "
			"words otherwise than the model learned",
			elm_gguf_path(gguf));
	return status ? status : elm__splitter_create(&t->splitter, name, error);
}

elm_status elm__vocab_load(elm_tokenizer *t, const elm_gguf *gguf, elm_error *error)
{
	vocab_source source = { gguf, NULL, NULL, NULL, NULL };
	elm_status status = read_type(t, gguf, error);

	if (!status)
		status = read_source(&source, t, error);
	if (!status && t->type == ELM__VOCAB_BPE)
		status = read_pre_tokenizer(t, gguf, error);
	if (!status)
		status = read_tokens(t, &source, error);
	if (!status)
		find_byte_tokens(t, &source);
	if (!status && t->type == ELM__VOCAB_BPE)
		status = read_merges(t, &source, error);
	if (!status)
		status = read_special_ids(t, gguf, error);
	if (!status)
		status = read_rules(t, gguf, error);
	if (!status)
		status = collect_specials(t, gguf, error);
	if (!status)
		status = read_chat_template(t, gguf, error);
	return status;
}

#include "vocab_cases.h"

#include <edgelm/memory.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "bytes.h"

static void put_u32(elm__buf *out, uint32_t value)
{
	elm__buf_append(out, &value, sizeof(value));
}

static void put_u64(elm__buf *out, uint64_t value)
{
	elm__buf_append(out, &value, sizeof(value));
}

static void put_string(elm__buf *out, const char *text)
{
	put_u64(out, strlen(text));
	elm__buf_puts(out, text);
}

static void put_key(elm__buf *out, const char *key, uint32_t kind, uint64_t *count)
{
	put_string(out, key);
	put_u32(out, kind);
	++*count;
}

static void put_array(elm__buf *out, const char *key, uint32_t kind, uint64_t length,
		      uint64_t *count)
{
	put_key(out, key, ELM_GGUF_ARRAY, count);
	put_u32(out, kind);
	put_u64(out, length);
}

/* The name of a byte: "<0x41>", or its letter in the alphabet of byte-level BPE. */
static const char *byte_name(const vocab_spec *spec, unsigned byte, char out[8])
{
	uint32_t letter = byte, moved = 0, i;

	if (strcmp(spec->model, "gpt2")) {
		snprintf(out, 8, "<0x%02X>", byte);
		return out;
	}
	for (i = 0; i <= byte; i++) {
		bool printable = (i > 32 && i < 127) || (i > 160 && i != 173);

		letter = printable ? i : 256 + moved;
		moved += !printable;
	}
	out[elm__utf8_encode(letter, out)] = '\0';
	return out;
}

static uint64_t given_tokens(const vocab_spec *spec)
{
	uint64_t n = 0;

	while (spec->tokens && spec->tokens[n].text)
		n++;
	return n;
}

elm_token vocab_byte(const vocab_spec *spec, unsigned char byte)
{
	return (elm_token)given_tokens(spec) + byte;
}

static void put_tokens(const vocab_spec *spec, elm__buf *out, uint64_t *keys)
{
	uint64_t given = given_tokens(spec), all = given + (spec->bytes ? 256 : 0), i;
	uint32_t byte_kind = strcmp(spec->model, "gpt2") ? ELM_TOKEN_BYTE : ELM_TOKEN_NORMAL;
	char name[8];

	put_array(out, "tokenizer.ggml.tokens", ELM_GGUF_STRING, all, keys);
	for (i = 0; i < all; i++)
		put_string(out, i < given ? spec->tokens[i].text :
					    byte_name(spec, (unsigned)(i - given), name));
	if (!spec->no_kinds) {
		put_array(out, "tokenizer.ggml.token_type", ELM_GGUF_I32, all, keys);
		for (i = 0; i < all; i++)
			put_u32(out, i < given ? (uint32_t)spec->tokens[i].kind : byte_kind);
	}
	if (!spec->no_scores) {
		put_array(out, "tokenizer.ggml.scores", ELM_GGUF_F32, all, keys);
		for (i = 0; i < all; i++) {
			float score = i < given ? spec->tokens[i].score : 0;

			elm__buf_append(out, &score, sizeof(score));
		}
	}
}

void vocab_file(const vocab_spec *spec, elm__buf *out)
{
	elm__buf body = ELM__BUF_INIT;
	uint64_t keys = 0, n = 0;

	if (spec->model) {
		put_key(&body, "tokenizer.ggml.model", ELM_GGUF_STRING, &keys);
		put_string(&body, spec->model);
	}
	if (spec->pre) {
		put_key(&body, "tokenizer.ggml.pre", ELM_GGUF_STRING, &keys);
		put_string(&body, spec->pre);
	}
	if (spec->tokens)
		put_tokens(spec, &body, &keys);
	if (spec->merges) {
		while (spec->merges[n])
			n++;
		put_array(&body, "tokenizer.ggml.merges", ELM_GGUF_STRING, n, &keys);
		for (uint64_t i = 0; i < n; i++)
			put_string(&body, spec->merges[i]);
	}
	if (spec->extra)
		bytes_from_text(&body, spec->extra);
	elm__buf_puts(out, "GGUF");
	put_u32(out, 3);
	put_u64(out, 0);
	put_u64(out, keys + spec->extra_count);
	elm__buf_append(out, body.data, body.length);
	elm__buf_release(&body);
}

elm_status vocab_read(const elm__buf *file, elm_tokenizer **out, elm_error *error)
{
	elm_gguf *gguf;
	elm_status status = elm_gguf_open_memory("vocab", file->data, file->length, &gguf, error);

	*out = NULL;
	if (!status)
		status = elm_tokenizer_create(gguf, out, error);
	elm_gguf_close(gguf);
	return status;
}

elm_status vocab_create(const vocab_spec *spec, elm_tokenizer **out, elm_error *error)
{
	elm__buf file = ELM__BUF_INIT;
	elm_status status;

	vocab_file(spec, &file);
	status = vocab_read(&file, out, error);
	elm__buf_release(&file); /* the tokenizer must not need it any more */
	return status;
}

elm_status vocab_pieces(const elm_tokenizer *t, const char *text, unsigned flags, elm__buf *out,
			elm_error *error)
{
	elm_token *tokens;
	size_t count, i;
	elm_status status = elm_tokenize(t, text, strlen(text), flags, &tokens, &count, error);

	for (i = 0; i < count; i++) {
		elm_gguf_string piece = elm_token_piece(t, tokens[i], true);

		if (i)
			elm__buf_putc(out, '~');
		elm__buf_append(out, piece.data, piece.length);
	}
	elm_free(tokens);
	return status;
}

static const vocab_token bpe_tokens[] = {
	{ "<|start|>", ELM_TOKEN_CONTROL, 0 },
	{ "<|im_end|>", ELM_TOKEN_CONTROL, 0 },
	{ "<|im_end|>x", ELM_TOKEN_CONTROL, 0 },
	{ "<tab>", ELM_TOKEN_USER_DEFINED, 0 },
	{ "ab", ELM_TOKEN_NORMAL, 0 },
	{ "bc", ELM_TOKEN_NORMAL, 0 },
	{ "abc", ELM_TOKEN_NORMAL, 0 },
	{ "aa", ELM_TOKEN_NORMAL, 0 },
	{ "\u0120a", ELM_TOKEN_NORMAL, 0 },
	{ "\u0120ab", ELM_TOKEN_NORMAL, 0 },
	{ "\u0120\u0120", ELM_TOKEN_NORMAL, 0 },
	{ "\u00c3\u00a9", ELM_TOKEN_NORMAL, 0 }, /* the two bytes of U+00E9 */
	{ "12", ELM_TOKEN_NORMAL, 0 },
	{ "aaaa", ELM_TOKEN_NORMAL, 0 },
	{ NULL, 0, 0 },
};

static const char *const bpe_merges[] = {
	"a b",		 "b c", "ab c",		 "a a",	  "\u0120 a", "\u0120 ab",
	"\u0120 \u0120", "1 2", "\u00c3 \u00a9", "aa aa", NULL,
};

const vocab_spec vocab_small_bpe = {
	.model = "gpt2",
	.pre = "gpt-2",
	.tokens = bpe_tokens,
	.bytes = true,
	.merges = bpe_merges,
	.no_scores = true,
	.extra_count = 2,
	.extra = "k:4:tokenizer.ggml.bos_token_id 4:0 k:4:tokenizer.ggml.eos_token_id 4:1",
};

static const vocab_token spm_tokens[] = {
	{ "<unk>", ELM_TOKEN_UNKNOWN, 0 },
	{ "<s>", ELM_TOKEN_CONTROL, 0 },
	{ "</s>", ELM_TOKEN_CONTROL, 0 },
	{ "\u2581", ELM_TOKEN_NORMAL, -9 },
	{ "a", ELM_TOKEN_NORMAL, -8 },
	{ "b", ELM_TOKEN_NORMAL, -8.5f },
	{ "ab", ELM_TOKEN_NORMAL, -2 },
	{ "\u2581a", ELM_TOKEN_NORMAL, -3 },
	{ "\u2581ab", ELM_TOKEN_NORMAL, -1 },
	{ "ba", ELM_TOKEN_NORMAL, -2.5f },
	{ "\u00e9", ELM_TOKEN_NORMAL, -7 },
	{ "\u2581\u00e9", ELM_TOKEN_NORMAL, -4 },
	{ "\u2581\u2581", ELM_TOKEN_NORMAL, -5 },
	{ "<", ELM_TOKEN_NORMAL, -6 },
	{ "s", ELM_TOKEN_NORMAL, -6 },
	{ "<s", ELM_TOKEN_NORMAL, -5 },
	{ ">", ELM_TOKEN_NORMAL, -6 },
	{ "<code>", ELM_TOKEN_USER_DEFINED, 0 },
	{ NULL, 0, 0 },
};

const vocab_spec vocab_small_spm = {
	.model = "llama",
	.tokens = spm_tokens,
	.bytes = true,
};

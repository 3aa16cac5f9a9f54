/*
 * Texts on small vocabularies of both kinds, vocabularies made of the input, and GGUF files. The
 * first byte says which.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <edgelm/log.h>
#include <edgelm/memory.h>
#include <edgelm/tokenizer.h>

#include "base/text.h"
#include "vocab_cases.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "does not hold: %s\n", what);
	abort();
}

/* What a stream gives is valid UTF-8, within its room, and returned to be compared. */
static void stream_all(const elm_tokenizer *t, const elm_token *tokens, size_t count,
		       bool continues, elm__buf *out)
{
	elm_token_stream stream = { .keep_special = true, .continues = continues };
	size_t room = elm_token_stream_room(t), i, n;

	for (i = 0; i <= count; i++) {
		char *end;

		require(elm__buf_reserve(out, room), "memory");
		end = out->data + out->length;
		n = i < count ? elm_token_stream_push(&stream, t, tokens[i], end) :
				elm_token_stream_finish(&stream, end);
		require(n <= room, "a push writes no more than its room");
		require(elm__utf8_valid(end, n), "a stream gives whole characters");
		out->length += n;
	}
}

/* Uses a tokenizer in all ways; with `exact`, tokens must give the text back. */
static void use(const elm_tokenizer *t, const char *text, size_t length, bool exact)
{
	unsigned flags;

	for (flags = 0; flags < 4; flags++) {
		elm__buf streamed = ELM__BUF_INIT;
		elm_token *tokens;
		size_t count, i, back_length;
		char *back;

		if (elm_tokenize(t, text, length, flags, &tokens, &count, NULL)) {
			require(!exact, "this vocabulary spells any text");
			continue;
		}
		for (i = 0; i < count; i++)
			require(tokens[i] >= 0 && (size_t)tokens[i] < elm_tokenizer_size(t),
				"tokens are of the vocabulary");
		require(!elm_detokenize(t, tokens, count, true, &back, &back_length, NULL),
			"memory");
		stream_all(t, tokens, count, flags & 1, &streamed);
		if (exact && !(flags & ELM_TOKENIZE_BOS)) {
			require(back_length == length && !memcmp(back, text, length),
				"tokens give the text back");
			if (elm__utf8_valid(text, length))
				require(streamed.length == length &&
						!memcmp(elm__buf_text(&streamed), text, length),
					"a stream gives the text back");
		}
		elm__buf_release(&streamed);
		elm_free(back);
		elm_free(tokens);
	}
}

static bool has_space_mark(const char *text, size_t length)
{
	size_t i;

	for (i = 0; i + 3 <= length; i++)
		if (!memcmp(text + i, "\xe2\x96\x81", 3))
			return true;
	return false;
}

static void use_small(unsigned which, const char *text, size_t length)
{
	static elm_tokenizer *small[2];

	if (!small[which])
		require(!vocab_create(which ? &vocab_small_spm : &vocab_small_bpe, &small[which],
				      NULL),
			"the vocabulary is good");
	use(small[which], text, length, !which || !has_space_mark(text, length));
}

/*
 * Lines: tokens, whose first two characters say kind and score, up to an empty line; then for BPE
 * merges up to an empty line; what is left is the text. The list ends where it is full.
 */
static void use_made(const char *model, const char *pre, const char *lines)
{
	enum { MOST = 64 };
	vocab_token tokens[MOST + 1] = { { 0 } };
	const char *merges[MOST + 1] = { NULL };
	vocab_spec spec = { .model = model,
			    .pre = pre,
			    .tokens = tokens,
			    .bytes = true,
			    .merges = pre ? merges : NULL };
	char *copy = strdup(lines), *at = copy, *end;
	size_t n = 0;
	elm_tokenizer *t;

	require(copy != NULL, "memory");
	while (n < MOST && (end = strchr(at, '\n')) && end > at + 1) {
		*end = '\0';
		tokens[n].kind = at[0] - '0';
		tokens[n].score = (float)at[1];
		tokens[n++].text = at + 2;
		at = end + 1;
	}
	for (n = 0; pre && n < MOST && (end = strchr(at, '\n')) && end > at; n++) {
		*end = '\0';
		merges[n] = at;
		at = end + 1;
	}
	if (!vocab_create(&spec, &t, NULL)) {
		use(t, at, strlen(at), false);
		elm_tokenizer_free(t);
	}
	free(copy);
}

static void use_file(const char *data, size_t size)
{
	static const char text[] = "Hello, w\xc3\xb6rld 123 <s>\xff\xf0\x9f\xa6\x99  \n";
	elm__buf file = ELM__BUF_INIT;
	elm_tokenizer *t;

	elm__buf_append(&file, data, size);
	if (file.data && !vocab_read(&file, &t, NULL)) {
		use(t, text, sizeof(text), false);
		elm_tokenizer_free(t);
	}
	elm__buf_release(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "gpt-2", "llama-bpe", "deepseek-coder", "default" };
	elm__buf text = ELM__BUF_INIT;
	unsigned which;

	if (!size)
		return 0;
	elm_log_set_level(ELM_LOG_SILENT);
	elm__buf_append(&text, data + 1, size - 1);
	which = data[0] % 8;
	if (which < 2)
		use_small(which, elm__buf_text(&text), text.length);
	else if (which == 2)
		use_file(elm__buf_text(&text), text.length);
	else if (which == 3)
		use_made("llama", NULL, elm__buf_text(&text));
	else
		use_made("gpt2", names[which - 4], elm__buf_text(&text));
	elm__buf_release(&text);
	return 0;
}

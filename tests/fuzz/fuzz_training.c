/* Records to train on, and shapes of models. The first byte says which, and the context. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/corpus.h"
#include "train/params.h"
#include "train/shape.h"
#include "vocab_cases.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "does not hold: %s\n", what);
	abort();
}

/* Two epochs: windows lie inside documents, and as many targets come by in the second. */
static void walk(const elm__corpus *c, uint32_t context)
{
	uint64_t targets[2] = { 0 };
	elm__feed feed;

	if (elm__feed_init(&feed, c, context, 1, NULL))
		return;
	while (feed.epoch < 2) {
		elm__window w = elm__feed_next(&feed);

		require(w.tokens >= 2 && w.tokens <= context + 1, "windows fit the context");
		require(w.start < c->count && w.tokens <= c->count - w.start, "and the text");
		require(w.targets >= 1 && w.targets < w.tokens, "and hold targets");
		if (feed.epoch < 2)
			targets[feed.epoch] += w.targets;
	}
	require(targets[0] == targets[1], "each epoch has the same targets");
	elm__feed_release(&feed);
}

static void records(const elm_tokenizer *tokenizer, const char *text, size_t size, uint32_t context)
{
	elm__corpus c;
	elm_error error = { 0 };

	elm__corpus_init(&c);
	if (elm__corpus_add_records(&c, tokenizer, "input", text, size, &error)) {
		require(error.text[0], "a failure says why");
	} else if (c.documents) {
		for (size_t i = 0; i < c.count; i++)
			require(c.tokens[i] >= 0 &&
					(size_t)c.tokens[i] < elm_tokenizer_size(tokenizer),
				"tokens are those of the vocabulary");
		require(c.starts[c.documents] == c.count, "documents fill the corpus");
		walk(&c, context);
	}
	elm__corpus_release(&c);
}

static void shape(const char *text, size_t size)
{
	elm__shape s = elm__shape_defaults();
	elm__params params;
	elm__hparams hp;
	elm__arena arena;
	elm_error error = { 0 };
	char copy[512];

	snprintf(copy, sizeof(copy), "%.*s", (int)(size < 400 ? size : 400), text);
	if (!strchr(copy, '='))
		return; /* would be the path of a file */
	elm__arena_init(&arena, 1 << 24);
	if (elm__shape_parse(&s, copy, &error) || elm__shape_apply(&s, 300, &hp, &arena, &error) ||
	    elm__params_init(&params, &hp, NULL, s.tied, &arena, &error)) {
		require(error.text[0], "a failure says why");
	} else {
		require(params.matrices < params.floats, "there are matrices and vectors");
		require(elm__params_elements(&params) <= params.floats, "which padding adds to");
	}
	elm__arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	elm_tokenizer *tokenizer;

	if (!size)
		return 0;
	if (data[0] & 1) {
		shape((const char *)data + 1, size - 1);
		return 0;
	}
	if (vocab_create(data[0] & 2 ? &vocab_small_bpe : &vocab_small_spm, &tokenizer, NULL))
		abort();
	records(tokenizer, (const char *)data + 1, size - 1, 2 + data[0] / 4);
	elm_tokenizer_free(tokenizer);
	return 0;
}

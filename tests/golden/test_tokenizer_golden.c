/*
 * Every vocabulary of shared/golden/tokenizer: the ids of its test strings and of the long texts
 * are those of the golden files, and tokens give back the text that they were made of.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <edgelm/memory.h>
#include <edgelm/tokenizer.h>

#include "support.h"

static elm_tokenizer *open_vocab(const char *path)
{
	elm_gguf *gguf;
	elm_tokenizer *t;
	elm_error error = { 0 };

	if (elm_gguf_open(path, &gguf, &error) || elm_tokenizer_create(gguf, &t, &error))
		fail_msg("%s", error.text);
	elm_gguf_close(gguf);
	return t;
}

static elm_token *tokenize(const elm_tokenizer *t, const char *text, size_t length, size_t *count)
{
	elm_token *tokens;
	elm_error error = { 0 };

	if (elm_tokenize(t, text, length, ELM_TOKENIZE_SPECIAL, &tokens, count, &error))
		fail_msg("%s", error.text);
	return tokens;
}

/* Whether the vocabulary keeps text as it is: Phi-3 drops white space behind special tokens, which
 * none of the texts has. */
static void check_round_trip(const elm_tokenizer *t, const char *text, size_t length,
			     const elm_token *tokens, size_t count)
{
	elm_token_stream stream = { .keep_special = true };
	elm__buf streamed = ELM__BUF_INIT;
	size_t back_length, i, room = elm_token_stream_room(t);
	elm_error error = { 0 };
	char *back;

	if (elm_detokenize(t, tokens, count, true, &back, &back_length, &error))
		fail_msg("%s", error.text);
	assert_int_equal(back_length, length);
	assert_memory_equal(back, text, length);
	elm_free(back);

	for (i = 0; i <= count; i++) {
		char *end;

		assert_true(elm__buf_reserve(&streamed, room));
		end = streamed.data + streamed.length;
		streamed.length += i < count ? elm_token_stream_push(&stream, t, tokens[i], end) :
					       elm_token_stream_finish(&stream, end);
	}
	assert_int_equal(streamed.length, length);
	assert_memory_equal(streamed.data, text, length);
	elm__buf_release(&streamed);
}

/* The next number of a list, whatever stands between; false at the end. */
static bool next_number(const char **at, long *out)
{
	char *end;

	*at += strcspn(*at, "0123456789");
	if (!**at)
		return false;
	*out = strtol(*at, &end, 10);
	*at = end;
	return true;
}

static void check_ids(const elm_tokenizer *t, const char *what, const char *text, size_t length,
		      const char *expected)
{
	size_t count, i;
	elm_token *tokens = tokenize(t, text, length, &count);
	long id;

	for (i = 0; next_number(&expected, &id); i++)
		if (i >= count || tokens[i] != id)
			fail_msg("%s: token %zu is %d, not %ld", what, i,
				 i < count ? tokens[i] : ELM_TOKEN_NONE, id);
	if (i != count)
		fail_msg("%s: %zu tokens, not %zu", what, count, i);
	check_round_trip(t, text, length, tokens, count);
	elm_free(tokens);
}

static void check_strings(const elm_tokenizer *t, const char *path)
{
	static const char between[] = "\n__ggml_vocab_test__\n";
	elm__buf name = ELM__BUF_INIT, texts = ELM__BUF_INIT, ids = ELM__BUF_INIT;
	char *text, *line, *text_end, *line_end;
	unsigned strings = 0;

	elm__buf_printf(&name, "%s.inp", path);
	read_whole(name.data, &texts);
	elm__buf_clear(&name);
	elm__buf_printf(&name, "%s.out", path);
	read_whole(name.data, &ids);

	for (text = texts.data, line = ids.data; line < ids.data + ids.length; strings++) {
		line_end = strchr(line, '\n');
		assert_non_null(line_end);
		*line_end = '\0';
		text_end = strstr(text, between);
		if (!text_end)
			text_end = texts.data + texts.length;
		check_ids(t, name.data, text, (size_t)(text_end - text), line);
		line = line_end + 1;
		text = *text_end ? text_end + strlen(between) : text_end;
	}
	assert_true(strings > 40);
	elm__buf_release(&name);
	elm__buf_release(&texts);
	elm__buf_release(&ids);
}

/* shared/golden/tokenizer/ggml-vocab-NAME.gguf has FILE.NAME.ids */
static void check_file(const elm_tokenizer *t, const char *path, const char *file)
{
	elm__buf name = ELM__BUF_INIT, text = ELM__BUF_INIT, ids = ELM__BUF_INIT;
	const char *base = strrchr(path, '/') + 1, *vocab = strstr(base, "vocab-");

	assert_non_null(vocab);
	vocab += strlen("vocab-");
	elm__buf_printf(&name, "%.*s%s.txt", (int)(base - path), path, file);
	read_whole(name.data, &text);
	elm__buf_clear(&name);
	elm__buf_printf(&name, "%.*s%s.%.*sids", (int)(base - path), path, file,
			(int)(strlen(vocab) - strlen("gguf")), vocab);
	read_whole(name.data, &ids);
	check_ids(t, name.data, text.data, text.length, ids.data);
	elm__buf_release(&name);
	elm__buf_release(&text);
	elm__buf_release(&ids);
}

static void check_vocab(const char *path)
{
	elm_tokenizer *t = open_vocab(path);

	check_strings(t, path);
	check_file(t, path, "queries");
	check_file(t, path, "unicode");
	elm_tokenizer_free(t);
}

static void ids_and_texts_are_the_golden_ones(void **state)
{
	if (!golden_each("tokenizer", ".gguf", check_vocab))
		skip();
}

static void round_trip_of_long_text(const char *path)
{
	elm_tokenizer *t = open_vocab(path);
	elm__buf text = ELM__BUF_INIT;
	elm_token *tokens;
	size_t count;

	read_whole(golden_path("wikitext-2-valid.txt"), &text);
	tokens = tokenize(t, text.data, text.length, &count);
	check_round_trip(t, text.data, text.length, tokens, count);
	elm_free(tokens);
	elm__buf_release(&text);
	elm_tokenizer_free(t);
}

static void long_text_comes_back(void **state)
{
	if (!golden_path("wikitext-2-valid.txt"))
		skip();
	golden_each("tokenizer", ".gguf", round_trip_of_long_text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_and_texts_are_the_golden_ones),
		cmocka_unit_test(long_text_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

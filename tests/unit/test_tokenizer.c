#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <edgelm/memory.h>
#include <edgelm/tokenizer.h>

#include "support.h"
#include "tokenizer/special.h"
#include "vocab_cases.h"

static const char *const no_merges[] = { NULL };

static elm_tokenizer *open_vocab(const vocab_spec *spec)
{
	elm_tokenizer *t;
	elm_error error = { 0 };

	if (vocab_create(spec, &t, &error))
		fail_msg("%s", error.text);
	return t;
}

static elm_token *tokenize(const elm_tokenizer *t, const char *text, size_t length, unsigned flags,
			   size_t *count)
{
	elm_token *tokens;
	elm_error error = { 0 };

	if (elm_tokenize(t, text, length, flags, &tokens, count, &error))
		fail_msg("%s", error.text);
	return tokens;
}

/* The pieces of the text must be `expected`, where '~' stands between two pieces. */
static void check(const elm_tokenizer *t, const char *text, unsigned flags, const char *expected)
{
	elm__buf got = ELM__BUF_INIT;
	elm_error error = { 0 };

	if (vocab_pieces(t, text, flags, &got, &error))
		fail_msg("%s", error.text);
	assert_string_equal(elm__buf_text(&got), expected);
	elm__buf_release(&got);
}

static void check_round_trip(const elm_tokenizer *t, const char *text, size_t length)
{
	size_t count, back_length;
	elm_token *tokens = tokenize(t, text, length, ELM_TOKENIZE_SPECIAL, &count);
	char *back;

	assert_int_equal(elm_detokenize(t, tokens, count, true, &back, &back_length, NULL), ELM_OK);
	assert_int_equal(back_length, length);
	if (length)
		assert_memory_equal(back, text, length);
	elm_free(back);
	elm_free(tokens);
}

/* ---- merging ---- */

static void bpe_merges_in_order_of_rank(void **state)
{
	elm_tokenizer *t = open_vocab(&vocab_small_bpe);

	check(t, "abc", 0, "abc");
	check(t, "bc", 0, "bc");
	check(t, "abbc", 0, "ab~bc");
	check(t, "aaa", 0, "aa~a"); /* the leftmost of two that are the same */
	check(t, "aaaaa", 0, "aaaa~a");
	check(t, "aab", 0, "a~ab");
	check(t, " ab a", 0, " ab~ a");
	check(t, " abc", 0, " ~abc");
	check(t, "\xc3\xa9\xc3\xa8", 0, "\xc3\xa9~\xc3~\xa8");
	check(t, "", 0, "");
	elm_tokenizer_free(t);
}

static void spm_merges_by_score(void **state)
{
	elm_tokenizer *t = open_vocab(&vocab_small_spm);

	check(t, "ab", 0, " ab");
	check(t, "bab", 0, " ~b~ab"); /* ab (-2) before ba (-2.5) */
	check(t, "ba", 0, " ~ba");
	check(t, "a a", 0, " a~ a");
	check(t, "a\xe2\x96\x81\x61", 0, " a~ a"); /* U+2581 is a space */
	check(t, "\xc3\xa9", 0, " \xc3\xa9");
	check(t, "a   a", 0, " a~  ~ a");
	check(t, "", 0, "");
	elm_tokenizer_free(t);
}

static void spm_spells_unknown_characters_as_bytes(void **state)
{
	elm_tokenizer *t = open_vocab(&vocab_small_spm);
	size_t count;
	elm_token *tokens = tokenize(t, "\xe2\x82\xac\xff", 4, 0, &count);

	assert_int_equal(count, 5);
	assert_int_equal(tokens[0], 3);
	assert_int_equal(tokens[1], vocab_byte(&vocab_small_spm, 0xe2));
	assert_int_equal(tokens[2], vocab_byte(&vocab_small_spm, 0x82));
	assert_int_equal(tokens[3], vocab_byte(&vocab_small_spm, 0xac));
	assert_int_equal(tokens[4], vocab_byte(&vocab_small_spm, 0xff));
	elm_free(tokens);
	elm_tokenizer_free(t);
}

static void spm_without_bytes_uses_the_unknown_token(void **state)
{
	vocab_spec spec = vocab_small_spm;
	elm_tokenizer *t;

	spec.bytes = false;
	t = open_vocab(&spec);
	check(t, "a\xe2\x82\xac", 0, " a~<unk>");
	elm_tokenizer_free(t);
}

static void spm_spaces_follow_the_rules_of_the_file(void **state)
{
	vocab_spec spec = vocab_small_spm;
	elm_tokenizer *t;

	spec.extra_count = 1;
	spec.extra = "k:7:tokenizer.ggml.add_space_prefix 1:0";
	t = open_vocab(&spec);
	check(t, "ab", 0, "ab");
	check(t, " ab", 0, " ab");
	check_round_trip(t, " ab", 3);
	elm_tokenizer_free(t);

	spec.extra = "k:7:tokenizer.ggml.remove_extra_whitespaces 1:1";
	t = open_vocab(&spec);
	check(t, "  ab   a ", 0, " ab~ a");
	check(t, "   ", 0, "");
	elm_tokenizer_free(t);
}

/* What merging means, in the slowest and plainest way: join the best pair until there is none. */
typedef struct naive {
	const elm_tokenizer *t;
	const vocab_spec *spec;
	elm_gguf_string parts[512];
	size_t count;
} naive;

static bool same(elm_gguf_string s, const char *text)
{
	return s.length == strlen(text) && !memcmp(s.data, text, s.length);
}

/* Lower is better; -1: cannot be joined. Texts of ASCII without spaces only. */
static double naive_rank(const naive *n, size_t i)
{
	elm_gguf_string both = { n->parts[i].data, n->parts[i].length + n->parts[i + 1].length };
	size_t k;

	if (!n->spec->merges) {
		for (k = 0; n->spec->tokens[k].text; k++)
			if (n->spec->tokens[k].kind == ELM_TOKEN_NORMAL &&
			    same(both, n->spec->tokens[k].text))
				return 100 - n->spec->tokens[k].score;
		return -1;
	}
	for (k = 0; n->spec->merges[k]; k++) {
		const char *space = strchr(n->spec->merges[k], ' ');
		elm_gguf_string left = { n->spec->merges[k], (size_t)(space - left.data) };

		if (left.length == n->parts[i].length &&
		    !memcmp(left.data, both.data, left.length) && same(n->parts[i + 1], space + 1))
			return (double)k;
	}
	return -1;
}

static void naive_merge(naive *n, const char *text, size_t length)
{
	size_t i, best;
	double rank, best_rank;

	for (n->count = 0; n->count < length; n->count++) {
		n->parts[n->count].data = text + n->count;
		n->parts[n->count].length = 1;
	}
	for (;;) {
		best_rank = -1;
		best = 0;
		for (i = 0; i + 1 < n->count; i++) {
			rank = naive_rank(n, i);
			if (rank >= 0 && (best_rank < 0 || rank < best_rank)) {
				best_rank = rank;
				best = i;
			}
		}
		if (best_rank < 0)
			return;
		n->parts[best].length += n->parts[best + 1].length;
		n->count--;
		memmove(n->parts + best + 1, n->parts + best + 2,
			(n->count - best - 1) * sizeof(*n->parts));
	}
}

static void compare_with_naive(const vocab_spec *base)
{
	vocab_spec spec = *base;
	unsigned seed = 12345, round;
	naive *n = calloc(1, sizeof(*n));
	char text[300];

	assert_non_null(n);
	if (!spec.merges) {
		spec.extra_count = 1;
		spec.extra = "k:7:tokenizer.ggml.add_space_prefix 1:0";
	}
	n->spec = &spec;
	n->t = open_vocab(&spec);
	for (round = 0; round < 2000; round++) {
		size_t length = 1 + round % 250, count, i;
		elm_token *tokens;

		for (i = 0; i < length; i++) {
			seed = seed * 1664525u + 1013904223u;
			text[i] = "aaabbc"[(seed >> 16) % 6];
		}
		naive_merge(n, text, length);
		tokens = tokenize(n->t, text, length, 0, &count);
		assert_int_equal(count, n->count);
		for (i = 0; i < count; i++) {
			elm_gguf_string piece = elm_token_piece(n->t, tokens[i], false);

			assert_int_equal(piece.length, n->parts[i].length);
			assert_memory_equal(piece.data, n->parts[i].data, piece.length);
		}
		elm_free(tokens);
	}
	elm_tokenizer_free((elm_tokenizer *)n->t);
	free(n);
}

static void short_and_long_words_merge_as_the_definition_says(void **state)
{
	compare_with_naive(&vocab_small_bpe);
	compare_with_naive(&vocab_small_spm);
}

/* A quadratic way would take minutes here; the timeout of the test would end it. */
static void one_word_of_a_megabyte_is_no_problem(void **state)
{
	const vocab_spec *specs[] = { &vocab_small_bpe, &vocab_small_spm };
	size_t length = 1 << 20, i;
	char *text = malloc(length);

	assert_non_null(text);
	memset(text, 'a', length);
	for (i = 0; i < 2; i++) {
		elm_tokenizer *t = open_vocab(specs[i]);

		check_round_trip(t, text, length);
		elm_tokenizer_free(t);
	}
	memset(text, ' ', length);
	text[length - 1] = 'x';
	for (i = 0; i < 2; i++) {
		elm_tokenizer *t = open_vocab(specs[i]);

		check_round_trip(t, text, length);
		elm_tokenizer_free(t);
	}
	free(text);
}

static void any_bytes_come_back(void **state)
{
	const vocab_spec *specs[] = { &vocab_small_bpe, &vocab_small_spm };
	char text[1000];
	unsigned seed = 1;
	size_t i, k;

	for (k = 0; k < 2; k++) {
		elm_tokenizer *t = open_vocab(specs[k]);

		for (i = 0; i < sizeof(text); i++) {
			seed = seed * 1664525u + 1013904223u;
			text[i] = (char)(i < 256 ? i : seed >> 24);
		}
		check_round_trip(t, text, sizeof(text));
		check_round_trip(t, "\xf0\x9f\xa6", 3);
		check_round_trip(t, "\0a\0", 3);
		elm_tokenizer_free(t);
	}
}

static void whole_words_are_taken_as_they_are(void **state)
{
	static const vocab_token tokens[] = { { "hey", ELM_TOKEN_NORMAL, 0 },
					      { "he", ELM_TOKEN_NORMAL, 0 },
					      { NULL, 0, 0 } };
	static const char *const merges[] = { "h e", NULL };
	vocab_spec spec = { .model = "gpt2",
			    .pre = "llama-bpe",
			    .tokens = tokens,
			    .bytes = true,
			    .merges = merges,
			    .no_scores = true };
	elm_tokenizer *t = open_vocab(&spec);

	check(t, "hey", 0, "hey");
	check(t, "heyy", 0, "he~y~y");
	elm_tokenizer_free(t);
	spec.pre = "qwen2";
	t = open_vocab(&spec);
	check(t, "hey", 0, "he~y");
	elm_tokenizer_free(t);
}

/* ---- special tokens ---- */

static void special_tokens_need_leave(void **state)
{
	elm_tokenizer *t = open_vocab(&vocab_small_bpe);

	check(t, "a<|im_end|>b", ELM_TOKENIZE_SPECIAL, "a~<|im_end|>~b");
	check(t, "a<|im_end|>b", 0, "a~<~|~i~m~_~e~n~d~|~>~b");
	check(t, "a<tab>b", 0, "a~<tab>~b");
	check(t, "<|im_end|>x<|im_end|>", ELM_TOKENIZE_SPECIAL, "<|im_end|>x~<|im_end|>");
	check(t, "<|im_<|im_end|", ELM_TOKENIZE_SPECIAL, "<~|~i~m~_~<~|~i~m~_~e~n~d~|");
	elm_tokenizer_free(t);

	t = open_vocab(&vocab_small_spm);
	check(t, "<s>a", ELM_TOKENIZE_SPECIAL, "<s>~ a");
	/* "<s" and ">" merge to a text that a control token has too. */
	check(t, "<s>a", 0, " ~<s~>~a");
	check(t, "a<code>a", 0, " a~<code>~ a");
	elm_tokenizer_free(t);
}

static void special_set_finds_leftmost_longest(void **state)
{
	static const char *const texts[] = { "ab", "abc", "b", "abcdx", "ab", "\xff" };
	elm__special items[6];
	elm__specials set;
	const elm__special *found;
	size_t i, start;

	for (i = 0; i < 6; i++) {
		items[i].text = texts[i];
		items[i].length = (uint32_t)strlen(texts[i]);
		items[i].token = (elm_token)i;
	}
	elm__specials_init(&set, items, 6);
	assert_int_equal(set.count, 5);
	found = elm__specials_find(&set, "xxabcdy", 7, 0, &start);
	assert_int_equal(found->token, 1);
	assert_int_equal(start, 2);
	found = elm__specials_find(&set, "xxabcdy", 7, 3, &start);
	assert_int_equal(found->token, 2);
	assert_int_equal(start, 3);
	found = elm__specials_find(&set, "abcdx", 5, 0, &start);
	assert_int_equal(found->token, 3);
	found = elm__specials_find(&set, "xab", 3, 0, &start);
	assert_int_equal(found->token, 0);
	found = elm__specials_find(&set, "a\xff", 2, 0, &start);
	assert_int_equal(found->token, 5);
	assert_null(elm__specials_find(&set, "xxa", 3, 0, &start));
	assert_null(elm__specials_find(&set, "", 0, 0, &start));
}

static void phi3_drops_space_behind_special_tokens(void **state)
{
	vocab_spec spec = vocab_small_spm;
	elm_tokenizer *t;

	spec.extra_count = 1;
	spec.extra = "k:8:general.architecture s:phi3";
	t = open_vocab(&spec);
	check(t, "</s> \n\ta", ELM_TOKENIZE_SPECIAL, "</s>~ a");
	check(t, "<s>  a", ELM_TOKENIZE_SPECIAL, "<s>~  ~ a");
	check(t, "</s> \n", ELM_TOKENIZE_SPECIAL, "</s>");
	elm_tokenizer_free(t);
}

static void ends_are_added_where_the_model_wants(void **state)
{
	vocab_spec spec = vocab_small_bpe;
	elm_tokenizer *t = open_vocab(&spec);

	assert_false(elm_tokenizer_adds_bos(t));
	assert_int_equal(elm_tokenizer_bos(t), 0);
	assert_int_equal(elm_tokenizer_eos(t), 1);
	check(t, "a", ELM_TOKENIZE_BOS, "a");
	elm_tokenizer_free(t);

	spec.extra_count = 4;
	spec.extra = "k:4:tokenizer.ggml.bos_token_id 4:0 k:4:tokenizer.ggml.eos_token_id 4:1 "
		     "k:7:tokenizer.ggml.add_bos_token 1:1 k:7:tokenizer.ggml.add_eos_token 1:1";
	t = open_vocab(&spec);
	check(t, "a", ELM_TOKENIZE_BOS, "<|start|>~a~<|im_end|>");
	check(t, "a", 0, "a");
	check(t, "", ELM_TOKENIZE_BOS, "<|start|>~<|im_end|>");
	check(t, "<|start|>a<|im_end|>", ELM_TOKENIZE_BOS | ELM_TOKENIZE_SPECIAL,
	      "<|start|>~a~<|im_end|>");
	elm_tokenizer_free(t);

	t = open_vocab(&vocab_small_spm);
	assert_true(elm_tokenizer_adds_bos(t));
	check(t, "a", ELM_TOKENIZE_BOS, "<s>~ a");
	elm_tokenizer_free(t);
}

static void generation_ends_at_known_tokens(void **state)
{
	static const vocab_token tokens[] = {
		{ "<|start|>", ELM_TOKEN_CONTROL, 0 }, { "<|eot_id|>", ELM_TOKEN_CONTROL, 0 },
		{ "<|end|>", ELM_TOKEN_NORMAL, 0 },    { "<end_of_turn>", ELM_TOKEN_CONTROL, 0 },
		{ "<EOT>", ELM_TOKEN_NORMAL, 0 },      { "<eos>", ELM_TOKEN_CONTROL, 0 },
		{ "</s>", ELM_TOKEN_CONTROL, 0 },      { "stop", ELM_TOKEN_NORMAL, 0 },
		{ "turn", ELM_TOKEN_CONTROL, 0 },      { NULL, 0, 0 },
	};
	static const bool ends[] = { false, true, true, true, false, true, false, true, true };
	vocab_spec spec = vocab_small_bpe;
	elm_tokenizer *t;
	int i;

	spec.tokens = tokens;
	spec.merges = no_merges;
	spec.extra = "k:4:tokenizer.ggml.eos_token_id 4:7 k:4:tokenizer.ggml.eot_token_id 4:8";
	t = open_vocab(&spec);
	for (i = 0; i < 9; i++)
		assert_int_equal(elm_tokenizer_is_eog(t, i), ends[i]);
	assert_int_equal(elm_tokenizer_kind(t, 2), ELM_TOKEN_CONTROL); /* whatever the file says */
	assert_int_equal(elm_tokenizer_kind(t, 7), ELM_TOKEN_NORMAL);
	assert_false(elm_tokenizer_is_eog(t, -1));
	assert_false(elm_tokenizer_is_eog(t, 1 << 30));
	assert_int_equal(elm_tokenizer_kind(t, 1 << 30), ELM_TOKEN_UNUSED);
	elm_tokenizer_free(t);
}

/* ---- text again ---- */

static void check_text(const elm_tokenizer *t, const char *expected, bool special, size_t count,
		       const elm_token *tokens)
{
	char *text;
	size_t length;

	assert_int_equal(elm_detokenize(t, tokens, count, special, &text, &length, NULL), ELM_OK);
	assert_string_equal(text, expected);
	assert_int_equal(length, strlen(expected));
	elm_free(text);
}

static void text_of_tokens(void **state)
{
	elm_tokenizer *t = open_vocab(&vocab_small_spm);
	elm_gguf_string piece = elm_token_piece(t, 7, false);

	assert_int_equal(piece.length, 2);
	assert_memory_equal(piece.data, " a", 2);
	assert_int_equal(elm_token_piece(t, 1, false).length, 0);
	assert_int_equal(elm_token_piece(t, 1, true).length, 3);
	assert_int_equal(elm_token_piece(t, -1, true).length, 0);
	assert_int_equal(elm_token_piece(t, 100000, true).length, 0);

	check_text(t, "ab a", false, 4, (elm_token[]){ 1, 8, 7, 2 });
	check_text(t, "<s>ab a</s>a", true, 5, (elm_token[]){ 1, 8, 7, 2, 7 });
	check_text(t, "a a", false, 3, (elm_token[]){ 7, 2, 7 }); /* hidden tokens join no words */
	check_text(t, "a<code>a", false, 3, (elm_token[]){ 7, 17, 7 });
	check_text(t, " a", false, 2, (elm_token[]){ 3, 7 });
	check_text(t, "", false, 0, NULL);
	elm_tokenizer_free(t);
}

/* Pushes tokens; each answer is followed by '~'. */
static void check_stream(const elm_tokenizer *t, elm_token_stream stream, size_t count,
			 const elm_token *tokens, const char *expected)
{
	char out[256];
	elm__buf got = ELM__BUF_INIT;
	size_t i, n;

	assert_true(elm_token_stream_room(t) <= sizeof(out));
	for (i = 0; i <= count; i++) {
		n = i < count ? elm_token_stream_push(&stream, t, tokens[i], out) :
				elm_token_stream_finish(&stream, out);
		assert_true(n <= elm_token_stream_room(t));
		elm__buf_append(&got, out, n);
		elm__buf_putc(&got, '~');
	}
	assert_string_equal(elm__buf_text(&got), expected);
	elm__buf_release(&got);
}

#define BYTE(b) vocab_byte(&vocab_small_spm, b)
#define STREAM(t, stream, expected, ...)                                                  \
	check_stream(t, stream, sizeof((elm_token[]){ __VA_ARGS__ }) / sizeof(elm_token), \
		     (elm_token[]){ __VA_ARGS__ }, expected)

static void stream_gives_whole_characters(void **state)
{
	elm_tokenizer *t = open_vocab(&vocab_small_spm);
	elm_token_stream plain = { 0 };

	STREAM(t, plain, "a~~~\u20ac~ a~~", 7, BYTE(0xe2), BYTE(0x82), BYTE(0xac), 7);
	STREAM(t, plain, "~~~\U0001f999~~", BYTE(0xf0), BYTE(0x9f), BYTE(0xa6), BYTE(0x99));
	/* Unfinished, then something else; never to be finished; at the end. */
	STREAM(t, plain, "~~\ufffd a~~", BYTE(0xe2), BYTE(0x82), 7);
	STREAM(t, plain, "\ufffd~\ufffd~~", BYTE(0xff), BYTE(0x80));
	STREAM(t, plain, "~\ufffd~\ufffd~", BYTE(0xe2), BYTE(0xf0));
	STREAM(t, plain, "~~\ufffd~", BYTE(0xf0), BYTE(0x9f));
	elm_tokenizer_free(t);
}

static void stream_knows_spaces_and_special_tokens(void **state)
{
	elm_tokenizer *t = open_vocab(&vocab_small_spm);
	elm_token_stream plain = { 0 }, continues = { .continues = true };
	elm_token_stream special = { .keep_special = true };
	elm_token_stream both = { .keep_special = true, .continues = true };

	STREAM(t, plain, "~a~ ab~~~", 1, 7, 8, 2);
	STREAM(t, continues, " a~ ab~~", 7, 8);
	STREAM(t, special, "<s>~a~</s>~a~~", 1, 7, 2, 7);
	STREAM(t, both, " a~</s>~a~~", 7, 2, 7);
	elm_tokenizer_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bpe_merges_in_order_of_rank),
		cmocka_unit_test(spm_merges_by_score),
		cmocka_unit_test(spm_spells_unknown_characters_as_bytes),
		cmocka_unit_test(spm_without_bytes_uses_the_unknown_token),
		cmocka_unit_test(spm_spaces_follow_the_rules_of_the_file),
		cmocka_unit_test(short_and_long_words_merge_as_the_definition_says),
		cmocka_unit_test(one_word_of_a_megabyte_is_no_problem),
		cmocka_unit_test(any_bytes_come_back),
		cmocka_unit_test(whole_words_are_taken_as_they_are),
		cmocka_unit_test(special_tokens_need_leave),
		cmocka_unit_test(special_set_finds_leftmost_longest),
		cmocka_unit_test(phi3_drops_space_behind_special_tokens),
		cmocka_unit_test(ends_are_added_where_the_model_wants),
		cmocka_unit_test(generation_ends_at_known_tokens),
		cmocka_unit_test(text_of_tokens),
		cmocka_unit_test(stream_gives_whole_characters),
		cmocka_unit_test(stream_knows_spaces_and_special_tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

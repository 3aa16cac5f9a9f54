/* Vocabularies that are not as they should be, pre-tokenizers, and running out of memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <edgelm/log.h>
#include <edgelm/memory.h>
#include <edgelm/tokenizer.h>

#include "support.h"
#include "tokenizer/bytes.h"
#include "tokenizer/split.h"
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

static void refuse_vocab(const vocab_spec *spec, elm_status status, const char *part)
{
	elm_tokenizer *t;
	elm_error error = { 0 };

	assert_int_equal(vocab_create(spec, &t, &error), status);
	assert_null(t);
	assert_contains(error.text, part);
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

/* ---- pre-tokenizers ---- */

typedef struct cut_words {
	const char *text;
	elm__buf out;
} cut_words;

static elm_status add_word(void *user, size_t begin, size_t end, elm_error *error)
{
	cut_words *words = user;

	if (words->out.length)
		elm__buf_putc(&words->out, '~');
	elm__buf_append(&words->out, words->text + begin, end - begin);
	return ELM_OK;
}

static void check_split(const char *name, const char *text, const char *expected)
{
	elm_gguf_string n = { name, strlen(name) };
	cut_words words = { text, ELM__BUF_INIT };
	elm__splitter splitter;
	elm__split split;

	assert_int_equal(elm__splitter_create(&splitter, n, NULL), ELM_OK);
	assert_int_equal(elm__split_init(&split, &splitter, NULL), ELM_OK);
	split.word = add_word;
	split.user = &words;
	assert_int_equal(elm__split_text(&split, text, strlen(text), NULL), ELM_OK);
	assert_string_equal(elm__buf_text(&words.out), expected);
	elm__buf_release(&words.out);
	elm__split_release(&split);
	elm__splitter_release(&splitter);
}

static void pre_tokenizers_cut_as_their_models_learned(void **state)
{
	const char *text = "I'm HE'LL x12345  a.b\n\n c!?\n";

	check_split("gpt-2", text, "I~'m~ HE~'~LL~ x~12345~ ~ a~.~b~\n\n~ c~!?~\n");
	check_split("llama-bpe", text, "I~'m~ HE~'LL~ x~123~45~ ~ a~.b~\n\n~ c~!?\n");
	check_split("qwen2", text, "I~'m~ HE~'LL~ x~1~2~3~4~5~ ~ a~.b~\n\n~ c~!?\n");
	check_split("smollm", text, "I~'m~ HE~'~LL~ x~1~2~3~4~5~ ~ a~.~b~\n\n~ c~!?~\n");
	check_split("falcon", text, "I~'~m~ HE~'~LL~ x~123~45~ ~ a~.~b~\n\n~ c~!?~\n");
	check_split("default", text, "I~'~m~ HE~'~LL~ x~123~45~ ~ a~.~b~\n\n~ c~!?~\n");
	check_split("deepseek-coder", text, "I~'~m~ HE~'~LL~ x~1~2~3~4~5~ ~ a~.~b~\n~\n~ c~!?~\n");
	/* U+180E is no white space, U+3000 is; U+017F is no "s" after an apostrophe. */
	check_split("gpt-2", "a\u180e\u3000 b", "a~\u180e~\u3000~ b");
	check_split("llama-bpe", "a'\u017f", "a~'\u017f");
	check_split("qwen2", "x'\u017f b", "x~'\u017f~ b");
}

static elm_status count_bytes(void *user, size_t begin, size_t end, elm_error *error)
{
	*(size_t *)user += end - begin;
	return ELM_OK;
}

/* Long runs of whatever a pattern can repeat; one that went back over them would meet its limit. */
static void pre_tokenizers_take_long_runs(void **state)
{
	static const char *const names[] = { "gpt-2",  "llama-bpe",	 "qwen2",  "smollm",
					     "falcon", "deepseek-coder", "default" };
	static const char *const runs[] = { "a",  " ",	 "\n",		 "1",	     "!",
					    "'",  " \n", "\r ",		 " a",	     "A1",
					    "'s", "! ",	 "\xe3\x80\x80", "\xcc\x81", "\xff" };
	enum { LENGTH = 1 << 18 };
	char *text = malloc(LENGTH + 1);
	size_t i, k, at, counted;

	assert_non_null(text);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		elm_gguf_string name = { names[i], strlen(names[i]) };
		elm__splitter splitter;
		elm__split split;

		assert_int_equal(elm__splitter_create(&splitter, name, NULL), ELM_OK);
		assert_int_equal(elm__split_init(&split, &splitter, NULL), ELM_OK);
		split.word = count_bytes;
		split.user = &counted;
		for (k = 0; k < sizeof(runs) / sizeof(runs[0]); k++) {
			for (at = 0; at < LENGTH; at++)
				text[at] = runs[k][at % strlen(runs[k])];
			text[LENGTH] = 'x';
			counted = 0;
			assert_int_equal(elm__split_text(&split, text, LENGTH + 1, NULL), ELM_OK);
			assert_int_equal(counted, LENGTH + 1);
		}
		elm__split_release(&split);
		elm__splitter_release(&splitter);
	}
	free(text);
}

static void bytes_that_are_no_character_are_symbols(void **state)
{
	check_split("gpt-2", "a\xff\xfe \x80", "a~\xff\xfe~ \x80");
	check_split("llama-bpe", "\xe2\x82\n", "\xe2\x82\n");
}

/* ---- bad files ---- */

static void vocabularies_of_other_kinds_are_refused(void **state)
{
	static const char *const others[] = { "bert", "t5", "rwkv", "plamo2", "strange" };
	vocab_spec spec = vocab_small_spm;
	size_t i;

	for (i = 0; i < 5; i++) {
		spec.model = others[i];
		refuse_vocab(&spec, ELM_ERR_UNSUPPORTED, others[i]);
	}
	spec.model = "no_vocab";
	refuse_vocab(&spec, ELM_ERR_NOT_FOUND, "no vocabulary");
	spec.model = "none";
	refuse_vocab(&spec, ELM_ERR_NOT_FOUND, "no vocabulary");
	spec.tokens = NULL;
	spec.model = NULL;
	refuse_vocab(&spec, ELM_ERR_NOT_FOUND, "no vocabulary");
	spec.model = "llama";
	refuse_vocab(&spec, ELM_ERR_NOT_FOUND, "tokenizer.ggml.tokens");

	spec = vocab_small_bpe;
	spec.pre = "unheard-of";
	refuse_vocab(&spec, ELM_ERR_UNSUPPORTED, "unheard-of");
	refuse_vocab(&spec, ELM_ERR_UNSUPPORTED, "llama-bpe");
	spec.pre = "";
	refuse_vocab(&spec, ELM_ERR_UNSUPPORTED, "tokenizer.ggml.pre");
}

static void damaged_vocabularies_are_refused(void **state)
{
	static const vocab_token none[] = { { NULL, 0, 0 } };
	vocab_spec spec = vocab_small_bpe;

	spec.merges = NULL;
	refuse_vocab(&spec, ELM_ERR_NOT_FOUND, "tokenizer.ggml.merges");
	spec = vocab_small_bpe;
	spec.tokens = none;
	spec.bytes = false;
	refuse_vocab(&spec, ELM_ERR_FORMAT, "tokenizer.ggml.tokens");
	spec = vocab_small_bpe;
	spec.extra = "k:8:tokenizer.ggml.bos_token_id s:0 k:4:tokenizer.ggml.eos_token_id 4:1";
	refuse_vocab(&spec, ELM_ERR_FORMAT, "tokenizer.ggml.bos_token_id");
	spec.extra = "k:4:tokenizer.ggml.add_bos_token 4:7 k:8:tokenizer.chat_template s:x";
	refuse_vocab(&spec, ELM_ERR_FORMAT, "tokenizer.ggml.add_bos_token");
	spec.extra = "k:4:tokenizer.ggml.eos_token_id 4:1 k:4:tokenizer.chat_template 4:1";
	refuse_vocab(&spec, ELM_ERR_FORMAT, "tokenizer.chat_template");
	spec.no_kinds = true;
	spec.extra_count = 1;
	spec.extra = "k:9:tokenizer.ggml.token_type 4:5 8:2 4:1 4:1";
	refuse_vocab(&spec, ELM_ERR_FORMAT, "tokenizer.ggml.token_type");
	spec.extra = "k:4:tokenizer.ggml.token_type 4:5";
	refuse_vocab(&spec, ELM_ERR_FORMAT, "tokenizer.ggml.token_type");

	spec = vocab_small_spm;
	spec.no_scores = true;
	refuse_vocab(&spec, ELM_ERR_NOT_FOUND, "tokenizer.ggml.scores");
	spec.extra_count = 1;
	spec.extra = "k:9:tokenizer.ggml.scores 4:8 8:1 s:high";
	refuse_vocab(&spec, ELM_ERR_FORMAT, "tokenizer.ggml.scores");
}

static void a_token_of_64_kib_is_refused(void **state)
{
	char *text = malloc(65537);
	vocab_token tokens[] = { { text, ELM_TOKEN_NORMAL, 0 }, { NULL, 0, 0 } };
	vocab_spec spec = vocab_small_bpe;
	elm_tokenizer *t;

	assert_non_null(text);
	memset(text, 'x', 65536);
	text[65536] = '\0';
	spec.tokens = tokens;
	spec.merges = no_merges;
	refuse_vocab(&spec, ELM_ERR_FORMAT, "65536");
	text[65535] = '\0';
	t = open_vocab(&spec);
	assert_int_equal(elm_token_piece(t, 0, false).length, 65535);
	elm_tokenizer_free(t);
	free(text);
}

/* Strange, but nothing that could do harm. */
static void odd_vocabularies_work(void **state)
{
	static const vocab_token tokens[] = {
		{ "", ELM_TOKEN_CONTROL, 0 },
		{ "", ELM_TOKEN_USER_DEFINED, 0 },
		{ "", ELM_TOKEN_NORMAL, 0 },
		{ "ab", ELM_TOKEN_NORMAL, 0 },
		{ "ab", ELM_TOKEN_NORMAL, 0 },
		{ "\u3053", ELM_TOKEN_NORMAL, 0 }, /* no letter of the byte alphabet */
		{ "zz", 99, 0 },
		{ "<0xZZ>", ELM_TOKEN_BYTE, 0 },
		{ NULL, 0, 0 },
	};
	static const char *const merges[] = { "",     " ",	"a",  "a b", "a b", "q q",
					      "a  b", "\xff a", " b", "ab ", NULL };
	vocab_spec spec = { .model = "gpt2",
			    .pre = "gpt-2",
			    .tokens = tokens,
			    .bytes = true,
			    .merges = merges,
			    .no_scores = true,
			    .extra_count = 3,
			    .extra = "k:4:tokenizer.ggml.bos_token_id 4:-1 "
				     "k:5:tokenizer.ggml.eos_token_id 4:-7 "
				     "k:10:tokenizer.ggml.unknown_token_id 8:-1" };
	elm_tokenizer *t;
	size_t count;
	elm_token *ids;
	char *text;

	elm_log_set_level(ELM_LOG_SILENT);
	t = open_vocab(&spec);
	elm_log_set_level(ELM_LOG_WARN);
	assert_int_equal(elm_tokenizer_bos(t), ELM_TOKEN_NONE);
	assert_int_equal(elm_tokenizer_eos(t), ELM_TOKEN_NONE);
	assert_int_equal(elm_tokenize(t, "ab", 2, ELM_TOKENIZE_SPECIAL | ELM_TOKENIZE_BOS, &ids,
				      &count, NULL),
			 ELM_OK);
	assert_int_equal(count, 1);
	assert_int_equal(ids[0], 3);
	elm_free(ids);
	assert_int_equal(elm_detokenize(t, (elm_token[]){ 5, 7 }, 2, false, &text, NULL, NULL),
			 ELM_OK);
	assert_string_equal(text, "\u3053<0xZZ>");
	elm_free(text);
	elm_tokenizer_free(t);
}

static void bytes_without_a_token(void **state)
{
	static const vocab_token tokens[] = { { "a", ELM_TOKEN_NORMAL, 0 },
					      { "?", ELM_TOKEN_UNKNOWN, 0 },
					      { NULL, 0, 0 } };
	vocab_spec spec = { .model = "gpt2",
			    .pre = "gpt-2",
			    .tokens = tokens,
			    .merges = no_merges,
			    .no_scores = true };
	elm_tokenizer *t = open_vocab(&spec);
	elm_error error = { 0 };
	elm_token *ids;
	size_t count;

	assert_int_equal(elm_tokenize(t, "ab", 2, 0, &ids, &count, &error), ELM_ERR_ARGUMENT);
	assert_contains(error.text, "0x62");
	assert_null(ids);
	elm_tokenizer_free(t);

	spec.extra_count = 1;
	spec.extra = "k:4:tokenizer.ggml.unknown_token_id 4:1";
	t = open_vocab(&spec);
	check(t, "abba", 0, "a~?~?~a");
	elm_tokenizer_free(t);
}

static void a_text_that_is_too_long_is_not_looked_at(void **state)
{
	elm_tokenizer *t = open_vocab(&vocab_small_bpe);
	elm_token *ids;
	size_t count;

	assert_int_equal(elm_tokenize(t, "", (size_t)1 << 31, 0, &ids, &count, NULL),
			 ELM_ERR_LIMIT);
	elm_tokenizer_free(t);
}

static void the_byte_alphabet_is_complete(void **state)
{
	char seen[256] = { 0 }, out[4], text[4];
	size_t written, n;
	unsigned c;

	for (c = 1; c < 0x800; c++) {
		n = c < 0x80 ? 1 : 2;
		text[0] = (char)(n == 1 ? c : 0xc0 | c >> 6);
		text[1] = (char)(0x80 | (c & 0x3f));
		if (!elm__bytes_decode(text, n, out, &written))
			continue;
		assert_int_equal(written, 1);
		assert_false(seen[(unsigned char)out[0]]);
		seen[(unsigned char)out[0]] = 1;
	}
	for (c = 0; c < 256; c++)
		assert_true(seen[c]);
	assert_true(elm__bytes_decode("\u0120\u010a", 4, out, &written));
	assert_memory_equal(out, " \n", 2);
	assert_false(elm__bytes_decode("a b", 3, out, &written));
	assert_int_equal(elm__bytes_fallback("<0x0a>", 6), 10);
	assert_int_equal(elm__bytes_fallback("<0xFF>", 6), 255);
	assert_int_equal(elm__bytes_fallback("<0x0g>", 6), -1);
	assert_int_equal(elm__bytes_fallback("<0x0>", 5), -1);
}

/* ---- memory ---- */

static elm_status use_everything(void *user, elm_error *error)
{
	static char text[600];
	elm_tokenizer *t;
	elm_token *ids;
	size_t count;
	char *back;
	elm_status status = vocab_read(user, &t, error);

	if (status)
		return status;
	memset(text, 'a', sizeof(text));
	text[500] = ' ';
	text[550] = '\xff';
	status = elm_tokenize(t, text, sizeof(text), ELM_TOKENIZE_BOS, &ids, &count, error);
	if (!status) {
		status = elm_detokenize(t, ids, count, true, &back, NULL, error);
		if (!status)
			elm_free(back);
		elm_free(ids);
	}
	elm_tokenizer_free(t);
	return status;
}

static void every_allocation_may_fail(void **state)
{
	elm__buf bpe = ELM__BUF_INIT, spm = ELM__BUF_INIT;

	vocab_file(&vocab_small_bpe, &bpe);
	vocab_file(&vocab_small_spm, &spm);
	assert_true(fail_each_allocation(use_everything, &bpe) > 20);
	assert_true(fail_each_allocation(use_everything, &spm) > 10);
	elm__buf_release(&bpe);
	elm__buf_release(&spm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pre_tokenizers_cut_as_their_models_learned),
		cmocka_unit_test(pre_tokenizers_take_long_runs),
		cmocka_unit_test(bytes_that_are_no_character_are_symbols),
		cmocka_unit_test(vocabularies_of_other_kinds_are_refused),
		cmocka_unit_test(damaged_vocabularies_are_refused),
		cmocka_unit_test(a_token_of_64_kib_is_refused),
		cmocka_unit_test(odd_vocabularies_work),
		cmocka_unit_test(bytes_without_a_token),
		cmocka_unit_test(a_text_that_is_too_long_is_not_looked_at),
		cmocka_unit_test(the_byte_alphabet_is_complete),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Vocabularies that are learned from text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/random.h"
#include "bytes.h"
#include "support.h"
#include "tokenizer/bytes.h"
#include "tokenizer/pairs.h"
#include "tokenizer/train.h"

static const char *const control[] = { "<|end|>", "<|start|>" };
static const char *const defined[] = { "<call>" };

static elm__vocab_plan plan_of(uint32_t size, uint32_t spaces_last)
{
	return (elm__vocab_plan){ .size = size,
				  .spaces_last = spaces_last,
				  .pre = "gpt-2",
				  .control = control,
				  .control_count = 2,
				  .defined = defined,
				  .defined_count = 1,
				  .eos = "<|end|>",
				  .chat_template = "{{ messages }}" };
}

static elm_status learn(const elm__vocab_plan *plan, const char *text, const char *path,
			uint32_t *size, elm_error *error)
{
	elm__vocab_trainer *trainer;
	elm_status status = elm__vocab_trainer_create(plan, &trainer, error);

	if (status)
		return status;
	status = elm__vocab_trainer_add(trainer, text, strlen(text), error);
	if (!status)
		status = elm__vocab_trainer_write(trainer, path, NULL, size, error);
	elm__vocab_trainer_free(trainer);
	return status;
}

static elm_tokenizer *learned(const elm__vocab_plan *plan, const char *text, uint32_t *size)
{
	const char *path = temp_path("vocabulary.gguf");
	elm_tokenizer *tokenizer;
	elm_gguf *gguf;
	elm_error error = { 0 };

	if (learn(plan, text, path, size, &error) || elm_gguf_open(path, &gguf, &error) ||
	    elm_tokenizer_create(gguf, &tokenizer, &error))
		fail_msg("%s", error.text);
	elm_gguf_close(gguf);
	return tokenizer;
}

/* The pieces of a text with bars between them. */
static void assert_pieces(const elm_tokenizer *t, const char *text, const char *expected)
{
	elm__buf out = ELM__BUF_INIT;
	elm_token *tokens;
	size_t count;

	assert_int_equal(elm_tokenize(t, text, strlen(text), ELM_TOKENIZE_SPECIAL, &tokens, &count,
				      NULL),
			 ELM_OK);
	for (size_t i = 0; i < count; i++) {
		elm_gguf_string piece = elm_token_piece(t, tokens[i], true);

		elm__buf_puts(&out, i ? "|" : "");
		elm__buf_append(&out, piece.data, piece.length);
	}
	assert_string_equal(elm__buf_text(&out), expected);
	elm__buf_release(&out);
	elm_free(tokens);
}

/* The example of Sennrich et al.: es, est, lo, low, ne, new, newest, and so on. */
static void the_most_frequent_pairs_are_joined(void **state)
{
	static const char text[] = "low\nlow\nlow\nlow\nlow\nlower\nlower\nnewest\nnewest\nnewest\n"
				   "newest\nnewest\nnewest\nwidest\nwidest\nwidest\n";
	elm__vocab_plan plan = plan_of(3 + 256 + 3, 0);
	uint32_t size;
	elm_tokenizer *t = learned(&plan, text, &size);

	assert_int_equal(size, plan.size);
	assert_int_equal(elm_tokenizer_size(t), plan.size);
	/* e s: 9, es t: 9, and of l o and o w, 7 each, the pair of the lower bytes */
	assert_pieces(t, "lowest", "lo|w|est");
	assert_pieces(t, "<|start|>east<call><|end|>", "<|start|>|e|a|s|t|<call>|<|end|>");
	assert_true(elm_tokenizer_is_eog(t, elm_tokenizer_eos(t)));
	assert_int_equal(elm_tokenizer_eos(t), 0);
	assert_false(elm_tokenizer_adds_bos(t));
	assert_int_equal(elm_tokenizer_kind(t, 2), ELM_TOKEN_USER_DEFINED);
	assert_string_equal(elm_tokenizer_chat_template(t), "{{ messages }}");
	elm_tokenizer_free(t);
}

static void a_text_that_is_used_up(void **state)
{
	elm__vocab_plan plan = plan_of(5000, 0);
	uint32_t size;
	elm_tokenizer *t = learned(&plan, "aaaa abab <call><|end|>aaaa", &size);

	/* aa, aaaa, ab, abab and what joins the space: no token spans words or special tokens. */
	assert_true(size > 3 + 256 + 4 && size < 3 + 256 + 8);
	assert_pieces(t, "aaaa abab", "aaaa| abab");
	assert_pieces(t, "aaaaaa", "aaaa|aa");
	elm_tokenizer_free(t);
	t = learned(&plan, "", &size);
	assert_int_equal(size, 3 + 256);
	elm_tokenizer_free(t);
}

static void spaces_are_joined_last(void **state)
{
	static const char text[] = "the kitchen \"kitchen\" kitchen kitchen kitten \"kitten\" "
				   "kitten kitten\nthe";
	elm__vocab_plan plan = plan_of(3 + 256 + 40, 2);
	uint32_t size;
	elm_tokenizer *t = learned(&plan, text, &size);

	assert_true(size < plan.size);
	assert_pieces(t, "x kitchen\"kitchen", "x| kitchen|\"|kitchen");
	assert_pieces(t, "x kitten\"kitten", "x| kitten|\"|kitten");
	/* Two words were more frequent behind a space. */
	assert_pieces(t, "x the\"the", "x| |the|\"|the");
	elm_tokenizer_free(t);
}

static void all_bytes_have_their_letter(void **state)
{
	for (int byte = 0; byte < 256; byte++) {
		char letter[2], back[2];
		size_t length = elm__bytes_encode((unsigned char)byte, letter), written;

		assert_true(elm__bytes_decode(letter, length, back, &written));
		assert_int_equal(written, 1);
		assert_int_equal((unsigned char)back[0], byte);
	}
}

/* ---- counts that are kept up to date against counts that are made anew ---- */

static uint64_t count_pair(const elm__pair_word *words, size_t count, uint32_t left, uint32_t right)
{
	uint64_t n = 0;

	for (size_t w = 0; w < count; w++)
		for (uint32_t i = 1; i < words[w].length; i++)
			n += words[w].symbols[i - 1] == left && words[w].symbols[i] == right ?
				     words[w].count :
				     0;
	return n;
}

/* The pair that occurs most, of equals the lowest; 0 when there is none. */
static uint64_t best_pair(const elm__pair_word *words, size_t count, uint32_t *left,
			  uint32_t *right)
{
	uint64_t best = 0;

	for (size_t w = 0; w < count; w++) {
		for (uint32_t i = 1; i < words[w].length; i++) {
			uint32_t l = words[w].symbols[i - 1], r = words[w].symbols[i];
			uint64_t n = count_pair(words, count, l, r);

			if (n > best || (n == best && (l < *left || (l == *left && r < *right)))) {
				best = n;
				*left = l;
				*right = r;
			}
		}
	}
	return best;
}

static void counts_stay_right(void **state)
{
	enum { WORDS = 40, LENGTH = 24 };
	static uint32_t symbols[WORDS][LENGTH];
	elm__pair_word words[WORDS];
	elm__random random;

	for (uint64_t seed = 1; seed <= 12; seed++) {
		elm__pair_counts pairs;
		uint32_t symbol = 256, left, right, want_left = 0, want_right = 0;

		elm__random_seed(&random, seed);
		for (size_t w = 0; w < WORDS; w++) {
			words[w] =
				(elm__pair_word){ symbols[w],
						  1 + (uint32_t)(elm__random_u64(&random) % LENGTH),
						  1 + elm__random_u64(&random) % 3 };
			/* Two or three letters, so that pairs overlap themselves. */
			for (uint32_t i = 0; i < words[w].length; i++)
				symbols[w][i] =
					'a' + (uint32_t)(elm__random_u64(&random) % (2 + seed % 2));
		}
		assert_int_equal(elm__pair_counts_init(&pairs, words, WORDS, NULL), ELM_OK);
		while (best_pair(words, WORDS, &want_left, &want_right)) {
			assert_int_equal(elm__pair_counts_join(&pairs, symbol++, &left, &right,
							       NULL),
					 ELM_OK);
			assert_int_equal(left, want_left);
			assert_int_equal(right, want_right);
			assert_int_equal(count_pair(words, WORDS, left, right), 0);
		}
		assert_int_equal(elm__pair_counts_join(&pairs, symbol, &left, &right, NULL),
				 ELM_ERR_NOT_FOUND);
		elm__pair_counts_release(&pairs);
	}
}

static void plans_that_cannot_be_met(void **state)
{
	elm__vocab_plan plan = plan_of(258, 0);
	elm__vocab_trainer *trainer;
	elm_error error = { 0 };

	assert_int_equal(elm__vocab_trainer_create(&plan, &trainer, &error), ELM_ERR_ARGUMENT);
	assert_contains(error.text, "258");
	plan = plan_of(300, 50);
	assert_int_equal(elm__vocab_trainer_create(&plan, &trainer, &error), ELM_ERR_ARGUMENT);
	plan = plan_of(300, 0);
	plan.eos = "<call>";
	assert_int_equal(elm__vocab_trainer_create(&plan, &trainer, &error), ELM_ERR_ARGUMENT);
	assert_contains(error.text, "none of the control tokens");
	plan = plan_of(300, 0);
	plan.defined = control;
	assert_int_equal(elm__vocab_trainer_create(&plan, &trainer, &error), ELM_ERR_ARGUMENT);
	assert_contains(error.text, "twice");
	plan = plan_of(300, 0);
	plan.pre = "nothing";
	assert_int_equal(elm__vocab_trainer_create(&plan, &trainer, &error), ELM_ERR_UNSUPPORTED);
	assert_null(trainer);
}

static elm_status learn_a_little(void *user, elm_error *error)
{
	elm__vocab_plan plan = plan_of(270, 4);
	uint32_t size;

	return learn(&plan, "the cat the dog the <call> cats", temp_path("little.gguf"), &size,
		     error);
}

static void memory_runs_out(void **state)
{
	assert_true(fail_each_allocation(learn_a_little, NULL) > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_most_frequent_pairs_are_joined),
		cmocka_unit_test(a_text_that_is_used_up),
		cmocka_unit_test(spaces_are_joined_last),
		cmocka_unit_test(all_bytes_have_their_letter),
		cmocka_unit_test(counts_stay_right),
		cmocka_unit_test(plans_that_cannot_be_met),
		cmocka_unit_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

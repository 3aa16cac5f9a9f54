/* Training around the passes: text, the order of it, rates, the optimiser, checkpoints. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/training.h"
#include "cpu/cpu.h"
#include "support.h"
#include "tiny_model.h"
#include "train/teacher.h"

static elm_gguf *file; /* a vocabulary, and a model */
static elm_tokenizer *tokenizer;

static int open_file(void **state)
{
	tiny_model tiny = { .seed = 9, .context = 32 };

	(void)state;
	tiny_model_write(&tiny, temp_path("train.gguf"));
	assert_int_equal(elm_gguf_open(temp_path("train.gguf"), &file, NULL), ELM_OK);
	assert_int_equal(elm_tokenizer_create(file, &tokenizer, NULL), ELM_OK);
	return 0;
}

static int close_file(void **state)
{
	(void)state;
	elm_tokenizer_free(tokenizer);
	elm_gguf_close(file);
	return 0;
}

/* --- text --- */

static elm__corpus records(const char *lines)
{
	elm__corpus c;
	elm_error error = { 0 };

	elm__corpus_init(&c);
	if (elm__corpus_add_records(&c, tokenizer, "test", lines, strlen(lines), &error))
		fail_msg("%s", error.text);
	return c;
}

/* Tokens of the vocabulary: <s> 1, </s> 2, the blank 259, a to z from 260. */
static void expect_document(const elm__corpus *c, size_t document, const char *text,
			    const char *marks)
{
	size_t start = c->starts[document], n = c->starts[document + 1] - start;

	assert_int_equal(n, strlen(text));
	assert_int_equal(n, strlen(marks));
	for (size_t i = 0; i < n; i++) {
		elm_token want = text[i] == '<' ? 1 :
				 text[i] == '>' ? 2 :
				 text[i] == '_' ? 259 :
						  260 + text[i] - 'a';

		assert_int_equal(c->tokens[start + i], want);
		assert_int_equal(c->trained[start + i], marks[i] == '1');
	}
}

static void documents(void **state)
{
	elm__corpus c = records(
		"{\"prompt\": \"ab\", \"answer\": \" cd\"}\n\n \r\n{\"text\": \"x\"}\n"
		"{\"segments\": [{\"text\": \"a\", \"train\": true}, {\"text\": \"b\"}, {\"text\": "
		"\"\", \"train\": true}, {\"text\": \"c\", \"train\": false}]}\n"
		"{\"text\": \"\"}\n{\"text\": \"<s>q</s>\"}");

	(void)state;
	assert_int_equal(c.documents, 4); /* one is empty */
	expect_document(&c, 0, "<_ab_cd>", "00001111");
	expect_document(&c, 1, "<_x>", "0111");
	expect_document(&c, 2, "<_abc>", "011000");
	/* BOS and EOS that are spelled out are not doubled. */
	assert_int_equal(c.tokens[c.starts[3]], 1);
	assert_int_not_equal(c.tokens[c.starts[3] + 1], 1);
	assert_int_equal(c.tokens[c.count - 1], 2);
	assert_int_not_equal(c.tokens[c.count - 2], 2);
	elm__corpus_release(&c);
}

static void hashes_tell_text_apart(void **state)
{
	static const char *const texts[] = { "{\"prompt\": \"ab\", \"answer\": \"cd\"}",
					     "{\"text\": \"abcd\"}",
					     "{\"text\": \"ab\"}\n{\"text\": \"cd\"}",
					     "{\"text\": \"cd\"}\n{\"text\": \"ab\"}" };
	uint64_t hash[4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		elm__corpus c = records(texts[i]);

		hash[i] = elm__corpus_hash(&c);
		for (int j = 0; j < i; j++)
			assert_true(hash[i] != hash[j]);
		elm__corpus_release(&c);
	}
}

/* A text of n letters and some records. */
static elm__corpus some_text(size_t n)
{
	elm__corpus c =
		records("{\"prompt\": \"abc\", \"answer\": \"def\"}\n{\"text\": \"xyz\"}\n");
	char *text = malloc(n);

	assert_non_null(text);
	for (size_t i = 0; i < n; i++)
		text[i] = (char)('a' + i * 7 % 26);
	assert_int_equal(elm__corpus_add_text(&c, tokenizer, text, n, NULL), ELM_OK);
	free(text);
	return c;
}

/* In each epoch every trained token, but the first of a document, is a target once. */
static void an_epoch_sees_everything_once(void **state)
{
	elm__corpus c = some_text(500);
	uint8_t *seen = calloc(c.count, 1);
	size_t cuts[3] = { 0 };
	elm__feed feed;

	(void)state;
	assert_non_null(seen);
	assert_int_equal(elm__feed_init(&feed, &c, 16, 3, NULL), ELM_OK);
	for (uint64_t epoch = 0; epoch < 3; epoch++) {
		size_t targets = 0;

		memset(seen, 0, c.count);
		do {
			elm__window w = elm__feed_next(&feed);
			uint32_t count = 0;

			assert_int_equal(feed.epoch, epoch);
			assert_in_range(w.tokens, 2, 17);
			assert_true(w.start + w.tokens <= c.count);
			for (size_t i = w.start + 1; i < w.start + w.tokens; i++) {
				assert_false(seen[i]++);
				count += c.trained[i];
			}
			assert_int_equal(count, w.targets);
			targets += count;
			cuts[epoch] = cuts[epoch] * 31 + w.start;
		} while (feed.next < feed.count);
		for (size_t d = 0; d < c.documents; d++)
			for (size_t i = c.starts[d] + 1; i < c.starts[d + 1]; i++)
				targets -= c.trained[i];
		assert_int_equal(targets, 0);
	}
	assert_true(cuts[0] != cuts[1] && cuts[1] != cuts[2]);
	elm__feed_release(&feed);
	free(seen);
	elm__corpus_release(&c);
}

static void a_feed_goes_on_where_it_was(void **state)
{
	elm__corpus c = some_text(500);
	elm__feed a, b;

	(void)state;
	assert_int_equal(elm__feed_init(&a, &c, 16, 3, NULL), ELM_OK);
	assert_int_equal(elm__feed_init(&b, &c, 16, 3, NULL), ELM_OK);
	for (int i = 0; i < 50; i++)
		elm__feed_next(&a);
	assert_true(elm__feed_seek(&b, a.epoch, a.next));
	for (int i = 0; i < 100; i++) {
		elm__window x = elm__feed_next(&a), y = elm__feed_next(&b);

		assert_memory_equal(&x, &y, sizeof(x));
	}
	assert_false(elm__feed_seek(&b, 1, b.count + 1));
	elm__feed_release(&a);
	elm__feed_release(&b);
	elm__corpus_release(&c);
}

static void nothing_to_train_on(void **state)
{
	elm__corpus c = records("{\"segments\": [{\"text\": \"abc\"}]}");
	elm_error error = { 0 };
	elm__feed feed;

	(void)state;
	assert_int_equal(elm__feed_init(&feed, &c, 16, 3, &error), ELM_ERR_ARGUMENT);
	assert_contains(error.text, "nothing to train on");
	elm__corpus_release(&c);
}

/* --- rates and steps --- */

static void the_rate_rises_and_falls(void **state)
{
	elm__schedule s = { .peak = 2, .low = 0.5, .warmup = 4, .steps = 14 };

	(void)state;
	assert_float_equal(elm__schedule_rate(&s, 0), 0.5, 1e-12);
	assert_float_equal(elm__schedule_rate(&s, 3), 2, 1e-12);
	assert_float_equal(elm__schedule_rate(&s, 4), 2, 1e-12);
	assert_float_equal(elm__schedule_rate(&s, 9), 1.25, 1e-12);
	assert_float_equal(elm__schedule_rate(&s, 14), 0.5, 1e-12);
	assert_float_equal(elm__schedule_rate(&s, 1000), 0.5, 1e-12);
	for (uint64_t i = 4; i < 14; i++)
		assert_true(elm__schedule_rate(&s, i + 1) < elm__schedule_rate(&s, i));
	s = (elm__schedule){ .peak = 1, .low = 0, .warmup = 0, .steps = 1 };
	assert_float_equal(elm__schedule_rate(&s, 0), 1, 1e-12);
}

/* Against AdamW written out for one weight; matrices shrink, vectors do not; the gradient is
 * scaled down to the length of the clip. */
static void steps_of_the_optimizer(void **state)
{
	enum { MATRIX = 5000, ALL = 9000 };
	elm__params params = { .matrices = MATRIX, .floats = ALL };
	float *w = calloc(ALL, sizeof(float)), *g = calloc(ALL, sizeof(float));
	elm__optimizer o = {
		.beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .decay = 0.1, .clip = 1
	};
	double partial[3], length, want[2] = { 2, 2 }, mean = 0, square = 0;
	elm__kernels kernels;
	elm__pool *pool;

	(void)state;
	assert_int_equal(elm__optimizer_partials(&params), 3);
	o.mean = calloc(ALL, sizeof(float));
	o.square = calloc(ALL, sizeof(float));
	o.partial = partial;
	assert_true(w && g && o.mean && o.square);
	elm__kernels_init(&kernels, elm__cpu_detect());
	assert_int_equal(elm__pool_create(3, NULL, &pool, NULL), ELM_OK);
	w[7] = w[MATRIX + 1] = 2;
	for (int step = 1; step <= 5; step++) {
		double slope = 3.0 / sqrt(2 * 9.0 + 16.0); /* clipped */

		g[7] = g[MATRIX + 1] = 3;
		g[ALL - 1] = 4;
		assert_int_equal(elm__optimizer_step(&o, &params, &kernels, pool, 0.01, w, g,
						     &length, NULL),
				 ELM_OK);
		assert_float_equal(length, sqrt(34), 1e-6);
		mean = 0.9 * mean + 0.1 * slope;
		square = 0.95 * square + 0.05 * slope * slope;
		for (int i = 0; i < 2; i++)
			want[i] -= 0.01 * (mean / (1 - pow(0.9, step)) /
						   (sqrt(square / (1 - pow(0.95, step))) + 1e-8) +
					   (i ? 0 : 0.1 * want[i]));
		assert_float_equal((double)w[7], want[0], 1e-5);
		assert_float_equal((double)w[MATRIX + 1], want[1], 1e-5);
		for (int i = 0; i < ALL; i++)
			assert_true(g[i] == 0);
	}
	g[3] = NAN;
	assert_int_equal(elm__optimizer_step(&o, &params, &kernels, pool, 0.01, w, g, &length,
					     NULL),
			 ELM_ERR_LIMIT);
	assert_int_equal(o.steps, 5);
	assert_float_equal((double)w[7], want[0], 1e-5);
	elm__pool_free(pool);
	free(w);
	free(g);
	free(o.mean);
	free(o.square);
}

/* --- the whole --- */

static elm__train_options small_options(void)
{
	elm__train_options options = elm__train_defaults();

	options.batch = 64;
	options.rows = 32;
	options.steps = 4;
	options.threads = 1;
	options.warmup = 1;
	return options;
}

static elm_status train_and_save(void *user, elm_error *error)
{
	const elm__corpus *c = user;
	elm__train_options options = small_options();
	elm__train_source source = { .file = file };
	elm__train_report report;
	elm_gguf *checkpoint = NULL;
	elm__trainer *t = NULL;
	elm_status status = elm__trainer_create(&source, &options, c, &t, error);

	if (!status)
		status = elm__trainer_step(t, &report, error);
	if (!status)
		status = elm__trainer_save(t, temp_path("a.checkpoint"), error);
	if (!status)
		status = elm__checkpoint_open(temp_path("a.checkpoint"), &checkpoint, error);
	if (!status)
		status = elm__trainer_restore(t, checkpoint, error);
	if (!status)
		status = elm__trainer_export(t, temp_path("a.gguf"), ELM_TYPE_F16, error);
	elm_gguf_close(checkpoint);
	elm__trainer_free(t);
	return status;
}

static elm_status read_text(void *user, elm_error *error)
{
	const char *lines = "{\"prompt\": \"abc\", \"answer\": \"def\"}\n{\"text\": \"xyz\"}\n";
	elm__corpus c;
	elm__feed feed;
	elm_status status;

	(void)user;
	elm__corpus_init(&c);
	status = elm__corpus_add_records(&c, tokenizer, "test", lines, strlen(lines), error);
	if (!status)
		status = elm__corpus_add_text(&c, tokenizer, "abc", 3, error);
	if (!status)
		status = elm__feed_init(&feed, &c, 8, 1, error);
	if (!status)
		elm__feed_release(&feed);
	elm__corpus_release(&c);
	return status;
}

static void every_allocation_may_fail(void **state)
{
	elm__corpus c = some_text(200);

	(void)state;
	fail_each_allocation(train_and_save, &c);
	fail_each_allocation(read_text, NULL);
	elm__corpus_release(&c);
}

/* Training goes on from a checkpoint of another trainer as that one would have gone on. */
static void restored_trainers_go_on(void **state)
{
	elm__corpus c = some_text(400);
	elm__train_options options = small_options();
	elm__train_source source = { .file = file };
	elm__train_report a, b;
	elm_gguf *checkpoint;
	elm__trainer *first, *second;

	(void)state;
	assert_int_equal(elm__trainer_create(&source, &options, &c, &first, NULL), ELM_OK);
	for (int i = 0; i < 3; i++)
		assert_int_equal(elm__trainer_step(first, &a, NULL), ELM_OK);
	assert_int_equal(elm__trainer_save(first, temp_path("b.checkpoint"), NULL), ELM_OK);
	assert_int_equal(elm__checkpoint_open(temp_path("b.checkpoint"), &checkpoint, NULL),
			 ELM_OK);
	source.file = checkpoint;
	options.threads = 3;
	assert_int_equal(elm__trainer_create(&source, &options, &c, &second, NULL), ELM_OK);
	assert_int_equal(elm__trainer_restore(second, checkpoint, NULL), ELM_OK);
	assert_int_equal(elm__trainer_steps_done(second), 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(elm__trainer_step(first, &a, NULL), ELM_OK);
		assert_int_equal(elm__trainer_step(second, &b, NULL), ELM_OK);
		assert_memory_equal(&a, &b, sizeof(a));
	}
	elm__trainer_free(first);
	elm__trainer_free(second);
	elm_gguf_close(checkpoint);
	elm__corpus_release(&c);
}

static void weights_must_be_numbers(void **state)
{
	elm__corpus c = some_text(100);
	elm__train_options options = small_options();
	elm_error error = { 0 };
	elm__buf bytes = ELM__BUF_INIT;
	elm__train_source source = { 0 };
	elm__trainer *t;
	elm_gguf *spoiled;
	const float nan = NAN;
	void *aligned;

	(void)state;
	read_whole(temp_path("train.gguf"), &bytes);
	memcpy(bytes.data + bytes.length - sizeof(nan), &nan, sizeof(nan));
	aligned = aligned_alloc(64, (bytes.length + 63) / 64 * 64);
	assert_non_null(aligned);
	memcpy(aligned, bytes.data, bytes.length);
	assert_int_equal(elm_gguf_open_memory("spoiled", aligned, bytes.length, &spoiled, NULL),
			 ELM_OK);
	source.file = spoiled;
	assert_int_equal(elm__trainer_create(&source, &options, &c, &t, &error), ELM_ERR_FORMAT);
	assert_contains(error.text, "NaN or infinite");
	elm_gguf_close(spoiled);
	free(aligned);
	elm__buf_release(&bytes);
	elm__corpus_release(&c);
}

/* The program's defaults are the library's. */
static void defaults_agree(void **state)
{
	const cli_training_settings cli = CLI_TRAINING_DEFAULTS;
	elm__train_options lib = elm__train_defaults();

	(void)state;
	assert_int_equal(cli.batch, lib.batch);
	assert_int_equal(cli.warmup, lib.warmup);
	assert_int_equal(cli.seed, lib.seed);
	assert_true(cli.epochs == lib.epochs && cli.rate == lib.rate &&
		    cli.low_rate == lib.low_rate && cli.decay == lib.decay &&
		    cli.clip == lib.clip && cli.beta1 == lib.beta1 && cli.beta2 == lib.beta2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents),
		cmocka_unit_test(hashes_tell_text_apart),
		cmocka_unit_test(an_epoch_sees_everything_once),
		cmocka_unit_test(a_feed_goes_on_where_it_was),
		cmocka_unit_test(nothing_to_train_on),
		cmocka_unit_test(the_rate_rises_and_falls),
		cmocka_unit_test(steps_of_the_optimizer),
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(restored_trainers_go_on),
		cmocka_unit_test(weights_must_be_numbers),
		cmocka_unit_test(defaults_agree),
	};

	return cmocka_run_group_tests_name("train", tests, open_file, close_file);
}

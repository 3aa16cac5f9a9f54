/* Evaluation: files of logits, good and hostile; distances between logits; perplexity. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "bytes.h"
#include "eval/logits.h"
#include "eval/metrics.h"
#include "eval/perplexity.h"
#include "support.h"
#include "tiny_model.h"

static elm_model *model;

static int open_model(void **state)
{
	tiny_model tiny = { .seed = 9 };
	elm_error error = { 0 };

	(void)state;
	tiny_model_write(&tiny, temp_path("eval.gguf"));
	if (elm_model_open(temp_path("eval.gguf"), NULL, &model, &error) != ELM_OK)
		fail_msg("%s", error.text);
	return 0;
}

static int close_model(void **state)
{
	(void)state;
	elm_model_close(model);
	return 0;
}

static elm_session *start(uint32_t context, uint32_t batch)
{
	elm_session_options options = elm_session_defaults();
	elm_session *session;

	options.context = context;
	options.batch = options.max_logits = batch;
	options.kv_type = ELM_TYPE_F32;
	options.threads = 1;
	assert_int_equal(elm_session_create(model, &options, &session, NULL), ELM_OK);
	return session;
}

static void files_good_and_hostile(void **state)
{
	static const struct {
		const char *bytes, *what; /* NULL: it opens */
	} cases[] = {
		{ "4:2 4:5 4:0 4:4", NULL },
		{ "4:2 4:5 4:0 4:4 z:40", NULL },
		{ "", "too few" },
		{ "4:2 2:5", "too few" },
		{ "4:0 4:5", "0 tokens" },
		{ "4:2 4:0 4:0 4:4", "vocabulary of 0" },
		{ "4:2 4:5 4:0", "the file has 12" },
		{ "4:2 4:5 4:0 4:4 1:0", "the file has 17" },
		{ "4:2 4:5 4:0 4:4 z:39", "need 16 bytes, or 56 with logits" },
		{ "4:2 4:5 4:0 4:4 z:41", "the file has 57" },
		{ "4:2 4:5 4:0 4:5", "token 1 is 5" },
		{ "4:2 4:5 4:-1 4:4", "token 0 is -1" },
		{ "4:-1 4:-1 4:0 4:4", "the file has 16" },
		{ "4:-1 4:1 4:0 4:4", "the file has 16" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		elm__buf bytes = ELM__BUF_INIT;
		elm__logits_file file;
		elm_error error = { 0 };
		const char *path = temp_path("logits.bin");

		bytes_from_text(&bytes, cases[i].bytes);
		assert_int_equal(elm__file_replace(path, elm__buf_text(&bytes), bytes.length, NULL),
				 ELM_OK);
		elm__buf_release(&bytes);
		if (!cases[i].what) {
			assert_int_equal(elm__logits_open(&file, path, &error), ELM_OK);
			assert_true(file.rows == 2 && file.vocabulary == 5 && file.tokens[1] == 4);
			assert_true(i ? file.logits && file.logits[9] == 0 : !file.logits);
			elm__logits_close(&file);
			continue;
		}
		assert_int_equal(elm__logits_open(&file, path, &error), ELM_ERR_FORMAT);
		assert_contains(error.text, cases[i].what);
		assert_contains(error.text, "logits.bin");
	}
}

typedef struct kept {
	float *rows;
	uint32_t next;
} kept;

static elm_status keep(void *user, uint32_t row, const float *logits, elm_error *error)
{
	kept *k = user;

	assert_int_equal(row, k->next++);
	memcpy(k->rows + (size_t)row * TINY_VOCABULARY, logits, TINY_VOCABULARY * sizeof(float));
	return row == 1000 ? elm_error_set(error, ELM_ERR_IO, "full") : ELM_OK;
}

static void rows_do_not_depend_on_the_step(void **state)
{
	enum { ROWS = 37 };
	elm_token tokens[ROWS];
	kept whole = { .rows = malloc(ROWS * TINY_VOCABULARY * sizeof(float)) };
	kept parts = { .rows = malloc(ROWS * TINY_VOCABULARY * sizeof(float)) };
	elm_session *session = start(64, 64);

	(void)state;
	for (int i = 0; i < ROWS; i++)
		tokens[i] = (i * 31 + 7) % TINY_VOCABULARY;
	assert_int_equal(elm__logits_compute(session, tokens, ROWS, 64, keep, &whole, NULL),
			 ELM_OK);
	assert_int_equal(whole.next, ROWS);
	for (uint32_t step = 1; step < ROWS; step += 9) {
		elm__logit_metrics m = { 0 };

		parts.next = 0;
		assert_int_equal(elm__logits_compute(session, tokens, ROWS, step, keep, &parts,
						     NULL),
				 ELM_OK);
		for (int i = 0; i < ROWS; i++)
			elm__logit_metrics_add(&m, whole.rows + i * TINY_VOCABULARY,
					       parts.rows + i * TINY_VOCABULARY, TINY_VOCABULARY);
		if (!(elm__logit_nmse(&m) < 1e-7))
			fail_msg("step %u: NMSE %.2e", step, elm__logit_nmse(&m));
		assert_int_equal(m.agreeing, ROWS);
	}
	elm_session_free(session);
	free(whole.rows);
	free(parts.rows);
}

static elm_status refuse(void *user, uint32_t row, const float *logits, elm_error *error)
{
	(void)logits;
	++*(int *)user;
	return row == 2 ? elm_error_set(error, ELM_ERR_IO, "no room") : ELM_OK;
}

static void the_first_failure_ends_it(void **state)
{
	elm_token tokens[8] = { 1, 2, 3, 4, 5, 6, 7, TINY_VOCABULARY };
	elm_session *session = start(64, 4);
	elm_error error = { 0 };
	int calls = 0;

	(void)state;
	assert_int_equal(elm__logits_compute(session, tokens, 7, 4, refuse, &calls, &error),
			 ELM_ERR_IO);
	assert_string_equal(error.text, "no room");
	assert_int_equal(calls, 3);
	assert_int_equal(elm__logits_compute(session, tokens, 8, 8, refuse, &calls, &error),
			 ELM_ERR_ARGUMENT); /* more rows than the session was made for */
	elm_session_free(session);
}

static void distances(void **state)
{
	static const float truth[] = { 1, 2, 3, 0 }, near[] = { 1, 2, 4, 0 };
	static const float broken[] = { 1, 2, NAN, 0 }, shifted[] = { 6, 7, 8, 5 };
	elm__logit_metrics m = { 0 };
	double p[4], q[4], zp = 0, zq = 0, expected = 0;

	(void)state;
	assert_true(elm__logit_nmse(&m) == 0 && elm__logit_divergence(&m) == 0);
	elm__logit_metrics_add(&m, truth, near, 4);
	assert_true(fabs(elm__logit_nmse(&m) - 1.0 / 14) < 1e-15);
	for (int i = 0; i < 4; i++) {
		zp += p[i] = exp((double)truth[i]);
		zq += q[i] = exp((double)near[i]);
	}
	for (int i = 0; i < 4; i++)
		expected += p[i] / zp * log(p[i] / zp / (q[i] / zq));
	assert_true(fabs(elm__logit_divergence(&m) - expected) < 1e-12);
	assert_true(m.worst_divergence == m.divergence && m.agreeing == 1);

	/* The same added to all logits changes nothing but the error. */
	elm__logit_metrics_add(&m, truth, shifted, 4);
	assert_true(fabs(elm__logit_divergence(&m) - expected / 2) < 1e-12);
	assert_true(fabs(elm__logit_nmse(&m) - 101.0 / 28) < 1e-12);
	assert_true(m.rows == 2 && m.agreeing == 2);

	elm__logit_metrics_add(&m, truth, broken, 4);
	assert_true(isnan(elm__logit_nmse(&m)) && isnan(elm__logit_divergence(&m)) &&
		    isnan(m.worst_divergence));

	memset(&m, 0, sizeof(m));
	elm__logit_metrics_add(&m, near, (const float[]){ 4, 2, 3, 0 }, 4);
	assert_int_equal(m.agreeing, 0);
}

/* The same by hand: every window computed whole, probabilities by the definition. */
static void perplexity_by_hand(void **state)
{
	enum { WINDOW = 24, TOKENS = 3 * WINDOW + 5 };
	elm_token tokens[TOKENS], window[WINDOW];
	double sum = 0, squares = 0;
	size_t scored = 0;
	elm_session *session = start(WINDOW, WINDOW);
	kept rows = { .rows = malloc(WINDOW * TINY_VOCABULARY * sizeof(float)) };
	elm__perplexity p;
	elm_error error = { 0 };

	(void)state;
	for (int i = 0; i < TOKENS; i++)
		tokens[i] = (i * i * 5 + 3 * i + 11) % TINY_VOCABULARY;
	for (int w = 0; w < 3; w++) {
		memcpy(window, tokens + w * WINDOW, sizeof(window));
		window[0] = elm_tokenizer_bos(elm_model_tokenizer(model));
		rows.next = 0;
		assert_int_equal(elm__logits_compute(session, window, WINDOW, WINDOW, keep, &rows,
						     NULL),
				 ELM_OK);
		for (int i = WINDOW / 2; i < WINDOW - 1; i++) {
			const float *logits = rows.rows + i * TINY_VOCABULARY;
			double z = 0, nll;

			for (int j = 0; j < TINY_VOCABULARY; j++)
				z += exp((double)logits[j]);
			nll = log(z) - (double)logits[window[i + 1]];
			sum += nll;
			squares += nll * nll;
			scored++;
		}
	}
	elm_session_free(session);
	free(rows.rows);

	session = start(WINDOW, 7); /* a step that does not divide the window */
	assert_int_equal(elm__perplexity_init(&p, session, tokens, TOKENS, WINDOW, &error), ELM_OK);
	assert_int_equal(p.windows, 3);
	while (p.done < p.windows)
		assert_int_equal(elm__perplexity_next(&p, &error), ELM_OK);
	assert_int_equal(p.scored, scored);
	assert_true(fabs(elm__perplexity_value(&p) / exp(sum / (double)scored) - 1) < 1e-5);
	sum /= (double)scored;
	assert_true(fabs(elm__perplexity_error(&p) /
				 (exp(sum) * sqrt((squares / (double)scored - sum * sum) /
						  (double)(scored - 1))) -
			 1) < 1e-4);
	elm__perplexity_release(&p);

	assert_int_equal(elm__perplexity_init(&p, session, tokens, WINDOW - 1, WINDOW, &error),
			 ELM_ERR_ARGUMENT);
	assert_contains(error.text, "less than one window");
	assert_int_equal(elm__perplexity_init(&p, session, tokens, TOKENS, 3, &error),
			 ELM_ERR_ARGUMENT);
	assert_contains(error.text, "too short");
	elm_session_free(session);
}

/* Documents, of which marked tokens are scored: the same as a window that begins with them. */
static void marked_documents(void **state)
{
	enum { WINDOW = 12 };
	const size_t starts[] = { 0, 5, 7, 7, 40 };
	elm_token tokens[40];
	uint8_t marks[40] = { [0] = 1, [3] = 1, [4] = 1, [5] = 1, [9] = 2, [18] = 1, [30] = 1 };
	elm__marked_text text = { tokens, marks, starts, 4 };
	kept rows = { .rows = malloc(WINDOW * TINY_VOCABULARY * sizeof(float)) };
	elm_session *session = start(WINDOW, WINDOW);
	elm__perplexity p;
	elm_error error = { 0 };
	double sum = 0;

	(void)state;
	for (int i = 0; i < 40; i++)
		tokens[i] = (i * i * 5 + 3 * i + 11) % TINY_VOCABULARY;
	for (int d = 0; d < 4; d += 3) { /* tokens 3 and 4, then 9 and 18; 30 is too far */
		rows.next = 0;
		assert_int_equal(elm__logits_compute(session, tokens + starts[d], d ? WINDOW : 5,
						     WINDOW, keep, &rows, NULL),
				 ELM_OK);
		for (int i = d ? 9 : 3; i <= (d ? 18 : 4); i += d ? 9 : 1) {
			const float *logits =
				rows.rows + (size_t)(i - 1 - (int)starts[d]) * TINY_VOCABULARY;
			double z = 0;

			for (int j = 0; j < TINY_VOCABULARY; j++)
				z += exp((double)logits[j]);
			sum += log(z) - (double)logits[tokens[i]];
		}
	}
	assert_int_equal(elm__perplexity_init_marked(&p, session, &text, WINDOW, &error), ELM_OK);
	assert_int_equal(p.windows, 2);
	assert_int_equal(elm__perplexity_scores(&p, 1), 2);
	assert_int_equal(elm__perplexity_scores(&p, 2), 4);
	assert_int_equal(elm__perplexity_rows(&p), 2);
	while (p.done < p.windows)
		assert_int_equal(elm__perplexity_next(&p, &error), ELM_OK);
	assert_int_equal(p.scored, 4);
	assert_true(fabs(elm__perplexity_value(&p) / exp(sum / 4) - 1) < 1e-5);
	elm__perplexity_release(&p);
	text.documents = 0;
	assert_int_equal(elm__perplexity_init_marked(&p, session, &text, WINDOW, &error),
			 ELM_ERR_ARGUMENT);
	assert_contains(error.text, "no token that is to be scored");
	elm_session_free(session);
	free(rows.rows);
}

static void a_cancelled_window_does_not_count(void **state)
{
	elm_token tokens[32] = { 0 };
	elm_session *session = start(16, 4);
	volatile int cancel = 0;
	elm__perplexity p;
	double value;

	(void)state;
	assert_int_equal(elm__perplexity_init(&p, session, tokens, 32, 16, NULL), ELM_OK);
	assert_int_equal(elm__perplexity_next(&p, NULL), ELM_OK);
	value = elm__perplexity_value(&p);
	cancel = 1;
	elm_session_set_cancel(session, &cancel);
	assert_int_equal(elm__perplexity_next(&p, NULL), ELM_ERR_CANCELLED);
	assert_int_equal(p.done, 1);
	assert_true(elm__perplexity_value(&p) == value);
	elm__perplexity_release(&p);
	elm_session_free(session);
}

static elm_status evaluate(void *user, elm_error *error)
{
	elm_token tokens[16] = { 0 };
	elm__perplexity p;
	int calls = 0;
	elm_status status = elm__perplexity_init(&p, user, tokens, 16, 16, error);

	if (status)
		return status;
	elm__perplexity_release(&p);
	return elm__logits_compute(user, tokens, 2, 2, refuse, &calls, error);
}

static void every_allocation_may_fail(void **state)
{
	elm_session *session = start(16, 16);

	(void)state;
	assert_int_equal(fail_each_allocation(evaluate, session), 3);
	elm_session_free(session);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_good_and_hostile),
		cmocka_unit_test(rows_do_not_depend_on_the_step),
		cmocka_unit_test(the_first_failure_ends_it),
		cmocka_unit_test(distances),
		cmocka_unit_test(perplexity_by_hand),
		cmocka_unit_test(marked_documents),
		cmocka_unit_test(a_cancelled_window_does_not_count),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests_name("eval", tests, open_model, close_model);
}

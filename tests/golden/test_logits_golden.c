/*
 * Logits of every golden model against the exact ones: as near as another engine's are, whether
 * computed in one batch, token by token, or with another sequence in between.
 */
#include <edgelm/session.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "eval/logits.h"
#include "eval/metrics.h"
#include "support.h"

/* Rows are compared with this file as they come. */
typedef struct comparison {
	const elm__logits_file *truth;
	elm__logit_metrics metrics;
} comparison;

static elm_status compare_row(void *user, uint32_t row, const float *logits, elm_error *error)
{
	comparison *c = user;

	(void)error;
	elm__logit_metrics_add(&c->metrics, c->truth->logits + (size_t)row * c->truth->vocabulary,
			       logits, c->truth->vocabulary);
	return ELM_OK;
}

static double nmse_of_file(const elm__logits_file *truth, const elm__logits_file *other)
{
	comparison c = { .truth = truth };

	assert_true(other->logits && other->rows == truth->rows &&
		    other->vocabulary == truth->vocabulary);
	for (uint32_t i = 0; i < truth->rows; i++)
		(void)!compare_row(&c, i, other->logits + (size_t)i * other->vocabulary, NULL);
	return elm__logit_nmse(&c.metrics);
}

static elm_session *start(elm_model *model, uint32_t rows, uint32_t sequences)
{
	elm_session_options options = elm_session_defaults();
	elm_error error = { 0 };
	elm_session *session;

	options.context = sequences * ((rows + 31) / 32 * 32);
	options.max_sequences = sequences;
	options.max_logits = options.batch = rows * sequences;
	options.threads = 2;
	if (elm_session_create(model, &options, &session, &error) != ELM_OK)
		fail_msg("%s", error.text);
	return session;
}

static double nmse_in_steps(elm_model *model, const elm__logits_file *truth, uint32_t step)
{
	elm_session *session = start(model, truth->rows, 1);
	comparison c = { .truth = truth };

	assert_int_equal(elm__logits_compute(session, truth->tokens, truth->rows, step, compare_row,
					     &c, NULL),
			 ELM_OK);
	assert_int_equal(c.metrics.rows, truth->rows);
	elm_session_free(session);
	return elm__logit_nmse(&c.metrics);
}

/* Both sequences hold the same tokens; the second is fed in uneven pieces between those of the
 * first. */
static void interleaved(elm_model *model, const elm__logits_file *truth, double nmse[2])
{
	elm_session *session = start(model, truth->rows, 2);
	comparison c[2] = { { .truth = truth }, { .truth = truth } };
	uint32_t at[2] = { 0, 0 }, turn = 0;
	elm_token *tokens = malloc(2 * truth->rows * sizeof(*tokens));
	uint32_t *sequences = malloc(2 * truth->rows * sizeof(*sequences));
	uint8_t *wanted = malloc(2 * truth->rows);

	memset(wanted, 1, 2 * truth->rows);
	for (; at[0] < truth->rows || at[1] < truth->rows; turn++) {
		elm_batch batch = { .tokens = tokens, .sequences = sequences, .logits = wanted };
		uint32_t first[2] = { at[0], at[1] };

		/* In turns of 1 to 3 rows, alternating which sequence comes first. */
		for (uint32_t k = 0; k < 2 * (1 + turn % 3); k++) {
			uint32_t s = (k + turn) % 2;

			if (at[s] == truth->rows ||
			    (s == 1 && turn % 4 == 0 && at[0] < truth->rows))
				continue;
			tokens[batch.rows] = truth->tokens[at[s]++];
			sequences[batch.rows++] = s;
		}
		assert_int_equal(elm_session_step(session, &batch, NULL), ELM_OK);
		for (uint32_t i = 0; i < batch.rows; i++)
			(void)!compare_row(&c[sequences[i]], first[sequences[i]]++,
					   elm_session_logits(session, i), NULL);
	}
	for (int s = 0; s < 2; s++) {
		assert_int_equal(c[s].metrics.rows, truth->rows);
		nmse[s] = elm__logit_nmse(&c[s].metrics);
	}
	free(tokens);
	free(sequences);
	free(wanted);
	elm_session_free(session);
}

static bool has(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

static size_t models_checked;

/* .../models/tiny-NAME.gguf with .../logits/NAME.exact.bin and .llamacpp.bin */
static void check_model(const char *path)
{
	const char *name = strstr(path, "tiny-");
	char file[128], stem[64];
	elm__logits_file truth, other;
	elm_error error = { 0 };
	elm_model *model;
	double bar, nmse[4];

	if (!name)
		return;
	snprintf(stem, sizeof(stem), "%.*s", (int)(strlen(name) - 5 - strlen(".gguf")), name + 5);
	snprintf(file, sizeof(file), "logits/%s.exact.bin", stem);
	if (elm__logits_open(&truth, golden_path(file), &error))
		fail_msg("%s", error.text);
	snprintf(file, sizeof(file), "logits/%s.llamacpp.bin", stem);
	if (elm__logits_open(&other, golden_path(file), &error))
		fail_msg("%s", error.text);
	if (elm_model_open(path, NULL, &model, &error))
		fail_msg("%s", error.text);
	bar = has(stem, "F32") || has(stem, "F16") ? 1e-6 : nmse_of_file(&truth, &other);
	nmse[0] = nmse_in_steps(model, &truth, truth.rows);
	nmse[1] = nmse_in_steps(model, &truth, 1);
	interleaved(model, &truth, nmse + 2);
	printf("%-16s bar %.1e: batch %.1e, token by token %.1e, interleaved %.1e %.1e\n", stem,
	       bar, nmse[0], nmse[1], nmse[2], nmse[3]);
	/* How many rows are computed together decides which kernels do it, and with them how
	 * activations are rounded: each way has to be as good as the peer's. */
	for (int i = 0; i < 4; i++)
		if (!(nmse[i] <= bar))
			fail_msg("%s: NMSE %.2e is above %.2e", stem, nmse[i], bar);
	models_checked++;
	elm_model_close(model);
	elm__logits_close(&other);
	elm__logits_close(&truth);
}

static void every_model(void **state)
{
	(void)state;
	if (!golden_each("models", ".gguf", check_model))
		skip();
	assert_true(models_checked >= 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_model),
	};

	return cmocka_run_group_tests_name("logits_golden", tests, NULL, NULL);
}

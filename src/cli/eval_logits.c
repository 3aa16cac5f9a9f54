/* eval_logits.c: logits of a token sequence, written and compared. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/eval.h"
#include "cli/model_options.h"
#include "eval/logits.h"
#include "eval/metrics.h"

typedef struct settings {
	const char *model, *tokens, *output, *compare;
	bool sequential;
	cli_model_settings engine;
} settings;

#define S settings
static const cli_option arguments[] = {
	{ "MODEL", 0, CLI_FILE(S, model), NULL, "the GGUF file", .required = true },
	{ "TOKENS", 0, CLI_FILE(S, tokens), NULL,
	  "a file of tokens, or of tokens and logits, whose tokens are then used",
	  .required = true },
	{ 0 },
};

static const cli_option eval_options[] = {
	{ "output", 'o', CLI_FILE(S, output), "FILE", "write tokens and logits to this file" },
	{ "compare", 0, CLI_FILE(S, compare), "FILE",
	  "print how far the logits are from those of this file, taken as the truth" },
	{ "sequential", 0, CLI_FLAG(S, sequential), NULL,
	  "one token at a time, as when text is generated" },
	{ 0 },
};
#undef S

static const cli_group groups[] = { { "Options", eval_options, 0 },
				    { "Model", cli_model_options, offsetof(settings, engine) },
				    { 0 } };
static const settings defaults = { .engine = CLI_MODEL_DEFAULTS };

/* What every row of logits goes through. */
typedef struct job {
	const settings *s;
	const cli_context *cli;
	elm__logits_file tokens, reference;
	elm__writer writer;
	elm__logit_metrics metrics;
	cli_progress progress;
} job;

static elm_status each_row(void *user, uint32_t row, const float *logits, elm_error *error)
{
	job *j = user;
	size_t vocabulary = j->tokens.vocabulary;

	if (j->s->compare)
		elm__logit_metrics_add(&j->metrics, j->reference.logits + row * vocabulary, logits,
				       vocabulary);
	cli_progress_update(&j->progress, row + 1, j->tokens.rows, "tokens");
	if (!j->s->output)
		return ELM_OK;
	return elm__logits_write_row(&j->writer, logits, j->tokens.vocabulary, error);
}

static elm_status open_files(job *j, uint32_t vocabulary, elm_error *error)
{
	const settings *s = j->s;
	elm_status status = elm__logits_open(&j->tokens, s->tokens, error);

	if (!status && j->tokens.vocabulary != vocabulary)
		status = elm_error_set(error, ELM_ERR_ARGUMENT,
				       "%s is for a vocabulary of %lu tokens, the model has %lu",
				       s->tokens, (unsigned long)j->tokens.vocabulary,
				       (unsigned long)vocabulary);
	if (!status && s->compare)
		status = elm__logits_open(&j->reference, s->compare, error);
	if (!status && s->compare &&
	    (!j->reference.logits || j->reference.vocabulary != vocabulary ||
	     j->reference.rows != j->tokens.rows ||
	     memcmp(j->reference.tokens, j->tokens.tokens, j->tokens.rows * sizeof(elm_token))))
		status = elm_error_set(error, ELM_ERR_ARGUMENT,
				       "%s does not hold logits of the same tokens as %s",
				       s->compare, s->tokens);
	if (!status && s->output)
		status = elm__writer_open(&j->writer, s->output, error);
	if (!status && s->output)
		status = elm__logits_write_header(&j->writer, &j->tokens, error);
	return status;
}

static elm_status compute(job *j, elm_model *model, elm_error *error)
{
	elm_session_options options = cli_session_options(&j->s->engine);
	uint32_t step = j->s->sequential ? 1 : options.batch ? options.batch : 512;
	elm_session *session;
	elm_status status;

	if (!options.context || options.context > j->tokens.rows)
		options.context = j->tokens.rows;
	step = elm__logits_rows_at_once(model, step);
	options.batch = options.max_logits = step < j->tokens.rows ? step : j->tokens.rows;
	status = elm_session_create(model, &options, &session, error);
	if (status)
		return status;
	elm_session_set_cancel(session, cli_interrupt_watch());
	cli_progress_start(&j->progress, j->cli, "computing logits");
	status = elm__logits_compute(session, j->tokens.tokens, j->tokens.rows, options.batch,
				     each_row, j, error);
	cli_progress_end(&j->progress);
	elm_session_free(session);
	if (!status && j->s->output)
		status = elm__writer_commit(&j->writer, error);
	return status;
}

/* JSON has no NaN: what is not a number is null. */
static json_t *number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static int print_metrics(const cli_context *cli, const elm__logit_metrics *m)
{
	if (cli->json)
		return cli_print_json(
			cli, json_pack("{s:I, s:o, s:o, s:o, s:I}", "tokens", (json_int_t)m->rows,
				       "nmse", number(elm__logit_nmse(m)), "kl_divergence",
				       number(elm__logit_divergence(m)), "kl_divergence_max",
				       number(m->worst_divergence), "top1_agreeing",
				       (json_int_t)m->agreeing));
	printf("NMSE            %.3e\n", elm__logit_nmse(m));
	printf("KL divergence   %.3e nats per token (largest %.3e)\n", elm__logit_divergence(m),
	       m->worst_divergence);
	printf("top-1 agreement %llu of %llu tokens\n", (unsigned long long)m->agreeing,
	       (unsigned long long)m->rows);
	return CLI_DONE;
}

static int run(cli_context *cli)
{
	const settings *s = cli->settings;
	job j = { .s = s, .cli = cli, .writer = { .fd = -1 } };
	elm_error error = { 0 };
	elm_model *model;
	int code = CLI_DONE;

	if (!s->output && !s->compare)
		return cli_usage(cli, "give --output, --compare or both");
	model = cli_open_model(cli, s->model, &s->engine);
	if (!model)
		return CLI_FAILED;
	if (open_files(&j, elm_model_get_info(model)->vocabulary, &error) ||
	    compute(&j, model, &error))
		code = cli_fail_error(cli, &error);
	else if (s->compare)
		code = print_metrics(cli, &j.metrics);
	elm__writer_close(&j.writer);
	elm__logits_close(&j.reference);
	elm__logits_close(&j.tokens);
	elm_model_close(model);
	return code;
}

const cli_command cli_cmd_eval_logits = {
	.name = "logits",
	.summary = "compute, keep and compare the logits of a token sequence",
	.description =
		"Computes what the model says after each token of TOKENS, one sequence from "
		"position 0. Files hold, little-endian: u32 rows, u32 vocabulary, u32 "
		"token[rows], f32 logits[rows][vocabulary].\n\n"
		"The normalised mean squared error is the squared difference over the squares of "
		"the truth; the Kullback-Leibler divergence is that of the probabilities, truth "
		"first; top-1 agreement counts tokens after which both say the same next one.",
	.examples = "edgelm eval logits model.gguf tokens.bin -o logits.bin\n"
		    "edgelm eval logits small.gguf tokens.bin --compare logits.bin",
	.arguments = arguments,
	.groups = groups,
	.settings_size = sizeof(settings),
	.defaults = &defaults,
	.prints_json = true,
	.run = run,
};

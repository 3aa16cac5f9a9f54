/* eval_kld.c: how far the predictions of a model are from those of another. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/eval.h"
#include "cli/model_options.h"
#include "cli/text.h"
#include "eval/base_file.h"
#include "eval/kld.h"
#include "eval/logits.h"

enum { DEFAULT_WINDOW = 512 };

typedef struct settings {
	const char *model, *base, *save, *file;
	int64_t windows;
	int base_kv_type;
	cli_model_settings engine;
} settings;

#define S settings
static const cli_option arguments[] = {
	{ "MODEL", 0, CLI_FILE(S, model), NULL, "the GGUF file", .required = true },
	{ 0 },
};

static const cli_option options[] = {
	{ "base", 0, CLI_FILE(S, base), "FILE",
	  "the truth: another model, or predictions that --save or llama-perplexity has written" },
	{ "save", 0, CLI_FILE(S, save), "FILE",
	  "write the predictions of MODEL, to be the --base of others" },
	{ "file", 'f', CLI_FILE(S, file), "FILE",
	  "the text, plain or records in *.jsonl; standard input when left out; saved predictions "
	  "hold their own" },
	{ "chunks", 0, CLI_INT(S, windows), "N", "use only the first N windows or records",
	  .default_text = "all", .range = { 1, UINT32_MAX } },
	{ "base-kv-type", 0, CLI_CHOICE(S, base_kv_type), "TYPE",
	  "how a base that is a model keeps keys and values", .choices = cli_kv_type_names,
	  .default_text = "as --kv-type" },
	{ 0 },
};
#undef S

static const cli_group groups[] = { { "Options", options, 0 },
				    { "Model", cli_model_options, offsetof(settings, engine) },
				    { 0 } };
static const settings defaults = { .engine = CLI_MODEL_DEFAULTS };

/* A model at work over the text. */
typedef struct runner {
	elm_model *model;
	elm_session *session;
	elm__perplexity windows;
} runner;

typedef struct job {
	const cli_context *cli;
	const settings *s;
	runner subject, truth;
	elm__base_file file;
	elm__writer writer;
	cli_text text; /* where the base is no file, which holds its own */
	uint32_t window, vocabulary, total;
	float *truths; /* ln p of a window's predictions; of one, where they are in a file */
	uint16_t *codes;
	elm__kld kld;
	cli_progress progress;
} job;

static elm_status out_of_memory(elm_error *error)
{
	return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for predictions");
}

static elm_status start(job *j, runner *r, elm__prediction *each, elm_error *error)
{
	elm_session_options o = cli_session_options(&j->s->engine);
	const elm__base_file *f = &j->file;
	elm_status status;

	if (r == &j->truth && cli_given(j->cli, "base-kv-type"))
		o.kv_type = cli_kv_type(j->s->base_kv_type);

	o.context = j->window;
	if (!o.batch || o.batch > o.context)
		o.batch = o.context < 512 ? o.context : 512;
	o.max_logits = elm__logits_rows_at_once(r->model, o.batch);
	status = elm_session_create(r->model, &o, &r->session, error);
	if (status)
		return status;
	elm_session_set_cancel(r->session, cli_interrupt_watch());
	status = f->tokens ?
			 elm__perplexity_init(&r->windows, r->session, f->tokens,
					      (size_t)f->windows * f->window, j->window, error) :
			 cli_text_score(&j->text, r->session, j->window, &r->windows, error);
	r->windows.each = each;
	r->windows.user = j;
	return status;
}

static void stop(runner *r)
{
	elm__perplexity_release(&r->windows);
	elm_session_free(r->session);
	elm_model_close(r->model);
}

static elm_status keep_truth(void *user, uint32_t row, const float *logits, elm_token next,
			     elm_error *error)
{
	job *j = user;

	(void)next;
	(void)error;
	elm__log_softmax(logits, j->truths + (size_t)row * j->vocabulary, j->vocabulary);
	return ELM_OK;
}

static elm_status compare(void *user, uint32_t row, const float *logits, elm_token next,
			  elm_error *error)
{
	job *j = user;
	const float *truth = j->truths;

	(void)error;
	if (j->truth.model)
		truth += (size_t)row * j->vocabulary;
	else
		elm__base_row(&j->file, j->subject.windows.done, row, j->truths);
	elm__kld_add(&j->kld, truth, logits, j->vocabulary, next);
	return ELM_OK;
}

static elm_status save(void *user, uint32_t row, const float *logits, elm_token next,
		       elm_error *error)
{
	job *j = user;

	(void)row;
	(void)next;
	return elm__base_write_row(&j->writer, logits, j->vocabulary, j->codes, error);
}

static elm_status check_vocabulary(const job *j, uint32_t other, elm_error *error)
{
	if (j->vocabulary == other)
		return ELM_OK;
	return elm_error_set(error, ELM_ERR_ARGUMENT,
			     "%s predicts %lu tokens and %s %lu; only models of one vocabulary can "
			     "be compared",
			     j->s->model, (unsigned long)j->vocabulary, j->s->base,
			     (unsigned long)other);
}

static elm_status read_text(job *j, elm_error *error)
{
	j->window = j->s->engine.context ? (uint32_t)j->s->engine.context : DEFAULT_WINDOW;
	return cli_text_read(&j->text, elm_model_tokenizer(j->subject.model), j->s->file, 0, error);
}

/* The text and the truth, from the file or from the other model. */
static elm_status open_truth(job *j, elm_error *error)
{
	elm_status status;

	if (!j->s->base || !elm__base_is(j->s->base)) {
		status = read_text(j, error);
		if (!status && j->text.records && j->s->save)
			status = elm_error_set(error, ELM_ERR_ARGUMENT,
					       "predictions of records cannot be saved, as the "
					       "file has only windows of the same length; give "
					       "--base MODEL");
		if (!status && j->truth.model)
			status = check_vocabulary(j, elm_model_get_info(j->truth.model)->vocabulary,
						  error);
		if (!status && j->truth.model)
			status = start(j, &j->truth, keep_truth, error);
		return status;
	}
	status = elm__base_open(&j->file, j->s->base, error);
	if (!status)
		status = check_vocabulary(j, j->file.vocabulary, error);
	j->window = j->file.window;
	return status;
}

static elm_status prepare(job *j, elm_error *error)
{
	elm_status status;
	size_t floats;

	j->vocabulary = elm_model_get_info(j->subject.model)->vocabulary;
	status = open_truth(j, error);
	if (!status)
		status = start(j, &j->subject, j->s->base ? compare : save, error);
	if (status)
		return status;
	j->total = j->subject.windows.windows;
	if (j->s->windows && j->s->windows < j->total)
		j->total = (uint32_t)j->s->windows;
	if (!j->s->base) {
		j->codes = elm__calloc((size_t)j->vocabulary + 5, sizeof(*j->codes));
		status = elm__writer_open(&j->writer, j->s->save, error);
		if (status)
			return status;
		return j->codes ? elm__base_write_header(&j->writer, j->text.tokens, j->window,
							 j->vocabulary, j->total, error) :
				  out_of_memory(error);
	}
	if (!elm__mul(j->truth.model ? elm__perplexity_rows(&j->subject.windows) : 1, j->vocabulary,
		      &floats))
		return out_of_memory(error);
	j->truths = elm__realloc_array(NULL, floats, sizeof(float));
	if (!j->truths)
		return out_of_memory(error);
	status = elm__kld_init(
		&j->kld, (size_t)elm__perplexity_scores(&j->subject.windows, j->total), error);
	if (!j->truth.model)
		j->kld.floor = ELM__BASE_FLOOR;
	return status;
}

/* All windows, or those until Ctrl-C, which is a failure only before the first, and where half a
 * file would be written. */
static elm_status compute(job *j, elm_error *error)
{
	elm_status status = ELM_OK;

	cli_progress_start(&j->progress, j->cli, j->s->base ? "comparing" : "predicting");
	while (j->subject.windows.done < j->total && !status) {
		cli_progress_update(&j->progress, j->subject.windows.done, j->total, "windows");
		if (j->truth.model)
			status = elm__perplexity_next(&j->truth.windows, error);
		if (!status)
			status = elm__perplexity_next(&j->subject.windows, error);
	}
	cli_progress_end(&j->progress);
	/* What was compared of a window that was not finished does not count. */
	j->kld.count = (size_t)elm__perplexity_scores(&j->subject.windows, j->subject.windows.done);
	if (status == ELM_ERR_CANCELLED && j->s->base && j->kld.count)
		status = ELM_OK;
	if (!status && !j->s->base)
		status = elm__writer_commit(&j->writer, error);
	return status;
}

/* JSON has no NaN. */
static json_t *number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *estimate(elm__estimate e)
{
	return json_pack("{s:o, s:o}", "value", number(e.value), "standard_error", number(e.error));
}

static json_t *quantiles(const double *values)
{
	json_t *object = json_object();
	char name[16];

	for (int i = 0; i < ELM__KLD_QUANTILES; i++) {
		snprintf(name, sizeof(name), "%g", 100 * elm__kld_quantiles[i]);
		json_object_set_new(object, name, number(values[i]));
	}
	return object;
}

static int print_json(const job *j, const elm__kld_report *r)
{
	return cli_print_json(
		j->cli,
		json_pack("{s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
			  "s:o}",
			  "tokens_scored", (json_int_t)r->tokens, "window", (json_int_t)j->window,
			  "windows", (json_int_t)j->subject.windows.done, "windows_wanted",
			  (json_int_t)j->total, "perplexity", estimate(r->perplexity),
			  "base_perplexity", estimate(r->base_perplexity), "ln_perplexity_ratio",
			  estimate(r->log_ratio), "correlation", number(r->correlation),
			  "kl_divergence", estimate(r->divergence), "kl_divergence_percentiles",
			  quantiles(r->divergence_quantile), "kl_divergence_max",
			  number(r->divergence_max), "probability_shift", estimate(r->shift),
			  "probability_shift_rms", estimate(r->shift_rms),
			  "probability_shift_percentiles", quantiles(r->shift_quantile),
			  "top1_agreement", estimate(r->same_top)));
}

static void print_estimate(const char *name, elm__estimate e, double factor, const char *unit)
{
	printf("%-24s %.6g +/- %.2g%s\n", name, factor * e.value, factor * e.error, unit);
}

static int print_report(const job *j)
{
	elm__kld_report r;
	char scored[80];

	elm__kld_summarize((elm__kld *)&j->kld, &r);
	if (j->cli->json)
		return print_json(j, &r);
	print_estimate("perplexity", r.perplexity, 1, "");
	print_estimate("perplexity of the base", r.base_perplexity, 1, "");
	print_estimate("ln of their ratio", r.log_ratio, 1, "");
	print_estimate("KL divergence", r.divergence, 1, " nats per token");
	print_estimate("same best token", r.same_top, 100, " %");
	print_estimate("shift of probability", r.shift, 100, " %");
	print_estimate("  root mean square", r.shift_rms, 100, " %");
	printf("\nPercentile  KL divergence  shift of probability\n");
	for (int i = 0; i < ELM__KLD_QUANTILES; i++)
		printf("%10g  %13.6f  %19.4f%%\n", 100 * elm__kld_quantiles[i],
		       r.divergence_quantile[i], 100 * r.shift_quantile[i]);
	printf("   largest  %13.6f\n\n", r.divergence_max);
	printf("%zu tokens scored: %s%s\n", r.tokens,
	       cli_text_scored(&j->text, &j->subject.windows, scored, sizeof(scored)),
	       j->subject.windows.done < j->total ? "; interrupted" : "");
	return CLI_DONE;
}

static int report_saved(const job *j)
{
	const elm__perplexity *p = &j->subject.windows;

	if (j->cli->json)
		return cli_print_json(
			j->cli, json_pack("{s:s, s:I, s:I, s:o}", "output", j->s->save, "windows",
					  (json_int_t)p->done, "window", (json_int_t)j->window,
					  "perplexity", number(elm__perplexity_value(p))));
	printf("%s: %lu windows of %lu tokens, perplexity %.4f\n", j->s->save,
	       (unsigned long)p->done, (unsigned long)j->window, elm__perplexity_value(p));
	return CLI_DONE;
}

static int run(cli_context *cli)
{
	const settings *s = cli->settings;
	cli_model_settings other = s->engine;
	job j = { .cli = cli, .s = s, .writer = { .fd = -1 } };
	elm_error error = { 0 };
	int code = CLI_FAILED;

	if (!s->base == !s->save)
		return cli_usage(cli, "give either --base or --save");
	other.engine_file = NULL;
	j.subject.model = cli_open_model(cli, s->model, &s->engine);
	if (j.subject.model && s->base && !elm__base_is(s->base)) {
		j.truth.model = cli_open_model(cli, s->base, &other);
		if (!j.truth.model)
			goto end;
	}
	if (!j.subject.model)
		goto end;
	if (prepare(&j, &error) || compute(&j, &error))
		code = cli_fail_error(cli, &error);
	else
		code = s->base ? print_report(&j) : report_saved(&j);
end:
	elm__writer_close(&j.writer);
	stop(&j.subject);
	stop(&j.truth);
	elm__base_close(&j.file);
	elm__kld_release(&j.kld);
	elm__free(j.truths);
	elm__free(j.codes);
	cli_text_release(&j.text);
	return code;
}

const cli_command cli_cmd_eval_kld = {
	.name = "kld",
	.summary = "measure how far a model's predictions are from another's",
	.description =
		"The base is the truth, for example the model before it was quantised. Text, "
		"windows or records and what of them is scored are as in eval perplexity. The "
		"Kullback-Leibler "
		"divergence of a prediction is the sum over all tokens of p ln(p / q), p the "
		"base's probability; the shift of probability is q - p of the token that comes. "
		"Standard errors come from the spread, as if tokens were independent.\n\n"
		"Saved predictions are those of llama-perplexity --kl-divergence-base, rounded to "
		"16 "
		"bits, which by itself is a divergence of about 1e-5. To measure what a type of "
		"the "
		"KV cache costs, give the same model twice, once with --base-kv-type f32 or saved "
		"with --kv-type f32.",
	.examples = "edgelm eval kld small.gguf --base large.gguf -f text.txt\n"
		    "edgelm eval kld large.gguf --save large.kld -f text.txt --kv-type f32\n"
		    "edgelm eval kld large.gguf --base large.kld --kv-type q8_0\n",
	.arguments = arguments,
	.groups = groups,
	.settings_size = sizeof(settings),
	.defaults = &defaults,
	.prints_json = true,
	.run = run,
};

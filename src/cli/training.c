#include "cli/training.h"

#include <edgelm/log.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"

static const char *const types[] = { "f32", "f16", "bf16", NULL };

#define S cli_training_settings
const cli_option cli_training_text_options[] = {
	{ "file", 'f', CLI_LIST(S, files), "FILE",
	  "text to train on: plain, or a record per line in *.jsonl; may be given several times",
	  .required = true },
	{ "valid", 0, CLI_FILE(S, valid), "FILE", "text to measure the loss on, never trained on",
	  .default_text = "none" },
	{ "output", 'o', CLI_FILE(S, output), "FILE", "write the model here", .required = true },
	{ "type", 0, CLI_CHOICE(S, type), "TYPE", "type of the matrices in it", .choices = types },
	{ "checkpoint", 0, CLI_FILE(S, checkpoint), "FILE",
	  "keep the state of training here, to go on from after an interruption",
	  .default_text = "OUTPUT.checkpoint, removed at the end" },
	{ "save-every", 0, CLI_INT(S, save_every), "N", "write the checkpoint every N steps",
	  .range = { 1, INT64_MAX } },
	{ "resume", 0, CLI_FLAG(S, resume), NULL, "go on from the checkpoint, if there is one" },
	{ "log", 0, CLI_FILE(S, log), "FILE", "write a line of JSON per step here",
	  .default_text = "none" },
	{ "valid-every", 0, CLI_INT(S, valid_every), "N", "measure the loss every N steps too",
	  .default_text = "only at the end", .range = { 1, INT64_MAX } },
	{ 0 },
};

const cli_option cli_training_options[] = {
	{ "ctx", 'c', CLI_INT(S, context), "N", "tokens of a piece of text",
	  .default_text = "what the model can, at most 512", .range = { 1, 1 << 17 } },
	{ "batch", 0, CLI_INT(S, batch), "N", "tokens of a step", .range = { 1, 1 << 26 } },
	{ "rows", 0, CLI_INT(S, rows), "N",
	  "tokens that are computed at once; more take more memory",
	  .default_text = "1024, or the context", .range = { 1, 1 << 20 } },
	{ "steps", 0, CLI_INT(S, steps), "N", "steps to train",
	  .default_text = "as many as --epochs take", .range = { 1, INT64_MAX } },
	{ "epochs", 0, CLI_REAL(S, epochs), "X", "how often all text is seen",
	  .real_range = { 1e-6, 1e6 } },
	{ "rate", 0, CLI_REAL(S, rate), "X", "highest learning rate", .real_range = { 0, 10 },
	  .alias = "--lr" },
	{ "low-rate", 0, CLI_REAL(S, low_rate), "X", "learning rate at the end",
	  .real_range = { 0, 10 } },
	{ "warmup", 0, CLI_INT(S, warmup), "N", "steps in which the rate rises",
	  .range = { 0, INT64_MAX } },
	{ "decay", 0, CLI_REAL(S, decay), "X", "weight decay, of matrices only",
	  .real_range = { 0, 10 } },
	{ "clip", 0, CLI_REAL(S, clip), "X", "longest gradient; 0 is any",
	  .real_range = { 0, 1e9 } },
	{ "beta1", 0, CLI_REAL(S, beta1), "X", "memory of the mean gradient",
	  .real_range = { 0, 0.9999 } },
	{ "beta2", 0, CLI_REAL(S, beta2), "X", "memory of the mean squared gradient",
	  .real_range = { 0, 0.99999 } },
	{ "seed", 0, CLI_INT(S, seed), "N", "of first weights and the order of the text",
	  .range = { 0, INT64_MAX } },
	{ "threads", 't', CLI_INT(S, threads), "N", "threads that compute",
	  .default_text = "one per core", .range = { 1, 256 } },
	{ "isa", 0, CLI_TEXT(S, isa), "TIER", "processor instructions to use",
	  .default_text = "the best that this machine has" },
	{ "bf16", 0, CLI_FLAG(S, bf16), NULL,
	  "round what is multiplied with weights to bfloat16, where that is faster (AMX); weights "
	  "and sums stay 32-bit floats" },
	{ 0 },
};
#undef S

typedef struct training {
	const cli_context *cli;
	const cli_training_settings *s;
	const cli_teacher *teacher;
	char checkpoint[4096];
	const volatile int *interrupted;
	elm_tokenizer *tokenizer;
	elm__corpus corpus, valid;
	elm_gguf *resumed; /* the checkpoint gone on from, or NULL */
	elm__trainer *trainer;
	FILE *log;
	uint64_t start_ns, rows; /* since this run began */
	double loss, valid_loss; /* loss: a moving mean */
	bool have_valid;
} training;

static elm_status load_text(training *t, const elm_gguf *file, elm_error *error)
{
	elm_status status = elm_tokenizer_create(file, &t->tokenizer, error);

	for (size_t i = 0; i < t->s->files.count && !status; i++)
		status =
			elm__corpus_add_file(&t->corpus, t->tokenizer, t->s->files.items[i], error);
	if (!status && t->s->valid)
		status = elm__corpus_add_file(&t->valid, t->tokenizer, t->s->valid, error);
	return status;
}

static elm_status find_checkpoint(training *t, elm_error *error)
{
	int length = snprintf(t->checkpoint, sizeof(t->checkpoint), "%s%s",
			      t->s->checkpoint ? t->s->checkpoint : t->s->output,
			      t->s->checkpoint ? "" : ".checkpoint");

	if (length < 0 || (size_t)length >= sizeof(t->checkpoint))
		return elm_error_set(error, ELM_ERR_ARGUMENT, "the name of the output is too long");
	if (!t->s->resume || access(t->checkpoint, F_OK))
		return ELM_OK;
	return elm__checkpoint_open(t->checkpoint, &t->resumed, error);
}

static elm_status open_log(training *t, elm_error *error)
{
	if (!t->s->log)
		return ELM_OK;
	t->log = fopen(t->s->log, t->resumed ? "a" : "w");
	if (t->log)
		return ELM_OK;
	return elm_error_set(error, ELM_ERR_IO, "%s: %s", t->s->log, strerror(errno));
}

static elm_status write_log(training *t, json_t *line, elm_error *error)
{
	bool written;

	if (!t->log) {
		json_decref(line);
		return ELM_OK;
	}
	if (!line)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	written = json_dumpf(line, t->log, JSON_COMPACT | JSON_REAL_PRECISION(12)) == 0 &&
		  fputc('\n', t->log) != EOF && fflush(t->log) == 0;
	json_decref(line);
	if (written)
		return ELM_OK;
	return elm_error_set(error, ELM_ERR_IO, "%s: %s", t->s->log, strerror(errno));
}

static elm_status create(training *t, const elm__train_source *source, elm_error *error)
{
	const cli_training_settings *s = t->s;
	elm__train_options options = elm__train_defaults();
	elm__train_source from = *source;
	elm_status status;

	options.context = (uint32_t)s->context;
	options.batch = (uint32_t)s->batch;
	options.rows = (uint32_t)s->rows;
	options.steps = (uint64_t)s->steps;
	options.epochs = s->epochs;
	options.rate = s->rate;
	options.low_rate = s->low_rate < s->rate ? s->low_rate : s->rate;
	options.warmup = (uint64_t)s->warmup;
	options.decay = s->decay;
	options.clip = s->clip;
	options.beta1 = s->beta1;
	options.beta2 = s->beta2;
	options.seed = (uint64_t)s->seed;
	options.threads = (unsigned)s->threads;
	options.isa = s->isa;
	options.bf16 = s->bf16;
	if (t->resumed)
		from = (elm__train_source){ .file = t->resumed };
	status = elm__trainer_create(&from, &options, &t->corpus, &t->trainer, error);
	if (!status && t->teacher)
		status = t->teacher->begin(t->teacher->user, t->trainer, t->tokenizer, &t->corpus,
					   error);
	if (!status && t->resumed)
		status = elm__trainer_restore(t->trainer, t->resumed, error);
	return status;
}

static elm_status measure(training *t, elm_error *error)
{
	elm__train_loss loss = { 0 };
	elm_status status;

	if (!t->valid.documents)
		return ELM_OK;
	status = elm__trainer_measure(t->trainer, &t->valid, t->interrupted, &loss, error);
	if (status)
		return status;
	t->valid_loss = loss.total / (double)loss.targets;
	t->have_valid = true;
	elm_log(ELM_LOG_INFO, "step %llu: loss on %s is %.4f",
		(unsigned long long)elm__trainer_steps_done(t->trainer), t->s->valid,
		t->valid_loss);
	return write_log(t,
			 json_pack("{s:I, s:f, s:I}", "step",
				   (json_int_t)elm__trainer_steps_done(t->trainer), "valid_loss",
				   t->valid_loss, "valid_targets", (json_int_t)loss.targets),
			 error);
}

static elm_status report(training *t, const elm__train_report *r, elm_error *error)
{
	double seconds = elm__seconds_between(t->start_ns, elm__now_ns());

	t->loss = t->rows ? 0.95 * t->loss + 0.05 * r->loss : r->loss;
	t->rows += r->rows;
	return write_log(t,
			 json_pack("{s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f}", "step",
				   (json_int_t)r->step, "epoch", (json_int_t)r->epoch, "tokens",
				   (json_int_t)r->rows, "targets", (json_int_t)r->targets, "loss",
				   r->loss, "cross_entropy", r->cross_entropy, "rate", r->rate,
				   "gradient", r->length, "seconds", seconds),
			 error);
}

static double speed(const training *t)
{
	double seconds = elm__seconds_between(t->start_ns, elm__now_ns());

	return seconds > 0 ? (double)t->rows / seconds : 0;
}

static bool due(int64_t every, uint64_t step)
{
	return every && step % (uint64_t)every == 0;
}

/* All steps, until they are done or Ctrl-C, which is ELM_ERR_CANCELLED. */
static elm_status walk(training *t, elm_error *error)
{
	const elm__train_options *options = elm__trainer_options(t->trainer);
	uint64_t done = elm__trainer_steps_done(t->trainer);
	char what[96] = "training";
	elm_status status = ELM_OK;
	cli_progress progress;

	cli_progress_start(&progress, t->cli, what);
	t->start_ns = elm__now_ns();
	for (; done < options->steps && !status; done++) {
		elm__train_report r;

		if (*t->interrupted) {
			status = elm_error_set(error, ELM_ERR_CANCELLED,
					       "interrupted after step %llu of %llu; --resume "
					       "goes on from %s",
					       (unsigned long long)done,
					       (unsigned long long)options->steps, t->checkpoint);
			break;
		}
		snprintf(what, sizeof(what), "training, loss %.3f, %.0f tokens/s", t->loss,
			 speed(t));
		cli_progress_update(&progress, done, options->steps, "steps");
		status = elm__trainer_step(t->trainer, &r, error);
		if (!status)
			status = report(t, &r, error);
		if (!status && due(t->s->valid_every, done + 1) && done + 1 < options->steps)
			status = measure(t, error);
		if (!status && due(t->s->save_every, done + 1) && done + 1 < options->steps)
			status = elm__trainer_save(t->trainer, t->checkpoint, error);
	}
	cli_progress_end(&progress);
	return status;
}

static int print_result(const training *t)
{
	double seconds = elm__seconds_between(t->start_ns, elm__now_ns());
	uint64_t steps = elm__trainer_steps_done(t->trainer),
		 weights = elm__trainer_parameters(t->trainer);

	if (t->cli->json)
		return cli_print_json(
			t->cli,
			json_pack("{s:s, s:I, s:I, s:I, s:f, s:f, s:o, s:o, s:s}", "model",
				  t->s->output, "weights", (json_int_t)weights, "steps",
				  (json_int_t)steps, "tokens", (json_int_t)t->rows, "seconds",
				  seconds, "loss", t->loss, "valid_loss",
				  t->have_valid ? json_real(t->valid_loss) : json_null(),
				  "valid_perplexity",
				  t->have_valid ? json_real(exp(t->valid_loss)) : json_null(),
				  "isa", elm__trainer_isa(t->trainer)));
	printf("%s: %llu weights after %llu steps, loss %.4f", t->s->output,
	       (unsigned long long)weights, (unsigned long long)steps, t->loss);
	if (t->have_valid)
		printf(", on %s %.4f (perplexity %.3f)", t->s->valid, t->valid_loss,
		       exp(t->valid_loss));
	printf("\n%llu tokens in %.0f s, %.0f tokens/s\n", (unsigned long long)t->rows, seconds,
	       speed(t));
	return CLI_DONE;
}

static elm_status finish(training *t, elm_error *error)
{
	static const elm_type output_types[] = { ELM_TYPE_F32, ELM_TYPE_F16, ELM_TYPE_BF16 };
	elm_status status = measure(t, error);

	/* Interrupted while measuring: the state is worth keeping, and the model too. */
	if (status && status != ELM_ERR_CANCELLED)
		return status;
	status = elm__trainer_export(t->trainer, t->s->output, output_types[t->s->type], error);
	if (!status && !t->s->checkpoint)
		unlink(t->checkpoint);
	return status;
}

static elm_status train(training *t, const elm__train_source *source, elm_error *error)
{
	elm_status status = find_checkpoint(t, error);

	if (!status)
		status = load_text(t, source->file, error);
	if (!status)
		status = create(t, source, error);
	if (!status)
		status = open_log(t, error);
	if (status)
		return status;
	status = walk(t, error);
	if (status == ELM_ERR_CANCELLED) {
		elm_status saved = elm__trainer_save(t->trainer, t->checkpoint, error);

		return saved ? saved : status;
	}
	return status ? status : finish(t, error);
}

int cli_train(const cli_context *cli, const cli_training_settings *settings,
	      const elm__train_source *source, const cli_teacher *teacher)
{
	training t = {
		.cli = cli, .s = settings, .teacher = teacher, .interrupted = cli_interrupt_watch()
	};
	elm_error error = { 0 };
	int code;

	elm__corpus_init(&t.corpus);
	elm__corpus_init(&t.valid);
	if (train(&t, source, &error))
		code = cli_fail_error(cli, &error);
	else
		code = print_result(&t);
	if (t.log && fclose(t.log) && code == CLI_DONE)
		code = cli_fail(cli, "%s: %s", settings->log, strerror(errno));
	elm__trainer_free(t.trainer);
	elm_gguf_close(t.resumed);
	elm__corpus_release(&t.corpus);
	elm__corpus_release(&t.valid);
	elm_tokenizer_free(t.tokenizer);
	return code;
}

/* prune.c: a model with fewer heads, neurons or layers. */
#include "cli/prune.h"

#include <edgelm/log.h>

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/calibration.h"
#include "cli/commands.h"
#include "cli/text.h"
#include "cpu/cpu.h"
#include "model/core.h"
#include "train/taylor.h"

enum { SCORE_AUTO, SCORE_MAGNITUDE, SCORE_WANDA, SCORE_FLAP, SCORE_TAYLOR };
static const char *const scores[] = { "auto", "magnitude", "wanda", "flap", "taylor", NULL };

enum { ATTENTION_AUTO, ATTENTION_HEADS, ATTENTION_GROUPS, ATTENTION_NONE };
static const char *const attentions[] = { "auto", "heads", "groups", "none", NULL };

enum { TYPE_AUTO, TYPE_F32, TYPE_F16, TYPE_BF16 };
static const char *const types[] = { "auto", "f32", "f16", "bf16", NULL };

typedef struct settings {
	const char *input, *output, *calib;
	double sparsity;
	int score, attention, type;
	int64_t multiple, layers, protect_first, protect_last;
	bool no_reconstruct, dry_run;
	cli_calibration_settings text;
} settings;

#define S settings
static const cli_option arguments[] = {
	{ "IN", 0, CLI_FILE(S, input), NULL, "the GGUF file, best in F32, F16 or BF16",
	  .required = true },
	{ "OUT", 0, CLI_FILE(S, output), NULL, "the file to write; it appears when it is whole",
	  .required = true },
	{ 0 },
};

static const cli_option options[] = {
	{ "sparsity", 0, CLI_REAL(S, sparsity), "X",
	  "share of the weights of all layers that goes, 0.2 for a fifth",
	  .default_text = "0; then --layers says what goes", .real_range = { 0, 0.99 } },
	{ "score", 0, CLI_CHOICE(S, score), "SCORE",
	  "what tells which parts matter: magnitude of weights; wanda and flap, also what a text "
	  "makes them read; taylor, derivatives of the loss over a text; auto is flap where there "
	  "is a text or --calib, else magnitude",
	  .choices = scores },
	{ "attention", 0, CLI_CHOICE(S, attention), "WHAT",
	  "what may go of attention: as many query heads from each group that shares a key head; "
	  "whole groups, which makes the cache smaller too; or nothing; auto is heads where they "
	  "share keys, else groups, and nothing where llama.cpp could not load it",
	  .choices = attentions },
	{ "ffn-multiple", 0, CLI_INT(S, multiple), "N", "neurons stay in multiples of N",
	  .default_text = "256, less in small models", .range = { 1, 1 << 16 } },
	{ "layers", 0, CLI_INT(S, layers), "N",
	  "leave out the N layers that change their input least; needs a text",
	  .range = { 0, 1023 } },
	{ "protect-first", 0, CLI_INT(S, protect_first), "N", "leave the first N layers whole",
	  .default_text = "an eighth of them for llama, else none", .range = { 0, 1024 } },
	{ "protect-last", 0, CLI_INT(S, protect_last), "N", "leave the last N layers whole",
	  .default_text = "a twelfth of them for llama, else none", .range = { 0, 1024 } },
	{ "no-reconstruct", 0, CLI_FLAG(S, no_reconstruct), NULL,
	  "only leave out; otherwise, with a text or Hessians, the weights that stay take over "
	  "what can be" },
	{ "calib", 0, CLI_FILE(S, calib), "FILE",
	  "what edgelm calibrate --hessian has written, instead of a text" },
	{ "type", 0, CLI_CHOICE(S, type), "TYPE",
	  "type of the matrices; auto keeps it, F16 where they are quantised", .choices = types },
	{ "dry-run", 0, CLI_FLAG(S, dry_run), NULL, "print what would stay" },
	{ 0 },
};
#undef S

static const cli_group groups[] = {
	{ "Options", options, 0 },
	{ "Text, for scores, reconstruction and --layers", cli_calibration_options,
	  offsetof(settings, text) },
	{ 0 },
};
static const settings defaults = { .text = CLI_CALIBRATION_DEFAULTS };

/* What a run needs, in the order in which it is made. */
typedef struct job {
	const cli_context *cli;
	const settings *s;
	int score; /* never SCORE_AUTO */
	bool collect, reconstruct;
	elm__arena arena;
	elm_model *model; /* where a text passes through it, and then its file is `gguf` */
	elm_gguf *gguf;
	elm__hparams hp;
	cli_text text;
	elm__calib calib;
	elm__units *units;
	double *changes;
	elm__prune_goal goal;
	elm__prune_plan plan;
	elm__pool *pool;
	elm__prune_repair *repairs;
	cli_progress progress;
	const char *unit; /* of progress */
	const volatile int *interrupted;
} job;

static elm_status no_memory(elm_error *error)
{
	return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
}

static bool watch(void *user, uint64_t done, uint64_t total)
{
	job *j = user;

	cli_progress_update(&j->progress, done, total, j->unit);
	return *j->interrupted != 0;
}

static bool watch_bytes(void *user, uint64_t done, uint64_t total)
{
	return watch(user, done >> 20, total >> 20);
}

static void start(job *j, const char *what, const char *unit)
{
	j->unit = unit;
	cli_progress_start(&j->progress, j->cli, what);
}

/* --- what is known of the model --- */

static elm_status open_input(job *j, elm_error *error)
{
	elm_model_options fresh = { .isa = j->s->text.isa };
	elm_status status;

	if (j->collect || j->s->layers) {
		status = elm_model_open(j->s->input, &fresh, &j->model, error);
		if (!status)
			j->gguf = j->model->gguf;
	} else {
		status = elm_gguf_open(j->s->input, &j->gguf, error);
	}
	if (!status)
		status = elm__hparams_read(&j->hp, j->gguf, &j->arena, error);
	if (!status && j->model)
		status = cli_text_read(&j->text, elm_model_tokenizer(j->model), j->s->text.file, 0,
				       error);
	if (status)
		return status;
	j->units = elm__units_create(&j->hp, &j->arena);
	j->changes = elm__arena_calloc(&j->arena, j->hp.layers, sizeof(*j->changes));
	return j->units && j->changes ? ELM_OK : no_memory(error);
}

static elm_status load_calibration(job *j, elm_error *error)
{
	elm_status status = elm__calib_load(&j->calib, j->s->calib, j->gguf, &j->hp, error);

	if (!status && j->reconstruct && !j->calib.inputs[0].products)
		status = elm_error_set(error, ELM_ERR_ARGUMENT,
				       "%s has no Hessians to reconstruct with; make it with "
				       "calibrate --hessian, or give --no-reconstruct",
				       j->s->calib);
	return status;
}

static elm_status start_walk(const job *j, elm__walk *walk, elm_error *error)
{
	elm__walk_options how = cli_walk_options(&j->s->text, j->model);

	how.beside = j->s->output;
	return elm__walk_init(walk, j->model, j->text.tokens, j->text.count, &how, error);
}

static elm_status see_layers(job *j, elm_error *error)
{
	elm__walk walk;
	elm_status status = start_walk(j, &walk, error);

	if (status)
		return status;
	start(j, "comparing layers", "windows of layers");
	status = elm__prune_layer_changes(&walk, watch, j, j->changes, error);
	cli_progress_end(&j->progress);
	elm__walk_release(&walk);
	return status;
}

static elm_status collect(job *j, elm_error *error)
{
	elm__calibrate_options o = { .progress = watch, .user = j };
	bool products = j->reconstruct && !j->s->dry_run;
	elm__walk walk;
	elm_status status = start_walk(j, &walk, error);

	if (status)
		return status;
	cli_warn_few_tokens(j->model, (uint64_t)walk.windows * walk.window, products);
	status = elm__calib_create(&j->calib, j->gguf, &j->hp,
				   products ? ELM__PRODUCTS_EACH : ELM__PRODUCTS_NONE,
				   (uint64_t)j->s->text.memory, j->s->output, error);
	start(j, "calibrating", "windows of layers");
	if (!status)
		status = elm__calib_collect(&j->calib, &walk, &o, error);
	cli_progress_end(&j->progress);
	elm__walk_release(&walk);
	return status;
}

static elm_status differentiate(job *j, elm_error *error)
{
	elm__train_options o = elm__train_defaults();
	elm__train_source source = { .file = j->gguf };
	elm__taylor_options how = { .windows = (uint32_t)j->s->text.windows,
				    .progress = watch,
				    .user = j };
	elm_tokenizer *tokenizer = NULL;
	elm__trainer *trainer = NULL;
	elm__corpus corpus;
	elm_status status;

	o.context = (uint32_t)j->s->text.window;
	o.threads = (unsigned)j->s->text.threads;
	o.isa = j->s->text.isa;
	elm__corpus_init(&corpus);
	status = elm_tokenizer_create(j->gguf, &tokenizer, error);
	if (!status)
		status = elm__corpus_add_file(&corpus, tokenizer, j->s->text.file, error);
	if (!status)
		status = elm__trainer_create(&source, &o, &corpus, &trainer, error);
	start(j, "finding derivatives", "windows");
	if (!status)
		status = elm__taylor_scores(trainer, &corpus, &how, j->units, error);
	cli_progress_end(&j->progress);
	elm__trainer_free(trainer);
	elm__corpus_release(&corpus);
	elm_tokenizer_free(tokenizer);
	return status;
}

static elm_status find_scores(job *j, elm_error *error)
{
	static const elm__prune_score kinds[] = {
		[SCORE_MAGNITUDE] = ELM__SCORE_MAGNITUDE,
		[SCORE_WANDA] = ELM__SCORE_WANDA,
		[SCORE_FLAP] = ELM__SCORE_FLAP,
	};
	elm_status status = ELM_OK;

	if (j->s->layers)
		status = see_layers(j, error);
	if (!status && j->score == SCORE_TAYLOR)
		status = differentiate(j, error);
	if (!status && j->s->calib)
		status = load_calibration(j, error);
	if (!status && j->collect)
		status = collect(j, error);
	if (status || j->score == SCORE_TAYLOR)
		return status;
	start(j, "finding scores", "layers");
	status = elm__prune_find_scores(kinds[j->score], j->gguf, &j->hp, &j->calib, watch, j,
					j->units, error);
	cli_progress_end(&j->progress);
	return status;
}

/* --- what is to go --- */

static elm__prune_attention find_attention(const job *j)
{
	bool is_free = elm__prune_heads_are_free(j->hp.arch);
	int what = j->s->attention;

	if (what == ATTENTION_AUTO && !is_free) {
		elm_log(ELM_LOG_INFO,
			"all heads stay: llama.cpp would not load %s with fewer; --attention heads "
			"or groups leaves out some",
			j->hp.arch->name);
		return ELM__PRUNE_NO_HEADS;
	}
	if (what == ATTENTION_NONE)
		return ELM__PRUNE_NO_HEADS;
	if (!is_free)
		elm_log(ELM_LOG_WARN, "llama.cpp does not load %s with other numbers of heads",
			j->hp.arch->name);
	if (what == ATTENTION_AUTO)
		return j->hp.max_heads > j->hp.max_kv_heads ? ELM__PRUNE_HEADS : ELM__PRUNE_GROUPS;
	return what == ATTENTION_HEADS ? ELM__PRUNE_HEADS : ELM__PRUNE_GROUPS;
}

static elm_status make_plan(job *j, elm_error *error)
{
	const settings *s = j->s;
	elm_status status;

	j->goal = (elm__prune_goal){ .sparsity = s->sparsity,
				     .attention = find_attention(j),
				     .multiple = (uint32_t)s->multiple,
				     .layers = (uint32_t)s->layers };
	elm__prune_protection(&j->hp, &j->goal.protect_first, &j->goal.protect_last);
	if (cli_given(j->cli, "protect-first"))
		j->goal.protect_first = (uint32_t)s->protect_first;
	if (cli_given(j->cli, "protect-last"))
		j->goal.protect_last = (uint32_t)s->protect_last;
	status = elm__prune_plan_make(&j->plan, j->gguf, &j->hp, &j->goal, j->units, j->changes,
				      &j->arena, error);
	if (status)
		return status;
	if (!j->plan.uniform && strcmp(elm__prune_arch(&j->plan)->name, "deci") != 0)
		elm_log(ELM_LOG_WARN,
			"layers of different widths: llama.cpp does not load such files of %s",
			j->hp.arch->name);
	j->repairs = elm__arena_calloc(&j->arena, j->plan.count, sizeof(*j->repairs));
	return j->repairs ? ELM_OK : no_memory(error);
}

/* --- the file --- */

static elm__prune_options write_options(job *j)
{
	static const elm_type output_types[] = { [TYPE_AUTO] = ELM_TYPE_F16,
						 [TYPE_F32] = ELM_TYPE_F32,
						 [TYPE_F16] = ELM_TYPE_F16,
						 [TYPE_BF16] = ELM_TYPE_BF16 };

	return (elm__prune_options){ .score = scores[j->score],
				     .calib = j->reconstruct ? &j->calib : NULL,
				     .type = output_types[j->s->type],
				     .keep_type = j->s->type == TYPE_AUTO,
				     .pool = j->pool,
				     .progress = watch_bytes,
				     .user = j };
}

static void warn_unsolved(const job *j)
{
	uint32_t unsolved = 0;

	for (uint32_t i = 0; i < j->plan.count; i++)
		unsolved += (j->repairs[i].out.bare > 0 && !j->repairs[i].out.solved) +
			    (j->repairs[i].down.bare > 0 && !j->repairs[i].down.solved);
	if (unsolved)
		elm_log(ELM_LOG_WARN,
			"%u matrices were not reconstructed: their Hessians cannot be inverted; "
			"give more text",
			unsolved);
}

static elm_status write_file(job *j, elm_error *error)
{
	unsigned cpus[ELM__POOL_MAX], cores = elm__cpu_select("", cpus, ELM__POOL_MAX);
	unsigned threads = j->s->text.threads ? (unsigned)j->s->text.threads : cores;
	elm_status status =
		elm__pool_create(threads, threads <= cores ? cpus : NULL, &j->pool, error);
	elm__prune_options o = write_options(j);

	if (status)
		return status;
	start(j, "pruning", "MiB");
	status = elm__prune(&j->plan, j->s->output, &o, j->repairs, error);
	cli_progress_end(&j->progress);
	if (!status)
		warn_unsolved(j);
	return status;
}

static elm_status prune(job *j, elm_error *error)
{
	elm_status status = open_input(j, error);

	if (!status)
		status = find_scores(j, error);
	if (!status)
		status = make_plan(j, error);
	if (!status && !j->s->dry_run)
		status = write_file(j, error);
	return status;
}

static int report(job *j)
{
	elm__prune_options o = write_options(j);
	cli_pruned p = { .output = j->s->output,
			 .score = scores[j->score],
			 .plan = &j->plan,
			 .repairs = j->reconstruct && !j->s->dry_run ? j->repairs : NULL,
			 .written = !j->s->dry_run };
	elm_error error = { 0 };

	if (elm__prune_measure(&j->plan, &o, &p.before, &p.after, &error))
		return cli_fail_error(j->cli, &error);
	return cli_print_pruned(j->cli, &p);
}

static int run(cli_context *cli)
{
	const settings *s = cli->settings;
	bool text = s->text.file != NULL;
	job j = { .cli = cli, .s = s, .score = s->score, .interrupted = cli_interrupt_watch() };
	elm_error error = { 0 };
	int code;

	if (s->score == SCORE_AUTO)
		j.score = text || s->calib ? SCORE_FLAP : SCORE_MAGNITUDE;
	if (!(s->sparsity > 0) && !s->layers)
		return cli_usage(cli, "give --sparsity, --layers or both");
	if (text && s->calib && j.score != SCORE_TAYLOR && !s->layers)
		return cli_usage(cli, "give either --file or --calib");
	if (!text && (j.score == SCORE_TAYLOR || s->layers))
		return cli_usage(cli, "--score taylor and --layers need --file");
	if (!text && !s->calib && (j.score == SCORE_WANDA || j.score == SCORE_FLAP))
		return cli_usage(cli, "--score %s needs --file or --calib", scores[j.score]);
	j.reconstruct = !s->no_reconstruct && (text || s->calib);
	j.collect =
		text && !s->calib &&
		(j.score == SCORE_WANDA || j.score == SCORE_FLAP || (j.reconstruct && !s->dry_run));
	elm__arena_init(&j.arena, 0);
	code = prune(&j, &error) ? cli_fail_error(cli, &error) : report(&j);
	elm__pool_free(j.pool);
	elm__calib_release(&j.calib);
	cli_text_release(&j.text);
	if (j.model)
		elm_model_close(j.model);
	else
		elm_gguf_close(j.gguf);
	elm__arena_release(&j.arena);
	return code;
}

const cli_command cli_cmd_prune = {
	.name = "prune",
	.summary = "write a model without the parts that matter least",
	.description =
		"Leaves out whole query heads, key heads, neurons of feed-forward blocks and "
		"layers, so that the model is smaller and faster wherever it runs. How much of "
		"attention and how much of the neurons goes is found by the scores. All layers "
		"lose alike, those that are protected nothing.\n\n"
		"With a text or --calib, the weights that stay are solved for again so that the "
		"outputs of each matrix change least on that text. What is lost beyond that comes "
		"back with edgelm distill, the model before as the teacher. Quantise "
		"afterwards.\n\n"
		"Where layers end up with different widths a model of the architecture llama is "
		"written as deci, which is the same but may have such layers.",
	.examples = "edgelm prune model-f16.gguf smaller.gguf --sparsity 0.2 -f text.txt\n"
		    "edgelm prune model-f16.gguf smaller.gguf --sparsity 0.2 --calib model.calib\n"
		    "edgelm prune model-f16.gguf smaller.gguf --layers 2 -f text.txt --dry-run\n",
	.arguments = arguments,
	.groups = groups,
	.settings_size = sizeof(settings),
	.defaults = &defaults,
	.prints_json = true,
	.run = run,
};

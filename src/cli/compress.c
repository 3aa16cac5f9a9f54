/* compress.c: a model as small as it must be, and as good as that allows. */
#include <edgelm/log.h>
#include <edgelm/session.h>

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/model_options.h"
#include "cli/shrink.h"

enum { USUAL_WINDOW = 512 };

#define S cli_shrink_settings
static const cli_option arguments[] = {
	{ "MODEL", 0, CLI_FILE(S, model), NULL, "the GGUF file, in F32, F16 or BF16",
	  .required = true },
	{ 0 },
};

static const cli_option goal_options[] = {
	{ "target-size", 0, CLI_SIZE(S, target_size), "SIZE", "the file may be this large",
	  .default_text = "any", .range = { 1, INT64_MAX } },
	{ "target-memory", 0, CLI_SIZE(S, target_memory), "SIZE",
	  "running it may take this much: weights, cache and activations", .default_text = "any",
	  .range = { 1, INT64_MAX } },
	{ "context", 0, CLI_INT(S, context), "N", "tokens of the cache in that",
	  .default_text = "what the model was trained for, at most 4096",
	  .range = { 1, UINT32_MAX } },
	{ "kv-type", 0, CLI_CHOICE(S, kv_type), "TYPE",
	  "how keys and values are kept, in that and when models are measured",
	  .choices = cli_kv_type_names },
	{ "max-kld", 0, CLI_REAL(S, max_divergence), "X",
	  "the divergence from MODEL may be X nats per token; without it the best that fits is "
	  "good "
	  "enough, and only coarse types or pruning are looked into further",
	  .default_text = "any", .real_range = { 0, 1e9 } },
	{ 0 },
};

static const cli_option options[] = {
	{ "output", 'o', CLI_FILE(S, output), "FILE",
	  "write the best here; it appears when it is whole", .required = true },
	{ "file", 'f', CLI_FILE(S, text), "FILE",
	  "the text to calibrate and distil with, plain or records in *.jsonl", .required = true },
	{ "measure", 0, CLI_FILE(S, measure), "FILE",
	  "the text to measure with; best one that --file does not have",
	  .default_text = "that of --file" },
	{ "ctx", 'c', CLI_INT(S, window), "N", "tokens of a window of either text",
	  .default_text = "512, or what the model was trained for if that is less",
	  .range = { 4, 65536 } },
	{ "calib-chunks", 0, CLI_INT(S, calibration_windows), "N",
	  "calibrate with the first N windows", .default_text = "all", .range = { 1, UINT32_MAX } },
	{ "chunks", 0, CLI_INT(S, measured_windows), "N",
	  "measure with the first N windows, or records", .default_text = "all",
	  .range = { 1, UINT32_MAX } },
	{ "method", 0, CLI_CHOICE(S, method), "METHOD", "of quantising, as in edgelm quantize",
	  .choices = cli_shrink_methods },
	{ "no-prune", 0, CLI_FLAG(S, no_prune), NULL, "only quantise" },
	{ "distill-steps", 0, CLI_INT(S, distill_steps), "N",
	  "train a pruned model for N steps when nothing else will do; 0 is never",
	  .range = { 0, 1 << 24 } },
	{ "keep", 0, CLI_FILE(S, keep), "FOLDER",
	  "keep the files of all stages here; those that are there are not made again",
	  .default_text = "a temporary folder beside the output" },
	{ "threads", 't', CLI_INT(S, threads), "N", "threads that compute",
	  .default_text = "one per core", .range = { 1, ELM__POOL_MAX } },
	{ "dry-run", 0, CLI_FLAG(S, dry_run), NULL,
	  "print what would be tried, and the sizes expected" },
	{ 0 },
};
#undef S

static const cli_group groups[] = { { "Goal", goal_options, 0 }, { "Options", options, 0 }, { 0 } };
static const cli_shrink_settings defaults = { .kv_type = 1, .distill_steps = 300 };

/* Why a model cannot be distilled; NULL when it can. */
static const char *no_distillation(const cli_shrink_settings *s, const elm__hparams *hp)
{
	static const char *const trainable[] = { "llama", "qwen2", "qwen3" };

	if (s->no_prune || !s->distill_steps)
		return "it is not asked for";
	for (size_t i = 0; i < sizeof(trainable) / sizeof(trainable[0]); i++)
		if (!strcmp(hp->arch->name, trainable[i]))
			return NULL;
	return "models of this architecture cannot be trained";
}

static elm_status plan(cli_shrink *c, const elm_gguf *gguf, elm__arena *arena, elm_error *error)
{
	const cli_shrink_settings *s = c->s;
	elm_session_options run = elm_session_defaults();
	elm_memory_estimate memory = { 0 };
	elm__budget_goal goal = {
		.file_bytes = (uint64_t)s->target_size,
		.memory_bytes = (uint64_t)s->target_memory,
		.max_divergence = s->max_divergence,
		.prune = !s->no_prune,
	};
	elm__hparams hp;
	elm_status status = elm__hparams_read(&hp, gguf, arena, error);

	run.context = (uint32_t)s->context;
	run.kv_type = cli_kv_type(s->kv_type);
	run.threads = (uint32_t)s->threads;
	if (!status)
		status = elm_session_estimate_gguf(gguf, &run, &memory, error);
	if (status)
		return status;
	goal.distill = !no_distillation(s, &hp);
	if (goal.prune && !goal.distill)
		elm_log(ELM_LOG_INFO, "nothing will be distilled: %s", no_distillation(s, &hp));
	c->window = s->window ? (uint32_t)s->window : USUAL_WINDOW;
	if (!s->window && hp.trained_context && hp.trained_context < c->window)
		c->window = hp.trained_context;
	return elm__budget_init(&c->budget, &goal, gguf, &hp, memory.kv + memory.scratch, error);
}

static elm_status make_plan(cli_shrink *c, elm_error *error)
{
	elm__arena arena;
	elm__recipe first;
	elm_gguf *gguf;
	char size[32];
	elm_status status = elm_gguf_open(c->s->model, &gguf, error);

	if (status)
		return status;
	elm__arena_init(&arena, 0);
	status = plan(c, gguf, &arena, error);
	elm_gguf_close(gguf);
	elm__arena_release(&arena);
	if (status || elm__budget_next(&c->budget, &first))
		return status;
	if (!elm__budget_smallest(&c->budget))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "%s is as small as types of weights make it", c->s->model);
	return elm_error_set(
		error, ELM_ERR_ARGUMENT,
		"no plan comes down to that: the smallest file is about %s, with %s to run it",
		elm__format_bytes(elm__budget_smallest(&c->budget), size, sizeof(size)),
		elm__format_bytes(elm__budget_memory(&c->budget, elm__budget_smallest(&c->budget)),
				  (char[32]){ 0 }, 32));
}

/* The table is printed, but the file is not what was asked for. */
static int not_met(const cli_shrink *c)
{
	const elm__trial *best = elm__budget_best(&c->budget);
	char text[64];

	if (!best)
		return cli_fail(c->cli, "nothing that was made fits; nothing was written to %s",
				c->s->output);
	return cli_fail(c->cli,
			"the best that fits (%s) diverges by %.4g, more than %g; nothing was "
			"written to %s",
			elm__recipe_text(&best->recipe, text, sizeof(text)), best->divergence,
			c->s->max_divergence, c->s->output);
}

static int shrink(cli_shrink *c)
{
	elm_error error = { 0 };
	elm_status status = cli_shrink_begin(c, &error);
	int code;

	if (!status)
		status = cli_shrink_run(c, &error);
	cli_shrink_end(c);
	if (status)
		return cli_fail_error(c->cli, &error);
	code = cli_print_shrink(c);
	return code || elm__budget_met(&c->budget) ? code : not_met(c);
}

static int run(cli_context *cli)
{
	cli_shrink_settings *s = cli->settings;
	cli_shrink c = { .cli = cli, .s = s };
	elm_error error = { 0 };

	if (!s->target_size && !s->target_memory)
		return cli_usage(cli, "give --target-size, --target-memory or both");
	if (!strcmp(s->text, "-"))
		return cli_usage(cli, "the text is read several times: give a file, not \"-\"");
	if (!s->measure)
		s->measure = s->text;
	if (make_plan(&c, &error))
		return cli_fail_error(cli, &error);
	if (s->dry_run)
		return cli_print_shrink_plan(&c);
	if (s->measure == s->text)
		elm_log(ELM_LOG_WARN,
			"measured with the text that calibrates, which flatters; better give "
			"--measure");
	return shrink(&c);
}

const cli_command cli_cmd_compress = {
	.name = "compress",
	.summary = "make a model as small as asked, and as good as that allows",
	.description =
		"Tries one plan after the other, measures what comes of it, and writes the best "
		"that meets the goal. Quantising comes first: the largest types that fit. Where "
		"that is not enough, parts are pruned to make room for better types, and at last "
		"the best pruned model is distilled, which takes long. Each stage is a command of "
		"its own, which -v prints: calibrate, prune, distill, quantize, eval kld, "
		"bench.\n\n"
		"The divergence is that of edgelm eval kld from MODEL. When the goal is not met "
		"the exit code is 1 and nothing is written; --keep has what was made.",
	.examples =
		"edgelm compress model-f16.gguf -o small.gguf --target-size 700M -f text.txt "
		"--measure other.txt\n"
		"edgelm compress model-f16.gguf -o small.gguf --target-size 500M --max-kld 0.1 "
		"-f train.jsonl --measure valid.jsonl --keep stages\n"
		"edgelm compress model-f16.gguf -o small.gguf --target-memory 1G --context 8192 "
		"--kv-type int8 -f text.txt --dry-run\n",
	.arguments = arguments,
	.groups = groups,
	.settings_size = sizeof(cli_shrink_settings),
	.defaults = &defaults,
	.prints_json = true,
	.run = run,
};

/* convert.c: Hugging Face folders and llama2.c checkpoints to GGUF, and back. */
#include "convert/convert.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"
#include "cli/commands.h"

typedef struct settings {
	const char *source, *output, *name, *pre, *tokenizer;
	int type;
	bool dequantize;
} settings;

#define S settings
static const char *const convert_types[] = { "f16", "f32", "bf16", "q8_0", "auto", NULL };
static const elm__target convert_targets[] = { ELM__TARGET_F16, ELM__TARGET_F32, ELM__TARGET_BF16,
					       ELM__TARGET_Q8_0, ELM__TARGET_AUTO };
static const char *const export_types[] = { "auto", "f16", "f32", "bf16", NULL };
static const elm__target export_targets[] = { ELM__TARGET_AUTO, ELM__TARGET_F16, ELM__TARGET_F32,
					      ELM__TARGET_BF16 };

static const cli_option convert_arguments[] = {
	{ "SOURCE", 0, CLI_FILE(S, source), NULL,
	  "the folder of a Hugging Face model, or the .bin of a llama2.c model", .required = true },
	{ 0 },
};
static const cli_option convert_options[] = {
	{ "output", 'o', CLI_FILE(S, output), "FILE", "the GGUF file to write", .required = true },
	{ "type", 0, CLI_CHOICE(S, type), "TYPE",
	  "what matrices become; auto keeps the type that each has", .choices = convert_types },
	{ "dequantize", 0, CLI_FLAG(S, dequantize), NULL,
	  "GPTQ and AWQ weights become --type too, instead of Q4_0, Q4_1 or Q8_0" },
	{ "name", 0, CLI_TEXT(S, name), "NAME", "the model's name",
	  .default_text = "that of its files" },
	{ "pre", 0, CLI_TEXT(S, pre), "RULE", "pre-tokenizer of a BPE vocabulary",
	  .default_text = "recognised in tokenizer.json" },
	{ "tokenizer", 0, CLI_FILE(S, tokenizer), "FILE", "tokenizer.bin of a llama2.c model",
	  .default_text = "the one beside it" },
	{ 0 },
};
static const cli_option export_arguments[] = {
	{ "MODEL", 0, CLI_FILE(S, source), NULL, "the GGUF file, or the first of a split model",
	  .required = true },
	{ 0 },
};
static const cli_option export_options[] = {
	{ "output", 'o', CLI_FILE(S, output), "FOLDER", "the folder to write", .required = true },
	{ "type", 0, CLI_CHOICE(S, type), "TYPE",
	  "what matrices become; auto keeps F32, F16 and BF16, and makes all others F16",
	  .choices = export_types },
	{ 0 },
};
#undef S

static const cli_group convert_groups[] = { { "Options", convert_options, 0 }, { 0 } };
static const cli_group export_groups[] = { { "Options", export_options, 0 }, { 0 } };

typedef struct watching {
	cli_progress progress;
	const volatile int *interrupted;
} watching;

static bool show_progress(void *user, uint64_t done, uint64_t total)
{
	watching *w = user;

	cli_progress_update(&w->progress, done >> 20, total >> 20, "MiB");
	return *w->interrupted != 0;
}

static int print_result(const cli_context *cli, const elm__convert_result *r, const char *output)
{
	char size[32];

	if (cli->json)
		return cli_print_json(
			cli, json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:I, s:I}", "output", output,
				       "architecture", r->arch, "tensors", (json_int_t)r->tensors,
				       "parameters", (json_int_t)r->parameters, "bytes",
				       (json_int_t)r->bytes, "type", elm_type_get(r->type)->name,
				       "tensors_reordered", (json_int_t)r->reordered,
				       "tensors_ignored", (json_int_t)r->ignored));
	printf("%s: %s, %" PRIu64 " weights in %zu tensors, mostly %s, %s\n", output, r->arch,
	       r->parameters, r->tensors, elm_type_get(r->type)->name,
	       elm__format_bytes(r->bytes, size, sizeof(size)));
	if (r->reordered)
		printf("%zu GPTQ tensors have columns in an order of their own (act-order), which "
		       "no block type can hold; they became --type. `edgelm quantize` makes them "
		       "smaller.\n",
		       r->reordered);
	if (r->ignored)
		printf("%zu tensors of other parts of the model (such as pictures) were left out\n",
		       r->ignored);
	if (r->no_vocabulary)
		printf("the model has no vocabulary, so no tokenizer was written\n");
	return CLI_DONE;
}

typedef elm_status work_fn(const char *source, const char *output,
			   const elm__convert_options *options, elm__convert_result *result,
			   elm_error *error);

static int work(cli_context *cli, work_fn *function, elm__target target, const char *what)
{
	const settings *s = cli->settings;
	watching w = { .interrupted = cli_interrupt_watch() };
	elm__convert_options options = { .target = target,
					 .dequantize = s->dequantize,
					 .name = s->name,
					 .pre = s->pre,
					 .tokenizer = s->tokenizer,
					 .progress = show_progress,
					 .user = &w };
	elm__convert_result result;
	elm_error error = { 0 };
	elm_status status;

	cli_progress_start(&w.progress, cli, what);
	status = function(s->source, s->output, &options, &result, &error);
	cli_progress_end(&w.progress);
	return status == ELM_OK ? print_result(cli, &result, s->output) :
				  cli_fail_error(cli, &error);
}

static int run_convert(cli_context *cli)
{
	const settings *s = cli->settings;

	return work(cli, elm__convert, convert_targets[s->type], "converting");
}

static int run_export(cli_context *cli)
{
	const settings *s = cli->settings;

	return work(cli, elm__export, export_targets[s->type], "exporting");
}

const cli_command cli_cmd_convert = {
	.name = "convert",
	.summary = "make a GGUF file of a Hugging Face or llama2.c model",
	.description =
		"Reads config.json, safetensors (one file or several) and the tokenizer of the "
		"families llama, mistral, qwen2, qwen3, gemma2, gemma3 and phi3. Weights of GPTQ "
		"and AWQ keep their four or eight bits: symmetric ones become Q4_0 or Q8_0 "
		"exactly, others Q4_1.\n\n"
		"What cannot be converted without changing the model is refused by name. The file "
		"appears only when it is complete. docs/CONVERT.md has the details.",
	.examples = "edgelm convert TinyLlama-1.1B -o tinyllama.gguf\n"
		    "edgelm convert Qwen2.5-0.5B-GPTQ -o qwen.gguf\n"
		    "edgelm convert stories15M.bin -o stories.gguf --type f32",
	.arguments = convert_arguments,
	.groups = convert_groups,
	.settings_size = sizeof(settings),
	.prints_json = true,
	.run = run_convert,
};

const cli_command cli_cmd_export = {
	.name = "export",
	.summary = "write a GGUF model as a Hugging Face folder",
	.description =
		"Writes config.json, model.safetensors and the tokenizer, so that other programs "
		"can train or change the model. Quantised weights are dequantised. A folder made "
		"so converts back to the same model.",
	.examples = "edgelm export model.gguf -o folder --type f32",
	.arguments = export_arguments,
	.groups = export_groups,
	.settings_size = sizeof(settings),
	.prints_json = true,
	.run = run_export,
};

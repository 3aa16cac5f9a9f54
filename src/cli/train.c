/* train.c: a model from text, from scratch or from one that there is. */
#include "cli/commands.h"
#include "cli/training.h"

typedef struct settings {
	const char *tokenizer, *shape, *model;
	cli_training_settings training;
} settings;

#define S settings
static const cli_option train_options[] = {
	{ "tokenizer", 0, CLI_FILE(S, tokenizer), "FILE",
	  "a GGUF file whose vocabulary the new model gets" },
	{ "shape", 0, CLI_TEXT(S, shape), "SHAPE",
	  "its shape: key=value,... or a JSON file; see above",
	  .default_text = "llama, 6 layers of width 192" },
	{ "init", 0, CLI_FILE(S, model), "MODEL", "go on from this model instead" },
	{ 0 },
};
#undef S

static const cli_group groups[] = {
	{ "Model", train_options, 0 },
	{ "Text and files", cli_training_text_options, offsetof(settings, training) },
	{ "Training", cli_training_options, offsetof(settings, training) },
	{ 0 },
};
static const settings defaults = { .training = CLI_TRAINING_DEFAULTS };

static int run(cli_context *cli)
{
	const settings *s = cli->settings;
	elm__shape shape = elm__shape_defaults();
	elm__train_source source = { .shape = s->model ? NULL : &shape };
	elm_error error = { 0 };
	elm_gguf *file;
	int code;

	if (!s->model == !s->tokenizer || (s->model && s->shape))
		return cli_usage(cli, "give either --tokenizer, perhaps with --shape, or --init");
	if (s->shape && elm__shape_parse(&shape, s->shape, &error))
		return cli_fail_error(cli, &error);
	if (elm_gguf_open(s->model ? s->model : s->tokenizer, &file, &error))
		return cli_fail_error(cli, &error);
	source.file = file;
	code = cli_train(cli, &s->training, &source, NULL);
	elm_gguf_close(file);
	return code;
}

const cli_command cli_cmd_train = {
	.name = "train",
	.summary = "train a model on text",
	.description =
		"Trains a model of the families llama, qwen2 or qwen3 from scratch, or goes on "
		"with one.\n\n"
		"The keys of a shape are arch, vocabulary, width, layers, heads, kv_heads, "
		"head_dim, ffn, context, tied, norm_epsilon and rope_base.\n\n"
		"A file named *.jsonl holds a record per line: {\"prompt\": ..., \"answer\": ...} "
		"trains the answer only, {\"text\": ...} all, {\"segments\": [{\"text\": ..., "
		"\"train\": true}, ...]} what it says. Any other file is one long text.\n\n"
		"Ctrl-C writes a checkpoint and ends; with --resume the same command goes on from "
		"there, to the same weights as if it had never stopped. docs/TRAINING.md has the "
		"details.",
	.examples = "edgelm train --tokenizer vocab.gguf --shape width=192,layers=6,heads=6,"
		    "kv_heads=2,context=256 -f text.jsonl --valid held-out.jsonl -o model.gguf\n"
		    "edgelm train --init model.gguf -f more.txt --rate 1e-4 --epochs 2 -o new.gguf",
	.groups = groups,
	.settings_size = sizeof(settings),
	.defaults = &defaults,
	.prints_json = true,
	.run = run,
};

/* build.c: the engine file of a model, made ahead of its first use. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/model_options.h"

typedef struct settings {
	const char *model, *output;
	bool check;
	cli_model_settings engine;
} settings;

#define S settings
static const cli_option arguments[] = {
	{ "MODEL", 0, CLI_FILE(S, model), NULL, "the GGUF file", .required = true },
	{ 0 },
};

static const cli_option build_options[] = {
	{ "output", 'o', CLI_FILE(S, output), "FILE", "write the engine file here",
	  .default_text = "in the folder that edgelm cache-dir prints" },
	{ "check", 0, CLI_FLAG(S, check), NULL,
	  "compare the whole file with its checksums afterwards" },
	{ "isa", 0, CLI_TEXT(S, engine.isa), "TIER", "processor instructions to build for",
	  .default_text = "the best that this machine has" },
	{ 0 },
};
#undef S

static const cli_group groups[] = { { "Options", build_options, 0 }, { 0 } };
static const settings defaults = { .engine = CLI_MODEL_DEFAULTS };

static int report(const cli_context *cli, const elm_model *model)
{
	const char *path = elm_model_engine_path(model);
	bool built = elm_model_engine_built(model);

	if (cli->json)
		return cli_print_json(cli, json_pack("{s:s?, s:b, s:s}", "engine_file", path,
						     "built", built, "isa", elm_model_isa(model)));
	if (path)
		printf("%s (%s)\n", path, built ? "built" : "was there already");
	else
		printf("nothing to build: \"%s\" computes with these weights as they are in the "
		       "file\n",
		       elm_model_isa(model));
	return CLI_DONE;
}

static int run(cli_context *cli)
{
	settings *s = cli->settings;
	elm_error error = { 0 };
	elm_model *model;
	int code;

	s->engine.engine_file = s->output;
	model = cli_open_model(cli, s->model, &s->engine);
	if (!model)
		return CLI_FAILED;
	if (s->check && elm_model_engine_path(model) &&
	    elm_model_engine_verify(model, &error) != ELM_OK)
		code = cli_fail_error(cli, &error);
	else
		code = report(cli, model);
	elm_model_close(model);
	return code;
}

const cli_command cli_cmd_build = {
	.name = "build",
	.summary = "make a model's engine file ahead of its first use",
	.description = "An engine file holds the weights in the order that this processor reads "
		       "them. Every "
		       "command that computes makes one at its first use of a model and keeps it; "
		       "this makes "
		       "it beforehand, or for another place: a file beside the model is found by "
		       "itself, any "
		       "other is given with --engine.",
	.examples = "edgelm build model.gguf\n"
		    "edgelm build model.gguf --isa avx2 -o model.elm\n",
	.arguments = arguments,
	.groups = groups,
	.settings_size = sizeof(settings),
	.defaults = &defaults,
	.prints_json = true,
	.run = run,
};

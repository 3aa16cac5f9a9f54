/* calibrate.c: what a text makes the layers of a model read, for quantising and pruning. */
#include <edgelm/log.h>

#include <stdio.h>

#include "base/text.h"
#include "cli/calibration.h"
#include "cli/commands.h"
#include "cli/model_options.h"
#include "cli/text.h"
#include "compress/calibrate.h"

typedef struct settings {
	const char *model, *output;
	bool products, resume;
	cli_calibration_settings text;
	cli_model_settings engine;
} settings;

#define S settings
static const cli_option arguments[] = {
	{ "MODEL", 0, CLI_FILE(S, model), NULL, "the GGUF file, best in F16 or F32",
	  .required = true },
	{ 0 },
};

static const cli_option options[] = {
	{ "output", 'o', CLI_FILE(S, output), "FILE", "write the calibration here",
	  .required = true },
	{ "hessian", 0, CLI_FLAG(S, products), NULL,
	  "also the products of all pairs of channels, which GPTQ, AWQ and pruning use" },
	{ "resume", 0, CLI_FLAG(S, resume), NULL,
	  "go on from an unfinished FILE, where there is one" },
	{ 0 },
};
#undef S

static const cli_group groups[] = {
	{ "Options", options, 0 },
	{ "Text", cli_calibration_options, offsetof(settings, text) },
	{ 0 },
};
static const settings defaults = { .text = CLI_CALIBRATION_DEFAULTS, .engine = CLI_MODEL_DEFAULTS };

typedef struct watching {
	cli_progress progress;
	const volatile int *interrupted;
} watching;

static bool watch(void *user, uint64_t done, uint64_t total)
{
	watching *w = user;

	cli_progress_update(&w->progress, done, total, "windows of layers");
	return *w->interrupted != 0;
}

static int report_done(const cli_context *cli, const elm__calibrate_report *r,
		       const elm_model *model)
{
	const settings *s = cli->settings;

	cli_warn_few_tokens(model, r->tokens, s->products);
	if (cli->json)
		return cli_print_json(cli, json_pack("{s:s, s:I, s:I, s:I, s:b, s:b}", "output",
						     s->output, "tokens", (json_int_t)r->tokens,
						     "windows", (json_int_t)r->windows, "window",
						     (json_int_t)r->window, "hessian",
						     (int)s->products, "resumed", (int)r->resumed));
	printf("%s: %llu tokens in %lu windows of %lu%s\n", s->output,
	       (unsigned long long)r->tokens, (unsigned long)r->windows, (unsigned long)r->window,
	       s->products ? ", with Hessians" : "");
	return CLI_DONE;
}

static int calibrate(cli_context *cli, elm_model *model)
{
	const settings *s = cli->settings;
	watching state = { .interrupted = cli_interrupt_watch() };
	elm__calibrate_options o = { .walk = cli_walk_options(&s->text, model),
				     .output = s->output,
				     .text_name = s->text.file ? s->text.file : "",
				     .products = s->products,
				     .resume = s->resume,
				     .progress = watch,
				     .user = &state };
	elm__calibrate_report report;
	elm_error error = { 0 };
	elm_status status;
	cli_text text;

	status = cli_text_read(&text, elm_model_tokenizer(model), s->text.file, 0, &error);
	if (status)
		return cli_fail_error(cli, &error);
	cli_progress_start(&state.progress, cli, "calibrating");
	status = elm__calibrate(model, text.tokens, text.count, &o, &report, &error);
	cli_progress_end(&state.progress);
	cli_text_release(&text);
	if (status)
		return cli_fail_error(cli, &error);
	return report_done(cli, &report, model);
}

static int run(cli_context *cli)
{
	settings *s = cli->settings;
	elm_model *model;
	int code;

	s->engine.isa = s->text.isa;
	s->engine.no_engine_cache = true;
	model = cli_open_model(cli, s->model, &s->engine);
	if (!model)
		return CLI_FAILED;
	code = calibrate(cli, model);
	elm_model_close(model);
	return code;
}

const cli_command cli_cmd_calibrate = {
	.name = "calibrate",
	.summary = "see what a text makes a model's layers read",
	.description =
		"The text should be of the kind that the model will be used for. Its tokens are "
		"cut "
		"into windows of --ctx tokens; a shorter rest is left out. For every matrix the "
		"sums of its inputs, of their magnitudes and of their squares are kept: edgelm "
		"quantize takes them as the importance of weights, and so does llama.cpp, as an "
		"importance matrix.\n\n"
		"The text passes one layer after the other, so memory is needed for one layer and "
		"for 4 bytes x tokens x width, plus the Hessians; what is more than --memory is "
		"kept in a temporary file beside FILE. After Ctrl-C FILE holds what is done, and "
		"--resume goes on from there.",
	.examples = "edgelm calibrate model-f16.gguf -f text.txt -o model.calib\n"
		    "edgelm calibrate model-f16.gguf -f text.txt -o model.calib --hessian\n",
	.arguments = arguments,
	.groups = groups,
	.settings_size = sizeof(settings),
	.defaults = &defaults,
	.prints_json = true,
	.run = run,
};

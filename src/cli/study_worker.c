/* study_worker.c: the process in which `edgelm study run` runs the engine. */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "bench/subject.h"
#include "cli/model_options.h"
#include "cli/study.h"
#include "study/worker.h"

typedef struct settings {
	const char *model, *chat_template;
	int64_t streams;
	cli_model_settings engine;
	cli_sampling_settings sampling;
} settings;

#define S settings
static const cli_option arguments[] = {
	{ "MODEL", 0, CLI_FILE(S, model), NULL, "the GGUF file", .required = true },
	{ 0 },
};
static const cli_option worker_options[] = {
	{ "streams", 0, CLI_INT(S, streams), "N", "requests that run at the same time",
	  .range = { 1, 256 } },
	{ "template", 0, CLI_FILE(S, chat_template), "NAME",
	  "chat template instead of the model's: chatml, plain or a file" },
	{ 0 },
};
#undef S

static const cli_group groups[] = {
	{ "Options", worker_options, 0 },
	{ "Sampling", cli_sampling_options, offsetof(settings, sampling) },
	{ "Model", cli_model_options, offsetof(settings, engine) },
	{ 0 },
};
static const settings defaults = { .streams = 1,
				   .engine = CLI_MODEL_DEFAULTS,
				   .sampling = CLI_SAMPLING_DEFAULTS };

static int run(cli_context *cli)
{
	const settings *s = cli->settings;
	elm__worker_options options = { .chat_template = s->chat_template };
	elm__bench_subject subject;
	elm_error error = { 0 };
	int code = CLI_DONE;

	if (s->sampling.bias.count)
		return cli_usage(cli, "--logit-bias is not supported here");
	/* It must not go on when the study was killed. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	options.model = cli_open_model(cli, s->model, &s->engine);
	if (!options.model)
		return CLI_FAILED;
	elm__bench_subject_of(&subject, options.model);
	options.type = subject.type;
	options.session = cli_session_options(&s->engine);
	options.session.max_sequences = (uint32_t)s->streams;
	options.sampling = cli_sampler_options(&s->sampling);
	if (elm__worker_run(&options, STDIN_FILENO, STDOUT_FILENO, &error))
		code = cli_fail_error(cli, &error);
	elm_model_close(options.model);
	return code;
}

const cli_command cli_cmd_study_worker = {
	.name = "worker",
	.summary = "answer the queries of another process (used by study run)",
	.description =
		"Opens a model and answers lines of JSON on standard input with lines of JSON on "
		"standard output, with the times of every token. `study run` starts one, so that "
		"what it measures is the engine's alone. docs/STUDY.md has the lines.",
	.arguments = arguments,
	.groups = groups,
	.settings_size = sizeof(settings),
	.defaults = &defaults,
	.run = run,
};

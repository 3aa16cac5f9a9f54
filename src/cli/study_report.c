/* study_report.c: a study as a page. */
#include <math.h>
#include <stdio.h>

#include "bench/limit.h"
#include "cli/study.h"
#include "cpu/cpu.h"
#include "study/report.h"

typedef struct settings {
	const char *folder, *output, *images, *reference, *roofline;
} settings;

#define S settings
static const cli_option arguments[] = {
	{ "DIR", 0, CLI_FILE(S, folder), NULL, "the folder of the study", .required = true },
	{ 0 },
};
static const cli_option options[] = {
	{ "output", 'o', CLI_FILE(S, output), "FILE", "the page to write" },
	{ "png", 0, CLI_FILE(S, images), "DIR", "also write each figure as an image into DIR" },
	{ "reference", 0, CLI_FILE(S, reference), "DIR",
	  "draw the numbers of DIR/per_query.csv beside" },
	{ "roofline", 0, CLI_FILE(S, roofline), "MODEL",
	  "measure the limits of this machine, with the instructions that the model uses; in a few "
	  "seconds" },
	{ 0 },
};
#undef S

static const cli_group groups[] = { { "Options", options, 0 }, { 0 } };
static const settings defaults = { .output = "report.html" };

#ifdef HAVE_STUDY

/* What this machine could do at best, with all its cores. */
static elm_status measure_limits(const char *path, elm__report_options *o, elm_error *error)
{
	unsigned cpus[ELM__POOL_MAX], cores = elm__cpu_select("", cpus, ELM__POOL_MAX);
	elm__peaks peaks;
	elm_model *model;
	elm_status status = elm_model_open(path, NULL, &model, error);

	if (status != ELM_OK)
		return status;
	status = elm__bench_measure_peaks(model, cores, &peaks, error);
	elm_model_close(model);
	if (status != ELM_OK)
		return status;
	o->read_bytes_per_second = peaks.read;
	o->operations_per_second = fmax(peaks.f32, fmax(peaks.int8, peaks.bf16));
	o->peaks_note = "The limits were measured when this page was made, on the machine that "
			"made it: what all cores together read from memory, and their products in "
			"the fastest form that there is.";
	return ELM_OK;
}

static int run(cli_context *cli)
{
	const settings *s = cli->settings;
	elm__report_options o = { .reference = s->reference };
	elm__report_result result;
	elm_error error = { 0 };

	if (s->roofline && measure_limits(s->roofline, &o, &error) != ELM_OK)
		return cli_fail_error(cli, &error);
	if (elm__report_write(s->folder, s->output, s->images, &o, &result, &error) != ELM_OK)
		return cli_fail_error(cli, &error);
	if (cli->json)
		return cli_print_json(cli,
				      json_pack("{s:s, s:I, s:I, s:I, s:I}", "output", s->output,
						"figures", (json_int_t)result.figures, "missing",
						(json_int_t)result.missing, "images",
						(json_int_t)result.images, "findings",
						(json_int_t)result.findings));
	printf("%s: %zu figures", s->output, result.figures);
	if (result.missing)
		printf(", %zu that the study has nothing for", result.missing);
	printf(", %zu findings\n", result.findings);
	if (s->images)
		printf("%s: %zu images\n", s->images, result.images);
	return CLI_DONE;
}

#else

static int run(cli_context *cli)
{
	return cli_no_study(cli);
}

#endif

const cli_command cli_cmd_study_report = {
	.name = "report",
	.summary = "show a study as one page",
	.description =
		"Computes figures, intervals, fits and findings from DIR/study.db and writes them "
		"as one HTML file that needs nothing else: it can be opened, printed and sent "
		"around. A study that is not finished is shown as far as it is.\n\n"
		"--reference draws the numbers of another study beside, from a file "
		"DIR/per_query.csv with the columns category, prompt_tokens, output_tokens, "
		"ttft_ms, tbt_ms and total_ms. docs/STUDY.md tells what the figures are.",
	.examples = "edgelm study report results -o report.html\n"
		    "edgelm study report results -o report.html --png figures",
	.arguments = arguments,
	.groups = groups,
	.settings_size = sizeof(settings),
	.defaults = &defaults,
	.prints_json = true,
	.run = run,
};

/* study_run.c: measures a model, query by query. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/file.h"
#include "cli/build_commit.h"
#include "cli/study.h"
#include "cli/study_points.h"
#include "study/machine.h"
#include <edgelm/version.h>

static const char *const orders[] = { "random", "category", NULL };

#define S cli_study_settings
static const cli_option arguments[] = {
	{ "MODEL", 0, CLI_FILE(S, model), NULL, "the GGUF file; not with --url" },
	{ 0 },
};

static const cli_option run_options[] = {
	{ "out", 'o', CLI_FILE(S, out), "DIR",
	  "folder of the results; a study that was interrupted in it goes on", .required = true },
	{ "queries", 0, CLI_FILE(S, queries), "DIR",
	  "folder with complex.txt, contextual.txt, conversational.txt, simple.txt and "
	  "task-oriented.txt, one query on each line",
	  .default_text = "the program's own 5 x 100" },
	{ "limit", 0, CLI_INT(S, limit), "N", "queries of each category, spread over its file",
	  .default_text = "all", .range = { 1, 100000 } },
	{ "experiments", 0, CLI_TEXT(S, experiments), "LIST",
	  "some of idle, workload, median, output-length, prompt-length, equal-prompt, cold, "
	  "probe, with commas between them",
	  .default_text = "all" },
	{ "repeats", 0, CLI_INT(S, repeats), "N",
	  "how often each trial is made, but for the workload", .range = { 1, 1000 } },
	{ "passes", 0, CLI_INT(S, passes), "N", "how often the whole workload is run",
	  .range = { 1, 1000 } },
	{ "order", 0, CLI_CHOICE(S, order), "ORDER",
	  "random mixes all trials of an experiment, so that a device that gets warm does not "
	  "favour "
	  "one category; category is the order of the original study",
	  .choices = orders },
	{ "form", 0, CLI_CHOICE(S, form), "FORM",
	  "prompts: chat uses the model's template, and is plain where it has none; plain is the "
	  "text of the original study; quoted has its literal quotes, too",
	  .choices = elm__prompt_form_names },
	{ "ignore-eos", 0, CLI_FLAG(S, ignore_eos), NULL,
	  "answers always have their full length; experiments that compare lengths do that "
	  "anyway" },
	{ "faithful", 0, CLI_FLAG(S, faithful), NULL,
	  "as the original study was made: literal quotes, a context of 512 tokens, temperature "
	  "0.8, a new process for each query, order by category, its warm-ups" },
	{ "idle", 0, CLI_REAL(S, idle), "SECONDS",
	  "how long the idle device is looked at first, for the power that it takes anyway",
	  .real_range = { 0.1, 3600 } },
	{ "sweep", 0, CLI_LIST(S, sweeps), "KEY=A,B",
	  "repeat everything with other settings: threads, ctx, kv, isa, batch (requests at the "
	  "same "
	  "time) or type (model files); several are combined" },
	{ "streams", 0, CLI_INT(S, streams), "N", "requests at the same time",
	  .range = { 1, 256 } },
	{ "template", 0, CLI_FILE(S, chat_template), "NAME",
	  "chat template instead of the model's: chatml, plain or a file" },
	{ "sysroot", 0, CLI_FILE(S, sysroot), "DIR",
	  "look for sensors below this folder: a recorded tree of another device",
	  .default_text = "this machine's /proc and /sys" },
	{ 0 },
};

static const cli_option server_options[] = {
	{ "url", 0, CLI_TEXT(S, url), "URL",
	  "measure a server with the API of OpenAI instead of a file" },
	{ "model", 0, CLI_TEXT(S, served), "NAME", "which of the server's models",
	  .default_text = "the first" },
	{ "pid", 0, CLI_INT(S, pid), "N",
	  "process of the server on this machine, whose memory and processor time are recorded",
	  .range = { 1, INT32_MAX } },
	{ "api-key-file", 0, CLI_FILE(S, key_file), "FILE", "its first line is the API key" },
	{ "timeout", 0, CLI_REAL(S, timeout), "SECONDS", "for one request",
	  .real_range = { 1, 86400 } },
	{ 0 },
};

static const cli_option sampling_options[] = {
	{ "temp", 0, CLI_REAL(S, sampling.temperature), "T",
	  "temperature; 0 always takes the most likely token, so that repeats have equal texts",
	  .real_range = { 0, 100 } },
	{ "top-k", 0, CLI_INT(S, sampling.top_k), "K", "keep the K most likely tokens; 0 keeps all",
	  .range = { 0, INT32_MAX } },
	{ "top-p", 0, CLI_REAL(S, sampling.top_p), "P",
	  "keep the smallest set of tokens of this probability", .real_range = { 0, 1 } },
	{ "min-p", 0, CLI_REAL(S, sampling.min_p), "P",
	  "keep tokens of at least this fraction of the best one's probability",
	  .real_range = { 0, 1 } },
	{ "repeat-penalty", 0, CLI_REAL(S, sampling.repeat_penalty), "X",
	  "make tokens that occurred less likely by this factor; 1 is off",
	  .real_range = { 1e-6, 100 } },
	{ "penalty-window", 0, CLI_INT(S, sampling.penalty_window), "N",
	  "last tokens that the penalty looks at", .range = { -1, 1 << 20 } },
	{ "seed", 0, CLI_INT(S, sampling.seed), "N",
	  "of the sampler and of the order; a repeat adds its number", .range = { 0, 1 << 30 } },
	{ 0 },
};
#undef S

static const cli_group groups[] = {
	{ "Study", run_options, 0 },
	{ "Server", server_options, 0 },
	{ "Sampling", sampling_options, 0 },
	{ "Engine", cli_model_options, offsetof(cli_study_settings, engine) },
	{ 0 },
};

static const cli_study_settings defaults = {
	.repeats = 5,
	.passes = 1,
	.streams = 1,
	.idle = 3,
	.timeout = 600,
	.sysroot = "",
	.engine = CLI_MODEL_DEFAULTS,
	.sampling = { .temperature = 0,
		      .top_k = 40,
		      .top_p = 0.95,
		      .min_p = 0.05,
		      .typical_p = 1,
		      .repeat_penalty = 1,
		      .penalty_window = 64,
		      .mirostat_eta = 0.1,
		      .seed = 42 },
};

#ifdef HAVE_STUDY

enum { MAX_COMMAND = 1 << 16 };

/* A study in progress. */
typedef struct job {
	cli_context *cli;
	cli_study_settings s; /* with what --faithful sets */
	cli_study_points points;
	elm__workload workload;
	elm__study_machine machine;
	elm__study_options options;
	elm__buf command, version;
	cli_progress progress;
	char what[128]; /* is being measured */
} job;

static void be_faithful(cli_study_settings *s)
{
	s->form = ELM__PROMPT_QUOTED;
	s->order = 1;
	s->engine.context = 512;
	s->sampling.temperature = 0.8;
	s->sampling.repeat_penalty = 1.1;
}

static int check(const cli_context *cli, const cli_study_settings *s)
{
	static const char *const alone[] = { "form", "order",	       "ctx",
					     "temp", "repeat-penalty", "sweep" };

	if (!s->model == !s->url)
		return cli_usage(cli, "give a MODEL or --url, and not both");
	if (!s->url && (s->served || s->pid || s->key_file))
		return cli_usage(cli, "--model, --pid and --api-key-file need --url");
	if (!s->faithful)
		return CLI_DONE;
	if (s->url)
		return cli_usage(cli, "--faithful starts a process for each query, so it is not "
				      "for servers");
	for (size_t i = 0; i < sizeof(alone) / sizeof(alone[0]); i++)
		if (cli_given(cli, alone[i]))
			return cli_usage(cli, "--faithful sets --%s itself", alone[i]);
	return CLI_DONE;
}

/* "idle,median" as bits. */
static int parse_experiments(const cli_context *cli, const char *list, unsigned *out)
{
	*out = 0;
	while (list && *list) {
		size_t length = strcspn(list, ","), kind = 0;

		while (kind < ELM__EXPERIMENT_COUNT &&
		       (strlen(elm__experiment_names[kind]) != length ||
			memcmp(elm__experiment_names[kind], list, length)))
			kind++;
		if (kind == ELM__EXPERIMENT_COUNT)
			return cli_usage(cli, "--experiments: there is no \"%.*s\"", (int)length,
					 list);
		*out |= 1u << kind;
		list += length + (list[length] == ',');
	}
	if (!list)
		*out = (1u << ELM__EXPERIMENT_COUNT) - 1;
	return *out ? CLI_DONE : cli_usage(cli, "--experiments has no experiment");
}

static void show(void *user, size_t done, size_t total, const char *what)
{
	job *j = user;

	snprintf(j->what, sizeof(j->what), "%s", what);
	j->progress.what = j->progress.what ? j->what : NULL;
	cli_progress_update(&j->progress, done, total, "trials");
}

/* The command line as it was given, for the session's row. */
static void say_command(job *j)
{
	elm__buf given = ELM__BUF_INIT;

	elm__buf_printf(&j->version, "%s %s", elm_version(), ELM_BUILD_COMMIT);
	/* The kernel puts a NUL behind each word. */
	if (elm__file_read("/proc/self/cmdline", MAX_COMMAND, &given, NULL) || !given.length)
		elm__buf_puts(&j->command, j->cli->name);
	for (size_t i = 0; i + 1 < given.length; i++)
		elm__buf_putc(&j->command, given.data[i] ? given.data[i] : ' ');
	elm__buf_release(&given);
}

static elm_status fill_options(job *j, elm_error *error)
{
	const cli_study_settings *s = &j->s;
	elm__study_options *o = &j->options;
	elm_status status =
		cli_study_settings_rows(s, &j->points, j->workload.hash, &j->points.arena,
					&o->settings, &o->setting_count, error);

	if (status == ELM_OK)
		status = elm__machine_look(s->sysroot, &j->points.arena, &j->machine, error);
	say_command(j);
	if (status == ELM_OK)
		status = elm__buf_status(&j->command, error);
	if (status == ELM_OK)
		status = elm__buf_status(&j->version, error);
	for (size_t i = 0; i < j->points.count; i++)
		j->points.items[i].power_mode = j->machine.power_mode;
	o->folder = s->out;
	o->sysroot = s->sysroot;
	o->command = elm__buf_text(&j->command);
	o->version = elm__buf_text(&j->version);
	o->machine = &j->machine;
	o->workload = &j->workload;
	o->plan = (elm__study_plan_options){ .faithful = s->faithful,
					     .random = s->order == 0,
					     .ignore_eos = s->ignore_eos,
					     .repeats = (uint32_t)s->repeats,
					     .passes = (uint32_t)s->passes,
					     .seed = (uint64_t)s->sampling.seed };
	o->form = (elm__prompt_form)s->form;
	o->fresh_process = s->faithful;
	o->idle_seconds = s->idle;
	o->points = j->points.items;
	o->point_count = j->points.count;
	o->cancel = cli_interrupt_watch();
	o->progress = show;
	o->user = j;
	return status;
}

static int report(const job *j, const elm__study_summary *sum, elm_status status)
{
	if (j->cli->json)
		return cli_print_json(
			j->cli,
			json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "folder",
				  j->s.out, "complete", status == ELM_OK, "planned",
				  (json_int_t)sum->planned, "done_before",
				  (json_int_t)sum->done_before, "done", (json_int_t)sum->done,
				  "rejected", (json_int_t)sum->rejected, "truncated",
				  (json_int_t)sum->truncated, "failed", (json_int_t)sum->failed,
				  "warnings", (json_int_t)sum->warnings));
	printf("%s: %zu of %zu trials are done, %zu of them now\n", j->s.out,
	       sum->done_before + sum->done, sum->planned, sum->done);
	printf("edgelm study show %s prints the results\n", j->s.out);
	if (sum->rejected || sum->truncated || sum->failed)
		printf("now: %zu rejected because the prompt does not fit, %zu truncated by the "
		       "context, %zu failed\n",
		       sum->rejected, sum->truncated, sum->failed);
	if (sum->warnings)
		printf("%zu warnings are in the table \"event\"\n", sum->warnings);
	return CLI_DONE;
}

static int run_study(job *j)
{
	elm__study_summary summary;
	elm_error error = { 0 };
	elm_status status =
		elm__workload_load(&j->workload, j->s.queries, (size_t)j->s.limit, &error);
	int code;

	if (status)
		return cli_fail_error(j->cli, &error);
	code = cli_study_points_make(j->cli, &j->s, &j->points);
	if (code != CLI_DONE)
		return code;
	status = fill_options(j, &error);
	if (status)
		return cli_fail_error(j->cli, &error);
	cli_progress_start(&j->progress, j->cli, "measuring");
	status = elm__study_run(&j->options, &summary, &error);
	cli_progress_end(&j->progress);
	if (status == ELM_ERR_CANCELLED) {
		report(j, &summary, status);
		return cli_fail(j->cli, "interrupted; the same command goes on with it");
	}
	if (status)
		return cli_fail_error(j->cli, &error);
	return report(j, &summary, status);
}

static int run(cli_context *cli)
{
	job j = { .cli = cli, .s = *(const cli_study_settings *)cli->settings };
	int code = check(cli, &j.s);

	if (code == CLI_DONE)
		code = parse_experiments(cli, j.s.experiments, &j.options.experiments);
	if (code != CLI_DONE)
		return code;
	if (j.s.faithful)
		be_faithful(&j.s);
	/* A worker that dies while it is written to is a result, and not our end. */
	signal(SIGPIPE, SIG_IGN);
	code = run_study(&j);
	elm__workload_release(&j.workload);
	cli_study_points_release(&j.points);
	elm__buf_release(&j.command);
	elm__buf_release(&j.version);
	return code;
}

#else

static int run(cli_context *cli)
{
	return cli_no_study(cli);
}

#endif

const cli_command cli_cmd_study_run = {
	.name = "run",
	.summary = "measure latency, memory and energy of a model",
	.description =
		"Asks a model, or a server, the queries of five categories and measures each: time "
		"to first token, every token after it, memory, processor, temperatures and power. "
		"Further experiments vary the length of answers and of prompts, sample finely, "
		"start cold, and ask how much a second process is slowed. Everything is kept in "
		"DIR/study.db and, at the end, in CSV files; docs/STUDY.md and "
		"docs/FORMAT-STUDY.md "
		"have the details.\n\n"
		"Each trial is kept when it is done. After Ctrl-C, a kill or a power cut the same "
		"command goes on where it stood.",
	.examples = "edgelm study run model.gguf --out results\n"
		    "edgelm study run model.gguf --out quick --limit 5 --repeats 3\n"
		    "edgelm study run model.gguf --out threads --experiments median --sweep "
		    "threads=1,2,4\n"
		    "edgelm study run --url http://localhost:8080 --pid 4711 --out server",
	.arguments = arguments,
	.groups = groups,
	.settings_size = sizeof(cli_study_settings),
	.defaults = &defaults,
	.prints_json = true,
	.run = run,
};

/* bench.c: how fast a model is on this machine. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/text.h"
#include "bench/report.h"
#include "cli/build_commit.h"
#include "cli/build_number.h"
#include "cli/commands.h"
#include "cli/model_options.h"
#include "cpu/cpu.h"
#include "model/kv.h"

typedef struct settings {
	cli_list models, more_models;
	cli_list prompt, generate, pairs, depth, sequences, lengths;
	cli_list batch, ubatch, threads, type_k, type_v, isa;
	int64_t repetitions, delay;
	int output, output_err; /* index in formats, in error_formats */
	bool no_warmup, progress, latency, memory, energy, roofline, no_engine_cache;
} settings;

static const char *const formats[] = { "md", "csv", "json", "jsonl", "sql", NULL };
static const char *const error_formats[] = { "none", "md", "csv", "json", "jsonl", "sql", NULL };

#define S settings
static const cli_option arguments[] = {
	{ "MODEL", 0, CLI_LIST(S, models), NULL, "GGUF files" },
	{ 0 },
};

static const cli_option test_options[] = {
	{ "n-prompt", 'p', CLI_LIST(S, prompt), "N", "tokens of prompts; 0 for no such test",
	  .default_text = "512" },
	{ "n-gen", 'n', CLI_LIST(S, generate), "N", "tokens to generate; 0 for no such test",
	  .default_text = "128" },
	{ "prompt-gen", 0, CLI_LIST(S, pairs), "PP,TG",
	  "also a prompt of PP tokens, then TG generated ones, in one test", .alias = "-pg" },
	{ "n-depth", 'd', CLI_LIST(S, depth), "N",
	  "tokens in the cache before a test begins; they are not timed", .default_text = "0" },
	{ "batch", 0, CLI_LIST(S, sequences), "N",
	  "generate for N sequences at once; rates are of all together", .default_text = "1" },
	{ "batch-size", 'b', CLI_LIST(S, batch), "N",
	  "tokens of a prompt that are given to the engine at once; with --input-output-len: "
	  "sequences, as for --batch",
	  .default_text = "2048", .alias = "--batch_size" },
	{ "ubatch-size", 0, CLI_LIST(S, ubatch), "N", "tokens that are computed together",
	  .default_text = "512", .alias = "-ub" },
	{ "cache-type-k", 0, CLI_LIST(S, type_k), "TYPE",
	  "types of cached keys and values: f32, f16, q8_0, int4", .default_text = "f16",
	  .alias = "-ctk" },
	{ "cache-type-v", 0, CLI_LIST(S, type_v), "TYPE",
	  "types of values; only tests with the same type for both are made",
	  .default_text = "as for keys", .alias = "-ctv" },
	{ "threads", 't', CLI_LIST(S, threads), "N", "threads that compute",
	  .default_text = "one per core" },
	{ "isa", 0, CLI_LIST(S, isa), "TIER", "processor instructions to use",
	  .default_text = "the best that this machine has" },
	{ "input-output-len", 0, CLI_LIST(S, lengths), "IN,OUT",
	  "instead of all these tests those of gptSessionBenchmark, printed like it: pairs of "
	  "lengths between semicolons, and --batch-size \"1;4\"",
	  .alias = "--input_output_len" },
	{ 0 },
};

static const cli_option run_options[] = {
	{ "model", 'm', CLI_LIST(S, more_models), "FILE", "the same as MODEL" },
	{ "repetitions", 'r', CLI_INT(S, repetitions), "N", "how often each test is timed",
	  .range = { 1, 100000 } },
	{ "no-warmup", 0, CLI_FLAG(S, no_warmup), NULL, "do not run each test once before" },
	{ "delay", 0, CLI_INT(S, delay), "SECONDS", "rest before each test",
	  .range = { 0, 86400 } },
	{ "no-engine-cache", 0, CLI_FLAG(S, no_engine_cache), NULL,
	  "neither read nor write an engine file; what has to be rearranged stays in memory" },
	{ 0 },
};

static const cli_option print_options[] = {
	{ "output", 'o', CLI_CHOICE(S, output), "FORMAT", "format of the results",
	  .choices = formats },
	{ "output-err", 0, CLI_CHOICE(S, output_err), "FORMAT",
	  "the same once more on standard error", .choices = error_formats, .alias = "-oe" },
	{ "latency", 0, CLI_FLAG(S, latency), NULL,
	  "percentiles of the time of each step that generates, and of the time to the first "
	  "token" },
	{ "memory", 0, CLI_FLAG(S, memory), NULL, "the most memory that was resident in a test" },
	{ "energy", 0, CLI_FLAG(S, energy), NULL, "the energy of a test, where it is measured" },
	{ "roofline", 0, CLI_FLAG(S, roofline), NULL,
	  "results as a share of what the machine can do, which is measured first" },
	{ "progress", 0, CLI_FLAG(S, progress), NULL, "say on standard error what is being done" },
	{ 0 },
};
#undef S

static const cli_group groups[] = {
	{ "Tests", test_options, 0 },
	{ "Measuring", run_options, 0 },
	{ "Printing", print_options, 0 },
	{ 0 },
};
static const settings defaults = { .repetitions = 5 };

/* --- from options to a plan --- */

typedef struct benchmark {
	const cli_context *cli;
	const settings *s;
	bool trt; /* --input-output-len */
	elm__bench_params params;
	elm__bench_plan plan;
	elm__bench_report reports[2]; /* stdout, stderr */
	size_t n_reports;
	char cpu[128];
	elm__peaks *peaks; /* of the model at hand, one per params.threads; read is 0 before */
	elm__buf notes;	   /* lines below the table */
	const volatile int *interrupted;
	cli_progress progress;
	size_t done, total; /* tests */
	size_t measured;    /* of them not N/A */
} benchmark;

/* What is wrong with options is a usage error, running out of memory is not. */
static int refuse(const cli_context *cli, const elm_error *error)
{
	return error->status == ELM_ERR_ARGUMENT ? cli_usage(cli, "%s", error->text) :
						   cli_fail_error(cli, error);
}

static int parse_numbers(const benchmark *b, const cli_list *texts, elm__numbers_kind kind,
			 uint32_t otherwise, elm__numbers *out)
{
	elm_error error = { 0 };

	for (size_t i = 0; i < texts->count; i++)
		if (elm__numbers_parse(out, &kind, texts->items[i], &error))
			return refuse(b->cli, &error);
	if (!texts->count && elm__numbers_add(out, otherwise, &error))
		return refuse(b->cli, &error);
	return CLI_DONE;
}

static int parse_pairs(const benchmark *b, const cli_list *texts, elm__numbers_kind kind,
		       elm__numbers *out)
{
	elm_error error = { 0 };

	for (size_t i = 0; i < texts->count; i++)
		if (elm__numbers_parse_pairs(out, &kind, texts->items[i], &error))
			return refuse(b->cli, &error);
	return CLI_DONE;
}

/* Calls `each` for every word between commas. */
static int each_word(benchmark *b, const cli_list *texts,
		     int (*each)(benchmark *b, const char *word, void *user), void *user)
{
	int code = CLI_DONE;

	for (size_t i = 0; i < texts->count; i++) {
		const char *at = texts->items[i];

		while (code == CLI_DONE) {
			size_t length = strcspn(at, ",");
			char word[32];

			snprintf(word, sizeof(word), "%.*s", (int)(length < 31 ? length : 31), at);
			code = each(b, word, user);
			if (!at[length])
				break;
			at += length + 1;
		}
	}
	return code;
}

static int add_type(benchmark *b, const char *word, void *user)
{
	static const elm_type types[] = { ELM_TYPE_F32, ELM_TYPE_F16, ELM_TYPE_Q8_0,
					  ELM_TYPE_IQ4_NL };
	elm_error error = { 0 };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(word, elm__bench_kv_name(types[i])) ||
		    !strcmp(word, elm__kv_type_name(types[i])))
			return elm__numbers_add(user, types[i], &error) ? refuse(b->cli, &error) :
									  CLI_DONE;
	return cli_usage(b->cli,
			 "\"%s\" is no type of cached keys and values: f32, f16, q8_0, "
			 "int4",
			 word);
}

static bool contains(const elm__numbers *list, uint32_t number)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i] == number)
			return true;
	return false;
}

/* Keys and values are kept in one type: of all pairs those with two of the same remain. */
static int parse_types(benchmark *b)
{
	elm__numbers keys = { 0 }, values = { 0 };
	elm_error error = { 0 };
	int code = each_word(b, &b->s->type_k, add_type, &keys);

	if (code == CLI_DONE)
		code = each_word(b, &b->s->type_v, add_type, &values);
	if (code == CLI_DONE && !keys.count && elm__numbers_add(&keys, ELM_TYPE_F16, &error))
		code = refuse(b->cli, &error);
	for (size_t i = 0; i < keys.count && code == CLI_DONE; i++)
		if ((!values.count || contains(&values, keys.items[i])) &&
		    elm__numbers_add(&b->params.kv_types, keys.items[i], &error))
			code = refuse(b->cli, &error);
	if (code == CLI_DONE && !b->params.kv_types.count)
		code = cli_usage(b->cli, "keys and values are kept in the same type: give "
					 "--cache-type-k and --cache-type-v the same");
	elm__numbers_release(&keys);
	elm__numbers_release(&values);
	return code;
}

/* What both kinds of benchmark have. */
static int parse_common(benchmark *b)
{
	unsigned cpus[ELM__POOL_MAX];
	const settings *s = b->s;
	int code;

	code = parse_numbers(b, &s->ubatch, (elm__numbers_kind){ "--ubatch-size", 1, 65536, ',' },
			     512, &b->params.ubatch);
	if (code == CLI_DONE)
		code = parse_numbers(b, &s->threads,
				     (elm__numbers_kind){ "--threads", 1, ELM__POOL_MAX, ',' },
				     elm__cpu_select("", cpus, ELM__POOL_MAX), &b->params.threads);
	return code == CLI_DONE ? parse_types(b) : code;
}

enum { MOST_TOKENS = 1 << 28, MOST_SEQUENCES = 4096, DEFAULT_BATCH = 2048 };

static int parse_tests(benchmark *b)
{
	elm__numbers_kind tokens = { "--n-prompt", 0, MOST_TOKENS, ',' };
	const settings *s = b->s;
	int code = parse_numbers(b, &s->prompt, tokens, 512, &b->params.prompt);

	tokens.name = "--n-gen";
	if (code == CLI_DONE)
		code = parse_numbers(b, &s->generate, tokens, 128, &b->params.generate);
	tokens.name = "--n-depth";
	if (code == CLI_DONE)
		code = parse_numbers(b, &s->depth, tokens, 0, &b->params.depth);
	tokens.name = "--prompt-gen";
	if (code == CLI_DONE)
		code = parse_pairs(b, &s->pairs, tokens, &b->params.pairs);
	if (code == CLI_DONE)
		code = parse_numbers(b, &s->sequences,
				     (elm__numbers_kind){ "--batch", 1, MOST_SEQUENCES, ',' }, 1,
				     &b->params.sequences);
	for (size_t i = 0; i < s->batch.count && code == CLI_DONE; i++)
		if (strchr(s->batch.items[i], ';'))
			code = cli_usage(b->cli,
					 "--batch-size \"%s\": numbers of sequences between "
					 "semicolons go with --input-output-len; otherwise use "
					 "--batch",
					 s->batch.items[i]);
	if (code == CLI_DONE)
		code = parse_numbers(b, &s->batch,
				     (elm__numbers_kind){ "--batch-size", 1, 1 << 20, ',' },
				     DEFAULT_BATCH, &b->params.batch);
	return code;
}

static int parse_trt(benchmark *b)
{
	static const char *const foreign[] = { "n-prompt", "n-gen",  "prompt-gen", "n-depth",
					       "batch",	   "output", "output-err", "latency",
					       "memory",   "energy", "roofline" };
	elm_error error = { 0 };
	int code;

	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		if (cli_given(b->cli, foreign[i]))
			return cli_usage(b->cli,
					 "--input-output-len prints lines of its own and cannot "
					 "be given with --%s",
					 foreign[i]);
	if (b->cli->json)
		return cli_usage(b->cli, "--input-output-len has no JSON; use --prompt-gen");
	code = parse_pairs(b, &b->s->lengths,
			   (elm__numbers_kind){ "--input-output-len", 1, MOST_TOKENS, ';' },
			   &b->params.pairs);
	if (code == CLI_DONE)
		code = parse_numbers(b, &b->s->batch,
				     (elm__numbers_kind){ "--batch-size", 1, MOST_SEQUENCES, ';' },
				     1, &b->params.sequences);
	/* The prompt gives the first token of the output. */
	for (size_t i = 1; i < b->params.pairs.count; i += 2)
		b->params.pairs.items[i]--;
	if (code == CLI_DONE && (elm__numbers_add(&b->params.depth, 0, &error) ||
				 elm__numbers_add(&b->params.batch, DEFAULT_BATCH, &error)))
		code = refuse(b->cli, &error);
	return code;
}

static unsigned extras_of(const benchmark *b)
{
	const elm__bench_params *p = &b->params;
	unsigned extras = 0;

	for (size_t i = 0; i < p->sequences.count; i++)
		if (p->sequences.items[i] > 1)
			extras |= ELM__BENCH_SEQUENCES;
	extras |= b->s->isa.count ? ELM__BENCH_ISA : 0;
	extras |= b->s->latency ? ELM__BENCH_LATENCY : 0;
	extras |= b->s->memory ? ELM__BENCH_MEMORY : 0;
	extras |= b->s->energy ? ELM__BENCH_ENERGY : 0;
	extras |= b->s->roofline ? ELM__BENCH_ROOFLINE : 0;
	if (p->batch.count > 1 || p->batch.items[0] != DEFAULT_BATCH)
		extras |= ELM__BENCH_BATCH;
	if (p->ubatch.count > 1 || p->ubatch.items[0] != 512)
		extras |= ELM__BENCH_UBATCH;
	if (p->kv_types.count > 1 || p->kv_types.items[0] != ELM_TYPE_F16)
		extras |= ELM__BENCH_KV_TYPE;
	return extras;
}

static void set_reports(benchmark *b)
{
	elm__bench_report report = { .extras = extras_of(b),
				     .commit = ELM_BUILD_COMMIT,
				     .number = ELM_BUILD_NUMBER,
				     .cpu = elm__cpu_model_name(b->cpu, sizeof(b->cpu)) };

	report.format = b->trt	     ? ELM__BENCH_TRT :
			b->cli->json ? ELM__BENCH_JSON :
				       (elm__bench_format)b->s->output;
	b->reports[b->n_reports++] = report;
	if (b->s->output_err) {
		report.format = (elm__bench_format)(b->s->output_err - 1);
		b->reports[b->n_reports++] = report;
	}
}

static int make_plan(benchmark *b)
{
	elm_error error = { 0 };
	int code = b->trt ? parse_trt(b) : parse_tests(b);

	if (code == CLI_DONE)
		code = parse_common(b);
	if (code == CLI_DONE && elm__bench_plan_make(&b->plan, &b->params, &error))
		code = refuse(b->cli, &error);
	if (code != CLI_DONE)
		return code;
	b->peaks = elm__calloc(b->params.threads.count, sizeof(*b->peaks));
	if (!b->peaks)
		return cli_fail(b->cli, "out of memory");
	set_reports(b);
	return CLI_DONE;
}

/* --- printing --- */

static bool write_out(elm__buf *text, FILE *to)
{
	bool written = !text->failed &&
		       fwrite(elm__buf_text(text), 1, text->length, to) == text->length &&
		       fflush(to) == 0;

	elm__buf_release(text);
	return written;
}

/* A row, before the first one the beginning; NULL: the end, when there was a row. False when it
 * cannot be written. */
static bool print(benchmark *b, const elm__bench_row *row)
{
	bool written = true;

	cli_progress_end(&b->progress);
	for (size_t i = 0; i < b->n_reports && written; i++) {
		elm__bench_report *report = &b->reports[i];
		elm__buf text = ELM__BUF_INIT;

		if (row && !report->rows)
			elm__bench_report_begin(report, &text);
		if (row)
			elm__bench_report_row(report, &text, row);
		else if (report->rows)
			elm__bench_report_end(report, &text);
		if (!row && report->format == ELM__BENCH_MARKDOWN)
			elm__buf_puts(&text, elm__buf_text(&b->notes));
		written = write_out(&text, i ? stderr : stdout);
	}
	return written;
}

/* --- measuring --- */

static void show_stage(void *user, elm__bench_stage stage, uint32_t repetition)
{
	static const char *const names[] = { [ELM__BENCH_WARMUP] = "warm-up",
					     [ELM__BENCH_DEPTH] = "filling the cache",
					     [ELM__BENCH_REPETITION] = "repetition" };
	benchmark *b = user;

	if (b->s->progress && stage == ELM__BENCH_REPETITION)
		fprintf(stderr, "%s: test %zu of %zu: repetition %u of %lld\n", b->cli->name,
			b->done + 1, b->total, repetition, (long long)b->s->repetitions);
	else if (b->s->progress)
		fprintf(stderr, "%s: test %zu of %zu: %s\n", b->cli->name, b->done + 1, b->total,
			names[stage]);
	else
		cli_progress_update(&b->progress, b->done, b->total, "tests");
}

static void rest(const benchmark *b)
{
	for (int64_t tenths = b->s->delay * 10; tenths > 0 && !*b->interrupted; tenths--)
		nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
}

/* The peaks for as many threads as the test has, measured and noted when first asked for. */
static elm_status find_peaks(benchmark *b, const elm_model *model, elm__bench_row *row,
			     elm_error *error)
{
	uint32_t threads = row->result->what.threads;
	elm_status status;
	size_t i = 0;

	while (b->params.threads.items[i] != threads)
		i++;
	row->peaks = b->peaks[i];
	if (row->peaks.read > 0)
		return ELM_OK;
	status = elm__bench_measure_peaks(model, threads, &b->peaks[i], error);
	row->peaks = b->peaks[i];
	if (status == ELM_OK)
		elm__bench_peaks_text(&b->notes, row);
	return status;
}

/* One test and its row. */
static int measure(benchmark *b, elm_model *model, const elm__bench_subject *subject,
		   const elm__bench_case *what)
{
	elm__bench_options options = { .repetitions = (uint32_t)b->s->repetitions,
				       .no_warmup = b->s->no_warmup,
				       .cancel = b->interrupted,
				       .notice = show_stage,
				       .user = b };
	elm__bench_result result;
	elm__bench_row row = { .subject = subject, .result = &result };
	elm_error error = { 0 };
	elm_status status;
	int code = CLI_DONE;

	cli_progress_start(&b->progress, b->cli, "measuring");
	rest(b);
	status = elm__bench_run(model, what, &options, &result);
	cli_progress_end(&b->progress);
	/* Too large a test is a result; the next one may fit. */
	if (status == ELM_ERR_NO_MEMORY || status == ELM_ERR_LIMIT)
		cli_fail_error(b->cli, &result.error);
	else if (status == ELM_ERR_CANCELLED)
		code = CLI_FAILED; /* said once, at the end */
	else if (status != ELM_OK)
		code = cli_fail_error(b->cli, &result.error);
	b->measured += status == ELM_OK;
	if (code == CLI_DONE && b->s->roofline) {
		if (find_peaks(b, model, &row, &error))
			code = cli_fail_error(b->cli, &error);
		row.limit = elm__bench_limit_of(model, what, &row.peaks);
	}
	if (code == CLI_DONE) {
		code = print(b, &row) ? CLI_DONE : CLI_FAILED;
		b->done++;
	}
	elm__bench_result_release(&result);
	return code;
}

static int run_model(benchmark *b, const char *path, const char *isa)
{
	cli_model_settings engine = CLI_MODEL_DEFAULTS;
	elm__bench_subject subject;
	int code = CLI_DONE;
	elm_model *model;

	engine.isa = isa;
	engine.no_engine_cache = b->s->no_engine_cache;
	model = cli_open_model(b->cli, path, &engine);
	if (!model)
		return CLI_FAILED;
	elm__bench_subject_of(&subject, model);
	for (size_t i = 0; i < b->params.threads.count; i++)
		b->peaks[i] = (elm__peaks){ 0 };
	for (size_t i = 0; i < b->plan.count && code == CLI_DONE; i++)
		code = measure(b, model, &subject, &b->plan.cases[i]);
	elm_model_close(model);
	return code;
}

static int run_isa(benchmark *b, const char *isa, void *user)
{
	return run_model(b, *(const char **)user, isa);
}

/* Checks a tier before anything is measured. */
static int check_isa(benchmark *b, const char *isa, void *user)
{
	size_t *count = user;
	elm_error error = { 0 };
	uint32_t mask;

	++*count;
	return elm__cpu_parse_tier(isa, &mask, &error) ? refuse(b->cli, &error) : CLI_DONE;
}

static int run_models(benchmark *b, const cli_list *paths)
{
	int code = CLI_DONE;

	for (size_t i = 0; i < paths->count && code == CLI_DONE; i++)
		code = b->s->isa.count ? each_word(b, &b->s->isa, run_isa, &paths->items[i]) :
					 run_model(b, paths->items[i], NULL);
	return code;
}

static int run_all(benchmark *b)
{
	const settings *s = b->s;
	size_t tiers = 0;
	int code = each_word(b, &s->isa, check_isa, &tiers);

	if (code != CLI_DONE)
		return code;
	b->total = b->plan.count * (s->models.count + s->more_models.count) * (tiers ? tiers : 1);
	b->interrupted = cli_interrupt_watch();
	code = run_models(b, &s->models);
	if (code == CLI_DONE)
		code = run_models(b, &s->more_models);
	if (!print(b, NULL))
		code = CLI_FAILED;
	if (*b->interrupted)
		cli_fail(b->cli, "interrupted: %zu of %zu tests were done", b->done, b->total);
	return code == CLI_DONE && !b->measured ? CLI_FAILED : code;
}

static int run(cli_context *cli)
{
	const settings *s = cli->settings;
	benchmark b = { .cli = cli, .s = s, .trt = s->lengths.count > 0 };
	int code;

	if (!s->models.count && !s->more_models.count)
		return cli_usage(cli, "MODEL is missing: a GGUF file");
	code = make_plan(&b);
	if (code == CLI_DONE)
		code = run_all(&b);
	elm__free(b.peaks);
	elm__buf_release(&b.notes);
	elm__bench_plan_release(&b.plan);
	elm__bench_params_release(&b.params);
	return code;
}

const cli_command cli_cmd_bench = {
	.name = "bench",
	.summary = "measure how fast a model is on this machine",
	.description =
		"Options and output are those of llama-bench, so that tables can be pasted side by "
		"side. Numbers are lists: 128,256 or ranges: 1-8, 128-512+128, 1-16*2; options may "
		"be "
		"repeated; all combinations are measured. pp is a prompt, whose tokens are "
		"computed "
		"together, tg the generation of tokens one after the other; t/s are tokens per "
		"second "
		"with their standard deviation. Tokens are random; nothing is tokenised or "
		"sampled.\n\n"
		"A test that does not fit in memory is a row with N/A. Ctrl-C prints what is done.",
	.examples = "edgelm bench model.gguf\n"
		    "edgelm bench model.gguf -p 128-512*2 -n 64 -t 1,2 -r 3\n"
		    "edgelm bench model.gguf -p 0 -n 128 --batch 1-16*2 --latency --roofline\n"
		    "edgelm bench a.gguf b.gguf -pg 512,128 -d 0,2048 -o json\n"
		    "edgelm bench model.gguf --batch-size \"1;4\" --input-output-len "
		    "\"128,128;512,512\"",
	.arguments = arguments,
	.groups = groups,
	.settings_size = sizeof(settings),
	.defaults = &defaults,
	.prints_json = true,
	.run = run,
};

/* study_show.c: what a study has measured, in one table. */
#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "cli/study.h"
#include "study/outcome.h"

typedef struct settings {
	const char *folder;
} settings;

static const cli_option arguments[] = {
	{ "DIR", 0, CLI_FILE(settings, folder), NULL, "the folder of the study", .required = true },
	{ 0 },
};

#ifdef HAVE_STUDY

/* A median, or a dash. */
static void print_value(const elm__summary *s, double value, double scale, int width)
{
	if (s->n)
		printf(" %*.*f", width, value * scale < 10 ? 2 : 1, value * scale);
	else
		printf(" %*s", width, "-");
}

static void print_row(const elm__digest_row *row)
{
	const elm__summary *v = row->values;

	if (*row->first->sweep)
		printf("%s: ", row->first->sweep);
	printf("%-13s %-14s %-12s %4zu", row->first->experiment, row->first->category,
	       row->first->variant, row->asked);
	if (!row->answered) {
		puts("   no answers: see \"status\" and \"error\" of the table trial");
		return;
	}
	printf(" %6.0f %6.0f", row->prompt, row->output);
	print_value(&v[ELM__OUTCOME_TTFT], v[ELM__OUTCOME_TTFT].p50, 1e3, 9);
	print_value(&v[ELM__OUTCOME_TTFT], v[ELM__OUTCOME_TTFT].p95, 1e3, 9);
	print_value(&v[ELM__OUTCOME_TBT], v[ELM__OUTCOME_TBT].p50, 1e3, 8);
	print_value(&v[ELM__OUTCOME_TBT], v[ELM__OUTCOME_TBT].p95, 1e3, 8);
	print_value(&v[ELM__OUTCOME_TOTAL], v[ELM__OUTCOME_TOTAL].p50, 1, 8);
	print_value(&v[ELM__OUTCOME_MEMORY], v[ELM__OUTCOME_MEMORY].maximum, 1.0 / (1 << 20), 8);
	print_value(&v[ELM__OUTCOME_ENERGY], v[ELM__OUTCOME_ENERGY].p50, 1, 8);
	if (row->answered < row->asked)
		printf("  %zu without a whole answer", row->asked - row->answered);
	putchar('\n');
}

static void print_table(const elm__digest_row *rows, size_t count)
{
	printf("%-13s %-14s %-12s %4s %6s %6s %9s %9s %8s %8s %8s %8s %8s\n", "experiment",
	       "category", "variant", "n", "prompt", "answer", "TTFT ms", "p95", "TBT ms", "p95",
	       "total s", "peak MiB", "J/token");
	for (size_t i = 0; i < count; i++)
		print_row(&rows[i]);
	puts("\nMedians, and 95th percentiles (p95) of the n trials; prompt and answer in tokens; "
	     "TBT is the mean of an answer; the peak is the largest; - is unmeasured.");
}

static void print_probe(const elm__summary *alone, const elm__summary *beside)
{
	if (alone->n && beside->n)
		printf("A second process takes %.1f ms for its work alone (n = %zu) and %.1f ms "
		       "beside the model (n = %zu): %.2f times as long.\n",
		       alone->p50 * 1e3, alone->n, beside->p50 * 1e3, beside->n,
		       beside->p50 / alone->p50);
}

static json_t *summary_json(const elm__summary *s, const char *unit)
{
	if (!s->n)
		return json_pack("{s:s, s:i}", "unit", unit, "n", 0);
	return json_pack("{s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:f}", "unit", unit, "n",
			 (json_int_t)s->n, "mean", s->mean, "p50", s->p50, "p95", s->p95, "p99",
			 s->p99, "min", s->minimum, "max", s->maximum);
}

static json_t *row_json(const elm__digest_row *row)
{
	json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "sweep", row->first->sweep,
				   "experiment", row->first->experiment, "category",
				   row->first->category, "variant", row->first->variant, "asked",
				   (json_int_t)row->asked, "answered", (json_int_t)row->answered);

	for (size_t m = 0; m < ELM__OUTCOME_METRICS && object; m++)
		if (json_object_set_new(object, elm__outcome_names[m],
					summary_json(&row->values[m], elm__outcome_units[m]))) {
			json_decref(object);
			object = NULL;
		}
	return object;
}

static json_t *table_json(const elm__digest_row *rows, size_t count, const elm__summary *alone,
			  const elm__summary *beside)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count && array; i++)
		if (json_array_append_new(array, row_json(&rows[i]))) {
			json_decref(array);
			array = NULL;
		}
	return array ? json_pack("{s:o, s:{s:o, s:o}}", "results", array, "probe", "alone",
				 summary_json(alone, "s"), "beside", summary_json(beside, "s")) :
		       NULL;
}

static int show(const cli_context *cli, elm__store *store)
{
	elm__outcomes results;
	elm__digest_row *rows = NULL;
	elm__summary alone, beside;
	elm_error error = { 0 };
	size_t count = 0;
	elm_status status = elm__outcomes_load(store, &results, &error);
	int code = CLI_DONE;

	if (status == ELM_OK)
		status = elm__outcomes_digest(&results, &rows, &count, &error);
	if (status == ELM_OK)
		status = elm__probe_summary(store, "alone", &alone, &error);
	if (status == ELM_OK)
		status = elm__probe_summary(store, "beside", &beside, &error);
	if (status) {
		code = cli_fail_error(cli, &error);
	} else if (cli->json) {
		code = cli_print_json(cli, table_json(rows, count, &alone, &beside));
	} else {
		print_table(rows, count);
		print_probe(&alone, &beside);
	}
	elm__free(rows);
	elm__outcomes_release(&results);
	return code;
}

static int run(cli_context *cli)
{
	const settings *s = cli->settings;
	elm_error error = { 0 };
	elm__store *store;
	int code;

	if (elm__store_open(s->folder, ELM__STORE_READ, &store, &error))
		return cli_fail_error(cli, &error);
	code = show(cli, store);
	elm__store_close(store);
	return code;
}

#else

static int run(cli_context *cli)
{
	return cli_no_study(cli);
}

#endif

const cli_command cli_cmd_study_show = {
	.name = "show",
	.summary = "print what a study has measured",
	.description =
		"A table with a line for each experiment, category and variant: time to first "
		"token, "
		"time between tokens, total, memory and energy; also of a study that is running.",
	.examples = "edgelm study show results",
	.arguments = arguments,
	.settings_size = sizeof(settings),
	.prints_json = true,
	.run = run,
};

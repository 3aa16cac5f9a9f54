/* study_compare.c: two studies side by side. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/study.h"
#include "study/compare.h"

typedef struct settings {
	const char *a, *b;
} settings;

static const cli_option arguments[] = {
	{ "A", 0, CLI_FILE(settings, a), NULL, "the folder of a study", .required = true },
	{ "B", 0, CLI_FILE(settings, b), NULL, "that of another", .required = true },
	{ 0 },
};

#ifdef HAVE_STUDY

/* Scales to the unit of the table. */
static const struct {
	const char *title;
	double scale;
} shown[ELM__OUTCOME_METRICS] = {
	[ELM__OUTCOME_TTFT] = { "TTFT ms", 1e3 },
	[ELM__OUTCOME_TBT] = { "TBT ms", 1e3 },
	[ELM__OUTCOME_TOTAL] = { "total ms", 1e3 },
	[ELM__OUTCOME_MEMORY] = { "peak MiB", 1.0 / (1 << 20) },
	[ELM__OUTCOME_ENERGY] = { "J/token", 1 },
};

static void print_metric(const elm__compared *g, size_t m)
{
	const elm__interval *r = &g->ratio[m];
	char interval[48] = "too few pairs";

	if (!r->n) {
		printf("%-15s %-15s %-9s unmeasured\n", g->experiment, g->category, shown[m].title);
		return;
	}
	if (!isnan(r->low))
		snprintf(interval, sizeof(interval), "%.3f to %.3f%s", r->low, r->high,
			 r->low > 1 || r->high < 1 ? " *" : "");
	printf("%-15s %-15s %-9s %6zu %11.3f %11.3f %7.3f  %s\n", g->experiment, g->category,
	       shown[m].title, r->n, g->a[m] * shown[m].scale, g->b[m] * shown[m].scale, r->value,
	       interval);
}

static int print_table(const elm__comparison *c)
{
	size_t unequal = 0;

	printf("%-15s %-15s %-9s %6s %11s %11s %7s  %s\n", "experiment", "category", "metric",
	       "pairs", "A", "B", "B/A", "95 % interval");
	for (size_t i = 0; i < c->count; i++) {
		for (size_t m = 0; m < ELM__OUTCOME_METRICS; m++)
			print_metric(&c->groups[i], m);
		unequal += c->groups[i].pairs - c->groups[i].same_length;
	}
	puts("\nA, B and B/A are medians over pairs: the same query in both. * marks what is "
	     "larger or smaller in B with 95 % confidence.");
	if (unequal)
		printf("%zu pairs have prompts or answers of different lengths: compare their TBT, "
		       "not their totals.\n",
		       unequal);
	if (c->only_a || c->only_b)
		printf("Without a partner: %zu in A, %zu in B.\n", c->only_a, c->only_b);
	return CLI_DONE;
}

static json_t *number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *group_json(const elm__compared *g)
{
	json_t *object = json_pack("{s:s, s:s, s:I, s:I}", "experiment", g->experiment, "category",
				   g->category, "pairs", (json_int_t)g->pairs, "same_length",
				   (json_int_t)g->same_length);

	for (size_t m = 0; m < ELM__OUTCOME_METRICS && object; m++) {
		const elm__interval *r = &g->ratio[m];
		json_t *metric =
			json_pack("{s:s, s:I, s:o, s:o, s:o, s:o, s:o}", "unit",
				  elm__outcome_units[m], "n", (json_int_t)r->n, "a",
				  number(g->a[m]), "b", number(g->b[m]), "ratio", number(r->value),
				  "low", number(r->low), "high", number(r->high));

		if (json_object_set_new(object, elm__outcome_names[m], metric)) {
			json_decref(object);
			object = NULL;
		}
	}
	return object;
}

static json_t *comparison_json(const elm__comparison *c, const settings *s)
{
	json_t *groups = json_array();

	for (size_t i = 0; i < c->count && groups; i++)
		if (json_array_append_new(groups, group_json(&c->groups[i]))) {
			json_decref(groups);
			groups = NULL;
		}
	return groups ? json_pack("{s:s, s:s, s:I, s:I, s:o}", "a", s->a, "b", s->b, "only_a",
				  (json_int_t)c->only_a, "only_b", (json_int_t)c->only_b, "groups",
				  groups) :
			NULL;
}

static int run(cli_context *cli)
{
	const settings *s = cli->settings;
	elm__store *a = NULL, *b = NULL;
	elm__comparison comparison = { 0 };
	elm_error error = { 0 };
	elm_status status = elm__store_open(s->a, ELM__STORE_READ, &a, &error);
	int code;

	if (status == ELM_OK)
		status = elm__store_open(s->b, ELM__STORE_READ, &b, &error);
	if (status == ELM_OK)
		status = elm__compare(a, b, &comparison, &error);
	elm__store_close(a);
	elm__store_close(b);
	code = status	 ? cli_fail_error(cli, &error) :
	       cli->json ? cli_print_json(cli, comparison_json(&comparison, s)) :
			   print_table(&comparison);
	elm__comparison_release(&comparison);
	return code;
}

#else

static int run(cli_context *cli)
{
	return cli_no_study(cli);
}

#endif

const cli_command cli_cmd_study_compare = {
	.name = "compare",
	.summary = "compare two studies, query by query",
	.description =
		"Pairs the queries that both studies have asked, and prints for each experiment "
		"and "
		"category the medians and the median ratio B / A with its 95 % interval "
		"(bootstrap). Repeats count as one, by their median. The studies may be of "
		"different models, engines, servers or machines, but must have asked the same "
		"queries; points of sweeps are paired by their names.",
	.examples = "edgelm study compare before after\n"
		    "edgelm study compare ours theirs --json",
	.arguments = arguments,
	.settings_size = sizeof(settings),
	.prints_json = true,
	.run = run,
};

/* shrink_report.c: the table of edgelm compress. */
#include "cli/shrink.h"

#include <math.h>
#include <stdio.h>

#include "base/text.h"

/* JSON has no NaN. */
static json_t *number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *trial_json(const char *plan, const elm__trial *t)
{
	return json_pack("{s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:b}", "plan", plan,
			 "file_bytes", (json_int_t)t->file_bytes, "memory_bytes",
			 (json_int_t)t->memory_bytes, "perplexity", number(t->perplexity),
			 "kl_divergence", number(t->divergence), "kl_divergence_error",
			 number(t->divergence_error), "top1_agreement", number(t->same_top),
			 "tokens_per_second", number(t->tokens_per_second), "fits", (int)t->fits);
}

static int print_json(const cli_shrink *c)
{
	const elm__budget *b = &c->budget;
	const elm__trial *best = elm__budget_best(b);
	json_t *trials = json_array();
	char text[64];

	for (size_t i = 0; i < b->n_trials; i++)
		json_array_append_new(trials, trial_json(elm__recipe_text(&b->trials[i].recipe,
									  text, sizeof(text)),
							 &b->trials[i]));
	return cli_print_json(
		c->cli,
		json_pack("{s:s, s:b, s:o, s:o, s:o}", "output", c->s->output, "met",
			  (int)elm__budget_met(b), "best",
			  best ? json_string(elm__recipe_text(&best->recipe, text, sizeof(text))) :
				 json_null(),
			  "before", trial_json("as it is", &c->dense), "trials", trials));
}

static void print_trial(const char *plan, const elm__trial *t, const char *mark)
{
	char size[32], memory[32];

	printf("%-29s %10s %10s %10.4g %10.5f %8.2f %9.1f%s\n", plan,
	       elm__format_bytes(t->file_bytes, size, sizeof(size)),
	       elm__format_bytes(t->memory_bytes, memory, sizeof(memory)), t->perplexity,
	       t->divergence, 100 * t->same_top, t->tokens_per_second, mark);
}

int cli_print_shrink(const cli_shrink *c)
{
	const elm__budget *b = &c->budget;
	const elm__trial *best = elm__budget_best(b);
	char text[64];

	if (c->cli->json)
		return print_json(c);
	printf("%-29s %10s %10s %10s %10s %8s %9s\n", "plan", "file", "memory", "perplexity",
	       "KL div.", "same %", "tokens/s");
	print_trial("as it is", &c->dense, "");
	for (size_t i = 0; i < b->n_trials; i++) {
		const elm__trial *t = &b->trials[i];

		print_trial(elm__recipe_text(&t->recipe, text, sizeof(text)), t,
			    t == best && elm__budget_met(b) ? " <- written" :
			    !t->fits			    ? " (too large)" :
							      "");
	}
	return CLI_DONE;
}

int cli_print_shrink_plan(const cli_shrink *c)
{
	elm__budget b = c->budget;
	elm__trial t = { 0 };
	json_t *steps = c->cli->json ? json_array() : NULL;
	/* Nothing is ever good enough, and more pruning always helps: so everything comes up. */
	double divergence = b.goal.max_divergence + ELM__BUDGET_TRIALS + 1;

	if (!c->cli->json)
		printf("%-29s %10s %10s   (expected)\n", "plan", "file", "memory");
	while (elm__budget_next(&b, &t.recipe)) {
		char text[64], size[32], memory[32];

		t.file_bytes = elm__budget_file_bytes(&b, &t.recipe);
		t.memory_bytes = elm__budget_memory(&b, t.file_bytes);
		t.divergence = divergence--;
		elm__budget_add(&b, &t);
		elm__recipe_text(&t.recipe, text, sizeof(text));
		if (steps)
			json_array_append_new(
				steps, json_pack("{s:s, s:I, s:I}", "plan", text, "file_bytes",
						 (json_int_t)t.file_bytes, "memory_bytes",
						 (json_int_t)t.memory_bytes));
		else
			printf("%-29s %10s %10s\n", text,
			       elm__format_bytes(t.file_bytes, size, sizeof(size)),
			       elm__format_bytes(t.memory_bytes, memory, sizeof(memory)));
	}
	if (steps)
		return cli_print_json(c->cli, json_pack("{s:s, s:b, s:o}", "output", c->s->output,
							"dry_run", 1, "plans", steps));
	return CLI_DONE;
}

/* eval_tasks.c: how many of a file of tasks a model gets right, and how sure it was. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cli/eval.h"
#include "cli/model_options.h"
#include "eval/score.h"
#include "eval/task_run.h"

typedef struct settings {
	const char *model, *file, *answers, *format, *hand_over;
	int64_t tokens, parallel, limit;
	cli_model_settings engine;
} settings;

enum { LONGEST_TASK = 1024 }; /* tokens of a request and its answer, where --ctx says nothing */

#define S settings
static const cli_option arguments[] = {
	{ "MODEL", 0, CLI_FILE(S, model), NULL, "the GGUF file", .required = true },
	{ 0 },
};

static const cli_option task_options[] = {
	{ "file", 'f', CLI_FILE(S, file), "FILE", "the tasks, one JSON object a line",
	  .default_text = "standard input" },
	{ "limit", 0, CLI_INT(S, limit), "N", "only the first N tasks of each category",
	  .default_text = "all", .range = { 1, INT64_MAX } },
	{ "tokens", 'n', CLI_INT(S, tokens), "N", "tokens of an answer at most",
	  .range = { 1, 1000000 } },
	{ "parallel", 'j', CLI_INT(S, parallel), "N", "tasks that are computed at once",
	  .range = { 1, 256 } },
	{ "template", 0, CLI_FILE(S, format), "NAME",
	  "chatml, plain, or a file with a Jinja template", .default_text = "the model's own" },
	{ "hand-over", 0, CLI_TEXT(S, hand_over), "TOKEN",
	  "the control token by which the model hands a request over, if it has one" },
	{ "answers", 'o', CLI_FILE(S, answers), "FILE",
	  "write each answer with its confidence, one JSON object a line" },
	{ 0 },
};
#undef S

static const cli_group groups[] = { { "Options", task_options, 0 },
				    { "Model", cli_model_options, offsetof(settings, engine) },
				    { 0 } };
static const settings defaults = {
	.tokens = 256, .parallel = 8, .hand_over = "<|defer|>", .engine = CLI_MODEL_DEFAULTS
};

typedef struct category {
	const char *name;
	size_t tasks; /* answered */
	size_t checked, right;
	double confidence; /* sum */
	size_t tokens;
} category;

typedef struct evaluation {
	const cli_context *cli;
	elm__tasks tasks;
	elm__task_answer *answers;
	category *categories; /* in the order of the file; room for one per task, and the total */
	size_t category_count;
	category total;
	elm__auroc auroc;
	bool has_auroc;
	bool interrupted;
	cli_progress progress;
} evaluation;

static category *find_category(evaluation *e, const char *name)
{
	for (size_t i = 0; i < e->category_count; i++)
		if (!strcmp(e->categories[i].name, name))
			return &e->categories[i];
	e->categories[e->category_count].name = name;
	return &e->categories[e->category_count++];
}

/* Keeps the first `limit` tasks of each category. */
static void shorten(evaluation *e, size_t limit)
{
	size_t kept = 0;

	for (size_t i = 0; i < e->tasks.count; i++) {
		category *c = find_category(e, e->tasks.items[i].category);

		if (c->tasks++ < limit)
			e->tasks.items[kept++] = e->tasks.items[i];
		else
			json_decref(e->tasks.items[i].root);
	}
	e->tasks.count = kept;
	for (size_t i = 0; i < e->category_count; i++)
		e->categories[i].tasks = 0;
}

static void count(category *c, const elm__task *task, const elm__task_answer *answer)
{
	c->tasks++;
	c->tokens += answer->tokens;
	c->confidence += elm__task_confidence(answer);
	if (task->expected) {
		c->checked++;
		c->right += answer->right;
	}
}

static elm_status score(evaluation *e, elm_error *error)
{
	size_t in = 0, out = 0;
	double *values = elm__realloc_array(NULL, e->tasks.count, 2 * sizeof(double));
	double *outside = values + e->tasks.count;

	if (!values)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "no memory for the scores");
	for (size_t i = 0; i < e->tasks.count; i++) {
		const elm__task *task = &e->tasks.items[i];
		const elm__task_answer *answer = &e->answers[i];

		if (!answer->done)
			continue;
		count(find_category(e, task->category), task, answer);
		count(&e->total, task, answer);
		if (task->domain == ELM__DOMAIN_IN)
			values[in++] = elm__task_confidence(answer);
		else if (task->domain == ELM__DOMAIN_OUT)
			outside[out++] = elm__task_confidence(answer);
	}
	e->has_auroc = in && out;
	if (e->has_auroc)
		e->auroc = elm__auroc_of(values, in, outside, out);
	elm__free(values);
	return ELM_OK;
}

/* ---- results ---- */

static json_t *category_json(const category *c)
{
	elm__proportion p;
	json_t *out =
		json_pack("{s:I, s:I, s:f}", "tasks", (json_int_t)c->tasks, "tokens",
			  (json_int_t)c->tokens, "confidence", c->confidence / (double)c->tasks);

	if (!out || !c->checked)
		return out;
	p = elm__proportion_of(c->right, c->checked);
	if (json_object_update_new(out,
				   json_pack("{s:I, s:I, s:f, s:f, s:[f, f]}", "checked",
					     (json_int_t)c->checked, "right", (json_int_t)c->right,
					     "accuracy", p.value, "standard_error", p.error,
					     "interval", p.low, p.high))) {
		json_decref(out);
		return NULL;
	}
	return out;
}

static int print_json(const evaluation *e)
{
	json_t *categories = json_object(), *out;

	for (size_t i = 0; i < e->category_count && categories; i++) {
		const category *c = &e->categories[i];

		if (c->tasks && json_object_set_new(categories, c->name, category_json(c))) {
			json_decref(categories);
			categories = NULL;
		}
	}
	out = json_pack("{s:o, s:o, s:o?, s:b}", "categories", categories, "all",
			category_json(&e->total), "auroc",
			e->has_auroc ? json_pack("{s:f, s:f}", "value", e->auroc.value,
						 "standard_error", e->auroc.error) :
				       NULL,
			"interrupted", (int)e->interrupted);
	return cli_print_json(e->cli, out);
}

static void print_category(const category *c, int width)
{
	printf("%-*s %6zu", width, c->name, c->tasks);
	if (c->checked) {
		elm__proportion p = elm__proportion_of(c->right, c->checked);

		printf(" %6zu  %6.2f %%  %5.2f %%  %6.2f to %6.2f", c->right, 100 * p.value,
		       100 * p.error, 100 * p.low, 100 * p.high);
	} else {
		printf(" %6s  %8s  %7s  %16s", "", "", "", "");
	}
	printf("  %10.4f\n", c->confidence / (double)c->tasks);
}

static int print_table(evaluation *e)
{
	int width = 8;

	for (size_t i = 0; i < e->category_count; i++)
		if (strlen(e->categories[i].name) > (size_t)width)
			width = (int)strnlen(e->categories[i].name, 40);
	printf("%-*s %6s %6s  %8s  %7s  %16s  %10s\n", width, "category", "tasks", "right",
	       "accuracy", "error", "95 % interval", "confidence");
	for (size_t i = 0; i < e->category_count; i++)
		if (e->categories[i].tasks)
			print_category(&e->categories[i], width);
	e->total.name = "all";
	if (e->category_count > 1)
		print_category(&e->total, width);
	if (e->has_auroc)
		printf("\nconfidence in against outside the domain: AUROC %.4f +/- %.4f (standard "
		       "error)\n",
		       e->auroc.value, e->auroc.error);
	if (e->interrupted)
		printf("\ninterrupted: %zu of %zu tasks\n", e->total.tasks, e->tasks.count);
	return CLI_DONE;
}

static elm_status write_answers(const evaluation *e, const char *path, elm_error *error)
{
	elm__buf out = ELM__BUF_INIT;
	elm_status status;

	for (size_t i = 0; i < e->tasks.count; i++) {
		const elm__task *task = &e->tasks.items[i];
		const elm__task_answer *a = &e->answers[i];
		json_t *line;
		char *text;

		if (!a->done)
			continue;
		line = json_pack("{s:I, s:s, s:s%, s:f, s:f, s:s}", "line", (json_int_t)task->line,
				 "category", task->category, "answer", elm__buf_text(&a->text),
				 a->text.length, "confidence", elm__task_confidence(a),
				 "handed_over", a->handed_over, "finish",
				 elm_finish_name(a->finish));
		if (line && task->expected &&
		    json_object_set_new(line, "right", json_boolean(a->right)))
			out.failed = true;
		text = line ? json_dumps(line, JSON_COMPACT) : NULL;
		if (text)
			elm__buf_printf(&out, "%s\n", text);
		else
			out.failed = true;
		free(text);
		json_decref(line);
	}
	status = elm__buf_status(&out, error);
	if (!status)
		status = elm__file_replace(path, elm__buf_text(&out), out.length, error);
	elm__buf_release(&out);
	return status;
}

/* ---- running ---- */

static void show_progress(void *user, size_t done)
{
	evaluation *e = user;

	cli_progress_update(&e->progress, done, e->tasks.count, "tasks");
}

static elm_status answer_all(evaluation *e, elm_scheduler *scheduler,
			     const elm__chat_format *format, elm_error *error)
{
	const settings *s = e->cli->settings;
	const elm_tokenizer *tokenizer = elm_model_tokenizer(elm_scheduler_model(scheduler));
	elm__task_run run = { .scheduler = scheduler,
			      .format = format,
			      .tasks = &e->tasks,
			      .max_tokens = (size_t)s->tokens,
			      .hand_over = elm__task_hand_over(tokenizer, s->hand_over),
			      .cancel = cli_interrupt_watch(),
			      .progress = show_progress,
			      .progress_user = e };
	elm_status status;

	cli_progress_start(&e->progress, e->cli, "answering");
	status = elm__task_run_all(&run, e->answers, error);
	cli_progress_end(&e->progress);
	if (status == ELM_ERR_CANCELLED) {
		e->interrupted = true;
		status = ELM_OK;
	}
	return status;
}

static elm_status evaluate(evaluation *e, elm_model *model, elm_error *error)
{
	const settings *s = e->cli->settings;
	elm_scheduler_options options = elm_scheduler_defaults();
	uint32_t trained = elm_model_get_info(model)->trained_context;
	elm_scheduler *scheduler = NULL;
	elm__chat_format format = { 0 };
	elm_status status;

	options.session = cli_session_options(&s->engine);
	options.session.max_sequences = (uint32_t)s->parallel;
	options.context = (uint32_t)s->engine.context;
	if (!options.context)
		options.context = trained < LONGEST_TASK ? trained : LONGEST_TASK;
	options.session.context = 0;
	status = elm_scheduler_create(model, &options, &scheduler, error);
	for (size_t i = 0; i < e->tasks.count && !status; i++) {
		if (!e->tasks.items[i].messages)
			continue;
		status = elm__chat_format_open(&format, elm_model_tokenizer(model), s->format,
					       error);
		break;
	}
	if (!status)
		status = answer_all(e, scheduler, &format, error);
	if (!status)
		status = score(e, error);
	elm_scheduler_free(scheduler);
	elm__chat_format_release(&format);
	return status;
}

static elm_status read_tasks(evaluation *e, elm_error *error)
{
	const settings *s = e->cli->settings;
	const char *path = s->file ? s->file : "-";
	elm__buf text = ELM__BUF_INIT;
	elm_status status = elm__file_read(path, INT32_MAX, &text, error);

	if (!status)
		status = elm__tasks_parse(&e->tasks, s->file ? path : "standard input",
					  elm__buf_text(&text), text.length, error);
	elm__buf_release(&text);
	if (status)
		return status;
	e->categories = elm__calloc(e->tasks.count, sizeof(*e->categories));
	e->answers = elm__calloc(e->tasks.count, sizeof(*e->answers));
	if (!e->categories || !e->answers)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "no memory for the tasks");
	if (s->limit)
		shorten(e, (size_t)s->limit);
	return ELM_OK;
}

static void release(evaluation *e)
{
	for (size_t i = 0; e->answers && i < e->tasks.count; i++)
		elm__buf_release(&e->answers[i].text);
	elm__free(e->answers);
	elm__free(e->categories);
	elm__tasks_release(&e->tasks);
}

static int run(cli_context *cli)
{
	const settings *s = cli->settings;
	evaluation e = { .cli = cli };
	elm_model *model = NULL;
	elm_error error = { 0 };
	elm_status status = read_tasks(&e, &error);
	int code = CLI_FAILED;

	if (!status) {
		model = cli_open_model(cli, s->model, &s->engine);
		if (!model) {
			release(&e);
			return CLI_FAILED;
		}
		status = evaluate(&e, model, &error);
	}
	if (!status && !e.total.tasks)
		status = elm_error_set(&error, ELM_ERR_CANCELLED, "interrupted");
	if (!status && s->answers)
		status = write_answers(&e, s->answers, &error);
	if (status)
		code = cli_fail_error(cli, &error);
	else
		code = cli->json ? print_json(&e) : print_table(&e);
	release(&e);
	elm_model_close(model);
	return code;
}

const cli_command cli_cmd_eval_tasks = {
	.name = "tasks",
	.summary = "count how many tasks a model gets right",
	.description =
		"Answers each task of a file with the most likely tokens and compares the answer "
		"with what is expected; docs/EVALUATION.md describes the file. Printed per "
		"category: "
		"accuracy, its standard error and 95 % interval (Wilson), and the mean "
		"confidence.\n\n"
		"The confidence of an answer is the geometric mean of its tokens' probabilities, "
		"times the probability that the model does not hand the request over. Where tasks "
		"say \"domain\": \"in\" or \"out\", AUROC tells how well it separates the two: 1 "
		"is "
		"perfect, 0.5 is chance.\n\n"
		"Ctrl-C prints the result of the tasks done so far.",
	.examples =
		"edgelm eval tasks model.gguf -f tasks.jsonl\n"
		"edgelm eval tasks model.gguf -f tasks.jsonl --limit 50 -o answers.jsonl --json",
	.arguments = arguments,
	.groups = groups,
	.settings_size = sizeof(settings),
	.defaults = &defaults,
	.prints_json = true,
	.run = run,
};

#include "cli/shrink.h"

#include <edgelm/log.h>

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/folder.h"
#include "cli/model_options.h"
#include "cli/stage.h"

enum { WORDS_MAX = 40, NUMBER_TEXT = 24, SPEED_TOKENS = 32, BEST_RATE_STEPS = 10 };

const char *const cli_shrink_methods[] = { "gptq", "awq", "awq-gptq", "imatrix", "rtn", NULL };

/* The words of a stage, and the texts that were made for them. */
typedef struct stage {
	const char *words[WORDS_MAX];
	size_t count;
	char numbers[8][NUMBER_TEXT];
	size_t n_numbers;
} stage;

/* --- words --- */

static void add(stage *s, ...)
{
	const char *word;
	va_list list;

	va_start(list, s);
	while ((word = va_arg(list, const char *)) != NULL && s->count + 1 < WORDS_MAX)
		s->words[s->count++] = word;
	va_end(list);
}

/* An option with a number, unless that is 0. */
static void add_number(stage *s, const char *option, int64_t value)
{
	char *text = s->numbers[s->n_numbers];

	if (!value)
		return;
	s->n_numbers++;
	snprintf(text, NUMBER_TEXT, "%lld", (long long)value);
	add(s, option, text, NULL);
}

static elm_status run(const cli_shrink *c, stage *s, json_t **result, elm_error *error)
{
	json_t *ignored = NULL;
	elm_status status;

	add_number(s, "--threads", c->s->threads);
	if (c->cli->quiet)
		add(s, "--quiet", NULL);
	status = cli_stage_run(s->words, result ? result : &ignored, error);
	json_decref(ignored);
	return status;
}

/* --- files --- */

static char *path_of(const cli_shrink *c, const char *format, ...) ELM_PRINTF(2, 3);
static char *path_of(const cli_shrink *c, const char *format, ...)
{
	elm__buf path = ELM__BUF_INIT;
	char name[128];
	va_list list;

	va_start(list, format);
	vsnprintf(name, sizeof(name), format, list);
	va_end(list);
	elm__buf_printf(&path, "%s/%s", c->folder, name);
	return elm__buf_detach(&path, NULL);
}

static elm_status no_memory(elm_error *error)
{
	return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static elm_status move(const char *from, const char *to, elm_error *error)
{
	if (!rename(from, to))
		return ELM_OK;
	return elm_error_set(error, ELM_ERR_IO, "%s cannot become %s: %s", from, to,
			     strerror(errno));
}

static elm_status copy(const char *from, const char *to, elm_error *error)
{
	elm__map map;
	elm_status status = elm__map_open(&map, from, error);

	if (status)
		return status;
	status = elm__file_replace(to, map.data, map.size, error);
	elm__map_release(&map);
	return status;
}

/* --- the folder --- */

static json_t *file_state(const char *path)
{
	struct stat st = { 0 };

	if (!path || stat(path, &st))
		return json_null();
	return json_pack("[s, I, I, I]", path, (json_int_t)st.st_size,
			 (json_int_t)st.st_mtim.tv_sec, (json_int_t)st.st_mtim.tv_nsec);
}

/* What decides what the files of the folder hold. */
static char *run_state(const cli_shrink *c)
{
	const cli_shrink_settings *s = c->s;
	json_t *state = json_pack("{s:o, s:o, s:i, s:I, s:s, s:I}", "model", file_state(s->model),
				  "text", file_state(s->text), "window", (int)c->window, "windows",
				  (json_int_t)s->calibration_windows, "method",
				  cli_shrink_methods[s->method], "distill_steps",
				  (json_int_t)s->distill_steps);
	char *text = state ? json_dumps(state, JSON_COMPACT) : NULL;

	json_decref(state);
	return text;
}

/* A folder that is kept tells what it was made for. */
static elm_status check_folder(const cli_shrink *c, elm_error *error)
{
	char *path = path_of(c, "compress.json"), *state = run_state(c);
	elm__buf old = ELM__BUF_INIT;
	elm_status status = ELM_OK;

	if (!path || !state)
		status = no_memory(error);
	else if (!exists(path))
		status = elm__file_replace(path, state, strlen(state), error);
	else
		status = elm__file_read(path, 1 << 16, &old, error);
	if (!status && old.length && strcmp(elm__buf_text(&old), state) != 0)
		status = elm_error_set(error, ELM_ERR_ARGUMENT,
				       "%s holds files of another model, text or options; give "
				       "another folder, or remove it",
				       c->folder);
	elm__buf_release(&old);
	elm__free(path);
	free(state);
	return status;
}

elm_status cli_shrink_begin(cli_shrink *c, elm_error *error)
{
	elm__buf name = ELM__BUF_INIT;

	c->temporary = !c->s->keep;
	elm__buf_printf(&name, "%s%s", c->temporary ? c->s->output : c->s->keep,
			c->temporary ? ".XXXXXX" : "");
	c->folder = elm__buf_detach(&name, NULL);
	if (!c->folder)
		return no_memory(error);
	if (!c->temporary) {
		elm_status status = elm__folder_make(c->folder, 0777, error);

		return status ? status : check_folder(c, error);
	}
	if (mkdtemp(c->folder))
		return ELM_OK;
	c->temporary = false; /* there is nothing to remove */
	return elm_error_set(error, ELM_ERR_IO, "cannot make a folder beside %s: %s", c->s->output,
			     strerror(errno));
}

void cli_shrink_end(cli_shrink *c)
{
	DIR *folder = c->temporary && c->folder ? opendir(c->folder) : NULL;

	for (struct dirent *entry; folder && (entry = readdir(folder)) != NULL;)
		unlinkat(dirfd(folder), entry->d_name, 0); /* refuses "." and ".." */
	if (folder) {
		closedir(folder);
		rmdir(c->folder);
	}
	elm__free(c->folder);
}

/* --- stages: each makes a file unless it is there --- */

static int percent(const elm__recipe *recipe)
{
	return (int)lround(100 * recipe->sparsity);
}

/* One pass over the text serves all that is made of the model itself. */
static elm_status calibrate(const cli_shrink *c, const char *path, elm_error *error)
{
	char *part = path_of(c, "calibration.part");
	stage s = { .count = 0 };
	elm_status status;

	if (!part)
		return no_memory(error);
	add(&s, "calibrate", c->s->model, "-f", c->s->text, "-o", part, "--hessian", "--resume",
	    "--json", NULL);
	add_number(&s, "--ctx", c->window);
	add_number(&s, "--chunks", c->s->calibration_windows);
	status = run(c, &s, NULL, error);
	if (!status)
		status = move(part, path, error);
	elm__free(part);
	return status;
}

static elm_status prune(const cli_shrink *c, const elm__recipe *recipe, const char *calibration,
			const char *path, elm_error *error)
{
	char sparsity[NUMBER_TEXT];
	stage s = { .count = 0 };

	snprintf(sparsity, sizeof(sparsity), "%.2f", recipe->sparsity);
	add(&s, "prune", c->s->model, path, "--sparsity", sparsity, "--calib", calibration,
	    "--json", NULL);
	return run(c, &s, NULL, error);
}

static elm_status distill(const cli_shrink *c, const char *student, const char *path,
			  elm_error *error)
{
	int64_t steps = c->s->distill_steps, warmup = steps / BEST_RATE_STEPS;
	stage s = { .count = 0 };

	add(&s, "distill", c->s->model, student, "-f", c->s->text, "-o", path, "--rate", "3e-4",
	    "--low-rate", "3e-5", "--resume", "--json", NULL);
	add_number(&s, "--steps", steps);
	add_number(&s, "--warmup", warmup ? warmup : 1);
	add_number(&s, "--ctx", c->window);
	return run(c, &s, NULL, error);
}

/* Of the model itself by its calibration, of others by the text. */
static elm_status quantize(const cli_shrink *c, const char *from, const char *calibration,
			   const elm__mix *mix, const char *path, elm_error *error)
{
	const char *method = cli_shrink_methods[c->s->method];
	bool plain = !strcmp(method, "rtn"), weighed = !strcmp(method, "imatrix");
	stage s = { .count = 0 };

	add(&s, "quantize", from, path, mix->name, "--json", NULL);
	if (calibration && !plain)
		add(&s, "--method", method, "--calib", calibration, NULL);
	else if (plain)
		add(&s, "--method", method, NULL);
	else /* with a text importance comes with a method that computes */
		add(&s, "--method", weighed ? "awq" : method, "-f", c->s->text, NULL);
	if (!calibration && !plain) {
		add_number(&s, "--ctx", c->window);
		add_number(&s, "--chunks", c->s->calibration_windows);
	}
	return run(c, &s, NULL, error);
}

/* The model that is quantised: *path is the caller's to free. */
static elm_status prepare(const cli_shrink *c, const elm__recipe *recipe, char **path,
			  elm_error *error)
{
	char *calibration = path_of(c, "calibration.gguf");
	char *pruned = path_of(c, "pruned-%d.gguf", percent(recipe));
	char *distilled = path_of(c, "distilled-%d.gguf", percent(recipe));
	elm_status status = calibration && pruned && distilled ? ELM_OK : no_memory(error);

	*path = NULL;
	if (!status && !exists(pruned))
		status = prune(c, recipe, calibration, pruned, error);
	if (!status && recipe->distilled && !exists(distilled))
		status = distill(c, pruned, distilled, error);
	elm__free(calibration);
	if (!status && recipe->distilled) {
		*path = distilled;
		distilled = NULL;
	} else if (!status) {
		*path = pruned;
		pruned = NULL;
	}
	elm__free(pruned);
	elm__free(distilled);
	return status;
}

static char *result_path(const cli_shrink *c, const elm__recipe *recipe)
{
	if (recipe->sparsity > 0)
		return path_of(c, "%s-%d-%s.gguf", recipe->distilled ? "distilled" : "pruned",
			       percent(recipe), recipe->mix->name);
	return path_of(c, "%s.gguf", recipe->mix->name);
}

static elm_status make(const cli_shrink *c, const elm__recipe *recipe, const char *path,
		       elm_error *error)
{
	char *calibration = path_of(c, "calibration.gguf"), *from = NULL;
	elm_status status = calibration ? ELM_OK : no_memory(error);

	if (!status && !exists(calibration))
		status = calibrate(c, calibration, error);
	if (!status && recipe->sparsity > 0)
		status = prepare(c, recipe, &from, error);
	if (!status)
		status = quantize(c, from ? from : c->s->model, from ? NULL : calibration,
				  recipe->mix, path, error);
	elm__free(calibration);
	elm__free(from);
	return status;
}

/* --- measuring --- */

static double number_at(const json_t *object, const char *name, const char *member)
{
	const json_t *value = json_object_get(object, name);

	if (member)
		value = json_object_get(value, member);
	return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static elm_status compare(const cli_shrink *c, const char *path, elm__trial *out, elm_error *error)
{
	const cli_shrink_settings *s = c->s;
	stage words = { .count = 0 };
	json_t *report = NULL;
	elm_status status;

	add(&words, "eval", "kld", path, "--base", s->model, "-f", s->measure, "--kv-type",
	    cli_kv_type_names[s->kv_type], "--base-kv-type", "f32", "--no-engine-cache", "--json",
	    NULL);
	add_number(&words, "--ctx", c->window);
	add_number(&words, "--chunks", s->measured_windows);
	status = run(c, &words, &report, error);
	if (status)
		return status;
	out->divergence = number_at(report, "kl_divergence", "value");
	out->divergence_error = number_at(report, "kl_divergence", "standard_error");
	out->perplexity = number_at(report, "perplexity", "value");
	out->same_top = number_at(report, "top1_agreement", "value");
	json_decref(report);
	return ELM_OK;
}

static elm_status time_it(const cli_shrink *c, const char *path, elm__trial *out, elm_error *error)
{
	stage words = { .count = 0 };
	json_t *report = NULL;
	elm_status status;

	add(&words, "bench", path, "--n-prompt", "0", "--repetitions", "2", "--output", "json",
	    "--no-engine-cache", NULL);
	add_number(&words, "--n-gen", SPEED_TOKENS);
	status = run(c, &words, &report, error);
	if (!status)
		out->tokens_per_second = number_at(json_array_get(report, 0), "avg_ts", NULL);
	json_decref(report);
	return status;
}

static elm_status measure(const cli_shrink *c, const char *path, elm__trial *out, elm_error *error)
{
	struct stat st;
	elm_status status = compare(c, path, out, error);

	if (!status)
		status = time_it(c, path, out, error);
	if (!status && stat(path, &st))
		status = elm_error_set(error, ELM_ERR_IO, "%s: %s", path, strerror(errno));
	if (status)
		return status;
	out->file_bytes = (uint64_t)st.st_size;
	out->memory_bytes = elm__budget_memory(&c->budget, out->file_bytes);
	return ELM_OK;
}

/* --- the loop --- */

/* Files that cannot win any more go, where nobody keeps them. */
static void forget_losers(const cli_shrink *c)
{
	const elm__trial *best = elm__budget_best(&c->budget);

	for (size_t i = 0; c->temporary && i < c->budget.n_trials; i++) {
		const elm__trial *t = &c->budget.trials[i];
		char *path = t == best ? NULL : result_path(c, &t->recipe);

		if (path)
			unlink(path);
		elm__free(path);
	}
}

static elm_status try_recipe(cli_shrink *c, const elm__recipe *recipe, elm_error *error)
{
	elm__trial trial = { .recipe = *recipe };
	char text[64], *path = result_path(c, recipe);
	elm_status status = path ? ELM_OK : no_memory(error);

	elm_log(ELM_LOG_INFO, "trying: %s", elm__recipe_text(recipe, text, sizeof(text)));
	if (!status && !exists(path))
		status = make(c, recipe, path, error);
	if (!status)
		status = measure(c, path, &trial, error);
	if (!status) {
		elm__budget_add(&c->budget, &trial);
		forget_losers(c);
	}
	elm__free(path);
	return status;
}

static elm_status write_best(const cli_shrink *c, elm_error *error)
{
	const elm__trial *best = elm__budget_best(&c->budget);
	char *path = result_path(c, &best->recipe);
	elm_status status = path ? ELM_OK : no_memory(error);

	if (!status)
		status = c->temporary ? move(path, c->s->output, error) :
					copy(path, c->s->output, error);
	elm__free(path);
	return status;
}

elm_status cli_shrink_run(cli_shrink *c, elm_error *error)
{
	elm__recipe recipe;
	elm_status status = measure(c, c->s->model, &c->dense, error);

	while (!status && elm__budget_next(&c->budget, &recipe))
		status = try_recipe(c, &recipe, error);
	if (status == ELM_ERR_CANCELLED)
		return elm_error_set(error, status, "interrupted%s",
				     c->temporary ? "; nothing was written. With --keep the same "
						    "command would go on" :
						    "; the same command goes on");
	if (!status && elm__budget_met(&c->budget))
		status = write_best(c, error);
	return status;
}

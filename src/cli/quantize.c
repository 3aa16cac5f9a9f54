/* quantize.c: a model file with its weights in other types. */
#include <edgelm/log.h>

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "cli/calibration.h"
#include "cli/commands.h"
#include "cli/text.h"
#include "compress/awq.h"
#include "compress/gptq.h"
#include "cpu/cpu.h"
#include "model/core.h"

enum { METHOD_AUTO, METHOD_RTN, METHOD_IMATRIX, METHOD_AWQ, METHOD_GPTQ, METHOD_BOTH };
static const char *const methods[] = { "auto", "rtn", "imatrix", "awq", "gptq", "awq-gptq", NULL };

typedef struct settings {
	const char *input, *output, *type, *calib;
	cli_list rules;
	int method;
	bool dry_run;
	cli_calibration_settings text;
} settings;

#define S settings
static const cli_option arguments[] = {
	{ "IN", 0, CLI_FILE(S, input), NULL, "the GGUF file, best in F16 or F32",
	  .required = true },
	{ "OUT", 0, CLI_FILE(S, output), NULL, "the file to write; it appears when it is whole",
	  .required = true },
	{ "TYPE", 0, CLI_TEXT(S, type), NULL, "a type or mix of types: Q4_K_M, Q4_0, Q8_0, ...",
	  .required = true },
	{ 0 },
};

static const cli_option options[] = {
	{ "method", 0, CLI_CHOICE(S, method), "METHOD",
	  "how codes are found: rtn rounds to the nearest; imatrix weighs errors by --calib; awq "
	  "scales channels and clips for the outputs, gptq feeds errors back, awq-gptq does both, "
	  "with --file or a --calib "
	  "that has "
	  "Hessians; auto is imatrix where "
	  "there is a calibration",
	  .choices = methods },
	{ "calib", 0, CLI_FILE(S, calib), "FILE",
	  "what edgelm calibrate has written, or an importance matrix (GGUF)" },
	{ "tensor-type", 0, CLI_LIST(S, rules), "NAME=TYPE",
	  "matrices whose name contains NAME get this type; the first that fits counts" },
	{ "dry-run", 0, CLI_FLAG(S, dry_run), NULL, "print what would become of each tensor" },
	{ 0 },
};
#undef S

static const cli_group groups[] = {
	{ "Options", options, 0 },
	{ "Text, for awq and gptq", cli_calibration_options, offsetof(settings, text) },
	{ 0 },
};
static const settings defaults = { .text = CLI_CALIBRATION_DEFAULTS };

/* What a run needs, in the order in which it is made. */
typedef struct job {
	const cli_context *cli;
	const settings *s;
	elm_model *model; /* for methods that compute, and then its file is `gguf` */
	elm_gguf *gguf;
	elm__walk walk;
	elm__awq awq;
	elm__gptq gptq;
	elm__arena arena;
	elm__hparams hp;
	elm__type_rule *rules;
	elm__calib calib;
	elm__quant_plan plan;
	elm__pool *pool;
	elm__kernels kernels; /* where there is no model */
	elm__multiplier multiplier;
	cli_progress progress;
	const volatile int *interrupted;
} job;

/* "ffn_down=Q6_K" */
static elm_status parse_rules(job *j, elm_error *error)
{
	const cli_list *list = &j->s->rules;

	j->rules = elm__arena_calloc(&j->arena, list->count ? list->count : 1, sizeof(*j->rules));
	if (!j->rules)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < list->count; i++) {
		const char *text = list->items[i], *equals = strrchr(text, '=');

		if (!equals || equals == text || !elm_type_parse(equals + 1, &j->rules[i].type) ||
		    !elm__mix_is_weight_type(j->rules[i].type))
			return elm_error_set(error, ELM_ERR_ARGUMENT,
					     "--tensor-type \"%s\" is not a part of a name, an "
					     "equals sign and a type of weights",
					     text);
		j->rules[i].part = elm__arena_strndup(&j->arena, text, (size_t)(equals - text));
		if (!j->rules[i].part)
			return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	}
	return ELM_OK;
}

/* The model as it lies in the file: methods that compute exchange its matrices. */
static elm_status open_model(job *j, elm_error *error)
{
	elm_model_options fresh = { .isa = j->s->text.isa };
	elm_status status = elm_model_open(j->s->input, &fresh, &j->model, error);

	if (status)
		return status;
	for (uint32_t i = 0; i < j->model->hparams.layers; i++)
		if (j->model->weights.layers[i].q.interleave)
			return elm_error_set(
				error, ELM_ERR_UNSUPPORTED,
				"%s is quantised already; awq and gptq with a text begin with "
				"F32, F16 or BF16",
				j->s->input);
	j->gguf = j->model->gguf;
	j->hp = j->model->hparams;
	return ELM_OK;
}

static bool walks(const settings *s)
{
	return s->method >= METHOD_AWQ && !s->calib;
}

static elm_status make_plan(job *j, const elm__mix *mix, elm_error *error)
{
	const settings *s = j->s;
	elm_status status;

	if (walks(s)) {
		status = open_model(j, error);
	} else {
		status = elm_gguf_open(s->input, &j->gguf, error);
		if (!status)
			status = elm__hparams_read(&j->hp, j->gguf, &j->arena, error);
	}
	if (!status)
		status = parse_rules(j, error);
	if (!status && s->calib && s->method != METHOD_RTN)
		status = elm__calib_load(&j->calib, s->calib, j->gguf, &j->hp, error);
	if (!status && s->calib && s->method >= METHOD_AWQ &&
	    (!j->calib.inputs[0].products || !j->calib.inputs[0].magnitude))
		status = elm_error_set(error, ELM_ERR_ARGUMENT,
				       "%s has no Hessians; make it with calibrate --hessian, or "
				       "give --file",
				       s->calib);
	if (!status)
		status = elm__quant_plan_make(&j->plan, j->gguf, &j->hp, mix, j->rules,
					      s->rules.count, j->calib.inputs != NULL, error);
	return status;
}

static void warn(const job *j)
{
	if (j->plan.quantised_twice)
		elm_log(ELM_LOG_WARN,
			"%s is quantised already; what it has lost is lost twice. Better begin "
			"with F16 or F32",
			j->s->input);
	for (size_t i = 0; i < j->plan.count; i++) {
		const elm__quant_item *item = &j->plan.items[i];

		if (item->type != item->asked)
			elm_log(ELM_LOG_INFO, "%s becomes %s: rows of %llu weights cannot have %s",
				item->tensor->name, elm_type_get(item->type)->name,
				(unsigned long long)item->tensor->dims[0],
				elm_type_get(item->asked)->name);
	}
}

static bool watch(void *user, uint64_t done, uint64_t total)
{
	job *j = user;

	cli_progress_update(&j->progress, done >> 20, total >> 20, "MiB");
	return *j->interrupted != 0;
}

/* The text and the model that it walks through. */
static elm_status start_walk(job *j, elm_error *error)
{
	elm__walk_options how = cli_walk_options(&j->s->text, j->model);
	cli_text text;
	elm_status status =
		cli_text_read(&text, elm_model_tokenizer(j->model), j->s->text.file, 0, error);

	how.beside = j->s->output;
	if (!status)
		status = elm__walk_init(&j->walk, j->model, text.tokens, text.count, &how, error);
	cli_text_release(&text);
	if (!status)
		status = elm__calib_create(&j->calib, j->gguf, &j->model->hparams,
					   ELM__PRODUCTS_SHARED, how.memory, how.beside, error);
	if (!status)
		j->awq.walk = j->gptq.walk = &j->walk;
	return status;
}

static elm_status start_pool(job *j, elm_error *error)
{
	unsigned cpus[ELM__POOL_MAX], cores = elm__cpu_select("", cpus, ELM__POOL_MAX);
	unsigned threads = j->s->text.threads ? (unsigned)j->s->text.threads : cores;
	uint32_t mask = UINT32_MAX;
	elm_status status = ELM_OK;

	if (j->s->text.isa)
		status = elm__cpu_parse_tier(j->s->text.isa, &mask, error);
	if (status)
		return status;
	elm__kernels_init(&j->kernels, elm__cpu_detect() & mask);
	status = elm__multiplier_init(&j->multiplier, &j->kernels, threads, error);
	if (status)
		return status;
	return elm__pool_create(threads, threads <= cores ? cpus : NULL, &j->pool, error);
}

static elm_status write_file(job *j, elm_error *error)
{
	/* In the order of `methods`; auto is rtn without a calibration. */
	const elm__method all[] = {
		{ elm__imatrix_prepare, &j->calib }, { NULL, NULL },
		{ elm__imatrix_prepare, &j->calib }, { elm__awq_prepare, &j->awq },
		{ elm__gptq_prepare, &j->gptq },     { elm__awq_prepare, &j->awq },
	};
	elm__quantize_options o = { .name = "rtn", .progress = watch, .user = j };
	elm_status status = walks(j->s) ? start_walk(j, error) : start_pool(j, error);

	if (status)
		return status;
	o.pool = j->pool ? j->pool : j->walk.pool;
	j->awq.feedback = j->s->method == METHOD_BOTH;
	j->awq.pool = j->gptq.pool = o.pool;
	j->awq.multiplier = j->gptq.multiplier = j->pool ? &j->multiplier : &j->walk.multiplier;
	j->awq.calib = j->gptq.calib = &j->calib;
	if (j->calib.inputs) {
		o.name = j->s->method == METHOD_AUTO ? "imatrix" : methods[j->s->method];
		o.method = &all[j->s->method];
	}
	j->interrupted = cli_interrupt_watch();
	cli_progress_start(&j->progress, j->cli, "quantising");
	status = elm__quantize(&j->plan, j->s->output, &o, error);
	cli_progress_end(&j->progress);
	if (!status && j->gptq.rounded)
		elm_log(ELM_LOG_WARN,
			"%u matrices were only rounded: their Hessians cannot be inverted; give "
			"more text",
			j->gptq.rounded);
	return status;
}

static double bits_per_weight(const elm__quant_plan *plan)
{
	uint64_t weights = 0;

	for (size_t i = 0; i < plan->count; i++)
		weights += plan->items[i].tensor->elements;
	return weights ? 8 * (double)plan->bytes / (double)weights : 0;
}

static json_t *items_json(const elm__quant_plan *plan)
{
	json_t *list = json_array();

	for (size_t i = 0; i < plan->count; i++) {
		const elm__quant_item *item = &plan->items[i];

		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:I, s:I}", "name", item->tensor->name,
					"from", elm_type_get(item->tensor->type)->name, "to",
					elm_type_get(item->type)->name, "bytes_before",
					(json_int_t)item->tensor->bytes, "bytes",
					(json_int_t)item->bytes));
	}
	return list;
}

static int print_report(const job *j)
{
	const elm__quant_plan *plan = &j->plan;
	char before[32], after[32];

	if (j->cli->json)
		return cli_print_json(
			j->cli,
			json_pack("{s:s, s:s, s:b, s:I, s:I, s:f, s:o}", "output", j->s->output,
				  "type", plan->mix->name, "dry_run", (int)j->s->dry_run,
				  "tensor_bytes_before", (json_int_t)plan->old_bytes,
				  "tensor_bytes", (json_int_t)plan->bytes, "bits_per_weight",
				  bits_per_weight(plan), "tensors", items_json(plan)));
	for (size_t i = 0; j->s->dry_run && i < plan->count; i++) {
		const elm__quant_item *item = &plan->items[i];

		printf("%-32s %-6s -> %-6s %s\n", item->tensor->name,
		       elm_type_get(item->tensor->type)->name, elm_type_get(item->type)->name,
		       elm__format_bytes(item->bytes, after, sizeof(after)));
	}
	printf("%s: %s of tensors, %s before; %.2f bits per weight%s\n", j->s->output,
	       elm__format_bytes(plan->bytes, after, sizeof(after)),
	       elm__format_bytes(plan->old_bytes, before, sizeof(before)), bits_per_weight(plan),
	       j->s->dry_run ? "; not written" : "");
	return CLI_DONE;
}

static int unknown_type(const cli_context *cli, const char *type)
{
	elm__buf names = ELM__BUF_INIT;
	int code;

	for (size_t i = 0; elm__mix_at(i); i++)
		elm__buf_printf(&names, "%s%s", i ? ", " : "", elm__mix_at(i)->name);
	code = cli_usage(cli, "\"%s\" is not one of %s", type, elm__buf_text(&names));
	elm__buf_release(&names);
	return code;
}

static int run(cli_context *cli)
{
	const settings *s = cli->settings;
	const elm__mix *mix = elm__mix_find(s->type);
	job j = { .cli = cli, .s = s };
	elm_error error = { 0 };
	elm_status status;
	int code;

	if (!mix)
		return unknown_type(cli, s->type);
	if (s->method == METHOD_IMATRIX && !s->calib)
		return cli_usage(cli, "--method imatrix needs --calib");
	elm__arena_init(&j.arena, 0);
	status = make_plan(&j, mix, &error);
	if (!status)
		warn(&j);
	if (!status && !s->dry_run)
		status = write_file(&j, &error);
	code = status ? cli_fail_error(cli, &error) : print_report(&j);
	elm__pool_free(j.pool);
	elm__multiplier_release(&j.multiplier);
	elm__awq_release(&j.awq);
	elm__gptq_release(&j.gptq);
	elm__quant_plan_release(&j.plan);
	elm__calib_release(&j.calib);
	elm__walk_release(&j.walk);
	if (j.model)
		elm_model_close(j.model);
	else
		elm_gguf_close(j.gguf);
	elm__arena_release(&j.arena);
	return code;
}

const cli_command cli_cmd_quantize = {
	.name = "quantize",
	.summary = "write a model with its weights in smaller types",
	.description =
		"TYPE is a type of weights or a mix, which gives the matrices that suffer most a "
		"better type: Q2_K_S, Q2_K, Q3_K_S, Q3_K_M, Q3_K_L, IQ4_XS, IQ4_NL, Q4_0, Q4_K_S, "
		"Q4_K_M, Q4_1, Q5_0, Q5_K_S, Q5_K_M, Q5_1, Q6_K, Q8_0, F16, BF16, F32. Rows that "
		"are no "
		"multiple of 256 get the nearest type that they can have, which --dry-run "
		"shows.\n\n"
		"Scales are searched, not taken from the largest weight. With a calibration, "
		"errors "
		"count as much as what they are multiplied with.",
	.examples = "edgelm quantize model-f16.gguf model-q4.gguf Q4_K_M\n"
		    "edgelm quantize model-f16.gguf model-q4.gguf Q4_K_M --calib model.calib\n"
		    "edgelm quantize model-f16.gguf - Q3_K_M --tensor-type attn_v=Q6_K --dry-run\n",
	.arguments = arguments,
	.groups = groups,
	.settings_size = sizeof(settings),
	.defaults = &defaults,
	.prints_json = true,
	.run = run,
};

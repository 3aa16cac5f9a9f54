/* eval_perplexity.c: how well a model predicts a text. */
#include <math.h>
#include <stdio.h>

#include "cli/eval.h"
#include "cli/model_options.h"
#include "cli/text.h"
#include "eval/logits.h"

typedef struct settings {
	const char *model, *file;
	int64_t windows, bytes;
	cli_model_settings engine;
} settings;

enum { DEFAULT_WINDOW = 512 };

#define S settings
static const cli_option arguments[] = {
	{ "MODEL", 0, CLI_FILE(S, model), NULL, "the GGUF file", .required = true },
	{ 0 },
};

static const cli_option eval_options[] = {
	{ "file", 'f', CLI_FILE(S, file), "FILE",
	  "the text, plain or records in *.jsonl; standard input when left out" },
	{ "chunks", 0, CLI_INT(S, windows), "N", "score only the first N windows or records",
	  .default_text = "all", .range = { 1, UINT32_MAX } },
	{ "bytes", 0, CLI_SIZE(S, bytes), "SIZE", "use only the beginning of a plain text",
	  .default_text = "all", .range = { 1, INT64_MAX } },
	{ 0 },
};
#undef S

static const cli_group groups[] = { { "Options", eval_options, 0 },
				    { "Model", cli_model_options, offsetof(settings, engine) },
				    { 0 } };
static const settings defaults = { .engine = CLI_MODEL_DEFAULTS };

/* The windows, until all asked for are done or Ctrl-C; that is a failure only before the first. */
static elm_status compute(const cli_context *cli, elm__perplexity *p, uint32_t windows,
			  elm_error *error)
{
	elm_status status = ELM_OK;
	cli_progress progress;

	cli_progress_start(&progress, cli, "scoring");
	while (p->done < windows && !status) {
		cli_progress_update(&progress, p->done, windows, "windows");
		status = elm__perplexity_next(p, error);
	}
	cli_progress_end(&progress);
	return status == ELM_ERR_CANCELLED && p->done ? ELM_OK : status;
}

static int print_result(const cli_context *cli, const cli_text *text, const elm__perplexity *p,
			uint32_t wanted)
{
	char scored[80];
	double value = elm__perplexity_value(p), error = elm__perplexity_error(p);
	bool bos = p->bos != ELM_TOKEN_NONE;

	if (cli->json)
		return cli_print_json(
			cli,
			json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:b, s:s}", "perplexity",
				  isfinite(value) ? json_real(value) : json_null(),
				  "standard_error",
				  isfinite(error) ? json_real(error) : json_null(), "tokens_scored",
				  (json_int_t)p->scored, "window", (json_int_t)p->window, "windows",
				  (json_int_t)p->done, "windows_wanted", (json_int_t)wanted, "bos",
				  (int)bos, "convention",
				  text->records ? "trained tokens of each record" :
						  "second half of each window"));
	printf("perplexity %.4f +/- %.4f (standard error)\n", value, error);
	printf("%llu tokens scored: %s%s%s\n", (unsigned long long)p->scored,
	       cli_text_scored(text, p, scored, sizeof(scored)),
	       text->records ? "" :
	       bos	     ? ", the first token of each replaced by BOS" :
			       ", without BOS, which this model does not use",
	       p->done < wanted ? "; interrupted" : "");
	return CLI_DONE;
}

static int evaluate(cli_context *cli, elm_model *model, const cli_text *text)
{
	const settings *s = cli->settings;
	elm_session_options session_options = cli_session_options(&s->engine);
	elm__perplexity p;
	elm_session *session = NULL;
	elm_error error = { 0 };
	uint32_t windows;
	int code = CLI_DONE;

	if (!session_options.context)
		session_options.context = DEFAULT_WINDOW;
	if (!session_options.batch || session_options.batch > session_options.context)
		session_options.batch =
			session_options.context < 512 ? session_options.context : 512;
	session_options.max_logits = elm__logits_rows_at_once(model, session_options.batch);
	if (elm_session_create(model, &session_options, &session, &error))
		return cli_fail_error(cli, &error);
	if (cli_text_score(text, session, session_options.context, &p, &error)) {
		elm_session_free(session);
		return cli_fail_error(cli, &error);
	}
	windows = s->windows && s->windows < p.windows ? (uint32_t)s->windows : p.windows;
	elm_session_set_cancel(session, cli_interrupt_watch());
	if (compute(cli, &p, windows, &error))
		code = cli_fail_error(cli, &error);
	else
		code = print_result(cli, text, &p, windows);
	elm__perplexity_release(&p);
	elm_session_free(session);
	return code;
}

static int run(cli_context *cli)
{
	const settings *s = cli->settings;
	elm_model *model = cli_open_model(cli, s->model, &s->engine);
	cli_text text = { 0 };
	elm_error error = { 0 };
	int code;

	if (!model)
		return CLI_FAILED;
	if (cli_text_read(&text, elm_model_tokenizer(model), s->file, (size_t)s->bytes, &error))
		code = cli_fail_error(cli, &error);
	else
		code = evaluate(cli, model, &text);
	cli_text_release(&text);
	elm_model_close(model);
	return code;
}

const cli_command cli_cmd_eval_perplexity = {
	.name = "perplexity",
	.summary = "measure how well a model predicts a text",
	.description =
		"The text's tokens are cut into windows of --ctx tokens (512 unless given); a "
		"shorter rest is left out. The first token of each window is replaced by BOS, "
		"where "
		"the model uses one, and the predictions of its second half are scored. Perplexity "
		"is e to the mean of -ln p; the standard error comes from the spread of -ln p.\n\n"
		"Of a file named *.jsonl, with records as edgelm train reads them, each record is "
		"a "
		"window of its own, and what training would learn of it is scored: the answers of "
		"conversations, for example.\n\n"
		"Figures compare only between runs with the same text, window and vocabulary. "
		"Ctrl-C prints the result of the windows done so far.",
	.examples = "edgelm eval perplexity model.gguf -f text.txt -c 512",
	.arguments = arguments,
	.groups = groups,
	.settings_size = sizeof(settings),
	.defaults = &defaults,
	.prints_json = true,
	.run = run,
};

#include "cli/calibration.h"

#include <edgelm/log.h>

#include "cli/text.h"

/* Below FEW_TOKENS importances are noise. */
enum { DEFAULT_WINDOW = 512, FEW_TOKENS = 4096 };

#define S cli_calibration_settings
const cli_option cli_calibration_options[] = {
	{ "file", 'f', CLI_FILE(S, file), "FILE",
	  "the text, plain or records in *.jsonl; \"-\" is standard input, which calibrate and "
	  "quantize take when this is left "
	  "out" },
	{ "ctx", 'c', CLI_INT(S, window), "N", "tokens of a window",
	  .default_text = "512, or what the model was trained for if that is less",
	  .range = { 2, 65536 } },
	{ "chunks", 0, CLI_INT(S, windows), "N", "use only the first N windows",
	  .default_text = "all", .range = { 1, UINT32_MAX } },
	{ "threads", 't', CLI_INT(S, threads), "N", "threads that compute",
	  .default_text = "one per core", .range = { 1, ELM__POOL_MAX } },
	{ "memory", 0, CLI_SIZE(S, memory), "SIZE",
	  "working memory; what does not fit is kept in a temporary file beside the output",
	  .range = { 0, INT64_MAX } },
	{ "isa", 0, CLI_TEXT(S, isa), "TIER", "processor instructions to use",
	  .default_text = "the best that this machine has" },
	{ 0 },
};
#undef S

elm__walk_options cli_walk_options(const cli_calibration_settings *settings, const elm_model *model)
{
	uint32_t trained = elm_model_get_info(model)->trained_context;
	uint32_t usual = trained < DEFAULT_WINDOW ? trained : DEFAULT_WINDOW;

	return (elm__walk_options){
		.window = settings->window ? (uint32_t)settings->window : usual,
		.max_windows = (uint32_t)settings->windows,
		.threads = (uint32_t)settings->threads,
		.memory = (uint64_t)settings->memory,
	};
}

void cli_warn_few_tokens(const elm_model *model, uint64_t tokens, bool hessians)
{
	const elm_model_info *info = elm_model_get_info(model);
	uint32_t widest = info->ffn_width > info->width ? info->ffn_width : info->width;

	if (tokens < FEW_TOKENS)
		elm_log(ELM_LOG_WARN,
			"%llu tokens say little about what matters; a good calibration has tens of "
			"thousands",
			(unsigned long long)tokens);
	else if (hessians && tokens < 2 * (uint64_t)widest)
		elm_log(ELM_LOG_WARN,
			"%llu tokens are few for Hessians of %u channels; use at least %u",
			(unsigned long long)tokens, widest, 2 * widest);
}

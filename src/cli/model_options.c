#include "cli/model_options.h"

#include <edgelm/log.h>

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/random.h"
#include "base/text.h"

/* q8_0 is what llama.cpp calls int8. */
const char *const cli_kv_type_names[] = { "f32", "f16", "int8", "int4", "q8_0", NULL };

elm_type cli_kv_type(int index)
{
	static const elm_type types[] = { ELM_TYPE_F32, ELM_TYPE_F16, ELM_TYPE_Q8_0,
					  ELM_TYPE_IQ4_NL, ELM_TYPE_Q8_0 };

	return types[index];
}

const cli_option cli_model_options[] = {
	{ "ctx", 'c', CLI_INT(cli_model_settings, context), "N",
	  "tokens of context, prompt and answer together",
	  .default_text = "what the model was trained for, at most 4096", .range = { 1, 1 << 28 } },
	{ "threads", 't', CLI_INT(cli_model_settings, threads), "N", "threads that compute",
	  .default_text = "one per core", .range = { 1, 256 } },
	{ "batch", 0, CLI_INT(cli_model_settings, batch), "N",
	  "prompt tokens that are computed together", .default_text = "512",
	  .range = { 1, 65536 } },
	{ "kv-type", 0, CLI_CHOICE(cli_model_settings, kv_type), "TYPE",
	  "how keys and values are kept; int8 takes half the memory of f16, int4 a quarter",
	  .choices = cli_kv_type_names },
	{ "isa", 0, CLI_TEXT(cli_model_settings, isa), "TIER", "processor instructions to use",
	  .default_text = "the best that this machine has" },
	{ "batch-invariant", 0, CLI_FLAG(cli_model_settings, batch_invariant), NULL,
	  "an answer is the same to the last bit whatever is computed beside it; slower, and only "
	  "with the instructions amx and scalar" },
	{ "engine", 0, CLI_FILE(cli_model_settings, engine_file), "FILE",
	  "use this engine file, and make it where it is missing",
	  .default_text = "beside the model or in the folder that edgelm cache-dir prints" },
	{ "no-engine-cache", 0, CLI_FLAG(cli_model_settings, no_engine_cache), NULL,
	  "neither read nor write an engine file; what has to be rearranged stays in memory" },
	{ 0 },
};

typedef struct opening {
	cli_progress progress;
	const volatile int *interrupted;
} opening;

static bool show_opening(void *user, uint64_t done, uint64_t total)
{
	opening *o = user;

	cli_progress_update(&o->progress, done >> 20, total >> 20, "MiB");
	return *o->interrupted != 0;
}

elm_model *cli_open_model(const cli_context *cli, const char *path,
			  const cli_model_settings *settings)
{
	opening state = { .interrupted = cli_interrupt_watch() };
	elm_model_options options = { .isa = settings->isa,
				      .engine_file = settings->engine_file,
				      .batch_invariant = settings->batch_invariant,
				      .progress = show_opening,
				      .progress_user = &state };
	char folder[4096];
	elm_error error = { 0 };
	elm_model *model;

	if (!settings->no_engine_cache) {
		if (!elm_engine_cache_default(folder, sizeof(folder), &error))
			options.engine_cache = folder;
		else
			elm_log(ELM_LOG_INFO, "%s", error.text);
	}
	cli_progress_start(&state.progress, cli, "rearranging weights for this processor");
	if (elm_model_open(path, &options, &model, &error)) {
		cli_progress_end(&state.progress);
		cli_fail_error(cli, &error);
		return NULL;
	}
	cli_progress_end(&state.progress);
	return model;
}

elm_session_options cli_session_options(const cli_model_settings *settings)
{
	elm_session_options options = elm_session_defaults();

	options.context = (uint32_t)settings->context;
	options.threads = (uint32_t)settings->threads;
	options.batch = (uint32_t)settings->batch;
	options.kv_type = cli_kv_type(settings->kv_type);
	return options;
}

#define S cli_sampling_settings
const cli_option cli_sampling_options[] = {
	{ "temp", 0, CLI_REAL(S, temperature), "T",
	  "temperature; 0 always takes the most likely token", .real_range = { 0, 100 } },
	{ "top-k", 0, CLI_INT(S, top_k), "K", "keep the K most likely tokens; 0 keeps all",
	  .range = { 0, INT32_MAX } },
	{ "top-p", 0, CLI_REAL(S, top_p), "P",
	  "keep the smallest set of tokens of this probability; 1 keeps all",
	  .real_range = { 0, 1 } },
	{ "min-p", 0, CLI_REAL(S, min_p), "P",
	  "keep tokens of at least this fraction of the best one's probability",
	  .real_range = { 0, 1 } },
	{ "typical", 0, CLI_REAL(S, typical_p), "P",
	  "keep the most typical tokens of this probability; 1 is off", .real_range = { 1e-6, 1 } },
	{ "repeat-penalty", 0, CLI_REAL(S, repeat_penalty), "X",
	  "make tokens that occurred less likely by this factor; 1 is off",
	  .real_range = { 1e-6, 100 } },
	{ "presence-penalty", 0, CLI_REAL(S, presence_penalty), "X",
	  "subtracted from the logit of tokens that occurred", .real_range = { -100, 100 } },
	{ "frequency-penalty", 0, CLI_REAL(S, frequency_penalty), "X",
	  "subtracted for each time that a token occurred", .real_range = { -100, 100 } },
	{ "penalty-window", 0, CLI_INT(S, penalty_window), "N",
	  "last tokens that the penalties look at; -1 is all", .range = { -1, 1 << 20 } },
	{ "mirostat", 0, CLI_REAL(S, mirostat_tau), "BITS",
	  "mirostat 2 with this target surprise, instead of top-k to typical; 0 is off",
	  .real_range = { 0, 100 } },
	{ "mirostat-rate", 0, CLI_REAL(S, mirostat_eta), "X", "learning rate of mirostat",
	  .real_range = { 0, 1 } },
	{ "logit-bias", 0, CLI_LIST(S, bias), "TOKEN=X",
	  "add X to the logit of token number TOKEN; -inf forbids it" },
	{ "seed", 0, CLI_INT(S, seed), "N", "the same seed gives the same text",
	  .default_text = "from the clock", .range = { 0, INT64_MAX } },
	{ 0 },
};
#undef S

/* "15043=-2.5" */
static bool parse_bias(const char *text, elm_logit_bias *out)
{
	const char *equals = strchr(text, '=');
	char number[16];
	int64_t token;
	double bias;

	if (!equals || (size_t)(equals - text) >= sizeof(number))
		return false;
	memcpy(number, text, (size_t)(equals - text));
	number[equals - text] = '\0';
	if (!elm__parse_i64(number, 0, INT32_MAX, &token))
		return false;
	if (!strcmp(equals + 1, "-inf"))
		bias = -HUGE_VAL;
	else if (!elm__parse_f64(equals + 1, -1e6, 1e6, &bias))
		return false;
	*out = (elm_logit_bias){ (elm_token)token, (float)bias };
	return true;
}

static uint64_t seed_from_clock(void)
{
	struct timespec now;
	uint64_t state;

	clock_gettime(CLOCK_REALTIME, &now);
	state = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	/* Short enough to be typed again, and to be an integer everywhere in JSON. */
	return elm__splitmix64(&state) >> 32;
}

elm_sampler_options cli_sampler_options(const cli_sampling_settings *settings)
{
	return (elm_sampler_options){
		.temperature = (float)settings->temperature,
		.top_k = (int32_t)settings->top_k,
		.top_p = (float)settings->top_p,
		.min_p = (float)settings->min_p,
		.typical_p = (float)settings->typical_p,
		.repeat_penalty = (float)settings->repeat_penalty,
		.frequency_penalty = (float)settings->frequency_penalty,
		.presence_penalty = (float)settings->presence_penalty,
		.penalty_window = (int32_t)settings->penalty_window,
		.mirostat_tau = (float)settings->mirostat_tau,
		.mirostat_eta = (float)settings->mirostat_eta,
		.seed = settings->seed < 0 ? seed_from_clock() : (uint64_t)settings->seed,
	};
}

elm_sampler *cli_create_sampler(const cli_context *cli, const cli_sampling_settings *settings,
				uint32_t vocabulary, uint64_t *seed, int *code)
{
	elm_logit_bias *bias = elm__calloc(settings->bias.count, sizeof(*bias));
	elm_sampler_options options = cli_sampler_options(settings);
	elm_sampler *sampler = NULL;
	elm_error error = { 0 };

	*code = CLI_DONE;
	*seed = options.seed;
	options.bias = bias;
	options.bias_count = settings->bias.count;
	if (!bias)
		*code = cli_fail(cli, "out of memory");
	for (size_t i = 0; i < settings->bias.count && *code == CLI_DONE; i++)
		if (!parse_bias(settings->bias.items[i], &bias[i]))
			*code = cli_usage(cli,
					  "--logit-bias \"%s\" is not a token number, an equals "
					  "sign and a number or -inf",
					  settings->bias.items[i]);
	if (*code == CLI_DONE && elm_sampler_create(&options, vocabulary, &sampler, &error)) {
		*code = cli_fail_error(cli, &error);
		if (error.status == ELM_ERR_ARGUMENT)
			*code = CLI_USAGE;
	}
	elm__free(bias);
	return sampler;
}

/* model_options.h: the options that every command shares which computes with a model. */
#ifndef ELM_CLI_MODEL_OPTIONS_H
#define ELM_CLI_MODEL_OPTIONS_H

#include <edgelm/sampler.h>
#include <edgelm/session.h>

#include "cli/cli.h"

typedef struct cli_model_settings {
	int64_t context, threads, batch;
	int kv_type; /* index in cli_kv_type_names */
	const char *isa, *engine_file;
	bool no_engine_cache, batch_invariant;
} cli_model_settings;

#define CLI_MODEL_DEFAULTS   \
	{                    \
		.kv_type = 1 \
	}

extern const cli_option cli_model_options[];

/* Opens a model. On failure it has been reported and the result is NULL. */
elm_model *cli_open_model(const cli_context *cli, const char *path,
			  const cli_model_settings *settings);

/* The choices of --kv-type, and the type that each stands for. */
extern const char *const cli_kv_type_names[];
elm_type cli_kv_type(int index);

/* What the settings say; the rest is elm_session_defaults. */
elm_session_options cli_session_options(const cli_model_settings *settings);

typedef struct cli_sampling_settings {
	double temperature, top_p, min_p, typical_p;
	double repeat_penalty, presence_penalty, frequency_penalty;
	double mirostat_tau, mirostat_eta;
	int64_t top_k, penalty_window, seed; /* seed < 0: from the clock */
	cli_list bias;			     /* "TOKEN=BIAS" */
} cli_sampling_settings;

/* Those of elm_sampler_defaults, which a test compares. */
#define CLI_SAMPLING_DEFAULTS                                                                  \
	{                                                                                      \
		.temperature = 0.8, .top_k = 40, .top_p = 0.95, .min_p = 0.05, .typical_p = 1, \
		.repeat_penalty = 1, .penalty_window = 64, .mirostat_eta = 0.1, .seed = -1     \
	}

extern const cli_option cli_sampling_options[];

/* What the settings say, without the bias. */
elm_sampler_options cli_sampler_options(const cli_sampling_settings *settings);

/* A sampler for a vocabulary; *seed is the seed in use. On failure it has been reported (*code is
 * the exit code) and the result is NULL. */
elm_sampler *cli_create_sampler(const cli_context *cli, const cli_sampling_settings *settings,
				uint32_t vocabulary, uint64_t *seed, int *code);

#endif

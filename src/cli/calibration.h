/* calibration.h: the options of every command that lets a text walk through a model. */
#ifndef ELM_CLI_CALIBRATION_H
#define ELM_CLI_CALIBRATION_H

#include <edgelm/model.h>

#include "cli/cli.h"
#include "compress/walk.h"

typedef struct cli_calibration_settings {
	const char *file, *isa;
	int64_t window, windows, threads, memory;
} cli_calibration_settings;

#define CLI_CALIBRATION_DEFAULTS            \
	{                                   \
		.memory = (int64_t)1 << 30, \
	}

extern const cli_option cli_calibration_options[];

/* All but `beside`. */
elm__walk_options cli_walk_options(const cli_calibration_settings *settings,
				   const elm_model *model);

/* Warns where so many tokens say little, or little for Hessians. */
void cli_warn_few_tokens(const elm_model *model, uint64_t tokens, bool hessians);

#endif

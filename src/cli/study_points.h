/* study_points.h: what `edgelm study run` measures: one point, or all those of a sweep. */
#ifndef ELM_CLI_STUDY_POINTS_H
#define ELM_CLI_STUDY_POINTS_H

#include "base/arena.h"
#include "cli/cli.h"
#include "cli/model_options.h"
#include "study/run.h"

/* The options of `study run`. */
typedef struct cli_study_settings {
	const char *model, *out, *queries, *experiments, *sysroot, *chat_template;
	const char *url, *served, *key_file;
	int64_t limit, repeats, passes, streams, pid;
	int order, form;
	bool faithful, ignore_eos;
	double idle, timeout;
	cli_list sweeps;
	cli_sampling_settings sampling; /* of which a part has options */
	cli_model_settings engine;
} cli_study_settings;

typedef struct cli_study_points {
	elm__study_point *items;
	size_t count;
	elm__server_options server;
	elm__arena arena; /* owns everything */
} cli_study_points;

/* All points, with their worker's commands and the hashes of their models. Returns the exit code;
 * a failure has been reported. Release it in any case. */
int cli_study_points_make(const cli_context *cli, const cli_study_settings *settings,
			  cli_study_points *points);
void cli_study_points_release(cli_study_points *points);

/* What the results depend on, as the study keeps it. */
ELM_NODISCARD elm_status cli_study_settings_rows(const cli_study_settings *settings,
						 const cli_study_points *points, uint64_t workload,
						 elm__arena *arena, elm__study_setting **rows,
						 size_t *count, elm_error *error);

#endif

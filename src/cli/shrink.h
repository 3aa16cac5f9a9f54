/* shrink.h: the work of edgelm compress: files that recipes make, measured one after the other. */
#ifndef ELM_CLI_SHRINK_H
#define ELM_CLI_SHRINK_H

#include "cli/cli.h"
#include "compress/budget.h"

typedef struct cli_shrink_settings {
	const char *model, *output, *text, *measure, *keep;
	int64_t target_size, target_memory, context;
	int64_t window, calibration_windows, measured_windows, distill_steps, threads;
	double max_divergence;
	int kv_type, method;
	bool no_prune, dry_run;
} cli_shrink_settings;

/* The choices of --method. */
extern const char *const cli_shrink_methods[];

typedef struct cli_shrink {
	const cli_context *cli;
	const cli_shrink_settings *s;
	uint32_t window; /* tokens, of the calibration and of what is measured */
	char *folder;	 /* of all files of this run */
	bool temporary;	 /* it goes at the end */
	elm__budget budget;
	elm__trial dense; /* the model as it is; its recipe says nothing */
} cli_shrink;

/* Makes the folder; one that is kept and holds files of another run is ELM_ERR_ARGUMENT. */
ELM_NODISCARD elm_status cli_shrink_begin(cli_shrink *shrink, elm_error *error);

/* Makes and measures recipes until the budget wants no more, then writes the best to the output if
 * the goal is met. Interrupted, all stages that are done lie in the folder. */
ELM_NODISCARD elm_status cli_shrink_run(cli_shrink *shrink, elm_error *error);

/* Removes the folder if it is temporary. */
void cli_shrink_end(cli_shrink *shrink);

/* Prints the table, or with --json an object. Returns the exit code. */
int cli_print_shrink(const cli_shrink *shrink);

/* What would be tried, in this order, as long as nothing meets the goal. Returns the exit code. */
int cli_print_shrink_plan(const cli_shrink *shrink);

#endif

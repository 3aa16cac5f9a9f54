/* prune.h: what edgelm prune says of what it did. */
#ifndef ELM_CLI_PRUNE_H
#define ELM_CLI_PRUNE_H

#include "cli/cli.h"
#include "compress/prune.h"

typedef struct cli_pruned {
	const char *output, *score;
	const elm__prune_plan *plan;
	elm__prune_sizes before, after;
	const elm__prune_repair
		*repairs; /* one per layer of the plan; NULL: nothing was repaired */
	bool written;
} cli_pruned;

/* Prints the table or, with --json, an object. Returns the exit code. */
int cli_print_pruned(const cli_context *cli, const cli_pruned *pruned);

#endif

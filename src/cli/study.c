/* study.c: the name over the commands of the workload study. */
#include "cli/study.h"
#include "cli/commands.h"

int cli_no_study(const cli_context *cli)
{
	return cli_fail(cli, "this program was built without SQLite, in which studies are kept; "
			     "install its development package and build again");
}

static const cli_command *const verbs[] = {
	&cli_cmd_study_run,    &cli_cmd_study_show,   &cli_cmd_study_report, &cli_cmd_study_compare,
	&cli_cmd_study_export, &cli_cmd_study_import, &cli_cmd_study_worker, NULL,
};

const cli_command cli_cmd_study = {
	.name = "study",
	.summary = "measure what a device can carry, and compare",
	.commands = verbs,
};

/* study.h: the commands below `edgelm study`, one file each. */
#ifndef ELM_CLI_STUDY_H
#define ELM_CLI_STUDY_H

#include "cli/cli.h"

extern const cli_command cli_cmd_study_compare;
extern const cli_command cli_cmd_study_export;
extern const cli_command cli_cmd_study_import;
extern const cli_command cli_cmd_study_report;
extern const cli_command cli_cmd_study_run;
extern const cli_command cli_cmd_study_show;
extern const cli_command cli_cmd_study_worker;

/* Says that this program was built without SQLite, which most of these need. Returns CLI_FAILED. */
int cli_no_study(const cli_context *cli);

#endif

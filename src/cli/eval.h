/* eval.h: the commands below `edgelm eval`, one file each. */
#ifndef ELM_CLI_EVAL_H
#define ELM_CLI_EVAL_H

#include "cli/cli.h"

extern const cli_command cli_cmd_eval_kld;
extern const cli_command cli_cmd_eval_logits;
extern const cli_command cli_cmd_eval_perplexity;
extern const cli_command cli_cmd_eval_tasks;

#endif

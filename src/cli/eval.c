/* eval.c: the name over the commands that measure how good a model is. */
#include "cli/eval.h"
#include "cli/commands.h"

static const cli_command *const verbs[] = { &cli_cmd_eval_kld, &cli_cmd_eval_logits,
					    &cli_cmd_eval_perplexity, &cli_cmd_eval_tasks, NULL };

const cli_command cli_cmd_eval = {
	.name = "eval",
	.summary = "measure how well a model predicts",
	.commands = verbs,
};

#include "cli/commands.h"

#include <string.h>

#include "cli/tables.h"

/* In the order of the table that `edgelm` prints: the daily ones first. */
static const cli_command *const commands[] = {
	&cli_cmd_run,	     &cli_cmd_chat,
	&cli_cmd_serve,	     &cli_cmd_inspect,
	&cli_cmd_tokenize,   &cli_cmd_detokenize,
	&cli_cmd_tokenizer,  &cli_cmd_chat_template,
	&cli_cmd_train,	     &cli_cmd_distill,
	&cli_cmd_eval,	     &cli_cmd_bench,
	&cli_cmd_monitor,    &cli_cmd_study,
	&cli_cmd_convert,    &cli_cmd_export,
	&cli_cmd_calibrate,  &cli_cmd_quantize,
	&cli_cmd_prune,	     &cli_cmd_compress,
	&cli_cmd_build,	     &cli_cmd_cache_dir,
	&cli_cmd_help,	     &cli_cmd_man,
	&cli_cmd_completion, NULL,
};

const cli_command cli_root = {
	.name = "edgelm",
	.summary = "run language models on edge devices",
	.description = "Every command explains itself with --help. Results go to standard output, "
		       "everything else to standard error.",
	.commands = commands,
};

const cli_command *cli_named_command(const cli_context *cli, const cli_list *words, elm__buf *path)
{
	const cli_command *command = &cli_root;

	cli_path_push(path, command->name);
	for (size_t i = 0; i < words->count; i++) {
		const char *word = words->items[i];

		command = cli_find_command(command, word, strlen(word));
		if (!command) {
			cli_usage(cli, "\"%s\" has no command \"%s\"", elm__buf_text(path), word);
			return NULL;
		}
		cli_path_push(path, word);
	}
	return command;
}

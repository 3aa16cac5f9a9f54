/* tables.h: walking the command tables; for the files that parse and print them. */
#ifndef ELM_CLI_TABLES_H
#define ELM_CLI_TABLES_H

#include "base/buffer.h"
#include "cli/cli.h"

/* What every command understands. */
typedef struct cli_common {
	bool help, version, json, quiet;
	int64_t verbose;
} cli_common;

extern const cli_option cli_common_options[];

/* All options of a command in the order of --help: its groups, then the common ones. */
typedef struct cli_walk {
	const cli_command *command;
	const char *title;	  /* of the group that `option` stands in */
	const cli_option *option; /* NULL before the first */
	size_t offset;		  /* in the settings, or in cli_common when `common` */
	size_t index;		  /* 0, 1, 2, ... */
	bool common;
	const cli_group *group_;
} cli_walk;

cli_walk cli_walk_start(const cli_command *command);
bool cli_walk_next(cli_walk *walk); /* false at the end */

const cli_command *cli_find_command(const cli_command *parent, const char *name, size_t length);

/* The name among `count` candidates that a person may have meant, or NULL when none is close. */
const char *cli_nearest(const char *name, const char *const *candidates, size_t count);

/* "edgelm run [OPTION]... MODEL [FILE]..." */
void cli_synopsis(elm__buf *out, const char *path, const cli_command *command);
/* "-n, --tokens N", "-pg, --prompt-gen PP,TG" */
void cli_option_words(elm__buf *out, const cli_option *option);
/* "(default: 0.8)", "(one of: a, b; default: a)", or nothing. */
void cli_option_notes(elm__buf *out, const cli_option *option, const void *field);
/* Where the default of an option lies; NULL for common options and where all defaults are zero. */
const void *cli_default_field(const cli_walk *walk);

/* The names of the commands from the root, "edgelm eval": push adds one and returns what pop needs
 * to take it off again. */
size_t cli_path_push(elm__buf *path, const char *name);
void cli_path_pop(elm__buf *path, size_t length);

/* The command that `words` name, from the root; its path is added to `path`. NULL after a usage
 * error. */
const cli_command *cli_named_command(const cli_context *cli, const cli_list *words, elm__buf *path);
/* Writes the text to stdout and releases it. Returns the exit code. */
int cli_print_text(const cli_context *cli, elm__buf *text);

void cli_help(elm__buf *out, const char *path, const cli_command *command);
/* `path` is used for the paths of sub-commands and left as it was. */
void cli_man_page(elm__buf *out, elm__buf *path, const cli_command *command);
void cli_bash_completion(elm__buf *out, const cli_command *root);

#endif

/* help.c: --help, and the command that prints it. */
#include <string.h>

#include "cli/commands.h"
#include "cli/tables.h"

enum { WIDTH = 80, HELP_COLUMN = 26 };

/* Words of `text` filled into lines up to WIDTH; the cursor stands at `indent`. An empty line in
 * the text stays one. */
static void fill(elm__buf *out, const char *text, int indent)
{
	int column = indent;

	while (*text) {
		int gap = (int)strspn(text, " \n");
		bool paragraph = gap >= 2 && text[0] == '\n' && text[1] == '\n';
		int length;

		text += gap;
		length = (int)strcspn(text, " \n");
		if (!length)
			break;
		if (column > indent && (paragraph || column + 1 + length > WIDTH)) {
			elm__buf_printf(out, "%s\n%*s", paragraph ? "\n" : "", indent, "");
			column = indent;
		} else if (column > indent) {
			elm__buf_putc(out, ' ');
			column++;
		}
		elm__buf_append(out, text, (size_t)length);
		column += length;
		text += length;
	}
	elm__buf_putc(out, '\n');
}

/* "  words    help", the help on the next line where the words are long. */
static void entry(elm__buf *out, const char *words, const char *help)
{
	int column = (int)strlen(words) + 2;

	elm__buf_printf(out, "  %s", words);
	if (column + 2 > HELP_COLUMN)
		elm__buf_printf(out, "\n%*s", HELP_COLUMN, "");
	else
		elm__buf_printf(out, "%*s", HELP_COLUMN - column, "");
	fill(out, help, HELP_COLUMN);
}

static void option_entries(elm__buf *out, const cli_command *command)
{
	elm__buf words = ELM__BUF_INIT, text = ELM__BUF_INIT;
	cli_walk walk = cli_walk_start(command);
	const char *title = NULL;

	while (cli_walk_next(&walk)) {
		if (walk.title != title)
			elm__buf_printf(out, "\n%s:\n", walk.title);
		title = walk.title;
		elm__buf_clear(&words);
		elm__buf_clear(&text);
		cli_option_words(&words, walk.option);
		elm__buf_printf(&text, "%s ", walk.option->help);
		cli_option_notes(&text, walk.option, cli_default_field(&walk));
		entry(out, elm__buf_text(&words), elm__buf_text(&text));
	}
	out->failed |= words.failed | text.failed;
	elm__buf_release(&words);
	elm__buf_release(&text);
}

static void example_lines(elm__buf *out, const char *examples)
{
	elm__buf_puts(out, "\nExamples:\n");
	while (*examples) {
		int length = (int)strcspn(examples, "\n");

		elm__buf_printf(out, "  %.*s\n", length, examples);
		examples += length;
		examples += *examples == '\n';
	}
}

void cli_help(elm__buf *out, const char *path, const cli_command *command)
{
	elm__buf_puts(out, "Usage: ");
	cli_synopsis(out, path, command);
	elm__buf_printf(out, "\n\n%s: %s.\n", path, command->summary);
	if (command->description) {
		elm__buf_putc(out, '\n');
		fill(out, command->description, 0);
	}
	if (command->commands)
		elm__buf_puts(out, "\nCommands:\n");
	for (const cli_command *const *c = command->commands; c && *c; c++)
		entry(out, (*c)->name, (*c)->summary);
	if (command->arguments && command->arguments->name)
		elm__buf_puts(out, "\nArguments:\n");
	for (const cli_option *a = command->arguments; a && a->name; a++)
		entry(out, a->name, a->help);
	option_entries(out, command);
	if (command->examples)
		example_lines(out, command->examples);
	if (command->commands)
		elm__buf_printf(out, "\n\"%s COMMAND --help\" explains one command.\n", path);
}

struct settings {
	cli_list command;
};

#define S struct settings
static const cli_option arguments[] = {
	{ "COMMAND", 0, CLI_LIST(S, command), NULL,
	  "the command to explain; all are listed without one" },
	{ 0 },
};

static int run(cli_context *cli)
{
	const struct settings *s = cli->settings;
	elm__buf text = ELM__BUF_INIT, path = ELM__BUF_INIT;
	const cli_command *command = cli_named_command(cli, &s->command, &path);
	int code = CLI_USAGE;

	if (command) {
		cli_help(&text, elm__buf_text(&path), command);
		text.failed |= path.failed;
		code = cli_print_text(cli, &text);
	}
	elm__buf_release(&path);
	return code;
}

const cli_command cli_cmd_help = {
	.name = "help",
	.summary = "explain a command",
	.examples = "edgelm help\nedgelm help completion",
	.arguments = arguments,
	.settings_size = sizeof(struct settings),
	.run = run,
};

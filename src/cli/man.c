/* man.c: the manual page, in the man macros of roff. */
#include <edgelm/version.h>

#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/tables.h"

/* Text where no character means anything to roff. */
static void escaped(elm__buf *out, const char *text)
{
	bool line_start = true;

	for (; *text; text++) {
		if (*text == '\\')
			elm__buf_puts(out, "\\e");
		else if (*text == '-')
			elm__buf_puts(out, "\\-");
		else if (line_start && (*text == '.' || *text == '\''))
			elm__buf_printf(out, "\\&%c", *text);
		else
			elm__buf_putc(out, *text);
		line_start = *text == '\n';
	}
}

static void paragraphs(elm__buf *out, const char *text)
{
	const char *gap;

	for (; (gap = strstr(text, "\n\n")) != NULL; text = gap + 2) {
		elm__buf part = ELM__BUF_INIT;

		elm__buf_append(&part, text, (size_t)(gap - text));
		escaped(out, elm__buf_text(&part));
		out->failed |= part.failed;
		elm__buf_release(&part);
		elm__buf_puts(out, "\n.PP\n");
	}
	escaped(out, text);
	elm__buf_putc(out, '\n');
}

/* A tagged paragraph: words in bold, then the help. */
static void tagged(elm__buf *out, const char *words, const char *help, const char *notes)
{
	elm__buf_puts(out, ".TP\n\\fB");
	escaped(out, words + strspn(words, " "));
	elm__buf_puts(out, "\\fR\n");
	escaped(out, help);
	if (*notes) {
		elm__buf_putc(out, '\n');
		escaped(out, notes);
	}
	elm__buf_putc(out, '\n');
}

static void options(elm__buf *out, const cli_command *command, const char *heading)
{
	elm__buf words = ELM__BUF_INIT, notes = ELM__BUF_INIT;
	cli_walk walk = cli_walk_start(command);
	const char *title = NULL;

	for (const cli_option *a = command->arguments; a && a->name; a++) {
		if (a == command->arguments)
			elm__buf_printf(out, "%s Arguments\n", heading);
		tagged(out, a->name, a->help, "");
	}
	while (cli_walk_next(&walk)) {
		if (walk.common && !command->commands && strcmp(walk.option->name, "json") != 0)
			continue; /* said once, for the program */
		if (walk.title != title)
			elm__buf_printf(out, "%s %s\n", heading, walk.title);
		title = walk.title;
		elm__buf_clear(&words);
		elm__buf_clear(&notes);
		cli_option_words(&words, walk.option);
		cli_option_notes(&notes, walk.option, cli_default_field(&walk));
		tagged(out, elm__buf_text(&words), walk.option->help, elm__buf_text(&notes));
	}
	out->failed |= words.failed | notes.failed;
	elm__buf_release(&words);
	elm__buf_release(&notes);
}

static void examples(elm__buf *out, const char *text, const char *heading)
{
	elm__buf_printf(out, "%s Examples\n.EX\n", heading);
	escaped(out, text);
	elm__buf_puts(out, "\n.EE\n");
}

/* A section for one command; commands below it follow as sections of their own. */
static void command_section(elm__buf *out, elm__buf *path, const cli_command *command)
{
	elm__buf synopsis = ELM__BUF_INIT;

	for (const cli_command *const *c = command->commands; c && *c; c++) {
		size_t length = cli_path_push(path, (*c)->name);

		command_section(out, path, *c);
		cli_path_pop(path, length);
	}
	if (command->commands)
		return;
	cli_synopsis(&synopsis, elm__buf_text(path), command);
	elm__buf_puts(out, ".SS ");
	escaped(out, elm__buf_text(path));
	elm__buf_puts(out, "\n\\fB");
	escaped(out, elm__buf_text(&synopsis));
	elm__buf_puts(out, "\\fR\n.PP\n");
	escaped(out, command->summary);
	elm__buf_puts(out, ".\n");
	if (command->description) {
		elm__buf_puts(out, ".PP\n");
		paragraphs(out, command->description);
	}
	options(out, command, ".PP\n.B");
	if (command->examples)
		examples(out, command->examples, ".PP\n.B");
	out->failed |= synopsis.failed;
	elm__buf_release(&synopsis);
}

void cli_man_page(elm__buf *out, elm__buf *path, const cli_command *command)
{
	elm__buf synopsis = ELM__BUF_INIT;
	elm__buf title = ELM__BUF_INIT;

	for (const char *at = elm__buf_text(path); *at; at++)
		elm__buf_putc(&title, *at == ' ' ? '-' : *at);
	cli_synopsis(&synopsis, elm__buf_text(path), command);
	elm__buf_printf(out, ".TH %s 1 \"\" \"edgelm %s\"\n.SH NAME\n", elm__buf_text(&title),
			elm_version());
	escaped(out, elm__buf_text(&title));
	elm__buf_puts(out, " \\- ");
	escaped(out, command->summary);
	elm__buf_puts(out, "\n.SH SYNOPSIS\n\\fB");
	escaped(out, elm__buf_text(&synopsis));
	elm__buf_puts(out, "\\fR\n.SH DESCRIPTION\n");
	paragraphs(out, command->description ? command->description : command->summary);
	options(out, command, ".SH");
	if (command->examples)
		examples(out, command->examples, ".SH");
	if (command->commands) {
		elm__buf_puts(out, ".SH COMMANDS\n");
		command_section(out, path, command);
	}
	elm__buf_puts(out, ".SH EXIT STATUS\n0 done, 1 failed, 2 wrong usage.\n");
	out->failed |= synopsis.failed | title.failed;
	elm__buf_release(&synopsis);
	elm__buf_release(&title);
}

struct settings {
	cli_list command;
};

#define S struct settings
static const cli_option arguments[] = {
	{ "COMMAND", 0, CLI_LIST(S, command), NULL, "the command; the whole program without one" },
	{ 0 },
};

static int run(cli_context *cli)
{
	const struct settings *s = cli->settings;
	elm__buf text = ELM__BUF_INIT, path = ELM__BUF_INIT;
	const cli_command *command = cli_named_command(cli, &s->command, &path);
	int code = CLI_USAGE;

	if (command) {
		cli_man_page(&text, &path, command);
		text.failed |= path.failed;
		code = cli_print_text(cli, &text);
	}
	elm__buf_release(&path);
	return code;
}

const cli_command cli_cmd_man = {
	.name = "man",
	.summary = "print the manual page as roff",
	.examples = "edgelm man | man -l -\nedgelm man completion > edgelm-completion.1",
	.arguments = arguments,
	.settings_size = sizeof(struct settings),
	.run = run,
};

/*
 * completion.c: a completion script made from the command tables.
 *
 * The script walks the words before the cursor to find the command ("edgelm eval logits"), then
 * offers that command's verbs, options, choices or file names. It needs bash only, not the
 * bash-completion package.
 */
#include <string.h>

#include "cli/commands.h"
#include "cli/tables.h"

/* A list completes to file names when that is what its word says. */
static bool is_file(const cli_option *option)
{
	const char *word = option->value ? option->value : option->name;

	return option->kind == CLI_KIND_FILE ||
	       (option->kind == CLI_KIND_LIST && !strcmp(word, "FILE"));
}

/* "--tokens|-n", "--prompt-gen|-pg" */
static void pattern(elm__buf *out, const cli_option *option)
{
	elm__buf_printf(out, "--%s", option->name);
	if (option->letter)
		elm__buf_printf(out, "|-%c", option->letter);
	if (option->alias)
		elm__buf_printf(out, "|%s", option->alias);
}

/* The case arms that complete the value of the option before the cursor. */
static void value_arms(elm__buf *out, const cli_command *command)
{
	cli_walk walk = cli_walk_start(command);

	while (cli_walk_next(&walk)) {
		const cli_option *o = walk.option;

		if (!o->value)
			continue;
		elm__buf_puts(out, "\t\t");
		pattern(out, o);
		elm__buf_puts(out, ") ");
		if (o->choices) {
			elm__buf_puts(out, "words=\"");
			for (size_t i = 0; o->choices[i]; i++)
				elm__buf_printf(out, "%s%s", i ? " " : "", o->choices[i]);
			elm__buf_puts(out, "\" ;;\n");
		} else {
			elm__buf_puts(out, is_file(o) ? "files=1 ;;\n" : "return ;;\n");
		}
	}
}

static void command_names(elm__buf *out, const cli_command *command)
{
	for (const cli_command *const *c = command->commands; c && *c; c++)
		elm__buf_printf(out, "%s ", (*c)->name);
}

static void default_arm(elm__buf *out, const cli_command *command)
{
	cli_walk walk = cli_walk_start(command);
	bool files = false;

	elm__buf_puts(out, "\t\t*) words=\"");
	command_names(out, command);
	while (cli_walk_next(&walk))
		elm__buf_printf(out, "--%s ", walk.option->name);
	for (const cli_option *a = command->arguments; a && a->name; a++) {
		files |= is_file(a);
		if (!strcmp(a->name, "COMMAND"))
			command_names(out, &cli_root);
		for (size_t i = 0; a->choices && a->choices[i]; i++)
			elm__buf_printf(out, "%s ", a->choices[i]);
	}
	elm__buf_printf(out, "\"; files=%d ;;\n", files);
}

static void command_arms(elm__buf *out, elm__buf *path, const cli_command *command)
{
	elm__buf_printf(out, "\t\"%s\")\n\t\tcase $before in\n", elm__buf_text(path));
	value_arms(out, command);
	default_arm(out, command);
	elm__buf_puts(out, "\t\tesac ;;\n");
	for (const cli_command *const *c = command->commands; c && *c; c++) {
		size_t length = cli_path_push(path, (*c)->name);

		command_arms(out, path, *c);
		cli_path_pop(path, length);
	}
}

/* "edgelm|edgelm eval": the paths that a further word may extend, as a case pattern. */
static void known_paths(elm__buf *out, elm__buf *path, const cli_command *command)
{
	for (const cli_command *const *c = command->commands; c && *c; c++) {
		size_t length = cli_path_push(path, (*c)->name);

		elm__buf_printf(out, "%s\"%s\"", out->length ? "|" : "", elm__buf_text(path));
		known_paths(out, path, *c);
		cli_path_pop(path, length);
	}
}

void cli_bash_completion(elm__buf *out, const cli_command *root)
{
	elm__buf paths = ELM__BUF_INIT, path = ELM__BUF_INIT;

	cli_path_push(&path, root->name);
	known_paths(&paths, &path, root);
	elm__buf_printf(out,
			"# bash completion for %s; written by \"%s completion bash\"\n"
			"_%s()\n"
			"{\n"
			"\tlocal word path=%s words= files=0 i\n"
			"\tlocal current=${COMP_WORDS[COMP_CWORD]}\n"
			"\tlocal before=${COMP_WORDS[COMP_CWORD-1]}\n"
			"\t# bash splits --option=value at the sign\n"
			"\tif [[ $current == = ]]; then current=\n"
			"\telif [[ $before == = ]]; then before=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
			"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
			"\t\tcase \"$path ${COMP_WORDS[i]}\" in\n"
			"\t\t%s) path+=\" ${COMP_WORDS[i]}\" ;;\n"
			"\t\tesac\n"
			"\tdone\n"
			"\tcase $path in\n",
			root->name, root->name, root->name, root->name, elm__buf_text(&paths));
	command_arms(out, &path, root);
	elm__buf_printf(out,
			"\tesac\n"
			"\tCOMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
			"\tif ((files)) && [[ $current != -* ]]; then\n"
			"\t\tcompopt -o filenames 2>/dev/null\n"
			"\t\twhile IFS= read -r word; do COMPREPLY+=(\"$word\"); done "
			"< <(compgen -f -- \"$current\")\n"
			"\tfi\n"
			"}\n"
			"complete -F _%s %s\n",
			root->name, root->name);
	out->failed |= paths.failed | path.failed;
	elm__buf_release(&paths);
	elm__buf_release(&path);
}

struct settings {
	int shell;
};

static const char *const shells[] = { "bash", NULL };

#define S struct settings
static const cli_option arguments[] = {
	{ "SHELL", 0, CLI_CHOICE(S, shell), NULL, "bash", .choices = shells, .required = true },
	{ 0 },
};

static int run(cli_context *cli)
{
	elm__buf text = ELM__BUF_INIT;

	cli_bash_completion(&text, &cli_root);
	return cli_print_text(cli, &text);
}

const cli_command cli_cmd_completion = {
	.name = "completion",
	.summary = "print a completion script for the shell",
	.description = "An installed edgelm has its completion in place already.",
	.examples = "source <(edgelm completion bash)",
	.arguments = arguments,
	.settings_size = sizeof(struct settings),
	.run = run,
};

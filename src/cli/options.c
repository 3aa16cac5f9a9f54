/* options.c: from argv to a filled settings struct. */
#include <edgelm/log.h>
#include <edgelm/version.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "cli/tables.h"

enum { MAX_OPTIONS = 128 };

typedef struct parser {
	cli_context *cli;
	cli_common *common;
	int argc, at;
	char **argv;
	const cli_option *argument; /* the next positional argument */
	bool options_ended;
} parser;

/* What a bad value belongs to, for the sentence: "--temp" or "MODEL". */
static const char *label(const cli_option *option, bool positional, char *out, size_t size)
{
	snprintf(out, size, positional ? "%s" : "--%s", option->name);
	return out;
}

/* "512", "512M", "1.5G", "4KiB": *out in bytes. */
static bool parse_size(const char *text, int64_t *out)
{
	static const char units[] = "KMGT";
	int64_t unit = 1, whole = 0;
	double fraction = 0, digit = 0.1;
	const char *at = text, *found;

	for (; *at >= '0' && *at <= '9'; at++)
		if (__builtin_mul_overflow(whole, (int64_t)10, &whole) ||
		    __builtin_add_overflow(whole, (int64_t)(*at - '0'), &whole))
			return false;
	if (at == text)
		return false;
	if (*at == '.')
		for (at++; *at >= '0' && *at <= '9'; at++, digit /= 10)
			fraction += digit * (*at - '0');
	found = *at ? strchr(units, *at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at) : NULL;
	if (found) {
		unit <<= 10 * (found - units + 1);
		at++;
		if (*at == 'i')
			at++;
	}
	if (*at == 'B')
		at++;
	return !*at && !__builtin_mul_overflow(whole, unit, &whole) &&
	       !__builtin_add_overflow(whole, (int64_t)(fraction * (double)unit), out);
}

static int store_choice(parser *p, const cli_option *option, const char *name, const char *text,
			int *field)
{
	elm__buf list = ELM__BUF_INIT;
	int code;

	for (int i = 0; option->choices[i]; i++)
		if (!strcmp(option->choices[i], text)) {
			*field = i;
			return CLI_DONE;
		}
	for (int i = 0; option->choices[i]; i++)
		elm__buf_printf(&list, "%s%s", i ? ", " : "", option->choices[i]);
	code = cli_usage(p->cli, "%s \"%s\" is not one of: %s", name, text, elm__buf_text(&list));
	elm__buf_release(&list);
	return code;
}

static int store_list(parser *p, const char *text, cli_list *list)
{
	const char **items =
		elm__realloc_array(list->items, list->count + 1, sizeof(list->items[0]));

	if (!items)
		return cli_fail(p->cli, "out of memory");
	items[list->count] = text;
	list->items = items;
	list->count++;
	return CLI_DONE;
}

static int store(parser *p, const cli_option *option, const char *text, void *field,
		 bool positional)
{
	char name[80];

	label(option, positional, name, sizeof(name));
	switch (option->kind) {
	case CLI_KIND_FLAG:
		*(bool *)field = true;
		return CLI_DONE;
	case CLI_KIND_COUNT:
		++*(int64_t *)field;
		return CLI_DONE;
	case CLI_KIND_INT:
		if (elm__parse_i64(text, option->range.low, option->range.high, field))
			return CLI_DONE;
		return cli_usage(p->cli,
				 "%s \"%s\" is not a whole number from %" PRId64 " to %" PRId64,
				 name, text, option->range.low, option->range.high);
	case CLI_KIND_REAL:
		if (elm__parse_f64(text, option->real_range.low, option->real_range.high, field))
			return CLI_DONE;
		return cli_usage(p->cli, "%s \"%s\" is not a number from %g to %g", name, text,
				 option->real_range.low, option->real_range.high);
	case CLI_KIND_SIZE: {
		char low[32], high[32];
		int64_t bytes;

		if (parse_size(text, &bytes) && bytes >= option->range.low &&
		    bytes <= option->range.high) {
			*(int64_t *)field = bytes;
			return CLI_DONE;
		}
		elm__format_bytes((uint64_t)option->range.low, low, sizeof(low));
		elm__format_bytes((uint64_t)option->range.high, high, sizeof(high));
		return cli_usage(p->cli, "%s \"%s\" is not a size from %s to %s, such as 512M",
				 name, text, low, high);
	}
	case CLI_KIND_TEXT:
	case CLI_KIND_FILE:
		*(const char **)field = text;
		return CLI_DONE;
	case CLI_KIND_CHOICE:
		return store_choice(p, option, name, text, field);
	case CLI_KIND_LIST:
		return store_list(p, text, field);
	}
	return CLI_DONE;
}

static bool takes_value(const cli_option *option)
{
	return option->kind != CLI_KIND_FLAG && option->kind != CLI_KIND_COUNT;
}

static void *field_of(parser *p, const cli_walk *walk)
{
	return (char *)(walk->common ? (void *)p->common : p->cli->settings) + walk->offset;
}

/* Finds by an alias, which word[0..length) is in full. */
static bool find_alias(const cli_command *command, const char *word, size_t length, cli_walk *walk)
{
	*walk = cli_walk_start(command);
	while (cli_walk_next(walk)) {
		const char *alias = walk->option->alias;

		if (alias && strlen(alias) == length && !memcmp(alias, word, length))
			return true;
	}
	return false;
}

/* Finds by long name (letter 0) or by letter. */
static bool find_option(const cli_command *command, const char *name, size_t length, char letter,
			cli_walk *walk)
{
	*walk = cli_walk_start(command);
	while (cli_walk_next(walk)) {
		const cli_option *o = walk->option;

		if (letter ? o->letter == letter :
			     strlen(o->name) == length && !memcmp(o->name, name, length))
			return true;
	}
	return false;
}

static int unknown_option(parser *p, const char *word, size_t length)
{
	const char *names[MAX_OPTIONS], *meant = NULL;
	cli_walk walk = cli_walk_start(p->cli->command);
	size_t count = 0;
	char copy[64];

	while (count < MAX_OPTIONS && cli_walk_next(&walk))
		names[count++] = walk.option->name;
	if (length < sizeof(copy)) {
		memcpy(copy, word, length);
		copy[length] = '\0';
		meant = cli_nearest(copy, names, count);
	}
	if (meant)
		return cli_usage(p->cli, "there is no option --%.*s; did you mean --%s?",
				 (int)length, word, meant);
	return cli_usage(p->cli, "there is no option --%.*s", (int)length, word);
}

static void mark_given(parser *p, const cli_walk *walk)
{
	if (!walk->common)
		p->cli->given_[walk->index] = true;
}

/* An option whose word has been found; `value` is what stood behind an equals sign, or NULL. */
static int parse_found(parser *p, const cli_walk *walk, const char *value)
{
	const cli_option *option = walk->option;

	if (!takes_value(option) && value)
		return cli_usage(p->cli, "--%s takes no value", option->name);
	if (takes_value(option) && !value) {
		if (p->at >= p->argc)
			return cli_usage(p->cli, "--%s needs a value: --%s %s", option->name,
					 option->name, option->value);
		value = p->argv[p->at++];
	}
	mark_given(p, walk);
	return store(p, option, value, field_of(p, walk), false);
}

/* "--name", "--name=value", and aliases, which win over letters: "-pg" is not -p with "g". False
 * when the word is none of these. */
static bool parse_word(parser *p, const char *word, int *code)
{
	size_t length = strcspn(word, "=");
	const char *value = word[length] ? word + length + 1 : NULL;
	cli_walk walk;

	if (find_alias(p->cli->command, word, length, &walk))
		*code = parse_found(p, &walk, value);
	else if (word[1] != '-')
		return false;
	else if (find_option(p->cli->command, word + 2, length - 2, 0, &walk))
		*code = parse_found(p, &walk, value);
	else
		*code = unknown_option(p, word + 2, length - 2);
	return true;
}

/* "-n5", "-n 5", "-vq". */
static int parse_letters(parser *p, const char *letters)
{
	int code = CLI_DONE;

	for (; *letters && code == CLI_DONE; letters++) {
		const char *value = NULL;
		cli_walk walk;

		if (!find_option(p->cli->command, NULL, 0, *letters, &walk))
			return cli_usage(p->cli, "there is no option -%c", *letters);
		if (takes_value(walk.option)) {
			if (letters[1])
				value = letters + 1;
			else if (p->at < p->argc)
				value = p->argv[p->at++];
			else
				return cli_usage(p->cli, "-%c needs a value: -%c %s", *letters,
						 *letters, walk.option->value);
		}
		mark_given(p, &walk);
		code = store(p, walk.option, value, field_of(p, &walk), false);
		if (value)
			break;
	}
	return code;
}

static int parse_argument(parser *p, const char *word)
{
	const cli_option *argument = p->argument;

	if (!argument || !argument->name)
		return cli_usage(p->cli, "one argument too many: \"%s\"", word);
	if (argument->kind != CLI_KIND_LIST)
		p->argument++;
	return store(p, argument, word, (char *)p->cli->settings + argument->offset, true);
}

/* Parses up to the end, or up to the name of a sub-command, or up to --help or --version. */
static int parse(parser *p)
{
	int code = CLI_DONE;

	while (p->at < p->argc && code == CLI_DONE && !p->common->help && !p->common->version) {
		const char *word = p->argv[p->at];
		bool option = !p->options_ended && word[0] == '-' && word[1];

		if (!option && p->cli->command->commands)
			break;
		p->at++;
		if (option && !strcmp(word, "--"))
			p->options_ended = true;
		else if (option && !parse_word(p, word, &code))
			code = parse_letters(p, word + 1);
		else if (!option)
			code = parse_argument(p, word);
	}
	return code;
}

static int check_required(parser *p)
{
	const cli_option *argument = p->argument;
	cli_walk walk = cli_walk_start(p->cli->command);
	const cli_list *list;

	if (argument && argument->name && argument->required) {
		list = (const cli_list *)(void *)((char *)p->cli->settings + argument->offset);
		if (argument->kind != CLI_KIND_LIST || !list->count)
			return cli_usage(p->cli, "%s is missing: %s", argument->name,
					 argument->help);
	}
	while (cli_walk_next(&walk))
		if (walk.option->required && !walk.common && !p->cli->given_[walk.index])
			return cli_usage(p->cli, "--%s %s is missing: %s", walk.option->name,
					 walk.option->value, walk.option->help);
	return CLI_DONE;
}

bool cli_given(const cli_context *cli, const char *option)
{
	cli_walk walk;

	return find_option(cli->command, option, strlen(option), 0, &walk) && !walk.common &&
	       cli->given_[walk.index];
}

static void set_log_level(const cli_common *common)
{
	elm_log_set_level(common->quiet	       ? ELM_LOG_ERROR :
			  common->verbose >= 2 ? ELM_LOG_DEBUG :
			  common->verbose == 1 ? ELM_LOG_INFO :
						 ELM_LOG_WARN);
}

static int print_help(const cli_context *cli)
{
	elm__buf text = ELM__BUF_INIT;

	cli_help(&text, cli->name, cli->command);
	return cli_print_text(cli, &text);
}

static int unknown_command(const cli_context *cli, const char *word)
{
	const char *names[MAX_OPTIONS], *meant;
	size_t count = 0;

	for (const cli_command *const *c = cli->command->commands; *c && count < MAX_OPTIONS; c++)
		names[count++] = (*c)->name;
	meant = cli_nearest(word, names, count);
	if (meant)
		return cli_usage(cli, "there is no command \"%s\"; did you mean \"%s\"?", word,
				 meant);
	return cli_usage(cli, "there is no command \"%s\"", word);
}

static void release_lists(cli_context *cli)
{
	cli_walk walk = cli_walk_start(cli->command);
	cli_list *list;

	for (const cli_option *a = cli->command->arguments; a && a->name; a++)
		if (a->kind == CLI_KIND_LIST) {
			list = (cli_list *)(void *)((char *)cli->settings + a->offset);
			elm__free(list->items);
		}
	while (cli_walk_next(&walk))
		if (walk.option->kind == CLI_KIND_LIST && !walk.common) {
			list = (cli_list *)(void *)((char *)cli->settings + walk.offset);
			elm__free(list->items);
		}
}

static int run_level(parser *p);

static int run_verb(parser *p)
{
	cli_context *cli = p->cli;
	const char *word = p->argv[p->at];
	const cli_command *verb = cli_find_command(cli->command, word, strlen(word));
	size_t used = strlen(cli->name);

	if (!verb)
		return unknown_command(cli, word);
	p->at++;
	cli->command = verb;
	snprintf(cli->name + used, sizeof(cli->name) - used, " %s", verb->name);
	return run_level(p);
}

static int run_leaf(parser *p)
{
	cli_context *cli = p->cli;
	int code = check_required(p);

	if (code != CLI_DONE)
		return code;
	cli->json = p->common->json;
	cli->quiet = p->common->quiet;
	set_log_level(p->common);
	return cli->command->run(cli);
}

/* Parses what belongs to one command, then runs it or goes down to its verb. */
static int run_level(parser *p)
{
	cli_context *cli = p->cli;
	const cli_command *command = cli->command;
	bool top = p->at == 1;
	int code;

	cli->settings = elm__calloc(1, command->settings_size);
	cli->given_ = elm__calloc(MAX_OPTIONS, sizeof(bool));
	if (!cli->settings || !cli->given_) {
		code = cli_fail(cli, "out of memory");
		goto out;
	}
	if (command->defaults)
		memcpy(cli->settings, command->defaults, command->settings_size);
	p->argument = command->arguments;
	p->options_ended = false;
	code = parse(p);
	if (code == CLI_DONE && p->common->version)
		printf("edgelm %s\n", elm_version());
	else if (code == CLI_DONE && (p->common->help || (top && p->at == p->argc)))
		code = print_help(cli);
	else if (code == CLI_DONE && !command->commands)
		code = run_leaf(p);
	else if (code == CLI_DONE && p->at == p->argc)
		code = cli_usage(cli, "which one? name a command");
	else if (code == CLI_DONE) {
		/* A command with verbs has no settings of its own: what was parsed is common. */
		elm__free(cli->settings);
		elm__free(cli->given_);
		return run_verb(p);
	}
	release_lists(cli);
out:
	elm__free(cli->settings);
	elm__free(cli->given_);
	return code;
}

int cli_main(const cli_command *root, int argc, char **argv)
{
	cli_context cli = { .command = root };
	cli_common common = { 0 };
	parser p = { &cli, &common, argc, argc ? 1 : 0, argv, NULL, false };

	snprintf(cli.name, sizeof(cli.name), "%s", root->name);
	return run_level(&p);
}

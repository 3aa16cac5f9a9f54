#include "cli/tables.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"

enum { NAME_MAX_LENGTH = 63 };

#define S cli_common
const cli_option cli_common_options[] = {
	{ "json", 0, CLI_FLAG(S, json), NULL, "print the results as JSON" },
	{ "verbose", 'v', CLI_COUNT(S, verbose), NULL, "say more on stderr; twice for debugging" },
	{ "quiet", 'q', CLI_FLAG(S, quiet), NULL, "only errors on stderr" },
	{ "help", 'h', CLI_FLAG(S, help), NULL, "print this help" },
	{ "version", 'V', CLI_FLAG(S, version), NULL, "print the version" },
	{ 0 },
};
#undef S

cli_walk cli_walk_start(const cli_command *command)
{
	cli_walk walk = { .command = command, .group_ = command->groups };

	return walk;
}

static bool applies(const cli_walk *walk)
{
	if (walk->common && !strcmp(walk->option->name, "json"))
		return walk->command->prints_json;
	if (walk->common && !strcmp(walk->option->name, "version"))
		return walk->command->commands != NULL;
	return true;
}

static bool step(cli_walk *walk)
{
	if (walk->option) {
		walk->option++;
		walk->index++;
	} else if (walk->group_ && walk->group_->title) {
		walk->option = walk->group_->options;
		walk->title = walk->group_->title;
	}
	while (!walk->common && walk->option && !walk->option->name) {
		walk->group_++;
		walk->option = walk->group_->title ? walk->group_->options : NULL;
		walk->title = walk->group_->title;
	}
	if (!walk->common && !walk->option) {
		walk->option = cli_common_options;
		walk->title = "Common options";
		walk->common = true;
	}
	if (!walk->option->name)
		return false;
	walk->offset = walk->option->offset + (walk->common ? 0 : walk->group_->offset);
	return true;
}

bool cli_walk_next(cli_walk *walk)
{
	while (step(walk))
		if (applies(walk))
			return true;
	return false;
}

const cli_command *cli_find_command(const cli_command *parent, const char *name, size_t length)
{
	for (const cli_command *const *c = parent->commands; c && *c; c++)
		if (strlen((*c)->name) == length && !memcmp((*c)->name, name, length))
			return *c;
	return NULL;
}

size_t cli_path_push(elm__buf *path, const char *name)
{
	size_t length = path->length;

	elm__buf_printf(path, "%s%s", length ? " " : "", name);
	return length;
}

void cli_path_pop(elm__buf *path, size_t length)
{
	if (path->failed)
		return;
	path->length = length;
	path->data[length] = '\0';
}

/* Edit distance where swapping two neighbours counts one; names longer than the rows are far. */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][NAME_MAX_LENGTH + 1], *before = rows[0], *above = rows[1], *row = rows[2];
	size_t la = strlen(a), lb = strlen(b);

	if (la > NAME_MAX_LENGTH || lb > NAME_MAX_LENGTH)
		return NAME_MAX_LENGTH;
	for (size_t j = 0; j <= lb; j++)
		above[j] = before[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t *spare = before;

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);

			best = above[j] + 1 < best ? above[j] + 1 : best;
			best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
		before = above;
		above = row;
		row = spare;
	}
	return above[lb];
}

const char *cli_nearest(const char *name, const char *const *candidates, size_t count)
{
	size_t length = strlen(name), nearest = length / 3 + 1;
	const char *found = NULL;

	for (size_t i = 0; i < count; i++) {
		size_t d = distance(name, candidates[i]);

		/* A prefix is what people type who expect abbreviations to work. */
		if (length >= 2 && !strncmp(name, candidates[i], length))
			d = 1;
		if (d <= nearest && d < strlen(candidates[i]) &&
		    (!found || d < distance(name, found)))
			found = candidates[i];
	}
	return found;
}

void cli_synopsis(elm__buf *out, const char *path, const cli_command *command)
{
	elm__buf_printf(out, "%s [OPTION]...", path);
	if (command->commands)
		elm__buf_puts(out, " COMMAND");
	for (const cli_option *a = command->arguments; a && a->name; a++)
		elm__buf_printf(out, a->required ? " %s%s" : " [%s]%s", a->name,
				a->kind == CLI_KIND_LIST ? "..." : "");
}

void cli_option_words(elm__buf *out, const cli_option *option)
{
	if (option->letter)
		elm__buf_printf(out, "-%c, ", option->letter);
	if (option->alias)
		elm__buf_printf(out, "%s, ", option->alias);
	if (!option->letter && !option->alias)
		elm__buf_puts(out, "    ");
	elm__buf_printf(out, "--%s", option->name);
	if (option->value)
		elm__buf_printf(out, " %s", option->value);
}

const void *cli_default_field(const cli_walk *walk)
{
	if (walk->common || !walk->command->defaults)
		return NULL;
	return (const char *)walk->command->defaults + walk->offset;
}

static void format_default(elm__buf *out, const cli_option *option, const void *field)
{
	int64_t integer = 0;
	double real = 0;
	const char *text = NULL;
	int choice = 0;
	char size[32];

	if (option->default_text) {
		elm__buf_puts(out, option->default_text);
		return;
	}
	switch (option->kind) {
	case CLI_KIND_INT:
	case CLI_KIND_SIZE:
		if (field)
			memcpy(&integer, field, sizeof(integer));
		if (option->kind == CLI_KIND_SIZE)
			elm__buf_puts(out,
				      elm__format_bytes((uint64_t)integer, size, sizeof(size)));
		else
			elm__buf_printf(out, "%" PRId64, integer);
		break;
	case CLI_KIND_REAL:
		if (field)
			memcpy(&real, field, sizeof(real));
		elm__buf_printf(out, "%g", real);
		break;
	case CLI_KIND_TEXT:
	case CLI_KIND_FILE:
		if (field)
			memcpy(&text, field, sizeof(text));
		if (text)
			elm__buf_puts(out, text);
		break;
	case CLI_KIND_CHOICE:
		if (field)
			memcpy(&choice, field, sizeof(choice));
		elm__buf_puts(out, option->choices[choice]);
		break;
	case CLI_KIND_FLAG:
	case CLI_KIND_COUNT:
	case CLI_KIND_LIST:
		break;
	}
}

void cli_option_notes(elm__buf *out, const cli_option *option, const void *field)
{
	elm__buf value = ELM__BUF_INIT;
	const char *separator = "";

	if (option->required && option->value) {
		elm__buf_puts(out, "(required)");
		return;
	}
	format_default(&value, option, field);
	out->failed |= value.failed;
	if (value.length || option->choices)
		elm__buf_putc(out, '(');
	if (option->choices) {
		elm__buf_puts(out, "one of: ");
		for (size_t i = 0; option->choices[i]; i++)
			elm__buf_printf(out, "%s%s", i ? ", " : "", option->choices[i]);
		separator = "; ";
	}
	if (value.length)
		elm__buf_printf(out, "%sdefault: %s", separator, elm__buf_text(&value));
	if (value.length || option->choices)
		elm__buf_putc(out, ')');
	elm__buf_release(&value);
}

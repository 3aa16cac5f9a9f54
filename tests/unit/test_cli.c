/* The frame of the program with a command made for the test: every kind of option, both ways to
 * write it, every complaint. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <edgelm/log.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/tables.h"
#include "support.h"

struct shared {
	double temperature;
};

struct settings {
	const char *model, *text, *file;
	cli_list rest, tags;
	bool flag;
	int64_t count, number, size, pairs;
	int choice;
	struct shared shared;
};

static const char *const colours[] = { "red", "green", NULL };

#define S struct settings
static const cli_option arguments[] = {
	{ "MODEL", 0, CLI_FILE(S, model), NULL, "the model", .required = true },
	{ "REST", 0, CLI_LIST(S, rest), NULL, "more" },
	{ 0 },
};
static const cli_option options[] = {
	{ "text", 't', CLI_TEXT(S, text), "TEXT", "a text" },
	{ "file", 0, CLI_FILE(S, file), "FILE", "a file", .default_text = "none at all" },
	{ "tag", 0, CLI_LIST(S, tags), "TAG", "a tag", .alias = "--a_tag" },
	{ "flag", 'f', CLI_FLAG(S, flag), NULL, "a flag" },
	{ "count", 'c', CLI_COUNT(S, count), NULL, "a count" },
	{ "number", 'n', CLI_INT(S, number), "N", "a number", .range = { -5, 500 } },
	{ "size", 0, CLI_SIZE(S, size), "BYTES", "a size", .range = { 1, INT64_C(1) << 42 } },
	{ "pairs", 0, CLI_INT(S, pairs), "N", "pairs", .range = { 0, 99 }, .alias = "-np" },
	{ "colour", 0, CLI_CHOICE(S, choice), "COLOUR", "a colour", .choices = colours },
	{ 0 },
};
#undef S
#define S struct shared
static const cli_option shared_options[] = {
	{ "temp", 0, CLI_REAL(S, temperature), "T", "a temperature", .real_range = { 0, 2 } },
	{ 0 },
};
#undef S
static const cli_group groups[] = {
	{ "Options", options, 0 },
	{ "Shared", shared_options, offsetof(struct settings, shared) },
	{ 0 },
};
static const struct settings defaults = {
	.number = 7, .size = 1 << 20, .choice = 1, .shared = { .temperature = 0.8 }
};

/* What the last run saw; the lists are copied out because the frame frees them. */
static struct settings seen;
static char joined[200];
static bool number_given, json;
static int runs;

static int run(cli_context *cli)
{
	const cli_list *lists[] = { &seen.rest, &seen.tags };

	memcpy(&seen, cli->settings, sizeof(seen));
	number_given = cli_given(cli, "number");
	json = cli->json;
	joined[0] = '\0';
	for (size_t l = 0; l < 2; l++) {
		for (size_t i = 0; i < lists[l]->count; i++)
			strcat(strcat(joined, lists[l]->items[i]), ",");
		strcat(joined, ";");
	}
	runs++;
	return CLI_DONE;
}

static const cli_command leaf = { .name = "leaf",
				  .summary = "a leaf",
				  .arguments = arguments,
				  .groups = groups,
				  .settings_size = sizeof(struct settings),
				  .defaults = &defaults,
				  .prints_json = true,
				  .run = run };

static const cli_option needed_options[] = {
	{ "messages", 0, CLI_FILE(struct settings, file), "FILE", "the talk", .required = true },
	{ 0 },
};
static const cli_group needed_groups[] = { { "Options", needed_options, 0 }, { 0 } };
static const cli_command needy = { .name = "needy",
				   .summary = "needs an option",
				   .groups = needed_groups,
				   .settings_size = sizeof(struct settings),
				   .run = run };

static const cli_command *const verbs[] = { &leaf, &needy, NULL };
static const cli_command branch = { .name = "branch", .summary = "verbs", .commands = verbs };
static const cli_command *const roots[] = { &branch, NULL };
static const cli_command root = { .name = "program", .summary = "a test", .commands = roots };

static char complaint[2000];

/* Splits the line at blanks, runs it, keeps what it wrote to stderr. */
static int line(const char *text)
{
	char copy[500], program[] = "program", *argv[40] = { program }, *state;
	const char *path = temp_path("stderr");
	int argc = 1, code, saved;
	FILE *to = fopen(path, "w+");

	assert_non_null(to);
	snprintf(copy, sizeof(copy), "%s", text);
	for (char *word = strtok_r(copy, " ", &state); word; word = strtok_r(NULL, " ", &state))
		argv[argc++] = word;
	fflush(stderr);
	saved = dup(STDERR_FILENO);
	dup2(fileno(to), STDERR_FILENO);
	code = cli_main(&root, argc, argv);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(to);
	complaint[fread(complaint, 1, sizeof(complaint) - 1, to)] = '\0';
	fclose(to);
	/* The texts point into `copy`: only those that tests compare are kept, by value. */
	snprintf(joined + strlen(joined), sizeof(joined) - strlen(joined), "%s|%s|%s",
		 code == CLI_DONE && seen.model ? seen.model : "",
		 code == CLI_DONE && seen.text ? seen.text : "",
		 code == CLI_DONE && seen.file ? seen.file : "");
	return code;
}

static void defaults_hold(void **state)
{
	assert_int_equal(line("branch leaf m"), CLI_DONE);
	assert_string_equal(joined, ";;m||");
	assert_int_equal(seen.number, 7);
	assert_int_equal(seen.size, 1 << 20);
	assert_int_equal(seen.choice, 1);
	assert_true(seen.shared.temperature == 0.8);
	assert_false(seen.flag || number_given || json);
}

static void every_kind_is_stored(void **state)
{
	assert_int_equal(line("branch leaf --text hello --file=f --tag a --tag=b -f -ccc -n-5 "
			      "--size 1.5G --colour red --temp=2 --json m r1 r2"),
			 CLI_DONE);
	assert_string_equal(joined, "r1,r2,;a,b,;m|hello|f");
	assert_int_equal(seen.count, 3);
	assert_int_equal(seen.number, -5);
	assert_int_equal(seen.size, 3 << 29);
	assert_int_equal(seen.choice, 0);
	assert_true(seen.shared.temperature == 2);
	assert_true(seen.flag && number_given && json);
}

static void spellings(void **state)
{
	assert_int_equal(line("branch leaf -fn 12 m -tx=y"), CLI_DONE); /* options anywhere */
	assert_int_equal(seen.number, 12);
	assert_string_equal(joined, ";;m|x=y|");
	assert_int_equal(line("branch leaf -n 1 --number=2 -n3 m"), CLI_DONE); /* the last wins */
	assert_int_equal(seen.number, 3);
	assert_int_equal(line("branch leaf --text= -- -m --flag"), CLI_DONE);
	assert_string_equal(joined, "--flag,;;-m||");
	assert_false(seen.flag);
	assert_int_equal(line("branch leaf - --text --flag"),
			 CLI_DONE); /* a value, not an option */
	assert_string_equal(joined, ";;-|--flag|");
	assert_int_equal(line("-q branch leaf m"), CLI_DONE);
	assert_int_equal(elm_log_get_level(), ELM_LOG_ERROR);
	assert_int_equal(line("-v branch -v leaf m"), CLI_DONE);
	assert_int_equal(elm_log_get_level(), ELM_LOG_DEBUG);
	assert_int_equal(line("branch leaf m"), CLI_DONE);
	assert_int_equal(elm_log_get_level(), ELM_LOG_WARN);
}

static void aliases(void **state)
{
	assert_int_equal(line("branch leaf -np 3 m --a_tag=x -n5 --a_tag y"), CLI_DONE);
	assert_int_equal(seen.pairs, 3);
	assert_int_equal(seen.number, 5);
	assert_string_equal(joined, ";x,y,;m||");
	assert_int_equal(line("branch leaf -np=4 m"), CLI_DONE);
	assert_int_equal(seen.pairs, 4);
	assert_int_equal(line("branch leaf --pairs 2 m"), CLI_DONE);
	assert_int_equal(seen.pairs, 2);
	/* Only the whole word is the alias: the rest are letters as ever. */
	assert_int_equal(line("branch leaf -np3 m"), CLI_USAGE);
	assert_contains(complaint, "--number \"p3\" is not a whole number");
	assert_int_equal(line("branch leaf m -np"), CLI_USAGE);
	assert_contains(complaint, "--pairs needs a value: --pairs N");
	assert_int_equal(line("branch leaf m -np -- -1"), CLI_USAGE);
	assert_int_equal(line("branch leaf m --a_tga x"), CLI_USAGE);
	assert_contains(complaint, "there is no option --a_tga");
}

static void aliases_are_shown(void **state)
{
	elm__buf text = ELM__BUF_INIT;

	cli_help(&text, "program branch leaf", &leaf);
	assert_contains(text.data, "\n  -np, --pairs N ");
	assert_contains(text.data, "\n  --a_tag, --tag TAG      a tag\n");
	elm__buf_clear(&text);
	cli_bash_completion(&text, &root);
	assert_contains(text.data, "\t\t--pairs|-np) return ;;\n");
	elm__buf_release(&text);
}

static void sizes(void **state)
{
	static const struct {
		const char *text;
		int64_t bytes; /* 0: refused */
	} cases[] = {
		{ "1", 1 },
		{ "512B", 512 },
		{ "4k", 4096 },
		{ "4KiB", 4096 },
		{ "2M", 2 << 20 },
		{ "0.5M", 1 << 19 },
		{ "1T", INT64_C(1) << 40 },
		{ "0", 0 },
		{ "-1", 0 },
		{ "5T", 0 },
		{ "1X", 0 },
		{ "M", 0 },
		{ "1MM", 0 },
		{ "99999999999999999999", 0 },
		{ "9999999999T", 0 },
		{ "1.", 1 },
		{ "1e3", 0 },
		{ "0x10", 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[100];

		snprintf(text, sizeof(text), "branch leaf m --size=%s", cases[i].text);
		assert_int_equal(line(text), cases[i].bytes ? CLI_DONE : CLI_USAGE);
		if (cases[i].bytes)
			assert_true(seen.size == cases[i].bytes);
		else
			assert_contains(complaint, "is not a size from 1 B to 4.00 TiB");
	}
}

static void complaints(void **state)
{
	static const struct {
		const char *line, *sentence;
	} cases[] = {
		{ "branch leaf", "program branch leaf: MODEL is missing: the model" },
		{ "branch leaf m --number=501",
		  "--number \"501\" is not a whole number from -5 to 500" },
		{ "branch leaf m -n", "-n needs a value: -n N" },
		{ "branch leaf m --number", "--number needs a value: --number N" },
		{ "branch leaf m -nx", "--number \"x\" is not a whole number" },
		{ "branch leaf m --temp 2.1", "--temp \"2.1\" is not a number from 0 to 2" },
		{ "branch leaf m --colour blue", "--colour \"blue\" is not one of: red, green" },
		{ "branch leaf m --flag=yes", "--flag takes no value" },
		{ "branch leaf m --nmber=3", "did you mean --number?" },
		{ "branch leaf m --num 3", "did you mean --number?" },
		{ "branch leaf m -x", "there is no option -x" },
		{ "branch needy", "--messages FILE is missing: the talk" },
		{ "branch needy --messages=f extra", "one argument too many: \"extra\"" },
		{ "branch needy --json", "there is no option --json" },
		{ "branch", "program branch: which one?" },
		{ "branch laef", "did you mean \"leaf\"?" },
		{ "branch --number=3 leaf m", "there is no option --number" },
	};

	runs = 0;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(line(cases[i].line), CLI_USAGE);
		assert_contains(complaint, cases[i].sentence);
		assert_contains(complaint, "Try \"program");
	}
	assert_int_equal(runs, 0);
	assert_int_equal(line("branch needy --messages=f"), CLI_DONE);
}

static void texts_show_the_defaults(void **state)
{
	elm__buf text = ELM__BUF_INIT;

	cli_help(&text, "program branch leaf", &leaf);
	assert_contains(text.data, "Usage: program branch leaf [OPTION]... MODEL [REST]...\n");
	assert_contains(text.data, "\n  -n, --number N          a number (default: 7)\n");
	assert_contains(text.data, "a size (default: 1.00 MiB)");
	assert_contains(text.data, "a file (default: none at all)");
	assert_contains(text.data, "a colour (one of: red, green; default: green)");
	assert_contains(text.data,
			"\nShared:\n      --temp T            a temperature (default: 0.8)\n");
	assert_contains(text.data, "--json");
	elm__buf_release(&text);
}

/* What every table must keep to, or parsing and help would misbehave. */
static void check_tables(const cli_command *command)
{
	cli_walk walk = cli_walk_start(command), other;
	bool optional_seen = false;

	assert_true(!command->run == !!command->commands);
	assert_non_null(command->summary);
	assert_int_not_equal(command->summary[strlen(command->summary) - 1], '.');
	while (cli_walk_next(&walk)) {
		const cli_option *o = walk.option;

		assert_non_null(o->help);
		assert_int_not_equal(o->help[strlen(o->help) - 1], '.');
		assert_true(!o->value == (o->kind == CLI_KIND_FLAG || o->kind == CLI_KIND_COUNT));
		assert_true(!o->choices == (o->kind != CLI_KIND_CHOICE));
		if (o->kind == CLI_KIND_INT || o->kind == CLI_KIND_SIZE)
			assert_true(o->range.low < o->range.high);
		if (o->kind == CLI_KIND_REAL)
			assert_true(o->real_range.low < o->real_range.high);
		if (!walk.common)
			assert_true(walk.offset < command->settings_size);
		/* Longer than a letter, and no spelling that the option has anyway. */
		if (o->alias)
			assert_true(o->alias[0] == '-' && strlen(o->alias) > 2 &&
				    strcmp(o->alias + 2, o->name) != 0);
		for (other = walk; cli_walk_next(&other);) {
			assert_string_not_equal(o->name, other.option->name);
			assert_true(!o->letter || o->letter != other.option->letter);
			assert_true(!o->alias || !other.option->alias ||
				    strcmp(o->alias, other.option->alias) != 0);
		}
	}
	for (const cli_option *a = command->arguments; a && a->name; a++) {
		assert_false(a->required && optional_seen);
		optional_seen |= !a->required;
		assert_true(a->kind != CLI_KIND_LIST || !a[1].name);
		assert_true(a->offset < command->settings_size);
	}
	for (const cli_command *const *c = command->commands; c && *c; c++)
		check_tables(*c);
}

static void tables_are_sound(void **state)
{
	check_tables(&root);
	check_tables(&cli_root);
}

static void interrupts_set_the_flag(void **state)
{
	const volatile int *flag = cli_interrupt_watch();

	assert_false(*flag);
	raise(SIGINT);
	assert_true(*flag);
	cli_interrupt_reset();
	assert_false(*flag);
	raise(SIGTERM);
	assert_true(*flag);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
}

static elm_status parse_line(void *user, elm_error *error)
{
	int code = line("branch leaf --tag a --tag b m r1");

	if (code == CLI_DONE)
		return ELM_OK;
	assert_int_equal(code, CLI_FAILED);
	return elm_error_set(error, ELM_ERR_NO_MEMORY, "%s", complaint);
}

static void each_allocation_may_fail(void **state)
{
	assert_true(fail_each_allocation(parse_line, NULL) >= 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_hold),
		cmocka_unit_test(every_kind_is_stored),
		cmocka_unit_test(spellings),
		cmocka_unit_test(aliases),
		cmocka_unit_test(aliases_are_shown),
		cmocka_unit_test(sizes),
		cmocka_unit_test(complaints),
		cmocka_unit_test(texts_show_the_defaults),
		cmocka_unit_test(tables_are_sound),
		cmocka_unit_test(interrupts_set_the_flag),
		cmocka_unit_test(each_allocation_may_fail),
	};

	return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}

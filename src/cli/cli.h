/*
 * cli.h: the frame that every command of the program stands in.
 *
 * A command is data (cli_command): its options, arguments and texts. Parsing, --help, the man page
 * and shell completion are all made from that one table, so none can forget an option. Parsed
 * values land in a settings struct of the command's own, at the offset that the table gives:
 *
 *     struct settings { const char *model; int64_t tokens; double temperature; };
 *     #define S struct settings
 *     static const cli_option arguments[] = {
 *             { "MODEL", 0, CLI_FILE(S, model), NULL, "the GGUF file", .required = true },
 *             { 0 }
 *     };
 *     static const cli_option options[] = {
 *             { "tokens", 'n', CLI_INT(S, tokens), "N", "stop after N tokens",
 *               .range = { 1, 1000000 } },
 *             { "temp", 0, CLI_REAL(S, temperature), "T", "temperature; 0 is greedy",
 *               .real_range = { 0, 10 } },
 *             { 0 }
 *     };
 *     static const cli_group groups[] = { { "Options", options, 0 }, { 0 } };
 *     static const S defaults = { .tokens = 256, .temperature = 0.8 };
 *     static int run(cli_context *cli) { const S *s = cli->settings; ... return CLI_DONE; }
 *     const cli_command cli_cmd_example = { .name = "example", .summary = "...",
 *             .arguments = arguments, .groups = groups, .settings_size = sizeof(S),
 *             .defaults = &defaults, .run = run };
 *
 * A table that several commands share (sampling, threads) is a group whose `offset` is that of the
 * sub-struct in the settings of the command.
 *
 * How a command speaks: results to stdout through stdio (the frame checks at exit that they
 * arrived) and everything else to stderr: errors with cli_fail, progress with cli_progress, the
 * rest with elm_log. It ends by returning a cli_exit.
 */
#ifndef ELM_CLI_CLI_H
#define ELM_CLI_CLI_H

#include <edgelm/status.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The exit codes of the program; there are no others. */
typedef enum cli_exit { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 } cli_exit;

/* What an option takes, and so the type of its field. */
typedef enum cli_kind {
	CLI_KIND_FLAG = 1, /* bool, true when given */
	CLI_KIND_COUNT,	   /* int64_t, how often it was given */
	CLI_KIND_INT,	   /* int64_t within .range */
	CLI_KIND_REAL,	   /* double within .real_range */
	CLI_KIND_SIZE, /* int64_t bytes within .range; accepts 512M, 1.5G, 4KiB (powers of 1024) */
	CLI_KIND_TEXT, /* const char *, borrowed from argv */
	CLI_KIND_FILE, /* the same, and completes to file names */
	CLI_KIND_CHOICE, /* int, the index in .choices */
	CLI_KIND_LIST	 /* cli_list: may be given several times; as an argument, takes the rest */
} cli_kind;

typedef struct cli_list {
	const char **items; /* borrowed texts in an array that the frame frees */
	size_t count;
} cli_list;

/* Kind and offset in one, refused by the compiler when the field has another type. */
#define CLI_OFFSET_(S, field, type) (offsetof(S, field) + 0 * sizeof((type *)0 == &((S *)0)->field))
#define CLI_FLAG(S, field) CLI_KIND_FLAG, CLI_OFFSET_(S, field, bool)
#define CLI_COUNT(S, field) CLI_KIND_COUNT, CLI_OFFSET_(S, field, int64_t)
#define CLI_INT(S, field) CLI_KIND_INT, CLI_OFFSET_(S, field, int64_t)
#define CLI_REAL(S, field) CLI_KIND_REAL, CLI_OFFSET_(S, field, double)
#define CLI_SIZE(S, field) CLI_KIND_SIZE, CLI_OFFSET_(S, field, int64_t)
#define CLI_TEXT(S, field) CLI_KIND_TEXT, CLI_OFFSET_(S, field, const char *)
#define CLI_FILE(S, field) CLI_KIND_FILE, CLI_OFFSET_(S, field, const char *)
#define CLI_CHOICE(S, field) CLI_KIND_CHOICE, CLI_OFFSET_(S, field, int)
#define CLI_LIST(S, field) CLI_KIND_LIST, CLI_OFFSET_(S, field, cli_list)

/* One option, or one argument (then `name` is the capital word of the synopsis). Tables end with an
 * entry without a name. */
typedef struct cli_option {
	const char *name; /* without the dashes */
	char letter;	  /* short form, or 0 */
	cli_kind kind;
	size_t offset;
	const char *value;	  /* "N", "FILE"; NULL for flags and arguments */
	const char *help;	  /* lower case, no full stop at the end */
	const char *default_text; /* said instead of the value in the defaults, "the model's own" */
	const char *const *choices; /* ends with NULL */
	struct {
		int64_t low, high;
	} range;
	struct {
		double low, high;
	} real_range;
	bool required;
	const char *alias; /* another spelling, with its dashes: "-pg", "--batch_size"; or NULL */
} cli_option;

typedef struct cli_group {
	const char *title; /* "Sampling"; ends the table when NULL */
	const cli_option *options;
	size_t offset; /* added to the offset of each option */
} cli_group;

typedef struct cli_command cli_command;
typedef struct cli_context cli_context;

/* Either `run` or `commands` is set: a leaf, or a name for several verbs. */
struct cli_command {
	const char *name;
	const char *summary;	 /* one line for the table of commands, no full stop */
	const char *description; /* paragraphs separated by an empty line; may be NULL */
	const char *examples;	 /* lines, each one command; may be NULL */
	const cli_option *arguments;
	const cli_group *groups;
	size_t settings_size;
	const void *defaults; /* a settings struct; NULL for all zero */
	bool prints_json;     /* adds --json */
	int (*run)(cli_context *cli);
	const cli_command *const *commands; /* ends with NULL */
};

struct cli_context {
	const cli_command *command;
	char name[64];	/* "edgelm eval logits" */
	void *settings; /* the command's own struct, filled in */
	bool json;	/* --json was given */
	bool quiet;	/* -q was given */
	bool *given_;	/* private to options.c: per option of the command, in table order */
};

/* Parses the command line and runs the command. Returns the exit code; stdout is not flushed. */
int cli_main(const cli_command *root, int argc, char **argv);

/* Whether the option was on the command line, for defaults that only the run time knows. */
bool cli_given(const cli_context *cli, const char *option);

/* "edgelm run: sentence" on stderr. Returns CLI_FAILED, so that `return cli_fail(...)` ends. */
int cli_fail(const cli_context *cli, const char *format, ...) ELM_PRINTF(2, 3);
int cli_fail_error(const cli_context *cli, const elm_error *error);
/* The same, then points to --help. Returns CLI_USAGE. */
int cli_usage(const cli_context *cli, const char *format, ...) ELM_PRINTF(2, 3);

/* Writes a value to stdout, indented, with a newline; releases it. NULL is an out-of-memory error.
 * Returns the exit code. */
int cli_print_json(const cli_context *cli, json_t *value);

/* Writes text to stdout now, all of it even if a signal comes in between. False when that fails,
 * which has been reported. */
bool cli_write_text(const cli_context *cli, const char *text, size_t length);

/*
 * From this call on, the first Ctrl-C (or SIGTERM) sets the flag and the second one ends the
 * program. Before it, Ctrl-C simply ends the program, which is right for commands that have nothing
 * to tidy up. The flag is 0 until then; its type is that of elm_session_set_cancel.
 * cli_interrupt_reset makes it 0 and arms it again.
 */
const volatile int *cli_interrupt_watch(void);
void cli_interrupt_reset(void);

/* One line on a terminal that rewrites itself; silent when stderr is no terminal, with -q, and for
 * the first two seconds. */
typedef struct cli_progress {
	const char *what; /* "reading calibration text"; NULL while silent for good */
	uint64_t start_ns, shown_ns;
} cli_progress;

void cli_progress_start(cli_progress *progress, const cli_context *cli, const char *what);
/* `total` 0 when unknown; `unit` in the plural ("tokens"). Cheap: call it as often as you like. */
void cli_progress_update(cli_progress *progress, uint64_t done, uint64_t total, const char *unit);
void cli_progress_end(cli_progress *progress); /* clears the line */

#endif

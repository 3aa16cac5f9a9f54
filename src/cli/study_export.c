/* study_export.c: the tables of a study as CSV files. */
#include "cli/cli.h"
#include "cli/study.h"
#include "study/store.h"

typedef struct settings {
	const char *folder;
} settings;

static const cli_option arguments[] = {
	{ "DIR", 0, CLI_FILE(settings, folder), NULL, "the folder of the study", .required = true },
	{ 0 },
};

#ifdef HAVE_STUDY

static int run(cli_context *cli)
{
	const settings *s = cli->settings;
	elm_error error = { 0 };
	elm__store *store;
	elm_status status = elm__store_open(s->folder, ELM__STORE_READ, &store, &error);

	if (status == ELM_OK)
		status = elm__store_export(store, &error);
	elm__store_close(store);
	return status == ELM_OK ? CLI_DONE : cli_fail_error(cli, &error);
}

#else

static int run(cli_context *cli)
{
	return cli_no_study(cli);
}

#endif

const cli_command cli_cmd_study_export = {
	.name = "export",
	.summary = "write the tables of a study as CSV files",
	.description = "Writes one CSV file for each table of DIR/study.db beside it. `study run` "
		       "does that "
		       "at its end; this is for a study that was interrupted. docs/FORMAT-STUDY.md "
		       "has the "
		       "tables.",
	.examples = "edgelm study export results",
	.arguments = arguments,
	.settings_size = sizeof(settings),
	.run = run,
};

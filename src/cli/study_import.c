/* study_import.c: queries of public data sets. */
#include <inttypes.h>
#include <stdio.h>

#include "base/file.h"
#include "base/folder.h"
#include "cli/study.h"
#include "study/import.h"

typedef struct settings {
	int source;
	cli_list files;
	const char *output;
	int64_t count, seed;
} settings;

/* In the order of elm__import_source. */
static const char *const sources[] = { "wikiqa", "squad", "quac", "friends", "multiwoz", NULL };

#define S settings
static const cli_option arguments[] = {
	{ "SOURCE", 0, CLI_CHOICE(S, source), NULL, "what the files are", .choices = sources,
	  .required = true },
	{ "FILE", 0, CLI_LIST(S, files), NULL, "the files, as their authors publish them",
	  .required = true },
	{ 0 },
};
static const cli_option options[] = {
	{ "output", 'o', CLI_FILE(S, output), "DIR", "the folder to write CATEGORY.txt to",
	  .required = true },
	{ "count", 'n', CLI_INT(S, count), "N", "how many queries to choose; 0: all that there are",
	  .range = { 0, ELM__QUERIES_LIMIT } },
	{ "seed", 's', CLI_INT(S, seed), "SEED", "of the choice", .range = { 0, INT64_MAX } },
	{ 0 },
};
#undef S

static const cli_group groups[] = { { "Options", options, 0 }, { 0 } };
static const settings defaults = { .count = 100, .seed = 1 };

static elm_status read_files(const settings *s, elm__pool *pool, elm_error *error)
{
	elm_status status = ELM_OK;

	for (size_t i = 0; i < s->files.count && status == ELM_OK; i++) {
		elm__map map;

		status = elm__map_open(&map, s->files.items[i], error);
		if (status != ELM_OK)
			break;
		status = elm__pool_read(pool, s->files.items[i], (const char *)map.data, map.size,
					error);
		elm__map_release(&map);
	}
	return status;
}

static elm_status write_file(const settings *s, const elm__buf *queries, elm__buf *path,
			     elm_error *error)
{
	elm_status status = elm__folder_make(s->output, 0777, error);

	if (status != ELM_OK)
		return status;
	elm__buf_printf(path, "%s/%s.txt", s->output,
			elm__category_name(elm__import_category((elm__import_source)s->source)));
	status = elm__buf_status(path, error);
	return status == ELM_OK ?
		       elm__file_replace(path->data, queries->data, queries->length, error) :
		       status;
}

static int print_result(const cli_context *cli, const char *path, size_t chosen, size_t all)
{
	if (cli->json)
		return cli_print_json(cli,
				      json_pack("{s:s, s:I, s:I}", "output", path, "queries",
						(json_int_t)chosen, "candidates", (json_int_t)all));
	printf("%s: %zu of %zu different queries\n", path, chosen, all);
	return CLI_DONE;
}

static int run(cli_context *cli)
{
	const settings *s = cli->settings;
	elm__buf queries = ELM__BUF_INIT, path = ELM__BUF_INIT;
	elm_error error = { 0 };
	size_t all = 0, count = (size_t)s->count;
	elm__pool pool;
	elm_status status;
	int code;

	elm__pool_init(&pool, (elm__import_source)s->source);
	status = read_files(s, &pool, &error);
	if (status == ELM_OK) {
		all = elm__pool_unique(&pool);
		status = elm__pool_draw(&pool, count, (uint64_t)s->seed, &queries, &error);
	}
	if (status == ELM_OK)
		status = write_file(s, &queries, &path, &error);
	code = status == ELM_OK ? print_result(cli, path.data, count ? count : all, all) :
				  cli_fail_error(cli, &error);
	elm__buf_release(&queries);
	elm__buf_release(&path);
	elm__pool_release(&pool);
	return code;
}

const cli_command cli_cmd_study_import = {
	.name = "import",
	.summary = "make query files of public data sets",
	.description =
		"Chooses queries by the rules of the study that this one redoes and writes "
		"DIR/CATEGORY.txt, for `edgelm study run --queries DIR`. The sources are:\n\n"
		"wikiqa: WikiQA-test.tsv, for simple queries. squad: dev-v2.0.json of SQuAD 2.0, "
		"for complex ones. quac: val_v0.2.json of QuAC, for contextual ones. friends: "
		"friends_cleaned.csv, for conversational ones. multiwoz: the test split of "
		"MULTIWOZ2_2 in DialogStudio, for task-oriented ones.\n\n"
		"docs/STUDY.md has the rules. Mind the licences of the sets: some are for "
		"research only. The program has queries of its own, so none of these is needed.",
	.examples = "edgelm study import wikiqa WikiQA-test.tsv -o queries\n"
		    "edgelm study import multiwoz MULTIWOZ2_2/test_*.json -o queries --seed 7",
	.arguments = arguments,
	.groups = groups,
	.settings_size = sizeof(settings),
	.defaults = &defaults,
	.prints_json = true,
	.run = run,
};

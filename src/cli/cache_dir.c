/* cache_dir.c: where engine files are kept, how much they take, and making room. */
#include <edgelm/model.h>

#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"
#include "cli/commands.h"

typedef struct settings {
	int64_t limit;
} settings;

static const cli_option options[] = {
	{ "prune", 0, CLI_SIZE(settings, limit), "SIZE",
	  "delete the engine files that were used longest ago until SIZE is left; 0 deletes all",
	  .default_text = "delete nothing", .range = { 0, INT64_MAX } },
	{ 0 },
};

static const cli_group groups[] = { { "Options", options, 0 }, { 0 } };

static int run(cli_context *cli)
{
	const settings *s = cli->settings;
	bool prune = cli_given(cli, "prune");
	elm_error error = { 0 };
	char folder[4096], size[32];
	uint64_t left = 0;

	if (elm_engine_cache_default(folder, sizeof(folder), &error) != ELM_OK ||
	    elm_engine_cache_prune(folder, prune ? (uint64_t)s->limit : UINT64_MAX, NULL, &left,
				   &error) != ELM_OK)
		return cli_fail_error(cli, &error);
	if (cli->json)
		return cli_print_json(cli, json_pack("{s:s, s:I}", "folder", folder, "bytes",
						     (json_int_t)left));
	printf("%s\n", folder);
	if (!cli->quiet)
		fprintf(stderr, "%s in engine files\n",
			elm__format_bytes(left, size, sizeof(size)));
	return CLI_DONE;
}

const cli_command cli_cmd_cache_dir = {
	.name = "cache-dir",
	.summary = "where engine files are kept, and making room there",
	.description =
		"The folder is $EDGELM_CACHE, or $XDG_CACHE_HOME/edgelm, or ~/.cache/edgelm. All "
		"in it can be deleted at any time; it is made again when it is needed. By itself "
		"it keeps below 16 GiB.",
	.examples = "edgelm cache-dir --prune 2G\n",
	.groups = groups,
	.settings_size = sizeof(settings),
	.prints_json = true,
	.run = run,
};

#include "cli/commands.h"

#include "base/error.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "cli/job.h"
#include "cli/table.h"

struct volume_options {
	bool json;
};

static const struct option list_options[] = {
	OPT_FLAG(0, "json", struct volume_options, json, "Print JSON"),
	OPT_END,
};

static const struct option rm_options[] = {
	OPT_FLAG(0, "json", struct volume_options, json, "Print events as JSON, one a line"),
	OPT_END,
};

static const struct table_column columns[] = {
	{.title = "VOLUME"},
	{.title = "CREATED", .drop = 1},
	{.title = "PATH", .flex = true},
};

static int show(struct cli *cli, const json_t *volumes, const char *key unused_arg,
                struct error *err)
{
	cleanup(table_release) struct table table = {columns, ARRAY_LEN(columns), {0}};
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	const json_t *volume;
	size_t i;

	json_array_foreach(volumes, i, volume) {
		cleanup_free char *name = xasprintf("%s/%s", json_get_str(volume, "project", "?"),
		                                    json_get_str(volume, "name", "?"));

		table_add(&table, style_safe_dup(name));
		table_add(&table, style_safe_dup(json_get_str(volume, "created", "")));
		table_add(&table, style_safe_dup(json_get_str(volume, "path", "")));
	}
	if (table.cells.len > 0)
		table_render(&table, &cli->output.out, "", &out);
	else
		strbuf_adds(&out, "no volumes\n");
	return output_data(&cli->output, &out, err);
}

static int run_list(struct cli *cli, int argc unused_arg, char **argv unused_arg,
                    void *values unused_arg, struct error *err)
{
	return job_list(cli, "volume-list", "volumes", show, err);
}

/* "PROJECT/NAME" as `list` shows it, or the name of one of this project. */
static int remove_one(struct cli *cli, const char *text, struct error *err)
{
	const char *slash = strchr(text, '/');
	cleanup_free char *project = slash ? xstrndup(text, (size_t)(slash - text)) : NULL;
	cleanup(strbuf_release) struct strbuf done = STRBUF_INIT;
	cleanup_json json_t *result = NULL;
	json_t *params;

	if (!slash && cli_find_project(cli, err) < 0)
		return error_hint(err, "write PROJECT/%s as `locald volume list` shows it", text);
	params = json_object();
	if (project)
		json_set_str(params, "project", project);
	else
		json_set_str(params, "root", cli->root);
	json_set_str(params, "name", slash ? slash + 1 : text);
	result = job_run(cli, "volume-remove", "remove", params, err);
	if (!result)
		return -1;
	strbuf_adds(&done, "removed volume ");
	style_safe(&done, text, strlen(text));
	return job_done(cli, &done, err);
}

static int run_rm(struct cli *cli, int argc, char **argv, void *values unused_arg,
                  struct error *err)
{
	for (int i = 0; i < argc; i++)
		if (remove_one(cli, argv[i], err) < 0)
			return -1;
	return 0;
}

static const struct command list = {
	.name = "list",
	.alias = "ls",
	.summary = "Show the named volumes of all projects",
	.options = list_options,
	.options_size = sizeof(struct volume_options),
	.needs = NEEDS_DAEMON,
	.machine = MACHINE_OBJECT,
	.run = run_list,
};

static const struct command rm = {
	.name = "rm",
	.alias = "remove",
	.summary = "Delete volumes, with what is in them",
	.usage = "[PROJECT/]NAME…",
	.options = rm_options,
	.options_size = sizeof(struct volume_options),
	.min_args = 1,
	.max_args = -1,
	.needs = NEEDS_DAEMON,
	.machine = MACHINE_EVENTS,
	.run = run_rm,
};

static const struct command *const subcommands[] = {&list, &rm, NULL};

static const char *const examples[] = {
	"locald volume list",
	"the volumes of all projects, and where they are",
	"locald volume rm cache",
	"delete this project's volume `cache`",
	NULL,
};

const struct command cmd_volume = {
	.name = "volume",
	.summary = "Named volumes of containers: list, rm",
	.examples = examples,
	.commands = subcommands,
};

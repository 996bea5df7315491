#include "cli/commands.h"

#include "base/error.h"
#include "cli/image_list.h"
#include "cli/job.h"

struct builder_options {
	const char *config;
	bool json;
};

static const struct option create_options[] = {
	OPT_STRING('c', "config", struct builder_options, config, "FILE",
                   "The builder.toml (default: the one here)", COMPLETE_FILES),
	OPT_FLAG(0, "json", struct builder_options, json, "Print events as JSON, one a line"),
	OPT_END,
};

static const struct option list_options[] = {
	OPT_FLAG(0, "json", struct builder_options, json, "Print JSON"),
	OPT_END,
};

static int run_create(struct cli *cli, int argc unused_arg, char **argv, void *values,
                      struct error *err)
{
	const struct builder_options *opts = values;
	cleanup_free char *config =
		cli_path(cli, opts->config ? opts->config : "builder.toml", err);
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup_json json_t *result = NULL;

	if (!config)
		return -1;
	result = job_run(cli, "builder-create", "builder",
	                 json_pack("{s:s, s:s}", "name", argv[0], "config", config), err);
	if (!result)
		return -1;
	strbuf_adds(&text, "created builder ");
	style_safe(&text, argv[0], strlen(argv[0]));
	strbuf_addch(&text, ' ');
	image_add_digest(&text, json_get_str(result, "digest", ""));
	strbuf_adds(&text, " in ");
	style_duration(&text, json_get_int(result, "ms", 0));
	return job_done(cli, &text, err);
}

static int run_list(struct cli *cli, int argc unused_arg, char **argv unused_arg,
                    void *values unused_arg, struct error *err)
{
	return image_list(cli, "builder-list", "builders", err);
}

static const struct command create = {
	.name = "create",
	.summary = "Make a builder from a builder.toml, without a registry",
	.usage = "NAME",
	.options = create_options,
	.options_size = sizeof(struct builder_options),
	.min_args = 1,
	.max_args = 1,
	.needs = NEEDS_DAEMON,
	.machine = MACHINE_EVENTS,
	.run = run_create,
};

static const struct command list = {
	.name = "list",
	.alias = "ls",
	.summary = "Show the builders in the store",
	.options = list_options,
	.options_size = sizeof(struct builder_options),
	.needs = NEEDS_DAEMON,
	.machine = MACHINE_OBJECT,
	.run = run_list,
};

static const struct command *const subcommands[] = {&create, &list, NULL};

static const char *const examples[] = {
	"locald builder create mine -c builder.toml",
	"base image, buildpack folders and lifecycle become the builder mine",
	NULL,
};

const struct command cmd_builder = {
	.name = "builder",
	.summary = "Buildpack builders: create, list",
	.examples = examples,
	.commands = subcommands,
};

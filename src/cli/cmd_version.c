#include "cli/commands.h"

#include "base/error.h"
#include "base/version.h"

struct version_options {
	bool json;
};

static const struct option options[] = {
	OPT_FLAG(0, "json", struct version_options, json, "Print JSON"),
	OPT_END,
};

static int run(struct cli *cli, int argc unused_arg, char **argv unused_arg,
               void *values unused_arg, struct error *err)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	if (cli->machine != MACHINE_OFF) {
		cleanup_json json_t *object =
			json_pack("{s:i, s:s}", "schema", 1, "version", locald_version);

		return cli_print_json(cli, object, err);
	}
	strbuf_addf(&out, "locald %s\n", locald_version);
	return output_data(&cli->output, &out, err);
}

const struct command cmd_version = {
	.name = "version",
	.summary = "Show the version",
	.options = options,
	.options_size = sizeof(struct version_options),
	.machine = MACHINE_OBJECT,
	.run = run,
};

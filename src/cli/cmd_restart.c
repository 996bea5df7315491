#include "cli/commands.h"

#include "base/error.h"
#include "cli/progress.h"

struct restart_options {
	bool json, with_dependents;
};

static const struct option options[] = {
	OPT_FLAG(0, "json", struct restart_options, json, "Print events as JSON, one a line"),
	OPT_FLAG(0, "with-dependents", struct restart_options, with_dependents,
                 "Also what runs and depends on them"),
	OPT_END,
};

static int run(struct cli *cli, int argc, char **argv, void *values, struct error *err)
{
	const struct restart_options *restart = values;
	cleanup(progress_release) struct progress progress;
	cleanup_json json_t *body = json_object();
	int r;

	progress_init(&progress, cli, "restart");
	json_set_str(body, "root", cli->root);
	json_object_set_new(body, "services", cli_json_names(argc, argv));
	json_object_set_new(body, "env", cli_environment());
	json_set_bool(body, "with_dependents", restart->with_dependents);
	cli->unchanged = "nothing was changed; what runs goes on";
	r = progress_run(&progress, "/v1/restart", body, err);
	return cli_finish_up(cli, &progress, r, err);
}

static const char *const examples[] = {
	"locald restart api",
	"stop and start api, with its configuration read again",
	"locald restart db --with-dependents",
	"db, and what runs and depends on it",
	NULL,
};

const struct command cmd_restart = {
	.name = "restart",
	.summary = "Stop and start services, and wait until they are ready",
	.usage = "[SERVICE…]",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct restart_options),
	.max_args = -1,
	.needs = NEEDS_PROJECT | NEEDS_DAEMON,
	.machine = MACHINE_EVENTS,
	.complete = COMPLETE_SERVICES,
	.run = run,
};

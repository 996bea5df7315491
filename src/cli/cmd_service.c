#include "cli/commands.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "cli/ask.h"
#include "cli/job.h"
#include "cli/progress.h"

struct service_options {
	bool yes, json;
};

static const struct option reset_options[] = {
	OPT_FLAG(0, "json", struct service_options, json, "Print events as JSON, one a line"),
	OPT_FLAG('y', "yes", struct service_options, yes, "Do not ask"),
	OPT_END,
};

static int confirm(struct cli *cli, const char *service, struct error *err)
{
	cleanup_free char *name = style_safe_dup(service);
	cleanup_free char *question = xasprintf("delete all data of %s?", name);

	if (!ask_is_possible()) {
		error_set(err, ERR_USAGE, "this deletes all data of the service: not asked");
		return error_hint(err, "say --yes");
	}
	if (ask_yes(cli, question, false))
		return 0;
	return error_set(err, ERR_INTERRUPTED, "nothing was deleted");
}

static int stop(struct cli *cli, const char *service, struct error *err)
{
	cleanup(progress_release) struct progress progress;
	cleanup_json json_t *body = json_object();
	char *names[] = {(char *)service};

	progress_init(&progress, cli, "stop");
	json_set_str(body, "root", cli->root);
	json_object_set_new(body, "services", cli_json_names(1, names));
	if (progress_run(&progress, "/v1/stop", body, err) == 0)
		return 0;
	/* What was never started has no project yet, or no such service in it. */
	if (err->code != ERR_NOT_FOUND)
		return -1;
	error_release(err);
	return 0;
}

static int run_reset(struct cli *cli, int argc unused_arg, char **argv, void *values,
                     struct error *err)
{
	const struct service_options *opts = values;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup_json json_t *result = NULL;

	if ((!opts->yes && confirm(cli, argv[0], err) < 0) || stop(cli, argv[0], err) < 0)
		return -1;
	result = job_run(cli, "service-reset", "reset",
	                 json_pack("{s:s, s:s}", "root", cli->root, "service", argv[0]), err);
	if (!result)
		return -1;
	strbuf_adds(&text, "deleted the data of ");
	style_safe(&text, argv[0], strlen(argv[0]));
	strbuf_adds(&text, "; `locald up` starts it anew");
	return job_done(cli, &text, err);
}

static const struct command reset = {
	.name = "reset",
	.summary = "Stop a database and delete its data",
	.usage = "SERVICE",
	.options = reset_options,
	.options_size = sizeof(struct service_options),
	.min_args = 1,
	.max_args = 1,
	.needs = NEEDS_PROJECT | NEEDS_DAEMON,
	.machine = MACHINE_EVENTS,
	.complete = COMPLETE_SERVICES,
	.run = run_reset,
};

static const struct command *const subcommands[] = {&reset, NULL};

static const char *const examples[] = {
	"locald service reset db",
	"stop db and delete its data, after a question",
	NULL,
};

const struct command cmd_service = {
	.name = "service",
	.summary = "Databases that locald runs: reset",
	.examples = examples,
	.commands = subcommands,
};

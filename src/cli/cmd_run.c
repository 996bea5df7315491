#include "cli/commands.h"

#include "base/error.h"
#include "base/str.h"
#include "cli/execute.h"
#include "cli/progress.h"

struct run_options {
	bool no_deps, shell;
};

static const struct option options[] = {
	OPT_FLAG(0, "no-deps", struct run_options, no_deps, "Leave dependencies alone"),
	OPT_FLAG(0, "shell", struct run_options, shell, "The words are a text for sh"),
	OPT_END,
};

/* What becomes of the daemon's answer. */
struct running {
	struct cli *cli;
	int code; /* why nothing was executed; 0 before */
};

/* Read while the connection is open: the container lives as long as that. */
static int on_result(const json_t *result, void *data, struct error *err)
{
	struct running *running = data;
	const json_t *context = json_object_get(result, "context");
	const json_t *environment = json_object_get(context, "env");
	cleanup(strv_release) struct strv argv = STRV_INIT, env = STRV_INIT;

	if (json_to_strv(json_object_get(context, "argv"), "argv", &argv, err) < 0 ||
	    json_to_strv(environment, "env", &env, err) < 0)
		return -1;
	if (argv.len == 0)
		return error_set(err, ERR_DAEMON, "the daemon's answer has no command");
	if (!environment && client_pass_on(running->cli->client, err) < 0)
		return -1;
	running->code = execute(running->cli, &argv, environment ? &env : NULL,
	                        json_get_str(context, "cwd", NULL));
	return error_set(err, ERR_FAILED, "nothing was executed");
}

static json_t *request(struct cli *cli, int argc, char **argv, const struct run_options *run)
{
	json_t *body = json_object();

	json_set_str(body, "root", cli->root);
	json_set_str(body, "service", argv[0]);
	json_object_set_new(body, "argv", cli_json_names(argc - 1, argv + 1));
	json_object_set_new(body, "env", cli_environment());
	json_set_bool(body, "no_deps", run->no_deps);
	json_set_bool(body, "shell", run->shell);
	json_set_bool(body, "terminal", isatty(STDIN_FILENO) && isatty(STDOUT_FILENO));
	return body;
}

int cli_run_told(struct cli *cli, const char *target, const json_t *body, struct error *err)
{
	struct running running = {.cli = cli};
	cleanup(progress_release) struct progress progress;
	int r;

	/* What is printed is the command's, unless it does not come to that. */
	cli->output.is_quiet = cli->output.verbose == 0;
	progress_init(&progress, cli, "run");
	progress.on_result = on_result;
	progress.data = &running;
	r = progress_run(&progress, target, body, err);
	if (running.code > 0)
		return running.code;
	return cli_finish_up(cli, &progress, r, err);
}

static int run(struct cli *cli, int argc, char **argv, void *values, struct error *err)
{
	cleanup_json json_t *body = request(cli, argc, argv, values);

	return cli_run_told(cli, "/v1/run", body, err);
}

static const char *const examples[] = {
	"locald run api -- psql -c 'select 1'",
	"run a command with the environment of api, after what api depends on",
	"locald run --shell api -- 'echo $DATABASE_URL | cut -d/ -f3'",
	"let a shell read it",
	NULL,
};

const struct command cmd_run = {
	.name = "run",
	.summary = "Run a command as a service would run",
	.usage = "SERVICE [--] COMMAND…",
	.about =
		"The command gets the environment and the folder of the service as its next start\n"
		"would have them, or a container of its own for a service that runs in one; words\n"
		"are passed on as they are. What the service depends on is started first, and "
		"goes\n"
		"on. While the service itself runs, PORT is another port.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct run_options),
	.min_args = 2,
	.max_args = -1,
	.command_at = 2,
	.needs = NEEDS_PROJECT | NEEDS_DAEMON,
	.complete = COMPLETE_SERVICES,
	.run = run,
};

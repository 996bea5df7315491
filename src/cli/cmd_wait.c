#include "cli/commands.h"

#include "base/clock.h"
#include "base/error.h"
#include "cli/progress.h"
#include "config/project.h"

struct wait_options {
	const char *condition;
	int64_t timeout_ms; /* -1: no limit */
	bool json;
};

static const char *const conditions[] = {"ready",     "healthy", "started",
                                         "completed", "stopped", NULL};

static const struct option options[] = {
	OPT_CHOICE(0, "for", struct wait_options, condition, "STATE",
                   "ready, healthy, started, completed or stopped", conditions),
	OPT_FLAG(0, "json", struct wait_options, json, "Print events as JSON, one a line"),
	OPT_TIME(0, "timeout", struct wait_options, timeout_ms, "TIME",
                 "Give up after TIME, such as 60s"),
	OPT_END,
};

static void set_defaults(void *values)
{
	struct wait_options *opts = values;

	opts->condition = "ready";
	opts->timeout_ms = -1;
}

/* From the files: what is waited for need not have been started. */
static json_t *choose_services(struct cli *cli, int argc, char **argv, struct error *err)
{
	cleanup_free char *user_config = paths_user_config(&cli->paths);
	cleanup_project struct project_config *config =
		project_load(cli->root, user_config, &cli->diagnostics, err);
	cleanup_json json_t *names = json_array();

	if (!config)
		return NULL;
	for (int i = 0; i < argc; i++) {
		const char *nearest = project_nearest_service(config, argv[i]);

		if (!project_service(config, argv[i])) {
			error_set(err, ERR_NOT_FOUND, "no service `%s` in %s", argv[i],
			          config->name);
			if (nearest)
				error_hint(err, "did you mean `%s`?", nearest);
			return NULL;
		}
		json_array_append_new(names, json_string(argv[i]));
	}
	if (argc == 0)
		array_foreach(service, &config->services)
			if ((*service)->autostart)
				json_array_append_new(names, json_string((*service)->name));
	if (json_array_size(names) == 0) {
		error_set(err, ERR_CONFIG, "%s has no service that starts by itself", config->name);
		return NULL;
	}
	return json_incref(names);
}

/* A daemon that is restarted loses nobody who waits. */
static int wait_through(struct cli *cli, json_t *body, int64_t timeout_ms,
                        struct progress *progress, struct error *err)
{
	int64_t deadline_ms = clock_mono_ms() + timeout_ms;

	for (;;) {
		int r;

		if (timeout_ms >= 0) {
			int64_t left_ms = deadline_ms - clock_mono_ms();

			json_set_int(body, "timeout_ms", left_ms > 0 ? left_ms : 0);
		}
		r = progress_run(progress, "/v1/wait", body, err);
		if (r == 0 || progress->result || !client_is_lost(cli->client))
			return r;
		error_release(err);
		client_free(cli->client);
		cli->client = NULL;
		if (cli_start_daemon(cli, err) < 0)
			return -1;
	}
}

static int run(struct cli *cli, int argc, char **argv, void *values, struct error *err)
{
	const struct wait_options *opts = values;
	cleanup(progress_release) struct progress progress;
	cleanup_json json_t *body = json_object();
	json_t *services;

	progress_init(&progress, cli, "wait");
	services = choose_services(cli, argc, argv, err);
	if (!services)
		return -1;
	json_set_str(body, "root", cli->root);
	json_object_set_new(body, "services", services);
	json_set_str(body, "for", opts->condition);
	return wait_through(cli, body, opts->timeout_ms, &progress, err);
}

static const char *const examples[] = {
	"locald wait --timeout 60s web",
	"in a script: until web is ready",
	"locald wait --for completed migrate",
	"until migrate has done its work",
	NULL,
};

const struct command cmd_wait = {
	.name = "wait",
	.summary = "Wait until services are ready",
	.usage = "[SERVICE…]",
	.about = "Ends with 0 when all of them are, with 1 as soon as one will not become so, and\n"
		 "with 5 when the time is over.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct wait_options),
	.set_defaults = set_defaults,
	.max_args = -1,
	.needs = NEEDS_PROJECT | NEEDS_DAEMON,
	.machine = MACHINE_EVENTS,
	.complete = COMPLETE_SERVICES,
	.run = run,
};

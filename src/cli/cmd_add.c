#include "cli/commands.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "cli/last_try.h"
#include "cli/service_add.h"

struct add_options {
	const char *name;
	int port;
	bool worker;
};

static const struct option options[] = {
	OPT_STRING(0, "name", struct add_options, name, "NAME", "With `last`: its name; web",
                   COMPLETE_NOTHING),
	OPT_INT(0, "port", struct add_options, port, "PORT",
                "The port that it listens on; else it gets one as PORT"),
	OPT_FLAG(0, "worker", struct add_options, worker, "It has no port"),
	OPT_END,
};

static int add_last(struct cli *cli, const struct add_options *opts, struct error *err)
{
	cleanup(last_try_release) struct last_try last = {0};

	if (opts->port > 0 || opts->worker)
		return error_set(err, ERR_USAGE, "`last` has its port already");
	if (last_try_load(cli, &last, err) < 0)
		return -1;
	return last_try_add(cli, &last, opts->name, err);
}

static int run(struct cli *cli, int argc, char **argv, void *values, struct error *err)
{
	const struct add_options *opts = values;
	cleanup(strv_release) struct strv words = STRV_INIT;
	cleanup_free char *here = NULL, *dir = NULL, *root = NULL;
	struct service_add add;

	if (argc == 1 && str_eq(argv[0], "last"))
		return add_last(cli, opts, err);
	if (argc < 2)
		return error_set(err, ERR_USAGE, "`locald add %s` needs a command", argv[0]);
	if (opts->name)
		return error_set(err, ERR_USAGE, "--name is for `last`");
	if (opts->port > 65535)
		return error_set(err, ERR_USAGE, "--port: expected 1 to 65535, got %d", opts->port);
	for (int i = 1; i < argc; i++)
		strv_add(&words, argv[i]);
	here = cli_path(cli, ".", err);
	dir = here ? path_real(here, err) : NULL;
	root = dir ? service_add_root(dir, err) : NULL;
	if (!root)
		return -1;
	add = (struct service_add){.root = root,
	                           .name = argv[0],
	                           .argv = &words,
	                           .dir = dir,
	                           .port = opts->port,
	                           .is_worker = opts->worker};
	return service_add(cli, &add, err);
}

static const char *const examples[] = {
	"locald add web -- npm run dev",
	"a service that runs this command, in this folder",
	"locald add --worker mailer -- python3 mailer.py",
	"one without a port",
	"locald add last --name web",
	"what `locald try` ran last",
	NULL,
};

const struct command cmd_add = {
	.name = "add",
	.summary = "Add a service to locald.toml",
	.usage = "NAME [--] COMMAND…",
	.about = "The service comes to the end of the file, and nothing else in it changes. "
		 "Without a\n"
		 "project here, a locald.toml is made.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct add_options),
	.min_args = 1,
	.max_args = -1,
	.command_at = 2,
	.run = run,
};

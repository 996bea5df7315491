#include "cli/commands.h"

#include "base/error.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "cli/containers.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct container_options {
	bool interactive, tty, rm, detach;
	struct option_list env, publish, volumes;
	const char *user, *network, *name, *entrypoint, *workdir;
};

static const char *const networks[] = {"private", "host", "none", NULL};

static const struct option run_options[] = {
	OPT_FLAG('i', "interactive", struct container_options, interactive,
                 "Pass standard input on"),
	OPT_FLAG('t', "tty", struct container_options, tty, "Give it a terminal"),
	OPT_FLAG('d', "detach", struct container_options, detach,
                 "Leave it running, and print its name"),
	OPT_FLAG(0, "rm", struct container_options, rm,
                 "Remove it afterwards, as is always done without -d"),
	OPT_LIST('e', "env", struct container_options, env, "NAME[=VALUE]",
                 "Set a variable; without a value, as it is here", COMPLETE_NOTHING),
	OPT_LIST('p', "publish", struct container_options, publish, "HOST:CONTAINER",
                 "Take connections on a port of loopback", COMPLETE_NOTHING),
	OPT_LIST('v', "volume", struct container_options, volumes, "SOURCE:TARGET[:ro]",
                 "Mount a folder, or a named volume", COMPLETE_FILES),
	OPT_STRING('u', "user", struct container_options, user, "USER[:GROUP]",
                   "Run as this user instead of the image's", COMPLETE_NOTHING),
	OPT_CHOICE(0, "network", struct container_options, network, "KIND",
                   "private (default), host or none", networks),
	OPT_STRING(0, "name", struct container_options, name, "NAME", "Its name and host name",
                   COMPLETE_NOTHING),
	OPT_STRING(0, "entrypoint", struct container_options, entrypoint, "PROGRAM",
                   "Run this instead of the image's entrypoint", COMPLETE_NOTHING),
	OPT_STRING('w', "workdir", struct container_options, workdir, "DIR",
                   "Working directory inside", COMPLETE_NOTHING),
	OPT_END,
};

static void release(void *values)
{
	struct container_options *opts = values;

	option_list_release(&opts->env);
	option_list_release(&opts->publish);
	option_list_release(&opts->volumes);
}

static int make_env(const struct container_options *opts, json_t *env, struct error *err)
{
	const char *term = getenv("TERM");

	if (opts->tty && term)
		json_set_str(env, "TERM", term);
	array_foreach(name_value, &opts->env.names) {
		const char *entry = *name_value, *equals = strchr(entry, '=');
		cleanup_free char *name =
			equals ? xstrndup(entry, (size_t)(equals - entry)) : xstrdup(entry);
		const char *value = equals ? equals + 1 : getenv(name);

		if (!*name)
			return error_set(err, ERR_USAGE, "--env %s: no name before the =", entry);
		if (value)
			json_set_str(env, name, value);
	}
	return 0;
}

static int check(const struct container_options *opts, struct error *err)
{
	if (opts->tty && !opts->detach && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))
		return error_set(err, ERR_USAGE, "--tty: this is no terminal");
	return 0;
}

/* Without --interactive there is nothing to read, as with others' `run`. */
static int close_input(struct error *err)
{
	cleanup_close int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0)
		return error_errno(err, errno, "/dev/null");
	return 0;
}

static int run(struct cli *cli, int argc, char **argv, void *values, struct error *err)
{
	const struct container_options *opts = values;
	const struct {
		const char *key, *value;
	} texts[] = {
		{"user", opts->user},   {"network", opts->network},       {"name", opts->name},
		{"cwd", opts->workdir}, {"entrypoint", opts->entrypoint},
	};
	cleanup_json json_t *body = json_object();
	cleanup_free char *here = cli_path(cli, ".", err);
	json_t *env = json_object();

	json_object_set_new(body, "env", env);
	if (!here || check(opts, err) < 0 || make_env(opts, env, err) < 0)
		return -1;
	json_set_str(body, "root", here);
	json_set_str(body, "home", getenv("HOME"));
	json_set_str(body, "image", argv[0]);
	json_object_set_new(body, "argv", cli_json_names(argc - 1, argv + 1));
	json_object_set_new(body, "volumes",
	                    cli_json_names(opts->volumes.names.len, opts->volumes.names.items));
	json_object_set_new(body, "publish",
	                    cli_json_names(opts->publish.names.len, opts->publish.names.items));
	json_set_bool(body, "terminal", opts->tty);
	json_set_bool(body, "detach", opts->detach);
	json_set_bool(body, "stdin", opts->interactive);
	json_set_bool(body, "rm", opts->rm);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (texts[i].value)
			json_set_str(body, texts[i].key, texts[i].value);
	if (opts->detach)
		return containers_start(cli, body, err);
	if (!opts->interactive && !opts->tty && close_input(err) < 0)
		return -1;
	return cli_run_told(cli, "/v1/container", body, err);
}

static const struct command run_command = {
	.name = "run",
	.summary = "Run a container of an image, outside of any project",
	.usage = "IMAGE [COMMAND…]",
	.about =
		"The image is one of the store, or is pulled. Options come before it; what\n"
		"follows is passed on as it is. The container ends with the command and leaves\n"
		"nothing but its named volumes; the exit code is the container's. With -d it goes\n"
		"on by itself, like a service: `container list`, `logs`, `exec`, `stop`, `start` "
		"and `rm`.",
	.options = run_options,
	.options_size = sizeof(struct container_options),
	.release = release,
	.min_args = 1,
	.max_args = -1,
	.command_at = 2,
	/* Without a program among them the words are for the entrypoint. */
	.options_end = 1,
	.needs = NEEDS_DAEMON,
	.run = run,
};

static const struct command *const subcommands[] = {
	&container_attach, &container_exec, &container_list,  &container_logs, &container_restart,
	&container_rm,     &run_command,    &container_start, &container_stop, NULL,
};

static const char *const examples[] = {
	"locald container run -it docker.io/library/debian:12 bash",
	"a shell in a container",
	"locald container run -p 8080:80 -v ./site:/usr/share/nginx/html:ro "
	"docker.io/library/nginx",
	"a server on http://127.0.0.1:8080",
	"locald container run -d --name cache docker.io/library/redis",
	"a container that goes on; `locald container logs -f cache` follows it",
	NULL,
};

const struct command cmd_container = {
	.name = "container",
	.summary = "Containers outside of any project: run, list, logs, exec, stop, start, rm …",
	.examples = examples,
	.commands = subcommands,
};

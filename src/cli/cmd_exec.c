#include "cli/commands.h"

#include "base/error.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "cli/execute.h"

const struct option exec_options[] = {
	OPT_FLAG(0, "shell", struct exec_options, shell, "The words are a text for sh"),
	OPT_END,
};

static void add_command(struct strv *out, int argc, char **argv, bool is_shell)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	for (int i = 0; i < argc; i++) {
		if (!is_shell)
			strv_add(out, argv[i]);
		strbuf_addf(&text, "%s%s", i > 0 ? " " : "", argv[i]);
	}
	if (!is_shell)
		return;
	strv_add(out, "/bin/sh");
	strv_add(out, "-c");
	strv_add(out, text.buf);
}

/* "locald-shim … exec --wait [--tty --env TERM=…] CONTAINER [LAUNCHER --]" */
static int add_runtime(const json_t *context, struct strv *argv, struct error *err)
{
	const char *container, *term = getenv("TERM");

	if (json_need_str(context, "container", &container, err) < 0 ||
	    json_to_strv(json_object_get(context, "runtime"), "runtime", argv, err) < 0)
		return -1;
	strv_add(argv, "exec");
	/* The service runs, but its runtime may be at making the container. */
	strv_add(argv, "--wait");
	if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
		strv_add(argv, "--tty");
		if (term)
			strv_addf(argv, "--env=TERM=%s", term);
	}
	strv_add(argv, container);
	/* An older daemon does not say that. */
	return json_to_strv(json_object_get(context, "launcher"), "launcher", argv, err);
}

static int run(struct cli *cli, int argc, char **argv, void *values, struct error *err)
{
	const struct exec_options *opts = values;
	cleanup(strbuf_release) struct strbuf target = STRBUF_INIT;
	cleanup(strv_release) struct strv command = STRV_INIT, env = STRV_INIT;
	cleanup_json json_t *context = NULL;
	bool is_container;

	strbuf_adds(&target, "/v1/context");
	cli_add_query(&target, "root", cli->root);
	cli_add_query(&target, "service", argv[0]);
	context = cli_call(cli, "GET", target.buf, NULL, err);
	if (!context)
		return -1;
	is_container = str_eq(json_get_str(context, "mode", ""), "container");
	if (is_container && add_runtime(context, &command, err) < 0)
		return -1;
	if (json_to_strv(json_object_get(context, "env"), "env", &env, err) < 0)
		return -1;
	add_command(&command, argc - 1, argv + 1, opts->shell);
	return execute(cli, &command, is_container ? NULL : &env,
	               json_get_str(context, "cwd", NULL));
}

static const char *const examples[] = {
	"locald exec api -- env",
	"the environment that api runs with",
	"locald exec db -- sh",
	"a shell in the container of db, when it runs in one",
	NULL,
};

const struct command cmd_exec = {
	.name = "exec",
	.summary = "Run a command beside a service that runs",
	.usage = "SERVICE [--] COMMAND…",
	.about = "The command gets the environment that the service was started with, and its "
		 "folder;\n"
		 "for a service in a container it runs in that container. `locald run` is for\n"
		 "services that do not run.",
	.examples = examples,
	.options = exec_options,
	.options_size = sizeof(struct exec_options),
	.min_args = 2,
	.max_args = -1,
	.command_at = 2,
	.needs = NEEDS_PROJECT | NEEDS_DAEMON,
	.complete = COMPLETE_SERVICES,
	.run = run,
};

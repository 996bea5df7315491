#include "cli/commands.h"

#include "api/daemon_start.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include <errno.h>

#define EXIT_TIMEOUT_MS 30000

struct server_options {
	bool services, json;
};

static const struct option shutdown_options[] = {
	OPT_FLAG(0, "services", struct server_options, services, "Stop every service too"),
	OPT_END,
};

static const struct option status_options[] = {
	OPT_FLAG(0, "json", struct server_options, json, "Print JSON"),
	OPT_END,
};

/* `server status` is asked for by its exit code too, so -q may silence it. */
static int say(struct cli *cli, enum glyph glyph, const char *text, struct error *err)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	style_glyph(&out, &cli->output.out, glyph);
	strbuf_addf(&out, " %s\n", text);
	return output_done(&cli->output, &out, err);
}

static int run_start(struct cli *cli, int argc unused_arg, char **argv unused_arg,
                     void *values unused_arg, struct error *err)
{
	cleanup_free char *text = NULL;
	cleanup_json json_t *ping = NULL;
	bool started;

	cli->client = daemon_start(&cli->paths, NULL, &started, err);
	if (!cli->client)
		return -1;
	ping = cli_call(cli, "GET", "/v1/ping", NULL, err);
	if (!ping)
		return -1;
	text = xasprintf("daemon %s %s, pid %lld", LOCALD_VERSION,
	                 started ? "started" : "runs already",
	                 (long long)json_get_int(ping, "pid", 0));
	return say(cli, GLYPH_OK, text, err);
}

/* Services that have a process. */
static size_t count_running(struct cli *cli, struct error *err)
{
	cleanup_json json_t *status = cli_call(cli, "GET", "/v1/status?all=1", NULL, err);
	const json_t *project, *service;
	size_t p, s, running = 0;

	json_array_foreach(json_object_get(status, "projects"), p, project)
		json_array_foreach(json_object_get(project, "services"), s, service)
			running += json_get_int(service, "pid", 0) > 0;
	return running;
}

/* A daemon of another version can be ended too: it is not asked for its version. */
static int connect_any(struct cli *cli, bool start, struct error *err)
{
	cleanup_free char *sock = paths_daemon_sock(&cli->paths);

	cli->client = client_connect(sock, err);
	if (cli->client)
		return 0;
	if (err->code != ENOENT && err->code != ECONNREFUSED)
		return -1;
	error_release(err);
	return start ? cli_find_daemon(cli, err) : 0;
}

/* The answer may be lost with the daemon; what counts is that its process ends. */
static int ask_to_leave(struct cli *cli, bool services, struct error *err)
{
	cleanup_json json_t *body = json_pack("{s:b}", "services", services);
	cleanup_close int pidfd = client_daemon_pidfd(cli->client, err);
	cleanup_json json_t *answer = NULL;

	if (pidfd < 0)
		return -1;
	answer = cli_call(cli, "POST", "/v1/shutdown", body, err);
	if (!answer && !client_is_lost(cli->client))
		return -1;
	error_release(err);
	return daemon_wait_exit(pidfd, EXIT_TIMEOUT_MS, err);
}

static int run_shutdown(struct cli *cli, int argc unused_arg, char **argv unused_arg, void *values,
                        struct error *err)
{
	const struct server_options *opts = values;
	cleanup_free char *text = NULL;
	size_t running;

	if (connect_any(cli, opts->services, err) < 0)
		return -1;
	if (!cli->client)
		return say(cli, GLYPH_OK, "daemon was not running", err);
	running = count_running(cli, err);
	error_release(err); /* an older daemon may not tell */
	if (ask_to_leave(cli, opts->services, err) < 0)
		return -1;
	if (running == 0)
		text = xasprintf("daemon stopped, no service runs");
	else
		text = xasprintf("daemon stopped, %zu service%s", running,
		                 opts->services ? running == 1 ? " stopped" : "s stopped"
		                 : running == 1 ? " goes on"
		                                : "s go on");
	return say(cli, GLYPH_OK, text, err);
}

static int show_status(struct cli *cli, const json_t *daemon, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup_free char *version = style_safe_dup(json_get_str(daemon, "version", "?"));
	const json_t *proxy = json_object_get(daemon, "proxy");
	int64_t started;

	strbuf_addf(&text, "daemon %s runs, pid %lld", version,
	            (long long)json_get_int(daemon, "pid", 0));
	if (clock_parse_utc(json_get_str(daemon, "started", ""), &started)) {
		strbuf_adds(&text, ", up ");
		style_age(&text, (clock_real_ns() - started) / 1000000);
	}
	if (json_get_int(proxy, "port", 0) > 0)
		strbuf_addf(&text, ", proxy on port %lld",
		            (long long)json_get_int(proxy, "port", 0));
	else
		strbuf_adds(&text, ", no proxy");
	return say(cli, GLYPH_OK, text.buf, err);
}

static int run_status(struct cli *cli, int argc unused_arg, char **argv unused_arg, void *values,
                      struct error *err)
{
	const struct server_options *opts = values;
	cleanup_json json_t *status = NULL, *object = json_object();
	const json_t *daemon;

	cli->client = daemon_connect(&cli->paths, err);
	if (!cli->client)
		return -1;
	status = cli_call(cli, "GET", "/v1/status?all=1", NULL, err);
	if (!status)
		return -1;
	daemon = json_object_get(status, "daemon");
	if (!opts->json)
		return show_status(cli, daemon, err);
	json_set_int(object, "schema", 1);
	json_object_set(object, "daemon", (json_t *)daemon);
	return cli_print_json(cli, object, err);
}

static const struct command shutdown_command = {
	.name = "shutdown",
	.alias = "stop",
	.summary = "End the daemon; services go on",
	.options = shutdown_options,
	.options_size = sizeof(struct server_options),
	.run = run_shutdown,
};

static const struct command start = {
	.name = "start",
	.summary = "Start the daemon, if it does not run",
	.run = run_start,
};

static const struct command status = {
	.name = "status",
	.summary = "Show whether the daemon runs (exit 3 when not)",
	.options = status_options,
	.options_size = sizeof(struct server_options),
	.machine = MACHINE_OBJECT,
	.run = run_status,
};

static const struct command *const subcommands[] = {&shutdown_command, &start, &status, NULL};

static const char *const examples[] = {
	"locald server shutdown",
	"end the daemon; the next command finds the services",
	"locald server shutdown --services",
	"end everything",
	NULL,
};

const struct command cmd_server = {
	.name = "server",
	.alias = "daemon",
	.summary = "The daemon: start, status, shutdown",
	.about = "Commands start the daemon when they need it.",
	.examples = examples,
	.commands = subcommands,
};

#include "cli/commands.h"

#include "api/daemon_start.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/version.h"

#include <errno.h>
#include <fcntl.h>

#define EXIT_TIMEOUT_MS 30000
#define DEFAULT_LINES   200
#define LOG_TAIL_MAX    (8 << 20)

struct daemon_options {
	bool services, json;
	int lines;
};

static const struct option stop_options[] = {
	OPT_FLAG(0, "services", struct daemon_options, services, "Stop every service too"),
	OPT_END,
};

static const struct option status_options[] = {
	OPT_FLAG(0, "json", struct daemon_options, json, "Print JSON"),
	OPT_END,
};

static const struct option logs_options[] = {
	OPT_INT('n', "lines", struct daemon_options, lines, "N", "The last N lines (200)"),
	OPT_END,
};

/* `daemon status` is asked for by its exit code too, so -q may silence it. */
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
	text = xasprintf("daemon %s %s, pid %lld", locald_version,
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
static int ask_to_leave(struct cli *cli, const char *how, struct error *err)
{
	cleanup_json json_t *body = json_pack("{s:b}", how, 1);
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

static int run_stop(struct cli *cli, int argc unused_arg, char **argv unused_arg, void *values,
                    struct error *err)
{
	const struct daemon_options *opts = values;
	cleanup_free char *text = NULL;
	size_t running;

	if (connect_any(cli, opts->services, err) < 0)
		return -1;
	if (!cli->client)
		return say(cli, GLYPH_OK, "daemon was not running", err);
	running = count_running(cli, err);
	error_release(err); /* an older daemon may not tell */
	if (ask_to_leave(cli, opts->services ? "services" : "stay", err) < 0)
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

static int run_restart(struct cli *cli, int argc, char **argv, void *values, struct error *err)
{
	if (connect_any(cli, false, err) < 0)
		return -1;
	if (cli->client && ask_to_leave(cli, "restart", err) < 0)
		return -1;
	client_free(take_ptr(cli->client));
	return run_start(cli, argc, argv, values, err);
}

/* What comes before the last `lines` lines is not printed. */
static size_t start_of_last(const struct strbuf *text, int lines)
{
	size_t at = text->len;

	/* The newline that ends the last line is not the start of another. */
	if (at > 0 && text->buf[at - 1] == '\n')
		at--;
	while (at > 0 && (text->buf[at - 1] != '\n' || --lines > 0))
		at--;
	return at;
}

static int run_logs(struct cli *cli, int argc unused_arg, char **argv unused_arg, void *values,
                    struct error *err)
{
	const struct daemon_options *opts = values;
	cleanup_free char *path = paths_daemon_log(&cli->paths);
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT_MAX(LOG_TAIL_MAX);
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	size_t at;

	if (fd < 0 || size < 0)
		return error_errno(err, errno, "open %s", path);
	lseek(fd, size > LOG_TAIL_MAX / 2 ? size - LOG_TAIL_MAX / 2 : 0, SEEK_SET);
	if (fd_read_to_end(fd, &text, LOG_TAIL_MAX, err) < 0)
		return error_wrap(err, "read %s", path);
	at = start_of_last(&text, opts->lines > 0 ? opts->lines : DEFAULT_LINES);
	strbuf_add(&out, text.buf + at, text.len - at);
	return output_data(&cli->output, &out, err);
}

static int show_status(struct cli *cli, const json_t *daemon, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup_free char *version = style_safe_dup(json_get_str(daemon, "version", "?"));
	const json_t *proxy = json_object_get(daemon, "proxy");

	strbuf_addf(&text, "daemon %s runs, pid %lld, up ", version,
	            (long long)json_get_int(daemon, "pid", 0));
	style_age(&text, json_get_int(daemon, "uptime_ms", 0));
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
	const struct daemon_options *opts = values;
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

static const struct command stop = {
	.name = "stop",
	.alias = "shutdown",
	.summary = "End the daemon; services go on",
	.options = stop_options,
	.options_size = sizeof(struct daemon_options),
	.run = run_stop,
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
	.options_size = sizeof(struct daemon_options),
	.machine = MACHINE_OBJECT,
	.run = run_status,
};

static const struct command restart = {
	.name = "restart",
	.summary = "Replace the daemon; no service stops, no connection ends",
	.run = run_restart,
};

static const struct command logs = {
	.name = "logs",
	.summary = "Print the end of the daemon's own log",
	.options = logs_options,
	.options_size = sizeof(struct daemon_options),
	.run = run_logs,
};

static const struct command *const subcommands[] = {&logs, &restart, &start, &status, &stop, NULL};

static const char *const examples[] = {
	"locald daemon restart",
	"after an update: services and connections go on",
	"locald daemon stop",
	"end the daemon; the next command finds the services",
	"locald daemon stop --services",
	"end everything",
	NULL,
};

const struct command cmd_daemon = {
	.name = "daemon",
	.alias = "server",
	.summary = "The daemon: start, status, stop, restart, logs",
	.about = "Commands start the daemon when they need it.",
	.examples = examples,
	.commands = subcommands,
};

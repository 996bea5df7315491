#include "cli/up_attach.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/follow.h"
#include "cli/progress.h"
#include "cli/project_status.h"
#include "cli/service_text.h"
#include "config/project.h"

#include <errno.h>

struct attached {
	struct cli *cli;
	struct follow follow;
	struct client *events;
	int daemon;          /* a pidfd of the one that tells the events */
	struct strv started; /* by this command: names as in the plans */
	bool has_failed;     /* a service, when the last one had ended */
	bool is_over;
};

static void release(struct attached *at)
{
	follow_release(&at->follow);
	client_free(at->events);
	close_fd(&at->daemon);
	strv_release(&at->started);
}

static int open_logs(struct attached *at, int argc, char **argv, struct error *err)
{
	struct cli *cli = at->cli;
	cleanup_free char *user_config = paths_user_config(&cli->paths);
	cleanup_project struct project_config *config =
		project_load(cli->root, user_config, &cli->diagnostics, err);
	cleanup_free char *logs = path_join(cli->paths.state, "logs");
	cleanup_free char *id = NULL;

	if (!config)
		return -1;
	id = paths_project_id(config->name, config->root);
	at->follow.cli = cli;
	at->follow.dir = path_join(logs, id);
	at->follow.reads_keys = true;
	for (int i = 0; i < argc; i++)
		strv_add(&at->follow.chosen, argv[i]);
	return follow_open(&at->follow, err);
}

static int on_event(const json_t *event, void *data, struct error *err)
{
	struct follow *follow = data;
	const char *service = json_get_str(event, "service", NULL);

	if (!service || !str_eq(json_get_str(event, "event", ""), "service"))
		return 0;
	return follow_add(follow, service, err);
}

/* --- until the last of them has ended --- */

static bool is_over(const json_t *service)
{
	static const char *const over[] = {"stopped", "exited", "crashed", "blocked"};
	const char *state = service_state(service);

	if (json_get_int(service, "next_try_ms", -1) >= 0 || json_object_get(service, "next_run"))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(over); i++)
		if (str_eq(state, over[i]))
			return true;
	return false;
}

static int look(struct attached *at, struct error *err)
{
	cleanup_json json_t *status = project_status(at->cli, err);
	const json_t *project, *service;
	size_t i;

	if (!status)
		return -1;
	at->is_over = true;
	at->has_failed = false;
	project = json_array_get(json_object_get(status, "projects"), 0);
	json_array_foreach(json_object_get(project, "services"), i, service) {
		if (!follow_is_chosen(&at->follow, json_get_str(service, "name", "")))
			continue;
		at->is_over = at->is_over && is_over(service);
		at->has_failed = at->has_failed || service_is_failed(service);
	}
	return 0;
}

static int on_change(json_t *event, void *data, struct error *err)
{
	struct attached *at = data;
	const char *state = json_get_str(event, "state", "");

	if (on_event(event, &at->follow, err) < 0)
		return -1;
	if (!str_eq(state, "stopped") && !str_eq(state, "exited") && !str_eq(state, "crashed"))
		return 0;
	if (look(at, err) < 0)
		return -1;
	return at->is_over ? error_set(err, ERR_INTERRUPTED, "every service has ended") : 0;
}

static int follow_events(struct attached *at, struct error *err)
{
	cleanup_free char *path = paths_daemon_sock(&at->cli->paths);
	cleanup(strbuf_release) struct strbuf target = STRBUF_INIT;
	const struct client_watch watch = {
		.interrupt_fd = at->cli->interrupt_fd,
		.on_also = follow_turn,
		.also_fd = at->follow.epoll_fd,
		.data = &at->follow,
	};

	client_free(at->events);
	at->events = client_connect(path, err);
	if (!at->events || look(at, err) < 0)
		return -1;
	if (at->is_over)
		return error_set(err, ERR_INTERRUPTED, "every service has ended");
	close_fd(&at->daemon);
	at->daemon = client_daemon_pidfd(at->events, err);
	if (at->daemon < 0)
		return err->code == ESRCH ? error_set(err, ERR_DAEMON, "the daemon has ended") : -1;
	client_watch(at->events, &watch);
	strbuf_adds(&target, "/v1/events");
	cli_add_query(&target, "root", at->cli->root);
	if (client_stream(at->events, "GET", target.buf, NULL, on_change, at, err) < 0)
		return -1;
	return error_set(err, ERR_DAEMON, "the daemon has ended; services go on");
}

/* A daemon that is restarted loses nobody who watches. */
static int follow_on(struct attached *at, struct error *err)
{
	for (;;) {
		if (follow_events(at, err) < 0 && err->code != ERR_DAEMON)
			return -1;
		error_release(err);
		*err = (struct error)ERROR_INIT;
		if (cli_find_next_daemon(at->cli, at->daemon, err) < 0)
			return -1;
	}
}

/* --- Ctrl-C --- */

static void say_detached(struct attached *at)
{
	output_say(&at->cli->output, "detached; services go on: locald logs -f %s locald stop",
	           at->cli->output.err.unicode ? "·" : "-");
}

static int stop_started(struct attached *at, struct error *err)
{
	if (at->started.len > 0)
		return follow_stop(&at->follow, &at->started, "what this command started", err);
	output_say(&at->cli->output, "nothing was started by this command; services go on");
	return 0;
}

static int ended(struct attached *at, int r, struct error *err)
{
	if (err->code != ERR_INTERRUPTED)
		return r;
	if (follow_drain(&at->follow, err) < 0)
		return -1;
	if (at->is_over)
		return at->has_failed ? 1 : 0;
	if (at->follow.is_detached) {
		say_detached(at);
		return 0;
	}
	if (stop_started(at, err) < 0 || follow_drain(&at->follow, err) < 0)
		return -1;
	return error_exit_code(ERR_INTERRUPTED);
}

/* --- all --- */

static void note_started(struct attached *at, const json_t *result)
{
	const json_t *name;
	size_t i;

	json_array_foreach(json_object_get(result, "started"), i, name)
		if (json_is_string(name))
			strv_add(&at->started, json_string_value(name));
	/* What failed was started, too, and may be tried again. */
	json_array_foreach(json_object_get(result, "failed"), i, name)
		if (json_is_string(name))
			strv_add(&at->started, json_string_value(name));
}

static int attach(struct attached *at, const json_t *body, struct error *err)
{
	struct cli *cli = at->cli;
	cleanup(progress_release) struct progress progress;
	int r;

	progress_init(&progress, cli, "up");
	progress.on_also = follow_turn;
	progress.also_fd = at->follow.epoll_fd;
	progress.also_data = &at->follow;
	progress.on_event = on_event;
	at->follow.is_busy = true;
	r = progress_run(&progress, "/v1/up", body, err);
	at->follow.is_busy = false;
	r = cli_finish_up(cli, &progress, r, err);
	note_started(at, progress.result);
	/* What failed by itself may come to life yet; anything else is the end. */
	if (r != 0 && (!progress.result || at->started.len == 0))
		return r;
	error_release(err);
	*err = (struct error)ERROR_INIT;
	if (at->follow.is_detached) {
		say_detached(at);
		return r;
	}
	output_say(&at->cli->output, "Ctrl-C stops what this command started, d leaves it running");
	return ended(at, follow_on(at, err), err);
}

int up_attach(struct cli *cli, const json_t *body, int argc, char **argv, struct error *err)
{
	struct attached at = {.cli = cli, .follow = {.epoll_fd = -1}, .daemon = -1};
	int r = open_logs(&at, argc, argv, err);

	if (r == 0)
		r = attach(&at, body, err);
	release(&at);
	return r;
}

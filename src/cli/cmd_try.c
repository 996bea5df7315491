#include "cli/commands.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cli/ask.h"
#include "cli/follow.h"
#include "cli/keeper_link.h"
#include "cli/last_try.h"
#include "cli/project_status.h"
#include "cli/service_add.h"
#include "cli/service_text.h"
#include "config/project.h"
#include "config/toml_write.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#define TRIES_MAX 99

/*
 * A project of one service in a folder of its own, which is deleted at the end: so it has
 * a port, a URL, checks and a log like any other.
 */
struct trying {
	struct cli *cli;
	struct last_try last;
	char *tries, *name; /* the folder of all of them; "try-1" */
	int lock_fd;        /* the name is ours for as long as it is held */
	struct follow follow;
	struct client *events;
	int64_t begun_ms;
	bool is_introduced, is_ready, is_over;
	int code;                  /* of the program, when it is over */
	bool was_stopped, by_hand; /* by us; with Ctrl-C */
};

static void trying_release(struct trying *t)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup_close int dir = t->tries ? open(t->tries, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

	/* What cannot be deleted is used again by the next one of this name. */
	if (dir >= 0 && t->name && fs_remove_tree(dir, t->name, &ignored) < 0)
		error_release(&ignored);
	follow_release(&t->follow);
	client_free(t->events);
	last_try_release(&t->last);
	free(t->tries);
	free(t->name);
	close_fd(&t->lock_fd);
}

/* --- the project --- */

static int choose_name(struct trying *t, struct error *err)
{
	t->tries = paths_try_dir(&t->cli->paths);
	if (fs_mkdirs_private(t->tries, err) < 0)
		return -1;
	for (int n = 1; n <= TRIES_MAX; n++) {
		cleanup_free char *lock = xasprintf("%s/try-%d.lock", t->tries, n);

		t->lock_fd = fs_lock(lock, false, err);
		if (t->lock_fd >= 0) {
			t->name = xasprintf("try-%d", n);
			return 0;
		}
		if (err->code != EWOULDBLOCK)
			return -1;
		error_release(err);
		*err = (struct error)ERROR_INIT;
	}
	return error_set(err, ERR_CONFLICT, "%d of them run already", TRIES_MAX);
}

/* The variables of the project that it is typed in, or of this folder. */
static char *env_file(const struct trying *t)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup_free char *root = service_add_root(t->last.dir, &ignored);
	char *path = root ? path_join(root, PROJECT_ENV_FILE) : NULL;

	if (path && !fs_exists(path))
		free(take_ptr(path));
	return path;
}

static int write_project(struct trying *t, struct error *err)
{
	cleanup_free char *dir = path_join(t->tries, t->name), *env = env_file(t);
	cleanup_free char *path = path_join(dir, "locald.toml");
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup(strv_release) struct strv env_files = STRV_INIT;

	if (fs_mkdirs_private(dir, err) < 0)
		return -1;
	if (env)
		strv_add(&env_files, env);
	toml_put_table(&text, "project", NULL);
	toml_put_str(&text, "name", t->name);
	toml_put_table(&text, "services", t->name, NULL);
	service_add_argv(&text, &t->last.argv);
	toml_put_str(&text, "workdir", t->last.dir);
	toml_put_strv(&text, "env_file", &env_files);
	toml_put_str(&text, "restart", "no");
	if (fs_write_atomic(path, text.buf, text.len, 0600, err) < 0)
		return -1;
	t->cli->root = path_real(dir, err);
	return t->cli->root ? 0 : -1;
}

static int open_log(struct trying *t, struct error *err)
{
	cleanup_free char *id = paths_project_id(t->name, t->cli->root);
	cleanup_free char *logs = path_join(t->cli->paths.state, "logs");

	t->follow.cli = t->cli;
	t->follow.dir = path_join(logs, id);
	t->follow.is_plain = true;
	strv_add(&t->follow.chosen, t->name);
	if (follow_open(&t->follow, err) < 0)
		return -1;
	return follow_add(&t->follow, t->name, err);
}

/* --- what is told --- */

/* Of its two addresses the short one, http://try-1.localhost. */
static void add_url(const struct trying *t, const json_t *service, struct strbuf *out)
{
	const char *url = json_get_str(service, "url", ""), *host = strstr(url, "://");
	size_t len = strlen(t->name);
	cleanup_free char *text = NULL;

	if (!host)
		return;
	host += strlen("://");
	text = xasprintf("%.*s%s", (int)(host - url), url,
	                 strncmp(host, t->name, len) == 0 && host[len] == '.' ? host + len + 1
	                                                                      : host);
	style_url(out, &t->cli->output.err, text);
}

static void introduce(struct trying *t, const json_t *service)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	const struct style *style = &t->cli->output.err;
	int64_t port = json_get_int(service, "port", 0);

	t->is_introduced = true;
	style_glyph(&out, style, GLYPH_STARTED);
	strbuf_addf(&out, " %s  PORT=%lld  ", t->name, (long long)port);
	add_url(t, service, &out);
	strbuf_adds(&out, "   (Ctrl-C ends it)\n");
	output_note(&t->cli->output, &out);
}

static void tell_ready(struct trying *t, const json_t *service)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	const struct style *style = &t->cli->output.err;
	int64_t port = json_get_int(service, "port", 0);
	int64_t observed = json_get_int(service, "observed_port", 0);

	t->is_ready = true;
	style_glyph(&out, style, GLYPH_OK);
	if (observed > 0 && observed != port) {
		t->last.port = (int)observed;
		strbuf_addf(&out, " answers on %lld (PORT ignored); ", (long long)observed);
		add_url(t, service, &out);
		strbuf_adds(&out, " follows it");
	} else {
		strbuf_addf(&out, " answers on %lld", (long long)port);
	}
	strbuf_addch(&out, '\n');
	output_note(&t->cli->output, &out);
}

static int code_of(const json_t *service)
{
	const json_t *last = json_object_get(service, "last_exit");
	int64_t signal = json_get_int(last, "signal", 0);
	int64_t code = json_get_int(last, "code", -1);

	return signal > 0 ? 128 + (int)signal : code >= 0 ? (int)code : 1;
}

/* --- how it is doing --- */

/* By a connection of its own, as that of `cli` may be waiting for `up`. */
static int look(struct trying *t, struct error *err)
{
	cleanup(strbuf_release) struct strbuf target = STRBUF_INIT;
	cleanup_json json_t *status = NULL;
	const json_t *service;
	const char *state;

	strbuf_adds(&target, "/v1/status");
	cli_add_query(&target, "root", t->cli->root);
	status = client_call(t->events, "GET", target.buf, NULL, err);
	if (!status)
		return -1;
	service = json_array_get(
		json_object_get(json_array_get(json_object_get(status, "projects"), 0), "services"),
		0);
	state = service_state(service);
	if (!t->is_introduced && json_get_int(service, "port", 0) > 0)
		introduce(t, service);
	if (!t->is_ready && json_get_bool(service, "ready", false))
		tell_ready(t, service);
	t->is_over =
		str_eq(state, "exited") || str_eq(state, "crashed") || str_eq(state, "stopped");
	if (t->is_over)
		t->code = code_of(service);
	return 0;
}

static int on_up_line(json_t *line, void *data, struct error *err)
{
	struct trying *t = data;

	if (str_eq(json_get_str(line, "event", ""), "result") &&
	    !json_get_bool(line, "ok", false) && !json_object_get(line, "project"))
		return cli_take_error(t->cli, json_object_get(line, "error"), err);
	return str_eq(json_get_str(line, "event", ""), "service") ? look(t, err) : 0;
}

static int on_change(json_t *line, void *data, struct error *err)
{
	struct trying *t = data;
	const char *state = json_get_str(line, "state", "");

	/* The other connection is busy with telling this. */
	t->is_over =
		str_eq(state, "exited") || str_eq(state, "crashed") || str_eq(state, "stopped");
	if (t->is_over || (!t->is_ready && json_get_bool(line, "ready", false)))
		return error_set(err, ERR_FAILED, "looked at"); /* ends this stream */
	return 0;
}

static int start(struct trying *t, struct error *err)
{
	cleanup_json json_t *body = json_object();
	const struct client_watch watch = {
		.on_also = follow_turn,
		.also_fd = t->follow.epoll_fd,
		.data = &t->follow,
	};

	json_set_str(body, "root", t->cli->root);
	json_object_set_new(body, "env", cli_environment());
	if (cli_catch_interrupt(t->cli, &watch, err) < 0)
		return -1;
	return cli_stream(t->cli, "POST", "/v1/up", body, on_up_line, t, err);
}

static int reconnect(struct trying *t, struct error *err)
{
	cleanup_free char *sock = paths_daemon_sock(&t->cli->paths);

	client_free(t->events);
	t->events = client_connect(sock, err);
	return t->events ? 0 : -1;
}

/* Until something changes, or the daemon ends: ERR_FAILED and ERR_DAEMON. */
static int wait_for_change(struct trying *t, int daemon, struct error *err)
{
	cleanup(strbuf_release) struct strbuf target = STRBUF_INIT;
	const struct client_watch watch = {
		.interrupt_fd = t->cli->interrupt_fd,
		.on_also = follow_turn,
		.also_fd = t->follow.epoll_fd,
		.data = &t->follow,
	};

	strbuf_adds(&target, "/v1/events");
	cli_add_query(&target, "root", t->cli->root);
	client_watch(t->cli->client, &watch);
	if (client_stream(t->cli->client, "GET", target.buf, NULL, on_change, t, err) < 0 &&
	    err->code != ERR_DAEMON)
		return -1;
	error_release(err);
	*err = (struct error)ERROR_INIT;
	/* A daemon that is restarted ends nothing. */
	if (cli_find_next_daemon(t->cli, daemon, err) < 0 || reconnect(t, err) < 0)
		return -1;
	return error_set(err, ERR_FAILED, "looked at");
}

/* Until it is over: what it is now, then each change. */
static int stay(struct trying *t, struct error *err)
{
	for (;;) {
		cleanup_close int daemon = -1;

		if (look(t, err) < 0 || t->is_over)
			return t->is_over ? 0 : -1;
		daemon = client_daemon_pidfd(t->events, err);
		if (daemon < 0 && err->code != ESRCH)
			return -1;
		if (wait_for_change(t, daemon, err) < 0 && err->code != ERR_FAILED)
			return -1;
		error_release(err);
		*err = (struct error)ERROR_INIT;
	}
}

/* --- the end --- */

static void tell_end(struct trying *t, bool is_asked)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	style_glyph(&out, &t->cli->output.err, GLYPH_STOPPED);
	if (t->was_stopped)
		strbuf_adds(&out, " stopped after ");
	else if (t->code > 128)
		strbuf_addf(&out, " ended by signal %d after ", t->code - 128);
	else
		strbuf_addf(&out, " exited with code %d after ", t->code);
	style_duration(&out, clock_mono_ms() - t->begun_ms);
	strbuf_adds(&out, is_asked ? ". " : "\n");
	output_note(&t->cli->output, &out);
}

/* The first of these that the project does not have. */
static const char *name_to_keep(struct trying *t)
{
	static const char *const names[] = {"web", "app", "api", "server"};
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup_free char *user_config = paths_user_config(&t->cli->paths);
	cleanup_free char *root = service_add_root(t->last.dir, &ignored);
	cleanup_project struct project_config *config =
		root ? project_load(root, user_config, &diags, &ignored) : NULL;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!config || !project_service(config, names[i]))
			return names[i];
	return t->name;
}

static int offer_to_keep(struct trying *t, struct error *err)
{
	const char *name = name_to_keep(t);
	cleanup_free char *question = xasprintf("Keep it?   locald add last --name %s    ", name);

	if (!ask_yes(t->cli, question, true))
		return 0;
	return last_try_add(t->cli, &t->last, name, err);
}

static int finish(struct trying *t, struct error *err)
{
	bool may_ask = t->by_hand && t->is_ready && ask_is_possible();

	if (follow_drain(&t->follow, err) < 0 || last_try_save(t->cli, &t->last, err) < 0)
		return -1;
	if (t->cli->output.is_quiet)
		return t->code;
	tell_end(t, may_ask);
	if (!may_ask)
		return t->code;
	cli_release_interrupt(t->cli);
	return offer_to_keep(t, err) < 0 ? -1 : t->code;
}

static int stop(struct trying *t, struct error *err)
{
	cleanup(strv_release) struct strv names = STRV_INIT;

	error_release(err);
	*err = (struct error)ERROR_INIT;
	t->was_stopped = true;
	t->by_hand = cli_take_interrupt(t->cli) == SIGINT;
	strv_add(&names, t->name);
	if (follow_stop(&t->follow, &names, t->name, err) < 0)
		return -1;
	return look(t, err);
}

static int try_it(struct trying *t, struct error *err)
{
	int r;

	if (choose_name(t, err) < 0 || write_project(t, err) < 0 || open_log(t, err) < 0 ||
	    reconnect(t, err) < 0)
		return -1;
	t->begun_ms = clock_mono_ms();
	r = start(t, err);
	if (r == 0)
		r = stay(t, err);
	if (r < 0 && err->code == ERR_INTERRUPTED)
		r = stop(t, err);
	if (r < 0)
		keeper_link_kill(t->cli, t->name); /* nobody else would end it */
	return r < 0 ? -1 : finish(t, err);
}

static int run(struct cli *cli, int argc, char **argv, void *values unused_arg, struct error *err)
{
	struct trying t = {.cli = cli, .lock_fd = -1, .follow = {.epoll_fd = -1}};
	cleanup_free char *here = cli_path(cli, ".", err);
	int r;

	for (int i = 0; i < argc; i++)
		strv_add(&t.last.argv, argv[i]);
	t.last.dir = here ? path_real(here, err) : NULL;
	r = t.last.dir ? try_it(&t, err) : -1;
	trying_release(&t);
	return r;
}

static const char *const examples[] = {
	"locald try npm run dev",
	"run it here with a PORT and a URL, until Ctrl-C",
	"locald try 'php -S 127.0.0.1:$PORT'",
	"let a shell read it",
	"locald add last --name web",
	"keep what was tried last",
	NULL,
};

const struct command cmd_try = {
	.name = "try",
	.summary = "Run a command as a service that is not kept",
	.usage = "COMMAND…",
	.about = "The command gets a free PORT and a URL, whether this folder has a project or "
		 "not. It\n"
		 "runs until Ctrl-C, or until it ends; its exit code is that of locald. A second\n"
		 "Ctrl-C kills it.",
	.examples = examples,
	.min_args = 1,
	.max_args = -1,
	.command_at = 1,
	.needs = NEEDS_DAEMON,
	.run = run,
};

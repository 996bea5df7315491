#include "cli/cli.h"

#include "api/api_error.h"
#include "api/daemon_start.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/project.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

void cli_init(struct cli *cli)
{
	*cli = (struct cli){.interrupt_fd = -1};
	output_init(&cli->output, "auto");
}

void cli_release(struct cli *cli)
{
	client_free(cli->client);
	diagnostics_release(&cli->diagnostics);
	paths_release(&cli->paths);
	free(cli->root);
	if (cli->interrupt_fd >= 0)
		close(cli->interrupt_fd);
}

static char *working_dir(struct error *err)
{
	char buf[PATH_MAX];

	if (getcwd(buf, sizeof(buf)))
		return xstrdup(buf);
	error_errno(err, errno, "working directory");
	return NULL;
}

char *cli_path(const struct cli *cli, const char *path, struct error *err)
{
	cleanup_free char *cwd = working_dir(err);
	cleanup_free char *dir = NULL;

	if (!cwd)
		return NULL;
	dir = path_absolute(cwd, cli->dir ? cli->dir : ".");
	return path_absolute(dir, path);
}

int cli_find_project(struct cli *cli, struct error *err)
{
	cleanup_free char *start = cli->root ? NULL : cli_path(cli, ".", err);
	cleanup_free char *real = start ? path_real(start, err) : NULL;

	if (cli->root)
		return 0;
	if (!real)
		return -1;
	cli->root = project_find_root(real, err);
	return cli->root ? 0 : -1;
}

int cli_start_daemon(struct cli *cli, struct error *err)
{
	bool started;

	cli->client = daemon_start(&cli->paths, NULL, &started, err);
	return cli->client ? 0 : -1;
}

int cli_find_next_daemon(struct cli *cli, int daemon, struct error *err)
{
	/* Until it is gone there can be no other. */
	if (daemon >= 0 && cli_wait(cli, daemon, err) < 0)
		return -1;
	client_free(cli->client);
	cli->client = NULL;
	return cli_start_daemon(cli, err);
}

static bool has_sock(const char *dir)
{
	DIR *stream = opendir(dir);
	const struct dirent *entry;
	bool found = false;

	if (!stream)
		return false;
	while (!found && (entry = readdir(stream)))
		found = str_ends(entry->d_name, ".sock");
	closedir(stream);
	return found;
}

/* A daemon that left in good order took its socket along; this one knows of exits still untold. */
static bool was_killed(const struct paths *paths)
{
	cleanup_free char *sock = paths_daemon_sock(paths);

	return fs_exists(sock);
}

/* A keeper has its socket for as long as its service runs, daemon or not. */
static bool has_keepers(const struct paths *paths)
{
	cleanup_free char *dir = path_join(paths->run, "keepers");
	DIR *stream = opendir(dir);
	const struct dirent *entry;
	bool found = false;

	if (!stream)
		return false;
	while (!found && (entry = readdir(stream))) {
		cleanup_free char *project = path_join(dir, entry->d_name);

		found = entry->d_name[0] != '.' && has_sock(project);
	}
	closedir(stream);
	return found;
}

int cli_find_daemon(struct cli *cli, struct error *err)
{
	struct error absent = ERROR_INIT;

	cli->client = daemon_connect(&cli->paths, &absent);
	if (cli->client)
		return 0;
	if (absent.code != ERR_DAEMON)
		return error_move(err, &absent);
	error_release(&absent);
	return has_keepers(&cli->paths) || was_killed(&cli->paths) ? cli_start_daemon(cli, err) : 0;
}

static void interrupts(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
}

void cli_release_interrupt(struct cli *cli)
{
	sigset_t set;

	if (cli->interrupt_fd < 0)
		return;
	interrupts(&set);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	close_fd(&cli->interrupt_fd);
}

int cli_open_interrupt(struct cli *cli, struct error *err)
{
	sigset_t set;

	if (cli->interrupt_fd >= 0)
		return 0;
	interrupts(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	cli->interrupt_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (cli->interrupt_fd < 0)
		return error_errno(err, errno, "signalfd");
	return 0;
}

int cli_take_interrupt(struct cli *cli)
{
	struct signalfd_siginfo info = {0};

	while (read(cli->interrupt_fd, &info, sizeof(info)) == sizeof(info))
		continue;
	return (int)info.ssi_signo;
}

int cli_catch_interrupt(struct cli *cli, const struct client_watch *watch, struct error *err)
{
	struct client_watch own = *watch;

	if (cli_open_interrupt(cli, err) < 0)
		return -1;
	own.interrupt_fd = cli->interrupt_fd;
	client_watch(cli->client, &own);
	return 0;
}

int cli_wait(struct cli *cli, int fd, struct error *err)
{
	struct pollfd fds[] = {
		{.fd = fd, .events = POLLIN},
		{.fd = cli->interrupt_fd, .events = POLLIN},
		{.fd = STDOUT_FILENO, .events = 0},
	};

	for (;;) {
		if (poll(fds, ARRAY_LEN(fds), -1) < 0) {
			if (errno == EINTR)
				continue;
			return error_errno(err, errno, "poll");
		}
		if (fds[1].revents)
			return error_set(err, ERR_INTERRUPTED, "interrupted");
		if (fds[2].revents)
			return 0;
		if (fds[0].revents)
			return 1;
	}
}

static void keep_diagnostics(struct cli *cli, const json_t *array)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;

	diagnostics_release(&cli->diagnostics);
	cli->diagnostics = (struct diagnostics)DIAGNOSTICS_INIT;
	/* The error itself says enough when its diagnostics cannot be read. */
	if (array && diag_from_json(array, &cli->diagnostics, &ignored) < 0)
		diagnostics_release(&cli->diagnostics);
}

json_t *cli_call(struct cli *cli, const char *method, const char *target, const json_t *body,
                 struct error *err)
{
	json_t *answer = client_call(cli->client, method, target, body, err);

	if (!answer)
		keep_diagnostics(cli, client_diagnostics(cli->client));
	return answer;
}

int cli_stream(struct cli *cli, const char *method, const char *target, const json_t *body,
               client_line_fn *fn, void *data, struct error *err)
{
	int r = client_stream(cli->client, method, target, body, fn, data, err);

	if (r < 0 && client_diagnostics(cli->client))
		keep_diagnostics(cli, client_diagnostics(cli->client));
	return r;
}

int cli_take_error(struct cli *cli, const json_t *error, struct error *err)
{
	keep_diagnostics(cli, json_object_get(error, "diagnostics"));
	return api_error_from_json(error, err);
}

static void add_error(struct cli *cli, const struct error *err, struct strbuf *out)
{
	const struct style *style = &cli->output.err;
	const char *text = err->text ? err->text : "unknown error";

	cleanup_free char *head = xasprintf("error[%s]", error_code_id(err->code));

	style_text(out, style, COLOUR_RED, head);
	strbuf_adds(out, ": ");
	style_safe(out, text, strlen(text));
	strbuf_addch(out, '\n');
	if (err->hint) {
		style_text(out, style, COLOUR_GREEN, "help");
		strbuf_adds(out, ": ");
		style_safe(out, err->hint, strlen(err->hint));
		strbuf_addch(out, '\n');
	}
}

static void add_diagnostics(struct cli *cli, struct strbuf *out)
{
	diag_render_all(&cli->diagnostics, cli->output.err.colour, out);
	if (cli->unchanged)
		strbuf_addf(out, "  = %s\n", cli->unchanged);
}

static void report_json(struct cli *cli, const struct error *err)
{
	cleanup_json json_t *diagnostics = diag_to_json(&cli->diagnostics);
	cleanup_json json_t *object = json_object();
	cleanup(error_release) struct error ignored = ERROR_INIT;

	if (cli->machine == MACHINE_EVENTS) {
		json_set_str(object, "event", "result");
		json_set_bool(object, "ok", false);
	} else {
		json_set_int(object, "schema", 1);
	}
	json_object_set_new(object, "error", api_error_to_json(err, diagnostics));
	/* Standard output that cannot be written is the reader's own doing. */
	if (cli_print_json(cli, object, &ignored) < 0)
		return;
}

int cli_report(struct cli *cli, const struct error *err)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	if (cli->machine == MACHINE_OBJECT || cli->machine == MACHINE_EVENTS)
		report_json(cli, err);
	if (err->code == ERR_INTERRUPTED)
		return error_exit_code(err->code);
	if (diag_error_count(&cli->diagnostics) > 0)
		add_diagnostics(cli, &out);
	else
		add_error(cli, err, &out);
	output_error(&cli->output, &out);
	return error_exit_code(err->code);
}

int cli_print_json(struct cli *cli, const json_t *value, struct error *err)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	cleanup_free char *text = json_text(value);

	strbuf_addf(&out, "%s\n", text);
	return output_data(&cli->output, &out, err);
}

json_t *cli_environment(void)
{
	cleanup(strv_release) struct strv env = STRV_INIT;

	for (char **entry = environ; *entry; entry++)
		strv_add(&env, *entry);
	return json_from_raw_strv(&env);
}

json_t *cli_json_names(int count, char **names)
{
	json_t *array = json_array();

	for (int i = 0; i < count; i++) {
		cleanup_free char *safe = style_safe_dup(names[i]);

		/* A name that is not UTF-8 names nothing, but the answer can say which it was. */
		json_array_append_new(array, json_string(safe));
	}
	return array;
}

void cli_add_query(struct strbuf *target, const char *key, const char *value)
{
	strbuf_addf(target, "%c%s=", strchr(target->buf, '?') ? '&' : '?', key);
	for (const char *c = value; *c; c++) {
		if (isalnum((unsigned char)*c) || strchr("-._~/", *c))
			strbuf_addch(target, *c);
		else
			strbuf_addf(target, "%%%02X", (unsigned char)*c);
	}
}

void cli_add_folder(struct strbuf *out, const char *path)
{
	const char *home = getenv("HOME");
	size_t len = home ? strlen(home) : 0;

	if (len > 1 && strncmp(path, home, len) == 0 && (path[len] == '/' || !path[len])) {
		strbuf_addch(out, '~');
		path += len;
	}
	style_safe(out, path, strlen(path));
}

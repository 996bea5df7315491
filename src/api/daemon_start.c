#include "api/daemon_start.h"

#include "api/client.h"
#include "api/no_room.h"
#include "api/paths.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "base/version.h"
#include "keeper/protocol.h"
#include "loop/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#define READY_FD       3
#define LOCK_FD        4
#define READY_LINE_MAX 4096

/* Nobody listens, or who listened has just ended. */
static bool means_absent(int code)
{
	return code == ENOENT || code == ECONNREFUSED || code == ECONNRESET;
}

static int check_version(const json_t *ping, struct error *err)
{
	int64_t api = json_get_int(ping, "api", 0);

	if (api == DAEMON_API_VERSION)
		return 0;
	error_set(err, ERR_DAEMON, "the daemon is locald %s (API %lld), this is locald %s (API %d)",
	          json_get_str(ping, "version", "?"), (long long)api, locald_version,
	          DAEMON_API_VERSION);
	return error_hint(err, "run `locald daemon restart`: no service stops");
}

/* Connects and sees that a daemon of our kind answers. */
static struct client *greet(const char *sock, struct error *err)
{
	cleanup(freep_client) struct client *client = client_connect(sock, err);
	cleanup_json json_t *ping = NULL;

	if (!client)
		return NULL;
	ping = client_call(client, "GET", "/v1/ping", NULL, err);
	if (!ping && client_is_lost(client))
		err->code = ECONNRESET; /* it was just ending: as good as absent */
	if (!ping || check_version(ping, err) < 0)
		return NULL;
	return take_ptr(client);
}

struct client *daemon_connect(const struct paths *paths, struct error *err)
{
	cleanup_free char *sock = paths_daemon_sock(paths);
	struct client *client = greet(sock, err);

	if (!client && means_absent(err->code)) {
		error_set(err, ERR_DAEMON, "the daemon is not running");
		error_hint(err, "`locald up` or `locald daemon start` starts it");
	}
	return client;
}

static int open_log(const char *path, struct error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 ? error_errno(err, errno, "%s", path) : fd;
}

static pid_t spawn(const struct paths *paths, const char *program, int ready, int lock, int log,
                   struct error *err)
{
	cleanup_free char *self = program ? xstrdup(program) : paths_self();
	const char *const argv[] = {"locald", "daemon", "--ready-fd", "3", "--lock-fd", "4", NULL};
	const struct child_fd fds[] = {{log, STDERR_FILENO}, {ready, READY_FD}, {lock, LOCK_FD}};
	cleanup(strv_release) struct strv env = STRV_INIT;

	for (char **entry = environ; *entry; entry++)
		strv_add(&env, *entry);
	strv_env_set(&env, "LOCALD_SANDBOX", paths->sandbox ? paths->sandbox : "");
	/* Started from within a service, it is none of its processes. */
	strv_env_unset(&env, KEEPER_RUN_VARIABLE);
	return child_spawn(
		&(struct child_spec){
			.path = self,
			.argv = argv,
			.env = (const char *const *)env.items,
			.cwd = "/",
			.fds = fds,
			.nfds = ARRAY_LEN(fds),
			.new_session = true,
		},
		err);
}

/* Reads the one line of a daemon that starts; end of file ends it too. */
static int read_ready_line(int fd, struct strbuf *line, struct error *err)
{
	int64_t deadline = clock_mono_ms() + DAEMON_START_TIMEOUT_MS;
	char buf[512];

	while (!memchr(line->buf, '\n', line->len) && !line->overflow) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		int64_t left = deadline - clock_mono_ms();
		int n = poll(&pfd, 1, left > 0 ? (int)left : 0);
		ssize_t got;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, errno, "poll");
		if (n == 0)
			return error_set(err, ERR_TIMEOUT, "the daemon is not ready after %d s",
			                 DAEMON_START_TIMEOUT_MS / 1000);
		got = read(fd, buf, sizeof(buf));
		if (got < 0)
			return error_errno(err, errno, "read from the daemon");
		if (got == 0)
			return 0;
		strbuf_add(line, buf, (size_t)got);
	}
	return 0;
}

static int wait_ready(int fd, pid_t pid, const char *log, struct error *err)
{
	cleanup(strbuf_release) struct strbuf line = STRBUF_INIT_MAX(READY_LINE_MAX);
	char *hint;
	int status;

	if (read_ready_line(fd, &line, err) < 0) {
		kill(pid, SIGKILL); /* our own child, not reaped: still that process */
		waitpid(pid, &status, 0);
		return error_hint(err, "see %s", log);
	}
	while (line.len > 0 && line.buf[line.len - 1] == '\n')
		strbuf_truncate(&line, line.len - 1);
	if (str_eq(line.buf, "ready"))
		return 0;
	if (!str_starts(line.buf, "error ")) {
		error_set(err, ERR_DAEMON, "the daemon ended before it was ready");
		return error_hint(err, "see %s", log);
	}
	/* "error <text>\t<hint, may be empty>" */
	hint = line.buf + strcspn(line.buf, "\t");
	if (*hint)
		*hint++ = '\0';
	error_set(err, ERR_DAEMON, "the daemon did not start: %s", line.buf + 6);
	return *hint ? error_hint(err, "%s", hint) : error_hint(err, "see %s", log);
}

/* With daemon.lock held. */
static int start(const struct paths *paths, const char *program, int lock, struct error *err)
{
	cleanup_free char *log = paths_daemon_log(paths);
	cleanup_close int log_fd = open_log(log, err);
	cleanup_close int ready_read = -1, ready_write = -1;
	int fds[2];
	pid_t pid;

	if (log_fd < 0)
		return no_room_explain(err, log);
	if (fd_pipe(fds, err) < 0)
		return -1;
	ready_read = fds[0];
	ready_write = fds[1];
	pid = spawn(paths, program, ready_write, lock, log_fd, err);
	if (pid < 0)
		return error_wrap(err, "start the daemon");
	close(take_fd(ready_write));
	return wait_ready(ready_read, pid, log, err);
}

struct client *daemon_start(const struct paths *paths, const char *program, bool *ret_started,
                            struct error *err)
{
	cleanup_free char *sock = paths_daemon_sock(paths);
	cleanup_free char *lock_path = paths_daemon_lock(paths);
	cleanup_close int lock = -1;
	struct client *client = greet(sock, err);

	*ret_started = false;
	if (client || !means_absent(err->code))
		return client;

	if (paths_create(paths, err) < 0)
		return NULL;
	lock = fs_lock(lock_path, true, err);
	if (lock < 0) {
		no_room_explain(err, lock_path);
		return NULL;
	}
	/* Whoever had the lock before may have started it. */
	client = greet(sock, err);
	if (client || !means_absent(err->code))
		return client;
	if (start(paths, program, lock, err) < 0)
		return NULL;
	*ret_started = true;
	return greet(sock, err);
}

int daemon_wait_exit(int pidfd, int timeout_ms, struct error *err)
{
	struct pollfd pfd = {.fd = pidfd, .events = POLLIN};
	int64_t deadline = clock_mono_ms() + timeout_ms;
	int n;

	do {
		int64_t left = deadline - clock_mono_ms();

		n = poll(&pfd, 1, left > 0 ? (int)left : 0);
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		return error_set(err, ERR_TIMEOUT, "the daemon is still there after %d s",
		                 timeout_ms / 1000);
	return n < 0 ? error_errno(err, errno, "poll") : 0;
}

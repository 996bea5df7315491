#include "daemon/proxy_worker.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "loop/child.h"
#include "loop/loop.h"
#include "net/listen.h"
#include "proxy/control.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define RETRY_FIRST_MS 100
#define RETRY_LAST_MS  30000
#define ORPHAN_WAIT_MS 2000
#define MEMORY_MAX     4096

struct proxy_worker {
	struct loop *loop;
	char *program, *memory;
	struct listen_loopback listening;
	int sock; /* to the proxy; -1 while there is none */
	pid_t pid;
	struct loop_source *child, *readable, *retry;
	char *routes;   /* the newest table */
	bool is_unsent; /* the proxy does not have it yet */
	int64_t delay_ms;
};

static int start(struct proxy_worker *worker, struct error *err);

static void send_routes(struct proxy_worker *worker)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	if (worker->sock < 0 || !worker->routes || !worker->is_unsent)
		return;
	if (control_send_routes(worker->sock, worker->routes, strlen(worker->routes), &err) == 0) {
		worker->is_unsent = false;
		loop_fd_set_events(worker->readable, LOOP_READ);
		return;
	}
	if (err.code == EAGAIN)
		loop_fd_set_events(worker->readable, LOOP_READ | LOOP_WRITE);
	else
		log_warn("proxy: %s", err.text); /* its exit is coming, and the next one gets it */
}

static void let_go(struct proxy_worker *worker)
{
	loop_source_free(worker->readable);
	loop_source_free(worker->child);
	worker->readable = worker->child = NULL;
	close_fd(&worker->sock);
	worker->sock = -1;
	worker->pid = 0;
}

static void on_retry(struct loop_source *source, void *data)
{
	struct proxy_worker *worker = data;
	cleanup(error_release) struct error err = ERROR_INIT;

	if (start(worker, &err) == 0)
		return;
	log_err("proxy: %s", err.text);
	loop_timer_set(worker->retry, RETRY_LAST_MS);
}

static void on_exit_status(struct loop_source *source, const siginfo_t *info, void *data)
{
	struct proxy_worker *worker = data;

	log_warn("proxy %d ended (%s %d); starting another in %lld ms", (int)worker->pid,
	         info->si_code == CLD_EXITED ? "code" : "signal", info->si_status,
	         (long long)worker->delay_ms);
	let_go(worker);
	worker->is_unsent = true;
	loop_timer_set(worker->retry, worker->delay_ms);
	worker->delay_ms =
		worker->delay_ms * 2 > RETRY_LAST_MS ? RETRY_LAST_MS : worker->delay_ms * 2;
}

static void on_packet(struct loop_source *source, int fd, uint32_t events, void *data)
{
	struct proxy_worker *worker = data;
	char packet[CONTROL_MAX_PACKET];
	ssize_t n;

	if (events & LOOP_WRITE)
		send_routes(worker);
	if (!(events & (LOOP_READ | EPOLLHUP)))
		return;
	n = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
	if (n > 0) {
		worker->delay_ms = RETRY_FIRST_MS; /* it works: a later death is a new one */
		return;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		loop_fd_set_events(source, 0); /* the exit of the child tells the rest */
}

static int spawn(struct proxy_worker *worker, int remote, struct error *err)
{
	static const char *const argv[] = {"locald", "proxy", NULL};
	static const char *const env[] = {"LC_ALL=C", NULL};
	const struct child_fd fds[] = {{STDERR_FILENO, 2}, {remote, 3}};
	const struct child_spec spec = {
		.path = worker->program,
		.argv = argv,
		.env = env,
		.cwd = "/",
		.fds = fds,
		.nfds = ARRAY_LEN(fds),
		.new_session = true,
		.die_with_parent = true,
	};

	worker->pid = child_spawn(&spec, err);
	if (worker->pid < 0) {
		worker->pid = 0;
		return -1;
	}
	return loop_add_child(worker->loop, worker->pid, on_exit_status, worker, &worker->child,
	                      err);
}

/* --- what is remembered: {"port", "pid", "start_ticks", "boot_id"} --- */

static void remember(const struct proxy_worker *worker)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_json json_t *object = json_object();
	cleanup_free char *text = NULL;
	struct proc_id id;

	json_set_int(object, "port", worker->listening.port);
	if (proc_identify(worker->pid, &id, &err) == 0) {
		json_set_int(object, "pid", id.pid);
		json_set_int(object, "start_ticks", (int64_t)id.start_ticks);
		json_set_str(object, "boot_id", id.boot_id);
	}
	text = json_text(object);
	if (fs_write_atomic(worker->memory, text, strlen(text), 0600, &err) < 0)
		log_warn("proxy: %s", err.text);
}

static void wait_for_orphan(const struct proc_id *id)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_close int pidfd = proc_pidfd_open(id->pid, &err);
	struct pollfd gone = {.fd = pidfd, .events = POLLIN};

	/* Checked with the pidfd open: from here on the number cannot become another's. */
	if (pidfd >= 0 && proc_is_alive(id) && poll(&gone, 1, ORPHAN_WAIT_MS) == 0)
		log_warn("proxy %d of a daemon that died does not go", (int)id->pid);
}

/* The port that was used before; 0 when there was none. */
static int recall(const struct proxy_worker *worker)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_json json_t *object = json_parse_file(worker->memory, MEMORY_MAX, &err);
	struct proc_id id = {0};

	if (!object)
		return 0;
	id.pid = (pid_t)json_get_int(object, "pid", 0);
	id.start_ticks = (uint64_t)json_get_int(object, "start_ticks", 0);
	str_copy(id.boot_id, sizeof(id.boot_id), json_get_str(object, "boot_id", ""));
	if (id.pid > 0)
		wait_for_orphan(&id);
	return (int)json_get_int(object, "port", 0);
}

/* --- the process --- */

static int start(struct proxy_worker *worker, struct error *err)
{
	const int ports[] = {worker->listening.port, worker->listening.port};
	const int fds[] = {worker->listening.ipv4, worker->listening.ipv6};
	cleanup_close int remote = -1;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return error_errno(err, errno, "socketpair");
	worker->sock = pair[0];
	remote = pair[1];
	if (loop_add_fd(worker->loop, worker->sock, LOOP_READ, on_packet, worker, &worker->readable,
	                err) < 0 ||
	    spawn(worker, remote, err) < 0 ||
	    control_send_listen(worker->sock, ports, fds, worker->listening.ipv6 < 0 ? 1 : 2, err) <
	            0) {
		let_go(worker);
		return -1;
	}
	remember(worker);
	send_routes(worker);
	return 0;
}

static int open_port(struct proxy_worker *worker, struct error *err)
{
	static const int ports[] = {80, 8080, 0};
	cleanup(error_release) struct error taken = ERROR_INIT;
	int before = recall(worker);

	if (before > 0 && before <= 65535 &&
	    listen_loopback(&before, 1, &worker->listening, &taken) == 0)
		return 0;
	return listen_loopback(ports, ARRAY_LEN(ports), &worker->listening, err);
}

struct proxy_worker *proxy_worker_new(struct loop *loop, const char *program, const char *memory,
                                      struct error *err)
{
	struct proxy_worker *worker = xcalloc(1, sizeof(*worker));

	worker->loop = loop;
	worker->program = xstrdup(program);
	worker->memory = xstrdup(memory);
	worker->sock = worker->listening.ipv4 = worker->listening.ipv6 = -1;
	worker->delay_ms = RETRY_FIRST_MS;
	worker->retry = loop_add_timer(loop, -1, on_retry, worker);
	if (open_port(worker, err) == 0 && start(worker, err) == 0)
		return worker;
	proxy_worker_free(worker);
	return NULL;
}

void proxy_worker_free(struct proxy_worker *worker)
{
	if (!worker)
		return;
	let_go(worker); /* closing its socket is what ends the proxy */
	loop_source_free(worker->retry);
	close_fd(&worker->listening.ipv4);
	close_fd(&worker->listening.ipv6);
	unlink(worker->memory);
	free(worker->memory);
	free(worker->program);
	free(worker->routes);
	free(worker);
}

int proxy_worker_port(const struct proxy_worker *worker)
{
	return worker->listening.port;
}

pid_t proxy_worker_pid(const struct proxy_worker *worker)
{
	return worker->pid;
}

void proxy_worker_routes(struct proxy_worker *worker, char *json)
{
	free(worker->routes);
	worker->routes = json;
	worker->is_unsent = true;
	send_routes(worker);
}

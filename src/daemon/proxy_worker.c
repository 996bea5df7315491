#include "daemon/proxy_worker.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/testing.h"
#include "daemon/proxy_before.h"
#include "loop/child.h"
#include "loop/loop.h"
#include "net/listen.h"
#include "proxy/control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define RETRY_FIRST_MS 100
#define RETRY_LAST_MS  30000

struct proxy_worker {
	struct loop *loop;
	char *program, *memory, *meeting;
	struct listen_loopback listening;
	int sock;  /* to the proxy; -1 while there is none */
	int other; /* to one of another version, until ours is ready; or -1 */
	pid_t pid;
	struct loop_source *child; /* NULL when a daemon before us started it */
	struct loop_source *readable, *retry;
	char *routes;    /* the newest table */
	bool is_unsent;  /* the proxy does not have it yet */
	bool is_started; /* there is a proxy, or one is being tried */
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

static void start_another(struct proxy_worker *worker)
{
	log_warn("starting another proxy in %lld ms", (long long)worker->delay_ms);
	let_go(worker);
	worker->is_unsent = true;
	loop_timer_set(worker->retry, worker->delay_ms);
	worker->delay_ms =
		worker->delay_ms * 2 > RETRY_LAST_MS ? RETRY_LAST_MS : worker->delay_ms * 2;
}

static void on_exit_status(struct loop_source *source, const siginfo_t *info, void *data)
{
	struct proxy_worker *worker = data;

	log_warn("proxy %d ended (%s %d)", (int)worker->pid,
	         info->si_code == CLD_EXITED ? "code" : "signal", info->si_status);
	start_another(worker);
}

/* Ours takes connections, so the other need not any more. */
static void drain_other(struct proxy_worker *worker)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	if (worker->other < 0)
		return;
	if (control_send_op(worker->other, "drain", &err) < 0)
		log_warn("drain the proxy of another version: %s", err.text);
	close(take_fd(worker->other));
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
		drain_other(worker);
		return;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (worker->child) {
		loop_fd_set_events(source, 0); /* the exit of the child tells the rest */
		return;
	}
	log_warn("proxy %d ended", (int)worker->pid);
	start_another(worker);
}

static int spawn(struct proxy_worker *worker, int remote, int meeting, struct error *err)
{
	static const char *const argv[] = {"locald", "proxy", NULL};
	static const char *const env[] = {"LC_ALL=C", NULL};
	const struct child_fd fds[] = {{STDERR_FILENO, 2}, {remote, 3}, {meeting, 4}};
	const struct child_spec spec = {
		.path = worker->program,
		.argv = argv,
		.env = env,
		.cwd = "/",
		.fds = fds,
		.nfds = ARRAY_LEN(fds),
		.new_session = true,
	};

	worker->pid = child_spawn(&spec, err);
	if (worker->pid < 0) {
		worker->pid = 0;
		return -1;
	}
	fault_point("proxy.spawned");
	return loop_add_child(worker->loop, worker->pid, on_exit_status, worker, &worker->child,
	                      err);
}

/* --- the process --- */

static int start(struct proxy_worker *worker, struct error *err)
{
	const int ports[] = {worker->listening.port, worker->listening.port};
	const int fds[] = {worker->listening.ipv4, worker->listening.ipv6};
	cleanup_close int meeting = listen_unix_packets(worker->meeting, err);
	cleanup_close int remote = -1;
	int pair[2];

	if (meeting < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return error_errno(err, errno, "socketpair");
	worker->sock = pair[0];
	remote = pair[1];
	if (loop_add_fd(worker->loop, worker->sock, LOOP_READ, on_packet, worker, &worker->readable,
	                err) < 0 ||
	    spawn(worker, remote, meeting, err) < 0) {
		let_go(worker);
		return -1;
	}
	/* Routes first: connections wait in the backlog, and none is told that nobody is here. */
	send_routes(worker);
	if (control_send_listen(worker->sock, ports, fds, worker->listening.ipv6 < 0 ? 1 : 2, err) <
	    0) {
		let_go(worker);
		return -1;
	}
	proxy_before_remember(worker->memory, worker->listening.port, worker->pid);
	return 0;
}

/* The one of the daemon before us goes on under us. */
static int adopt(struct proxy_worker *worker, struct proxy_before *before, struct error *err)
{
	worker->sock = take_fd(before->sock);
	worker->pid = before->pid;
	worker->is_started = true;
	log_info("proxy %d goes on", (int)worker->pid);
	return loop_add_fd(worker->loop, worker->sock, LOOP_READ, on_packet, worker,
	                   &worker->readable, err);
}

static int begin(struct proxy_worker *worker, struct error *err)
{
	static const int ports[] = {80, 8080, 0};
	cleanup(error_release) struct error taken = ERROR_INIT;
	struct proxy_before before;

	proxy_before_find(worker->meeting, worker->memory, &before);
	if (before.sock >= 0) {
		worker->listening = before.listening;
		if (before.is_ours)
			return adopt(worker, &before, err);
		worker->other = take_fd(before.sock);
		return 0;
	}
	if (before.port && listen_loopback(&before.port, 1, &worker->listening, &taken) == 0)
		return 0;
	return listen_loopback(ports, ARRAY_LEN(ports), &worker->listening, err);
}

struct proxy_worker *proxy_worker_new(struct loop *loop, const char *program,
                                      const struct paths *paths, struct error *err)
{
	struct proxy_worker *worker = xcalloc(1, sizeof(*worker));

	worker->loop = loop;
	worker->program = xstrdup(program);
	worker->memory = paths_proxy_memory(paths);
	worker->meeting = paths_proxy_sock(paths);
	worker->sock = worker->other = worker->listening.ipv4 = worker->listening.ipv6 = -1;
	worker->delay_ms = RETRY_FIRST_MS;
	worker->retry = loop_add_timer(loop, -1, on_retry, worker);
	if (begin(worker, err) == 0)
		return worker;
	proxy_worker_free(worker, false);
	return NULL;
}

static void end_proxy(struct proxy_worker *worker)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	if (worker->sock >= 0 && control_send_op(worker->sock, "end", &err) < 0)
		log_warn("end the proxy: %s", err.text);
	unlink(worker->memory);
	unlink(worker->meeting);
}

void proxy_worker_free(struct proxy_worker *worker, bool goes_on)
{
	if (!worker)
		return;
	drain_other(worker);
	if (!goes_on)
		end_proxy(worker);
	let_go(worker);
	loop_source_free(worker->retry);
	listen_loopback_close(&worker->listening);
	free(worker->memory);
	free(worker->meeting);
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
	if (worker->is_started) {
		send_routes(worker);
		return;
	}
	worker->is_started = true;
	on_retry(worker->retry, worker);
}

#include "proxy/proxy_main.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/acceptor.h"
#include "net/listen.h"
#include "proxy/confine.h"
#include "proxy/control.h"
#include "proxy/proxy.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define CONTROL_FD 3
#define MEETING_FD 4 /* where the next daemon connects; without it we end with this one */

#define LONELY_MS 3600000
#define DRAIN_MS  250

struct worker {
	struct loop *loop;
	struct proxy *proxy;
	int control_fd; /* -1 while there is no daemon */
	uid_t owner;
	struct loop_source *control, *terminate;
	struct acceptor *meeting;
	struct loop_source *lonely; /* armed while there is no daemon, or we drain */
	bool is_ready, is_draining;
	char *packet;
};

static int send_json(const struct worker *worker, const json_t *message, struct error *err)
{
	cleanup_free char *text = json_text(message);

	return fd_send_message(worker->control_fd, text, strlen(text), NULL, 0, err);
}

static int handle_listen(struct worker *worker, int *fds, size_t count, struct error *err)
{
	for (size_t i = 0; i < count; i++)
		if (proxy_listen(worker->proxy, take_fd(fds[i]), err) < 0)
			return error_wrap(err, "listen");
	if (worker->is_ready)
		return 0;
	worker->is_ready = true;
	return control_send_op(worker->control_fd, "ready", err);
}

static int handle_routes(struct worker *worker, const json_t *message, int *fds, size_t count,
                         struct error *err)
{
	cleanup_json json_t *table = NULL;

	if (!json_get_bool(message, "memfd", false))
		return proxy_set_routes(worker->proxy, message, err);
	if (count != 1)
		return error_set(err, EBADMSG, "routes without their memfd");
	table = control_read_table(fds[0], err);
	return table ? proxy_set_routes(worker->proxy, table, err) : -1;
}

static int handle_count(struct worker *worker, struct error *err)
{
	struct proxy_counts counts;
	cleanup_json json_t *answer = json_object();

	proxy_count(worker->proxy, &counts);
	json_set_str(answer, "op", "counts");
	json_set_int(answer, "requests", (int64_t)counts.requests);
	json_set_int(answer, "clients", (int64_t)counts.clients);
	json_set_int(answer, "waiting", (int64_t)counts.waiting);
	json_set_int(answer, "tunnels", (int64_t)counts.tunnels);
	json_set_int(answer, "idle_upstreams", (int64_t)counts.idle_upstreams);
	return send_json(worker, answer, err);
}

/* --- daemons come and go --- */

static void on_control(struct loop_source *source, int fd, uint32_t events, void *data);

static void forget_daemon(struct worker *worker)
{
	loop_source_free(take_ptr(worker->control));
	close_fd(&worker->control_fd);
	worker->control_fd = -1;
}

/* Without a daemon and without anybody to serve there is no reason to be. */
static void on_lonely(struct loop_source *source, void *data)
{
	struct worker *worker = data;
	struct proxy_counts counts;

	proxy_count(worker->proxy, &counts);
	if (counts.clients + counts.tunnels == 0)
		loop_stop(worker->loop, 0);
	else
		loop_timer_set(worker->lonely, worker->is_draining ? DRAIN_MS : LONELY_MS);
}

static void daemon_lost(struct worker *worker)
{
	forget_daemon(worker);
	if (!worker->meeting && !worker->is_draining)
		loop_stop(worker->loop, 0);
	else if (!worker->is_draining)
		loop_timer_set(worker->lonely, LONELY_MS);
}

static void drain(struct worker *worker)
{
	worker->is_draining = true;
	acceptor_free(take_ptr(worker->meeting));
	proxy_drain(worker->proxy);
	loop_timer_set(worker->lonely, 0);
}

static int greet(struct worker *worker, int fd, struct error *err)
{
	int fds[FD_PASS_MAX];
	size_t count = proxy_listeners(worker->proxy, fds, ARRAY_LEN(fds));

	if (control_send_hello(fd, fds, count, err) < 0)
		return error_wrap(err, "greet the daemon");
	return loop_add_fd(worker->loop, fd, LOOP_READ, on_control, worker, &worker->control, err);
}

/* A daemon that takes over: the one before has gone, or its end has not reached us yet. */
static void on_meeting(int accepted, void *data)
{
	struct worker *worker = data;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_close int fd = accepted;
	uid_t uid;
	pid_t pid;

	if (!listen_unix_peer(fd, &uid, &pid) || uid != worker->owner) {
		log_warn("somebody else wanted to take over");
		return;
	}
	forget_daemon(worker);
	if (greet(worker, fd, &err) < 0) {
		log_warn("%s", err.text);
		daemon_lost(worker);
		return;
	}
	worker->control_fd = take_fd(fd);
	loop_timer_set(worker->lonely, -1);
}

static int handle(struct worker *worker, size_t len, int *fds, size_t count, struct error *err)
{
	cleanup_json json_t *message = json_parse(worker->packet, len, err);
	const char *op = message ? json_get_str(message, "op", "") : NULL;

	if (!op)
		return -1;
	if (str_eq(op, "listen"))
		return handle_listen(worker, fds, count, err);
	if (str_eq(op, "routes"))
		return handle_routes(worker, message, fds, count, err);
	if (str_eq(op, "count"))
		return handle_count(worker, err);
	if (str_eq(op, "drain"))
		drain(worker);
	else if (str_eq(op, "end"))
		loop_stop(worker->loop, 0);
	else
		return error_set(err, EBADMSG, "unknown message \"%s\"", op);
	return 0;
}

/*
 * A message that makes no sense is the daemon's fault: say so, and serve on.  False when there is
 * nothing more for now, or ever.
 */
static bool take_message(struct worker *worker, int fd)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	int fds[FD_PASS_MAX];
	size_t count = 0;
	ssize_t len = fd_receive_message(fd, worker->packet, CONTROL_MAX_PACKET, fds, &count, &err);

	if (len == 0 || (len < 0 && (err.code == ECONNRESET || err.code == EPIPE))) {
		daemon_lost(worker);
		return false;
	}
	if (len < 0 && (err.code == EAGAIN || err.code == EWOULDBLOCK))
		return false;
	if (len < 0 || handle(worker, (size_t)len, fds, count, &err) < 0)
		log_warn("message from the daemon: %s", err.text);
	for (size_t i = 0; i < count; i++)
		close_fd(&fds[i]);
	return len > 0;
}

/* All of them before anybody is served: who comes after a change is not to meet an older one. */
static void on_control(struct loop_source *source, int fd, uint32_t events, void *data)
{
	struct worker *worker = data;

	while (take_message(worker, fd))
		continue;
}

static void on_terminate(struct loop_source *source, int signo, void *data)
{
	struct worker *worker = data;

	loop_stop(worker->loop, 0);
}

/* Each client may need a second descriptor for its service. */
static size_t max_clients(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < 64)
		return 16;
	return limit.rlim_cur > 65536 ? 32768 : (size_t)(limit.rlim_cur - 32) / 2;
}

static bool is_meeting_socket(int fd)
{
	int is_listening = 0;
	socklen_t len = sizeof(is_listening);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &len) == 0 && is_listening;
}

static int check_control_socket(struct error *err)
{
	int type;
	socklen_t len = sizeof(type);

	if (getsockopt(CONTROL_FD, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_SEQPACKET)
		return error_set(err, ERR_USAGE,
		                 "descriptor %d is not the daemon's socket; the daemon starts this "
		                 "program by itself",
		                 CONTROL_FD);
	return fd_set_nonblock(CONTROL_FD, true, err);
}

static int run(struct worker *worker, struct error *err)
{
	bool can_meet = is_meeting_socket(MEETING_FD);

	worker->owner = geteuid();
	if (check_control_socket(err) < 0 ||
	    confine_self(can_meet ? MEETING_FD : CONTROL_FD, err) < 0)
		return -1;
	worker->control_fd = CONTROL_FD;
	worker->loop = loop_new(err);
	if (!worker->loop)
		return -1;
	if (can_meet) {
		worker->meeting = acceptor_new(worker->loop, MEETING_FD, on_meeting, worker, err);
		if (!worker->meeting)
			return -1;
	}
	worker->lonely = loop_add_timer(worker->loop, -1, on_lonely, worker);
	worker->packet = xmalloc(CONTROL_MAX_PACKET);
	worker->proxy = proxy_new(worker->loop, max_clients());
	if (loop_add_signal(worker->loop, SIGTERM, on_terminate, worker, &worker->terminate, err) <
	            0 ||
	    loop_add_fd(worker->loop, CONTROL_FD, LOOP_READ, on_control, worker, &worker->control,
	                err) < 0)
		return -1;
	return loop_run(worker->loop, err);
}

static void worker_release(struct worker *worker)
{
	proxy_free(worker->proxy);
	forget_daemon(worker);
	acceptor_free(worker->meeting);
	loop_source_free(worker->lonely);
	loop_source_free(worker->terminate);
	loop_free(worker->loop);
	free(worker->packet);
}

int proxy_main(int argc, char **argv)
{
	cleanup(worker_release) struct worker worker = {.control_fd = -1};
	cleanup(error_release) struct error err = ERROR_INIT;
	int rc;

	log_init("locald-proxy", LOG_INFO);
	rc = run(&worker, &err);
	if (rc < 0)
		log_err("%s", err.text);
	return rc < 0 ? error_exit_code(err.code) : rc;
}

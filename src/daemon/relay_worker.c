#include "daemon/relay_worker.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/child.h"
#include "loop/loop.h"
#include "net/listen.h"
#include "proxy/relay_main.h"

#include <errno.h>
#include <sys/socket.h>

#define RETRY_FIRST_MS 50
#define RETRY_LAST_MS  10000

struct relay_worker {
	struct loop *loop;
	struct relay_worker_events events;
	char *program, *socket, *root;
	int sock; /* to the relay; -1 while there is none */
	struct loop_source *readable, *retry;
	struct loop_source *child; /* NULL when a daemon before us started it */
	pid_t pid;
	bool is_needed;
	int64_t delay_ms;
	char *packet;
};

static void let_go(struct relay_worker *worker)
{
	loop_source_free(take_ptr(worker->readable));
	close_fd(&worker->sock);
	worker->sock = -1;
	worker->pid = 0;
}

static int send_op(struct relay_worker *worker, json_t *message, struct error *err)
{
	cleanup_json json_t *owned = message;
	cleanup_free char *text = json_text(message);

	return fd_send_message(worker->sock, text, strlen(text), NULL, 0, err);
}

/* --- it is gone --- */

static void lost(struct relay_worker *worker)
{
	let_go(worker);
	if (!worker->is_needed)
		return;
	log_warn("the relay ended; starting another in %lld ms", (long long)worker->delay_ms);
	loop_timer_set(worker->retry, worker->delay_ms);
	worker->delay_ms *= 2;
	if (worker->delay_ms > RETRY_LAST_MS)
		worker->delay_ms = RETRY_LAST_MS;
}

static void on_exit_status(struct loop_source *source, const siginfo_t *info, void *data)
{
	struct relay_worker *worker = data;

	/* That it is gone is told by the connection. */
	loop_source_free(take_ptr(worker->child));
}

/* --- what it says --- */

static void take_hello(struct relay_worker *worker, const json_t *hello)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	worker->delay_ms = RETRY_FIRST_MS;
	worker->pid = (pid_t)json_get_int(hello, "pid", 0);
	if (json_get_int(hello, "protocol", 0) == RELAY_PROTOCOL) {
		worker->is_needed |= json_array_size(json_object_get(hello, "containers")) > 0;
		return;
	}
	log_warn("the relay is of another version: replaced");
	worker->is_needed = true;
	if (send_op(worker, json_pack("{s:s}", "op", "quit"), &err) < 0)
		log_warn("relay: %s", err.text);
}

static void on_packet(struct loop_source *source, int fd, uint32_t events, void *data)
{
	struct relay_worker *worker = data;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_json json_t *json = NULL;
	ssize_t len = recv(fd, worker->packet, RELAY_PACKET_MAX, MSG_DONTWAIT);

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len <= 0) {
		lost(worker);
		return;
	}
	json = json_parse(worker->packet, (size_t)len, &err);
	if (!json)
		log_warn("relay: %s", err.text);
	else if (str_eq(json_get_str(json, "op", ""), "hello"))
		take_hello(worker, json);
	else if (str_eq(json_get_str(json, "op", ""), "error"))
		log_warn("relay: %s: %s", json_get_str(json, "id", "?"),
		         json_get_str(json, "text", "?"));
}

/* --- it is there --- */

static int connect_to(struct relay_worker *worker, struct error *err)
{
	cleanup_close int sock = listen_unix_packets_connect(worker->socket, err);

	if (sock < 0 || fd_set_nonblock(sock, true, err) < 0 ||
	    loop_add_fd(worker->loop, sock, LOOP_READ, on_packet, worker, &worker->readable, err) <
	            0)
		return -1;
	worker->sock = take_fd(sock);
	if (send_op(worker, json_pack("{s:s}", "op", "daemon"), err) == 0)
		return 0;
	let_go(worker);
	return -1;
}

static int spawn(struct relay_worker *worker, struct error *err)
{
	cleanup_free char *shim = paths_libexec("locald-shim", err);
	cleanup_close int listening = shim ? listen_unix_packets(worker->socket, err) : -1;
	const char *const argv[] = {"locald", "relay", worker->socket, shim, worker->root, NULL};
	static const char *const env[] = {"LC_ALL=C", NULL};
	const struct child_fd fds[] = {{STDERR_FILENO, 2}, {listening, 3}};
	const struct child_spec spec = {.path = worker->program,
	                                .argv = argv,
	                                .env = env,
	                                .cwd = "/",
	                                .fds = fds,
	                                .nfds = ARRAY_LEN(fds),
	                                .new_session = true};
	pid_t pid;

	if (listening < 0)
		return -1;
	loop_source_free(take_ptr(worker->child));
	pid = child_spawn(&spec, err);
	return pid < 0 ? -1
	               : loop_add_child(worker->loop, pid, on_exit_status, worker, &worker->child,
	                                err);
}

static int start(struct relay_worker *worker, struct error *err)
{
	if (spawn(worker, err) < 0 || connect_to(worker, err) < 0)
		return error_wrap(err, "start the relay for containers");
	return 0;
}

static void on_retry(struct loop_source *source, void *data)
{
	struct relay_worker *worker = data;
	cleanup(error_release) struct error err = ERROR_INIT;

	if (worker->sock >= 0)
		return;
	if (start(worker, &err) == 0) {
		worker->events.on_new(worker->events.data);
		return;
	}
	log_err("%s", err.text);
	loop_timer_set(worker->retry, RETRY_LAST_MS);
}

int relay_worker_need(struct relay_worker *worker, struct error *err)
{
	worker->is_needed = true;
	if (worker->sock >= 0)
		return 0;
	loop_timer_set(worker->retry, -1);
	if (start(worker, err) < 0)
		return -1;
	worker->events.on_new(worker->events.data);
	return 0;
}

void relay_worker_open(struct relay_worker *worker, const char *id, int inside_port)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	if (worker->sock >= 0 &&
	    send_op(worker,
	            json_pack("{s:s,s:s,s:i}", "op", "open", "id", id, "inside", inside_port),
	            &err) < 0)
		log_warn("relay: %s: %s", id, err.text);
}

pid_t relay_worker_pid(const struct relay_worker *worker)
{
	return worker->pid;
}

bool relay_worker_is_there(const struct relay_worker *worker)
{
	return worker->sock >= 0;
}

const char *relay_worker_socket(const struct relay_worker *worker)
{
	return worker->socket;
}

struct relay_worker *relay_worker_new(struct loop *loop, const char *program,
                                      const struct paths *paths,
                                      const struct relay_worker_events *events)
{
	struct relay_worker *worker = xcalloc(1, sizeof(*worker));
	cleanup(error_release) struct error none = ERROR_INIT;

	worker->loop = loop;
	worker->events = *events;
	worker->program = xstrdup(program);
	worker->socket = paths_relay_sock(paths);
	worker->root = paths_runtime_root(paths);
	worker->packet = xmalloc(RELAY_PACKET_MAX);
	worker->sock = -1;
	worker->delay_ms = RETRY_FIRST_MS;
	worker->retry = loop_add_timer(loop, -1, on_retry, worker);
	/* What a killed one left behind is no relay. */
	if (connect_to(worker, &none) < 0 && none.code == ECONNREFUSED)
		unlink(worker->socket);
	return worker;
}

void relay_worker_free(struct relay_worker *worker)
{
	if (!worker)
		return;
	let_go(worker);
	loop_source_free(worker->retry);
	loop_source_free(worker->child);
	free(worker->program);
	free(worker->socket);
	free(worker->root);
	free(worker->packet);
	free(worker);
}

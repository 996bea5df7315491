#include "proxy/relay_main.h"

#include "base/array.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "base/version.h"
#include "loop/loop.h"
#include "net/acceptor.h"
#include "net/listen.h"
#include "proxy/relay.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define SOCKET_FD 3
#define PORTS_MAX 64
/* How long it waits for its first daemon. */
#define LONELY_MS 10000

struct worker;

/* Somebody at the control socket: the daemon, or a shim. */
struct guest {
	struct worker *worker;
	int fd;
	struct loop_source *source;
	bool is_daemon;
	struct error failure; /* the first of a shim's packets */
};

struct worker {
	struct loop *loop;
	struct relay *relay;
	struct acceptor *acceptor;
	struct loop_source *terminate, *check;
	const char *socket;
	ARRAY(struct guest *) guests;
	char *packet;
	bool is_replaced; /* the socket's path is another's by now */
};

static void guest_free(struct guest *guest)
{
	struct worker *worker = guest->worker;

	array_drop(&worker->guests, guest);
	loop_source_free(guest->source);
	close_fd(&guest->fd);
	error_release(&guest->failure);
	free(guest);
	loop_timer_set(worker->check, 0);
}

static bool has_daemon(const struct worker *worker)
{
	array_foreach(guest, &worker->guests)
		if ((*guest)->is_daemon)
			return true;
	return false;
}

/* Without a container there is nothing to carry, and no daemon will bring one. */
static void on_check(struct loop_source *source, void *data)
{
	struct worker *worker = data;

	if (!has_daemon(worker) && relay_containers(worker->relay) == 0)
		loop_stop(worker->loop, 0);
}

static void on_change(void *data)
{
	struct worker *worker = data;

	if (!has_daemon(worker) && relay_containers(worker->relay) == 0)
		loop_timer_set(worker->check, 0);
}

/* --- packets --- */

static int answer(const struct guest *guest, json_t *message, struct error *err)
{
	cleanup_json json_t *owned = message;
	cleanup_free char *text = json_text(message);

	return fd_send_message(guest->fd, text, strlen(text), NULL, 0, err);
}

static int answer_error(const struct guest *guest, const char *id, const struct error *failure,
                        struct error *err)
{
	json_t *message = json_object();

	json_set_str(message, "op", "error");
	json_set_str(message, "id", id);
	json_set_str(message, "text", failure->text);
	return answer(guest, message, err);
}

static int port_at(const json_t *list, size_t i)
{
	json_int_t value = json_integer_value(json_array_get(list, i));

	return value > 0 && value < 65536 ? (int)value : -1;
}

struct packet {
	struct guest *guest;
	const json_t *json;
	const char *id;
	int *fds;
	size_t count;
};

static int handle_container(const struct packet *packet, struct error *err)
{
	struct relay_publication ports[PORTS_MAX];
	const json_t *list = json_object_get(packet->json, "publish");
	size_t count = json_array_size(list);

	if (packet->count != 1 || count > PORTS_MAX)
		return error_set(err, EBADMSG, "a container with %zu descriptors and %zu ports",
		                 packet->count, count);
	for (size_t i = 0; i < count; i++) {
		const json_t *pair = json_array_get(list, i);

		ports[i] = (struct relay_publication){port_at(pair, 0), port_at(pair, 1)};
		if (ports[i].host_port < 0 || ports[i].inside_port < 0)
			return error_set(err, EBADMSG, "\"publish\" holds no ports");
	}
	return relay_add(packet->guest->worker->relay, packet->id, take_fd(packet->fds[0]), ports,
	                 count, json_get_bool(packet->json, "open", false), err);
}

static int handle_listeners(const struct packet *packet, struct error *err)
{
	const json_t *list = json_object_get(packet->json, "ports");
	int ports[FD_PASS_MAX];

	if (json_array_size(list) != packet->count)
		return error_set(err, EBADMSG, "as many ports as listeners are needed");
	for (size_t i = 0; i < packet->count; i++) {
		ports[i] = port_at(list, i);
		if (ports[i] < 0)
			return error_set(err, EBADMSG, "\"ports\" holds no ports");
	}
	return relay_add_listeners(packet->guest->worker->relay, packet->id, ports, packet->fds,
	                           packet->count, err);
}

static int handle_sockets(const struct packet *packet, struct error *err)
{
	return relay_add_sockets(packet->guest->worker->relay, packet->id, packet->fds,
	                         packet->count, err);
}

static int handle_end(const struct packet *packet, struct error *err)
{
	struct guest *guest = packet->guest;

	if (!guest->failure.code)
		return answer(guest, json_pack("{s:s}", "op", "ok"), err);
	return answer_error(guest, packet->id, &guest->failure, err);
}

static void add_id(struct relay *relay, const char *id, void *data)
{
	json_array_append_new(data, json_string(id));
}

static int handle_daemon(const struct packet *packet, struct error *err)
{
	struct guest *guest = packet->guest;
	json_t *hello = json_object(), *ids = json_array();

	guest->is_daemon = true;
	relay_each(guest->worker->relay, add_id, ids);
	json_set_str(hello, "op", "hello");
	json_set_int(hello, "protocol", RELAY_PROTOCOL);
	json_set_str(hello, "version", locald_version);
	json_set_int(hello, "pid", getpid());
	json_object_set_new(hello, "containers", ids);
	return answer(guest, hello, err);
}

static int handle_open(const struct packet *packet, struct error *err)
{
	cleanup(error_release) struct error failure = ERROR_INIT;
	int64_t inside = json_get_int(packet->json, "inside", 0);

	if (inside < 0 || inside > 65535)
		return error_set(err, EBADMSG, "\"inside\" is no port");
	if (relay_open(packet->guest->worker->relay, packet->id, (int)inside, &failure) == 0)
		return 0;
	log_warn("relay: %s: %s", packet->id, failure.text);
	return answer_error(packet->guest, packet->id, &failure, err);
}

static int handle_quit(const struct packet *packet, struct error *err)
{
	packet->guest->worker->is_replaced = true;
	loop_stop(packet->guest->worker->loop, 0);
	return 0;
}

static const struct {
	const char *op;
	int (*handle)(const struct packet *packet, struct error *err);
} operations[] = {
	{"container", handle_container}, {"listeners", handle_listeners},
	{"sockets", handle_sockets},     {"end", handle_end},
	{"daemon", handle_daemon},       {"open", handle_open},
	{"quit", handle_quit},
};

static int handle(struct guest *guest, size_t len, int *fds, size_t count, struct error *err)
{
	cleanup_json json_t *json = json_parse(guest->worker->packet, len, err);
	const struct packet packet = {guest, json, json_get_str(json, "id", ""), fds, count};
	const char *op = json_get_str(json, "op", "");

	if (!json)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(operations); i++)
		if (str_eq(operations[i].op, op))
			return operations[i].handle(&packet, err);
	return error_set(err, EBADMSG, "unknown message \"%s\"", op);
}

static void on_packet(struct loop_source *source, int fd, uint32_t events, void *data)
{
	struct guest *guest = data;
	cleanup(error_release) struct error err = ERROR_INIT;
	int fds[FD_PASS_MAX];
	size_t count = 0;
	ssize_t len =
		fd_receive_message(fd, guest->worker->packet, RELAY_PACKET_MAX, fds, &count, &err);

	if (len < 0 && (err.code == EAGAIN || err.code == EINTR))
		return;
	if (len <= 0) {
		guest_free(guest);
		return;
	}
	if (handle(guest, (size_t)len, fds, count, &err) < 0) {
		log_warn("relay: %s", err.text);
		if (!guest->failure.code)
			error_move(&guest->failure, &err);
	}
	for (size_t i = 0; i < count; i++)
		close_fd(&fds[i]);
}

/* --- life --- */

static void welcome(int accepted, void *data)
{
	struct worker *worker = data;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct guest *guest = xcalloc(1, sizeof(*guest));

	guest->worker = worker;
	guest->fd = accepted;
	*array_add(&worker->guests) = guest;
	if (fd_set_nonblock(accepted, true, &err) == 0 &&
	    loop_add_fd(worker->loop, accepted, LOOP_READ, on_packet, guest, &guest->source,
	                &err) == 0)
		return;
	log_warn("relay: %s", err.text);
	guest_free(guest);
}

static void on_guest(int accepted, void *data)
{
	uid_t uid;
	pid_t pid;

	if (listen_unix_peer(accepted, &uid, &pid) && uid == geteuid()) {
		welcome(accepted, data);
		return;
	}
	log_warn("relay: somebody else wanted to come in");
	close(accepted);
}

static void on_terminate(struct loop_source *source, int signo, void *data)
{
	struct worker *worker = data;

	loop_stop(worker->loop, 0);
}

static void limit_self(void)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct rlimit none = {0}, files;

	sigaction(SIGPIPE, &ignore, NULL);
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* Every connection takes two. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static int run(struct worker *worker, char **argv, struct error *err)
{
	const struct relay_config config = {.shim = argv[2],
	                                    .root = argv[3],
	                                    .on_helper = welcome,
	                                    .on_change = on_change,
	                                    .data = worker};

	fd_close_from(SOCKET_FD + 1);
	limit_self();
	worker->socket = argv[1];
	worker->packet = xmalloc(RELAY_PACKET_MAX);
	worker->loop = loop_new(err);
	if (!worker->loop)
		return -1;
	worker->relay = relay_new(worker->loop, &config);
	worker->check = loop_add_timer(worker->loop, LONELY_MS, on_check, worker);
	worker->acceptor = acceptor_new(worker->loop, SOCKET_FD, on_guest, worker, err);
	if (!worker->acceptor || loop_add_signal(worker->loop, SIGTERM, on_terminate, worker,
	                                         &worker->terminate, err) < 0)
		return -1;
	return loop_run(worker->loop, err);
}

static void worker_release(struct worker *worker)
{
	if (worker->acceptor && !worker->is_replaced)
		unlink(worker->socket);
	relay_free(worker->relay);
	while (worker->guests.len > 0)
		guest_free(worker->guests.items[0]);
	array_release(&worker->guests);
	acceptor_free(worker->acceptor);
	loop_source_free(worker->terminate);
	loop_source_free(worker->check);
	loop_free(worker->loop);
	free(worker->packet);
}

int relay_main(int argc, char **argv)
{
	cleanup(worker_release) struct worker worker = {0};
	cleanup(error_release) struct error err = ERROR_INIT;
	int rc;

	log_init("locald-relay", LOG_INFO);
	rc = argc == 4 ? run(&worker, argv, &err)
	               : error_set(&err, ERR_USAGE, "the daemon starts this program by itself");
	if (rc < 0)
		log_err("%s", err.text);
	return rc < 0 ? error_exit_code(err.code) : rc;
}

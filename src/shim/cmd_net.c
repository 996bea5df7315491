#include "shim/command.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/json.h"
#include "shim/inside.h"
#include "shim/outbound.h"
#include "shim/state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#define SOCKETS_MAX 256
#define ANSWER_MAX  4096
#define ANSWER_S    20

/* One listening socket inside, for a service that is at `host_port` outside. */
struct peer {
	struct sockaddr_in at;
	int host_port;
};

struct net_options {
	const char *socket, *pasta, *slirp4netns;
	int64_t fd, sockets;
	struct strv publish, peers;
	bool is_open, is_end;
};

struct publication {
	int host_port, inside_port;
};

struct net {
	struct net_options options;
	const char *id;
	ARRAY(struct publication) published;
	ARRAY(struct peer) peers;
	ARRAY(int) made; /* the peers' listeners, then the plain sockets */
	int relay;
};

static void net_release(struct net *net)
{
	strv_release(&net->options.publish);
	strv_release(&net->options.peers);
	array_release(&net->published);
	array_release(&net->peers);
	array_foreach(fd, &net->made)
		close(*fd);
	array_release(&net->made);
	close_fd(&net->relay);
}

static int parse_port(const char *text, int *ret, struct error *err)
{
	int64_t value;

	if (str_to_int(text, 1, 65535, &value, err) < 0)
		return -1;
	*ret = (int)value;
	return 0;
}

static int parse_publication(const char *text, struct publication *ret, struct error *err)
{
	cleanup_free char *host = xstrdup(text);
	char *colon = strchr(host, ':');

	if (!colon)
		return error_set(err, ERR_USAGE, "--publish must be PORT:PORT, not `%s`", text);
	*colon = '\0';
	if (parse_port(host, &ret->host_port, err) < 0 ||
	    parse_port(colon + 1, &ret->inside_port, err) < 0)
		return error_wrap(err, "--publish %s", text);
	return 0;
}

static int parse_peer(const char *text, struct peer *ret, struct error *err)
{
	cleanup_free char *address = xstrdup(text);
	char *equals = strchr(address, '='), *colon = strchr(address, ':');
	int port;

	if (!equals || !colon || colon > equals)
		return error_set(err, ERR_USAGE, "--peer must be ADDRESS:PORT=PORT, not `%s`",
		                 text);
	*colon = *equals = '\0';
	*ret = (struct peer){.at.sin_family = AF_INET};
	if (inet_pton(AF_INET, address, &ret->at.sin_addr) != 1 ||
	    ntohl(ret->at.sin_addr.s_addr) >> 24 != IN_LOOPBACKNET)
		return error_set(err, ERR_USAGE, "--peer %s: `%s` is no address of the loopback",
		                 text, address);
	if (parse_port(colon + 1, &port, err) < 0 ||
	    parse_port(equals + 1, &ret->host_port, err) < 0)
		return error_wrap(err, "--peer %s", text);
	ret->at.sin_port = htons((uint16_t)port);
	return 0;
}

static int parse(struct net *net, const struct command *self, int argc, char **argv,
                 struct error *err)
{
	struct net_options *options = &net->options;
	const struct option_row rows[] = {
		{"socket", 0, OPTION_TEXT, &options->socket, "unix socket of the relay"},
		{"fd", 0, OPTION_NUMBER, &options->fd, "a socket to the relay that is open"},
		{"sockets", 0, OPTION_NUMBER, &options->sockets, "how many sockets to make (0)"},
		{"publish", 0, OPTION_LIST, &options->publish,
	         "HOST-PORT:PORT, to be reached from outside"},
		{"peer", 0, OPTION_LIST, &options->peers,
	         "ADDRESS:PORT=HOST-PORT, to be reached from inside"},
		{"pasta", 0, OPTION_TEXT, &options->pasta, "start this program as the way out"},
		{"slirp4netns", 0, OPTION_TEXT, &options->slirp4netns,
	         "start this program as the way out"},
		{"end", 0, OPTION_FLAG, &options->is_end, "only end the program of the way out"},
		{"open", 0, OPTION_FLAG, &options->is_open, "take connections at once"},
	};
	int n = options_parse(self, rows, ARRAY_LEN(rows), argc, argv, err);

	if (n < 0)
		return n;
	net->id = argv[0];
	if (options->is_end)
		return 0;
	if (!options->socket == (options->fd < 0))
		return error_set(err, ERR_USAGE, "net needs either --socket or --fd");
	if (options->sockets > SOCKETS_MAX)
		return error_set(err, ERR_USAGE, "--sockets: at most %d", SOCKETS_MAX);
	for (size_t i = 0; i < options->publish.len; i++)
		if (parse_publication(options->publish.items[i], array_add(&net->published), err) <
		    0)
			return -1;
	for (size_t i = 0; i < options->peers.len; i++)
		if (parse_peer(options->peers.items[i], array_add(&net->peers), err) < 0)
			return -1;
	return 0;
}

/* From its folder, so that a path may be longer than an address. */
static int connect_to(const char *path, struct error *err)
{
	cleanup_close int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	cleanup_free char *dir = path_dir(path);
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	if (sock < 0)
		return error_errno(err, errno, "socket");
	if (!str_copy(addr.sun_path, sizeof(addr.sun_path), path_base(path)))
		return error_errno(err, ENAMETOOLONG, "--socket %s", path);
	if (chdir(dir) < 0 || connect(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		error_errno(err, errno, "--socket %s", path);
		return error_hint(err, "the relay of locald's daemon listens there; see its log");
	}
	return take_fd(sock);
}

static int find_relay(struct net *net, struct error *err)
{
	const struct timeval patience = {.tv_sec = ANSWER_S};

	net->relay =
		net->options.socket ? connect_to(net->options.socket, err) : (int)net->options.fd;
	if (net->relay < 0)
		return -1;
	/* A relay that hangs must not hang the container's start for ever. */
	if (setsockopt(net->relay, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(net->relay, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
		return error_errno(err, errno, "--fd %d", net->relay);
	return 0;
}

/* --- inside --- */

static int make_listener(const struct peer *peer, struct error *err)
{
	cleanup_close int sock = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	char address[INET_ADDRSTRLEN] = "";

	if (sock >= 0 && inside_prepare_socket(sock) == 0 &&
	    bind(sock, (const struct sockaddr *)&peer->at, sizeof(peer->at)) == 0 &&
	    listen(sock, SOMAXCONN) == 0)
		return take_fd(sock);
	inet_ntop(AF_INET, &peer->at.sin_addr, address, sizeof(address));
	return error_errno(err, errno, "listen on %s:%d inside the container", address,
	                   ntohs(peer->at.sin_port));
}

static int make_sockets(struct net *net, struct error *err)
{
	array_foreach(peer, &net->peers) {
		int fd = make_listener(peer, err);

		if (fd < 0)
			return -1;
		*array_add(&net->made) = fd;
	}
	for (int64_t i = 0; i < net->options.sockets; i++) {
		int fd = inside_socket(err);

		if (fd < 0)
			return -1;
		*array_add(&net->made) = fd;
	}
	return 0;
}

/* --- what the relay is told: src/proxy/relay_control.h --- */

static int send_packet(const struct net *net, const char *op, json_t *extra, const int *fds,
                       size_t count, struct error *err)
{
	cleanup_json json_t *packet = extra ? extra : json_object();
	cleanup_free char *text = NULL;

	json_set_str(packet, "op", op);
	json_set_str(packet, "id", net->id);
	text = json_text(packet);
	return fd_send_message(net->relay, text, strlen(text), fds, count, err);
}

static int send_container(const struct net *net, int pidfd, struct error *err)
{
	json_t *extra = json_object(), *list = json_array();

	array_foreach(port, &net->published)
		json_array_append_new(list, json_pack("[i,i]", port->host_port, port->inside_port));
	json_object_set_new(extra, "publish", list);
	json_set_bool(extra, "open", net->options.is_open);
	return send_packet(net, "container", extra, &pidfd, 1, err);
}

static int send_made(const struct net *net, struct error *err)
{
	size_t at = 0;

	while (at < net->made.len) {
		size_t end = at < net->peers.len ? net->peers.len : net->made.len;
		size_t count = end - at < FD_PASS_MAX ? end - at : FD_PASS_MAX;
		json_t *extra = json_object(), *ports = json_array();

		for (size_t i = at; i < at + count && i < net->peers.len; i++)
			json_array_append_new(ports, json_integer(net->peers.items[i].host_port));
		json_object_set_new(extra, "ports", ports);
		if (send_packet(net, at < net->peers.len ? "listeners" : "sockets", extra,
		                net->made.items + at, count, err) < 0)
			return -1;
		at += count;
	}
	return 0;
}

static int take_answer(const struct net *net, struct error *err)
{
	cleanup_free char *packet = xmalloc(ANSWER_MAX);
	cleanup_json json_t *answer = NULL;
	int fds[FD_PASS_MAX];
	size_t count = 0;
	ssize_t len = fd_receive_message(net->relay, packet, ANSWER_MAX, fds, &count, err);

	for (size_t i = 0; i < count; i++)
		close(fds[i]);
	if (len <= 0)
		return len < 0 ? error_wrap(err, "the relay")
		               : error_set(err, EPIPE, "the relay has gone");
	answer = json_parse(packet, (size_t)len, err);
	if (!answer)
		return error_wrap(err, "the relay's answer");
	if (str_eq(json_get_str(answer, "op", ""), "ok"))
		return 0;
	return error_set(err, ERR_FAILED, "%s", json_get_str(answer, "text", "the relay refused"));
}

static int hand_out(const struct net *net, int pidfd, struct error *err)
{
	if (net->options.socket && send_container(net, pidfd, err) < 0)
		return -1;
	if (send_made(net, err) < 0 || send_packet(net, "end", NULL, NULL, 0, err) < 0)
		return -1;
	return take_answer(net, err);
}

/* Without a way out the container still has its own network: that is no reason not to start. */
static void find_way_out(const struct shim *shim, const struct net *net, const struct state *state)
{
	const struct net_options *options = &net->options;
	const char *path = options->pasta ? options->pasta : options->slirp4netns;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *text = NULL;

	if (!path || outbound_start(state, options->pasta ? OUTBOUND_PASTA : OUTBOUND_SLIRP4NETNS,
	                            path, &err) == 0)
		return;
	text = xasprintf("nothing outside can be reached from this container: %s", err.text);
	report_warning(shim, text);
}

int cmd_net(const struct shim *shim, const struct command *self, int argc, char **argv,
            struct error *err)
{
	cleanup(net_release) struct net net = {.options.fd = -1, .relay = -1};
	cleanup(state_release) struct state state = {.dir = -1, .root = -1};
	cleanup_close int root = -1, pidfd = -1;
	int parsed = parse(&net, self, argc, argv, err);

	if (parsed < 0)
		return parsed;
	root = state_open_root(shim->root, err);
	if (root < 0 || state_load(&state, root, net.id, err) < 0)
		return -1;
	if (net.options.is_end)
		return outbound_end(&state, err);
	pidfd = state_open_process(&state, err);
	if (pidfd >= 0)
		find_way_out(shim, &net, &state);
	if (pidfd < 0 || find_relay(&net, err) < 0 ||
	    inside_enter_network(state.pid, pidfd, err) < 0 || make_sockets(&net, err) < 0)
		return error_wrap(err, "network of container `%s`", net.id);
	return hand_out(&net, pidfd, err) < 0 ? error_wrap(err, "network of container `%s`", net.id)
	                                      : 0;
}

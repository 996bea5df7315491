#include "proxy/relay.h"

#include "base/array.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "loop/child.h"
#include "loop/loop.h"
#include "net/acceptor.h"
#include "net/listen.h"
#include "proxy/relay_dial.h"
#include "proxy/relay_link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#define REFILL_BELOW 8
#define REFILL_COUNT "128"
#define WAITING_MAX  1024

struct container;

/* A port outside that leads to one inside. */
struct port {
	struct container *container;
	int host_port, inside_port;
	struct listen_loopback bound; /* until it is open */
	struct acceptor *ipv4, *ipv6;
};

/* A listener inside that leads to a port outside. */
struct peer {
	struct container *container;
	int host_port;
	struct acceptor *acceptor;
};

/* Came from outside while there was no socket to go on with. */
struct waiting {
	int fd, inside_port;
};

struct container {
	struct relay *relay;
	uint64_t number; /* never used again */
	char *id;
	int pidfd;
	struct loop_source *ended;
	bool is_helped; /* more sockets are on their way */
	bool is_ipv6;   /* its program was found at ::1 */
	ARRAY(struct port *) ports;
	ARRAY(struct peer *) peers;
	ARRAY(int) sockets;
	ARRAY(struct waiting) waiting;
};

/* A shim that makes sockets inside. */
struct helper {
	struct relay *relay;
	uint64_t container;
	struct loop_source *child;
};

struct relay {
	struct loop *loop;
	struct relay_config config;
	uint64_t last_number;
	bool is_ending;
	ARRAY(struct helper *) helpers;
	ARRAY(struct container *) containers;
	struct relay_links links;
	struct relay_dials dials;
};

/* --- from an accepted connection to a link --- */

struct call {
	struct relay *relay;
	int fd;         /* who called */
	bool is_inside; /* the caller is, not the called */
	uint64_t owner; /* the container whose end is inside */
	int port;
	bool ipv6, is_second; /* what is tried; and it is not the first */
};

static struct container *find_number(struct relay *relay, uint64_t number)
{
	array_foreach(container, &relay->containers)
		if ((*container)->number == number)
			return *container;
	return NULL;
}

/* IPv6 for both families, where there is IPv6. */
static int outside_socket(void)
{
	int sock = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return sock >= 0 ? sock : socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int take_socket(struct container *container)
{
	return container->sockets.len > 0 ? container->sockets.items[--container->sockets.len] : -1;
}

static void on_dialled(int sock, void *data);

static bool try_other_family(struct call *call, struct container *owner)
{
	int sock;

	if (call->is_second)
		return false;
	sock = call->is_inside ? outside_socket() : take_socket(owner);
	if (sock < 0)
		return false;
	call->is_second = true;
	call->ipv6 = !call->ipv6;
	relay_dial_start(&call->relay->dials, sock, call->port, call->ipv6, on_dialled, call);
	return true;
}

static void on_dialled(int sock, void *data)
{
	struct call *call = data;
	struct container *owner = find_number(call->relay, call->owner);

	if (sock < 0 && owner && !call->relay->is_ending && try_other_family(call, owner))
		return;
	if (sock < 0 || !owner) {
		close_fd(&sock);
		relay_reset(call->fd);
	} else if (call->is_inside) {
		relay_link_start(&call->relay->links, sock, call->fd, call->owner);
	} else {
		/* The next one needs no second try. */
		owner->is_ipv6 = call->ipv6;
		relay_link_start(&call->relay->links, call->fd, sock, call->owner);
	}
	free(call);
}

static void dial(struct container *container, int fd, bool is_inside, int sock, int port)
{
	struct call *call = xcalloc(1, sizeof(*call));
	int on = 1;

	/* Small packets go on as they came. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	*call = (struct call){.relay = container->relay,
	                      .fd = fd,
	                      .is_inside = is_inside,
	                      .owner = container->number,
	                      .port = port,
	                      .ipv6 = !is_inside && container->is_ipv6};
	relay_dial_start(&container->relay->dials, sock, port, call->ipv6, on_dialled, call);
}

/* --- sockets that were made inside --- */

static void pause_ports(struct container *container, bool is_paused)
{
	array_foreach(port, &container->ports) {
		if ((*port)->ipv4)
			acceptor_pause((*port)->ipv4, is_paused);
		if ((*port)->ipv6)
			acceptor_pause((*port)->ipv6, is_paused);
	}
}

static void serve_waiting(struct container *container)
{
	while (container->waiting.len > 0 && container->sockets.len > 0) {
		struct waiting *next = &container->waiting.items[0];
		int fd = next->fd, port = next->inside_port;

		array_remove(&container->waiting, next);
		dial(container, fd, false, take_socket(container), port);
	}
	if (container->waiting.len == 0)
		pause_ports(container, false);
}

static void helper_free(struct helper *helper)
{
	array_drop(&helper->relay->helpers, helper);
	loop_source_free(helper->child);
	free(helper);
}

/* Without a socket, who waits learns that the port cannot be reached. */
static void refuse_waiting(struct container *container)
{
	array_foreach(waiting, &container->waiting)
		relay_reset(waiting->fd);
	container->waiting.len = 0;
	pause_ports(container, false);
}

static void want_more(struct container *container);

static void on_helper_end(struct loop_source *source, const siginfo_t *info, void *data)
{
	struct helper *helper = data;
	struct container *container = find_number(helper->relay, helper->container);
	bool is_good = info->si_code == CLD_EXITED && info->si_status == 0;

	helper_free(helper);
	if (!container)
		return;
	container->is_helped = false;
	if (!is_good)
		log_warn("relay: no more sockets for %s", container->id);
	else if (container->waiting.len > 0)
		/* What it brought was gone before its end was heard of. */
		want_more(container);
	if (!container->is_helped)
		refuse_waiting(container);
}

static int start_helper(struct container *container, int theirs, struct error *err)
{
	struct relay *relay = container->relay;
	const char *const argv[] = {
		relay->config.shim, "--root",     relay->config.root, "net", "--fd", "3",
		"--sockets",        REFILL_COUNT, container->id,      NULL};
	const struct child_fd fds[] = {{STDERR_FILENO, 2}, {theirs, 3}};
	const struct child_spec spec = {.path = relay->config.shim,
	                                .argv = argv,
	                                .fds = fds,
	                                .nfds = ARRAY_LEN(fds),
	                                .die_with_parent = true};
	struct helper *helper;
	pid_t pid = child_spawn(&spec, err);

	if (pid < 0)
		return -1;
	helper = xcalloc(1, sizeof(*helper));
	*helper = (struct helper){.relay = relay, .container = container->number};
	*array_add(&relay->helpers) = helper;
	if (loop_add_child(relay->loop, pid, on_helper_end, helper, &helper->child, err) == 0)
		return 0;
	helper_free(helper);
	return -1;
}

static int refill(struct container *container, struct error *err)
{
	struct relay *relay = container->relay;
	cleanup_close int ours = -1, theirs = -1;
	int pair[2];

	if (container->is_helped)
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "socketpair");
	ours = pair[0];
	theirs = pair[1];
	if (start_helper(container, theirs, err) < 0)
		return -1;
	container->is_helped = true;
	relay->config.on_helper(take_fd(ours), relay->config.data);
	return 0;
}

static void want_more(struct container *container)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	if (container->sockets.len >= REFILL_BELOW || refill(container, &err) == 0)
		return;
	log_warn("relay: %s: %s", container->id, err.text);
}

static void call_inside(struct container *container, int fd, int inside_port)
{
	if (container->sockets.len > 0) {
		int sock = take_socket(container);

		want_more(container);
		dial(container, fd, false, sock, inside_port);
		return;
	}
	want_more(container);
	if (!container->is_helped || container->waiting.len == WAITING_MAX) {
		relay_reset(fd);
		return;
	}
	*array_add(&container->waiting) = (struct waiting){fd, inside_port};
	pause_ports(container, true);
}

/* --- connections come --- */

static void on_outside(int fd, void *data)
{
	struct port *port = data;

	call_inside(port->container, fd, port->inside_port);
}

static struct port *find_port(struct relay *relay, int host_port)
{
	array_foreach(container, &relay->containers)
		array_foreach(port, &(*container)->ports)
			if ((*port)->host_port == host_port)
				return *port;
	return NULL;
}

static void on_inside(int fd, void *data)
{
	struct peer *peer = data;
	struct relay *relay = peer->container->relay;
	struct port *port = find_port(relay, peer->host_port);
	int sock;

	/* Another container of ours: straight from the one to the other. */
	if (port && !port->ipv4) {
		relay_reset(fd);
		return;
	}
	if (port) {
		call_inside(port->container, fd, port->inside_port);
		return;
	}
	sock = outside_socket();
	if (sock < 0)
		relay_reset(fd);
	else
		dial(peer->container, fd, true, sock, peer->host_port);
}

/* --- containers --- */

static struct container *find(struct relay *relay, const char *id)
{
	array_foreach(container, &relay->containers)
		if (str_eq((*container)->id, id))
			return *container;
	return NULL;
}

static struct container *need(struct relay *relay, const char *id, struct error *err)
{
	struct container *container = find(relay, id);

	if (!container)
		error_set(err, ERR_NOT_FOUND, "no container `%s`", id);
	return container;
}

static void container_free(struct container *container)
{
	relay_links_orphan(&container->relay->links, container->number);
	array_foreach(port, &container->ports) {
		acceptor_free((*port)->ipv4);
		acceptor_free((*port)->ipv6);
		listen_loopback_close(&(*port)->bound);
		free(*port);
	}
	array_foreach(peer, &container->peers) {
		acceptor_free((*peer)->acceptor);
		free(*peer);
	}
	array_foreach(sock, &container->sockets)
		close(*sock);
	array_foreach(waiting, &container->waiting)
		relay_reset(waiting->fd);
	array_release(&container->ports);
	array_release(&container->peers);
	array_release(&container->sockets);
	array_release(&container->waiting);
	loop_source_free(container->ended);
	close_fd(&container->pidfd);
	free(container->id);
	free(container);
}

void relay_remove(struct relay *relay, const char *id)
{
	array_foreach(slot, &relay->containers) {
		struct container *container = *slot;

		if (!str_eq(container->id, id))
			continue;
		array_remove(&relay->containers, slot);
		container_free(container);
		return;
	}
}

static void on_ended(struct loop_source *source, int fd, uint32_t events, void *data)
{
	struct container *container = data;
	struct relay *relay = container->relay;

	relay_remove(relay, container->id);
	relay->config.on_change(relay->config.data);
}

/* Who had the port may have ended, and nobody has heard of it yet. */
static void take_over_port(struct relay *relay, int host_port)
{
	struct port *port = find_port(relay, host_port);
	struct pollfd ended = {.fd = port ? port->container->pidfd : -1, .events = POLLIN};

	if (port && poll(&ended, 1, 0) > 0)
		relay_remove(relay, port->container->id);
}

static int add_port(struct container *container, const struct relay_publication *from,
                    struct error *err)
{
	struct port *port;

	take_over_port(container->relay, from->host_port);
	port = xcalloc(1, sizeof(*port));
	*port = (struct port){.container = container,
	                      .host_port = from->host_port,
	                      .inside_port = from->inside_port,
	                      .bound = {.ipv4 = -1, .ipv6 = -1}};
	*array_add(&container->ports) = port;
	return listen_loopback_bind(from->host_port, &port->bound, err);
}

static int open_port(struct port *port, struct error *err)
{
	struct relay *relay = port->container->relay;

	if (port->ipv4)
		return 0;
	if (listen_loopback_begin(&port->bound, err) < 0)
		return -1;
	port->ipv4 = acceptor_new(relay->loop, take_fd(port->bound.ipv4), on_outside, port, err);
	if (!port->ipv4)
		return -1;
	if (port->bound.ipv6 < 0)
		return 0;
	port->ipv6 = acceptor_new(relay->loop, take_fd(port->bound.ipv6), on_outside, port, err);
	return port->ipv6 ? 0 : -1;
}

int relay_open(struct relay *relay, const char *id, int inside_port, struct error *err)
{
	struct container *container = need(relay, id, err);

	if (!container)
		return -1;
	array_foreach(port, &container->ports) {
		if (inside_port > 0)
			(*port)->inside_port = inside_port;
		if (open_port(*port, err) < 0)
			return -1;
	}
	return 0;
}

int relay_add(struct relay *relay, const char *id, int pidfd, const struct relay_publication *ports,
              size_t count, bool is_open, struct error *err)
{
	struct container *container = xcalloc(1, sizeof(*container));
	int result = 0;

	relay_remove(relay, id);
	*array_add(&relay->containers) = container;
	container->relay = relay;
	container->number = ++relay->last_number;
	container->id = xstrdup(id);
	container->pidfd = pidfd;
	for (size_t i = 0; i < count && result == 0; i++)
		result = add_port(container, &ports[i], err);
	if (result == 0)
		result = loop_add_fd(relay->loop, pidfd, LOOP_READ, on_ended, container,
		                     &container->ended, err);
	if (result == 0 && is_open)
		result = relay_open(relay, id, 0, err);
	if (result < 0)
		relay_remove(relay, id);
	return result;
}

static void close_all(int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		close_fd(&fds[i]);
		fds[i] = -1;
	}
}

int relay_add_listeners(struct relay *relay, const char *id, const int *ports, int *fds,
                        size_t count, struct error *err)
{
	struct container *container = need(relay, id, err);

	for (size_t i = 0; container && i < count; i++) {
		struct peer *peer = xcalloc(1, sizeof(*peer));

		*peer = (struct peer){.container = container, .host_port = ports[i]};
		*array_add(&container->peers) = peer;
		peer->acceptor = acceptor_new(relay->loop, take_fd(fds[i]), on_inside, peer, err);
		if (peer->acceptor)
			continue;
		container->peers.len--;
		free(peer);
		container = NULL;
	}
	if (container)
		return 0;
	close_all(fds, count);
	return -1;
}

int relay_add_sockets(struct relay *relay, const char *id, int *fds, size_t count,
                      struct error *err)
{
	struct container *container = need(relay, id, err);

	if (!container) {
		close_all(fds, count);
		return -1;
	}
	for (size_t i = 0; i < count; i++)
		*array_add(&container->sockets) = take_fd(fds[i]);
	serve_waiting(container);
	return 0;
}

size_t relay_containers(const struct relay *relay)
{
	return relay->containers.len;
}

void relay_each(struct relay *relay, relay_each_fn *fn, void *data)
{
	array_foreach(container, &relay->containers)
		fn(relay, (*container)->id, data);
}

size_t relay_connections(const struct relay *relay)
{
	return relay->links.count;
}

static void on_link_end(struct relay_links *links, void *data)
{
	struct relay *relay = data;

	relay->config.on_change(relay->config.data);
}

struct relay *relay_new(struct loop *loop, const struct relay_config *config)
{
	struct relay *relay = xcalloc(1, sizeof(*relay));

	relay->loop = loop;
	relay->config = *config;
	relay->links = (struct relay_links){.loop = loop, .on_end = on_link_end, .data = relay};
	relay->dials.loop = loop;
	return relay;
}

static void ignore_change(void *data)
{
	/* We are ending. */
}

void relay_free(struct relay *relay)
{
	if (!relay)
		return;
	relay->config.on_change = ignore_change;
	relay->is_ending = true;
	relay_dials_release(&relay->dials);
	while (relay->containers.len > 0)
		relay_remove(relay, relay->containers.items[0]->id);
	while (relay->helpers.len > 0)
		helper_free(relay->helpers.items[0]);
	relay_links_release(&relay->links);
	array_release(&relay->containers);
	array_release(&relay->helpers);
	free(relay);
}

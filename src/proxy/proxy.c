#include "proxy/proxy.h"

#include "base/error.h"
#include "base/mem.h"
#include "net/acceptor.h"
#include "proxy/client.h"
#include "proxy/forward.h"

#include <errno.h>
#include <sys/socket.h>

struct listener {
	struct proxy *proxy;
	struct acceptor *acceptor;
	int port;
};

struct proxy *proxy_new(struct loop *loop, size_t max_clients)
{
	struct proxy *proxy = xcalloc(1, sizeof(*proxy));

	proxy->loop = loop;
	proxy->max_clients = max_clients;
	proxy->pool = upstream_pool_new(loop, &forward_events);
	proxy->to_upstream.buf = proxy->to_client.buf = strbuf_empty;
	return proxy;
}

static void close_listeners(struct proxy *proxy)
{
	array_foreach(listener, &proxy->listeners) {
		acceptor_free((*listener)->acceptor);
		free(*listener);
	}
	array_release(&proxy->listeners);
}

void proxy_free(struct proxy *proxy)
{
	if (!proxy)
		return;
	while (proxy->clients)
		client_drop(proxy->clients);
	tunnels_release(&proxy->tunnels);
	close_listeners(proxy);
	upstream_pool_free(proxy->pool);
	routes_release(&proxy->routes);
	strbuf_release(&proxy->to_upstream);
	strbuf_release(&proxy->to_client);
	free(proxy);
}

/* --- clients come and go --- */

static void pause_accepting(struct proxy *proxy, bool is_paused)
{
	array_foreach(listener, &proxy->listeners)
		acceptor_pause((*listener)->acceptor, is_paused);
}

static void on_accept(int fd, void *data)
{
	const struct listener *listener = data;
	struct proxy *proxy = listener->proxy;

	if (!client_accept(proxy, fd, listener->port))
		return;
	if (++proxy->client_count >= proxy->max_clients)
		pause_accepting(proxy, true);
}

void proxy_client_gone(struct proxy *proxy)
{
	if (proxy->client_count-- == proxy->max_clients)
		pause_accepting(proxy, false);
	array_foreach(listener, &proxy->listeners)
		acceptor_look_again((*listener)->acceptor);
}

static int port_of(int sock)
{
	union {
		struct sockaddr any;
		struct sockaddr_in ipv4;
		struct sockaddr_in6 ipv6;
	} addr = {0};
	socklen_t len = sizeof(addr);

	if (getsockname(sock, &addr.any, &len) < 0)
		return -1;
	if (addr.any.sa_family == AF_INET6)
		return ntohs(addr.ipv6.sin6_port);
	errno = EAFNOSUPPORT;
	return addr.any.sa_family == AF_INET ? ntohs(addr.ipv4.sin_port) : -1;
}

int proxy_listen(struct proxy *proxy, int listen_fd, struct error *err)
{
	cleanup_close int fd = listen_fd;
	cleanup_free struct listener *listener = xcalloc(1, sizeof(*listener));

	listener->proxy = proxy;
	listener->port = port_of(fd);
	if (listener->port < 0)
		return error_errno(err, errno, "not a listening socket");
	listener->acceptor = acceptor_new(proxy->loop, take_fd(fd), on_accept, listener, err);
	if (!listener->acceptor)
		return -1;
	*array_add(&proxy->listeners) = take_ptr(listener);
	return 0;
}

size_t proxy_listeners(const struct proxy *proxy, int *fds, size_t max)
{
	size_t count = 0;

	for (; count < proxy->listeners.len && count < max; count++)
		fds[count] = acceptor_fd(proxy->listeners.items[count]->acceptor);
	return count;
}

void proxy_drain(struct proxy *proxy)
{
	proxy->is_draining = true;
	close_listeners(proxy);
}

/* --- routes --- */

static bool is_wanted_port(int port, void *data)
{
	return routes_has_port(data, port);
}

int proxy_set_routes(struct proxy *proxy, const json_t *message, struct error *err)
{
	if (routes_load(&proxy->routes, message, err) < 0)
		return -1;
	upstream_pool_keep(proxy->pool, is_wanted_port, &proxy->routes);
	/* Looking again may drop that client, but no other. */
	for (struct client *client = proxy->clients, *next; client; client = next) {
		next = client->next;
		if (client->state == CLIENT_WAITING)
			forward_look_again(client);
	}
	return 0;
}

void proxy_count(const struct proxy *proxy, struct proxy_counts *ret)
{
	*ret = (struct proxy_counts){
		.requests = proxy->requests,
		.clients = proxy->client_count,
		.tunnels = proxy->tunnels.count,
		.idle_upstreams = upstream_pool_idle(proxy->pool),
	};
	for (const struct client *client = proxy->clients; client; client = client->next)
		ret->waiting += client->state == CLIENT_WAITING;
}

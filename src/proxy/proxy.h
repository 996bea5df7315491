/*
 * proxy - the reverse proxy on a loop: listeners, the routing table, and the
 * connections between them.
 *
 * It is told everything (sockets, routes) and logs nothing.  Freeing it drops
 * all connections.
 */
#pragma once

#include "base/attrs.h"
#include "loop/loop.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct proxy;

struct proxy *proxy_new(struct loop *loop, size_t max_clients);
void proxy_free(struct proxy *proxy);
DEFINE_FREEP(proxy)

/* Takes the listening socket, on failure too. */
int proxy_listen(struct proxy *proxy, int listen_fd, struct error *err);
/* Replaces the table, keeps it on failure; requests that wait look again. */
int proxy_set_routes(struct proxy *proxy, const json_t *message, struct error *err);

/*
 * Accepts no more; a connection ends with its next answer, or when nothing is asked on it for
 * a while: one that is just being used is not cut.
 */
void proxy_drain(struct proxy *proxy);
/* The sockets it listens on, still its own; how many they are. */
size_t proxy_listeners(const struct proxy *proxy, int *fds, size_t max);

struct proxy_counts {
	uint64_t requests; /* answered so far */
	size_t clients, waiting, tunnels, idle_upstreams;
};
void proxy_count(const struct proxy *proxy, struct proxy_counts *ret);

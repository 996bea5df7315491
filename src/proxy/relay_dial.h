/*
 * relay_dial - connects a socket to a port of its own network's loopback, 127.0.0.1 or
 * ::1, without blocking.  A socket that was refused is not good for the other.
 *
 * The callback comes once, possibly from inside relay_dial_start(); the socket is
 * then the callback's, connected, or -1 and closed.  Owns the socket until then.
 */
#pragma once

#include <stdbool.h>

struct loop;
struct relay_dial;

typedef void relay_dial_fn(int sock, void *data);

struct relay_dials {
	struct loop *loop;
	struct relay_dial *first;
};

/* `sock`: AF_INET6 for both families, or AF_INET; taken. */
void relay_dial_start(struct relay_dials *dials, int sock, int port, bool ipv6, relay_dial_fn *fn,
                      void *data);
/* Their callbacks get -1. */
void relay_dials_release(struct relay_dials *dials);

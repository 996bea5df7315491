/*
 * port_pool - chooses a TCP port for each service and remembers the choice.
 *
 * An owner ("project/service") keeps its port from port_pool_take() until
 * port_pool_give(), so a restart does not move it, and the daemon's own restart
 * does not either: it saves the leases and puts them back with
 * port_pool_restore().  The pool deals in numbers: it opens no socket itself and
 * asks the probe it was given whether a port is free.
 *
 * Owns: a copy of each owner's name.  Blocks: only in the probe.
 */
#pragma once

#include "base/array.h"

#include <stdbool.h>

struct error;

typedef bool port_probe_fn(int port, void *data);

struct port_lease {
	char *owner;
	int port;
};

struct port_pool {
	int first, last; /* both included */
	/*
	 * The search for an owner begins at a place of its own in the range, so that the
	 * pools of several users on a machine do not meet at the first port.
	 */
	bool is_spread;
	port_probe_fn *is_free;
	void *data;                      /* for is_free */
	ARRAY(struct port_lease) leases; /* to be read by whoever saves them */
};

void port_pool_release(struct port_pool *pool);
/* With leases of its own; released like any other. */
struct port_pool port_pool_copy(const struct port_pool *pool);

/* The owner's port, chosen on first use; -1 with EADDRINUSE when none is left. */
int port_pool_take(struct port_pool *pool, const char *owner, struct error *err);

/* Puts a saved lease back, outside first..last too; false when another has that port. */
bool port_pool_restore(struct port_pool *pool, const char *owner, int port);

/* Gives the lease up and takes another port: the old one was found taken by a stranger. */
int port_pool_move(struct port_pool *pool, const char *owner, struct error *err);

/* Ends the owner's lease, if there is one. */
void port_pool_give(struct port_pool *pool, const char *owner);

/*
 * A probe for real machines: nothing listens on the port, and it can be bound
 * on 127.0.0.1 and, where there is IPv6, on ::1.
 */
bool port_probe_loopback(int port, void *data);

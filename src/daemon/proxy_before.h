/*
 * proxy_before - the proxy of the daemon before this one: found, or cleared away.
 *
 * Looks at run/proxy.sock, where a proxy waits for its next daemon, and at
 * run/proxy.json, which remembers its port and process.  A proxy that is there
 * and does not answer is killed (by its identity, not by its number), so that its
 * port can be had again.
 *
 * Blocks, for at most 2 s on a proxy that hangs; only while the daemon starts.
 */
#pragma once

#include "net/listen.h"

#include <stdbool.h>
#include <sys/types.h>

struct error;

struct proxy_before {
	int sock;                         /* to it; -1 when there is none */
	pid_t pid;                        /* what it says of itself */
	bool is_ours;                     /* of the same version */
	struct listen_loopback listening; /* its sockets; only with sock */
	int port;                         /* what was remembered, 0: nothing */
};

/* The descriptors in `ret` are the caller's. */
void proxy_before_find(const char *sock_path, const char *memory_path, struct proxy_before *ret);

/* Writes down port and process for the next daemon. */
void proxy_before_remember(const char *memory_path, int port, pid_t pid);

/*
 * listen - listening sockets on this machine only: loopback TCP and unix sockets.
 *
 * All are non-blocking and CLOEXEC and belong to the caller.  Nothing here can
 * listen on an address that another machine reaches.
 */
#pragma once

#include "base/attrs.h"

#include <stdbool.h>
#include <sys/types.h>

struct error;

struct listen_loopback {
	int port;
	int ipv4, ipv6; /* ipv6 is -1 on a machine without it */
};

/*
 * One port on 127.0.0.1 and ::1: the first of `ports` that is free on both and
 * allowed.  A 0 in the list is any free port.  EADDRINUSE names what was tried.
 */
int listen_loopback(const int *ports, size_t count, struct listen_loopback *ret, struct error *err);
/* The same in two steps: taken, but refusing connections, until it begins. */
int listen_loopback_bind(int port, struct listen_loopback *ret, struct error *err);
int listen_loopback_begin(const struct listen_loopback *bound, struct error *err);
/* The same from the sockets that another process had; takes them, on failure too. */
int listen_loopback_take(int *fds, size_t count, struct listen_loopback *ret, struct error *err);
void listen_loopback_close(struct listen_loopback *listening);

/*
 * A unix socket of mode 0600 in a private directory (fs_mkdirs_private()).  Replaces a
 * socket of ours that is there: the caller holds a lock that says nobody listens on it.
 * Paths longer than sun_path are fine.
 */
int listen_unix(const char *path, struct error *err);
/* Connects to it; a blocking socket, for clients without a loop. */
int listen_unix_connect(const char *path, struct error *err);

/* The same for packets (SOCK_SEQPACKET). */
int listen_unix_packets(const char *path, struct error *err);
int listen_unix_packets_connect(const char *path, struct error *err);

/* Who is at the other end of a unix socket; false for other sockets. */
bool listen_unix_peer(int fd, uid_t *uid, pid_t *pid);

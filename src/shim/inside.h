/*
 * inside - the network namespace of a container that runs, entered by a process
 * that makes sockets there and hands them out.
 *
 * A socket belongs for ever to the network namespace in which it was made: whoever
 * gets it connects and accepts inside, without being there.  Entering is for good.
 * The process that entered keeps the host's file system and pids, is no process of
 * the container, and cannot be traced from inside.
 */
#pragma once

#include <sys/types.h>

struct error;

/* EINVAL when the container has our own network. */
int inside_enter_network(pid_t pid, int pidfd, struct error *err);
/* An unconnected TCP socket: IPv6 for both families, IPv4 where there is no IPv6. */
int inside_socket(struct error *err);
/* What each of these sockets is set to; -1 with errno. */
int inside_prepare_socket(int sock);

/*
 * join - starts a process inside a container that runs (`exec`).
 *
 * As in namespaces.h a process in between enters the container, by the pidfd of
 * its process, and makes the new one as our child.  It cannot be traced from
 * inside before it runs the program of the container.
 */
#pragma once

#include "base/attrs.h"

#include <stdbool.h>
#include <sys/types.h>

struct error;
struct plan_exec;
struct state;

struct join_request {
	const struct state *state;
	int pidfd; /* of the container's process */
	int proc;  /* /proc of the host */
	int console_socket;
	bool is_detached; /* outlives us */
	bool enters_root; /* the container's root is not that of its mount namespace */
	struct plan_exec *exec;
	const char *sub_cgroup; /* a path below it, or NULL */
	bool *is_outside;       /* set: it may not enter the container's cgroup from where we are */
};

/* The pid of the process, which runs; *ret_terminal is the terminal to relay or -1. */
pid_t join_start(const struct join_request *request, int *ret_terminal, struct error *err);

/*
 * listener - gives the descriptor of a seccomp filter with SCMP_ACT_NOTIFY to its agent.
 *
 * The agent listens on linux.seccomp.listenerPath; the connection is made before
 * anything of the container.  Once a filter is there each system call may have to
 * wait for the agent, so a process from before it, which shares the descriptors,
 * does the sending.  All that the filtered one needs for that is write(2), which
 * spec_seccomp_parse() therefore keeps from being notified.
 */
#pragma once

#include "base/attrs.h"

#include <sys/types.h>

struct error;
struct plan_exec;
struct spec_seccomp;
struct state;

struct listener {
	int sock;    /* to the agent; -1: the filter has none */
	int message; /* memfd with what the agent is told */
	const char *metadata;
};

/* Connects, when the filter notifies. */
int listener_init(struct listener *listener, const struct spec_seccomp *seccomp, struct error *err);
void listener_release(struct listener *listener);
/* What the agent is told of `pid`, the process that gets the filter. */
int listener_describe(const struct listener *listener, const struct state *state,
                      const char *status, pid_t pid, struct error *err);
/*
 * In the process itself: installs exec->filter; returns when the agent has the
 * descriptor.  A failure to send it is told to `report` as well.
 */
int listener_install(const struct plan_exec *exec, int report, struct error *err);

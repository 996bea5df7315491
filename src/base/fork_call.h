/*
 * fork_call - runs a function in a child process and brings back what it
 * returned, or its error with text and hint.
 *
 * The child is a copy: what the function changes in memory is lost, what it does
 * to files stays.  It dies with its parent (PR_SET_PDEATHSIG).  Descriptors stay
 * open in it.  Only for processes without threads.
 *
 * fork_call_start() does not block; `result` becomes readable when the child has
 * ended.  fork_call_wait() blocks and must follow, or fork_call_kill().
 */
#pragma once

#include "base/attrs.h"

#include <sys/types.h>

struct error;

/* Returns 0..127, or -1 with an error. */
typedef int fork_fn(void *data, struct error *err);

struct fork_call {
	pid_t pid;
	int result;
};

#define FORK_CALL_INIT                                                                             \
	{                                                                                          \
		.pid = -1, .result = -1                                                            \
	}

int fork_call_start(fork_fn *fn, void *data, struct fork_call *ret, struct error *err);
int fork_call_wait(struct fork_call *call, struct error *err);
/* SIGKILL and reap; nothing when it has been waited for. */
void fork_call_kill(struct fork_call *call);

/* The child must call this again after it has changed its user: that clears the setting. */
void fork_call_die_with_parent(void);

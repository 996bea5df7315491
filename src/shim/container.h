/*
 * container - the parent's side of a container's life: made, watched, removed.
 *
 * container_create() either makes the whole container or leaves nothing: no
 * process, no cgroup, no state directory.  It blocks until the process runs its
 * program, or, for `create`, until it waits for `start`.
 */
#pragma once

#include "base/attrs.h"
#include "shim/fuse_root.h"
#include "shim/plan.h"
#include "shim/spec.h"
#include "shim/state.h"

#include <stdbool.h>
#include <stdint.h>

struct error;

struct container_request {
	const char *id, *bundle, *console_socket, *pid_file;
	const char *config; /* the file, NULL: config.json of the bundle */
	int root;           /* the state root */
	unsigned preserve_fds;
	unsigned listen_fds; /* how many of these are systemd's */
	bool is_waiting;     /* create: the program runs when `start` says so */
	bool is_detached;    /* outlives the shim; waiting implies it */
	bool is_kept;        /* stays, stopped, until `delete` */
	bool no_cgroup;
	bool has_own_cgroup; /* cgroup_make_room() */
	bool has_init, no_pivot, no_new_keyring;
};

struct container {
	struct spec spec;
	struct state state;
	int terminal; /* the master when we relay, or -1 */
	int pidfd;
	int hook_state;
	struct fuse_server root_server;
	char *no_limits; /* why those of an ordinary user are not set, or NULL */
	bool has_one_id; /* the caller has no subordinate ids, and config.json had no map */
};

#define CONTAINER_INIT                                                                             \
	{                                                                                          \
		.state = {.dir = -1, .root = -1}, .terminal = -1, .pidfd = -1, .hook_state = -1    \
	}

int container_create(struct container *container, const struct container_request *request,
                     struct error *err);
/* Runs the hooks of a moment with the state as it is. */
int container_run_hooks(struct container *container, enum spec_hook_kind kind, const char *name,
                        const char *status, struct error *err);
/* Kills its process and waits for the end; somebody else reaps it. */
int container_kill(const struct container *container, struct error *err);
/*
 * Kills what is left, runs poststop hooks, removes the cgroup and the state.
 * Returns 1 when all is gone and a poststop hook failed: *err is then a warning.
 */
int container_destroy(struct container *container, struct error *err);
void container_release(struct container *container);

/* supervise.c: waits for a process, forwards signals and the terminal; its exit status. */
int supervise(int pidfd, pid_t pid, int terminal, struct error *err);
/* Blocks the signals that supervise() forwards: before the process is made. */
void supervise_block_signals(void);

int write_pid_file(const char *path, pid_t pid, struct error *err);

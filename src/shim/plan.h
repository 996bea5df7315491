/*
 * plan - all that the first process of a container needs, made before the clone.
 *
 * The parent fills it; the child reads it from its copy of the memory and
 * writes only to the arrays that were sized for it (`trees`, `overlay_fds`).
 * So nothing is allocated between clone and exec.  Descriptors in it are the
 * parent's and close on exec.
 */
#pragma once

#include "base/array.h"
#include "shim/cgroup.h"
#include "shim/listener.h"
#include "shim/spec.h"

#include <linux/filter.h>
#include <stdbool.h>
#include <sys/types.h>

struct error;

#define PLAN_HOME_SIZE 4096

/* The overlay of the first mount, taken apart. */
struct plan_overlay {
	bool is_set;
	const char *program; /* fuse-overlayfs; NULL: the kernel's */
	struct strv lower;
	const char *upper, *work; /* NULL: read-only */
	struct strv rest;         /* other options, such as userxattr */
	int *fds; /* lower…, upper, work, or /dev/fuse alone; opened by the child */
};

/* Everything that execve and the final switch of identity need; `exec` has one too. */
struct plan_exec {
	const struct spec_process *process;
	const struct spec_seccomp *seccomp;
	struct sock_fprog filter; /* len 0: none */
	struct listener listener; /* of its SCMP_ACT_NOTIFY */
	char **argv, **envp;      /* envp has room for one more */
	size_t env_len;
	char *home;       /* PLAN_HOME_SIZE bytes, for that one */
	uint64_t ignored; /* signals that we ignore, as bits: they would be passed on */
	bool can_set_groups;
	bool keeps_groups; /* those of the caller, as the annotation run.oci.keep_original_groups
	                      asks */
	unsigned preserve_fds;
	int proc;   /* /proc of the host, O_PATH; borrowed */
	int parent; /* a socket to the shim, to die with it; -1: outlives it */
};

struct plan {
	const struct spec *spec;
	const char *id, *bundle;
	char *rootfs; /* absolute */
	struct plan_overlay overlay;
	struct plan_exec exec;
	const struct cgroup_host *cgroups;
	const struct cgroup *cgroup;
	int *trees;     /* one for each mount: its detached tree, then its mount */
	int *nodes;     /* one for each device: a detached tree with its node, or -1 */
	bool maps_root; /* id 0 exists inside the new user namespace */
	bool has_new_userns;
	bool owns_mounts; /* a mount namespace of its own; else nothing is mounted anywhere */
	bool is_joining;  /* some namespace is entered by path */
	bool has_init, no_pivot, no_new_keyring;
	bool is_waiting;    /* create: waits for start */
	int sync;           /* child's end; see sync.h */
	int start_socket;   /* listens for `start`, or -1 */
	int console_socket; /* gets the terminal, or -1: goes to the parent over sync */
	int proc;           /* /proc of the host, O_PATH */
	int exe;            /* this program, O_PATH, or -1: has_init only */
	int hook_state;     /* memfd with the state for hooks, or -1 */
};

/* How a plan differs from its spec; everything else is worked out. */
struct plan_options {
	const char *id, *bundle;
	bool has_init, no_pivot, no_new_keyring, dies_with_parent, is_waiting;
	unsigned preserve_fds;
};

/* May drop mount options of `spec` that its id maps rule out. */
int plan_init(struct plan *plan, struct spec *spec, const struct plan_options *options,
              struct error *err);
void plan_release(struct plan *plan);

/* Argument and environment vectors, the last capability, the seccomp program. */
int plan_exec_init(struct plan_exec *exec, const struct spec_process *process,
                   const struct spec_seccomp *seccomp, unsigned preserve_fds, struct error *err);
void plan_exec_release(struct plan_exec *exec);

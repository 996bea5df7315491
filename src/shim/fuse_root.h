/*
 * fuse_root - a root file system that fuse-overlayfs serves, where the kernel's own
 * overlay cannot be had: mounts[0] with the type `fuse-overlayfs`, the program as its
 * source, and lowerdir, upperdir and workdir as an overlay has them.
 *
 * The child opens /dev/fuse, mounts, and passes the descriptor to the parent, which
 * starts the program: in the container's user namespace, in a mount namespace of its
 * own, outside the container's pid namespace.  Nobody but the program holds the
 * descriptor, so it ends when the container's last mount of it does, however that
 * comes, and the mount is dead when the program is.
 */
#pragma once

#include "base/attrs.h"

#include <sys/types.h>

struct error;
struct plan;
struct plan_overlay;

struct fuse_server {
	pid_t pid; /* 0: none */
	int said;  /* what it wrote to its standard error */
};

/* In the child, before it changes ids. */
int fuse_root_open(const struct plan_overlay *overlay, struct error *err);
/* In the child: its mount; the descriptor goes to the parent. */
int fuse_root_make(const struct plan *plan, struct error *err);

/* In the parent: userns is that of the child, fuse what came from it; both borrowed. */
int fuse_root_serve(const struct plan *plan, int userns, int fuse, struct fuse_server *ret,
                    struct error *err);
/* When the start failed because the program did, *err says what the program said. */
void fuse_root_explain(const struct fuse_server *server, const struct plan *plan,
                       struct error *err);
/* The container is gone: waits for the program's end, or sees to it. */
void fuse_root_end(struct fuse_server *server);

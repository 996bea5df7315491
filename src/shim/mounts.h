/*
 * mounts - the container's file systems, from its root to its masked paths.
 *
 * Steps of the child, in this order.  mounts_open_sources() comes before the
 * process takes the ids of its user namespace: it still is the caller then, so
 * directories below a 0700 home open, and the descriptors it gets lie in the
 * new mount namespace, which overlayfs and clones insist on.  All later steps work on
 * descriptors.
 */
#pragma once

#include "base/attrs.h"

struct error;
struct mount_options;
struct plan;
struct spec_mount;

/*
 * mount_idmap.c, in the parent, which alone may be allowed it: the trees of id-mapped
 * mounts, which the child inherits.  `joined` is a user namespace that is entered, or -1.
 */
int mounts_map_ids(const struct plan *plan, int joined, struct error *err);
/* What keeps mounts of the container from the host: MS_PRIVATE or MS_SLAVE. */
unsigned long mounts_propagation(const struct plan *plan);

int mounts_open_sources(const struct plan *plan, int *ret_rootfs, struct error *err);
/* The root file system as an attached mount of its own. */
int mounts_make_root(const struct plan *plan, int rootfs, struct error *err);
/* config.mounts, in order; read-only attributes wait for mounts_finish(). */
int mounts_apply(const struct plan *plan, int root, struct error *err);
/* Attributes of a mount that must wait for what is mounted inside. */
int mounts_finish_one(const struct plan *plan, const struct mount_options *options, int tree,
                      struct error *err);
/* Masked and read-only paths, and what must become read-only at last. */
int mounts_finish(const struct plan *plan, int root, struct error *err);
/* Makes root the root of the process and drops all of the host. */
int mounts_enter_root(const struct plan *plan, int root, struct error *err);

/* devices.c: nodes and links in /dev; devices_console() binds a terminal to /dev/console. */
int devices_make(const struct plan *plan, int root, struct error *err);
int devices_console(int root, int terminal, struct error *err);
/*
 * device_nodes.c, in the parent: nodes of config.json for a container that is root's and has a user
 * namespace, where none can be made.  Where the parent may not either, the host's are shown.
 */
int devices_make_outside(const struct plan *plan, struct error *err);
/* A detached clone of the host's /dev/null, checked to be it. */
int devices_null_tree(struct error *err);

/* copy_up.c: copies the content of a directory into a new mount (tmpcopyup). */
int mount_copy_up(int from, int tree, struct error *err);
/* cgroup_mount.c: a mount of type cgroup, never writable in v1. */
int cgroup_mount(const struct plan *plan, const struct spec_mount *mount, int root,
                 struct error *err);

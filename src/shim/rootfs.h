/*
 * rootfs - paths inside a container's root, used from outside it.
 *
 * Every path is resolved by the kernel as in a chroot (RESOLVE_IN_ROOT) and
 * used through the descriptor that comes out, so neither "..", a symlink nor a
 * race leads out of the root.  Descriptors are O_PATH and may lie on mounts
 * below the root.
 *
 * Runs in the child: allocates nothing but the text of an error.
 */
#pragma once

#include "base/attrs.h"

#include <limits.h>
#include <sys/types.h>

struct error;

/* Adds `flags` to O_PATH | O_CLOEXEC; -1 with ENOENT in errno when nothing is there. */
int rootfs_open(int root, const char *path, int flags, struct error *err);
/* A directory that must be reached without a symlink; made when it is missing. */
int rootfs_open_plain_dir(int root, const char *path, struct error *err);
/* mkdir -p with mode 0755; dangling symlinks are followed inside the root. */
int rootfs_make_dir(int root, const char *path, struct error *err);
/* An empty file where there is nothing, and the directories above it. */
int rootfs_make_file(int root, const char *path, struct error *err);
/* The directory above the last part of path (made if missing), and that part. */
int rootfs_make_parent(int root, const char *path, char name[NAME_MAX + 1], struct error *err);

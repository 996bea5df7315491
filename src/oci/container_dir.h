/*
 * container_dir - the directory of one container: its bundle and writable layer.
 *
 *   DIR/bundle/config.json, resolv.conf, hosts, hostname, rootfs/ (empty: a mount point)
 *   DIR/bundle/reason      why it ended, written by the runtime where it knows
 *   DIR/bundle/pid         the runtime's, once the program is executed; goes when that fails
 *   DIR/rw/upper/  the writable layer; owned by root of the container's namespace
 *   DIR/rw/work/   overlayfs's own
 *   DIR/root/      in the place of rw/: a copy of the image, where there is no overlay
 *
 * A directory is complete or not there.  Removing it works whoever owns the files.
 * Does not start anything.  Blocks on the disk.
 */
#pragma once

#include "oci/runtime_config.h"

#define CONTAINER_REASON "reason"

/*
 * Makes `dir` (its parent must exist).  EEXIST when it is there, unless `replace`:
 * then the old one goes first, writable layer and all.
 */
int container_dir_create(const char *dir, const struct container_request *request, bool replace,
                         struct error *err);
/* Gone is fine. */
int container_dir_remove(const char *dir, struct error *err);

/* The directories of all containers below `top` (<top>/<project id>/<service>/). */
int container_dirs_list(const char *top, struct strv *out, struct error *err);
/* The names of those, as "<service>", whose bundles mount the host's `source`. */
int container_dirs_with_mount(const char *top, const char *source, struct strv *out,
                              struct error *err);

/* DIR/bundle, and the file in it that the runtime is to write the pid to. */
char *container_dir_bundle(const char *dir) must_check;
char *container_dir_pid(const char *dir) must_check;
/* Adds the diff ids of the layers that the bundle in `dir` uses. */
int container_dir_layers(const char *dir, struct strv *out, struct error *err);

/*
 * runtime_idmap - whose the host's folders are in a container that root starts.
 *
 * Root is in no map of a user namespace, so its files would be nobody's inside.
 * An id-mapped mount (mount_setattr(2), Linux 5.12) shows them as those of the
 * container's root, which is what an ordinary user has anyhow: the caller's id is
 * root inside, every other id is itself.  What root inside writes is root's.
 *
 * Whether a file system can is found out by trying.  Blocks for some milliseconds.
 */
#pragma once

#include "oci/runtime_config.h"

/* Sets is_mapped or unmapped_because of each folder and file of the host among the mounts. */
void runtime_idmap_choose(struct container_request *request, const struct container_user *user);

/* The map of such a mount in a container with the map `of`; false: it needs none. */
bool runtime_idmap_of(const struct userns_map *of, struct userns_map *ret);

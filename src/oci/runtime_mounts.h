/*
 * runtime_mounts - the "mounts" of a container's config.json: the overlay root, the
 * kernel's file systems, the bundle's own files, the caller's mounts.
 *
 * Private to runtime_config.
 */
#pragma once

#include "oci/runtime_config.h"

/*
 * The mount of a root file system of these layers (colons between them, the uppermost first),
 * whose rw/upper and rw/work are in `dir`; not for ROOT_COPY.
 */
json_t *runtime_root_mount(enum root_kind kind, const char *program, const char *layers,
                           const char *dir);

/* runtime_config.c: as "uidMappings" and "gidMappings" have it. */
json_t *runtime_mapping_new(const struct userns_extent *extents, size_t len);

json_t *runtime_mounts_new(const struct container_request *request,
                           const struct container_paths *paths, const struct userns_map *map,
                           struct error *err);

/*
 * runtime_volumes - makes the named volumes of a container that are not there yet.
 *
 * A new volume has owner, mode and content of the folder that the image has where
 * it is mounted, as with Docker and podman; where the image has none, or nothing is
 * to be copied, it is empty and the container's user owns it.  It is complete or
 * not there.  A volume that is there is left alone, whatever is in it.
 *
 * Also lists them and removes them.  Blocks on the disk.
 */
#pragma once

#include "oci/runtime_config.h"

int runtime_volumes_make(const struct container_request *request, const struct container_user *user,
                         struct error *err);

/* Adds a line for each folder of the host that the container's user will not be able to write. */
void runtime_volumes_warn(const struct container_request *request,
                          const struct container_user *user, struct strv *out);

struct volume_entry {
	char *project, *name; /* the project's id */
	char *path;
	int64_t created_ns;
};
struct volume_entries {
	ARRAY(struct volume_entry) items;
};

/* Those below `top`, the folder of all volumes: <top>/<project id>/<name>/.  Sorted. */
int runtime_volumes_list(const char *top, struct volume_entries *ret, struct error *err);
void volume_entries_release(struct volume_entries *entries);

/* ERR_CONFLICT while a container of `containers` (the folder of them all) has it mounted. */
int runtime_volumes_remove(const char *path, const char *containers, struct error *err);

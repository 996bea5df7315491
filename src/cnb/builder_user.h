/*
 * builder_user - gives a base image the ordinary user that buildpacks run as.
 *
 * An image that has CNB_USER_ID in its environment has one already.  Any other gets
 * user and group 1000, with an entry in its /etc/passwd and /etc/group and a home folder
 * where it has no entry for them.
 */
#pragma once

#include "oci/image.h"

struct error;
struct userns_map;

struct builder_user {
	uint32_t uid, gid;
};

#define BUILDER_UID 1000
#define BUILDER_GID 1000

/* The image's CNB_USER_ID and CNB_GROUP_ID; ERR_NOT_FOUND when it has none. */
int builder_user_read(const struct image *image, struct builder_user *ret, struct error *err);

/*
 * Adds a layer and sets user and environment; nothing when the image has a user.  *ret_changed
 * tells which.
 */
int builder_user_ensure(struct store *store, const struct userns_map *map, struct image *image,
                        struct builder_user *ret, bool *ret_changed, struct error *err);

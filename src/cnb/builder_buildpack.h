/*
 * builder_buildpack - a buildpack folder, looked at and made a layer of a builder.
 *
 * The layer has the folder at /cnb/buildpacks/<escaped id>/<version>, owned by root, with
 * the usual permissions, so that who made it does not show.
 */
#pragma once

#include "base/json.h"
#include "base/sha256.h"
#include "cnb/builder_config.h"
#include "oci/tar_writer.h"

struct buildpack_folder {
	const char *dir; /* borrowed */
	char *id, *version, *api, *name, *homepage;
	json_t *order; /* of a composite, or NULL */
	json_t *targets;
	char diff_id[SHA256_DIGEST_SIZE]; /* of its layer, once that is made */
};

struct buildpack_folders {
	ARRAY(struct buildpack_folder) items;
};

void buildpack_folders_release(struct buildpack_folders *folders);

/* Errors carry the position in builder.toml; two versions of one id are fine, twice the same is
 * not. */
int buildpack_folders_read(const struct builder_config *config, struct buildpack_folders *ret,
                           struct error *err);

/* The folder of an id, and of a version unless it is NULL; NULL when there is none. */
const struct buildpack_folder *buildpack_folder_find(const struct buildpack_folders *folders,
                                                     const char *id, const char *version);

/* A new_layer_fn; data is the struct buildpack_folder. */
int buildpack_folder_fill(struct tar_writer *tar, void *data, struct error *err);

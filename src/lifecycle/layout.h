/*
 * layout - images in OCI layout directories, as the -layout mode of the Platform API has them.
 *
 * Below the layout directory each image has a layout of its own, at
 * <registry>/<repository>/<tag>, with exactly one manifest in its index.json.  It may be
 * sparse: blobs of layers need not be there.
 *
 * Docker Hub's names are completed: "redis" is index.docker.io/library/redis/latest.
 */
#pragma once

#include "base/json.h"
#include "base/sha256.h"

#include <stdbool.h>

struct error;

struct layout_image {
	char *dir;
	char digest[SHA256_DIGEST_SIZE]; /* of the manifest */
	json_t *manifest, *config;
};

void layout_image_release(struct layout_image *image);

/* <layout dir>/<registry>/<repository>/<tag>; NULL when it is not an image name. */
char *layout_path(const char *layout_dir, const char *name, struct error *err) must_check;
/* ERR_NOT_FOUND when there is no such image. */
int layout_open(const char *layout_dir, const char *name, struct layout_image *ret,
                struct error *err);
int layout_open_dir(const char *dir, struct layout_image *ret, struct error *err);
/* "DIR@sha256:…", as analyzed.toml refers to images; the digest must be that of the image. */
int layout_open_reference(const char *reference, struct layout_image *ret, struct error *err);

/* A label of the image; NULL when it has no such label.  Borrowed. */
const char *layout_label(const struct layout_image *image, const char *name);
/* The manifest's descriptor of a layer; NULL when no layer has that diff id.  Borrowed. */
json_t *layout_layer(const struct layout_image *image, const char *diff_id);

/* Makes the directories of an image to write, and "oci-layout". */
int layout_prepare(const char *dir, struct error *err);
/* Writes a blob of JSON; fills its descriptor's digest and size. */
int layout_put_json(const char *dir, const json_t *value, char digest[SHA256_DIGEST_SIZE],
                    int64_t *ret_size, struct error *err);
/* index.json with the one manifest. */
int layout_put_index(const char *dir, const char *digest, int64_t size, const char *tag,
                     struct error *err);
/* <dir>/blobs/sha256/<hex> */
char *layout_blob_path(const char *dir, const char *digest) must_check;

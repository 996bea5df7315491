/*
 * image - a manifest and its configuration, read from the store or made new.
 *
 * The config is kept as JSON (`config`), so that what we do not know survives a
 * rebuild; the functions below read and change its well-known parts.  Layers and
 * diff_ids run from the lowest to the highest and have the same length.
 *
 * A new image: image_load() or image_init_empty(), change it, image_commit().
 * Format: OCI image-spec "Manifest", "Index", "Configuration"; the Docker v2
 * schema 2 media types are read as well, written is OCI only.
 */
#pragma once

#include "base/json.h"
#include "oci/store.h"

#define MEDIA_MANIFEST        "application/vnd.oci.image.manifest.v1+json"
#define MEDIA_INDEX           "application/vnd.oci.image.index.v1+json"
#define MEDIA_CONFIG          "application/vnd.oci.image.config.v1+json"
#define MEDIA_LAYER           "application/vnd.oci.image.layer.v1.tar"
#define MEDIA_LAYER_GZIP      "application/vnd.oci.image.layer.v1.tar+gzip"
#define MEDIA_LAYER_ZSTD      "application/vnd.oci.image.layer.v1.tar+zstd"
#define MEDIA_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define MEDIA_DOCKER_INDEX    "application/vnd.docker.distribution.manifest.list.v2+json"

#define IMAGE_LAYERS_MAX 1024

struct image {
	struct descriptor manifest; /* of the manifest it was loaded from */
	struct descriptor config_desc;
	json_t *config;
	ARRAY(struct descriptor) layers;
	struct strv diff_ids;
};

#define IMAGE_INIT                                                                                 \
	{                                                                                          \
		0                                                                                  \
	}

void image_release(struct image *image);

/* By name or reference; ERR_NOT_FOUND when the store has none. */
int image_load(const struct store *store, const char *name, struct image *ret, struct error *err);
int image_load_manifest(const struct store *store, const struct descriptor *manifest,
                        struct image *ret, struct error *err);

bool media_is_index(const char *media_type);
bool media_is_manifest(const char *media_type);

/* Parsed and checked; `ret` gets layers and config descriptor, not the config. */
int image_parse_manifest(const char *text, size_t len, struct image *ret, struct error *err);
/* Adds the config to it: diff_ids checked against the layers. */
int image_parse_config(const char *text, size_t len, struct image *image, struct error *err);
/* The manifest for this machine in an index: linux and our architecture. */
int image_choose_platform(const char *text, size_t len, struct descriptor *ret, struct error *err);
/* Our architecture as images name it: "amd64", "arm64". */
const char *image_architecture(void);

/* ---- the configuration ---- */

/* The "config" object; made when missing.  Borrowed. */
json_t *image_settings(struct image *image);
int image_env(const struct image *image, struct strv *out, struct error *err);
int image_entrypoint(const struct image *image, struct strv *out, struct error *err);
int image_cmd(const struct image *image, struct strv *out, struct error *err);
/* "" when not set.  Borrowed. */
const char *image_user(const struct image *image);
const char *image_working_dir(const struct image *image);
/* NULL when not set.  Borrowed. */
const char *image_label(const struct image *image, const char *name);

void image_set_env(struct image *image, const struct strv *env);
/* Empty removes it. */
void image_set_entrypoint(struct image *image, const struct strv *args);
void image_set_cmd(struct image *image, const struct strv *args);
void image_set_user(struct image *image, const char *user);
void image_set_working_dir(struct image *image, const char *dir);
void image_set_label(struct image *image, const char *name, const char *value);

/* ---- a new image ---- */

/* linux, our architecture, no layers. */
void image_init_empty(struct image *ret);
/* Drops layers above the first `count` (an app image is its run image and new layers). */
void image_keep_layers(struct image *image, size_t count);
/* Its blob and unpacked layer must be in the store when the image is committed. */
void image_add_layer(struct image *image, const struct descriptor *blob, const char *diff_id,
                     const char *created_by);
/* RFC 3339; buildpacks use a fixed time, imports the present. */
void image_set_created(struct image *image, const char *rfc3339);

/* Writes config and manifest; `image->manifest` is the new one.  Names nothing. */
int image_commit(struct store *store, struct image *image, struct error *err);

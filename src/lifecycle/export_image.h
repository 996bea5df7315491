/*
 * export_image - the image that an export makes: run image below, new layers on top.
 *
 * Layers are added from the lowest to the highest; export_image_write() finishes
 * config, manifest and index.  A layer that the previous image has is referred to,
 * not written.
 */
#pragma once

#include "lifecycle/image_layer.h"
#include "lifecycle/layout.h"

struct export_image {
	char *dir;
	struct layout_image run, previous; /* previous.config is NULL when there is none */
	json_t *config;                    /* the new config, from the run image's */
	json_t *layers;                    /* the new manifest's */
	char manifest_digest[SHA256_DIGEST_SIZE];
	int64_t manifest_size;
};

void export_image_release(struct export_image *image);

/* run, previous: references of analyzed.toml; previous may be empty.  dir: where the image goes. */
int export_image_open(struct export_image *image, const char *run, const char *previous,
                      const char *dir, struct error *err);

/* Makes a layer; `known` is its digest in the previous image, if it had one. */
int export_image_add(struct export_image *image, const char *known, const char *created_by,
                     image_layer_fn *fill, void *data, struct image_layer *ret, struct error *err);
/* Takes a layer of the previous image as it is. */
int export_image_reuse(struct export_image *image, const char *diff_id, const char *created_by,
                       struct error *err);

/* The config's "config" object; made when missing.  Borrowed. */
json_t *export_image_settings(struct export_image *image);
void export_image_set_label(struct export_image *image, const char *name, const char *value);
void export_image_set_env(struct export_image *image, const char *name, const char *value);
const char *export_image_env(struct export_image *image, const char *name);

int export_image_write(struct export_image *image, int64_t created, const char *tag,
                       struct error *err);

/*
 * new_layer - a layer made here: an uncompressed tar from a callback, in the store as blob
 * and unpacked.
 *
 * The same content gives the same digest, and a layer that is there is not made again.
 */
#pragma once

#include "oci/image.h"
#include "oci/tar_writer.h"

struct error;
struct userns_map;

typedef int new_layer_fn(struct tar_writer *tar, void *data, struct error *err);

/* Adds the layer on top of the image, which is not committed. */
int new_layer_add(struct store *store, const struct userns_map *map, struct image *image,
                  const char *created_by, new_layer_fn *fill, void *data,
                  char ret_diff_id[SHA256_DIGEST_SIZE], struct error *err);
